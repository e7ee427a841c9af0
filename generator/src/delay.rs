//! Delays of arrival behind event time: disorder within a bound, and lateness beyond it.

use floodmark_contracts::{
    problem::Problems,
    profile::streams::{RawDelay, RawDistribution},
    units::parse_duration,
};

use crate::draw::Draws;

/// A delay for a share of the events, validated.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DelayPlan {
    share: f64,
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Uniform { min_us: f64, max_us: f64 },
    Exponential { mean_us: f64, max_us: f64 },
}

/// How an event was delayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delayed {
    /// Not at all.
    #[default]
    No,
    /// Within the bound of the disorder.
    Disordered,
    /// By the lateness distribution, on top of its disorder if it has any.
    Late,
}

impl DelayPlan {
    /// Validates a raw section; all problems are noted under `path`.
    pub(crate) fn resolve(raw: &RawDelay, path: &str, problems: &mut Problems) -> Option<Self> {
        if !(raw.share > 0.0 && raw.share <= 1.0) {
            problems.add(
                format!("{path}.share"),
                format!(
                    "`{}` is no share of events; use more than 0 and at most 1",
                    raw.share
                ),
            );
        }
        let mut read = |name: &str, text: &str| {
            let path = format!("{path}.delay.{name}");
            let duration = problems.check(&path, parse_duration(text))?;
            Some((duration.as_secs_f64() * 1e6, path))
        };
        let (shape, max_path) = match &raw.delay {
            RawDistribution::Uniform(uniform) => {
                let (min, max) = (
                    read("uniform.min", &uniform.min),
                    read("uniform.max", &uniform.max),
                );
                let ((min_us, _), (max_us, path)) = (min?, max?);
                if max_us < min_us {
                    let (min, max) = (&uniform.min, &uniform.max);
                    problems.add(&path, format!("`{max}` is below `min`, `{min}`; swap them"));
                }
                (Shape::Uniform { min_us, max_us }, path)
            }
            RawDistribution::Exponential(raw) => {
                let (mean, max) = (
                    read("exponential.mean", &raw.mean),
                    read("exponential.max", &raw.max),
                );
                let ((mean_us, mean_path), (max_us, path)) = (mean?, max?);
                if mean_us <= 0.0 || max_us < mean_us {
                    let text = format!(
                        "`{}` is not between 0 and `max`, `{}`; use a shorter mean above 0",
                        raw.mean, raw.max
                    );
                    problems.add(mean_path, text);
                }
                (Shape::Exponential { mean_us, max_us }, path)
            }
        };
        let plan = Self {
            share: raw.share,
            shape,
        };
        if plan.max_us() <= 0.0 {
            problems.add(
                max_path,
                "a longest delay of zero delays nothing; leave the section out",
            );
        }
        Some(plan)
    }

    /// The delay of one event in microseconds of event time, if it has one.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by the longest duration"
    )]
    pub(crate) fn draw(&self, draws: &mut Draws) -> Option<i64> {
        if !draws.chance(self.share) {
            return None;
        }
        let micros = match self.shape {
            Shape::Uniform { min_us, max_us } => draws.between(min_us, max_us),
            Shape::Exponential { mean_us, max_us } => draws.exponential(mean_us).min(max_us),
        };
        Some(micros as i64)
    }

    /// The longest delay in microseconds of event time.
    pub(crate) fn max_us(&self) -> f64 {
        match self.shape {
            Shape::Uniform { max_us, .. } | Shape::Exponential { max_us, .. } => max_us,
        }
    }
}

/// Both delays of an event.
pub(crate) fn draw_both(
    disorder: Option<&DelayPlan>,
    lateness: Option<&DelayPlan>,
    mut draws: Draws,
) -> (i64, Delayed) {
    let first = disorder.and_then(|plan| plan.draw(&mut draws));
    let second = lateness.and_then(|plan| plan.draw(&mut draws));
    let class = match (first, second) {
        (_, Some(_)) => Delayed::Late,
        (Some(_), None) => Delayed::Disordered,
        (None, None) => Delayed::No,
    };
    (first.unwrap_or(0) + second.unwrap_or(0), class)
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::profile::streams::{RawExponential, RawUniform};

    use super::*;
    use crate::draw::{Key, Purpose};

    fn uniform(min: &str, max: &str) -> RawDistribution {
        RawDistribution::Uniform(RawUniform {
            min: min.into(),
            max: max.into(),
        })
    }

    fn exponential(mean: &str, max: &str) -> RawDistribution {
        RawDistribution::Exponential(RawExponential {
            mean: mean.into(),
            max: max.into(),
        })
    }

    fn resolve(share: f64, delay: RawDistribution) -> Result<DelayPlan, Vec<String>> {
        let mut problems = Problems::new();
        let plan = DelayPlan::resolve(&RawDelay { share, delay }, "disorder", &mut problems);
        let found: Vec<String> = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        plan.filter(|_| found.is_empty()).ok_or(found)
    }

    #[test]
    fn bad_sections_are_refused_with_their_paths() {
        for (share, delay, expected) in [
            (0.0, uniform("0s", "1s"), "disorder.share: `0` is no share"),
            (
                f64::NAN,
                uniform("0s", "1s"),
                "disorder.share: `NaN` is no share",
            ),
            (
                0.5,
                uniform("2s", "1s"),
                "disorder.delay.uniform.max: `1s` is below `min`",
            ),
            (
                0.5,
                uniform("0s", "0s"),
                "disorder.delay.uniform.max: a longest delay of zero",
            ),
            (
                0.5,
                uniform("soon", "1s"),
                "disorder.delay.uniform.min: `soon` is not a duration",
            ),
            (
                0.5,
                exponential("2s", "1s"),
                "disorder.delay.exponential.mean: `2s` is not between",
            ),
            (
                0.5,
                exponential("0s", "1s"),
                "disorder.delay.exponential.mean: `0s` is not between",
            ),
        ] {
            let found = resolve(share, delay).unwrap_err();
            assert!(
                found.iter().any(|text| text.starts_with(expected)),
                "{found:?} {expected}"
            );
        }
    }

    #[test]
    fn delays_keep_their_share_mean_and_bound() {
        let key = Key::root(1).purpose(Purpose::Delay);
        for (delay, mean) in [
            (uniform("1s", "3s"), 2e6),
            (exponential("500ms", "60s"), 5e5),
        ] {
            let plan = resolve(0.25, delay).unwrap();
            let drawn: Vec<i64> = (0..40_000)
                .filter_map(|n| plan.draw(&mut key.draws(n)))
                .collect();
            let share = drawn.len() as f64 / 40_000.0;
            let found = drawn.iter().sum::<i64>() as f64 / drawn.len() as f64;
            assert!((share - 0.25).abs() < 0.01, "{share}");
            assert!((found / mean - 1.0).abs() < 0.03, "{found}");
            assert!(drawn.iter().all(|d| *d as f64 <= plan.max_us()));
        }
    }

    #[test]
    fn lateness_comes_on_top_of_disorder() {
        let disorder = resolve(1.0, uniform("1s", "1s")).unwrap();
        let lateness = resolve(1.0, uniform("10s", "10s")).unwrap();
        let draws = Key::root(1).draws(0);
        let both = draw_both(Some(&disorder), Some(&lateness), draws);
        assert_eq!(both, (11_000_000, Delayed::Late));
        assert_eq!(
            draw_both(Some(&disorder), None, draws),
            (1_000_000, Delayed::Disordered)
        );
        assert_eq!(draw_both(None, None, draws), (0, Delayed::No));
    }
}
