//! Laws that hold for every comparison.

use floodmark_contracts::compare::{Comparison, Look, Verdict};
use proptest::prelude::*;

use super::{P99, RATE, figures, plan, run};

/// A change and noise for 30 rounds of two metrics.
fn rounds() -> impl Strategy<Value = Vec<[[f64; 2]; 2]>> {
    let change = prop::sample::select(vec![-0.3, -0.06, -0.03, 0.0, 0.02, 0.05, 0.2]);
    let noise = prop::sample::select(vec![0.002, 0.02, 0.08]);
    let errors = prop::collection::vec((-1.0f64..1.0, -1.0f64..1.0, 0.5f64..2.0), 30);
    (change, noise, errors).prop_map(|(change, noise, errors)| {
        let of = |(one, other, level): (f64, f64, f64)| {
            let base = [1000.0 * level, 50_000.0 * level];
            let by = [change + noise * one, noise * other];
            [base, [base[0] * by[0].exp(), base[1] * by[1].exp()]]
        };
        errors.into_iter().map(of).collect()
    })
}

fn compared(rounds: &[[[f64; 2]; 2]], order: [usize; 2]) -> Comparison {
    let of = |values: [f64; 2]| figures(&[(P99, values[0]), (RATE, values[1])]);
    let (comparison, _) = run(plan(&[P99, RATE]), |look, i| {
        let from = match look {
            Look::First => 0,
            Look::Second => 10,
            Look::Confirmation => 20,
        };
        let round = rounds[from + i];
        (of(round[order[0]]), of(round[order[1]]))
    });
    comparison
}

fn mirrored(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Regressed => Verdict::Improved,
        Verdict::Improved => Verdict::Regressed,
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// forall rounds: swapping base and candidate mirrors every verdict and every interval.
    #[test]
    fn swapping_sides_mirrors_every_verdict(rounds in rounds()) {
        let (there, back) = (compared(&rounds, [0, 1]), compared(&rounds, [1, 0]));
        prop_assert_eq!(there.rounds.len(), back.rounds.len());
        for (there, back) in there.metrics.iter().zip(&back.metrics) {
            prop_assert_eq!(there.verdict, mirrored(back.verdict), "{} {}", &there.reason, &back.reason);
            prop_assert!((there.p.unwrap() - back.p.unwrap()).abs() < 1e-9);
            let [low, high] = there.interval.unwrap();
            let [back_low, back_high] = back.interval.unwrap();
            prop_assert!(((1.0 + low) * (1.0 + back_high) - 1.0).abs() < 1e-9);
            prop_assert!(((1.0 + high) * (1.0 + back_low) - 1.0).abs() < 1e-9);
        }
    }

    /// forall rounds: the order of those of a look changes nothing but their numbers.
    #[test]
    fn permuting_rounds_changes_nothing(
        (rounds, order) in (rounds(), Just((0..10usize).collect::<Vec<_>>()).prop_shuffle()),
    ) {
        let shuffled: Vec<_> = (0..30).map(|i| rounds[i / 10 * 10 + order[i % 10]]).collect();
        let (before, after) = (compared(&rounds, [0, 1]), compared(&shuffled, [0, 1]));
        prop_assert_eq!(before.verdict, after.verdict);
        for (mut before, mut after) in before.metrics.into_iter().zip(after.metrics) {
            prop_assert_eq!(before.outliers.len(), after.outliers.len());
            for metric in [&mut before, &mut after] {
                metric.base.clear();
                metric.cand.clear();
                metric.outliers.clear();
            }
            prop_assert_eq!(before, after);
        }
    }

    /// forall rounds, forall factors: scaling both sides changes no verdict and no figure but the values.
    #[test]
    fn scaling_both_sides_changes_nothing(rounds in rounds(), factor in 0.001f64..1000.0) {
        let scaled: Vec<_> = rounds.iter().map(|r| r.map(|side| side.map(|v| v * factor))).collect();
        let (before, after) = (compared(&rounds, [0, 1]), compared(&scaled, [0, 1]));
        for (before, after) in before.metrics.iter().zip(&after.metrics) {
            prop_assert_eq!(before.verdict, after.verdict);
            prop_assert_eq!(before.p, after.p);
            prop_assert!((before.effect.unwrap() - after.effect.unwrap()).abs() < 1e-9);
        }
    }
}
