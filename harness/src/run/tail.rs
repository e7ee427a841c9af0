//! The end of a file of rows that another process writes.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
};

use floodmark_contracts::record::SeriesRow;

/// What a look may read at most: who was not looked at for long catches up over several looks.
const LOOK_BYTES: u64 = 1 << 20;

/// Reads on where it stopped, so that a run's thousandth second costs no more than its first.
pub(super) struct Tail {
    path: PathBuf,
    /// Behind the last whole line that was read.
    at: u64,
    latest: Latest,
}

/// The latest second of which there are rows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Latest {
    /// Its end, seconds from the first due time.
    pub(super) second: i64,
    /// Events sent in it.
    pub(super) sent: f64,
    /// How late the latest of them was handed over, microseconds.
    pub(super) lateness_max_us: f64,
}

impl Tail {
    pub(super) fn of(path: PathBuf) -> Self {
        Self {
            path,
            at: 0,
            latest: Latest::default(),
        }
    }

    /// The latest second of which there are rows. A line that is only half there yet is left
    /// for the next look, and so is everything while the file cannot be read.
    pub(super) fn latest(&mut self) -> Latest {
        let text = self.read().unwrap_or_default();
        let whole = text.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |end| end + 1);
        self.at += whole as u64;
        for line in text[..whole].split(|byte| *byte == b'\n') {
            if let Ok(row) = serde_json::from_slice::<SeriesRow>(line) {
                self.take(&row);
            }
        }
        self.latest
    }

    fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.at))?;
        let mut text = Vec::new();
        file.take(LOOK_BYTES).read_to_end(&mut text)?;
        Ok(text)
    }

    fn take(&mut self, row: &SeriesRow) {
        if row.t > self.latest.second {
            self.latest = Latest {
                second: row.t,
                ..Latest::default()
            };
        }
        if row.t < self.latest.second {
            return;
        }
        match row.metric.as_str() {
            "sent" => self.latest.sent += row.value,
            "send_lateness_max_us" => {
                self.latest.lateness_max_us = self.latest.lateness_max_us.max(row.value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn rows_are_read_once_and_half_a_line_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.ndjson");
        let mut tail = Tail::of(path.clone());
        let mut latest = || {
            let latest = tail.latest();
            (latest.second, latest.sent, latest.lateness_max_us)
        };
        assert_eq!(latest(), (0, 0.0, 0.0), "no file yet");
        let mut file = File::create(&path).unwrap();
        let row = |t: i64, metric: &str, value: f64| {
            let row = SeriesRow {
                t,
                metric: metric.to_owned(),
                value,
                ..SeriesRow::default()
            };
            serde_json::to_string(&row).unwrap()
        };
        let late = row(1, "send_lateness_max_us", 80.0);
        writeln!(file, "{}\n{late}", row(1, "sent", 5.0)).unwrap();
        assert_eq!(latest(), (1, 5.0, 80.0));
        let (half, rest) = (&row(2, "sent", 7.0)[..9], &row(2, "sent", 7.0)[9..]);
        write!(file, "{}\n{half}", row(1, "sent", 2.0)).unwrap();
        assert_eq!(latest(), (1, 7.0, 80.0), "of two streams");
        writeln!(file, "{rest}").unwrap();
        assert_eq!(latest(), (2, 7.0, 0.0));
        assert_eq!(latest(), (2, 7.0, 0.0), "nothing came");
    }
}
