//! `latency.hlog`: the latency distributions as an HDR interval log, which the usual HDR tools read.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::{Duration, SystemTime},
};

use floodmark_contracts::clock::WallTime;
use hdrhistogram::{
    Histogram,
    serialization::{
        V2DeflateSerializer,
        interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag},
    },
};

/// Writes one interval per distribution over the whole run, tagged with its name. Values are
/// microseconds; the column of maxima is in milliseconds, as the format has it by default.
///
/// # Errors
/// What the writer returns, or that a name holds a character which tags may not.
pub fn write(
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
        let tag = Tag::new(name).ok_or_else(|| {
            let message = format!("latency `{name}` cannot be a tag; use no space and no comma");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        log.write_histogram(histogram, Duration::ZERO, duration, Some(tag))
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
    use crate::latency::empty;

    #[test]
    fn the_log_is_read_back_with_tags_and_values() {
        let mut histogram = empty().unwrap();
        histogram.record(1_500).unwrap();
        let histograms = BTreeMap::from([("alert".to_owned(), histogram.clone())]);
        let mut out = Vec::new();
        let started_at = WallTime(1_700_000_000_000_000);
        write(&histograms, started_at, Duration::from_secs(20), &mut out).unwrap();

        let mut seen = 0;
        for entry in IntervalLogIterator::new(&out) {
            match entry.unwrap() {
                LogEntry::StartTime(time) => assert_eq!(time.as_secs(), 1_700_000_000),
                LogEntry::Interval(interval) => {
                    seen += 1;
                    assert_eq!(interval.tag().unwrap().as_str(), "alert");
                    assert_eq!(interval.duration(), Duration::from_secs(20));
                    let bytes = STANDARD.decode(interval.encoded_histogram()).unwrap();
                    let back: Histogram<u64> = Deserializer::new()
                        .deserialize(&mut bytes.as_slice())
                        .unwrap();
                    assert_eq!(back, histogram);
                }
                LogEntry::BaseTime(_) => {}
            }
        }
        assert_eq!(seen, 1);
    }

    #[test]
    fn a_name_that_is_no_tag_is_refused() {
        let histograms = BTreeMap::from([("a, b".to_owned(), empty().unwrap())]);
        let result = write(&histograms, WallTime(0), Duration::ZERO, &mut Vec::new());
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
