//! Recall by how late the events of labels came, and how many of them had been sent when the alert came.

use floodmark_contracts::{
    accuracy::{Accuracy, ClassRecall, LatenessClasses},
    clock::RunMicros,
    kind::Kind,
    label::{EventOrder, Label},
};
use floodmark_scoring::{score, score_files};

use super::support::{Run, STARTED_AT, alert_of, label};

const SPIKE: Kind = Kind::SensorSpike;
const STUCK: Kind = Kind::StuckValue;

/// A label on a sensor of its own whose events were sent at these milliseconds after its start, with how they came.
fn made(number: i64, kind: Kind, sent_ms: &[i64], order: Option<(u64, u64)>) -> Label {
    let start = 100_000 + number * 100_000;
    let id = format!("L{number}");
    Label {
        event_ids: (0..sent_ms.len()).map(|n| format!("{id}-{n}")).collect(),
        event_sent: sent_ms
            .iter()
            .map(|ms| RunMicros((start + ms) * 1000))
            .collect(),
        order: order.map(|(on_time, behind_ms)| EventOrder { on_time, behind_ms }),
        ..label(&id, kind, &format!("s{number}"), start, start + 10_000)
    }
}

/// An alert on the label of this number, appended at this many milliseconds after its start.
fn appended(number: i64, kind: Kind, after_ms: i64) -> floodmark_contracts::alert::CollectedAlert {
    let start = 100_000 + number * 100_000;
    let (id, at) = (format!("A{number}-{after_ms}"), start + 1_000);
    let mut alert = alert_of(kind, &id, &format!("s{number}"), at, at);
    alert.appended_at = STARTED_AT.at(RunMicros((start + after_ms) * 1000));
    alert
}

fn accuracy(run: &Run) -> Accuracy {
    let result = score(&run.record, &run.labels, &run.alerts, &[]).unwrap();
    result.detection.accuracy
}

/// Detected and all labels of the classes: on time, late, beyond, unknown.
fn counts(classes: &LatenessClasses) -> [(u64, u64); 4] {
    let of = |class: ClassRecall| (class.detected, class.labels);
    [
        of(classes.on_time),
        of(classes.late),
        of(classes.beyond_watermark),
        of(classes.unknown),
    ]
}

/// Two spikes on time, three late by up to 5 s, one stuck value by 6 s, one drop-out without events, one of another tool.
fn eight() -> Run {
    Run::new()
        .labels([
            made(0, SPIKE, &[0, 1], Some((2, 0))),
            made(1, SPIKE, &[0], Some((1, 0))),
            made(2, SPIKE, &[0, 1, 2], Some((2, 5_000))),
            made(3, SPIKE, &[0, 1], Some((1, 400))),
            made(4, SPIKE, &[0, 1], Some((0, 4_999))),
            made(5, STUCK, &[0, 1], Some((0, 6_000))),
            made(6, Kind::DropOut, &[], None),
            Label {
                order: None,
                event_sent: Vec::new(),
                ..made(7, SPIKE, &[0], None)
            },
        ])
        .alerts([0, 1, 2, 7].map(|number| appended(number, SPIKE, 2_000)))
        // Another kind: found over all kinds, and not for its own.
        .alerts([appended(5, SPIKE, 2_000)])
}

#[test]
fn recall_is_split_by_the_latest_event_of_a_label() {
    let mut run = eight();
    run.record.watermark_bound_ms = Some(5_000);
    let result = score(&run.record, &run.labels, &run.alerts, &[]).unwrap();
    let lateness = &result.detection.accuracy.lateness;
    assert_eq!(lateness.bound_ms, Some(5_000));
    assert_eq!(counts(&lateness.overall), [(2, 2), (1, 3), (1, 1), (1, 2)]);
    let of_kind = |kind| counts(&lateness.per_kind[&kind]);
    assert_eq!(of_kind(SPIKE), [(2, 2), (1, 3), (0, 0), (1, 1)]);
    assert_eq!(of_kind(STUCK), [(0, 0), (0, 0), (0, 1), (0, 0)]);
    assert_eq!(of_kind(Kind::DropOut), [(0, 0), (0, 0), (0, 0), (0, 1)]);
    let late = lateness.overall.late;
    assert_eq!(late.recall, Some(1.0 / 3.0));
    // Wilson's interval of 1 of 3 at 95 %.
    let [low, high] = late.interval.unwrap();
    assert!(
        (low - 0.0615).abs() < 5e-4 && (high - 0.7923).abs() < 5e-4,
        "{low} {high}"
    );
    let metric = |name: &str| result.metrics[&format!("detection.recall.{name}")].clone();
    assert_eq!(metric("on_time").value, Some(1.0));
    assert_eq!(
        (metric("late").value, metric("late").interval),
        (late.recall, late.interval)
    );
    assert_eq!(metric("beyond_watermark").value, Some(1.0));
}

#[test]
fn without_a_bound_all_late_labels_are_one_class() {
    for bound_ms in [None, Some(-1)] {
        let mut run = eight();
        run.record.watermark_bound_ms = bound_ms;
        let result = score(&run.record, &run.labels, &run.alerts, &[]).unwrap();
        let lateness = &result.detection.accuracy.lateness;
        assert_eq!(lateness.bound_ms, None);
        assert_eq!(counts(&lateness.overall), [(2, 2), (2, 4), (0, 0), (1, 2)]);
        let beyond = &result.metrics["detection.recall.beyond_watermark"];
        assert_eq!((beyond.value, beyond.interval), (None, None));
    }
}

#[test]
fn events_are_seen_until_the_first_alert_is_appended() {
    let run = Run::new()
        .labels([
            // Two of four sent at 2 s, the last of them at that very instant; one came out of its order.
            made(0, SPIKE, &[0, 3_000, 2_000, 9_000], Some((3, 1_000))),
            made(1, SPIKE, &[0, 1_000], Some((2, 0))),
            made(2, SPIKE, &[0, 1_000, 2_000], Some((3, 0))),
            made(3, Kind::DropOut, &[], None),
        ])
        .alerts([
            appended(0, SPIKE, 8_000),
            appended(0, SPIKE, 2_000),
            appended(1, SPIKE, 1_500),
            appended(3, Kind::DropOut, 2_000),
        ]);
    let seen = accuracy(&run).time_to_detect.events_seen.unwrap();
    assert_eq!(seen.unstated, 1);
    let events = &seen.events;
    assert_eq!((events.found, events.censored), (2, 1));
    assert_eq!((events.found_p50, events.found_p90), (Some(2.0), Some(2.0)));
    // Two of three found at two events, the third watched until its third.
    let third = 1.0 / 3.0;
    let steps = |steps: &[[f64; 2]]| -> Vec<(f64, bool)> {
        let near = |step: &[f64; 2]| (step[0], (step[1] - third).abs() < 1e-12);
        steps.iter().map(near).collect()
    };
    assert_eq!(
        steps(&events.undetected),
        [(0.0, false), (2.0, true), (3.0, true)]
    );
    assert_eq!((events.p50, events.p90), (Some(2.0), None));
    let share = &seen.share;
    assert_eq!((share.found_p50, share.found_p90), (Some(0.75), Some(0.95)));
    assert_eq!((share.p50, share.p90), (Some(1.0), None));
}

#[test]
fn an_alert_before_all_events_has_seen_none() {
    let run = Run::new()
        .labels([made(0, SPIKE, &[3_000, 4_000], Some((2, 0)))])
        .alerts([appended(0, SPIKE, 1_000)]);
    let seen = accuracy(&run).time_to_detect.events_seen.unwrap();
    assert_eq!(
        (seen.events.found_p50, seen.share.p50),
        (Some(0.0), Some(0.0))
    );
}

#[test]
fn where_labels_or_wall_time_say_nothing_no_events_were_seen() {
    let silent = Run::new()
        .labels([
            label("L0", SPIKE, "s0", 100_000, 110_000),
            // A file that was cut: not every event has its time.
            Label {
                event_sent: vec![RunMicros(0)],
                ..made(1, SPIKE, &[0, 1], None)
            },
        ])
        .alerts([appended(0, SPIKE, 2_000)]);
    assert_eq!(accuracy(&silent).time_to_detect.events_seen, None);
    let run = eight();
    let alerts: Vec<_> = run.alerts.iter().map(|found| found.alert.clone()).collect();
    let found = score_files(&run.labels, &alerts, &run.record.scoring, None).unwrap();
    assert_eq!(found.accuracy.time_to_detect.events_seen, None);
    // The classes need no wall time.
    let overall = &found.accuracy.lateness.overall;
    assert_eq!(counts(overall), [(2, 2), (2, 4), (0, 0), (1, 2)]);
}

#[test]
fn labels_of_before_are_read_and_unknown_ones_are_left_as_they_are() {
    let old = label("L0", SPIKE, "s0", 100_000, 110_000);
    let text = serde_json::to_string(&old).unwrap();
    assert!(
        !text.contains("event_sent") && !text.contains("order"),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<Label>(&text).unwrap(), old);
    let new = made(0, SPIKE, &[0, 1], Some((1, 7)));
    let text = serde_json::to_string(&new).unwrap();
    assert_eq!(serde_json::from_str::<Label>(&text).unwrap(), new);
}
