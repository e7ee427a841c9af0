//! Files from elsewhere, and what a browser sends.

use std::path::{Path, PathBuf};

use floodmark_contracts::{
    alert::CollectedAlert,
    clock::EventTime,
    enrichment::Enrichment,
    histogram::{self, EncodedHistogram},
    kind::Kind,
    label::Label,
    record::{RunRecord, SeriesRow},
    stream::Stream,
};
use floodmark_generator::{
    collect, enrichment, labels,
    replay::{
        CsvSource, LineSource, Pace, Recording, SeriesOptions, read_csv, read_lines, read_nab,
    },
};
use serde::{Serialize, de::DeserializeOwned};

use crate::seeds::{plan, records, texts};

/// Megabytes that a recording may take.
const MEMORY_MIB: usize = 8;

/// A folder for the inputs that have to be files. Whoever runs this deletes it.
fn folder() -> PathBuf {
    let folder = std::env::var_os("FUZZ_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    folder.join("input")
}

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).expect("a folder");
    std::fs::write(&path, bytes).expect("a file");
    path
}

pub fn collect(bytes: &[u8]) {
    collect::fuzzing::body(bytes);
}

pub fn collect_seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"user_id":"visitor-1","session_id":"s-1","device":"d-1","sent_at":5000,"events":[{"id":"5f0c9c26-7a42-4d1c-8f64-6b1ff2b0a001","at":4000,"type":"click","page":"/home"}]}"#,
        r#"{"user_id":"v","session_id":"s","sent_at":5,"events":[{"id":"5f0c9c26-7a42-4d1c-8f64-6b1ff2b0a001","at":4,"type":"input","element":"iban","input_hash":"0123456789abcdef","latency_ms":80}]}"#,
    ])
}

/// A recording can be labelled and asked for its times at any pace.
fn check(recording: &Recording) {
    assert!(!recording.is_empty());
    assert!(recording.disorder_ms() >= 0);
    let scored = recording.scored();
    assert!(scored.from <= scored.until, "{scored:?}");
    for series in recording.series() {
        for [first, last] in series.windows {
            assert!(first <= last && last < series.times.len());
        }
    }
    for pace in [Pace::Speed(60.0), Pace::Rate(1000.0), Pace::Max] {
        for label in recording.labels(pace) {
            let written = serde_json::to_vec(&label).expect("a label");
            assert_eq!(
                serde_json::from_slice::<Label>(&written).expect("what we wrote"),
                label
            );
        }
    }
}

fn options() -> SeriesOptions {
    SeriesOptions {
        kind: Kind::LevelShift,
        origin: Some(EventTime(1_749_531_600_000)),
        except: Default::default(),
        memory_mib: MEMORY_MIB,
    }
}

pub fn csv(bytes: &[u8]) {
    let source = CsvSource {
        path: file("series.csv", bytes),
        time: "timestamp".to_owned(),
        value: "value".to_owned(),
        label: Some("label".to_owned()),
        key: Some("sensor".to_owned()),
    };
    for origin in [None, options().origin] {
        if let Ok(recording) = read_csv(
            &source,
            &SeriesOptions {
                origin,
                ..options()
            },
        ) {
            check(&recording);
        }
    }
}

pub fn csv_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "timestamp,value,label,sensor\n2014-04-10 07:15:00,1.5,0,a\n2014-04-10T07:20:00Z,2,1,a\n1397115000,3e2,true,b\n",
        "sensor,label,value,timestamp\n\"a\",,1,1397114100000\n\"b,\"\"c\",false,-1,1397114100000.5\n",
    ])
}

pub fn lines(bytes: &[u8]) {
    let source = LineSource {
        path: file("events.ndjson", bytes),
        stream: Stream::Clickstream,
        time: "timestamp".to_owned(),
        key: "user_id".to_owned(),
        memory_mib: MEMORY_MIB,
    };
    if let Ok(recording) = read_lines(&source) {
        check(&recording);
    }
}

pub fn lines_seeds() -> Vec<Vec<u8>> {
    let clicks = records(Stream::Clickstream, 3);
    let mut all = vec![clicks.join(&b'\n')];
    all.extend(texts(&[
        "{\"timestamp\":5,\"user_id\":7}\n\n {\"timestamp\":-9223372036854775808}\n",
    ]));
    all
}

/// A folder in the benchmark's layout: the series and its windows, parted by a zero byte.
pub fn nab(bytes: &[u8]) {
    let cut = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    let (series, windows) = bytes.split_at(cut);
    file("nab/data/real/a.csv", series);
    file(
        "nab/combined_windows.json",
        windows.get(1..).unwrap_or_default(),
    );
    if let Ok(recording) = read_nab(&folder().join("nab"), &options()) {
        check(&recording);
    }
}

pub fn nab_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "timestamp,value\n2014-04-10 07:15:00,1.5\n2014-04-10 07:20:00,2\n2014-04-10 07:25:00,9\n\0{\"real/a.csv\":[[\"2014-04-10 07:20:00.000000\",\"2014-04-10 07:25:00.000000\"]]}",
    ])
}

/// Lines and files of a run's folder: what is read can be written, and is then the same.
pub fn facts(bytes: &[u8]) {
    again::<Label>(bytes);
    again::<CollectedAlert>(bytes);
    again::<SeriesRow>(bytes);
    again::<Enrichment>(bytes);
    again::<RunRecord>(bytes);
}

fn again<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(bytes) {
        let written = serde_json::to_vec(&value).expect("what was read");
        assert_eq!(
            serde_json::from_slice::<T>(&written).expect("what we wrote"),
            value
        );
    }
}

pub fn facts_seeds() -> Vec<Vec<u8>> {
    let json = |value: &dyn erased::Json| value.json();
    let mut all: Vec<Vec<u8>> = labels(plan())
        .iter()
        .take(12)
        .map(|label| json(label))
        .collect();
    all.extend(enrichment(plan()).take(3).map(|fact| json(&fact)));
    all
}

/// Values of several types as JSON.
mod erased {
    pub trait Json {
        fn json(&self) -> Vec<u8>;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> Vec<u8> {
            serde_json::to_vec(self).expect("a value")
        }
    }
}

/// A histogram in a run's record: as text, and as the bytes that the text stands for.
pub fn histogram(bytes: &[u8]) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    for text in [
        String::from_utf8_lossy(bytes).into_owned(),
        STANDARD.encode(bytes),
    ] {
        if let Ok(read) = EncodedHistogram(text).decoded() {
            let written = EncodedHistogram::of(&read).expect("what was read");
            assert_eq!(written.decoded(), Ok(read));
        }
    }
}

pub fn histogram_seeds() -> Vec<Vec<u8>> {
    let mut histogram = histogram::empty().expect("an empty histogram");
    for value in [1, 20, 300, 4_000, 50_000_000] {
        histogram.record(value).expect("it grows");
    }
    let text = EncodedHistogram::of(&histogram).expect("a histogram").0;
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    vec![STANDARD.decode(&text).expect("base64"), text.into_bytes()]
}
