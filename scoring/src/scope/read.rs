//! What alerts say, read once: alerts are large, and their ids, keys and kinds lie far apart in memory, so that waiting for
//! them is most of the time that reading takes.

use floodmark_contracts::{alert::Alert, kind::Kind};

use super::{Bounds, Candidate, Claim, Exclusion};
use crate::{
    ahead,
    alerts::Alerts,
    bootstrap::Draws,
    events::{self, Said},
    hashing::Map,
    keys::{Key, Keys, looked_up},
};

/// What scoring needs of alerts, read in one go through them: they are large, and not looked at again.
pub(super) struct Read<'a> {
    /// By position of the alert: why it is not matched.
    pub(super) exclusions: Vec<Option<Exclusion>>,
    /// By position of the alert, with its interval as it says. The key has a number only if its time is scored.
    pub(super) candidates: Vec<Candidate>,
    /// What those alerts list that list any event ids.
    pub(super) lists: Vec<Said<'a>>,
    /// The keys of alerts whose time is scored.
    pub(super) keys: Keys,
    /// What was made of each name of a kind so far.
    claims: Map<&'a str, Claim>,
    /// The [`mark`] of each id and the position of its alert, in the lower half.
    marks: Vec<u64>,
}

impl<'a> Read<'a> {
    pub(super) fn new(alerts: Alerts<'a>, bounds: Bounds) -> Self {
        let n_alerts = alerts.len();
        let mut read = Self {
            exclusions: Vec::with_capacity(n_alerts),
            candidates: Vec::with_capacity(n_alerts),
            lists: Vec::new(),
            keys: Keys::default(),
            claims: Map::default(),
            marks: Vec::with_capacity(n_alerts),
        };
        let mut numbers = Vec::new();
        for from in (0..n_alerts).step_by(ahead::STEP) {
            let some = from..n_alerts.min(from + ahead::STEP);
            ahead::touch(some.clone().flat_map(|position| words(alerts.at(position))));
            let times = some
                .clone()
                .map(|position| by_time(alerts.at(position), bounds));
            read.exclusions.extend(times);
            let scored = some
                .clone()
                .filter(|position| read.exclusions[*position].is_none());
            let keys: Vec<Key<'_>> = scored
                .map(|position| looked_up(&alerts.at(position).key))
                .collect();
            numbers.clear();
            read.keys.number_all(&keys, &mut numbers);
            let mut numbers = numbers.iter();
            for position in some {
                let is_scored = read.exclusions[position].is_none();
                let key = if is_scored { numbers.next() } else { None };
                read.add(
                    position,
                    alerts.at(position),
                    key.copied().unwrap_or(u32::MAX),
                );
            }
        }
        read.exclude_copies(alerts);
        read
    }

    fn add(&mut self, position: usize, alert: &'a Alert, key: u32) {
        let source = u32::try_from(position).unwrap_or(u32::MAX);
        let mark = mark(&alert.id);
        self.marks.push((u64::from(mark) << 32) | u64::from(source));
        let list = if alert.event_ids.is_empty() {
            events::NONE
        } else {
            let ids = &alert.event_ids;
            self.lists.push(Said { key, ids });
            u32::try_from(self.lists.len() - 1).unwrap_or(events::NONE)
        };
        self.candidates.push(Candidate {
            source,
            key,
            key_type: alert.key.key_type,
            claim: claim(alert, &mut self.claims),
            start: alert.start.0,
            end: alert.end.0,
            score: alert.score.unwrap_or(f64::NAN),
            mark,
            list,
        });
    }

    /// The alerts that are to be matched, in their order.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Candidate> {
        let all = self.candidates.iter().zip(&self.exclusions);
        let kept = all.filter(|(_, exclusion)| exclusion.is_none());
        kept.map(|(candidate, _)| candidate)
    }

    /// Empties the lists of alerts that are not matched.
    fn forget_lists(&mut self) {
        let all = self.candidates.iter().zip(&self.exclusions);
        for (candidate, _) in all.filter(|(_, exclusion)| exclusion.is_some()) {
            if let Some(list) = self.lists.get_mut(candidate.list as usize) {
                list.ids = &[];
            }
        }
    }

    /// Of alerts with one id the one that the broker appended first stays: which that is does not depend on the order of
    /// reading.
    fn exclude_copies(&mut self, alerts: Alerts<'_>) {
        let mut by_mark = std::mem::take(&mut self.marks);
        by_mark.sort_unstable();
        let id = |position: usize| alerts.at(position).id.as_str();
        let of_one_mark = by_mark.chunk_by(|a, b| a >> 32 == b >> 32);
        for group in of_one_mark.filter(|group| group.len() > 1) {
            let positions = group.iter().map(|it| (it & u64::from(u32::MAX)) as usize);
            let mut positions: Vec<usize> = positions.collect();
            positions.sort_by(|a, b| (id(*a), alerts.rank(*a)).cmp(&(id(*b), alerts.rank(*b))));
            for copies in positions.chunk_by(|a, b| id(*a) == id(*b)) {
                for later in &copies[1..] {
                    self.exclusions[*later] = Some(Exclusion::Duplicate);
                }
            }
        }
        self.forget_lists();
    }
}

/// What of an alert lies elsewhere.
fn words(alert: &Alert) -> [&str; 3] {
    let kind = alert.kind.as_deref().unwrap_or_default();
    [&alert.id, &alert.key.id, kind]
}

/// Why an alert is left out for its time.
fn by_time(alert: &Alert, bounds: Bounds) -> Option<Exclusion> {
    if alert.end < bounds.from {
        Some(Exclusion::WarmUp)
    } else if alert.end > bounds.until {
        Some(Exclusion::AfterEnd)
    } else {
        None
    }
}

/// What an alert says about its kind; `known` has what was made of each name so far.
fn claim<'a>(alert: &'a Alert, known: &mut Map<&'a str, Claim>) -> Claim {
    let Some(name) = alert.kind.as_deref() else {
        return Claim::Silent;
    };
    let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
    let new = || Kind::from_name(name).map_or(Claim::Foreign(next), Claim::Known);
    *known.entry(name).or_insert_with(new)
}

/// The same on every machine, whatever else there is. FNV-1a in steps of eight bytes, mixed by `SplitMix64`: ids that
/// differ in their last sign alone are far apart.
fn mark(id: &str) -> u32 {
    let (words, rest) = id.as_bytes().as_chunks::<8>();
    let add = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let sum = words.fold(0xcbf2_9ce4_8422_2325, add);
    let sum = rest.iter().map(|byte| u64::from(*byte)).fold(sum, add);
    (Draws(sum).next() >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_differ_a_little_have_marks_that_differ_much() {
        let ids =
            (0..10_000).flat_map(|n| [format!("alert-{n}"), format!("{n}-of-the-detector-b")]);
        let mut marks: Vec<u32> = ids.map(|id| mark(&id)).collect();
        let low = marks.iter().filter(|mark| **mark < u32::MAX / 4).count();
        assert!((4_800..5_200).contains(&low), "{low}");
        marks.sort_unstable();
        marks.dedup();
        assert!(marks.len() > 19_990, "{}", marks.len());
        assert_eq!(mark("alert-1"), mark("alert-1"));
        assert_ne!(mark("ab"), mark("ba"));
    }
}
