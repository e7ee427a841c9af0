//! Laws that hold for every run.

use floodmark_contracts::{
    alert::CollectedAlert,
    clock::{EventTime, RunMicros, WallTime},
    key::{KeyType, TypedKey},
    kind::Kind,
    label::{EventOrder, Label},
};
use floodmark_scoring::{
    compare::detectors::outcome,
    matching::{self, Fate, LabelFate},
    score, score_files,
};
use proptest::prelude::*;

use crate::{
    brute_force::{Counts, count},
    support::{Run, STARTED_AT, alert, alert_of, label},
};

pub const END: i64 = 1_000_000;
pub const KINDS: [Kind; 3] = [Kind::SensorSpike, Kind::LevelShift, Kind::DropOut];

prop_compose! {
    fn a_label()(kind in 0usize..3, key in 0u8..4, second in 0u8..4, start in 0..END, length in 0i64..200_000, events in prop::collection::vec(0u8..12, 0..4)) -> (Kind, u8, u8, i64, i64, Vec<u8>) {
        (KINDS[kind], key, second, start, start + length, events)
    }
}

pub fn labels() -> impl Strategy<Value = Vec<Label>> {
    prop::collection::vec(a_label(), 0..12).prop_map(|raw| {
        let made = raw.into_iter().enumerate();
        made.map(|(i, (kind, key, second, start, end, events))| {
            let mut made = label(&format!("L{i}"), kind, &format!("s{key}"), start, end);
            made.keys
                .push(TypedKey::new(KeyType::Sensor, format!("s{second}")));
            made.event_ids = events.iter().map(|e| format!("e{e}")).collect();
            // One label in four is of a tool that does not say how its events came.
            if second < 3 {
                let sent = |e: &u8| RunMicros((start + i64::from(*e) * 1000) * 1000);
                made.event_sent = events.iter().map(sent).collect();
                made.order = Some(EventOrder {
                    on_time: events.len().saturating_sub(usize::from(second)) as u64,
                    behind_ms: u64::from(second) * 1000,
                });
            }
            made
        })
        .collect()
    })
}

prop_compose! {
    fn an_alert()(kind in 0usize..5, key in 0u8..5, end in -50_000..END + 50_000, length in 0i64..400_000, events in prop::collection::vec(0u8..12, 0..4), latency in 0i64..5_000) -> (usize, u8, i64, i64, Vec<u8>, i64) {
        (kind, key, end - length, end, events, latency)
    }
}

pub fn alerts() -> impl Strategy<Value = Vec<CollectedAlert>> {
    prop::collection::vec(an_alert(), 0..20).prop_map(|raw| {
        let made = raw.into_iter().zip(0i64..);
        made.map(|((kind, key, start, end, events, latency), i)| {
            let mut made = alert(&format!("A{i}"), &format!("s{key}"), start, end);
            made.alert.kind = KINDS.get(kind).map(|kind| kind.name().to_owned());
            if kind == 3 {
                made.alert.kind = Some("of-its-own".to_owned());
            }
            made.alert.event_ids = events.iter().map(|e| format!("e{e}")).collect();
            made.appended_at = WallTime(STARTED_AT.0 + (end + latency) * 1000);
            made.offset = i;
            made
        })
        .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// forall runs: the order in which alerts arrive changes nothing.
    #[test]
    fn permuting_alerts_changes_nothing(
        labels in labels(),
        (alerts, shuffled) in alerts().prop_flat_map(|a| (Just(a.clone()), Just(a).prop_shuffle())),
        copies in 0usize..3,
    ) {
        let mut run = Run::new().labels(labels);
        run.record.watermark_bound_ms = Some(1_500);
        // Redelivered alerts have the id of the first and a later append time.
        let again: Vec<CollectedAlert> = alerts.iter().take(copies).cloned().map(|mut copy| {
            copy.appended_at.0 += 7_000;
            copy.offset += 1000;
            copy
        }).collect();
        run.alerts = alerts.into_iter().chain(again.clone()).collect();
        let before = score(&run.record, &run.labels, &run.alerts, &[]).unwrap();
        run.alerts = again.into_iter().chain(shuffled).collect();
        let after = score(&run.record, &run.labels, &run.alerts, &[]).unwrap();
        prop_assert_eq!(before, after);
    }

    /// forall runs: the matching finds what trying every alert with every label finds.
    #[test]
    fn matching_equals_brute_force(labels in labels(), alerts in alerts()) {
        let run = Run::new().labels(labels).alerts(alerts);
        let detection = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        let overall = &detection.overall;
        prop_assert_eq!(
            Counts {
                labels: overall.labels,
                detected: overall.detected,
                true_alerts: overall.true_alerts,
                false_alerts: overall.alerts - overall.true_alerts,
                ignored: detection.ignored,
                shared: detection.shared_alerts,
            },
            count(&run.labels, &run.alerts, END)
        );
    }

    /// forall runs: one more false alert raises neither precision, over all or of its kind.
    #[test]
    fn a_false_alert_never_raises_precision(labels in labels(), alerts in alerts(), at in 0..END, kind in 0usize..3) {
        let mut run = Run::new().labels(labels).alerts(alerts);
        let before = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        run.alerts.push(alert_of(KINDS[kind], "extra", "quiet-sensor", at, at));
        let after = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        // Undefined before is taken as perfect: there was nothing to be wrong about.
        prop_assert!(after.overall.precision.unwrap() <= before.overall.precision.unwrap_or(1.0));
        let of_kind = |d: &floodmark_contracts::result::Detection| d.per_kind.get(&KINDS[kind]).and_then(|s| s.precision);
        prop_assert!(of_kind(&after).unwrap() <= of_kind(&before).unwrap_or(1.0));
    }

    /// forall runs: an alert less raises no recall, over all or of any kind, and adds nothing true.
    #[test]
    fn losing_an_alert_never_raises_recall(labels in labels(), alerts in alerts(), which: prop::sample::Index) {
        prop_assume!(!alerts.is_empty());
        let mut run = Run::new().labels(labels).alerts(alerts);
        let before = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        run.alerts.remove(which.index(run.alerts.len()));
        let after = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        prop_assert!(after.overall.recall <= before.overall.recall);
        prop_assert!(after.overall.true_alerts <= before.overall.true_alerts);
        prop_assert!(before.missed.iter().all(|id| after.missed.contains(id)));
        for (kind, scores) in &after.per_kind {
            prop_assert!(scores.recall <= before.per_kind[kind].recall, "{}", kind);
        }
    }

    /// forall runs: one more alert that finds an incident that was missed raises recall, precision
    /// and F1.
    #[test]
    fn finding_a_missed_incident_raises_every_score(labels in labels(), alerts in alerts()) {
        let mut run = Run::new().labels(labels).alerts(alerts);
        let before = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        prop_assume!(!before.missed.is_empty());
        let missed = run.labels.iter().find(|l| l.id == before.missed[0]).unwrap();
        let found = alert_of(missed.kind, "extra", &missed.keys[0].id, missed.start.0, missed.start.0);
        run.alerts.push(found);
        let after = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        prop_assert!(after.overall.recall > before.overall.recall);
        prop_assert!(after.overall.f1.unwrap() > before.overall.f1.unwrap_or(0.0));
        // Already perfect cannot rise; undefined before has nothing to rise from.
        if before.overall.precision.is_some_and(|p| p < 1.0) {
            prop_assert!(after.overall.precision > before.overall.precision);
        }
    }

    /// forall lengths of delay: alerts that find everything find nothing once they come later than the
    /// tolerance of every kind, and are all false then; recall falls nowhere in between but never rises.
    #[test]
    fn alerts_beyond_the_tolerance_find_nothing(starts in prop::collection::btree_set(1i64..9, 1..6), shift in 0i64..120_000) {
        // One incident to a sensor and minute at most, so that no alert drifts into the next one's.
        let labels: Vec<Label> = starts.iter().map(|slot| {
            let start = slot * 100_000;
            label(&format!("L{slot}"), KINDS[(slot % 3) as usize], &format!("s{slot}"), start, start + 1_000)
        }).collect();
        let scored = |shift: i64| {
            let alerts = labels.iter().map(|l| {
                let at = l.end.0 + shift;
                alert_of(l.kind, &format!("of-{}", l.id), &l.keys[0].id, at, at)
            });
            let run = Run::new().labels(labels.clone()).alerts(alerts);
            score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection.overall
        };
        let in_time = labels.iter().filter(|l| shift <= l.kind.late_ms()).count() as u64;
        let (found, later) = (scored(shift), scored(shift + 1_000));
        prop_assert_eq!(found.detected, in_time);
        prop_assert!(later.recall <= found.recall);
        let widest = KINDS.iter().map(|kind| kind.late_ms()).max().unwrap();
        let beyond = scored(widest + 1 + shift);
        prop_assert_eq!(beyond.recall, Some(0.0));
        prop_assert_eq!(beyond.precision.unwrap_or(0.0), 0.0);
    }

    /// forall runs: a true alert that comes again under another id changes neither recall nor
    /// precision, however often; only the share of alerts that are true may rise.
    #[test]
    fn repeating_true_alerts_gains_nothing(labels in labels(), alerts in alerts(), times in 1usize..4) {
        let mut run = Run::new().labels(labels).alerts(alerts);
        let before = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        let fates = matching::of(&before, &run.labels, &run.alerts).alerts;
        let of_true: Vec<CollectedAlert> = run.alerts.iter().zip(&fates)
            .filter(|(_, fate)| **fate == Fate::True).map(|(a, _)| a.clone()).collect();
        for n in 0..times {
            run.alerts.extend(of_true.iter().cloned().map(|mut again| {
                again.alert.id = format!("{}-again-{n}", again.alert.id);
                again
            }));
        }
        let after = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        prop_assert_eq!(after.overall.recall, before.overall.recall);
        prop_assert_eq!(after.overall.precision, before.overall.precision);
        prop_assert!(after.overall.alert_precision >= before.overall.alert_precision);
    }

    /// forall labels: a detector that alerts on each, with its kind, scores 1 on everything.
    #[test]
    fn a_perfect_detector_scores_one(labels in labels()) {
        let mut run = Run::new().labels(labels);
        run.alerts = run.labels.iter().map(|l| {
            let mut made = alert_of(l.kind, &format!("of-{}", l.id), &l.keys[0].id, l.start.0, l.start.0);
            made.alert.end = EventTime(l.start.0);
            made
        }).collect();
        let detection = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        for scores in detection.per_kind.values().chain([&detection.overall]) {
            if scores.labels > 0 {
                prop_assert_eq!(scores.recall, Some(1.0));
                prop_assert_eq!(scores.precision, Some(1.0));
                prop_assert_eq!(scores.f1, Some(1.0));
            }
        }
        prop_assert!(detection.missed.is_empty());
    }

    /// forall runs: every share lies in its interval, every interval in [0, 1], and the fates of the
    /// labels add up.
    #[test]
    fn figures_are_proportions(labels in labels(), alerts in alerts()) {
        let run = Run::new().labels(labels).alerts(alerts);
        let detection = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        for scores in detection.per_kind.values().chain([&detection.overall]) {
            for (value, interval) in [
                (scores.recall, scores.recall_interval),
                (scores.precision, scores.precision_interval),
            ] {
                prop_assert_eq!(value.is_some(), interval.is_some());
                if let (Some(value), Some([low, high])) = (value, interval) {
                    prop_assert!(0.0 <= low && low <= value && value <= high && high <= 1.0);
                }
            }
        }
        for baseline in detection.random_baseline_per_kind.values().chain([&detection.random_baseline]) {
            for share in [baseline.precision, baseline.recall, baseline.deduplicated_precision].into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&share), "{baseline:?}");
            }
        }
        let left_out = detection.truncated + detection.warm_up.labels;
        prop_assert_eq!(detection.overall.labels + left_out, run.labels.len() as u64);
        prop_assert_eq!(
            detection.missed.len() as u64,
            detection.overall.labels - detection.overall.detected
        );
    }

    /// forall runs, bounds: each label is in one class of lateness, and what was found in the classes adds up to what
    /// was found.
    #[test]
    fn classes_of_lateness_add_up(labels in labels(), alerts in alerts(), bound_ms in prop::option::of(0i64..3_000)) {
        let mut run = Run::new().labels(labels).alerts(alerts);
        run.record.watermark_bound_ms = bound_ms;
        let detection = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        let lateness = &detection.accuracy.lateness;
        let kinds = detection.per_kind.iter().filter(|(_, scores)| scores.labels > 0);
        let mut levels: Vec<_> = kinds.map(|(kind, scores)| (&lateness.per_kind[kind], scores)).collect();
        levels.push((&lateness.overall, &detection.overall));
        for (classes, scores) in levels {
            let all = [classes.on_time, classes.late, classes.beyond_watermark, classes.unknown];
            prop_assert_eq!(all.iter().map(|class| class.labels).sum::<u64>(), scores.labels);
            let found: u64 = all.iter().map(|class| class.detected).sum();
            prop_assert_eq!(scores.recall, (scores.labels > 0).then(|| found as f64 / scores.labels as f64));
            prop_assert!(bound_ms.is_some() || classes.beyond_watermark.labels == 0);
        }
    }

    /// forall runs: of an incident at least no event and at most all are seen before its alert, and every label is watched
    /// or unstated.
    #[test]
    fn events_seen_are_a_part_of_the_events(labels in labels(), alerts in alerts()) {
        let run = Run::new().labels(labels).alerts(alerts);
        let detection = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        if let Some(seen) = detection.accuracy.time_to_detect.events_seen {
            for delays in [&seen.events, &seen.share] {
                prop_assert_eq!(delays.found + delays.censored + seen.unstated, detection.overall.labels);
            }
            let shares = [seen.share.found_p50, seen.share.found_p90, seen.share.p50, seen.share.p90];
            prop_assert!(shares.into_iter().flatten().all(|share| (0.0..=1.0).contains(&share)));
        }
    }

    /// forall runs: the matching made again from a result adds up to the result's figures.
    #[test]
    fn the_matching_of_a_result_is_the_one_behind_it(labels in labels(), alerts in alerts()) {
        let run = Run::new().labels(labels).alerts(alerts);
        let detection = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        let matching = matching::of(&detection, &run.labels, &run.alerts);
        let alerts = |fate| matching.alerts.iter().filter(|f| **f == fate).count() as u64;
        let labels = |fate| matching.labels.iter().filter(|f| **f == fate).count() as u64;
        let overall = &detection.overall;
        prop_assert_eq!(alerts(Fate::True), overall.true_alerts);
        prop_assert_eq!(alerts(Fate::False), overall.alerts - overall.true_alerts);
        prop_assert_eq!(alerts(Fate::Ignored), detection.ignored);
        prop_assert_eq!(alerts(Fate::AfterEnd), detection.after_end);
        prop_assert_eq!(labels(LabelFate::Detected), overall.detected);
        prop_assert_eq!(labels(LabelFate::Truncated), detection.truncated);
    }

    /// forall runs: what comparisons of detectors rest on adds up to the result's counts.
    #[test]
    fn an_outcome_has_the_counts_of_its_result(labels in labels(), alerts in alerts()) {
        let run = Run::new().labels(labels).alerts(alerts);
        let detection = score(&run.record, &run.labels, &run.alerts, &[]).unwrap().detection;
        let outcome = outcome(&detection, &run.labels, &run.alerts);
        prop_assert_eq!(outcome.found.len() as u64, detection.overall.labels);
        let found = outcome.found.values().filter(|found| **found).count() as u64;
        prop_assert_eq!(found, detection.overall.detected);
        prop_assert_eq!(outcome.false_alerts.values().sum::<u64>(), detection.overall.false_merged);
    }

    /// forall files: scored without a run, every label and every alert counts.
    #[test]
    fn files_are_scored_whole(labels in labels(), alerts in alerts()) {
        let bare: Vec<_> = alerts.iter().map(|collected| collected.alert.clone()).collect();
        let detection = score_files(&labels, &bare, &Default::default(), None).unwrap();
        prop_assert_eq!(detection.overall.labels, labels.len() as u64);
        prop_assert_eq!(detection.overall.alerts, bare.len() as u64);
    }
}
