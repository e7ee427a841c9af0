//! Which of its incidents an alert that names another kind is held against.

use std::cmp::Reverse;

use super::Table;
use crate::{accuracy::Ground, hashing::Map};

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
    let mut ids = Ids::default();
    let mut attributed = Vec::new();
    for pairs in ground.found.pairs.chunk_by(|a, b| a.0 == b.0) {
        let alert = pairs[0].0;
        let Some(column) = table.wrong_column(ground, alert) else {
            continue;
        };
        let ranked = pairs.iter().map(|&(_, label)| {
            // With one candidate there is nothing to choose.
            let common = if pairs.len() > 1 {
                ids.in_common(ground, alert, label)
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
    let label = &ground.scope.labels[label as usize];
    let outside = at < label.start.0 || label.end.0 < at;
    (Reverse(common), outside, at.abs_diff(label.start.0))
}

/// Event ids of labels, sorted when first asked for.
#[derive(Default)]
struct Ids<'a> {
    of_label: Map<u32, Vec<&'a str>>,
}

impl<'a> Ids<'a> {
    fn in_common(&mut self, ground: &Ground<'a>, alert: u32, label: u32) -> u64 {
        let listed = ground.scope.alerts[alert as usize].event_ids;
        if listed.is_empty() {
            return 0;
        }
        let of_label = self.of_label.entry(label).or_insert_with(|| {
            let ids = &ground.scope.labels[label as usize].event_ids;
            let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            ids.sort_unstable();
            ids
        });
        let mut listed: Vec<&str> = listed.iter().map(String::as_str).collect();
        listed.sort_unstable();
        listed.dedup();
        listed
            .iter()
            .filter(|id| of_label.binary_search(id).is_ok())
            .count() as u64
    }
}
