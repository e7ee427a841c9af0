//! Laws of the ways to count beside the incident level, for every run.

use floodmark_contracts::{
    accuracy::{Counted, Rates},
    alert::CollectedAlert,
    label::Label,
    result::Detection,
};
use floodmark_scoring::score;
use proptest::prelude::*;

use crate::{
    properties::{END, KINDS, alerts, labels},
    support::{Run, alert_of, label},
};

fn detection(run: &Run) -> Detection {
    score(&run.record, &run.labels, &run.alerts, &[])
        .unwrap()
        .detection
}

/// Incidents on a sensor each, within one window of a minute and one second, behind what NAB calls probation.
fn apart() -> impl Strategy<Value = Vec<Label>> {
    let one = (0usize..3, 3i64..13, 0i64..60, 0i64..1_000);
    prop::collection::vec(one, 1..10).prop_map(|raw| {
        let made = raw.into_iter().enumerate();
        made.map(|(i, (kind, minute, second, length))| {
            let start = minute * 60_000 + second * 1_000;
            let mut made = label(
                &format!("L{i}"),
                KINDS[kind],
                &format!("s{i}"),
                start,
                start + length,
            );
            made.event_ids = vec![format!("e{i}")];
            made
        })
        .collect()
    })
}

/// One alert for each label: on its key, at its start, of its kind, with its events.
fn perfect(labels: &[Label]) -> Vec<CollectedAlert> {
    let alert = |label: &Label| {
        let at = label.start.0;
        let id = format!("of-{}", label.id);
        let mut made = alert_of(label.kind, &id, &label.keys[0].id, at, at);
        made.alert.event_ids.clone_from(&label.event_ids);
        made.alert.score = Some(1.0);
        made
    };
    labels.iter().map(alert).collect()
}

fn rates(of: Counted) -> [Option<f64>; 3] {
    [of.precision, of.recall, of.f1]
}

fn near_one(value: Option<f64>) -> bool {
    value.is_some_and(|value| (value - 1.0).abs() < 1e-9)
}

/// Every precision of a result, by name.
fn precisions(of: &Detection) -> [(&'static str, Option<f64>); 7] {
    let accuracy = &of.accuracy;
    [
        ("deduplicated", of.overall.precision),
        ("alerts", of.overall.alert_precision),
        ("one to one", accuracy.one_to_one.precision),
        ("windows", accuracy.windows.counted.precision),
        ("kinds, micro", accuracy.kinds.micro.precision),
        ("kinds, macro", accuracy.kinds.macro_average.precision),
        ("entities", accuracy.entities.macro_precision),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// forall incidents that are apart: a perfect detector scores 1 in every way to count.
    #[test]
    fn a_perfect_detector_scores_one_in_every_way(labels in apart()) {
        let run = Run::new().alerts(perfect(&labels)).labels(labels);
        let accuracy = detection(&run).accuracy;
        for (level, of) in [
            ("one to one", accuracy.one_to_one),
            ("windows", accuracy.windows.counted),
            ("events", accuracy.events.unwrap()),
        ] {
            prop_assert_eq!(rates(of), [Some(1.0); 3], "{}", level);
        }
        let one = Rates { precision: Some(1.0), recall: Some(1.0), f1: Some(1.0) };
        prop_assert_eq!((accuracy.kinds.micro, accuracy.kinds.macro_average), (one, one));
        prop_assert!(accuracy.kinds.pairs.iter().all(|pair| pair.actual == pair.alerted));
        prop_assert!(accuracy.kinds.per_kind.values().all(|kind| near_one(kind.average_precision)));
        prop_assert!(near_one(accuracy.thresholds.average_precision));
        let published = accuracy.published;
        // An incident within a second is one row, and the alert is that row.
        for of in [published.range, published.range_front, published.range_back, published.affiliation] {
            prop_assert!(near_one(of.precision) && near_one(of.recall), "{:?}", of);
        }
        prop_assert!((published.nab.standard.unwrap() - 100.0).abs() < 1e-9, "{:?}", published.nab);
    }

    /// forall incidents, long ones and such that overlap among them: who alerts at each start with its kind is right in all
    /// that it says of kinds and pairs, and finds a part of every range.
    #[test]
    fn an_alert_at_each_start_is_right_whatever_overlaps(mut labels in labels()) {
        // An alert on what passes the end of the run may be a candidate of something else, and is then one too many.
        labels.retain(|label| label.end.0 + label.kind.late_ms() <= END);
        let run = Run::new().alerts(perfect(&labels)).labels(labels);
        let accuracy = detection(&run).accuracy;
        prop_assume!(accuracy.one_to_one.truth > 0);
        prop_assert_eq!(rates(accuracy.one_to_one), [Some(1.0); 3]);
        prop_assert_eq!(accuracy.kinds.macro_average.f1, Some(1.0));
        prop_assert!(accuracy.published.range.recall.unwrap() > 0.0);
    }

    /// forall runs: one more false alert, of a kind or of none, raises no precision.
    #[test]
    fn a_false_alert_never_raises_any_precision(labels in labels(), alerts in alerts(), at in 0..END, kind in 0usize..4) {
        let mut run = Run::new().labels(labels).alerts(alerts);
        let before = detection(&run);
        let mut extra = alert_of(KINDS[kind % 3], "extra", "quiet-sensor", at, at);
        if kind == 3 {
            extra.alert.kind = Some("of-its-own".to_owned());
        }
        run.alerts.push(extra);
        let after = detection(&run);
        for ((level, before), (_, after)) in precisions(&before).into_iter().zip(precisions(&after)) {
            // Undefined before is taken as perfect: there was nothing to be wrong about.
            prop_assert!(after.unwrap_or(0.0) <= before.unwrap_or(1.0), "{}", level);
        }
    }

    /// forall runs: the confusion matrix has each incident in one row, and its recalls are those of the incident level.
    #[test]
    fn the_confusion_matrix_adds_up(labels in labels(), alerts in alerts()) {
        let found = detection(&Run::new().labels(labels).alerts(alerts));
        let kinds = &found.accuracy.kinds;
        let incidents = kinds.pairs.iter().filter(|pair| pair.actual != "none");
        prop_assert_eq!(incidents.map(|pair| pair.count).sum::<u64>(), found.overall.labels);
        for (kind, rates) in &kinds.per_kind {
            let scores = &found.per_kind[kind];
            prop_assert_eq!((rates.labels, rates.recall), (scores.labels, scores.recall), "{}", kind);
            prop_assert_eq!(rates.precision.is_some(), rates.alerted > 0);
        }
    }

    /// forall runs: what is a share lies between 0 and 1, also of alerts placed at random.
    #[test]
    fn shares_are_shares(labels in labels(), alerts in alerts()) {
        let accuracy = detection(&Run::new().labels(labels).alerts(alerts)).accuracy;
        let published = accuracy.published;
        let of = |rates: Rates| [rates.precision, rates.recall, rates.f1];
        let mut shares = Vec::new();
        for counted in [accuracy.one_to_one, accuracy.windows.counted, accuracy.events.unwrap_or_default()] {
            shares.extend(rates(counted));
            shares.extend(of(counted.random));
        }
        for beside in [published.range, published.range_front, published.range_back, published.affiliation] {
            shares.extend([beside.precision, beside.recall, beside.f1]);
            shares.extend(of(beside.random));
        }
        let kinds = &accuracy.kinds;
        for rates in [kinds.micro, kinds.macro_average, kinds.random_micro, kinds.random_macro_average] {
            shares.extend(of(rates));
        }
        for share in shares.into_iter().flatten() {
            prop_assert!((0.0..=1.0).contains(&share), "{accuracy:?}");
        }
        for nab in [published.nab, published.random_nab] {
            prop_assert!(nab.standard.is_none_or(|score| score.is_finite() && score <= 100.0 + 1e-9));
        }
    }
}
