use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    super::window::{Aggregate, Window, WindowSpec, Windows},
    *,
};
use crate::runtime::{MergedWindows, Saved};

/// Ten milliseconds' counts of lines `time group`, per partition and over all partitions.
struct Counting {
    windows: Windows<String, Count>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Count(u32);

impl Aggregate for Count {
    fn merge(&mut self, other: &Self) {
        self.0 += other.0;
    }
}

impl Logic for Counting {
    type Event = String;
    type Partial = (Window, String, Count);
    type Output = String;

    fn decode(&mut self, value: &[u8]) -> Result<(EventTime, String), String> {
        let text = std::str::from_utf8(value).map_err(|error| error.to_string())?;
        let (at, group) = text.split_once(' ').ok_or("no space")?;
        Ok((
            EventTime(at.parse().map_err(|_| "no time")?),
            group.to_owned(),
        ))
    }

    fn event(&mut self, at: EventTime, group: String, _: &mut Emit<Self::Partial, String>) {
        self.windows.pane(at, group.as_str()).0 += 1;
    }

    fn late_event(&mut self, at: EventTime, group: String, emit: &mut Emit<Self::Partial, String>) {
        self.windows.pane(at, group.as_str()).0 += 1;
        self.windows.correct(at, &group, |window, group, parts| {
            emit.partials.push((window, group.clone(), parts.merged()));
        });
    }

    fn advance(&mut self, to: EventTime, emit: &mut Emit<Self::Partial, String>) {
        self.windows.close(to, |window, group, parts| {
            emit.partials.push((window, group.clone(), parts.merged()));
        });
    }
}

impl Saved for Counting {
    fn save(&self, to: &mut Writer) -> Result<(), SavedError> {
        to.put(&self.windows)
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.windows = from.get()?;
        Ok(())
    }
}

impl Saved for Summing {
    fn save(&self, to: &mut Writer) -> Result<(), SavedError> {
        to.put(&self.0)
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.0 = from.get()?;
        Ok(())
    }
}

struct Summing(MergedWindows<String, Count>);

impl Merger for Summing {
    type Partial = (Window, String, Count);
    type Output = String;

    fn accept(&mut self, source: i32, part: Self::Partial, out: &mut Vec<String>) -> bool {
        let (window, group, count) = part;
        match self.0.put(source, window, group.clone(), count) {
            super::super::merge::Accepted::Waiting => true,
            super::super::merge::Accepted::TooLate => false,
            super::super::merge::Accepted::Corrected(count) => {
                out.push(format!("corrected {} {group} {}", window.start.0, count.0));
                true
            }
        }
    }

    fn advance(&mut self, to: EventTime, out: &mut Vec<String>) {
        self.0.close(to, |window, groups| {
            for (group, count) in groups {
                out.push(format!("{} {group} {}", window.start.0, count.0));
            }
        });
    }
}

fn job(bound_ms: i64, lateness_ms: i64) -> Job<Counting, Summing> {
    let settings = TimeSettings {
        bound_ms,
        lateness_ms,
        idleness_us: 1_000,
    };
    let spec = WindowSpec::tumbling(10);
    Job::new(
        settings,
        move || Summing(MergedWindows::new(lateness_ms)),
        move || Counting {
            windows: Windows::new(spec, lateness_ms),
        },
    )
}

fn feed(job: &mut Job<Counting, Summing>, lines: &[(i32, &str)]) -> Vec<String> {
    let mut out = Vec::new();
    for (partition, line) in lines {
        job.feed(*partition, line.as_bytes(), 0, &mut out).unwrap();
    }
    out
}

#[test]
fn a_window_waits_for_the_slowest_partition() {
    let mut job = job(0, 0);
    job.assign(0, 0);
    job.assign(1, 0);
    assert_eq!(feed(&mut job, &[(0, "3 a"), (0, "25 a")]), [""; 0]);
    assert_eq!(job.watermark(), None);
    assert_eq!(feed(&mut job, &[(1, "4 a"), (1, "12 b")]), ["0 a 2"]);
    assert_eq!(job.watermark(), Some(EventTime(12)));
}

#[test]
fn an_event_behind_its_own_partition_is_late_and_behind_another_is_not() {
    let mut job = job(5, 0);
    feed(
        &mut job,
        &[(0, "100 a"), (0, "94 a"), (1, "3 a"), (0, "95 a")],
    );
    assert_eq!(
        job.counts(),
        Counts {
            consumed: 4,
            late: 1,
            ..Counts::default()
        }
    );
}

#[test]
fn a_late_event_within_the_allowed_lateness_corrects_the_sum() {
    let mut job = job(0, 30);
    assert_eq!(
        feed(
            &mut job,
            &[(0, "3 a"), (1, "4 a"), (0, "12 a"), (1, "12 a")]
        ),
        ["0 a 2"]
    );
    assert_eq!(feed(&mut job, &[(1, "5 a")]), ["corrected 0 a 3"]);
    assert_eq!(feed(&mut job, &[(1, "60 a"), (1, "5 a")]), [""; 0]);
    assert_eq!(job.counts().late, 1);
}

#[test]
fn what_is_no_event_is_counted_and_changes_nothing() {
    let mut job = job(0, 0);
    let reason = job.feed(0, b"rubbish", 0, &mut Vec::new()).unwrap_err();
    assert_eq!(reason, "no space");
    assert_eq!(
        job.counts(),
        Counts {
            consumed: 1,
            malformed: 1,
            ..Counts::default()
        }
    );
    assert_eq!(job.watermark(), None);
}

#[test]
fn an_idle_partition_is_taken_along_and_what_it_had_counts() {
    let mut job = job(0, 0);
    let mut out = Vec::new();
    job.feed(1, b"4 a", 0, &mut out).unwrap();
    job.reached_end(1);
    job.feed(0, b"3 a", 500, &mut out).unwrap();
    job.feed(0, b"25 a", 5_000, &mut out).unwrap();
    assert_eq!(out, [""; 0]);
    job.tick(5_000, &mut out);
    assert_eq!(out, ["0 a 2"]);
    // Back again: what lies behind the advance is late, what does not is not.
    job.feed(1, b"24 a", 5_100, &mut out).unwrap();
    job.feed(1, b"26 a", 5_100, &mut out).unwrap();
    assert_eq!(job.counts().late, 1);
}

#[test]
fn a_partition_with_records_left_is_slow_and_not_idle() {
    let mut job = job(0, 0);
    let mut out = Vec::new();
    job.assign(1, 0);
    job.feed(0, b"25 a", 5_000, &mut out).unwrap();
    job.tick(5_000, &mut out);
    assert_eq!(job.watermark(), None);
    job.reached_end(1);
    job.tick(5_000, &mut out);
    assert_eq!(job.watermark(), Some(EventTime(25)));
}

#[test]
fn when_every_partition_is_idle_nothing_moves() {
    let mut job = job(5, 0);
    feed(&mut job, &[(0, "3 a"), (1, "50 a")]);
    job.reached_end(0);
    job.reached_end(1);
    let mut out = Vec::new();
    job.tick(1_000_000, &mut out);
    assert_eq!((job.watermark(), out.len()), (Some(EventTime(-2)), 0));
}

#[test]
fn a_revoked_partition_holds_nothing_back() {
    let mut job = job(0, 0);
    job.assign(1, 0);
    let mut out = feed(&mut job, &[(0, "3 a"), (0, "25 a")]);
    assert_eq!(out, [""; 0]);
    job.revoke(1, &mut out);
    assert_eq!(out, ["0 a 1"]);
}

/// A job with the state of another one, as a snapshot keeps it.
fn reborn(old: &Job<Counting, Summing>, mut new: Job<Counting, Summing>) -> Job<Counting, Summing> {
    let mut writer = Writer::default();
    for partition in old.partitions.keys() {
        old.save(*partition, &mut writer).unwrap();
    }
    old.save_merged(&mut writer).unwrap();
    let bytes = writer.seal(0);
    let mut reader = Reader::open(&bytes, 0).unwrap();
    for partition in old.partitions.keys() {
        new.load(*partition, &mut reader, 0).unwrap();
    }
    new.load_merged(&mut reader).unwrap();
    reader.end().unwrap();
    new
}

proptest! {
    /// forall logs, interleavings and places to stop: saved, loaded and gone on is undisturbed.
    #[test]
    fn a_snapshot_at_any_point_changes_nothing(
        log in prop::collection::vec((0i32..3, 0i64..200, 0u8..3), 1..80),
        stop in any::<prop::sample::Index>(),
        bound in 0i64..60,
        lateness in 0i64..40,
    ) {
        let lines: Vec<(i32, String)> = log
            .iter()
            .map(|(partition, at, group)| (*partition, format!("{at} g{group}")))
            .chain((0..3).map(|partition| (partition, "1000 end".to_owned())))
            .collect();
        let lines: Vec<(i32, &str)> = lines.iter().map(|(p, line)| (*p, line.as_str())).collect();
        let start = || {
            let mut job = job(bound, lateness);
            (0..3).for_each(|partition| job.assign(partition, 0));
            job
        };
        let mut whole = start();
        let expected = feed(&mut whole, &lines);
        let (before, after) = lines.split_at(stop.index(lines.len()));
        let mut first = start();
        let mut found = feed(&mut first, before);
        let mut second = reborn(&first, job(bound, lateness));
        found.extend(feed(&mut second, after));
        prop_assert_eq!(found, expected);
        prop_assert_eq!(first.counts().late + second.counts().late, whole.counts().late);
    }

    /// forall logs and interleavings of partitions: the sums and the late events are the same.
    #[test]
    fn interleaving_changes_nothing(
        logs in prop::collection::vec(prop::collection::vec((0i64..200, 0u8..3), 0..40), 1..4),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
        bound in 0i64..60,
    ) {
        let lines: Vec<Vec<String>> = logs
            .iter()
            .map(|log| {
                let lines = log.iter().map(|(at, group)| format!("{at} g{group}"));
                lines.chain(["1000 end".to_owned()]).collect()
            })
            .collect();
        let run = |order: &[prop::sample::Index]| {
            let mut job = job(bound, 0);
            (0..).zip(&lines).for_each(|(partition, _)| job.assign(partition, 0));
            let mut next = vec![0; lines.len()];
            let mut out = Vec::new();
            let mut step = |partition: usize, out: &mut Vec<String>| {
                if let Some(line) = lines[partition].get(next[partition]) {
                    next[partition] += 1;
                    job.feed(i32::try_from(partition).unwrap(), line.as_bytes(), 0, out).unwrap();
                }
            };
            order.iter().for_each(|index| step(index.index(lines.len()), &mut out));
            for partition in 0..lines.len() {
                (0..41).for_each(|_| step(partition, &mut out));
            }
            (out, job.counts())
        };
        prop_assert_eq!(run(&order), run(&[]));
    }
}
