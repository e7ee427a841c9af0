//! What alerts say in words, read once: ids, keys and kinds lie far apart in memory, and waiting for them is most of the
//! time that scoring takes.

use floodmark_contracts::{alert::Alert, kind::Kind};

use super::{Bounds, Claim, Exclusion};
use crate::{ahead, alerts::Alerts, bootstrap::Draws, hashing::Map, keys::Keys};

/// The words of all alerts as numbers.
pub(super) struct Read {
    /// By position of the alert: why it is not matched.
    pub(super) exclusions: Vec<Option<Exclusion>>,
    /// By position of the alert.
    pub(super) said: Vec<Said>,
    /// The keys of alerts whose time is scored.
    pub(super) keys: Keys,
}

/// The words of an alert as numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    /// The number of its key, if its time is scored.
    pub(super) key: u32,
    /// What it says about its kind.
    pub(super) claim: Claim,
    /// The [`mark`] of its id.
    pub(super) mark: u32,
}

impl Read {
    pub(super) fn new(alerts: Alerts<'_>, bounds: Bounds) -> Self {
        let mut read = Self {
            exclusions: Vec::with_capacity(alerts.len()),
            said: Vec::with_capacity(alerts.len()),
            keys: Keys::default(),
        };
        let mut claims = Map::default();
        for (position, alert) in alerts.iter().enumerate() {
            if position.is_multiple_of(ahead::STEP) {
                let next = position..alerts.len().min(position + ahead::STEP);
                ahead::touch(next.flat_map(|position| words(alerts.at(position))));
            }
            let exclusion = by_time(alert, bounds);
            read.exclusions.push(exclusion);
            read.said.push(Said {
                key: match exclusion {
                    None => read.keys.number_of(&alert.key),
                    Some(_) => u32::MAX,
                },
                claim: claim(alert, &mut claims),
                mark: mark(&alert.id),
            });
        }
        read.exclude_copies(alerts);
        read
    }

    /// Of alerts with one id the one that the broker appended first stays: which that is does not depend on the order of
    /// reading.
    fn exclude_copies(&mut self, alerts: Alerts<'_>) {
        let marks = (0u32..).zip(&self.said);
        let marks =
            marks.map(|(position, said)| (u64::from(said.mark) << 32) | u64::from(position));
        let mut by_mark: Vec<u64> = marks.collect();
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
