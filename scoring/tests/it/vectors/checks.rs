//! One check per file of reference cases.

use floodmark_scoring::{
    any_overlap::{self, AnyOverlap, Span},
    bootstrap::{Resampling, bootstrap as resample},
    confusion::{Confusion, Rates},
    delays::{Observation, Survival, kaplan_meier, quantile},
    intervals, one_to_one as matching, thresholds,
};
use serde_json::Value;

use super::Case;

pub fn number(input: &Value, name: &str) -> f64 {
    input[name]
        .as_f64()
        .unwrap_or_else(|| panic!("no number `{name}` in {input}"))
}

pub fn whole(input: &Value, name: &str) -> u64 {
    input[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no count `{name}` in {input}"))
}

pub fn list<'a>(input: &'a Value, name: &str) -> &'a [Value] {
    input[name]
        .as_array()
        .unwrap_or_else(|| panic!("no list `{name}` in {input}"))
}

pub fn spans(input: &Value, name: &str) -> Vec<Span> {
    let span = |v: &Value| [v[0].as_f64().unwrap(), v[1].as_f64().unwrap()];
    list(input, name).iter().map(span).collect()
}

pub fn wilson(case: &mut Case<'_>) {
    let (successes, trials) = (whole(case.input, "successes"), whole(case.input, "trials"));
    let confidence = number(case.input, "confidence");
    let [low, high] = intervals::wilson(successes, trials, confidence).unwrap();
    for source in ["statsmodels", "scipy"] {
        case.check(&format!("wilson_low_{source}"), Some(low));
        case.check(&format!("wilson_high_{source}"), Some(high));
    }
    let [low, high] = intervals::clopper_pearson(successes, trials, confidence).unwrap();
    case.check("clopper_pearson_low", Some(low));
    case.check("clopper_pearson_high", Some(high));
}

pub fn newcombe_difference(case: &mut Case<'_>) {
    let count = |name: &str| whole(case.input, name);
    let (first, second) = ((count("k1"), count("n1")), (count("k2"), count("n2")));
    let [low, high] =
        intervals::newcombe_difference(first, second, number(case.input, "confidence")).unwrap();
    let share = |(k, n): (u64, u64)| k as f64 / n as f64;
    case.check("diff", Some(share(first) - share(second)));
    case.check("newcombe_low", Some(low));
    case.check("newcombe_high", Some(high));
}

pub fn poisson_rate(case: &mut Case<'_>) {
    let (count, exposure) = (whole(case.input, "count"), number(case.input, "exposure"));
    let [low, high] =
        intervals::poisson_rate(count, exposure, number(case.input, "confidence")).unwrap();
    case.check("rate", Some(count as f64 / exposure));
    case.check("exact_low", Some(low));
    case.check("exact_high", Some(high));
}

pub fn per_kind(case: &mut Case<'_>) {
    let names: Vec<&str> = list(case.input, "labels")
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let (none, kinds) = names.split_last().unwrap();
    assert_eq!(*none, "none", "the last of the labels is `none`");
    let position = |v: &Value| kinds.iter().position(|kind| Some(*kind) == v.as_str());
    let mut confusion = Confusion::new(kinds.len());
    for pair in list(case.input, "pairs_true_pred") {
        confusion.add(position(&pair[0]), position(&pair[1]));
    }
    for (i, kind) in kinds.iter().enumerate() {
        check_rates(case, &format!("per_kind.{kind}"), confusion.kind(i));
        let support = confusion.support(i) as f64;
        case.check(&format!("per_kind.{kind}.support"), Some(support));
    }
    check_rates(case, "micro", confusion.micro());
    check_rates(case, "macro", confusion.macro_average());
    check_rates(case, "weighted", confusion.weighted_average());
    for (i, row) in confusion.rows().iter().enumerate() {
        let row: Vec<f64> = row.iter().map(|count| *count as f64).collect();
        case.check_list(&format!("confusion_rows_true_cols_pred[{i}]"), &row);
    }
}

fn check_rates(case: &mut Case<'_>, path: &str, rates: Rates) {
    case.check(&format!("{path}.precision"), rates.precision);
    case.check(&format!("{path}.recall"), rates.recall);
    case.check(&format!("{path}.f1"), rates.f1);
}

pub fn one_to_one(case: &mut Case<'_>) {
    let incidents = spans(case.input, "incidents");
    let (early, late) = (
        number(case.input, "early_tolerance"),
        number(case.input, "late_tolerance"),
    );
    let takes = |alert: &Value| -> Vec<usize> {
        let at = alert.as_f64().unwrap();
        let fits = |(_, [start, end]): &(usize, &Span)| start - early <= at && at <= end + late;
        incidents
            .iter()
            .enumerate()
            .filter(fits)
            .map(|(i, _)| i)
            .collect()
    };
    let candidates: Vec<Vec<usize>> = list(case.input, "alerts").iter().map(takes).collect();
    let matched = matching::maximum_matching(&candidates, incidents.len()) as f64;
    let share = |whole: usize| (whole > 0).then(|| matched / whole as f64);
    let (precision, recall) = (share(candidates.len()), share(incidents.len()));
    case.check("matched", Some(matched));
    case.check("precision", precision);
    case.check("recall", recall);
    case.check(
        "f1",
        precision.zip(recall).map(|(p, r)| 2.0 * p * r / (p + r)),
    );
}

pub fn average_precision(case: &mut Case<'_>) {
    let truth = list(case.input, "y_true")
        .iter()
        .map(|v| v.as_u64() == Some(1));
    let scores = list(case.input, "score")
        .iter()
        .map(|v| v.as_f64().unwrap());
    let scored: Vec<(f64, bool)> = scores.zip(truth).collect();
    let curve = thresholds::pr_curve(&scored);
    let thresholds_found: Vec<f64> = curve.iter().map(|point| point.threshold).collect();
    case.check_list("pr_curve.thresholds", &thresholds_found);
    // The reference closes the curve with a point of precision 1 and recall 0.
    let mut precision: Vec<f64> = curve.iter().map(|point| point.precision).collect();
    precision.push(1.0);
    case.check_list("pr_curve.precision", &precision);
    case.check("roc_auc", thresholds::roc_auc(&scored));
    case.without("warnings", "texts of the reference");
    let Some(average_precision) = thresholds::average_precision(&scored) else {
        assert!(
            scored.iter().all(|(_, truth)| !truth),
            "undefined only without positives"
        );
        assert_eq!(thresholds::oracle_f1(&scored), None);
        for name in [
            "average_precision",
            "best_f1",
            "trapezoid",
            "pr_curve.recall",
        ] {
            case.without(name, "the reference gives 0 or 1 for what is undefined");
        }
        return;
    };
    let mut recall: Vec<f64> = curve.iter().map(|point| point.recall.unwrap()).collect();
    recall.push(0.0);
    case.check_list("pr_curve.recall", &recall);
    case.check("average_precision", Some(average_precision));
    let (f1, threshold) = thresholds::oracle_f1(&scored).unwrap();
    case.check("best_f1", Some(f1));
    case.check("best_f1_threshold_first_argmax", Some(threshold));
    let trapezoid: f64 = recall
        .windows(2)
        .zip(precision.windows(2))
        .map(|(r, p)| (r[0] - r[1]) * f64::midpoint(p[0], p[1]))
        .sum();
    case.check("trapezoid_pr_auc_for_contrast", Some(trapezoid));
}

pub fn time_to_detect(case: &mut Case<'_>) {
    let observations: Vec<Observation> = list(case.input, "delay_detected")
        .iter()
        .map(|v| Observation {
            time: v[0].as_f64().unwrap(),
            detected: v[1].as_bool().unwrap(),
        })
        .collect();
    let mut found: Vec<f64> = observations
        .iter()
        .filter(|o| o.detected)
        .map(|o| o.time)
        .collect();
    found.sort_by(f64::total_cmp);
    case.check("n", Some(observations.len() as f64));
    case.check("n_detected", Some(found.len() as f64));
    let mean = found.iter().sum::<f64>() / found.len() as f64;
    case.check("detected_only_mean", (!found.is_empty()).then_some(mean));
    let survival = kaplan_meier(&observations);
    for (name, q) in [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)] {
        case.check(
            &format!("detected_only_quantiles_linear.{name}"),
            quantile(&found, q),
        );
        let quantile_name = format!("km_quantiles.{name}");
        if stopped_by_rounding(case, &survival, &quantile_name, q) {
            case.without(&quantile_name, "rounding of the reference");
            continue;
        }
        // Never reached is infinite in the file.
        let reached = survival.quantile(q).unwrap_or(f64::INFINITY);
        case.check(&quantile_name, Some(reached));
    }
    for (i, (time, share)) in survival.steps.iter().enumerate() {
        case.check_list(&format!("km_survival[{i}]"), &[*time, *share]);
    }
    case.without(
        "max_abs_diff_vs_scipy_ecdf",
        "how far two references are apart",
    );
}

/// Whether the file's quantile is one step too late only because its own survival at the right step is
/// above `1 - q` by a rounding error, such as 0.5000000000000002 where 30 of 60 are detected. The rule
/// that the file states has a slack of 1e-9 for this; the code that computed it had none.
fn stopped_by_rounding(case: &Case<'_>, survival: &Survival, name: &str, q: f64) -> bool {
    let Some(at) = survival
        .steps
        .iter()
        .position(|(_, share)| *share <= 1.0 - q + 1e-9)
    else {
        return false;
    };
    let above = case
        .expected(&format!("km_survival[{at}][1]"))
        .map(|share| share - (1.0 - q));
    let next = survival.steps.get(at + 1).map(|(time, _)| *time);
    above.is_some_and(|above| 0.0 < above && above < 1e-9)
        && next.is_some()
        && next == case.expected(name)
}

pub fn any_overlap(case: &mut Case<'_>) {
    let input = case.input;
    let rules = AnyOverlap {
        early: number(input, "toleranceStart"),
        late: number(input, "toleranceEnd"),
        min_overlap: number(input, "minOverlap"),
        max_length: number(input, "maxEventDuration"),
        min_gap: number(input, "minDurationBetweenEvents"),
    };
    let score = any_overlap::score(&spans(input, "truth"), &spans(input, "alerts"), rules);
    for (name, spans) in [
        ("ref_events_after_merge_split", &score.truth),
        ("hyp_events_after_merge_split", &score.alerts),
    ] {
        for (i, span) in spans.iter().enumerate() {
            case.check_list(&format!("{name}[{i}]"), span);
        }
    }
    case.check("ref_true", Some(score.truth.len() as f64));
    case.check("tp", Some(score.found as f64));
    case.check("fp", Some(score.false_alerts as f64));
    case.check("sensitivity", score.sensitivity());
    case.check("precision", score.precision());
    case.check("f1", score.f1());
    let days = number(input, "duration_s") / 86_400.0;
    case.check("fp_per_day", Some(score.false_alerts as f64 / days));
}

pub fn bootstrap(case: &mut Case<'_>) {
    let entities: Vec<[u64; 3]> = list(case.input, "per_entity")
        .iter()
        .map(|counts| [0, 1, 2].map(|i| counts[i].as_u64().unwrap()))
        .collect();
    let rules = Resampling {
        resamples: 4_000,
        confidence: number(case.input, "confidence"),
        seed: 1,
    };
    type Figure = fn([u64; 3]) -> Option<f64>;
    let figures: [(&str, Figure); 3] = [
        ("precision", |[tp, fp, _]| part_of(tp, tp + fp)),
        ("recall", |[tp, _, missed]| part_of(tp, tp + missed)),
        ("f1", |[tp, fp, missed]| {
            part_of(2 * tp, 2 * tp + fp + missed)
        }),
    ];
    for (name, figure) in figures {
        let got = resample(&entities, rules, figure).unwrap();
        case.check(&format!("{name}.point"), Some(got.point));
        // The tolerance of the file is for what is drawn; the figure itself is not.
        let point = case.expected(&format!("{name}.point")).unwrap();
        assert!((got.point - point).abs() < 1e-12, "{name}: {}", got.point);
        case.check(&format!("{name}.percentile_low"), Some(got.interval[0]));
        case.check(&format!("{name}.percentile_high"), Some(got.interval[1]));
        case.check(&format!("{name}.std_error"), Some(got.std_error));
        case.without(&format!("{name}.bca"), "ours is the percentile interval");
        case.without(&format!("{name}.seed_to_seed"), "of the reference");
    }
}

fn part_of(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
