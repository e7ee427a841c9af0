//! Comparisons step by step.

mod laws;

use floodmark_contracts::{
    compare::{Comparison, EffectScale, Look, MetricComparison, Side, Verdict},
    record::Environment,
    result::{Direction, Metric},
};
use floodmark_scoring::compare::{
    Comparer, Figures, Plan, RoundFigures, Step, StoredRun, compare_stored,
};

const P99: &str = "latency.alert.p99";
const RATE: &str = "throughput.consumed";
const RECALL: &str = "detection.recall";

fn metric(name: &str, value: Option<f64>) -> (String, Metric) {
    let (unit, direction) = match name {
        P99 => ("us", Direction::Lower),
        RATE => ("events/s", Direction::Higher),
        RECALL => ("ratio", Direction::Higher),
        _ => ("count", Direction::Neutral),
    };
    let metric = Metric {
        value,
        interval: None,
        unit: unit.to_owned(),
        direction,
    };
    (name.to_owned(), metric)
}

fn figures(values: &[(&str, f64)]) -> Figures {
    values
        .iter()
        .map(|(name, value)| metric(name, Some(*value)))
        .collect()
}

fn plan(gated: &[&str]) -> Plan {
    Plan {
        gated: gated.iter().map(|name| (*name).to_owned()).collect(),
        ..Plan::default()
    }
}

fn side(name: &str) -> Side {
    Side {
        name: name.to_owned(),
        what: String::new(),
        floodmark_version: String::new(),
        environment: Environment::default(),
    }
}

fn pair(look: Look, base: Figures, cand: Figures) -> RoundFigures {
    RoundFigures {
        look,
        base_first: true,
        void: None,
        base,
        cand,
    }
}

/// Makes rounds as they are asked for; `values` gives base and candidate from the look and the number of the
/// round in it, from 0.
fn run(
    plan: Plan,
    values: impl Fn(Look, usize) -> (Figures, Figures),
) -> (Comparison, Vec<(Look, u32)>) {
    let mut comparer = Comparer::new(plan).unwrap();
    let (mut made, mut asked) = (Vec::new(), Vec::new());
    while let Step::Run { look, rounds } = comparer.next(&made) {
        asked.push((look, rounds));
        made.extend((0..rounds as usize).map(|i| {
            let (base, cand) = values(look, i);
            pair(look, base, cand)
        }));
    }
    (
        comparer.comparison(&made, side("base"), side("cand")),
        asked,
    )
}

fn of<'a>(comparison: &'a Comparison, name: &str) -> &'a MetricComparison {
    comparison
        .metrics
        .iter()
        .find(|metric| metric.name == name)
        .unwrap()
}

/// A p99 that differs by a share, with a little noise.
fn p99(by: f64, round: usize) -> (Figures, Figures) {
    let noise = [0.003, -0.002, 0.001, -0.004, 0.002][round % 5];
    (
        figures(&[(P99, 1000.0)]),
        figures(&[(P99, 1000.0 * (1.0 + by + noise))]),
    )
}

#[test]
fn a_regression_is_confirmed_by_fresh_rounds() {
    let (comparison, asked) = run(plan(&[P99]), |_, i| p99(0.05, i));
    assert_eq!(asked, [(Look::First, 10), (Look::Confirmation, 10)]);
    assert_eq!(comparison.verdict, Verdict::Regressed);
    let metric = of(&comparison, P99);
    assert_eq!((metric.n, metric.p), (10, Some(0.001_953_125)));
    assert!(metric.confirmation.unwrap().confirmed);
    assert!((metric.effect.unwrap() - 0.05).abs() < 0.003);
    assert!(
        metric.reason.ends_with("; confirmed by 10 fresh rounds"),
        "{}",
        metric.reason
    );
}

#[test]
fn what_fresh_rounds_do_not_confirm_is_inconclusive() {
    let only_first = |look, i| p99(if look == Look::First { 0.05 } else { 0.0 }, i);
    let (comparison, _) = run(plan(&[P99]), only_first);
    assert_eq!(comparison.verdict, Verdict::Inconclusive);
    let metric = of(&comparison, P99);
    assert!(!metric.confirmation.unwrap().confirmed);
    assert!(
        metric.reason.contains("not confirmed by 10"),
        "{}",
        metric.reason
    );
}

#[test]
fn what_the_first_look_leaves_open_gets_one_further_look() {
    let wild = |i: usize| [0.06, -0.05, 0.04, -0.06][i % 4];
    let (comparison, asked) = run(plan(&[P99]), |_, i| p99(wild(i), i));
    assert_eq!(asked, [(Look::First, 10), (Look::Second, 10)]);
    assert_eq!(comparison.verdict, Verdict::Inconclusive);
    assert_eq!(of(&comparison, P99).n, 20);
    let single = Plan {
        further_rounds: 0,
        ..plan(&[P99])
    };
    let (comparison, asked) = run(single, |_, i| p99(wild(i), i));
    assert_eq!(asked, [(Look::First, 10)]);
    assert_eq!(comparison.alpha_per_look, 0.05);
}

#[test]
fn what_both_looks_found_together_is_confirmed_too() {
    // Too noisy for ten rounds, not for twenty.
    let values = |_, i: usize| {
        p99(
            [0.10, 0.07, 0.05, 0.06, 0.08, 0.05, 0.06, 0.04, -0.02, -0.03][i % 10],
            0,
        )
    };
    let calm = |look, i| {
        if look == Look::Confirmation {
            p99(0.06, i)
        } else {
            values(look, i)
        }
    };
    let (comparison, asked) = run(plan(&[P99, RATE, RECALL]), |look, i| {
        let (mut base, mut cand) = calm(look, i);
        base.extend(figures(&[(RATE, 50.0), (RECALL, 0.5)]));
        cand.extend(figures(&[(RATE, 50.0), (RECALL, 0.5)]));
        (base, cand)
    });
    let looks: Vec<Look> = asked.iter().map(|(look, _)| *look).collect();
    assert_eq!(looks, [Look::First, Look::Second, Look::Confirmation]);
    assert_eq!(comparison.verdict, Verdict::Regressed);
    assert_eq!(of(&comparison, RATE).verdict, Verdict::Equivalent);
}

#[test]
fn void_rounds_are_made_again_until_they_are_more_than_a_fifth() {
    let mut comparer = Comparer::new(plan(&[P99])).unwrap();
    let mut made: Vec<RoundFigures> = (0..10)
        .map(|i| {
            let (base, cand) = p99(0.0, i);
            pair(Look::First, base, cand)
        })
        .collect();
    let void = |round: &mut RoundFigures| round.void = Some("generator-late".to_owned());
    made[..2].iter_mut().for_each(void);
    let again = Step::Run {
        look: Look::First,
        rounds: 2,
    };
    assert_eq!(comparer.next(&made), again);
    let early = comparer.comparison(&made, side("base"), side("cand"));
    assert!(
        early.warnings.iter().any(|w| w.contains("ended before")),
        "{:?}",
        early.warnings
    );
    assert_eq!(of(&early, P99).base[..3], [None, None, Some(1000.0)]);
    void(&mut made[2]);
    assert_eq!(comparer.next(&made), Step::Done);
    let comparison = comparer.comparison(&made, side("base"), side("cand"));
    assert_eq!(comparison.verdict, Verdict::Invalid);
    assert_eq!(of(&comparison, P99).verdict, Verdict::Invalid);
    assert_eq!(comparison.rounds[2].void.as_deref(), Some("generator-late"));
}

#[test]
fn a_regression_is_not_called_one_before_it_is_confirmed() {
    let mut comparer = Comparer::new(plan(&[P99])).unwrap();
    let made: Vec<RoundFigures> = (0..10)
        .map(|i| {
            let (base, cand) = p99(0.2, i);
            pair(Look::First, base, cand)
        })
        .collect();
    let early = comparer.comparison(&made, side("base"), side("cand"));
    assert_eq!(early.verdict, Verdict::Inconclusive);
}

#[test]
fn a_metric_that_a_side_lacks_is_not_compared_and_leaves_the_whole_open() {
    let (comparison, _) = run(plan(&[P99, RATE]), |_, i| {
        let (mut base, cand) = p99(0.0, i);
        base.extend(figures(&[(RATE, 50_000.0)]));
        (base, cand)
    });
    let rate = of(&comparison, RATE);
    assert_eq!(rate.verdict, Verdict::NotCompared);
    assert_eq!(rate.reason, "undefined on the candidate's side");
    assert_eq!(of(&comparison, P99).verdict, Verdict::Equivalent);
    assert_eq!(comparison.verdict, Verdict::Inconclusive);
    assert!(
        comparison.warnings[0].contains(RATE),
        "{:?}",
        comparison.warnings
    );
}

#[test]
fn what_the_seed_determines_is_compared_exactly_if_order_does_not_matter() {
    let values = |recall: f64, i| {
        let (mut base, mut cand) = p99(0.0, i);
        base.extend(figures(&[(RECALL, 0.95)]));
        cand.extend(figures(&[(RECALL, recall)]));
        (base, cand)
    };
    let order_free = Plan {
        is_order_free: true,
        ..plan(&[P99, RECALL])
    };
    let (comparison, asked) = run(order_free.clone(), |_, i| values(0.949, i));
    assert_eq!(asked, [(Look::First, 10)], "nothing is left to confirm");
    let recall = of(&comparison, RECALL);
    assert_eq!(
        (recall.verdict, recall.scale, recall.p),
        (Verdict::Regressed, EffectScale::Exact, None)
    );
    // The same change is under the margin where order may matter, or where rounds differ.
    let (comparison, _) = run(plan(&[P99, RECALL]), |_, i| values(0.949, i));
    assert_eq!(of(&comparison, RECALL).verdict, Verdict::Equivalent);
    let wobbling = |_, i: usize| values(if i == 4 { 0.95 } else { 0.949 }, i);
    let (comparison, _) = run(order_free, wobbling);
    assert_eq!(of(&comparison, RECALL).scale, EffectScale::Relative);
}

#[test]
fn a_metric_that_is_better_neither_way_has_no_verdict() {
    let (comparison, _) = run(plan(&[P99]), |_, i| {
        let (mut base, mut cand) = p99(0.0, i);
        base.extend([metric("events.late", Some(10.0))]);
        cand.extend([metric("events.late", Some(20.0))]);
        (base, cand)
    });
    let late = of(&comparison, "events.late");
    assert_eq!((late.verdict, late.gated), (Verdict::NotCompared, false));
    assert_eq!(late.effect.map(|effect| (effect * 1e9).round()), Some(1e9));
    assert_eq!(comparison.verdict, Verdict::Equivalent);
}

#[test]
fn an_outlier_is_marked_and_counted_and_a_spread_that_changed_is_a_warning() {
    let (comparison, _) = run(plan(&[P99]), |_, i| p99(if i == 6 { 0.3 } else { 0.0 }, i));
    let metric = of(&comparison, P99);
    assert!(metric.outliers.starts_with(&[7]), "{:?}", metric.outliers);
    assert_eq!(metric.n % 10, 0);
    let wide = |i: usize| if i.is_multiple_of(2) { 0.15 } else { -0.15 };
    let (comparison, _) = run(plan(&[P99]), |_, i| p99(wide(i), i));
    assert!(
        comparison.warnings.iter().any(|w| w.contains("spread")),
        "{:?}",
        comparison.warnings
    );
}

fn stored(p99s: &[f64]) -> Vec<StoredRun> {
    let run = |p99: &f64| StoredRun {
        figures: figures(&[(P99, *p99)]),
        environment: Environment::default(),
    };
    p99s.iter().map(run).collect()
}

#[test]
fn six_stored_runs_a_side_give_a_verdict_and_fewer_give_advice() {
    let base = stored(&[100.0, 101.0, 99.0, 100.5, 99.5, 100.2]);
    let slow = stored(&[110.0, 111.0, 109.0, 110.5, 109.5, 112.0]);
    let sides = || (side("base"), side("cand"));
    let compared = compare_stored(&base, &slow, &plan(&[P99]), sides());
    assert_eq!(
        (compared.verdict, compared.advisory.len()),
        (Verdict::Regressed, 0)
    );
    let metric = of(&compared, P99);
    assert!((metric.p.unwrap() - 2.0 / 924.0).abs() < 1e-12);
    let [low, high] = metric.interval.unwrap();
    assert!(0.08 < low && low < metric.effect.unwrap() && metric.effect.unwrap() < high);
    let back = compare_stored(&slow, &base, &plan(&[P99]), sides());
    assert_eq!(back.verdict, Verdict::Improved);
    let same = compare_stored(&base, &base, &plan(&[P99]), sides());
    assert_eq!(same.verdict, Verdict::Equivalent);
    let single = compare_stored(&base[..1], &slow[..1], &plan(&[P99]), sides());
    assert_eq!(single.verdict, Verdict::Regressed);
    assert!(
        single.advisory[0].contains("the base has 1 runs"),
        "{:?}",
        single.advisory
    );
    let near = compare_stored(&base[..1], &base[1..2], &plan(&[P99]), sides());
    assert_eq!(near.verdict, Verdict::Inconclusive);
}

#[test]
fn another_machine_makes_a_verdict_advisory() {
    let base = stored(&[100.0, 101.0, 99.0, 100.5, 99.5, 100.2]);
    let mut other = base.clone();
    other[3].environment.cpus = 64;
    let compared = compare_stored(&base, &other, &plan(&[P99]), (side("base"), side("cand")));
    assert!(
        compared.advisory[0].ends_with("environments: processors"),
        "{:?}",
        compared.advisory
    );
    let mut comparer = Comparer::new(plan(&[P99])).unwrap();
    let mut elsewhere = side("cand");
    elsewhere.environment.cpu = "another".to_owned();
    let compared = comparer.comparison(&[], side("base"), elsewhere);
    assert_eq!(compared.advisory.len(), 1);
}
