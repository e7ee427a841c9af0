//! Which of its incidents an alert that names another kind is held against.

use std::cmp::Reverse;

use super::Table;
use crate::accuracy::Ground;

/// How well an alert fits a label, best first: event ids in common, whether it lies outside, distance from the start.
pub(super) type Rank = (Reverse<u64>, bool, u64);

/// An alert that names a kind of none of its incidents.
pub(super) struct Attributed {
    /// Position in `scope.alerts`.
    pub(super) alert: u32,
    /// Position of the label.
    pub(super) label: u32,
    /// How well it fits.
    pub(super) rank: Rank,
    /// The column of what it says.
    pub(super) column: usize,
}

/// Every alert that names a kind of none of its incidents, with the one that it fits best.
pub(super) fn of(ground: &Ground<'_>, table: &Table) -> Vec<Attributed> {
    let mut attributed = Vec::new();
    for pairs in ground.found.pairs.chunk_by(|a, b| a.0 == b.0) {
        let alert = pairs[0].0;
        let Some(column) = table.wrong_column(ground, alert) else {
            continue;
        };
        let ranked = pairs.iter().map(|&(_, label)| {
            // With one candidate there is nothing to choose.
            let common = if pairs.len() > 1 {
                in_common(ground, alert, label)
            } else {
                0
            };
            let id = &ground.scope.labels[label as usize].id;
            (rank(ground, alert, label, common), id, label)
        });
        if let Some((rank, _, label)) = ranked.min() {
            attributed.push(Attributed {
                alert,
                label,
                rank,
                column,
            });
        }
    }
    attributed
}

fn rank(ground: &Ground<'_>, alert: u32, label: u32, common: u64) -> Rank {
    let at = ground.scope.alerts[alert as usize].end;
    let label = ground.scope.outlines[label as usize];
    let outside = at < label.start || label.end < at;
    (Reverse(common), outside, at.abs_diff(label.start))
}

/// How many of the event ids that an alert lists a label lists as well.
fn in_common(ground: &Ground<'_>, alert: u32, label: u32) -> u64 {
    let events = &ground.scope.events;
    let listed = events.list(ground.scope.alerts[alert as usize].list).ids;
    let is_common = |event: &&u32| events.owners(**event).any(|owner| owner == label);
    listed.iter().filter(is_common).count() as u64
}
