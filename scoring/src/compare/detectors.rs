//! Two detectors on one run: on the same labels, so that each label is a pair.

use std::collections::{BTreeMap, BTreeSet};

use floodmark_contracts::{
    alert::{Alert, CollectedAlert},
    history::{DetectorComparison, DetectorFigure, SCHEMA_VERSION},
    key::TypedKey,
    label::Label,
    result::Detection,
};

use super::plan::Plan;
use crate::{
    alerts::Alerts,
    bootstrap::Draws,
    confusion::share,
    delays::quantile,
    intervals::CONFIDENCE,
    matching::{self, Fate, LabelFate},
    merged::merged_runs,
    special::beta_i,
};

/// What one detector made of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Whether it found each label that counts, by the label's id.
    pub found: BTreeMap<String, bool>,
    /// False alerts by key, merged as for precision.
    pub false_alerts: BTreeMap<TypedKey, u64>,
}

/// What a detector made of a run, from its result, the run's labels and the detector's alerts.
#[must_use]
pub fn outcome(detection: &Detection, labels: &[Label], alerts: &[CollectedAlert]) -> Outcome {
    outcome_of(detection, labels, Alerts::Collected(alerts))
}

/// The same for alerts that no run collected.
#[must_use]
pub fn outcome_of_files(detection: &Detection, labels: &[Label], alerts: &[Alert]) -> Outcome {
    outcome_of(detection, labels, Alerts::Bare(alerts))
}

fn outcome_of(detection: &Detection, labels: &[Label], alerts: Alerts<'_>) -> Outcome {
    let matching = matching::within(detection, labels, alerts);
    let counts = |(label, fate): (&Label, &LabelFate)| match fate {
        LabelFate::Detected => Some((label.id.clone(), true)),
        LabelFate::Missed => Some((label.id.clone(), false)),
        LabelFate::WarmUp
        | LabelFate::Truncated
        | LabelFate::DecoySpared
        | LabelFate::DecoyAlerted => None,
    };
    // Precision merges false alerts of one key and kind.
    let mut spans = BTreeMap::<_, Vec<(i64, i64)>>::new();
    let of_alerts = alerts.iter().zip(&matching.alerts);
    for (alert, _) in of_alerts.filter(|(_, fate)| **fate == Fate::False) {
        let end = alert.end.0;
        let earliest = end.saturating_sub(detection.tolerances.max_span_ms);
        let span = (alert.start.0.min(end).max(earliest), end);
        let group = (&alert.key, alert.kind.as_deref());
        spans.entry(group).or_default().push(span);
    }
    let mut false_alerts = BTreeMap::new();
    for ((key, _), mut spans) in spans {
        spans.sort_unstable();
        *false_alerts.entry(key.clone()).or_insert(0) +=
            merged_runs(&spans, detection.tolerances.merge_gap_ms);
    }
    Outcome {
        found: labels
            .iter()
            .zip(&matching.labels)
            .filter_map(counts)
            .collect(),
        false_alerts,
    }
}

/// What two detectors made of one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcomes {
    /// For each label that counts: whether the base found it, and whether the candidate did.
    pub labels: Vec<[bool; 2]>,
    /// For each key with false alerts: those of the base and of the candidate.
    pub false_alerts: Vec<[u64; 2]>,
}

impl Outcomes {
    /// Pairs what was found by label, and false alerts by key. `None` if the two do not have the same
    /// labels: they did not run on the same events.
    #[must_use]
    pub fn paired(base: &Outcome, cand: &Outcome) -> Option<Self> {
        if !base.found.keys().eq(cand.found.keys()) {
            return None;
        }
        let keys: BTreeSet<&TypedKey> = base
            .false_alerts
            .keys()
            .chain(cand.false_alerts.keys())
            .collect();
        let count = |of: &Outcome, key: &TypedKey| of.false_alerts.get(key).copied().unwrap_or(0);
        let found = base.found.values().zip(cand.found.values());
        Some(Self {
            labels: found.map(|(base, cand)| [*base, *cand]).collect(),
            false_alerts: keys
                .into_iter()
                .map(|key| [count(base, key), count(cand, key)])
                .collect(),
        })
    }
}

/// Exact McNemar: two-sided p of the labels that only one detector found being as likely one's as the
/// other's. `None` without such labels.
///
/// With `b` and `c` of them, `p = min(1, 2 P(X <= min(b, c)))` for X binomial with `b + c` trials of a
/// half. McNemar, *Note on the sampling error of the difference between correlated proportions or
/// percentages*, Psychometrika 12, 1947.
///
/// ```
/// let p = floodmark_scoring::compare::detectors::mcnemar(1, 9).unwrap();
/// assert!((p - 22.0 / 1024.0).abs() < 1e-12);
/// ```
#[must_use]
pub fn mcnemar(only_base: u64, only_cand: u64) -> Option<f64> {
    let (least, n) = (only_base.min(only_cand), only_base + only_cand);
    if n == 0 {
        return None;
    }
    // P(X <= k) = I_{1/2}(n - k, k + 1).
    let tail = beta_i((n - least) as f64, least as f64 + 1.0, 0.5);
    Some((2.0 * tail).min(1.0))
}

/// Compares two detectors: McNemar on the labels, and intervals of the differences of recall, precision and
/// F1 by drawing labels, and keys with false alerts, for both detectors at once.
#[must_use]
pub fn compare_detectors(outcomes: &Outcomes, plan: &Plan) -> DetectorComparison {
    let count = |wanted: [bool; 2]| outcomes.labels.iter().filter(|l| **l == wanted).count() as u64;
    let (only_base, only_cand) = (count([true, false]), count([false, true]));
    let labels: Vec<usize> = (0..outcomes.labels.len()).collect();
    let keys: Vec<usize> = (0..outcomes.false_alerts.len()).collect();
    let whole = scores(outcomes, &labels, &keys);
    let resampled = resample(outcomes, plan);
    let figures = ["recall", "precision", "f1"].into_iter().enumerate();
    DetectorComparison {
        schema_version: SCHEMA_VERSION,
        floodmark_version: env!("CARGO_PKG_VERSION").to_owned(),
        labels: outcomes.labels.len() as u64,
        both: count([true, true]),
        only_base,
        only_cand,
        neither: count([false, false]),
        p: mcnemar(only_base, only_cand),
        figures: figures
            .map(|(i, name)| DetectorFigure {
                name: name.to_owned(),
                base: whole[0][i],
                cand: whole[1][i],
                difference: difference(&whole, i),
                interval: interval(&resampled, i),
            })
            .collect(),
        seed: plan.seed,
        resamples: plan.resamples,
    }
}

/// Recall, precision and F1 of both detectors.
type Pair = [[Option<f64>; 3]; 2];

fn difference(scores: &Pair, figure: usize) -> Option<f64> {
    Some(scores[1][figure]? - scores[0][figure]?)
}

fn interval(resampled: &[Pair], figure: usize) -> Option<[f64; 2]> {
    let known = resampled
        .iter()
        .filter_map(|scores| difference(scores, figure));
    let mut differences: Vec<f64> = known.collect();
    differences.sort_by(f64::total_cmp);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    Some([
        quantile(&differences, tail)?,
        quantile(&differences, 1.0 - tail)?,
    ])
}

fn resample(outcomes: &Outcomes, plan: &Plan) -> Vec<Pair> {
    let (n, n_keys) = (outcomes.labels.len(), outcomes.false_alerts.len());
    if n < 2 {
        return Vec::new();
    }
    let mut draws = Draws(plan.seed);
    let mut again = |n: usize| -> Vec<usize> { (0..n).map(|_| draws.below(n)).collect() };
    (0..plan.resamples)
        .map(|_| scores(outcomes, &again(n), &again(n_keys)))
        .collect()
}

fn scores(outcomes: &Outcomes, labels: &[usize], keys: &[usize]) -> Pair {
    [0, 1].map(|side| {
        let found = labels.iter().filter(|i| outcomes.labels[**i][side]).count() as u64;
        let n_false: u64 = keys.iter().map(|i| outcomes.false_alerts[*i][side]).sum();
        let recall = share(found, labels.len() as u64);
        let precision = share(found, found + n_false);
        // 2 P R / (P + R) with both written out.
        let f1 = share(2 * found, labels.len() as u64 + found + n_false);
        [recall, precision, f1.filter(|_| precision.is_some())]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(counts: [usize; 4], false_alerts: Vec<[u64; 2]>) -> Outcomes {
        let kinds = [[true, true], [true, false], [false, true], [false, false]];
        let labels = kinds.into_iter().zip(counts);
        Outcomes {
            labels: labels.flat_map(|(kind, n)| vec![kind; n]).collect(),
            false_alerts,
        }
    }

    #[test]
    fn mcnemar_counts_only_labels_on_which_the_detectors_differ() {
        let check = |b, c, expected: f64| {
            let p = mcnemar(b, c).unwrap();
            assert!((p - expected).abs() < 1e-12, "{b} {c}: {p}");
            assert_eq!(mcnemar(c, b), Some(p));
        };
        check(0, 6, 0.03125);
        check(5, 5, 1.0);
        check(2, 8, 112.0 / 1024.0);
        assert_eq!(mcnemar(0, 0), None);
    }

    #[test]
    fn pairing_narrows_the_interval_where_detectors_find_the_same() {
        let plan = Plan::default();
        // Recall of 0.6 and 0.5 either way; once nearly the same labels, once as unlike as can be.
        let alike = compare_detectors(&outcomes([50, 10, 0, 40], vec![]), &plan);
        let unlike = compare_detectors(&outcomes([10, 50, 40, 0], vec![]), &plan);
        let width = |c: &DetectorComparison| {
            let [low, high] = c.figures[0].interval.unwrap();
            high - low
        };
        assert!((alike.figures[0].difference.unwrap() + 0.1).abs() < 1e-12);
        assert!((unlike.figures[0].difference.unwrap() + 0.1).abs() < 1e-12);
        assert!(2.0 * width(&alike) < width(&unlike));
        assert!(alike.p.unwrap() < 0.01 && unlike.p.unwrap() > 0.1);
    }

    #[test]
    fn false_alerts_cost_precision_of_the_one_who_raised_them() {
        let plan = Plan::default();
        let compared = compare_detectors(&outcomes([20, 0, 0, 5], vec![[0, 4], [1, 6]]), &plan);
        let precision = &compared.figures[1];
        assert_eq!(precision.base, Some(20.0 / 21.0));
        assert_eq!(precision.cand, Some(20.0 / 30.0));
        assert!(precision.interval.unwrap()[1] < 0.0);
        assert_eq!(compared.figures[0].difference, Some(0.0));
        assert_eq!(compared.p, None);
        let nothing = compare_detectors(&Outcomes::default(), &plan);
        assert_eq!(nothing.figures[2].base, None);
        assert_eq!(nothing.figures[0].interval, None);
    }

    #[test]
    fn other_labels_are_no_pairs() {
        let found = |id: &str| Outcome {
            found: BTreeMap::from([(id.to_owned(), true)]),
            ..Outcome::default()
        };
        assert_eq!(Outcomes::paired(&found("a"), &found("b")), None);
        let mut noisy = found("a");
        let key = TypedKey::new(floodmark_contracts::key::KeyType::Sensor, "s1");
        noisy.false_alerts.insert(key, 3);
        let paired = Outcomes::paired(&found("a"), &noisy).unwrap();
        assert_eq!(
            (paired.labels, paired.false_alerts),
            (vec![[true, true]], vec![[0, 3]])
        );
    }
}
