//! Replays: nothing is lost, doubled or put in order on the way, and labels stay where they were.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::atomic::AtomicBool,
};

use floodmark_contracts::{
    clock::{EventTime, RunMicros},
    counts::Counts,
    event::sensor::SensorReading,
    job::{self, Connection, GeneratorJob, Start, WorkerShare},
    kind::Kind,
    label::{EventOrder, Label},
    record::GeneratorFacts,
    stream::Stream,
};
use floodmark_generator::{
    SinkChoice,
    replay::{
        CsvSource, LineSource, Pace, Recording, ReplayJob, ReplaySink, SeriesOptions, TopicSource,
        read_csv, read_lines, read_nab, read_topic, replay,
    },
    run,
};
use floodmark_kafka::consumer::Isolation;

use super::{
    cluster::Cluster,
    fixture::{ALL, resolved, section},
    run::HandClock,
};

const DUPLICATED: &str = "\
timestamp,value
2014-04-10 07:00:00,1
2014-04-10 07:10:00,2.5
2014-04-10 07:05:00,3
2014-04-10 07:10:00,2.5
2014-04-10 07:15:00,-4
";
const CALM: &str =
    "timestamp,value\n2011-01-01 00:00:00.000000,0.5\n2011-01-01 00:01:00.000000,0.25\n";

fn options() -> SeriesOptions {
    SeriesOptions {
        kind: Kind::LevelShift,
        origin: None,
        except: BTreeSet::new(),
        memory_mib: 64,
    }
}

/// A folder in the layout of the benchmark, the windows as they are given.
fn nab(folder: &Path, windows: &str) {
    for (name, text) in [("real/pump.csv", DUPLICATED), ("art/calm.csv", CALM)] {
        let path = folder.join("data").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(folder.join("combined_windows.json"), windows).unwrap();
}

const WINDOWS: &str = r#"{
    "art/calm.csv": [],
    "real/pump.csv": [["2014-04-10 07:05:00.000000", "2014-04-10 07:10:00.000000"]]
}"#;

/// Replays into a folder: the lines that came out, and what was left beside them.
fn check(
    recording: &Recording,
    pace: &str,
    out: &Path,
) -> (Vec<String>, Vec<Label>, GeneratorFacts) {
    let sink = ReplaySink::Files(out.join("events"));
    let job = ReplayJob {
        recording,
        pace: pace.parse().unwrap(),
        sink: &sink,
        out: &out.join("truth"),
        counts: None,
    };
    let facts = replay(
        &job,
        &HandClock::new(),
        &AtomicBool::new(false),
        &mut |_| {},
    )
    .unwrap();
    let read = |path: &str| fs::read_to_string(out.join(path)).unwrap();
    let lines = read(&format!("events/{}.ndjson", recording.stream));
    let written: GeneratorFacts = serde_json::from_str(&read("truth/generator.json")).unwrap();
    assert_eq!(written, facts);
    let labels = read("truth/labels.ndjson");
    (
        lines.lines().map(str::to_owned).collect(),
        labels
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        facts,
    )
}

#[test]
fn a_benchmarks_rows_keep_their_order_and_their_windows() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    nab(folder.path(), WINDOWS);
    let recording = read_nab(folder.path(), &options()).unwrap();
    let (lines, labels, facts) = check(&recording, "600x", out.path());
    let pump: Vec<(i64, f64)> = lines
        .iter()
        .map(|line| SensorReading::decode(line.as_bytes()).unwrap())
        .filter(|reading| reading.sensor_id == "real/pump")
        .map(|reading| {
            (
                (reading.timestamp.0 - 1_397_113_200_000) / 60_000,
                reading.value,
            )
        })
        .collect();
    assert_eq!(pump, [(0, 1.0), (10, 2.5), (5, 3.0), (10, 2.5), (15, -4.0)]);
    let [label] = labels.as_slice() else {
        panic!("{labels:?}")
    };
    assert_eq!(
        (label.id.as_str(), label.kind),
        ("real/pump#1", Kind::LevelShift)
    );
    assert_eq!(label.keys[0].id, "real/pump");
    // Three rows lie in the window, two of them with the same time; the first is sent ten minutes after
    // the start, that is one second at this pace.
    assert_eq!(label.event_ids.len(), 3);
    assert_eq!(
        (label.first_sent, label.last_sent),
        (RunMicros(1_000_000), RunMicros(1_000_000))
    );
    assert_eq!(label.end.since(label.start), 5 * 60_000);
    // The row of 07:05 comes between the two of 07:10.
    assert_eq!(label.event_sent, [RunMicros(1_000_000); 3]);
    let (on_time, behind_ms) = (2, 5 * 60_000);
    assert_eq!(label.order, Some(EventOrder { on_time, behind_ms }));
    let found = &facts.streams[&Stream::Sensors];
    assert_eq!(
        (found.due, found.sent, found.acknowledged, found.failed),
        (7, 7, 7, 0)
    );
    // Everything can be scored, and alerts about the last rows too.
    assert!(facts.scored.from <= EventTime(1_293_840_000_000));
    assert!(facts.scored.until > label.end.plus_ms(Kind::LevelShift.late_ms()));
    assert!(!facts.interrupted);
}

#[test]
fn series_can_be_moved_to_one_beginning() {
    let folder = tempfile::tempdir().unwrap();
    nab(folder.path(), WINDOWS);
    let origin = EventTime(1_749_531_600_000);
    let moved = SeriesOptions {
        origin: Some(origin),
        ..options()
    };
    let recording = read_nab(folder.path(), &moved).unwrap();
    for lane in &recording.lanes {
        assert_eq!(lane.iter().map(|record| record.at_ms).min(), Some(origin.0));
    }
    let labels = recording.labels(Pace::Speed(1.0));
    assert_eq!(labels[0].start, origin.plus_ms(5 * 60_000));
}

#[test]
fn series_have_rows_and_windows_by_row_and_some_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    nab(folder.path(), WINDOWS);
    let recording = read_nab(folder.path(), &options()).unwrap();
    // The third of five rows is five minutes older than the second.
    assert_eq!(recording.disorder_ms(), 5 * 60_000);
    let [calm, pump] = &recording.series()[..] else {
        panic!("two series")
    };
    assert_eq!((calm.name.as_str(), calm.times.len()), ("art/calm", 2));
    assert_eq!(calm.windows, [[0; 2]; 0]);
    assert_eq!((pump.name.as_str(), pump.times.len()), ("real/pump", 5));
    assert_eq!(pump.windows, [[1, 3]]);
    let without = |name: &str| SeriesOptions {
        except: BTreeSet::from([name.to_owned()]),
        ..options()
    };
    let left = read_nab(folder.path(), &without("real/pump")).unwrap();
    assert_eq!(left.series(), std::slice::from_ref(calm));
    assert_eq!(left.label_count(), 0);
    let error = read_nab(folder.path(), &without("real/pumps")).unwrap_err();
    assert!(error.to_string().contains("`real/pumps`"), "{error}");
}

#[test]
fn a_folder_of_another_layout_is_refused_with_what_is_missing() {
    for (windows, expected) in [
        (
            r#"{"art/calm.csv": []}"#,
            "there is no entry for `real/pump.csv`",
        ),
        (
            r#"{"art/calm.csv": [], "real/pump.csv": [], "real/gone.csv": []}"#,
            "windows for `real/gone.csv`",
        ),
        (
            r#"{"art/calm.csv": [], "real/pump.csv": [["soon", "later"]]}"#,
            "`soon` is no time",
        ),
        ("[]", "no windows by file"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        nab(folder.path(), windows);
        let error = read_nab(folder.path(), &options()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let empty = tempfile::tempdir().unwrap();
    let error = read_nab(empty.path(), &options()).unwrap_err().to_string();
    assert!(
        error.contains("neither `combined_windows.json` nor"),
        "{error}"
    );
}

fn csv(path: &Path, text: &str, label: Option<&str>, key: Option<&str>) -> CsvSource {
    fs::write(path, text).unwrap();
    CsvSource {
        path: path.to_owned(),
        time: "t".to_owned(),
        value: "pressure".to_owned(),
        label: label.map(str::to_owned),
        key: key.map(str::to_owned),
    }
}

#[test]
fn labelled_rows_of_a_csv_file_that_follow_each_other_make_one_label() {
    let folder = tempfile::tempdir().unwrap();
    let text = "t,pressure,anomaly,pump\n1000,1,0,a\n1001,2,1,a\n1001,9,true,b\n1002,2,1,a\n1003,1,0,a\n1002,3,,b\n1004,5,1,a\n";
    let source = csv(
        &folder.path().join("pumps.csv"),
        text,
        Some("anomaly"),
        Some("pump"),
    );
    let recording = read_csv(&source, &options()).unwrap();
    assert_eq!(recording.len(), 7);
    let labels = recording.labels(Pace::Speed(1.0));
    let found: Vec<(&str, i64, i64, usize)> = labels
        .iter()
        .map(|label| {
            (
                label.id.as_str(),
                label.start.0,
                label.end.0,
                label.event_ids.len(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("a#1", 1_001_000, 1_002_000, 2),
            ("b#1", 1_001_000, 1_001_000, 1),
            ("a#2", 1_004_000, 1_004_000, 1)
        ]
    );
}

#[test]
fn rows_that_are_no_readings_are_refused_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    for (text, expected) in [
        ("t,pressure\n1,2\nnoon,2\n", "line 3"),
        ("t,pressure\n1,much\n", "`much` is no finite number"),
        ("t,pressure\n1,inf\n", "`inf` is no finite number"),
        ("t,pressure\n1\n", "line 2"),
        (
            "time,pressure\n1,2\n",
            "there is no column `t`; there are `time`, `pressure`",
        ),
        ("t,pressure\n", "holds no record"),
    ] {
        let source = csv(&folder.path().join("x.csv"), text, None, None);
        let error = read_csv(&source, &options()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.is_about_the_source());
    }
    let source = csv(
        &folder.path().join("x.csv"),
        "t,pressure,l\n1,2,maybe\n",
        Some("l"),
        None,
    );
    assert!(
        read_csv(&source, &options())
            .unwrap_err()
            .to_string()
            .contains("`maybe` is no label")
    );
}

/// The clickstream of the fixture, generated into a sink.
fn generated(out: &Path, sink: &SinkChoice, bootstrap: String) -> (GeneratorFacts, Vec<Label>) {
    let mut section = section(ALL);
    section.streams.banking = None;
    section.streams.sensors = None;
    let job = GeneratorJob {
        section,
        connection: Connection {
            bootstrap,
            properties: BTreeMap::new(),
            registry: None,
        },
        topics: BTreeMap::from([(Stream::Clickstream, vec!["captured".to_owned()])]),
        out: out.join("generated"),
        pace: job::Pace::Schedule,
        worker: WorkerShare::default(),
        threads: 1,
        start: Start::Ready,
        counts: None,
        skews: Vec::new(),
    };
    let facts = run(
        &job,
        sink,
        &HandClock::new(),
        &AtomicBool::new(false),
        &mut |_| {},
    )
    .unwrap();
    (facts, floodmark_generator::labels(&resolved(job.section)))
}

#[test]
fn a_generated_file_is_replayed_byte_for_byte_with_its_labels() {
    let out = tempfile::tempdir().unwrap();
    let events = out.path().join("captured");
    let (facts, labels) = generated(
        out.path(),
        &SinkChoice::Files(events.clone()),
        "127.0.0.1:1".to_owned(),
    );
    let path = events.join("clickstream.ndjson");
    let source = LineSource {
        path: path.clone(),
        stream: Stream::Clickstream,
        time: "timestamp".to_owned(),
        key: "user_id".to_owned(),
        memory_mib: 64,
    };
    let recording = read_lines(&source)
        .unwrap()
        .with_labels(labels.clone())
        .with_scored(facts.scored);
    let (lines, replayed, found) = check(&recording, "1k/s", out.path());
    assert_eq!(
        lines,
        fs::read_to_string(path)
            .unwrap()
            .lines()
            .collect::<Vec<_>>()
    );
    assert_eq!(found.scored, facts.scored);
    let ids = |labels: &[Label]| {
        labels
            .iter()
            .map(|label| label.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&replayed), ids(&labels));
    // At 1000 a second, an event's send time is its line's number in milliseconds.
    for label in &replayed {
        let place = lines
            .iter()
            .position(|line| line.contains(&label.event_ids[0]))
            .unwrap();
        let error = label.first_sent.0 - 1000 * place as i64;
        assert!(error.abs() < 2_000_000, "{}: {error}", label.id);
        assert!(label.first_sent < label.last_sent);
        // A file tells neither partitions nor which event was sent when.
        assert!(label.event_sent.is_empty() && label.order.is_none());
    }
}

#[test]
fn lines_without_a_time_and_recordings_that_are_too_large_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.ndjson");
    let mut source = LineSource {
        path: path.clone(),
        stream: Stream::Sensors,
        time: "at".to_owned(),
        key: "sensor_id".to_owned(),
        memory_mib: 1,
    };
    for (text, expected) in [
        ("{\"at\": 1}\n{}\n", "line 2"),
        (
            "{\"at\": \"noon\"}\n",
            "there is no field `at` with milliseconds",
        ),
        ("at\n", "this is no JSON"),
        ("\n", "holds no record"),
    ] {
        fs::write(&path, text).unwrap();
        let error = read_lines(&source).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    fs::write(&path, "{\"at\": 1}\n".repeat(20_000)).unwrap();
    let error = read_lines(&source).unwrap_err().to_string();
    assert!(error.contains("more than the 1 MiB"), "{error}");
    source.memory_mib = 64;
    assert_eq!(read_lines(&source).unwrap().len(), 20_000);
}

#[test]
fn a_topic_is_replayed_onto_another_with_keys_headers_and_order() {
    let (cluster, out) = (Cluster::start(), tempfile::tempdir().unwrap());
    cluster.topic("captured", 3);
    cluster.topic("again", 3);
    let (facts, labels) = generated(out.path(), &SinkChoice::Kafka, cluster.bootstrap());
    let source = TopicSource {
        client: cluster.client(),
        topic: "captured".to_owned(),
        stream: Stream::Clickstream,
        memory_mib: 64,
    };
    let recording = read_topic(&source, &HandClock::new())
        .unwrap()
        .with_labels(labels.clone());
    let sink = ReplaySink::Topic {
        client: cluster.client(),
        topic: "again".to_owned(),
    };
    let job = ReplayJob {
        recording: &recording,
        pace: Pace::Speed(2.0),
        sink: &sink,
        out: &out.path().join("truth"),
        counts: None,
    };
    let replayed = replay(
        &job,
        &HandClock::new(),
        &AtomicBool::new(false),
        &mut |_| {},
    )
    .unwrap();
    let stripped = |topic: &str| -> Vec<_> {
        cluster
            .read(topic, Isolation::Committed)
            .into_iter()
            .map(|record| (record.partition, record.key, record.value, record.headers))
            .collect()
    };
    let (before, after) = (stripped("captured"), stripped("again"));
    assert!(
        before == after,
        "{} records before, {} after",
        before.len(),
        after.len()
    );
    let found = &replayed.streams[&Stream::Clickstream];
    let sent =
        facts.streams[&Stream::Clickstream].sent + facts.streams[&Stream::Clickstream].closing;
    assert_eq!((found.sent, found.acknowledged), (sent, sent));
    // Twice as fast: labels are sent in half the time. Kafka's timestamps are whole milliseconds.
    let moved: BTreeMap<String, Label> = recording
        .labels(Pace::Speed(2.0))
        .into_iter()
        .map(|label| (label.id.clone(), label))
        .collect();
    for label in &labels {
        let moved = &moved[&label.id];
        let (sent, before) = (&moved.event_sent, &label.event_sent);
        assert_eq!((sent.len(), moved.order), (before.len(), label.order));
        let times = sent.iter().zip(before);
        for (sent, before) in times.chain([(&moved.first_sent, &label.first_sent)]) {
            let error = sent.0 - before.0 / 2;
            assert!(error.abs() < 20_000, "{}: {error}", label.id);
        }
    }
    let gone = TopicSource {
        topic: "gone".to_owned(),
        ..source
    };
    let error = read_topic(&gone, &HandClock::new()).unwrap_err();
    assert!(error.is_about_the_source() && error.to_string().contains("`gone` does not exist"));
}

#[test]
fn a_stopped_replay_says_so() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    nab(folder.path(), WINDOWS);
    let recording = read_nab(folder.path(), &options()).unwrap();
    let job = ReplayJob {
        recording: &recording,
        pace: Pace::Max,
        sink: &ReplaySink::Null,
        out: out.path(),
        counts: None,
    };
    let facts = replay(&job, &HandClock::new(), &AtomicBool::new(true), &mut |_| {}).unwrap();
    assert!(facts.interrupted);
    let found = &facts.streams[&Stream::Sensors];
    assert_eq!((found.due, found.sent), (7, 0));
}

/// The real benchmark, where it is: rows and windows reconcile with its own files.
#[test]
fn the_whole_benchmark_reconciles() {
    let Some(folder) = std::env::var_os("FLOODMARK_NAB") else {
        println!("nab: skipped, it needs the series in the folder `FLOODMARK_NAB`");
        return;
    };
    let folder = Path::new(&folder);
    let out = tempfile::tempdir().unwrap();
    let recording = read_nab(folder, &options()).unwrap();
    let (lines, labels, facts) = check(&recording, "max", out.path());
    let windows: BTreeMap<String, Vec<(String, String)>> =
        serde_json::from_slice(&fs::read(folder.join("combined_windows.json")).unwrap()).unwrap();
    assert_eq!(labels.len(), windows.values().map(Vec::len).sum::<usize>());
    assert!(labels.iter().all(|label| !label.event_ids.is_empty()));
    let mut rows = 0;
    let mut readings: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in &lines {
        let reading = SensorReading::decode(line.as_bytes()).unwrap();
        readings
            .entry(reading.sensor_id.to_string())
            .or_default()
            .push(reading.value);
    }
    for name in windows.keys() {
        let text = fs::read_to_string(folder.join("data").join(name)).unwrap();
        let values: Vec<f64> = text
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').nth(1)?.trim().parse().ok())
            .collect();
        assert_eq!(readings[name.trim_end_matches(".csv")], values, "{name}");
        rows += values.len();
    }
    assert_eq!(
        (lines.len(), facts.streams[&Stream::Sensors].acknowledged),
        (rows, rows as u64)
    );
    let names: BTreeSet<&String> = readings.keys().collect();
    assert_eq!(names.len(), windows.len());
    println!(
        "nab: {rows} rows and {} windows of {} series",
        labels.len(),
        windows.len()
    );
}

#[test]
fn a_replay_says_how_far_it_is_and_ends_at_its_figures() {
    let dir = tempfile::tempdir().unwrap();
    nab(dir.path(), WINDOWS);
    let recording = read_nab(dir.path(), &options()).unwrap();
    let file = dir.path().join("counts.json");
    let job = ReplayJob {
        recording: &recording,
        pace: "4/s".parse().unwrap(),
        sink: &ReplaySink::Null,
        out: &dir.path().join("truth"),
        counts: Some(&file),
    };
    let read = || -> Option<Counts> { serde_json::from_slice(&fs::read(&file).ok()?).ok() };
    let mut asked = Vec::new();
    let stop = AtomicBool::new(false);
    let facts = replay(&job, &HandClock::new(), &stop, &mut |_| {
        let counts = read().unwrap();
        asked.extend(counts.streams[&Stream::Sensors].asked_per_s);
    })
    .unwrap();
    let found = read().unwrap().streams[&Stream::Sensors].clone();
    let facts = &facts.streams[&Stream::Sensors];
    assert_eq!(
        (found.due, found.sent, found.acknowledged, found.bytes),
        (facts.due, facts.sent, facts.acknowledged, facts.bytes)
    );
    assert_eq!((found.unsent, found.behind_us), (0.0, 0));
    let lateness = facts.send_lateness.decoded().unwrap();
    assert_eq!(found.send_lateness.total(), lateness.len());
    assert_eq!(asked.first(), Some(&4.0), "{asked:?}");
}
