//! Runs the detector's engine over files, without a broker:
//!
//!     cargo run -p floodmark-detector --example offline -- FOLDER 4 5s > alerts.ndjson
//!
//! The folder holds `clickstream.ndjson`, `banking.ndjson` and `sensors.ndjson`, one event per line in
//! order of arrival, and perhaps `enrichment.ndjson`. Events go to the given number of partitions by
//! their keys; the second number is the watermark's bound. A fourth argument, if there is one, is the section
//! `detector` of a profile as JSON, such as `{"robust_z":{}}`. Alerts go to standard output, the counts
//! of late and malformed events to standard error.
#![expect(clippy::print_stderr, reason = "an example tells what it did")]

use std::{
    collections::hash_map::DefaultHasher,
    error::Error,
    fs::File,
    hash::{Hash, Hasher},
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
};

use floodmark_contracts::{
    clock::WallTime,
    event::{banking::BankingUiEvent, confluent::write_frame},
    profile::DetectorSection,
    stream::Stream,
};
use floodmark_detector::{Engine, Output, Settings, Subject, enrichment::EnrichmentStore};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(folder), Some(partitions), Some(bound)) = (args.next(), args.next(), args.next())
    else {
        return Err("usage: offline FOLDER PARTITIONS BOUND [SECTION]".into());
    };
    let folder = Path::new(&folder);
    let mut section = match args.next() {
        Some(text) => serde_json::from_str(&text)?,
        None => DetectorSection::default(),
    };
    section.watermark_bound = bound;
    let settings = Settings::validate(&section).map_err(|problems| format!("{problems:?}"))?;
    let enrichment = folder.join("enrichment.ndjson");
    let store = if enrichment.exists() {
        EnrichmentStore::load(&enrichment)?
    } else {
        EnrichmentStore::default()
    };
    let mut engine = Engine::new(&settings, Subject::Bundled(store), Stream::ALL)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let path = |stream: Stream| folder.join(format!("{stream}.ndjson"));
    let streams = Stream::ALL
        .into_iter()
        .filter(|stream| path(*stream).exists());
    // All at once, so that what is put together from two streams waits for both.
    for stream in streams.clone() {
        (0..partitions.parse()?).for_each(|partition| engine.assign(stream, partition, 0));
    }
    for stream in streams {
        feed_file(
            &mut engine,
            stream,
            &path(stream),
            partitions.parse()?,
            &mut out,
        )?;
    }
    out.flush()?;
    for (stream, counts) in engine.counts() {
        eprintln!("{stream}: {counts:?}");
    }
    Ok(())
}

fn feed_file(
    engine: &mut Engine,
    stream: Stream,
    path: &Path,
    partitions: u64,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let mut previous = Vec::new();
    let mut value = Vec::new();
    let mut lines = BufReader::new(File::open(path)?).lines();
    while let Some(line) = lines.next().transpose()? {
        value.clear();
        if stream == Stream::Banking {
            write_frame(&mut value, 1);
            serde_json::from_str::<BankingUiEvent<'_>>(&line)?.encode_body(&mut value);
        } else {
            value.extend_from_slice(line.as_bytes());
        }
        let record: serde_json::Value = serde_json::from_str(&line)?;
        let key = if stream == Stream::Sensors {
            "sensor_id"
        } else {
            "user_id"
        };
        let mut hasher = DefaultHasher::new();
        record[key].as_str().unwrap_or_default().hash(&mut hasher);
        let partition = i32::try_from(hasher.finish() % partitions)?;
        engine.feed(stream, partition, &value, 0)?;
        write_alerts(engine, out)?;
        std::mem::swap(&mut previous, &mut value);
    }
    // The file's last event closes the windows. Each partition needs it, whatever its key.
    for partition in 0..i32::try_from(partitions)? {
        engine.feed(stream, partition, &previous, 0)?;
    }
    write_alerts(engine, out)
}

fn write_alerts(engine: &mut Engine, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    for output in engine.take(WallTime(0)) {
        if let Output::Alert(alert) = output {
            serde_json::to_writer(&mut *out, &alert)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}
