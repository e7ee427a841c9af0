//! The parts by themselves: generating into files, scoring files, reports again, schemas.

use std::path::Path;

use floodmark_contracts::{alert::Alert, label::Label};

use crate::support::{floodmark, profile};

/// Generates the profile `smoke` into files below `dir`.
fn generate(dir: &Path, seed: &str) {
    floodmark()
        .args([
            "generate",
            "--quiet",
            "--seed",
            seed,
            "--set",
            "duration=5s",
        ])
        .arg(profile("smoke"))
        .arg("--sink")
        .arg(format!("file:{}", dir.join("events").display()))
        .arg("--out")
        .arg(dir.join("truth"))
        .assert()
        .success()
        .stderr("");
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn the_same_seed_gives_the_same_files_and_another_seed_does_not() {
    let dirs = [
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    ];
    for (dir, seed) in dirs.iter().zip(["5", "5", "6"]) {
        generate(dir.path(), seed);
    }
    let read = |dir: &tempfile::TempDir, name: &str| text(&dir.path().join(name));
    for name in [
        "events/clickstream.ndjson",
        "events/sensors.ndjson",
        "truth/labels.ndjson",
        "truth/enrichment.ndjson",
    ] {
        assert_eq!(read(&dirs[0], name), read(&dirs[1], name), "{name}");
        assert_ne!(read(&dirs[0], name), read(&dirs[2], name), "{name}");
    }
    // 1000 events a second for five seconds, and one that closes the windows in each of two partitions.
    assert_eq!(
        read(&dirs[0], "events/clickstream.ndjson").lines().count(),
        5002
    );
}

/// The alert that a perfect detector would raise for the label.
fn perfect(label: &Label) -> String {
    let alert = Alert {
        id: format!("for-{}", label.id),
        detector: "perfect".to_owned(),
        stream: Some(label.stream),
        kind: Some(label.kind.name().to_owned()),
        key: label.keys[0].clone(),
        start: label.start,
        end: label.end,
        score: Some(1.0),
        event_ids: Vec::new(),
        emitted_at: None,
        evidence: std::collections::BTreeMap::new(),
    };
    serde_json::to_string(&alert).unwrap()
}

/// Scores `alerts` against the labels in `truth`: labels, found ones, false alerts.
fn score(truth: &Path, alerts: &[String]) -> (u64, u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alerts.ndjson");
    std::fs::write(&file, alerts.join("\n")).unwrap();
    let output = floodmark()
        .args(["score", "--json", "--alerts"])
        .arg(&file)
        .arg("--truth")
        .arg(truth)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let detection: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| detection["overall"][name].as_u64().unwrap();
    (number("labels"), number("detected"), number("false_merged"))
}

#[test]
fn scores_of_files_move_with_the_alerts() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), "5");
    let truth = dir.path().join("truth/labels.ndjson");
    let labels: Vec<Label> = text(&truth)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let all = labels.len() as u64;
    let mut alerts: Vec<String> = labels.iter().map(perfect).collect();
    assert_eq!(score(&truth, &alerts), (all, all, 0));
    let dropped = alerts.pop().unwrap();
    assert_eq!(score(&truth, &alerts), (all, all - 1, 0));
    // The same alert a day later finds nothing.
    let mut late: Alert = serde_json::from_str(&dropped).unwrap();
    (late.start, late.end) = (late.start.plus_ms(86_400_000), late.end.plus_ms(86_400_000));
    alerts.push(serde_json::to_string(&late).unwrap());
    assert_eq!(score(&truth, &alerts), (all, all - 1, 1));
}

#[test]
fn a_line_that_is_no_alert_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (alerts, truth) = (
        dir.path().join("alerts.ndjson"),
        dir.path().join("labels.ndjson"),
    );
    std::fs::write(&alerts, "{\"id\":\n").unwrap();
    std::fs::write(&truth, "").unwrap();
    let output = floodmark()
        .args(["score", "--alerts"])
        .arg(&alerts)
        .arg("--truth")
        .arg(&truth)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        errors.contains("line 1") && errors.contains("alerts.ndjson"),
        "{errors}"
    );
}

#[test]
fn a_schema_is_printed_by_name_and_an_unknown_one_is_refused() {
    let printed = floodmark().args(["schema", "alert"]).output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    let alert = least_alert();
    assert!(jsonschema::is_valid(&schema, &alert));
    floodmark().args(["schema", "nothing"]).assert().code(2);
}

/// An alert with as little in it as the schema asks for.
fn least_alert() -> serde_json::Value {
    serde_json::json!({
        "id": "1", "detector": "d", "key": {"type": "sensor", "id": "s"}, "start": 0, "end": 0
    })
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_floodmark"))
        .args(["generate", "--quiet", "--sink", "stdout", "--out"])
        .arg(dir.path().join("truth"))
        .arg(profile("smoke"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
