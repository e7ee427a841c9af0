use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    super::window::{Aggregate, Window, WindowSpec, Windows},
    *,
};
use crate::runtime::{
    Exchange, Frozen, MergedWindows, Merger, MergerId, Saved, SavedError, Source, Writer,
    merge::Accepted,
};

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

/// A group's count in a window.
type CountPart = (Window, String, Count);

const SUMS: MergerId = MergerId(0);

impl Part for CountPart {
    fn packet(&self) -> Result<Packet, SavedError> {
        Packet::new(SUMS, 0, self)
    }
}

impl Logic for Counting {
    type Event = String;
    type Partial = CountPart;
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
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        Ok(self.windows.freeze())
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.windows = from.get()?;
        Ok(())
    }
}

impl Saved for Summing {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        Ok(self.0.freeze())
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.0 = from.get()?;
        Ok(())
    }
}

struct Summing(MergedWindows<String, Count>);

impl Merger for Summing {
    type Partial = CountPart;
    type Output = String;

    fn accept(&mut self, source: Source, part: Self::Partial, out: &mut Vec<String>) -> bool {
        let (window, group, count) = part;
        match self.0.put(source, window, group.clone(), count) {
            Accepted::Waiting => true,
            Accepted::TooLate => false,
            Accepted::Corrected(count) => {
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

/// A job with the exchange behind it, as an engine wires them.
struct Line {
    job: Job<Counting>,
    exchange: Exchange<String>,
    out: Vec<String>,
}

impl Line {
    fn new(bound_ms: i64, lateness_ms: i64) -> Self {
        let settings = TimeSettings {
            bound_ms,
            lateness_ms,
            idleness_us: 1_000,
        };
        let spec = WindowSpec::tumbling(10);
        let summing = Box::new(Summing(MergedWindows::new(lateness_ms)));
        Self {
            job: Job::new(settings, move || Counting {
                windows: Windows::new(spec, lateness_ms),
            }),
            exchange: Exchange::default().with(SUMS, &[0], summing),
            out: Vec::new(),
        }
    }

    fn assign(&mut self, partition: i32) {
        self.job.assign(partition, 0);
        self.exchange.expect((0, partition));
    }

    fn feed_at(&mut self, partition: i32, line: &str, wall_us: i64) -> Result<(), String> {
        let mut found = Found::default();
        self.exchange.expect((0, partition));
        let fed = self
            .job
            .feed(partition, line.as_bytes(), wall_us, &mut found);
        self.pass_on(found);
        fed
    }

    fn feed(&mut self, lines: &[(i32, &str)]) -> Vec<String> {
        for (partition, line) in lines {
            self.feed_at(*partition, line, 0).unwrap();
        }
        std::mem::take(&mut self.out)
    }

    fn tick(&mut self, wall_us: i64) -> Vec<String> {
        self.tick_beside(&[], wall_us)
    }

    fn tick_beside(&mut self, elsewhere: &[(i32, Standing)], wall_us: i64) -> Vec<String> {
        let mut found = Found::default();
        if self.job.judge_idle(wall_us) {
            self.job.take_along(elsewhere, &mut found);
        }
        self.pass_on(found);
        std::mem::take(&mut self.out)
    }

    fn pass_on(&mut self, found: Found<String>) {
        for (partition, packet) in found.packets {
            let (source, out) = ((0, partition), &mut self.out);
            self.exchange
                .accept(source, packet.to, &packet.body, out)
                .unwrap();
        }
        for partition in found.moved {
            let standing = Standing {
                idle: false,
                ..self.job.standing(partition).unwrap()
            };
            let (source, out) = ((0, partition), &mut self.out);
            self.exchange.observe(source, standing, out);
        }
    }

    fn watermark(&self, partition: i32) -> EventTime {
        self.job.standing(partition).unwrap().watermark
    }
}

#[test]
fn a_window_waits_for_the_slowest_partition() {
    let mut line = Line::new(0, 0);
    line.assign(0);
    line.assign(1);
    assert_eq!(line.feed(&[(0, "3 a"), (0, "25 a")]), [""; 0]);
    assert_eq!(line.feed(&[(1, "4 a"), (1, "12 b")]), ["0 a 2"]);
    assert_eq!(line.watermark(1), EventTime(12));
}

#[test]
fn an_event_behind_its_own_partition_is_late_and_behind_another_is_not() {
    let mut line = Line::new(5, 0);
    line.feed(&[(0, "100 a"), (0, "94 a"), (1, "3 a"), (0, "95 a")]);
    let expected = Counts {
        consumed: 4,
        late: 1,
        malformed: 0,
    };
    assert_eq!(line.job.counts(), expected);
}

#[test]
fn a_late_event_within_the_allowed_lateness_corrects_the_sum() {
    let mut line = Line::new(0, 30);
    line.assign(1);
    let first = [(0, "3 a"), (1, "4 a"), (0, "12 a"), (1, "12 a")];
    assert_eq!(line.feed(&first), ["0 a 2"]);
    assert_eq!(line.feed(&[(1, "5 a")]), ["corrected 0 a 3"]);
    assert_eq!(line.feed(&[(1, "60 a"), (1, "5 a")]), [""; 0]);
    assert_eq!(line.job.counts().late, 1);
}

#[test]
fn what_is_no_event_is_counted_and_changes_nothing() {
    let mut line = Line::new(0, 0);
    let reason = line.feed_at(0, "rubbish", 0).unwrap_err();
    assert_eq!(reason, "no space");
    let expected = Counts {
        consumed: 1,
        malformed: 1,
        late: 0,
    };
    assert_eq!(line.job.counts(), expected);
    assert_eq!(line.watermark(0), EventTime(i64::MIN));
}

#[test]
fn an_idle_partition_is_taken_along_and_what_it_had_counts() {
    let mut line = Line::new(0, 0);
    line.feed_at(1, "4 a", 0).unwrap();
    line.job.reached_end(1);
    line.feed_at(0, "3 a", 500).unwrap();
    line.feed_at(0, "25 a", 5_000).unwrap();
    assert_eq!(line.out, [""; 0]);
    assert_eq!(line.tick(5_000), ["0 a 2"]);
    // Back again: what lies behind the advance is late, what does not is not.
    line.feed_at(1, "24 a", 5_100).unwrap();
    line.feed_at(1, "26 a", 5_100).unwrap();
    assert_eq!(line.job.counts().late, 1);
}

#[test]
fn a_partition_with_records_left_is_slow_and_not_idle() {
    let mut line = Line::new(0, 0);
    line.assign(1);
    line.feed_at(0, "25 a", 5_000).unwrap();
    line.tick(5_000);
    assert_eq!(line.watermark(1), EventTime(i64::MIN));
    line.job.reached_end(1);
    line.tick(5_000);
    assert_eq!(line.watermark(1), EventTime(25));
}

#[test]
fn an_idle_partition_is_taken_along_by_those_that_others_read() {
    let mut line = Line::new(0, 0);
    line.feed_at(1, "4 a", 0).unwrap();
    line.job.reached_end(1);
    let standing = |watermark, idle| Standing {
        watermark: EventTime(watermark),
        idle,
    };
    let unknown = [(0, standing(25, false)), (2, standing(i64::MIN, false))];
    assert_eq!(line.tick_beside(&unknown, 5_000), [""; 0]);
    // One that is idle itself holds nothing back, and what is said of a partition that is read here is passed over.
    let known = [
        (0, standing(25, false)),
        (1, standing(4, false)),
        (2, standing(7, true)),
    ];
    assert_eq!(line.tick_beside(&known, 5_000), ["0 a 1"]);
    assert_eq!(line.watermark(1), EventTime(25));
}

#[test]
fn one_that_fell_silent_first_is_taken_along_by_those_that_went_on() {
    let mut line = Line::new(0, 0);
    for (partition, event, wall_us) in [(0, "3 a", 0), (1, "25 a", 700), (2, "30 b", 800)] {
        line.feed_at(partition, event, wall_us).unwrap();
        line.job.reached_end(partition);
    }
    line.tick(1_000_000);
    assert_eq!([0, 1, 2].map(|n| line.watermark(n).0), [30, 30, 30]);
}

#[test]
fn when_every_partition_is_idle_nothing_moves_and_all_say_so() {
    let mut line = Line::new(5, 0);
    line.feed(&[(0, "3 a"), (1, "50 a")]);
    line.job.reached_end(0);
    line.job.reached_end(1);
    assert_eq!(line.tick(1_000_000), [""; 0]);
    let at = |watermark| Standing {
        watermark: EventTime(watermark),
        idle: true,
    };
    assert_eq!(line.job.standings(), [(0, at(-2)), (1, at(45))]);
    // The next record ends it, late or not.
    line.feed_at(1, "6 a", 1_000_001).unwrap();
    assert!(!line.job.standing(1).unwrap().idle);
}

#[test]
fn a_revoked_partition_holds_nothing_back() {
    let mut line = Line::new(0, 0);
    line.assign(1);
    assert_eq!(line.feed(&[(0, "3 a"), (0, "25 a")]), [""; 0]);
    line.job.revoke(1);
    line.exchange.forget((0, 1), &mut line.out);
    assert_eq!(line.out, ["0 a 1"]);
}

/// The state of another line in a new one, as snapshots keep it.
fn reborn(old: &mut Line, mut new: Line) -> Line {
    let mut writer = Writer::default();
    let partitions: Vec<i32> = old.job.partitions.keys().copied().collect();
    for partition in &partitions {
        old.job.freeze(*partition).unwrap()(&mut writer).unwrap();
    }
    old.exchange.freeze().unwrap()(&mut writer).unwrap();
    let bytes = writer.seal(0);
    let mut reader = Reader::open(&bytes, 0).unwrap();
    for partition in &partitions {
        new.job.load(*partition, &mut reader, 0).unwrap();
    }
    new.exchange.load(&mut reader).unwrap();
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
            let mut line = Line::new(bound, lateness);
            (0..3).for_each(|partition| line.assign(partition));
            line
        };
        let mut whole = start();
        let expected = whole.feed(&lines);
        let (before, after) = lines.split_at(stop.index(lines.len()));
        let mut first = start();
        let mut found = first.feed(before);
        let mut second = reborn(&mut first, Line::new(bound, lateness));
        found.extend(second.feed(after));
        prop_assert_eq!(found, expected);
        prop_assert_eq!(first.job.counts().late + second.job.counts().late, whole.job.counts().late);
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
            let mut line = Line::new(bound, 0);
            (0..).zip(&lines).for_each(|(partition, _)| line.assign(partition));
            let mut next = vec![0; lines.len()];
            let mut step = |partition: usize| {
                if let Some(text) = lines[partition].get(next[partition]) {
                    next[partition] += 1;
                    line.feed_at(i32::try_from(partition).unwrap(), text, 0).unwrap();
                }
            };
            order.iter().for_each(|index| step(index.index(lines.len())));
            for partition in 0..lines.len() {
                (0..41).for_each(|_| step(partition));
            }
            (line.out, line.job.counts())
        };
        prop_assert_eq!(run(&order), run(&[]));
    }
}

#[test]
fn what_nobody_could_hear_makes_no_partition_idle() {
    let mut line = Line::new(0, 0);
    for partition in [0, 1] {
        line.feed_at(partition, "4 a", 0).unwrap();
        line.job.reached_end(partition);
    }
    // Both are silent while the broker is out of reach; then the first one's records come.
    line.job.restart_silence(5_000);
    line.feed_at(0, "25 a", 5_000).unwrap();
    assert_eq!(line.tick(5_000), [""; 0]);
    line.feed_at(1, "5 a", 5_100).unwrap();
    assert_eq!(line.job.counts().late, 0);
    // One that stays silent afterwards is idle in the end.
    line.job.reached_end(1);
    assert_eq!(line.tick(6_200), ["0 a 3"]);
}
