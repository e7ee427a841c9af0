//! Alerts as a run collected them, or by themselves.

use floodmark_contracts::{
    alert::{Alert, CollectedAlert},
    clock::{EventTime, WallTime},
};

/// Alerts that are scored; borrowed, as a copy of a million takes longer than scoring them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Alerts<'a> {
    /// With what the harness saw of them.
    Collected(&'a [CollectedAlert]),
    /// As a detector wrote them.
    Bare(&'a [Alert]),
}

impl<'a> Alerts<'a> {
    /// Their number.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Collected(alerts) => alerts.len(),
            Self::Bare(alerts) => alerts.len(),
        }
    }

    /// The alert at a position.
    pub(crate) fn at(self, position: usize) -> &'a Alert {
        match self {
            Self::Collected(alerts) => &alerts[position].alert,
            Self::Bare(alerts) => &alerts[position],
        }
    }

    /// All of them, in their order.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'a Alert> {
        (0..self.len()).map(move |position| self.at(position))
    }

    /// When the broker appended the one at a position; nobody knows of bare ones.
    pub(crate) fn appended_at(self, position: usize) -> Option<WallTime> {
        match self {
            Self::Collected(alerts) => Some(alerts[position].appended_at),
            Self::Bare(_) => None,
        }
    }

    /// What decides which of two copies came first.
    pub(crate) fn rank(self, position: usize) -> Rank<'a> {
        let alert = self.at(position);
        let place = match self {
            Self::Collected(alerts) => {
                let seen = &alerts[position];
                (seen.appended_at, seen.partition, seen.offset)
            }
            Self::Bare(_) => (WallTime(0), 0, 0),
        };
        let topic = match self {
            Self::Collected(alerts) => alerts[position].topic.as_str(),
            Self::Bare(_) => "",
        };
        (place, alert.end, alert.start, topic)
    }
}

/// Append time, partition and offset, then end and start, then the topic.
pub(crate) type Rank<'a> = ((WallTime, i32, i64), EventTime, EventTime, &'a str);
