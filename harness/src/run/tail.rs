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
    /// The second of the last rows, and the events sent in it.
    latest: (i64, f64),
}

impl Tail {
    pub(super) fn of(path: PathBuf) -> Self {
        Self {
            path,
            at: 0,
            latest: (0, 0.0),
        }
    }

    /// The latest second of which there are rows, and the events sent in it. A line that is only half there yet is left
    /// for the next look, and so is everything while the file cannot be read.
    pub(super) fn latest(&mut self) -> (i64, f64) {
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
        if row.t > self.latest.0 {
            self.latest = (row.t, 0.0);
        }
        if row.t == self.latest.0 && row.metric == "sent" {
            self.latest.1 += row.value;
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
        assert_eq!(tail.latest(), (0, 0.0), "no file yet");
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
        writeln!(file, "{}\n{}", row(1, "sent", 5.0), row(1, "due", 9.0)).unwrap();
        assert_eq!(tail.latest(), (1, 5.0));
        let (half, rest) = (&row(2, "sent", 7.0)[..9], &row(2, "sent", 7.0)[9..]);
        write!(file, "{}\n{half}", row(1, "sent", 2.0)).unwrap();
        assert_eq!(tail.latest(), (1, 7.0), "of two streams");
        writeln!(file, "{rest}").unwrap();
        assert_eq!(tail.latest(), (2, 7.0));
        assert_eq!(tail.latest(), (2, 7.0), "nothing came");
    }
}
