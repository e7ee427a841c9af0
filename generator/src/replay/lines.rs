//! Events of a file, one JSON object a line, as `generate --sink file:DIR` writes them.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
};

use floodmark_contracts::stream::Stream;
use serde_json::Value;

use super::{Budget, Recorded, RecordedClock, Recording, ReplayError, sound_time, truth::span};

/// A file of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineSource {
    /// The file.
    pub path: PathBuf,
    /// The stream that its events belong to.
    pub stream: Stream,
    /// The field with the event time, in milliseconds since the Unix epoch.
    pub time: String,
    /// The field that is the record's key.
    pub key: String,
    /// Memory for the records.
    pub memory_mib: usize,
}

/// Reads the events in their order. The lines are sent as they stand.
///
/// # Errors
/// If the file cannot be read, or a line is no object with a time; a key may be missing.
pub fn read_lines(source: &LineSource) -> Result<Recording, ReplayError> {
    let failed = |error| ReplayError::Read {
        path: source.path.clone(),
        source: error,
    };
    let mut reader = BufReader::new(File::open(&source.path).map_err(failed)?);
    let name = source.path.display().to_string();
    let mut budget = Budget::new(&name, source.memory_mib);
    let (mut lane, mut line, mut number) = (Vec::new(), Vec::new(), 0);
    while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        number += 1;
        let text = line.trim_ascii();
        if !text.is_empty() {
            let record = record(source, text).map_err(|reason| ReplayError::Line {
                path: source.path.clone(),
                line: number,
                reason,
            })?;
            budget.take(&record)?;
            lane.push(record);
        }
        line.clear();
    }
    let span = span(lane.iter().map(|record: &Recorded| record.at_ms));
    if span.is_none() {
        return Err(ReplayError::Empty { source_name: name });
    }
    Ok(Recording {
        stream: source.stream,
        clock: RecordedClock::Event,
        lanes: vec![lane],
        truth: Vec::new(),
        span,
        scored: None,
    })
}

fn record(source: &LineSource, text: &[u8]) -> Result<Recorded, String> {
    let value: Value =
        serde_json::from_slice(text).map_err(|error| format!("this is no JSON: {error}"))?;
    let at_ms = value.get(&source.time).and_then(Value::as_i64);
    let key = match value.get(&source.key) {
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(Value::Null) | None => Vec::new(),
        Some(other) => other.to_string().into_bytes(),
    };
    let at_ms = at_ms.ok_or_else(|| {
        format!(
            "there is no field `{}` with milliseconds since 1970; name another with `--time`",
            source.time
        )
    })?;
    Ok(Recorded {
        at_ms: sound_time(at_ms)?,
        key,
        value: text.to_vec(),
        headers: Vec::new(),
        partition: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of such times would be none: found by fuzzing.
    #[test]
    fn times_that_are_none_are_refused_by_their_line() {
        for time in [
            "-9223372036854775808",
            "9223372036854775807",
            "253402300800000",
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let text = format!("{{\"timestamp\":5}}\n{{\"timestamp\":{time}}}\n");
            std::fs::write(file.path(), text).unwrap();
            let source = LineSource {
                path: file.path().to_owned(),
                stream: Stream::Clickstream,
                time: "timestamp".to_owned(),
                key: "user_id".to_owned(),
                memory_mib: 1,
            };
            let error = read_lines(&source).unwrap_err().to_string();
            assert!(
                error.starts_with("line 2") && error.contains(time),
                "{error}"
            );
        }
    }
}
