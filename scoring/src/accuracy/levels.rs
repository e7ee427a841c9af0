//! One to one, windows and events.

use std::collections::HashSet;

use floodmark_contracts::accuracy::{Counted, Windows};

use super::{Ground, counted};
use crate::one_to_one::maximum_matching;

/// Length of a window, milliseconds of event time.
const WINDOW_MS: i64 = 60_000;

/// `m` pairs of a maximum matching: `precision = m / alerts`, `recall = m / labels`.
pub(super) fn one_to_one(ground: &Ground<'_>) -> Counted {
    let mut numbers = vec![usize::MAX; ground.scope.labels.len()];
    let mut n_labels = 0;
    for (position, _) in ground.scope.kept_labels() {
        numbers[position] = n_labels;
        n_labels += 1;
    }
    // Pairs come by alert, so that those of one stand together.
    let pairs = ground.found.pairs.chunk_by(|a, b| a.0 == b.0);
    let candidates: Vec<Vec<usize>> = pairs
        .map(|pairs| {
            let labels = pairs.iter().map(|(_, label)| numbers[*label as usize]);
            labels.collect()
        })
        .collect();
    let matched = maximum_matching(&candidates, n_labels);
    let said = ground.counted().count() as u64;
    counted(n_labels as u64, said, matched as u64)
}

/// Cells of (key, window), sorted, each once.
fn cells(mut cells: Vec<(u32, i64)>) -> Vec<(u32, i64)> {
    cells.sort_unstable();
    cells.dedup();
    cells
}

pub(super) fn windows(ground: &Ground<'_>) -> Windows {
    let mut truth = Vec::new();
    for (position, label) in ground.scope.kept_labels() {
        let key = ground.key_of(u32::try_from(position).unwrap_or(u32::MAX));
        let windows = label.start.0.div_euclid(WINDOW_MS)..=label.end.0.div_euclid(WINDOW_MS);
        truth.extend(windows.map(|window| (key, window)));
    }
    let mut said = Vec::new();
    let window_of = |alert: u32| {
        let alert = &ground.scope.alerts[alert as usize];
        (alert.key, alert.end.div_euclid(WINDOW_MS))
    };
    for &(alert, label) in &ground.found.pairs {
        said.push((ground.key_of(label), window_of(alert).1));
    }
    said.extend(ground.false_alerts().into_iter().map(window_of));
    let (truth, said) = (cells(truth), cells(said));
    let both = said.iter().filter(|cell| truth.binary_search(cell).is_ok());
    Windows {
        size_ms: WINDOW_MS,
        counted: counted(truth.len() as u64, said.len() as u64, both.count() as u64),
    }
}

/// Affected events against those that alerts list.
pub(super) fn events(ground: &Ground<'_>) -> Option<Counted> {
    let ids = |position: u32| ground.scope.alerts[position as usize].event_ids;
    let listed = ground.counted().flat_map(|(position, _)| ids(position));
    let listed: HashSet<&str> = listed.map(String::as_str).collect();
    if listed.is_empty() {
        return None;
    }
    let affected = ground.scope.kept_labels();
    let affected = affected.flat_map(|(_, label)| &label.event_ids);
    let affected: HashSet<&str> = affected.map(String::as_str).collect();
    let both = listed.intersection(&affected).count();
    Some(counted(
        affected.len() as u64,
        listed.len() as u64,
        both as u64,
    ))
}
