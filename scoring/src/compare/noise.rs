//! The noise floor: how much a machine differs from itself.

use floodmark_contracts::{
    clock::WallTime,
    compare::{MetricNoise, NOISE_FLOOR_SCHEMA_VERSION, NoiseFloor},
    record::Environment,
};

use super::{
    figures::{RoundFigures, meanings, value},
    medians::Medians,
    plan::Plan,
};
use crate::special::normal_quantile;

/// Fewer rounds say little about a spread.
const FEW_ROUNDS: usize = 10;

/// The share of comparisons in which [`MetricNoise::detectable`] is to be found.
const POWER: f64 = 0.9;

/// Standard error of a median in units of that of a mean, of many normal values: `sqrt(pi / 2)`.
const MEDIAN_TO_MEAN: f64 = 1.253_314_137_315_500_3;

/// Where and when a noise floor was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Wall time.
    pub at: WallTime,
    /// The machine.
    pub environment: Environment,
    /// Name of the profile.
    pub profile: String,
    /// Checksum of its values.
    pub settings: String,
    /// The broker.
    pub broker: String,
    /// The subject that was held against itself.
    pub subject: String,
}

/// The noise floor from rounds in which both sides were the same, for comparisons as planned.
#[must_use]
pub fn noise_floor(rounds: &[RoundFigures], measured: Measured, plan: &Plan) -> NoiseFloor {
    let counting: Vec<&RoundFigures> = rounds.iter().filter(|r| r.void.is_none()).collect();
    let mut medians = Medians::new(plan.resamples, plan.seed);
    let both = counting.iter().flat_map(|r| [&r.base, &r.cand]);
    let metrics = meanings(both, |name| plan.gated.contains(name));
    let ratio = |round: &&RoundFigures, name: &str| {
        // The one that ran second over the one that ran first, whatever they were called.
        let (base, cand) = (value(&round.base, name)?, value(&round.cand, name)?);
        let (first, second) = if round.base_first {
            (base, cand)
        } else {
            (cand, base)
        };
        (first > 0.0 && second > 0.0).then(|| (second / first).ln())
    };
    let few = counting.len() < FEW_ROUNDS;
    NoiseFloor {
        schema_version: NOISE_FLOOR_SCHEMA_VERSION,
        floodmark_version: env!("CARGO_PKG_VERSION").to_owned(),
        measured_at: measured.at,
        environment: measured.environment,
        profile: measured.profile,
        settings: measured.settings,
        broker: measured.broker,
        subject: measured.subject,
        rounds: u32::try_from(counting.len()).unwrap_or(u32::MAX),
        for_rounds: plan.rounds,
        metrics: metrics
            .into_iter()
            .map(|meaning| {
                let ratios = counting.iter().map(|round| ratio(round, &meaning.name));
                of_metric(meaning.name.clone(), ratios.collect(), plan, &mut medians)
            })
            .collect(),
        warnings: few
            .then(|| {
                format!(
                    "{} rounds say little about noise; make {FEW_ROUNDS} or more",
                    counting.len()
                )
            })
            .into_iter()
            .collect(),
    }
}

fn of_metric(
    name: String,
    ln_ratios: Vec<Option<f64>>,
    plan: &Plan,
    medians: &mut Medians,
) -> MetricNoise {
    let sd = about_zero(&ln_ratios);
    let floor = floor_of(&ln_ratios, plan.rounds, medians);
    let margin = plan
        .min_effect_of(&name)
        .ln_1p()
        .max(2.0 * floor.unwrap_or(0.0));
    MetricNoise {
        name,
        ln_ratios,
        sd,
        floor: floor.map(f64::exp_m1),
        detectable: sd.map(|sd| {
            let gated = plan.gated.len();
            detectable(sd, plan.rounds, gated, plan.alpha_per_look(), margin).exp_m1()
        }),
    }
}

/// Root mean square of the ratios: the middle of runs of the same is known to be 0. `None` of fewer than
/// two.
fn about_zero(ln_ratios: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = ln_ratios.iter().flatten().copied().collect();
    let squares: f64 = known.iter().map(|d| d * d).sum();
    (known.len() > 1).then(|| (squares / known.len() as f64).sqrt())
}

/// Standard error of the median of `rounds` rounds: root mean square, about 0, of the medians of so many
/// drawn from the ratios and their negatives; from both, since which of two equal sides is the first was
/// left to chance. `None` of fewer than two.
pub(crate) fn floor_of(
    ln_ratios: &[Option<f64>],
    rounds: u32,
    medians: &mut Medians,
) -> Option<f64> {
    let known: Vec<f64> = ln_ratios.iter().flatten().copied().collect();
    if known.len() < 2 {
        return None;
    }
    let both: Vec<f64> = known.iter().flat_map(|d| [*d, -d]).collect();
    medians.root_mean_square(&both, rounds as usize)
}

/// The smallest change, as a logarithm, that one look at `rounds` rounds finds in nine of ten: the larger of
/// what the test needs and what the margin needs,
/// ```text
/// (z(1 - alpha / (2 m)) + z(0.9)) sd / sqrt(n)      and      margin + z(0.9) sqrt(pi / 2) sd / sqrt(n)
/// ```
/// for m gated metrics of which one changed. Normal approximations; ten rounds need about a tenth more.
#[must_use]
pub fn detectable(sd: f64, rounds: u32, gated: usize, alpha: f64, margin: f64) -> f64 {
    let error = sd / f64::from(rounds.max(1)).sqrt();
    let power = normal_quantile(POWER);
    let tail = alpha / (2.0 * gated.max(1) as f64);
    let by_test = (power - normal_quantile(tail)) * error;
    by_test.max(margin + power * MEDIAN_TO_MEAN * error)
}

/// Why a noise floor says nothing about a comparison as it is going to be made, if so.
#[must_use]
pub fn unfit(floor: &NoiseFloor, wanted: &Measured) -> Option<String> {
    let differing = super::stored::differing(&floor.environment, &wanted.environment);
    let how = if !differing.is_empty() {
        format!("on another machine ({})", differing.join(", "))
    } else if floor.profile != wanted.profile {
        format!("with the profile `{}`", floor.profile)
    } else if floor.settings != wanted.settings {
        format!("with other settings of the profile `{}`", floor.profile)
    } else if floor.broker != wanted.broker {
        format!("on the broker `{}`", floor.broker)
    } else if floor.subject != wanted.subject {
        format!("with the subject `{}`", floor.subject)
    } else {
        return None;
    };
    Some(format!(
        "the noise floor was measured {how} and is not used; measure it as this is run"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_standard_error_of_a_median_and_falls_with_rounds() {
        let ratios: Vec<Option<f64>> = (1..40)
            .map(|i| Some(0.03 * normal_quantile(f64::from(i) / 40.0)))
            .collect();
        let mut medians = Medians::new(10_000, 1);
        let ten = floor_of(&ratios, 10, &mut medians).unwrap();
        let forty = floor_of(&ratios, 40, &mut medians).unwrap();
        // Of ten normal values the median errs by 0.373 standard deviations.
        assert!((0.009..0.0125).contains(&ten), "{ten}");
        assert!((0.45..0.6).contains(&(forty / ten)), "{forty} {ten}");
        assert_eq!(floor_of(&[Some(0.1), None], 10, &mut medians), None);
    }

    #[test]
    fn noise_twice_as_large_hides_twice_as_much() {
        let of = |sd| detectable(sd, 10, 6, 0.025, 0.0);
        assert!((of(0.02) / of(0.01) - 2.0).abs() < 1e-12);
        assert!(detectable(0.02, 20, 6, 0.025, 0.0) < of(0.02));
        assert!(detectable(0.001, 10, 6, 0.025, 0.02) > 0.02);
    }

    #[test]
    fn a_floor_is_used_only_for_what_it_was_measured_with() {
        let measured = Measured {
            at: WallTime(0),
            environment: Environment::default(),
            profile: "smoke".to_owned(),
            settings: "1".to_owned(),
            broker: "embedded".to_owned(),
            subject: "bundled".to_owned(),
        };
        let floor = noise_floor(&[], measured.clone(), &Plan::default());
        assert_eq!(unfit(&floor, &measured), None);
        let check = |change: &dyn Fn(&mut Measured), expected: &str| {
            let mut wanted = measured.clone();
            change(&mut wanted);
            let found = unfit(&floor, &wanted).unwrap();
            assert!(found.contains(expected), "{found}");
        };
        check(&|w| w.environment.cpus = 64, "another machine (processors)");
        check(&|w| w.profile = "sensors".to_owned(), "profile `smoke` and");
        check(&|w| w.settings = "2".to_owned(), "other settings");
        check(&|w| w.broker = "external".to_owned(), "broker `embedded`");
        check(&|w| w.subject = "mine".to_owned(), "subject `bundled`");
    }
}
