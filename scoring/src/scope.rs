//! What is scored: the first two steps, before any matching.
//!
//! 1. Transport duplicates (an alert id that was seen before) are dropped; the copy that the broker
//!    appended first stays.
//! 2. Labels and alerts of the warm-up are left out; so are labels whose tolerance passes the end of
//!    the run (`truncated`) and alerts that end after it.

mod outline;
mod read;

use floodmark_contracts::{
    clock::EventTime, key::KeyType, kind::Kind, label::Label, record::RunRecord,
};

pub(crate) use self::outline::Outline;
use self::read::Read;
use crate::{
    ahead,
    alerts::Alerts,
    events::Events,
    keys::{Key, Keys, looked_up},
    settings::Settings,
};

/// Why a label counts or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Kept,
    WarmUp,
    Truncated,
    /// Benign: nothing to detect, and no excuse for an alert.
    Decoy,
    /// The same outside of what is scored.
    DecoyLeftOut,
}

/// What an alert says about its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Claim {
    /// It does not tell kinds apart.
    Silent,
    Known(Kind),
    /// A name that the catalogue does not have, by the order of first sight.
    Foreign(u32),
}

/// Why an alert is not matched at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exclusion {
    Duplicate,
    WarmUp,
    AfterEnd,
}

/// An alert that is to be matched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// Position in the run's alerts.
    pub(crate) source: u32,
    /// The key, as a number that is equal for equal keys.
    pub(crate) key: u32,
    pub(crate) key_type: KeyType,
    pub(crate) claim: Claim,
    /// Start of the interval after the cut to the last `max_span`.
    pub(crate) start: i64,
    /// End of the interval: the instant at which the alert stands.
    pub(crate) end: i64,
    /// The score if it has any, else NaN: kept here, as the alerts themselves lie far apart.
    pub(crate) score: f64,
    /// A number that follows from the id alone, for draws: nearly every id has another one.
    pub(crate) mark: u32,
    /// The number of its list of event ids, if it has one.
    pub(crate) list: u32,
}

impl Candidate {
    /// The score, if it has a finite one.
    pub(crate) fn score(&self) -> Option<f64> {
        Some(self.score).filter(|score| score.is_finite())
    }

    /// What decides its place among the alerts of its key.
    fn order(&self) -> (Claim, i64, i64, u32) {
        (self.claim, self.start, self.end, self.source)
    }
}

/// Event time that is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bounds {
    pub(crate) from: EventTime,
    pub(crate) until: EventTime,
}

impl Bounds {
    /// From the end of the warm-up to the end of the run, or to where a signal stopped it: what was
    /// never sent can be neither found nor missed, and alerts about the silence after it are no errors.
    pub(crate) fn of(record: &RunRecord) -> Self {
        let generated = record.phases.iter().find(|phase| phase.name == "generate");
        let until = match generated.filter(|_| record.interrupted) {
            Some(phase) => record
                .event_time_end
                .min(record.timeline.event_time(phase.to)),
            None => record.event_time_end,
        };
        Self {
            from: record.warm_up_until,
            until,
        }
    }
}

/// Labels with their standing and alerts that are to be matched.
pub(crate) struct Scope<'a> {
    pub(crate) labels: &'a [Label],
    pub(crate) standings: Vec<Standing>,
    /// By position of the label.
    pub(crate) outlines: Vec<Outline>,
    /// By key, then by kind, then in event time: what is counted for a key is at hand then, and whatever goes through
    /// them need not sort.
    pub(crate) alerts: Vec<Candidate>,
    /// By position in the run's alerts; `None` for those in `alerts`.
    pub(crate) exclusions: Vec<Option<Exclusion>>,
    /// The numbers of keys: those of the alerts first, then those that labels alone have.
    pub(crate) keys: Keys,
    /// The event ids of labels and of the alerts that are to be matched.
    pub(crate) events: Events,
    /// How many of the keys alerts have.
    pub(crate) n_alert_keys: usize,
    /// The numbers of all labels' keys, in the order of the labels.
    label_keys: Vec<u32>,
    /// Where those of each label begin, and where the last ones end.
    label_keys_begin: Vec<u32>,
    /// Alerts that end before they start; taken as points at their end.
    pub(crate) reversed: u64,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(
        labels: &'a [Label],
        alerts: Alerts<'a>,
        bounds: Bounds,
        settings: Settings,
    ) -> Self {
        let standings = labels.iter().map(|l| standing(l, bounds)).collect();
        let mut read = Read::new(alerts, bounds);
        let mut scope = Self {
            labels,
            standings,
            outlines: labels.iter().map(Outline::of).collect(),
            alerts: Vec::new(),
            events: Events::default(),
            exclusions: Vec::new(),
            n_alert_keys: read.keys.len(),
            keys: std::mem::take(&mut read.keys),
            label_keys: Vec::with_capacity(labels.len()),
            label_keys_begin: Vec::with_capacity(labels.len() + 1),
            reversed: 0,
        };
        scope.take_alerts(&read, settings);
        scope.exclusions = read.exclusions;
        // They are as large as all that comes next.
        drop(read.candidates);
        scope.number_label_keys();
        let has_key = |label: u32, key: u32| scope.keys_of(label as usize).contains(&key);
        scope.events = Events::new(labels, &read.lists, has_key);
        scope
    }

    /// Numbers the keys of labels behind those of alerts.
    fn number_label_keys(&mut self) {
        self.label_keys_begin.push(0);
        for some in self.labels.chunks(ahead::STEP) {
            let keys = some.iter().flat_map(|of| &of.keys).map(looked_up);
            let keys: Vec<Key<'_>> = keys.collect();
            self.keys.number_all(&keys, &mut self.label_keys);
            for label in some {
                let begin = self.label_keys_begin.last().copied().unwrap_or(0);
                let n_keys = u32::try_from(label.keys.len()).unwrap_or(u32::MAX);
                self.label_keys_begin.push(begin.saturating_add(n_keys));
            }
        }
    }

    /// Takes up the alerts that are not excluded, by key.
    fn take_alerts(&mut self, read: &Read<'_>, settings: Settings) {
        let mut next = begins(read.kept().map(|alert| alert.key), self.keys.len());
        let n_kept = next.last().copied().unwrap_or(0);
        let mut order = vec![0; n_kept as usize];
        for alert in read.kept() {
            let place = &mut next[alert.key as usize];
            order[*place as usize] = alert.source;
            *place += 1;
        }
        let reversed = read.kept().filter(|alert| alert.end < alert.start).count();
        self.reversed = reversed as u64;
        let taken = order.iter().map(|source| {
            let alert = read.candidates[*source as usize];
            let earliest = alert.end.saturating_sub(settings.max_span_ms);
            Candidate {
                start: alert.start.min(alert.end).max(earliest),
                ..alert
            }
        });
        self.alerts = taken.collect();
        for of_key in self.alerts.chunk_by_mut(|a, b| a.key == b.key) {
            of_key.sort_unstable_by_key(Candidate::order);
        }
    }

    /// The same labels with other alerts, whose keys have numbers under `n_alert_keys`; `label_keys` has those of all
    /// labels' keys, in the order of the labels. Names of keys are not kept.
    pub(crate) fn with_alerts(
        &self,
        mut alerts: Vec<Candidate>,
        n_alert_keys: usize,
        standings: Vec<Standing>,
        label_keys: Vec<u32>,
    ) -> Self {
        alerts.sort_unstable_by_key(|alert| (alert.key, alert.order()));
        Self {
            labels: self.labels,
            standings,
            outlines: self.outlines.clone(),
            alerts,
            events: Events::default(),
            exclusions: Vec::new(),
            keys: Keys::default(),
            n_alert_keys,
            label_keys,
            label_keys_begin: self.label_keys_begin.clone(),
            reversed: 0,
        }
    }

    /// The numbers of a label's keys, as it lists them.
    pub(crate) fn keys_of(&self, label: usize) -> &[u32] {
        let (from, until) = (
            self.label_keys_begin[label],
            self.label_keys_begin[label + 1],
        );
        &self.label_keys[from as usize..until as usize]
    }

    /// The number under which all keys' numbers are.
    pub(crate) fn n_keys(&self) -> usize {
        self.keys.len().max(self.n_alert_keys)
    }

    /// Number of alerts excluded for `reason`.
    pub(crate) fn excluded(&self, reason: Exclusion) -> u64 {
        self.exclusions
            .iter()
            .filter(|e| **e == Some(reason))
            .count() as u64
    }

    /// Number of labels with `standing`.
    pub(crate) fn standing_count(&self, standing: Standing) -> u64 {
        self.standings.iter().filter(|s| **s == standing).count() as u64
    }

    /// Labels that count, with their positions.
    pub(crate) fn kept_labels(&self) -> impl Iterator<Item = (usize, &'a Label)> + '_ {
        let kept = |(i, _): &(usize, _)| self.standings[*i] == Standing::Kept;
        self.labels.iter().enumerate().filter(kept)
    }
}

fn standing(label: &Label, bounds: Bounds) -> Standing {
    let early = label.start < bounds.from;
    let truncated = label.end.plus_ms(label.kind.late_ms()) > bounds.until;
    match (label.benign, early, truncated) {
        (true, false, false) => Standing::Decoy,
        (true, _, _) => Standing::DecoyLeftOut,
        (false, true, _) => Standing::WarmUp,
        (false, false, true) => Standing::Truncated,
        (false, false, false) => Standing::Kept,
    }
}

/// Where those of each key begin in an order by key, and where the last ones end, if `numbers` has the key of each.
fn begins(numbers: impl Iterator<Item = u32>, n_keys: usize) -> Vec<u32> {
    let mut begins = vec![0; n_keys + 1];
    for number in numbers {
        begins[number as usize + 1] += 1;
    }
    for key in 1..begins.len() {
        begins[key] += begins[key - 1];
    }
    begins
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::clock::WallTime;

    use super::*;
    use crate::support::{alert, label};

    const BOUNDS: Bounds = Bounds {
        from: EventTime(100_000),
        until: EventTime(1_000_000),
    };
    const SETTINGS: Settings = Settings {
        early_ms: 0,
        max_span_ms: 300_000,
        merge_gap_ms: 60_000,
    };

    #[test]
    fn labels_of_the_warm_up_and_at_the_end_are_left_out() {
        let late = Kind::SensorSpike.late_ms();
        let labels = [
            label("warm", Kind::SensorSpike, "a", 99_999, 150_000),
            label("kept", Kind::SensorSpike, "a", 100_000, 1_000_000 - late),
            label("cut", Kind::SensorSpike, "a", 100_000, 1_000_001 - late),
        ];
        let scope = Scope::new(&labels, Alerts::Bare(&[]), BOUNDS, SETTINGS);
        let expected = [Standing::WarmUp, Standing::Kept, Standing::Truncated];
        assert_eq!(scope.standings, expected);
    }

    #[test]
    fn decoys_are_neither_kept_nor_left_out() {
        let labels = [
            label("warm", Kind::FlashSale, "/a", 99_999, 150_000),
            label("decoy", Kind::FlashSale, "/a", 200_000, 300_000),
            label("cut", Kind::FlashSale, "/a", 200_000, 999_999),
        ];
        let scope = Scope::new(&labels, Alerts::Bare(&[]), BOUNDS, SETTINGS);
        let expected = [
            Standing::DecoyLeftOut,
            Standing::Decoy,
            Standing::DecoyLeftOut,
        ];
        assert_eq!(scope.standings, expected);
        assert_eq!(scope.kept_labels().count(), 0);
        assert_eq!(scope.standing_count(Standing::WarmUp), 0);
    }

    #[test]
    fn of_two_copies_the_one_appended_first_stays_whatever_the_order() {
        let mut early = alert("same", "a", 200_000, 200_000);
        let mut later = early.clone();
        early.appended_at = WallTime(5);
        later.appended_at = WallTime(9);
        for copies in [[early.clone(), later.clone()], [later, early]] {
            let scope = Scope::new(&[], Alerts::Collected(&copies), BOUNDS, SETTINGS);
            assert_eq!(scope.excluded(Exclusion::Duplicate), 1);
            let kept = scope.alerts[0].source as usize;
            assert_eq!(copies[kept].appended_at, WallTime(5));
        }
    }

    #[test]
    fn an_alert_is_cut_to_its_last_part_and_a_reversed_one_is_a_point() {
        let alerts = [
            alert("long", "a", 100_000, 900_000),
            alert("reversed", "a", 600_000, 500_000),
        ];
        let scope = Scope::new(&[], Alerts::Collected(&alerts), BOUNDS, SETTINGS);
        let spans: Vec<(i64, i64)> = scope.alerts.iter().map(|it| (it.start, it.end)).collect();
        assert_eq!(spans, [(500_000, 500_000), (600_000, 900_000)]);
        assert_eq!(scope.reversed, 1);
    }

    #[test]
    fn alerts_stand_by_key_then_by_kind_then_in_event_time() {
        let named = |id: &str, key: &str, kind: Kind, start: i64| {
            let mut alert = alert(id, key, start, start + 10);
            alert.alert.kind = Some(kind.to_string());
            alert
        };
        let alerts = [
            named("3", "a", Kind::SensorSpike, 300_000),
            named("5", "b", Kind::SensorSpike, 100_000),
            named("1", "a", Kind::DropOut, 400_000),
            named("2", "a", Kind::SensorSpike, 200_000),
        ];
        let scope = Scope::new(&[], Alerts::Collected(&alerts), BOUNDS, SETTINGS);
        let places = scope.alerts.iter().map(|it| (it.key, it.claim, it.start));
        let places: Vec<(u32, Claim, i64)> = places.collect();
        assert!(places.is_sorted(), "{places:?}");
        let keys: Vec<u32> = places.iter().map(|(key, ..)| *key).collect();
        assert_eq!(keys, [0, 0, 0, 1]);
    }

    #[test]
    fn alerts_outside_the_run_are_counted_apart() {
        let alerts = [
            alert("before", "a", 0, 99_999),
            alert("across", "a", 0, 100_000),
            alert("after", "a", 990_000, 1_000_001),
        ];
        let scope = Scope::new(&[], Alerts::Collected(&alerts), BOUNDS, SETTINGS);
        let expected = [Some(Exclusion::WarmUp), None, Some(Exclusion::AfterEnd)];
        assert_eq!(scope.exclusions, expected);
    }
}
