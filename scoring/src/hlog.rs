//! `latency.hlog`: the latency distributions as an HDR interval log, which the usual HDR tools read.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::{Duration, SystemTime},
};

use floodmark_contracts::{
    alert::CollectedAlert, clock::WallTime, label::Label, record::RunRecord,
};
use hdrhistogram::{
    Histogram,
    serialization::{
        V2DeflateSerializer,
        interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag},
    },
};

use crate::score::{ScoreError, histograms};

/// Why the log could not be written.
#[derive(Debug, thiserror::Error)]
pub enum HlogError {
    /// The latencies could not be measured.
    #[error("latencies of the run cannot be measured")]
    Score {
        /// Why.
        #[from]
        source: ScoreError,
    },
    /// The writer failed.
    #[error("the log of latencies cannot be written")]
    Write {
        /// Why.
        #[from]
        source: io::Error,
    },
}

/// Writes one interval per latency over the whole run, tagged with its name. Values are microseconds;
/// the column of maxima is in milliseconds, as the format has it by default.
///
/// # Errors
/// [`HlogError`] if the run cannot be scored or the writer fails.
pub fn write(
    record: &RunRecord,
    labels: &[Label],
    alerts: &[CollectedAlert],
    out: &mut dyn Write,
) -> Result<(), HlogError> {
    let histograms = histograms(record, labels, alerts)?;
    let end = record
        .phases
        .iter()
        .map(|phase| phase.to.0)
        .max()
        .unwrap_or(0);
    let duration = Duration::from_micros(u64::try_from(end).unwrap_or(0));
    Ok(write_log(&histograms, record.started_at, duration, out)?)
}

fn write_log(
    histograms: &BTreeMap<String, Histogram<u64>>,
    started_at: WallTime,
    duration: Duration,
    mut out: &mut dyn Write,
) -> io::Result<()> {
    let since_epoch = Duration::from_micros(u64::try_from(started_at.0).unwrap_or(0));
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[values in microseconds, maxima in milliseconds, one interval per latency]")
        .with_start_time(SystemTime::UNIX_EPOCH + since_epoch)
        .with_base_time(SystemTime::UNIX_EPOCH + since_epoch)
        .with_max_value_divisor(1000.0)
        .begin_log_with(&mut out, &mut serializer)?;
    for (name, histogram) in histograms {
        log.write_histogram(histogram, Duration::ZERO, duration, Tag::new(name))
            .map_err(|error| match error {
                IntervalLogWriterError::IoError(error) => error,
                IntervalLogWriterError::SerializeError(error) => io::Error::other(error),
            })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use hdrhistogram::serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    };

    use super::*;
    use crate::support::{Run, STARTED_AT, alert};

    #[test]
    fn the_log_is_read_back_with_tags_and_values() {
        let run = Run::new().alerts([alert("a", "s1", 5_000, 5_000)]);
        let mut out = Vec::new();
        write(&run.record, &run.labels, &run.alerts, &mut out).unwrap();
        let mut seen = BTreeMap::new();
        for entry in IntervalLogIterator::new(&out) {
            match entry.unwrap() {
                LogEntry::StartTime(time) | LogEntry::BaseTime(time) => {
                    assert_eq!(i64::try_from(time.as_micros()).unwrap(), STARTED_AT.0);
                }
                LogEntry::Interval(interval) => {
                    assert_eq!(interval.duration(), Duration::from_secs(24));
                    let bytes = STANDARD.decode(interval.encoded_histogram()).unwrap();
                    let histogram: Histogram<u64> = Deserializer::new()
                        .deserialize(&mut bytes.as_slice())
                        .unwrap();
                    seen.insert(interval.tag().unwrap().as_str().to_owned(), histogram);
                }
            }
        }
        let counts: Vec<(&str, u64)> = seen
            .iter()
            .map(|(tag, h)| (tag.as_str(), h.len()))
            .collect();
        let expected = [
            ("acknowledge", 200),
            ("alert", 1),
            ("alert_from_hand_over", 1),
            ("detect", 0),
            ("due_to_acknowledged", 0),
            ("due_to_consumed", 0),
            ("send_lateness", 200),
        ];
        assert_eq!(counts, expected);
        assert_eq!(seen["send_lateness"].max(), 200);
    }

    #[test]
    fn a_run_that_cannot_be_scored_leaves_no_log() {
        let mut run = Run::new();
        run.record.timeline.speed = f64::NAN;
        let mut out = Vec::new();
        let error = write(&run.record, &run.labels, &run.alerts, &mut out).unwrap_err();
        assert!(matches!(error, HlogError::Score { .. }) && out.is_empty());
    }
}
