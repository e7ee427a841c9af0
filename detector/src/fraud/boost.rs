//! Training: gradient boosting of oblivious trees on the logistic loss.
//!
//! ```text
//! p_i = 1 / (1 + exp(-f(x_i)))            g_i = y_i - p_i            h_i = p_i (1 - p_i)
//! a leaf's value = rate * G / (H + lambda)        G, H: sums of g and h over the rows in the leaf
//! a level's question maximises  sum over leaves of  G^2 / (H + lambda)
//! ```
//! Features are cut into bins at quantiles first, so that a question is a bin's border. Every sum is taken
//! in the order of the rows, with `libm` for what the processor does not do by itself: the same rows give
//! the same model on every machine.

use super::{
    model::{Model, Tree},
    vector::{Feature, Vector},
};

/// How a model is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Training {
    /// Trees.
    pub trees: usize,
    /// Levels of each.
    pub levels: usize,
    /// Share of a leaf's best value that is taken.
    pub rate: f64,
    /// What holds the values of leaves with few rows back.
    pub lambda: f64,
    /// Borders of each feature at most.
    pub borders: usize,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            trees: 80,
            levels: 4,
            rate: 0.15,
            lambda: 8.0,
            borders: 31,
        }
    }
}

/// A row to learn from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// What describes the session.
    pub vector: Vector,
    /// Whether somebody else than the customer was at work by then.
    pub is_fraud: bool,
}

/// Trains a model; without rows of both sorts, one that says what the only sort says.
#[must_use]
pub fn train(rows: &[Row], how: &Training) -> Model {
    let frauds = rows.iter().filter(|row| row.is_fraud).count() as f64;
    let share = (frauds + 0.5) / (rows.len() as f64 + 1.0);
    let base = rounded(libm::log(share / (1.0 - share)));
    let borders = Feature::ALL.map(|feature| borders(rows, feature, how.borders));
    let bins = binned(rows, &borders);
    let mut odds = vec![f64::from(base); rows.len()];
    let mut trees = Vec::new();
    for _ in 0..how.trees {
        let slopes: Vec<(f64, f64)> = rows
            .iter()
            .zip(&odds)
            .map(|(row, odds)| slope(row.is_fraud, *odds))
            .collect();
        let grown = grow(&slopes, &bins, &borders, how);
        if grown.levels.is_empty() {
            break;
        }
        for (row, odds) in odds.iter_mut().enumerate() {
            *odds += f64::from(grown.leaves[grown.places[row]]);
        }
        trees.push(Tree {
            levels: grown.levels,
            leaves: grown.leaves,
        });
    }
    Model {
        base: f64::from(base),
        trees,
    }
}

/// Number of features; a bin is a byte.
const N: usize = Feature::ALL.len();

struct Grown {
    levels: Vec<(Feature, f32)>,
    leaves: Vec<f32>,
    /// Leaf of each row.
    places: Vec<usize>,
}

/// Gradient and curvature of the loss.
fn slope(is_fraud: bool, odds: f64) -> (f64, f64) {
    let p = 1.0 / (1.0 + libm::exp(-odds));
    (f64::from(u8::from(is_fraud)) - p, p * (1.0 - p))
}

fn grow(slopes: &[(f64, f64)], bins: &[[u8; N]], borders: &[Vec<f32>; N], how: &Training) -> Grown {
    let mut places = vec![0usize; slopes.len()];
    let mut levels: Vec<(Feature, f32)> = Vec::new();
    for level in 0..how.levels {
        let Some((feature, bin)) = best_question(slopes, bins, borders, &places, level, how.lambda)
        else {
            break;
        };
        for (place, bins) in places.iter_mut().zip(bins) {
            *place |= usize::from(usize::from(bins[feature]) > bin) << level;
        }
        levels.push((Feature::ALL[feature], borders[feature][bin]));
    }
    let mut sums = vec![(0.0, 0.0); 1 << levels.len()];
    for (place, (g, h)) in places.iter().zip(slopes) {
        sums[*place].0 += g;
        sums[*place].1 += h;
    }
    let leaf = |(g, h): &(f64, f64)| rounded(how.rate * g / (h + how.lambda));
    Grown {
        levels,
        leaves: sums.iter().map(leaf).collect(),
        places,
    }
}

/// Feature and border whose answers part the rows best; none if no border parts them at all.
fn best_question(
    slopes: &[(f64, f64)],
    bins: &[[u8; N]],
    borders: &[Vec<f32>; N],
    places: &[usize],
    level: usize,
    lambda: f64,
) -> Option<(usize, usize)> {
    let widest = borders.iter().map(Vec::len).max().unwrap_or(0) + 1;
    // Sums by leaf, feature and bin, in one pass over the rows.
    let mut sums = vec![(0.0f64, 0.0f64); (1 << level) * N * widest];
    for ((place, bins), (g, h)) in places.iter().zip(bins).zip(slopes) {
        let of_leaf = &mut sums[place * N * widest..][..N * widest];
        for (feature, bin) in bins.iter().enumerate() {
            let sum = &mut of_leaf[feature * widest + usize::from(*bin)];
            sum.0 += g;
            sum.1 += h;
        }
    }
    let worth = |(g, h): (f64, f64)| g * g / (h + lambda);
    let mut best: Option<(f64, usize, usize)> = None;
    for feature in 0..N {
        let mut gains = vec![0.0; borders[feature].len()];
        for leaf in 0..1 << level {
            let sums = &sums[(leaf * N + feature) * widest..][..widest];
            let all = sums.iter().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
            let mut below = (0.0, 0.0);
            for (gain, sum) in gains.iter_mut().zip(sums) {
                below = (below.0 + sum.0, below.1 + sum.1);
                *gain += worth(below) + worth((all.0 - below.0, all.1 - below.1)) - worth(all);
            }
        }
        for (bin, gain) in gains.into_iter().enumerate() {
            if gain > best.map_or(1e-6, |best| best.0) {
                best = Some((gain, feature, bin));
            }
        }
    }
    best.map(|(_, feature, bin)| (feature, bin))
}

/// Borders between the values of a feature: all of them if they are few, or quantiles.
fn borders(rows: &[Row], feature: Feature, most: usize) -> Vec<f32> {
    let mut values: Vec<f32> = rows.iter().map(|row| row.vector.get(feature)).collect();
    values.sort_by(f32::total_cmp);
    let mut different = values.clone();
    different.dedup();
    let middle = |pair: &[f32]| rounded((f64::from(pair[0]) + f64::from(pair[1])) / 2.0);
    let mut borders: Vec<f32> = if different.len() <= most + 1 {
        different.windows(2).map(middle).collect()
    } else {
        (1..=most)
            .map(|n| values[n * values.len() / (most + 1)])
            .collect()
    };
    borders.dedup();
    borders
}

fn binned(rows: &[Row], borders: &[Vec<f32>; N]) -> Vec<[u8; N]> {
    let bin = |row: &Row, feature: Feature| {
        let value = row.vector.get(feature);
        let above = borders[feature as usize].partition_point(|border| value > *border);
        u8::try_from(above).unwrap_or(u8::MAX)
    };
    rows.iter()
        .map(|row| Feature::ALL.map(|feature| bin(row, feature)))
        .collect()
}

/// Four decimals: what is written is what is trained with.
#[expect(clippy::cast_possible_truncation, reason = "few digits suffice")]
fn rounded(value: f64) -> f32 {
    ((value * 10_000.0).round() / 10_000.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows over a grid of devices, payee changes and a number that says nothing.
    fn rows(is_fraud: impl Fn(u32, u32) -> bool) -> Vec<Row> {
        let mut rows = Vec::new();
        for noise in 0..50 {
            for device in 0..2 {
                for changes in 0..3 {
                    let mut vector = Vector::default();
                    vector.set(Feature::NewDevice, device);
                    vector.set(Feature::PayeeChanges, changes);
                    vector.set(Feature::TravelSpeed, noise * 7 % 50);
                    let is_fraud = is_fraud(device, changes);
                    rows.push(Row { vector, is_fraud });
                }
            }
        }
        rows
    }

    fn check(is_fraud: impl Fn(u32, u32) -> bool) {
        let rows = rows(is_fraud);
        let model = train(&rows, &Training::default());
        for row in &rows {
            let odds = model.log_odds(&row.vector);
            assert_eq!(odds > 0.0, row.is_fraud, "{row:?} {odds}");
        }
    }

    #[test]
    fn what_one_feature_or_two_together_tell_is_learnt() {
        check(|device, _| device == 1);
        check(|device, changes| device == 1 && changes > 0);
        check(|device, changes| (device == 1) != (changes == 2));
    }

    #[test]
    fn rows_of_one_sort_give_a_model_without_questions() {
        let model = train(&rows(|_, _| false), &Training::default());
        assert_eq!(model.trees.len(), 0);
        assert!(model.base < -5.0);
        assert!(train(&[], &Training::default()).trees.is_empty());
    }

    #[test]
    fn the_same_rows_give_the_same_text() {
        let text = || {
            let rows = rows(|device, changes| device == 1 && changes == 1);
            train(&rows, &Training::default()).to_text().unwrap()
        };
        assert_eq!(text(), text());
        assert_eq!(Model::parse(&text()).unwrap().to_text().unwrap(), text());
    }

    #[test]
    fn many_values_are_cut_at_quantiles() {
        let rows: Vec<Row> = (0..1000u32)
            .map(|n| {
                let mut vector = Vector::default();
                vector.set(Feature::TravelKm, n);
                Row {
                    vector,
                    is_fraud: n > 700,
                }
            })
            .collect();
        let found = borders(&rows, Feature::TravelKm, 3);
        assert_eq!(found, [250.0, 500.0, 750.0]);
        assert_eq!(borders(&rows, Feature::Inputs, 3), [0.0f32; 0]);
    }
}
