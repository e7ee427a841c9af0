//! How much of an incident had been sent when its first alert came.
//!
//! For a label with events that were to be sent at `s_1 .. s_n` and a first alert that the broker appended at `a`:
//! `events = |{i: s_i <= a}|`, `share = events / n`. A label without an alert is watched until all `n` were sent, so it is
//! censored there.

use floodmark_contracts::{accuracy::EventsSeen, clock::WallTime, label::Label};

use super::{Ground, waiting::delays};
use crate::delays::Observation;

/// `first` has the append time, in microseconds since the epoch, of the first alert of each label that has one; `start` is
/// that of the run. None if no label says when its events were sent.
pub(super) fn score(
    ground: &Ground<'_>,
    first: &[Option<i64>],
    start: WallTime,
) -> Option<EventsSeen> {
    let (mut events, mut shares, mut unstated) = (Vec::new(), Vec::new(), 0);
    for (position, label) in ground.scope.kept_labels() {
        if !says_when(label) {
            unstated += 1;
            continue;
        }
        let n_events = label.event_sent.len() as f64;
        let appended_us = first[position];
        let seen = match appended_us {
            Some(at_us) => {
                let sent = label.event_sent.iter();
                sent.filter(|sent| start.at(**sent).0 <= at_us).count() as f64
            }
            None => n_events,
        };
        let observation = |time| Observation {
            time,
            detected: appended_us.is_some(),
        };
        events.push(observation(seen));
        shares.push(observation(seen / n_events));
    }
    (!events.is_empty()).then(|| EventsSeen {
        events: delays(&events),
        share: delays(&shares),
        unstated,
    })
}

/// Whether a label says of each of its events when it was sent.
fn says_when(label: &Label) -> bool {
    !label.event_ids.is_empty() && label.event_sent.len() == label.event_ids.len()
}
