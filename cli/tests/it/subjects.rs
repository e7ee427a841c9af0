//! Detectors that are not ours: each does something wrong, and each time the run ends with a report that names it.
//!
//! The detector is `harness/examples/foreign_detector.rs`, which `cargo test` builds beside the tests. As in `bench`, nothing
//! that is asserted depends on how busy the machine is.

use std::path::{Path, PathBuf};

use floodmark_contracts::{
    record::{Ending, RunRecord},
    result::RunResult,
};

use crate::support::{Run, floodmark};

/// The foreign detector, beside the program under test.
fn detector() -> PathBuf {
    let program = assert_cmd::cargo::cargo_bin("floodmark");
    let path = program.parent().unwrap().join("examples/foreign_detector");
    assert!(
        path.exists(),
        "`{}` is built by `cargo test --workspace`",
        path.display()
    );
    path
}

/// A run of some seconds with this `subject:` section.
fn run(subject: &str, drain: &str) -> Run {
    let profile = format!(
        "name: foreign
seed: 5
duration: 6s
warm_up: 1s
drain: {drain}
event_time: {{ speed: 60 }}
streams:
  sensors:
    rate: 600/s
    partitions: 2
    population: {{ entities: 20 }}
    anomalies:
      - sensor-spike: {{ count: 20, magnitude: 8 }}
subject: {subject}
"
    );
    Run::of_text(&profile)
}

fn faulty(fault: &str) -> Run {
    let program = detector();
    let within = if fault == "never" { "3s" } else { "60s" };
    run(
        &format!(
            "{{ command: {{ run: ['{}', --fault, {fault}], name: foreign-{fault}, ready_within: {within} }} }}",
            program.display()
        ),
        "5s",
    )
}

#[test]
fn a_detector_that_is_not_ours_is_measured_as_ours_is() {
    let run = faulty("none");
    let (record, result) = (run.record(), run.result());
    assert_eq!(record.subject, "foreign-none");
    assert_eq!(record.ending, Ending::Completed);
    let overall = &result.detection.overall;
    assert_eq!(
        (overall.labels, overall.recall, overall.precision),
        (20, Some(1.0), Some(1.0))
    );
    let sent = record
        .generator
        .values()
        .map(|facts| facts.acknowledged + facts.closing);
    let consumed = record.subject_facts.consumed.values();
    assert_eq!(
        consumed.sum::<u64>(),
        sent.sum::<u64>(),
        "every event is accounted for"
    );
    let phases: Vec<&str> = result
        .phase_figures
        .iter()
        .map(|phase| phase.name.as_str())
        .collect();
    assert_eq!(
        (phases[0], phases.last().copied()),
        ("warm-up", Some("drain"))
    );
    assert!(result.steady.detected.is_some(), "{:?}", result.steady);
    assert_eq!(result.waterfall[0].alerts, 20);
    assert!(
        record
            .processes
            .iter()
            .any(|process| process.role == "subject")
    );
}

#[test]
fn one_that_sleeps_before_each_alert_shows_in_the_latency() {
    let run = faulty("sleep");
    // Twenty alerts within five seconds, half a second each: the later ones wait for the earlier ones too.
    let latency = run.result().latency["alert"].clone();
    assert!(latency.min_us.unwrap() >= 400_000, "{latency:?}");
}

#[test]
fn one_that_drops_every_tenth_alert_misses_every_tenth_incident() {
    let run = faulty("drop");
    let detection = run.result().detection;
    assert_eq!(
        (detection.overall.labels, detection.overall.detected),
        (20, 18)
    );
    assert_eq!(detection.missed.len(), 2);
}

#[test]
fn one_that_doubles_its_alerts_is_told_how_many() {
    let run = faulty("double");
    let detection = run.result().detection;
    assert_eq!((detection.duplicates, detection.overall.alerts), (20, 20));
    assert_eq!(
        detection.overall.precision,
        Some(1.0),
        "a copy is no false alert"
    );
}

#[test]
fn one_that_always_alerts_is_no_better_than_chance() {
    let run = faulty("always");
    let detection = run.result().detection;
    let (found, chance) = (
        detection.overall.alert_precision.unwrap(),
        detection.random_baseline.precision.unwrap(),
    );
    assert_eq!(detection.overall.recall, Some(1.0));
    assert!(
        (found - chance).abs() < 0.05,
        "{found} against {chance} by chance"
    );
}

#[test]
fn one_that_dies_ends_the_run_with_its_last_words() {
    let run = faulty("die");
    assert_eq!(run.code, 98);
    let record = run.record();
    assert_eq!(
        record.ending,
        Ending::SubjectDied("exit status: 3".to_owned())
    );
    let words = "cannot go on after 1000 readings";
    assert_eq!(record.subject_lines, [words]);
    assert!(
        run.reason("subject-died")
            .message
            .contains("exit status: 3")
    );
    assert!(run.text("report.html").contains(words));
}

#[test]
fn one_that_never_starts_is_waited_for_as_long_as_the_profile_says() {
    let run = faulty("never");
    assert_eq!(run.code, 98);
    let message = run.reason("subject-not-ready").message;
    assert!(
        message.contains("had 0 of 2 partitions within 3s"),
        "{message}"
    );
    assert_eq!(run.record().subject_lines, ["waiting for better times"]);
    assert_eq!(run.text("labels.ndjson"), "", "nothing was generated");
}

#[test]
fn one_that_goes_on_alerting_when_everything_is_read_is_told() {
    let run = faulty("trickle");
    assert_eq!(run.code, 98);
    let message = run.reason("alerts-after-drain").message;
    assert!(message.contains("alerts still came"), "{message}");
    assert!(!run.has("drain-too-short"));
}

#[test]
fn one_that_is_not_there_is_an_error_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("profile.yaml");
    let text = "name: x\nduration: 2s\nstreams: { sensors: { rate: 10/s } }\n\
        subject: { command: { run: [/nonexistent/detector] } }\n";
    std::fs::write(&file, text).unwrap();
    let output = floodmark()
        .args(["bench", "--quiet"])
        .arg(&file)
        .arg("--out")
        .arg(dir.path().join("run"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("`/nonexistent/detector`"), "{errors}");
}

#[test]
fn one_that_writes_garbage_is_told_how_much() {
    let run = faulty("garbage");
    let reason = run.reason("alerts-not-understood");
    assert!(
        reason.message.starts_with("20 records"),
        "{}",
        reason.message
    );
    assert_eq!(run.result().detection.overall.recall, Some(0.0));
}

#[test]
fn one_that_alerts_on_what_has_not_come_yet_is_found_out() {
    let run = faulty("future");
    let reason = run.reason("alerts-before-their-time");
    assert!(
        reason.message.starts_with("20 of 20 alerts"),
        "{}",
        reason.message
    );
}

#[test]
fn one_that_floods_ends_with_a_verdict() {
    let run = faulty("flood");
    let reason = run.reason("alerts-flood");
    let record = run.record();
    let alerts = format!("{} alerts came from", record.collector.alerts);
    assert!(reason.message.starts_with(&alerts), "{}", reason.message);
    let sent: u64 = record
        .generator
        .values()
        .map(|facts| facts.acknowledged)
        .sum();
    assert!(
        record.collector.alerts > 5 * sent,
        "{} of {sent}",
        record.collector.alerts
    );
}

#[test]
fn a_detectors_own_shape_of_alerts_is_read_through_a_mapping() {
    let program = detector();
    // The same alerts, read as if they were somebody's own shape.
    let run = run(
        &format!(
            "{{ command: {{ run: ['{}'], alerts: [ {{ topic: anomalies, shape: {{ mapping: {{
                key: {{ type: sensor, id: '{{key.id}}' }}, end: '{{end}}', id: '{{id}}', detector: '{{detector}}' }} }} }} ] }} }}",
            program.display()
        ),
        "5s",
    );
    let overall = run.result().detection.overall;
    assert_eq!(
        (overall.labels, overall.recall, overall.precision),
        (20, Some(1.0), Some(1.0))
    );
    assert!(!run.has("alerts-not-understood"));
}

#[test]
fn a_run_ends_at_its_time_limit() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("profile.yaml");
    let text = "name: long\nduration: 10m\ntime_limit: 3s\nstreams: { sensors: { rate: 100/s, anomalies: [ sensor-spike: { count: 1 } ] } }\n";
    std::fs::write(&file, text).unwrap();
    let out = dir.path().join("run");
    let output = floodmark()
        .args(["bench", "--quiet"])
        .arg(&file)
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(98), "{errors}");
    let record: RunRecord = read(&out.join("record.json"));
    assert_eq!(record.ending, Ending::TimeLimit);
    let result: RunResult = read(&out.join("result.json"));
    assert!(
        result
            .validity
            .reasons
            .iter()
            .any(|reason| reason.code == "time-limit")
    );
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
