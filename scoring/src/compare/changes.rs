//! Change points in a metric's history: E-divisive with means.
//!
//! For a split of a stretch into `x` (n values) and `y` (m values), with means over all pairs,
//! ```text
//! E = 2 mean |x_i - y_j| - mean |x_i - x_k| - mean |y_j - y_l|      Q = n m / (n + m) E
//! ```
//! The split with the largest Q is a change if so large a Q is rare when the stretch's values are put in
//! random orders; then both parts are looked at by themselves. Matteson and James, *A nonparametric
//! approach for multiple change point analysis of multivariate data*, JASA 109, 2014, with the exponent 1
//! of their measure. They test the best split of all stretches, we test each stretch's own.
//!
//! For looking at, not for gates: whoever looks at a history after every commit tests again and again.

use floodmark_contracts::{
    history::{ChangePoint, History, HistoryPoint, MetricHistory, SCHEMA_VERSION},
    result::Direction,
};

use super::{
    figures::{Figures, meanings, value},
    medians::median,
};
use crate::bootstrap::Draws;

/// The shortest stretch between two changes.
pub const SHORTEST: usize = 5;

/// Random orders that a split is held against.
pub const ORDERS: u32 = 499;

/// A change under this p is one.
pub const ALPHA: f64 = 0.01;

/// The histories of every metric over `points`, oldest first, with where they changed.
#[must_use]
pub fn history(points: &[(HistoryPoint, Figures)], seed: u64) -> History {
    let metrics = meanings(points.iter().map(|(_, figures)| figures), |_| false);
    let of_metric = |meaning: &super::figures::Meaning| {
        let values: Vec<Option<f64>> = points
            .iter()
            .map(|(_, figures)| value(figures, &meaning.name))
            .collect();
        MetricHistory {
            name: meaning.name.clone(),
            unit: meaning.unit.clone(),
            direction: meaning.direction,
            changes: changes(&values, seed),
            values,
        }
    };
    let few = points.len() < 2 * SHORTEST;
    let least = 2 * SHORTEST;
    let warning = format!(
        "{} results are too few for a change; it takes {least}",
        points.len()
    );
    History {
        schema_version: SCHEMA_VERSION,
        floodmark_version: env!("CARGO_PKG_VERSION").to_owned(),
        points: points.iter().map(|(point, _)| point.clone()).collect(),
        metrics: metrics.iter().map(of_metric).collect(),
        warnings: few.then_some(warning).into_iter().collect(),
    }
}

/// Where the values change, oldest first; undefined ones are passed over. The logarithms of positive values
/// are looked at, so that a change by a tenth weighs the same at any level.
#[must_use]
pub fn changes(values: &[Option<f64>], seed: u64) -> Vec<ChangePoint> {
    let places = (0u32..).zip(values);
    let (places, known): (Vec<u32>, Vec<f64>) = places
        .filter_map(|(at, value)| Some((at, (*value)?)))
        .unzip();
    let on_scale: Vec<f64> = if known.iter().all(|v| *v > 0.0) {
        known.iter().map(|v| v.ln()).collect()
    } else {
        known.clone()
    };
    let mut found = Vec::new();
    divide(&on_scale, 0, seed, &mut found);
    found.sort_by_key(|(at, _)| *at);
    let ends: Vec<usize> = found
        .iter()
        .map(|(at, _)| *at)
        .chain([known.len()])
        .collect();
    let mut from = 0;
    let mut changes = Vec::new();
    for (i, (at, p)) in found.iter().enumerate() {
        let sides = (median(&known[from..*at]), median(&known[*at..ends[i + 1]]));
        if let (Some(before), Some(after)) = sides {
            let (at, p) = (places[*at], *p);
            changes.push(ChangePoint {
                at,
                p,
                before,
                after,
            });
        }
        from = *at;
    }
    changes
}

/// Looks for a change in a stretch that begins at `offset`, then in both parts.
fn divide(stretch: &[f64], offset: usize, seed: u64, found: &mut Vec<(usize, f64)>) {
    let Some((at, q)) = best_split(stretch) else {
        return;
    };
    let p = permutation_p(
        stretch,
        q,
        seed ^ ((offset as u64) << 32 | stretch.len() as u64),
    );
    if p > ALPHA {
        return;
    }
    found.push((offset + at, p));
    divide(&stretch[..at], offset, seed, found);
    divide(&stretch[at..], offset + at, seed, found);
}

/// The split with the largest Q. `None` if the stretch is too short for two, or has no largest above 0.
fn best_split(values: &[f64]) -> Option<(usize, f64)> {
    let n = values.len();
    if n < 2 * SHORTEST {
        return None;
    }
    let apart = |from: &[f64], x: f64| from.iter().map(|v| (v - x).abs()).sum::<f64>();
    // Sums over pairs: within the left part, within the right one, across. A value that goes from right to
    // left takes its distances with it.
    let (mut left, mut across) = (0.0, 0.0);
    let mut right: f64 = (0..n).map(|i| apart(&values[i + 1..], values[i])).sum();
    let mut best: Option<(usize, f64)> = None;
    for at in 1..=n - SHORTEST {
        let moved = values[at - 1];
        let (to_left, to_right) = (apart(&values[..at - 1], moved), apart(&values[at..], moved));
        left += to_left;
        right -= to_right;
        across += to_right - to_left;
        if at < SHORTEST {
            continue;
        }
        let q = statistic((left, at), (right, n - at), across);
        if q > best.map_or(0.0, |(_, q)| q) {
            best = Some((at, q));
        }
    }
    best
}

fn statistic((left, n): (f64, usize), (right, m): (f64, usize), across: f64) -> f64 {
    let (n, m) = (n as f64, m as f64);
    let pairs = |k: f64| k * (k - 1.0) / 2.0;
    let energy = 2.0 * across / (n * m) - left / pairs(n) - right / pairs(m);
    n * m / (n + m) * energy
}

/// Share of random orders, the order found among them, with a Q as large.
fn permutation_p(values: &[f64], q: f64, seed: u64) -> f64 {
    let mut draws = Draws(seed);
    let mut shuffled = values.to_vec();
    let mut n_as_large = 1u32;
    for _ in 0..ORDERS {
        for i in (1..shuffled.len()).rev() {
            shuffled.swap(i, draws.below(i + 1));
        }
        let largest = best_split(&shuffled).map_or(0.0, |(_, q)| q);
        n_as_large += u32::from(largest >= q);
    }
    f64::from(n_as_large) / f64::from(ORDERS + 1)
}

/// Whether a change is for the worse.
#[must_use]
pub fn is_worse(change: &ChangePoint, direction: Direction) -> bool {
    match direction {
        Direction::Higher => change.after < change.before,
        Direction::Lower => change.after > change.before,
        Direction::Neutral => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Even noise of 2 % around levels, so many values of each.
    fn levels(levels: &[(f64, usize)], seed: u64) -> Vec<Option<f64>> {
        let mut draws = Draws(seed);
        let of = |(level, n): &(f64, usize)| vec![*level; *n];
        let noisy = |level: f64| level * (0.98 + 0.04 * (draws.next() as f64 / 2f64.powi(64)));
        levels.iter().flat_map(of).map(noisy).map(Some).collect()
    }

    #[test]
    fn steps_are_found_where_they_are() {
        let values = levels(&[(100.0, 12), (110.0, 15), (95.0, 10)], 4);
        let found = changes(&values, 1);
        let at: Vec<u32> = found.iter().map(|change| change.at).collect();
        assert_eq!(at, [12, 27]);
        assert!((found[0].after / found[0].before - 1.1).abs() < 0.02);
        assert!(is_worse(&found[0], Direction::Lower));
        assert!(!is_worse(&found[0], Direction::Higher));
        assert!(!is_worse(&found[1], Direction::Lower));
    }

    #[test]
    fn noise_alone_changes_in_few_of_many_histories() {
        let of = |seed| changes(&levels(&[(100.0, 30)], seed), 1).len();
        let n_false: usize = (0..60).map(of).sum();
        assert!(n_false <= 3, "{n_false} changes in 60 histories");
    }

    #[test]
    fn undefined_results_are_passed_over_and_positions_stay() {
        let mut values = levels(&[(100.0, 10), (130.0, 10)], 4);
        values.insert(3, None);
        assert_eq!(changes(&values, 1)[0].at, 11);
        assert!(changes(&[None; 30], 1).is_empty());
        assert!(changes(&levels(&[(1.0, 4), (2.0, 5)], 1), 1).is_empty());
        assert!(changes(&[Some(7.0); 30], 1).is_empty());
    }

    #[test]
    fn moving_a_value_at_a_time_gives_the_statistic_of_all_pairs() {
        let values: Vec<f64> = levels(&[(1.0, 6), (1.3, 7)], 9)
            .into_iter()
            .flatten()
            .collect();
        let (at, q) = best_split(&values).unwrap();
        let sum = |a: &[f64], b: &[f64]| -> f64 {
            a.iter()
                .flat_map(|a| b.iter().map(move |b| (a - b).abs()))
                .sum()
        };
        let (x, y) = values.split_at(at);
        let whole = statistic(
            (sum(x, x) / 2.0, x.len()),
            (sum(y, y) / 2.0, y.len()),
            sum(x, y),
        );
        assert_eq!(at, 6);
        assert!((q - whole).abs() < 1e-12);
    }
}
