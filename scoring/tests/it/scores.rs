//! What a run scores: one claim per test.

use floodmark_contracts::{
    clock::{EventTime, RunMicros},
    key::{KeyType, TypedKey},
    kind::Kind,
    profile::scoring::GateFailure,
    resources::Usage,
    result::{Outcome, RunResult, ValidityStatus},
    stream::Stream,
};
use floodmark_scoring::score;

use crate::support::{Run, STARTED_AT, alert, alert_of, label};

fn scored(run: &Run) -> RunResult {
    score(&run.record, &run.labels, &run.alerts, &[]).unwrap()
}

/// Scores `run` and holds the overall line against `expected`, written as in a report.
fn check(run: &Run, expected: &str) {
    let detection = scored(run).detection;
    let scores = &detection.overall;
    let found = format!(
        "detected={}/{} true={}/{} false_merged={} ignored={}",
        scores.detected,
        scores.labels,
        scores.true_alerts,
        scores.alerts,
        scores.false_merged,
        detection.ignored
    );
    assert_eq!(found, expected);
}

fn spike() -> floodmark_contracts::label::Label {
    label("spike", Kind::SensorSpike, "s1", 100_000, 110_000)
}

#[test]
fn what_a_role_used_is_held_against_its_events_and_what_is_unknown_is_not_zero() {
    let mut run = Run::new();
    run.record.processes[2].usage = Usage {
        written_bytes: Some(4_000),
        run_delay_seconds: Some(0.5),
        ..Usage::default()
    };
    let metrics = scored(&run).metrics;
    let value = |name: &str| metrics[name].value;
    // 2,000 events were sent.
    assert_eq!(value("io.broker.written_per_million_events"), Some(2e6));
    assert_eq!(value("run_delay.broker.per_million_events"), Some(250.0));
    assert_eq!(value("io.broker.read_per_million_events"), None);
    assert_eq!(value("audit.lost"), None, "nobody has looked");
}

#[test]
fn alerts_ahead_of_their_end_are_counted_and_not_hidden() {
    let alerts = |ahead_us: i64| {
        let mut early = alert("early", "s1", 105_000, 105_000);
        early.appended_at = STARTED_AT.at(RunMicros(105_000_000 - ahead_us));
        scored(&Run::new().labels([spike()]).alerts([early])).warnings
    };
    let told = |warnings: Vec<String>| {
        warnings
            .iter()
            .any(|line| line.contains("by up to 25.0 ms"))
    };
    assert!(told(alerts(25_000)));
    // The append time is cut to whole milliseconds.
    let all = alerts(900);
    assert!(all.iter().all(|line| !line.contains("by up to")), "{all:?}");
}

#[test]
fn two_alerts_in_one_incident_detect_it_once() {
    let run = Run::new().labels([spike()]).alerts([
        alert("a", "s1", 101_000, 101_000),
        alert("b", "s1", 105_000, 105_000),
    ]);
    check(&run, "detected=1/1 true=2/2 false_merged=0 ignored=0");
    assert_eq!(scored(&run).detection.overall.precision, Some(1.0));
}

#[test]
fn the_tolerance_after_the_end_is_inclusive() {
    let late = 110_000 + Kind::SensorSpike.late_ms();
    let run = Run::new().labels([spike()]);
    let at = |t| run.clone().alerts([alert("a", "s1", t, t)]);
    check(&at(late), "detected=1/1 true=1/1 false_merged=0 ignored=0");
    check(
        &at(late + 1),
        "detected=0/1 true=0/1 false_merged=1 ignored=0",
    );
    check(
        &at(100_000),
        "detected=1/1 true=1/1 false_merged=0 ignored=0",
    );
    check(
        &at(99_999),
        "detected=0/1 true=0/1 false_merged=1 ignored=0",
    );
}

#[test]
fn the_tolerance_before_the_start_is_a_setting() {
    let mut run = Run::new()
        .labels([spike()])
        .alerts([alert("a", "s1", 95_000, 95_000)]);
    run.record.scoring.early = "5s".to_owned();
    check(&run, "detected=1/1 true=1/1 false_merged=0 ignored=0");
}

#[test]
fn a_window_that_overlaps_is_a_candidate_and_a_far_end_is_not_cut_off() {
    let run = Run::new()
        .labels([spike()])
        .alerts([alert("a", "s1", 60_000, 180_000)]);
    check(&run, "detected=1/1 true=1/1 false_merged=0 ignored=0");
}

#[test]
fn an_alert_over_the_whole_run_claims_only_its_last_five_minutes() {
    let labels = [
        spike(),
        label("last", Kind::SensorSpike, "s1", 800_000, 810_000),
    ];
    let run = Run::new()
        .labels(labels)
        .alerts([alert("a", "s1", 0, 1_000_000)]);
    check(&run, "detected=1/2 true=1/1 false_merged=0 ignored=0");
    assert_eq!(scored(&run).detection.missed, ["spike"]);
}

#[test]
fn half_of_the_listed_events_suffice_wherever_the_alert_stands() {
    let mut incident = spike();
    incident.event_ids = vec!["e1".into(), "e2".into()];
    let with = |ids: &[&str]| {
        let mut made = alert("a", "s1", 900_000, 900_000);
        made.alert.event_ids = ids.iter().map(ToString::to_string).collect();
        Run::new().labels([incident.clone()]).alerts([made])
    };
    check(
        &with(&["e1", "x"]),
        "detected=1/1 true=1/1 false_merged=0 ignored=0",
    );
    check(
        &with(&["e1", "x", "y"]),
        "detected=0/1 true=0/1 false_merged=1 ignored=0",
    );
    // A repeated id is one id.
    check(
        &with(&["e1", "e1", "x", "y"]),
        "detected=0/1 true=0/1 false_merged=1 ignored=0",
    );
}

#[test]
fn an_alert_on_another_key_is_false_and_counted_as_a_mismatch() {
    let other = alert_of(Kind::SensorSpike, "a", "s2", 105_000, 105_000);
    let run = Run::new().labels([spike()]).alerts([other]);
    check(&run, "detected=0/1 true=0/1 false_merged=1 ignored=0");
    assert_eq!(scored(&run).detection.key_mismatch, 1);
}

#[test]
fn any_key_of_a_label_will_do_but_its_type_must_agree() {
    let mut takeover = label("t", Kind::AccountTakeover, "u1", 100_000, 110_000);
    takeover.keys.push(TypedKey::new(KeyType::Device, "d1"));
    let on = |key_type, id: &str| {
        let mut made = alert("a", id, 105_000, 105_000);
        made.alert.key.key_type = key_type;
        Run::new().labels([takeover.clone()]).alerts([made])
    };
    let hit = "detected=1/1 true=1/1 false_merged=0 ignored=0";
    check(&on(KeyType::User, "u1"), hit);
    check(&on(KeyType::Device, "d1"), hit);
    check(
        &on(KeyType::Session, "u1"),
        "detected=0/1 true=0/1 false_merged=1 ignored=0",
    );
}

#[test]
fn candidates_of_left_out_labels_are_neither_true_nor_false() {
    let mut run = Run::new()
        .labels([
            label("warm", Kind::SensorSpike, "s1", 40_000, 60_000),
            label("cut", Kind::SensorSpike, "s2", 990_000, 995_000),
        ])
        .alerts([
            alert("a", "s1", 55_000, 55_000),
            alert("b", "s2", 992_000, 992_000),
            alert("c", "s1", 30_000, 30_000),
            alert("d", "s1", 999_000, 1_000_500),
        ]);
    run.record.warm_up_until = EventTime(50_000);
    check(&run, "detected=0/0 true=0/0 false_merged=0 ignored=2");
    let detection = scored(&run).detection;
    assert_eq!((detection.truncated, detection.after_end), (1, 1));
    assert_eq!((detection.warm_up.labels, detection.warm_up.alerts), (1, 1));
    assert_eq!(
        (detection.overall.recall, detection.overall.precision),
        (None, None)
    );
}

#[test]
fn an_interrupted_run_is_scored_up_to_where_it_was_stopped() {
    let mut run = Run::new()
        .labels([
            label("seen", Kind::SensorSpike, "s1", 4_000, 5_000),
            label("cut", Kind::SensorSpike, "s2", 28_000, 30_000),
            label("never-sent", Kind::SensorSpike, "s3", 100_000, 110_000),
        ])
        .alerts([
            alert("a", "s1", 4_500, 4_500),
            // The silence after the stop, which a detector of drop-outs cannot but report.
            alert("b", "s9", 31_000, 34_000),
        ]);
    run.record.phases[1].to = RunMicros(30_000_000);
    check(&run, "detected=1/3 true=1/2 false_merged=1 ignored=0");
    run.record.interrupted = true;
    check(&run, "detected=1/1 true=1/1 false_merged=0 ignored=0");
    let detection = scored(&run).detection;
    assert_eq!(detection.until, EventTime(30_000));
    assert_eq!((detection.truncated, detection.after_end), (2, 1));
    // One stopped while draining had all its events.
    run.record.phases[1].to = RunMicros(2_000_000_000);
    assert_eq!(scored(&run).detection.until, run.record.event_time_end);
}

#[test]
fn an_alert_over_two_labels_detects_both_and_is_told() {
    let labels = [
        spike(),
        label("next", Kind::LevelShift, "s1", 104_000, 120_000),
    ];
    let run = Run::new()
        .labels(labels)
        .alerts([alert("a", "s1", 105_000, 105_000)]);
    check(&run, "detected=2/2 true=1/1 false_merged=0 ignored=0");
    assert_eq!(scored(&run).detection.shared_alerts, 1);
}

#[test]
fn a_redelivered_alert_counts_once() {
    let twice = [
        alert("a", "s1", 105_000, 105_000),
        alert("a", "s1", 105_000, 105_000),
    ];
    let run = Run::new().labels([spike()]).alerts(twice);
    check(&run, "detected=1/1 true=1/1 false_merged=0 ignored=0");
    assert_eq!(scored(&run).detection.duplicates, 1);
}

#[test]
fn a_wrong_kind_is_a_miss_and_a_false_alarm_there() {
    let wrong = alert_of(Kind::StuckValue, "a", "s1", 105_000, 105_000);
    let run = Run::new().labels([spike()]).alerts([wrong]);
    let detection = scored(&run).detection;
    assert_eq!(detection.overall.recall, Some(1.0));
    let spikes = &detection.per_kind[&Kind::SensorSpike];
    assert_eq!((spikes.recall, spikes.precision), (Some(0.0), None));
    let stuck = &detection.per_kind[&Kind::StuckValue];
    assert_eq!((stuck.recall, stuck.precision), (None, Some(0.0)));
}

#[test]
fn alerts_without_a_kind_give_recall_per_kind_but_no_precision() {
    let run = Run::new()
        .labels([spike()])
        .alerts([alert("a", "s1", 105_000, 105_000)]);
    let spikes = scored(&run).detection.per_kind[&Kind::SensorSpike].clone();
    assert_eq!(
        (spikes.recall, spikes.precision, spikes.f1),
        (Some(1.0), None, None)
    );
}

#[test]
fn a_kind_outside_the_catalogue_is_wrong_and_told() {
    let mut foreign = alert("a", "s1", 105_000, 105_000);
    foreign.alert.kind = Some("weird".to_owned());
    let result = scored(&Run::new().labels([spike()]).alerts([foreign]));
    assert_eq!(
        result.detection.per_kind[&Kind::SensorSpike].recall,
        Some(0.0)
    );
    assert!(
        result
            .warnings
            .iter()
            .any(|w| w.contains("catalogue does not have"))
    );
}

#[test]
fn the_delay_is_from_the_start_to_the_first_alert_in_event_time() {
    let mut slow = alert("a", "s1", 103_000, 103_000);
    slow.appended_at.0 += 60_000_000;
    let run = Run::new()
        .labels([spike()])
        .alerts([slow, alert("b", "s1", 107_000, 107_000)]);
    assert_eq!(
        scored(&run).detection.overall.delay_median_ms,
        Some(3_000.0)
    );
}

#[test]
fn latency_of_an_alert_begins_at_its_end_and_of_a_detection_at_the_first_event() {
    let mut incident = spike();
    incident.first_sent = RunMicros(100_500_000);
    let mut made = alert("a", "s1", 60_000, 120_000);
    made.appended_at = STARTED_AT.at(RunMicros(121_250_000));
    let result = scored(&Run::new().labels([incident]).alerts([made]));
    let max = |name: &str| result.latency[name].percentiles["max"];
    // Histograms keep three digits.
    assert!(max("alert").abs_diff(1_250_000) < 2_000, "{}", max("alert"));
    assert!(
        max("detect").abs_diff(20_750_000) < 20_000,
        "{}",
        max("detect")
    );
}

#[test]
fn latency_of_an_alert_follows_event_time_at_its_speed() {
    let mut made = alert("a", "s1", 60_000, 120_000);
    made.appended_at = STARTED_AT.at(RunMicros(2_300_000));
    let mut run = Run::new().alerts([made]);
    run.record.timeline.speed = 60.0;
    let result = scored(&run);
    let found = result.latency["alert"].percentiles["max"];
    assert!(found.abs_diff(300_000) < 500, "{found}");
    assert!(
        result
            .warnings
            .iter()
            .any(|w| w.contains("60 times as fast"))
    );
}

#[test]
fn rates_are_over_the_time_in_which_events_were_due() {
    let result = scored(&Run::new());
    let rates = result.throughput[&Stream::Sensors];
    assert_eq!(
        (rates.offered, rates.sent, rates.consumed),
        (100.0, 100.0, Some(100.0))
    );
    assert_eq!(
        result.metrics["throughput.offered.sensors"].value,
        Some(100.0)
    );
    assert_eq!(
        result.metrics["cpu.subject.per_million_events"].value,
        Some(1000.0)
    );
}

#[test]
fn the_outcome_is_the_first_that_applies() {
    let failing = Run::new().gate("detection.recall >= 0.5", GateFailure::Fail);
    assert_eq!(scored(&Run::new()).outcome, Outcome::Passed);
    assert_eq!(scored(&failing).outcome, Outcome::GateFailed);
    let mut invalid = failing.clone();
    invalid.record.validity.status = ValidityStatus::Invalid;
    assert_eq!(scored(&invalid).outcome, Outcome::Invalid);
    let mut interrupted = invalid.clone();
    interrupted.record.interrupted = true;
    assert_eq!(scored(&interrupted).outcome, Outcome::Interrupted);
    let warned = scored(&Run::new().gate("detection.recall >= 0.5", GateFailure::Warn));
    assert_eq!(warned.outcome, Outcome::Passed);
    let spoilt = scored(&Run::new().gate("detection.recall >= 0.5", GateFailure::Invalid));
    assert_eq!(spoilt.outcome, Outcome::Invalid);
    let reason = spoilt.validity.reasons.last().unwrap();
    assert_eq!(
        (spoilt.validity.status, reason.code.as_str()),
        (ValidityStatus::Invalid, "gate-not-met")
    );
    assert!(warned.warnings[0].contains("detection.recall >= 0.5"));
}

#[test]
fn a_detector_that_is_always_on_scores_its_random_baseline() {
    // Ten sensors, one point alert a second on each, two incidents.
    let always = (0..10).flat_map(|s| {
        (0..1000).map(move |t| alert(&format!("{s}-{t}"), &format!("s{s}"), t * 1000, t * 1000))
    });
    let labels = [
        spike(),
        label("other", Kind::DropOut, "s4", 500_000, 540_000),
    ];
    let detection = scored(&Run::new().labels(labels).alerts(always)).detection;
    let (overall, baseline) = (&detection.overall, detection.random_baseline);
    let close = |got: Option<f64>, want: Option<f64>| {
        let (got, want) = (got.unwrap(), want.unwrap());
        assert!((got - want).abs() < 0.1 * want, "{got} is far from {want}");
    };
    assert_eq!(overall.recall, Some(1.0));
    close(baseline.recall, overall.recall);
    close(baseline.precision, overall.alert_precision);
    close(baseline.deduplicated_precision, overall.precision);
    assert!(
        overall.precision.unwrap() < 0.02,
        "always on must pay: {overall:?}"
    );
}

#[test]
fn no_alerts_score_recall_zero_and_no_precision() {
    let result = scored(&Run::new().labels([spike()]));
    let overall = &result.detection.overall;
    assert_eq!(
        (overall.recall, overall.precision, overall.f1),
        (Some(0.0), None, None)
    );
    assert_eq!(result.detection.random_baseline.recall, Some(0.0));
    assert_eq!(result.metrics["detection.precision"].value, None);
    assert_eq!(result.latency["alert"].count, 0);
}

#[test]
fn records_and_labels_that_no_run_leaves_are_refused() {
    type Spoil = fn(&mut Run);
    let cases: [(Spoil, &str); 7] = [
        (
            |run| run.record.timeline.speed = 0.0,
            "`0` as speed of event time",
        ),
        (
            |run| run.record.plan.duration = "soon".into(),
            "`soon` as duration of the plan",
        ),
        (
            |run| run.record.scoring.early = "x".into(),
            "scoring.early: `x`",
        ),
        (
            |run| run.labels.push(spike()),
            "label `spike` is there twice",
        ),
        (
            |run| run.labels[0].end = EventTime(0),
            "label `spike` ends before it starts",
        ),
        (|run| run.labels[0].keys.clear(), "label `spike` has no key"),
        (
            |run| {
                run.record
                    .generator
                    .get_mut(&Stream::Sensors)
                    .unwrap()
                    .send_lateness
                    .0
                    .push('!')
            },
            "latencies of the record cannot be read",
        ),
    ];
    for (spoil, expected) in cases {
        let mut run = Run::new().labels([spike()]);
        spoil(&mut run);
        let error = score(&run.record, &run.labels, &run.alerts, &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_result_survives_its_json_and_holds_no_nan() {
    let result = scored(
        &Run::new()
            .labels([spike()])
            .alerts([alert("a", "s1", 1, 1)]),
    );
    let json = serde_json::to_string(&result).unwrap();
    assert!(!json.contains("NaN"));
    assert_eq!(serde_json::from_str::<RunResult>(&json).unwrap(), result);
}
