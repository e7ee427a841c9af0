//! What all threads of a run put together: the rows per second, and sent over due in every ten seconds.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
    sync::Mutex,
};

use floodmark_contracts::{
    record::{RateWindow, SeriesRow},
    stream::Stream,
};

use super::{GenerateError, live::lock, series::Counts, write_line};

/// Seconds in which sent is held against due.
const WINDOW_S: usize = 10;

/// Collects the seconds of all threads; a second is complete once every thread of its stream has passed it.
/// The thread that looks after the others writes it: a disk that is slow must not make events late.
pub(super) struct Board {
    path: PathBuf,
    file: Mutex<BufWriter<File>>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Rows of complete seconds that are not written yet.
    complete: Vec<SeriesRow>,
    streams: BTreeMap<Stream, Lanes>,
}

/// The threads of one stream.
#[derive(Default)]
struct Lanes {
    /// Seconds that each thread has passed; none once it has ended.
    passed: Vec<Option<usize>>,
    /// Seconds that are not written yet.
    open: VecDeque<Counts>,
    written: Vec<DueSent>,
    backlog: Backlog,
}

/// What was due and what was sent in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DueSent {
    pub(super) due: u64,
    pub(super) sent: u64,
}

/// Events due and not sent so far.
#[derive(Debug, Clone, Copy, Default)]
struct Backlog(i64);

impl Backlog {
    fn after(&mut self, second: DueSent) -> u64 {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.0 += signed(second.due) - signed(second.sent);
        // Where events are not held back, some are sent before they are due.
        self.0.max(0).unsigned_abs()
    }
}

impl Board {
    /// A board for so many threads of each stream, which writes to `path`.
    pub(super) fn create(
        path: PathBuf,
        threads: impl IntoIterator<Item = (Stream, usize)>,
    ) -> Result<Self, GenerateError> {
        let file = match File::create(&path) {
            Ok(file) => BufWriter::new(file),
            Err(source) => return Err(GenerateError::Write { path, source }),
        };
        let lanes = |count| Lanes {
            passed: vec![Some(0); count],
            ..Lanes::default()
        };
        let streams = threads
            .into_iter()
            .map(|(stream, count)| (stream, lanes(count)))
            .collect();
        Ok(Self {
            path,
            file: Mutex::new(file),
            inner: Mutex::new(Inner {
                complete: Vec::new(),
                streams,
            }),
        })
    }

    /// Takes the next seconds of a thread.
    pub(super) fn passed(&self, stream: Stream, thread: usize, seconds: &[Counts]) {
        if !seconds.is_empty() {
            self.change(stream, |lanes| lanes.take(thread, seconds));
        }
    }

    /// Takes the last seconds of a thread.
    pub(super) fn ended(&self, stream: Stream, thread: usize, seconds: &[Counts]) {
        self.change(stream, |lanes| {
            lanes.take(thread, seconds);
            if let Some(passed) = lanes.passed.get_mut(thread) {
                *passed = None;
            }
        });
    }

    /// Writes what is complete through to the file, so that whoever watches it sees it.
    pub(super) fn write(&self) -> Result<(), GenerateError> {
        let rows = std::mem::take(&mut lock(&self.inner).complete);
        if rows.is_empty() {
            return Ok(());
        }
        let mut file = lock(&self.file);
        rows.iter()
            .try_for_each(|row| write_line(&mut *file, row))
            .and_then(|()| file.flush())
            .map_err(|source| GenerateError::Write {
                path: self.path.clone(),
                source,
            })
    }

    /// Sent over due in every ten seconds of a stream, once its threads have ended.
    pub(super) fn windows(&self, stream: Stream) -> Vec<RateWindow> {
        lock(&self.inner)
            .streams
            .get(&stream)
            .map_or_else(Vec::new, |lanes| windows(&lanes.written))
    }

    fn change(&self, stream: Stream, change: impl FnOnce(&mut Lanes)) {
        let mut inner = lock(&self.inner);
        if let Some(lanes) = inner.streams.get_mut(&stream) {
            change(lanes);
            let rows = lanes.complete(stream);
            inner.complete.extend(rows);
        }
    }
}

impl Lanes {
    fn take(&mut self, thread: usize, seconds: &[Counts]) {
        let written = self.written.len();
        let Some(Some(passed)) = self.passed.get_mut(thread) else {
            return;
        };
        let first = *passed - written;
        *passed += seconds.len();
        if self.open.len() < first + seconds.len() {
            self.open.resize(first + seconds.len(), Counts::default());
        }
        for (open, counts) in self.open.iter_mut().skip(first).zip(seconds) {
            open.add(counts);
        }
    }

    /// The rows of the seconds that every thread has passed.
    fn complete(&mut self, stream: Stream) -> Vec<SeriesRow> {
        let end = self.written.len() + self.open.len();
        let until = self.passed.iter().flatten().min().copied().unwrap_or(end);
        let mut rows = Vec::new();
        while self.written.len() < until {
            let counts = self.open.pop_front().unwrap_or_default();
            let second = DueSent {
                due: counts.due,
                sent: counts.sent,
            };
            self.written.push(second);
            let unsent = self.backlog.after(second);
            rows.extend(rows_of(stream, self.written.len(), &counts, unsent));
        }
        rows
    }
}

/// The rows of the second that ends at `t`.
fn rows_of(stream: Stream, t: usize, counts: &Counts, unsent: u64) -> [SeriesRow; 7] {
    [
        ("due", counts.due as f64),
        ("sent", counts.sent as f64),
        ("unsent", unsent as f64),
        ("acknowledged", counts.acknowledged as f64),
        ("failed", counts.failed as f64),
        ("queue_full", counts.queue_full as f64),
        ("send_lateness_max_us", counts.lateness_max_us as f64),
    ]
    .map(|(metric, value)| SeriesRow {
        t: i64::try_from(t).unwrap_or(i64::MAX),
        metric: metric.to_owned(),
        stream: Some(stream),
        value,
        ..SeriesRow::default()
    })
}

/// Sent over due in every ten seconds, up to the last second in which an event was due: what is left
/// after that cannot be made good by waiting. A rest of less than half a window belongs to the one before.
pub(super) fn windows(seconds: &[DueSent]) -> Vec<RateWindow> {
    let end = seconds
        .iter()
        .rposition(|second| second.due > 0)
        .map_or(0, |last| last + 1);
    let mut backlog = Backlog::default();
    let mut all: Vec<RateWindow> = Vec::new();
    for (index, second) in seconds[..end].iter().enumerate() {
        let at = i64::try_from(index).unwrap_or(i64::MAX);
        let short_rest = end - index / WINDOW_S * WINDOW_S < WINDOW_S / 2;
        if index % WINDOW_S == 0 && (all.is_empty() || !short_rest) {
            all.push(RateWindow {
                from: at,
                to: at,
                due: 0,
                sent: 0,
                unsent: 0,
            });
        }
        let unsent = backlog.after(*second);
        if let Some(window) = all.last_mut() {
            window.to = at + 1;
            window.due += second.due;
            window.sent += second.sent;
            window.unsent = unsent;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_sent(pairs: &[(u64, u64)]) -> Vec<DueSent> {
        pairs
            .iter()
            .map(|&(due, sent)| DueSent { due, sent })
            .collect()
    }

    #[test]
    fn what_was_due_and_unsent_at_the_end_of_ten_seconds_counts_against_them() {
        let mut seconds = vec![(100, 100); 9];
        // Half of the tenth second comes in the eleventh.
        seconds.extend([(100, 50), (100, 150)]);
        seconds.extend(vec![(100, 100); 9]);
        let found = windows(&due_sent(&seconds));
        let short: Vec<_> = found
            .iter()
            .map(|w| (w.from, w.to, w.due, w.unsent))
            .collect();
        assert_eq!(short, [(0, 10, 1000, 50), (10, 20, 1000, 0)]);
        assert_eq!(found[0].error(), Some(0.05));
    }

    #[test]
    fn a_sender_that_never_catches_up_shows_at_the_end_of_the_schedule() {
        // Seven seconds of schedule at three quarters of the pace, sent in ten.
        let mut seconds = vec![(100, 75); 7];
        seconds.extend([(0, 75), (0, 75), (0, 25)]);
        let found = windows(&due_sent(&seconds));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].to, found[0].unsent), (7, 175));
    }

    #[test]
    fn a_short_rest_belongs_to_the_window_before_it() {
        let found = windows(&due_sent(&[(1, 1); 23]));
        let spans: Vec<_> = found.iter().map(|w| (w.from, w.to)).collect();
        assert_eq!(spans, [(0, 10), (10, 23)]);
        let spans = |n| windows(&vec![DueSent { due: 1, sent: 1 }; n]).len();
        assert_eq!(
            [spans(0), spans(3), spans(10), spans(15), spans(16)],
            [0, 1, 1, 2, 2]
        );
    }

    #[test]
    fn a_second_is_written_when_all_threads_have_passed_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows");
        let board = Board::create(path.clone(), [(Stream::Sensors, 2)]).unwrap();
        let counts = |due, sent| Counts {
            due,
            sent,
            lateness_max_us: 7,
            ..Counts::default()
        };
        let written = || -> Vec<(i64, String, f64)> {
            board.write().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            text.lines()
                .map(|line| serde_json::from_str::<SeriesRow>(line).unwrap())
                .filter(|row| ["due", "unsent"].contains(&row.metric.as_str()))
                .map(|row| (row.t, row.metric, row.value))
                .collect()
        };
        let first = [counts(3, 3), counts(5, 4)];
        board.passed(Stream::Sensors, 0, &first);
        assert_eq!(written(), []);
        board.passed(Stream::Sensors, 1, &[counts(10, 10)]);
        let row = |t, metric: &str, value| (t, metric.to_owned(), value);
        assert_eq!(written(), [row(1, "due", 13.0), row(1, "unsent", 0.0)]);
        // A thread that has ended holds nobody up.
        board.ended(Stream::Sensors, 1, &[]);
        board.ended(Stream::Sensors, 0, &[counts(0, 1)]);
        let rest = [
            row(2, "due", 5.0),
            row(2, "unsent", 1.0),
            row(3, "due", 0.0),
            row(3, "unsent", 0.0),
        ];
        assert_eq!(written()[2..], rest);
        assert_eq!(board.windows(Stream::Sensors)[0].due, 18);
    }
}
