//! Distributions of durations, as profiles name them.

use floodmark_contracts::{
    problem::Problems,
    profile::disorder::{RawDistribution, RawExponential, RawLogNormal, RawPareto, RawUniform},
    units::parse_duration,
};

use crate::{
    draw::Draws,
    math::{exp, ln},
};

/// A distribution of durations in microseconds. All are cut at a longest one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Distribution {
    /// Evenly between two bounds.
    Uniform { min_us: f64, max_us: f64 },
    /// `-mean ln(1 - u)`.
    Exponential { mean_us: f64, max_us: f64 },
    /// `median e^(sigma z)` with `z` standard normal.
    LogNormal {
        median_us: f64,
        sigma: f64,
        max_us: f64,
    },
    /// `min (1 - u)^(-1/alpha)`.
    Pareto {
        min_us: f64,
        alpha: f64,
        max_us: f64,
    },
}

impl Distribution {
    /// Validates a raw distribution; all problems are noted under `path`.
    pub(crate) fn resolve(
        raw: &RawDistribution,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut reader = Reader { path, problems };
        let (found, max_path) = match raw {
            RawDistribution::Uniform(raw) => (reader.uniform(raw)?, "uniform.max"),
            RawDistribution::Exponential(raw) => (reader.exponential(raw)?, "exponential.max"),
            RawDistribution::LogNormal(raw) => (reader.log_normal(raw)?, "log-normal.max"),
            RawDistribution::Pareto(raw) => (reader.pareto(raw)?, "pareto.max"),
        };
        if found.max_us() <= 0.0 {
            let text = "a longest delay of zero delays nothing; leave the section out";
            reader.refuse(max_path, text.to_owned());
        }
        Some(found)
    }

    /// One duration in microseconds.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by the longest duration"
    )]
    pub(crate) fn draw(&self, draws: &mut Draws) -> i64 {
        let micros = match *self {
            Self::Uniform { min_us, max_us } => draws.between(min_us, max_us),
            Self::Exponential { mean_us, max_us } => draws.exponential(mean_us).min(max_us),
            Self::LogNormal {
                median_us,
                sigma,
                max_us,
            } => (median_us * exp(sigma * draws.normal())).min(max_us),
            Self::Pareto {
                min_us,
                alpha,
                max_us,
            } => (min_us * exp(-ln(1.0 - draws.unit()) / alpha)).min(max_us),
        };
        micros as i64
    }

    /// The longest duration in microseconds.
    pub(crate) fn max_us(&self) -> f64 {
        match *self {
            Self::Uniform { max_us, .. }
            | Self::Exponential { max_us, .. }
            | Self::LogNormal { max_us, .. }
            | Self::Pareto { max_us, .. } => max_us,
        }
    }
}

/// Reads the parameters of one distribution.
struct Reader<'a> {
    path: &'a str,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn micros(&mut self, name: &str, text: &str) -> Option<f64> {
        let path = format!("{}.{name}", self.path);
        let duration = self.problems.check(&path, parse_duration(text))?;
        Some(duration.as_secs_f64() * 1e6)
    }

    fn refuse(&mut self, name: &str, text: String) {
        self.problems.add(format!("{}.{name}", self.path), text);
    }

    fn uniform(&mut self, raw: &RawUniform) -> Option<Distribution> {
        let min = self.micros("uniform.min", &raw.min);
        let max = self.micros("uniform.max", &raw.max);
        let (min_us, max_us) = (min?, max?);
        if max_us < min_us {
            let text = format!("`{}` is below `min`, `{}`; swap them", raw.max, raw.min);
            self.refuse("uniform.max", text);
        }
        Some(Distribution::Uniform { min_us, max_us })
    }

    fn exponential(&mut self, raw: &RawExponential) -> Option<Distribution> {
        let mean = self.micros("exponential.mean", &raw.mean);
        let max = self.micros("exponential.max", &raw.max);
        let (mean_us, max_us) = (mean?, max?);
        self.between_0_and_max("exponential.mean", (&raw.mean, mean_us), (&raw.max, max_us));
        Some(Distribution::Exponential { mean_us, max_us })
    }

    fn log_normal(&mut self, raw: &RawLogNormal) -> Option<Distribution> {
        let median = self.micros("log-normal.median", &raw.median);
        let max = self.micros("log-normal.max", &raw.max);
        let sigma = raw.sigma;
        if !(sigma > 0.0 && sigma <= 4.0) {
            let text = format!("`{sigma}` is no shape; use more than 0 and at most 4");
            self.refuse("log-normal.sigma", text);
        }
        let (median_us, max_us) = (median?, max?);
        let (median, max) = ((&*raw.median, median_us), (&*raw.max, max_us));
        self.between_0_and_max("log-normal.median", median, max);
        Some(Distribution::LogNormal {
            median_us,
            sigma,
            max_us,
        })
    }

    fn pareto(&mut self, raw: &RawPareto) -> Option<Distribution> {
        let min = self.micros("pareto.min", &raw.min);
        let max = self.micros("pareto.max", &raw.max);
        let alpha = raw.alpha;
        if !(alpha > 0.0 && alpha <= 20.0) {
            let text = format!("`{alpha}` is no exponent; use more than 0 and at most 20");
            self.refuse("pareto.alpha", text);
        }
        let (min_us, max_us) = (min?, max?);
        self.between_0_and_max("pareto.min", (&raw.min, min_us), (&raw.max, max_us));
        Some(Distribution::Pareto {
            min_us,
            alpha,
            max_us,
        })
    }

    fn between_0_and_max(&mut self, name: &str, value: (&str, f64), max: (&str, f64)) {
        if value.1 <= 0.0 || max.1 < value.1 {
            let text = format!(
                "`{}` is not between 0 and `max`, `{}`; use less, but more than 0",
                value.0, max.0
            );
            self.refuse(name, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Key, Purpose};

    fn resolve(raw: RawDistribution) -> Result<Distribution, Vec<String>> {
        let mut problems = Problems::new();
        let found = Distribution::resolve(&raw, "delay", &mut problems);
        let texts: Vec<String> = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        found.filter(|_| texts.is_empty()).ok_or(texts)
    }

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

    fn log_normal(median: &str, sigma: f64, max: &str) -> RawDistribution {
        RawDistribution::LogNormal(RawLogNormal {
            median: median.into(),
            sigma,
            max: max.into(),
        })
    }

    fn pareto(min: &str, alpha: f64, max: &str) -> RawDistribution {
        RawDistribution::Pareto(RawPareto {
            min: min.into(),
            alpha,
            max: max.into(),
        })
    }

    #[test]
    fn bad_parameters_are_refused_with_their_paths() {
        for (raw, expected) in [
            (
                uniform("2s", "1s"),
                "delay.uniform.max: `1s` is below `min`",
            ),
            (
                uniform("0s", "0s"),
                "delay.uniform.max: a longest delay of zero",
            ),
            (
                uniform("soon", "1s"),
                "delay.uniform.min: `soon` is not a duration",
            ),
            (
                exponential("2s", "1s"),
                "delay.exponential.mean: `2s` is not between",
            ),
            (
                exponential("0s", "1s"),
                "delay.exponential.mean: `0s` is not between",
            ),
            (
                log_normal("1s", 0.0, "9s"),
                "delay.log-normal.sigma: `0` is no shape",
            ),
            (
                log_normal("9s", 1.0, "1s"),
                "delay.log-normal.median: `9s` is not between",
            ),
            (
                pareto("1s", -1.0, "9s"),
                "delay.pareto.alpha: `-1` is no exponent",
            ),
            (
                pareto("0s", 1.0, "9s"),
                "delay.pareto.min: `0s` is not between",
            ),
        ] {
            let found = resolve(raw).unwrap_err();
            assert!(found[0].starts_with(expected), "{found:?} {expected}");
        }
    }

    /// Largest distance between the empirical distribution of `n` draws and `cdf`, which the cut at
    /// the longest duration leaves alone below it.
    fn kolmogorov_smirnov(found: &Distribution, n: u64, cdf: impl Fn(f64) -> f64) -> f64 {
        let key = Key::root(11).purpose(Purpose::Delay);
        let mut drawn: Vec<i64> = (0..n).map(|i| found.draw(&mut key.draws(i))).collect();
        drawn.sort_unstable();
        let below_cut = drawn.iter().filter(|d| (**d as f64) < found.max_us() - 1.0);
        below_cut
            .enumerate()
            .map(|(i, x)| (cdf(*x as f64) - i as f64 / n as f64).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn draws_follow_their_distributions() {
        let phi = |z: f64| {
            // Abramowitz and Stegun 7.1.26, good to 1.5e-7.
            let t = 1.0 / (1.0 + 0.327_591_1 * z.abs() / 2f64.sqrt());
            let poly = ((((1.061_405_429 * t - 1.453_152_027) * t + 1.421_413_741) * t
                - 0.284_496_736)
                * t
                + 0.254_829_592)
                * t;
            let erf = 1.0 - poly * (-z * z / 2.0).exp();
            if z > 0.0 {
                (1.0 + erf) / 2.0
            } else {
                (1.0 - erf) / 2.0
            }
        };
        type Cdf<'a> = Box<dyn Fn(f64) -> f64 + 'a>;
        let cases: [(RawDistribution, Cdf<'_>); 4] = [
            (uniform("1s", "3s"), Box::new(|x| (x - 1e6) / 2e6)),
            (
                exponential("500ms", "2s"),
                Box::new(|x| 1.0 - (-x / 5e5).exp()),
            ),
            (
                log_normal("200ms", 1.2, "5s"),
                Box::new(|x| phi((x / 2e5).ln() / 1.2)),
            ),
            (
                pareto("10ms", 1.5, "60s"),
                Box::new(|x| 1.0 - (x / 1e4).powf(-1.5)),
            ),
        ];
        let n = 50_000;
        for (raw, cdf) in cases {
            let found = resolve(raw).unwrap();
            let distance = kolmogorov_smirnov(&found, n, cdf);
            // The critical value at a level of 0.001.
            assert!(distance < 1.95 / (n as f64).sqrt(), "{found:?}: {distance}");
        }
    }

    #[test]
    fn nothing_is_longer_than_the_longest() {
        let key = Key::root(12).purpose(Purpose::Delay);
        for raw in [pareto("1s", 0.2, "7s"), log_normal("1s", 4.0, "7s")] {
            let found = resolve(raw).unwrap();
            let longest = (0..20_000).map(|i| found.draw(&mut key.draws(i))).max();
            assert_eq!(longest, Some(7_000_000));
        }
    }
}
