//! Where the time of an alert goes, per pipeline and kind.
//!
//! ```text
//! first event due ── window ──▶ d = last event due ── hand-over ──▶ ── wait ──▶ ── detector ──▶ appended ── collect ──▶ seen
//!
//! window     (end - start) / speed             event time's own, nobody's fault
//! hand-over  lateness of the generator at d    the harness's own fault
//! wait       min(bound / speed, rest)          for the watermark, at most its bound; rest = appended - d - hand-over
//! detector   rest - wait                       the broker, the detector and its commits
//! collect    seen - appended                   the harness reading
//! ```
//! `from due` is hand-over, wait and detector together (no coordinated omission); `from hand-over` leaves the first out. The
//! stages of one alert add up exactly; means of stages do so too, percentiles do not.

use std::collections::BTreeMap;

use floodmark_contracts::{
    alert::CollectedAlert,
    record::RunRecord,
    result::{Stage, Waterfall},
};
use hdrhistogram::Histogram;

use crate::{
    latency::lateness_at,
    matching::{Fate, Matching},
};

/// Pipelines and kinds that are listed one by one, those with most alerts first; the rest is put together.
const LISTED: usize = 40;

/// What the rest is called.
const OTHERS: &str = "others";

/// The stages with what each holds.
const STAGES: [(&str, &str); 5] = [
    ("window", "the alert's own span of event time, in wall time"),
    (
        "hand-over",
        "from the due time of its last event to that event's hand-over to the client library",
    ),
    (
        "wait",
        "for the watermark and for events out of order, at most the bound of the subject's watermark",
    ),
    (
        "detector",
        "what remains until the broker's append time of the alert: broker, detector, commits",
    ),
    (
        "collect",
        "from the append time to the harness having read it",
    ),
];

/// What is known of the alerts of one pipeline and kind.
struct Group {
    alerts: u64,
    ahead: u64,
    stages: [Spread; STAGES.len()],
    from_due: Spread,
    from_hand_over: Spread,
}

/// Values with their exact mean.
struct Spread {
    sum: f64,
    histogram: Histogram<u64>,
}

impl Spread {
    fn new() -> Option<Self> {
        // Two digits do for a picture; it grows as far as it must.
        let histogram = Histogram::new(2).ok()?;
        Some(Self {
            sum: 0.0,
            histogram,
        })
    }

    fn add(&mut self, us: i64) {
        let us = us.max(0);
        self.sum += us as f64;
        // It grows to hold the value, where a saturating record would cut it: this cannot fail.
        let _ = self.histogram.record(us.unsigned_abs());
    }

    fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        // It grows to hold the other's values: adding cannot fail.
        let _ = self.histogram.add(&other.histogram);
    }

    fn stage(&self, name: &str, meaning: &str) -> Stage {
        let count = self.histogram.len();
        let at = |q: f64, needed: u64| {
            let value = self
                .histogram
                .value_at_quantile(q)
                .min(self.histogram.max());
            (count >= needed).then_some(value)
        };
        Stage {
            name: name.to_owned(),
            mean_us: self.sum / count.max(1) as f64,
            p50_us: at(0.5, 1).unwrap_or(0),
            p99_us: at(0.99, 100),
            meaning: meaning.to_owned(),
        }
    }
}

impl Group {
    fn new() -> Option<Self> {
        let stages: Vec<Spread> = STAGES.iter().map_while(|_| Spread::new()).collect();
        Some(Self {
            alerts: 0,
            ahead: 0,
            stages: stages.try_into().ok()?,
            from_due: Spread::new()?,
            from_hand_over: Spread::new()?,
        })
    }

    fn merge(&mut self, other: &Self) {
        self.alerts += other.alerts;
        self.ahead += other.ahead;
        for (mine, theirs) in self.stages.iter_mut().zip(&other.stages) {
            mine.merge(theirs);
        }
        self.from_due.merge(&other.from_due);
        self.from_hand_over.merge(&other.from_hand_over);
    }

    fn waterfall(&self, pipeline: String, kind: Option<String>) -> Waterfall {
        let stages = self.stages.iter().zip(STAGES);
        Waterfall {
            pipeline,
            kind,
            alerts: self.alerts,
            ahead: self.ahead,
            stages: stages
                .map(|(spread, (name, meaning))| spread.stage(name, meaning))
                .collect(),
            from_due: self
                .from_due
                .stage("from due", "hand-over, wait and detector"),
            from_hand_over: self
                .from_hand_over
                .stage("from hand-over", "wait and detector"),
        }
    }
}

/// The stages of one alert, microseconds, in the order of [`STAGES`], and whether it came before its own end.
struct Taken {
    stages: [i64; STAGES.len()],
    ahead: bool,
}

/// Takes the time of an alert apart.
fn take_apart(record: &RunRecord, collected: &CollectedAlert) -> Taken {
    let (alert, timeline) = (&collected.alert, &record.timeline);
    let due = timeline.run_micros(alert.end);
    let window = due.0 - timeline.run_micros(alert.start).0;
    let hand_over = lateness_at(record, due);
    let appended = collected.appended_at.offset_from(record.started_at).0;
    let since_due = appended - due.0;
    // What lies between is at most as long as the whole: an alert may rest on earlier events than its last.
    let hand_over = hand_over.clamp(0, since_due.max(0));
    let rest = (since_due - hand_over).max(0);
    let bound_ms = record.watermark_bound_ms.unwrap_or(0).max(0);
    let wait = rest.min((bound_ms as f64 * 1000.0 / timeline.speed) as i64);
    let collect = collected.seen_at.0 - collected.appended_at.0;
    Taken {
        stages: [window, hand_over, wait, rest - wait, collect],
        ahead: since_due < 0,
    }
}

/// The waterfalls of a run, the first over all alerts, then those with most alerts first.
pub(crate) fn collect(
    record: &RunRecord,
    alerts: &[CollectedAlert],
    matching: &Matching,
) -> Vec<Waterfall> {
    let mut groups: BTreeMap<(&str, Option<&str>), Group> = BTreeMap::new();
    for (collected, fate) in alerts.iter().zip(&matching.alerts) {
        if !matches!(fate, Fate::True | Fate::False | Fate::Ignored) {
            continue;
        }
        let key = (
            collected.alert.detector.as_str(),
            collected.alert.kind.as_deref(),
        );
        // A detector may make names up: beyond a bound they share one place.
        let key = match groups.contains_key(&key) || groups.len() < 4 * LISTED {
            true => key,
            false => (OTHERS, None),
        };
        if !groups.contains_key(&key)
            && let Some(group) = Group::new()
        {
            groups.insert(key, group);
        }
        let Some(group) = groups.get_mut(&key) else {
            continue;
        };
        let taken = take_apart(record, collected);
        group.alerts += 1;
        group.ahead += u64::from(taken.ahead);
        for (spread, us) in group.stages.iter_mut().zip(taken.stages) {
            spread.add(us);
        }
        let [_, hand_over, wait, detector, _] = taken.stages;
        group.from_due.add(hand_over + wait + detector);
        group.from_hand_over.add(wait + detector);
    }
    listed(groups)
}

fn listed(groups: BTreeMap<(&str, Option<&str>), Group>) -> Vec<Waterfall> {
    let Some(mut all) = Group::new().filter(|_| !groups.is_empty()) else {
        return Vec::new();
    };
    let mut found: Vec<_> = groups.into_iter().collect();
    for (_, group) in &found {
        all.merge(group);
    }
    // Stable, so that names decide between equals.
    found.sort_by_key(|(_, group)| std::cmp::Reverse(group.alerts));
    let rest = found.split_off(LISTED.min(found.len()));
    let mut waterfalls = vec![all.waterfall("all".to_owned(), None)];
    for ((pipeline, kind), group) in &found {
        waterfalls.push(group.waterfall((*pipeline).to_owned(), kind.map(str::to_owned)));
    }
    if let Some(mut others) = Group::new().filter(|_| !rest.is_empty()) {
        for (_, group) in &rest {
            others.merge(group);
        }
        waterfalls.push(others.waterfall(OTHERS.to_owned(), None));
    }
    waterfalls
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::{clock::EventTime, stream::Stream};

    use super::*;
    use crate::support::{Run, alert};

    /// An alert about a minute of event time, which the broker got `late_us` after the minute's end was due.
    fn run_with(late_us: i64) -> Run {
        let mut run = Run::new();
        let mut found = alert("a", "s1", 600_000, 660_000);
        found.alert.detector = "windows".to_owned();
        let end = run.record.timeline.run_micros(EventTime(660_000));
        let due = run.record.started_at.at(end);
        found.appended_at.0 = due.0 + late_us;
        found.seen_at.0 = found.appended_at.0 + 700;
        run.alerts = vec![found];
        run.record.watermark_bound_ms = Some(6_000);
        run
    }

    fn taken(run: &Run) -> [i64; 5] {
        take_apart(&run.record, &run.alerts[0]).stages
    }

    #[test]
    fn a_detector_is_not_blamed_for_window_watermark_or_generator() {
        // At speed 1: a window of a minute, a bound of six seconds.
        let (window, wait) = (60_000_000, 6_000_000);
        let mut run = run_with(wait + 400_000);
        assert_eq!(taken(&run), [window, 0, wait, 400_000, 700]);
        let end = run.record.timeline.run_micros(EventTime(660_000));
        let facts = run.record.generator.get_mut(&Stream::Sensors).unwrap();
        facts.lateness_by_due.add(end.0, 50_000);
        assert_eq!(taken(&run), [window, 50_000, wait, 350_000, 700]);
    }

    #[test]
    fn stages_never_exceed_the_whole() {
        let mut run = run_with(1_000);
        let [_, hand_over, wait, detector, _] = taken(&run);
        assert_eq!((hand_over, wait, detector), (0, 1_000, 0));
        let end = run.record.timeline.run_micros(EventTime(660_000));
        let facts = run.record.generator.get_mut(&Stream::Sensors).unwrap();
        facts.lateness_by_due.add(end.0, 50_000);
        let [_, hand_over, wait, detector, _] = taken(&run);
        assert_eq!((hand_over, wait, detector), (1_000, 0, 0));
        let early = run_with(-5_000);
        let taken = take_apart(&early.record, &early.alerts[0]);
        assert!(taken.ahead);
        assert_eq!(taken.stages[1..4], [0, 0, 0]);
    }

    #[test]
    fn pipelines_stand_behind_the_whole_by_their_number_of_alerts() {
        let mut run = run_with(400_000);
        let first = run.alerts[0].clone();
        for number in 0..3 {
            let mut more = first.clone();
            more.alert.id = format!("b{number}");
            more.alert.detector = "rule".to_owned();
            more.alert.kind = Some("bot".to_owned());
            run.alerts.push(more);
        }
        let result = crate::score(&run.record, &run.labels, &run.alerts, &[]).unwrap();
        let names: Vec<(&str, Option<&str>, u64)> = result
            .waterfall
            .iter()
            .map(|fall| (fall.pipeline.as_str(), fall.kind.as_deref(), fall.alerts))
            .collect();
        assert_eq!(
            names,
            [
                ("all", None, 4),
                ("rule", Some("bot"), 3),
                ("windows", None, 1)
            ]
        );
        let all = &result.waterfall[0];
        let sum: f64 = all.stages[1..4].iter().map(|stage| stage.mean_us).sum();
        assert!((sum - all.from_due.mean_us).abs() < 1.0, "means add up");
        let median = all.from_due.p50_us;
        assert!(
            (396_000..=404_000).contains(&median),
            "{median} to two digits"
        );
    }
}
