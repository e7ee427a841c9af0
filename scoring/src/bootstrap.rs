//! The entity bootstrap: intervals for figures that are pooled over entities.
//!
//! Rows of one noisy entity go wrong together, so entities are drawn with replacement, not rows; the
//! counts of the drawn ones are summed, and the figure is taken of the sums. The interval is that of the
//! percentiles (Efron and Tibshirani, *An introduction to the bootstrap*, 1993, chapter 13).

use crate::delays::quantile;

/// Fewer resamples leave the ends of an interval to chance.
pub const MIN_RESAMPLES: u32 = 2_000;

/// A pooled figure with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// The figure over all entities.
    pub point: f64,
    /// Percentile interval.
    pub interval: [f64; 2],
    /// Standard deviation over the resamples.
    pub std_error: f64,
}

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resampling {
    /// Number of resamples; at least [`MIN_RESAMPLES`] are drawn.
    pub resamples: u32,
    /// Coverage of the interval, such as 0.95.
    pub confidence: f64,
    /// Seed, to be recorded with the figure.
    pub seed: u64,
}

/// Bootstraps `figure` over entities, each with `N` counts. Resamples in which the figure is undefined
/// are left out. `None` if it is undefined over all, or if fewer than two entities are there to draw.
#[must_use]
pub fn bootstrap<const N: usize>(
    entities: &[[u64; N]],
    rules: Resampling,
    figure: impl Fn([u64; N]) -> Option<f64>,
) -> Option<Bootstrap> {
    let [drawn] = resample(entities, rules, |sums| [figure(sums)]);
    let drawn = drawn?;
    let figures = &drawn.figures;
    let mean = figures.iter().sum::<f64>() / figures.len() as f64;
    let squares: f64 = figures.iter().map(|f| (f - mean).powi(2)).sum();
    Some(Bootstrap {
        point: drawn.point,
        interval: drawn.interval(rules.confidence)?,
        std_error: (squares / (figures.len() as f64 - 1.0).max(1.0)).sqrt(),
    })
}

/// Percentile intervals of several figures of the same entities, drawn once for all of them. `None` for a figure that is
/// undefined over all, and for all of fewer than two entities.
#[must_use]
pub fn bootstrap_each<const N: usize, const F: usize>(
    entities: &[[u64; N]],
    rules: Resampling,
    figures: impl Fn([u64; N]) -> [Option<f64>; F],
) -> [Option<[f64; 2]>; F] {
    let drawn = resample(entities, rules, figures);
    drawn.map(|drawn| drawn?.interval(rules.confidence))
}

/// A figure over all entities and over the resamples in which it is defined, ascending.
struct Drawn {
    point: f64,
    figures: Vec<f64>,
}

impl Drawn {
    fn interval(&self, confidence: f64) -> Option<[f64; 2]> {
        let tail = (1.0 - confidence) / 2.0;
        Some([
            quantile(&self.figures, tail)?,
            quantile(&self.figures, 1.0 - tail)?,
        ])
    }
}

/// Draws as many entities as there are, with replacement, again and again, and takes the figures of each draw's sums.
fn resample<const N: usize, const F: usize>(
    entities: &[[u64; N]],
    rules: Resampling,
    figures: impl Fn([u64; N]) -> [Option<f64>; F],
) -> [Option<Drawn>; F] {
    let add = |mut sums: [u64; N], counts: &[u64; N]| {
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
        sums
    };
    let n = entities.len();
    if n < 2 {
        return std::array::from_fn(|_| None);
    }
    let points = figures(entities.iter().fold([0; N], add));
    let mut all = points.map(|point| {
        let figures = Vec::new();
        point.map(|point| Drawn { point, figures })
    });
    let mut draws = Draws(rules.seed);
    for _ in 0..rules.resamples.max(MIN_RESAMPLES) {
        let sums = (0..n).fold([0; N], |sums, _| add(sums, &entities[draws.below(n)]));
        for (drawn, figure) in all.iter_mut().zip(figures(sums)) {
            if let Some(drawn) = drawn {
                drawn.figures.extend(figure);
            }
        }
    }
    for drawn in all.iter_mut().flatten() {
        drawn.figures.sort_by(f64::total_cmp);
    }
    all
}

/// SplitMix64: small, and the same on every machine.
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform below `n`; the bias of the product is below `n / 2^64`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the high half of the product is below `n`"
    )]
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confusion::share;

    const RULES: Resampling = Resampling {
        resamples: 2_000,
        confidence: 0.95,
        seed: 7,
    };

    fn precision([right, wrong]: [u64; 2]) -> Option<f64> {
        share(right, right + wrong)
    }

    #[test]
    fn one_noisy_entity_widens_the_interval_beyond_that_of_rows() {
        let mut entities = vec![[3, 1]; 60];
        let even = bootstrap(&entities, RULES, precision).unwrap();
        assert_eq!(even.interval, [0.75, 0.75]);
        entities[9] = [2, 80];
        let noisy = bootstrap(&entities, RULES, precision).unwrap();
        let rows = crate::intervals::wilson(179, 319, 0.95).unwrap();
        let width = |[low, high]: [f64; 2]| high - low;
        assert!(
            width(noisy.interval) > 2.0 * width(rows),
            "{noisy:?} {rows:?}"
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_undefined_stays_so() {
        let entities = [[3, 1], [1, 2], [5, 0], [0, 0]];
        let draw = |seed| bootstrap(&entities, Resampling { seed, ..RULES }, precision);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(bootstrap(&[[0, 0], [0, 0]], RULES, precision), None);
        assert_eq!(bootstrap(&[[1, 0]], RULES, precision), None);
    }

    #[test]
    fn figures_that_are_drawn_together_have_the_intervals_that_they_have_alone() {
        let entities = [[3, 1], [1, 2], [5, 0], [0, 0]];
        let alone = bootstrap(&entities, RULES, precision).unwrap();
        let both = bootstrap_each(&entities, RULES, |sums| [precision(sums), None]);
        assert_eq!(both, [Some(alone.interval), None]);
    }
}
