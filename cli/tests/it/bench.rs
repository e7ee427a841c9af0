//! The whole way through, on the embedded broker.
//!
//! These runs share a machine with everything else, so a run may end as invalid (98) for reasons of
//! timing. What is asserted does not depend on timing: labels, alerts, files and scores.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use floodmark_contracts::{
    alert::Alert,
    clock::{Clock, SystemClock},
    drain::DrainFigures,
    record::SeriesRow,
    result::{Outcome, RunResult},
    stream::Stream,
};

use crate::support::{Run, floodmark, profile};

/// What alerts depend on besides event time: how long a partition may be silent, and how long the last ones are waited
/// for. On a busy machine either can take a while.
const PATIENT: [&str; 4] = ["--set", "drain=60s", "--set", "detector.idleness=30s"];

/// A run of the profile `smoke`.
fn smoke(arguments: &[&str]) -> Run {
    Run::of_file(&profile("smoke"), &[arguments, &PATIENT].concat())
}

/// What the alerts of a run say.
fn alerts(run: &Run) -> BTreeSet<String> {
    run.alerts().iter().map(in_event_time).collect()
}

/// What an alert says, without when it was said.
fn in_event_time(alert: &Alert) -> String {
    let mut alert = alert.clone();
    alert.emitted_at = None;
    serde_json::to_string(&alert).unwrap()
}

#[test]
fn a_run_leaves_a_result_by_its_schema_and_everything_for_people() {
    let run = smoke(&[]);
    let result = run.result();
    assert_eq!(run.code == 98, result.outcome == Outcome::Invalid);
    let schema = include_str!("../../../docs/schema/result.json");
    let schema = serde_json::from_str(schema).unwrap();
    let value = serde_json::from_str(&run.text("result.json")).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&value)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());

    let labels = run.text("labels.ndjson").lines().count();
    assert!(labels > 0);
    let detection = &result.detection;
    let scored = detection.overall.labels + detection.truncated + detection.warm_up.labels;
    assert_eq!(
        scored as usize, labels,
        "every label is scored or accounted for"
    );
    for stream in result.throughput.values() {
        assert!(stream.acknowledged > 0.0);
    }
    assert!(run.text("report.html").contains("</html>"));
    assert!(run.text("summary.md").contains("recall"));
    assert!(run.text("latency.hlog").contains("Tag="));
    let pngs = std::fs::read_dir(&run.dir)
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|e| e == "png")
        })
        .count();
    assert!(pngs >= 2, "{pngs} plots");
}

#[test]
fn the_same_seed_gives_the_same_labels_and_alerts_and_another_seed_does_not() {
    let [first, second, other] = [&[][..], &[], &["--seed", "4711"]].map(smoke);
    assert_eq!(first.text("labels.ndjson"), second.text("labels.ndjson"));
    assert_eq!(alerts(&first), alerts(&second));
    assert_ne!(first.text("labels.ndjson"), other.text("labels.ndjson"));
    assert_eq!(fingerprints(&first), fingerprints(&second));
    assert_ne!(fingerprints(&first), fingerprints(&other));
}

/// Digests of the events of each stream.
fn fingerprints(run: &Run) -> Vec<String> {
    let record: serde_json::Value = serde_json::from_str(&run.text("record.json")).unwrap();
    record["generator"]
        .as_object()
        .unwrap()
        .values()
        .map(|facts| facts["fingerprint"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn several_generators_make_the_run_that_one_makes() {
    let [one, two] = [&[][..], &["--workers", "2"]].map(smoke);
    assert_eq!(fingerprints(&one), fingerprints(&two));
    for name in ["labels.ndjson", "enrichment.ndjson"] {
        assert_eq!(one.text(name), two.text(name), "{name}");
    }
    assert_eq!(alerts(&one), alerts(&two));
    let (expected, found) = (one.result(), two.result());
    let scores = |result: &RunResult| serde_json::to_value(&result.detection.overall).unwrap();
    assert_eq!(scores(&found), scores(&expected));
    let offered = |result: &RunResult| -> Vec<f64> {
        let streams = result.throughput.values();
        streams.map(|stream| stream.offered).collect()
    };
    assert_eq!(offered(&found), offered(&expected));
    // The verdict is on both workers: their rows make one series, with one value for each second.
    let due = |run: &Run| {
        let series = run.text("timeseries.ndjson");
        let rows = series
            .lines()
            .map(|line| serde_json::from_str::<SeriesRow>(line).unwrap());
        rows.filter(|row| row.metric == "due" && row.stream == Some(Stream::Sensors))
            // Seconds in which nothing was due stand there where acknowledgements came late.
            .filter(|row| row.value > 0.0)
            .map(|row| (row.t, row.value))
            .collect::<Vec<_>>()
    };
    assert_eq!(due(&two), due(&one));
    for worker in 0..2 {
        assert!(
            two.dir
                .join(format!("logs/generator-{worker}.log"))
                .exists()
        );
    }
    assert!(two.text("report.html").contains("--workers 2"));
}

#[test]
fn more_generators_than_partitions_are_refused_before_anything_starts() {
    let errors = floodmark()
        .args(["bench", "--workers", "3"])
        .arg(profile("smoke"))
        .assert()
        .code(2)
        .get_output()
        .stderr
        .clone();
    let errors = String::from_utf8_lossy(&errors).into_owned();
    assert!(
        errors.contains("3 senders") && errors.contains("no stream has more than 2"),
        "{errors}"
    );
}

#[test]
fn a_stream_over_several_topics_is_made_found_and_audited_whole() {
    let anomalies = "streams.sensors.anomalies=[level-shift: { count: 4, magnitude: 1 }, stuck-value: { count: 4, magnitude: 1 }]";
    let run = Run::of_file(
        &profile("machines"),
        &[
            "--set",
            "duration=12s",
            "--set",
            "warm_up=3s",
            "--set",
            anomalies,
        ],
    );
    let record = run.record();
    let facts = &record.generator[&Stream::Sensors];
    assert_eq!(
        facts.topics,
        ["sensor-pressure", "sensor-temperature", "sensor-vibration"]
    );
    // One event that closes each partition of each topic; the subject read all that there was.
    assert_eq!(facts.closing, 9);
    let consumed = record.subject_facts.consumed[&Stream::Sensors];
    assert_eq!(consumed, facts.acknowledged + facts.closing);
    let detection = run.result().detection;
    assert!(detection.overall.labels >= 6 && detection.overall.recall.unwrap() > 0.8);
    assert!(detection.overall.precision.unwrap() > 0.8);
}

#[test]
fn a_subject_that_never_alerts_has_a_recall_of_zero_and_no_precision() {
    let overall = smoke(&["--set", "subject=none"]).result().detection.overall;
    assert!(overall.labels > 0);
    assert_eq!(overall.recall, Some(0.0));
    assert_eq!(overall.precision, None);
}

#[test]
fn a_subject_that_always_alerts_has_a_precision_near_the_random_baseline() {
    let detection = smoke(&["--set", "subject=always"]).result().detection;
    let precision = detection.overall.precision.unwrap();
    assert!(precision < 0.2, "{precision}");
    let alert_precision = detection.overall.alert_precision.unwrap();
    let baseline = detection.random_baseline.precision.unwrap();
    assert!(
        (alert_precision - baseline).abs() < 0.1,
        "{alert_precision} against {baseline}"
    );
}

#[test]
fn scoring_the_facts_again_gives_the_same_result() {
    let run = smoke(&[]);
    let before = run.result();
    floodmark()
        .arg("score")
        .arg(&run.dir)
        .assert()
        .code(run.code);
    assert_eq!(run.result(), before);
}

#[test]
fn an_interrupted_run_ends_with_130_and_a_partial_result() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("run");
    let child = Command::new(env!("CARGO_BIN_EXE_floodmark"))
        .args(["bench", "--quiet", "--set", "duration=60s", "--out"])
        .arg(&dir)
        .arg(profile("smoke"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_alerts(&dir.join("alerts.ndjson"));
    Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    let status = { child }.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let text = std::fs::read_to_string(dir.join("result.json")).unwrap();
    let result: RunResult = serde_json::from_str(&text).unwrap();
    assert_eq!(result.outcome, Outcome::Interrupted);
    assert!(dir.join("report.html").exists());
}

/// Waits until the run has collected something.
fn wait_for_alerts(path: &Path) {
    let clock = SystemClock::new();
    while std::fs::metadata(path).map_or(0, |data| data.len()) == 0 {
        assert!(
            clock.monotonic_us() < 120_000_000,
            "no alert after two minutes"
        );
        clock.sleep(Duration::from_millis(50));
    }
}

/// The embedded broker by itself.
pub(crate) struct Broker {
    child: Child,
    pub(crate) bootstrap: String,
    registry: String,
}

impl Broker {
    pub(crate) fn start(dir: &Path) -> Self {
        let ready = dir.join("ready.json");
        let child = Command::new(env!("CARGO_BIN_EXE_floodmark"))
            .args(["broker", "--ready-file"])
            .arg(&ready)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let clock = SystemClock::new();
        let text = loop {
            match std::fs::read_to_string(&ready) {
                Ok(text) => break text,
                Err(_) => assert!(clock.monotonic_us() < 60_000_000, "the broker is not ready"),
            }
            clock.sleep(Duration::from_millis(10));
        };
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let address = |name: &str| value[name].as_str().unwrap().to_owned();
        Self {
            child,
            bootstrap: address("bootstrap"),
            registry: address("registry"),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn generate_detect_and_read_run_apart_give_the_alerts_of_a_bench() {
    let bench = smoke(&[]);
    let temporary = tempfile::tempdir().unwrap();
    let broker = Broker::start(temporary.path());
    let truth = temporary.path().join("truth");
    let cluster = [
        "--broker",
        &broker.bootstrap,
        "--registry",
        &broker.registry,
    ];
    floodmark()
        .args(["topics", "create"])
        .arg(profile("smoke"))
        .args(cluster)
        .assert()
        .success();
    floodmark()
        .arg("generate")
        .arg(profile("smoke"))
        .args(cluster)
        .arg("--out")
        .arg(&truth)
        .assert()
        // On a busy machine the load may have been late; the events are the same.
        .code(vec![0, 98]);
    // The detector gets the enrichment data and nothing else of what the generator left.
    let enrichment = temporary.path().join("enrichment.ndjson");
    std::fs::copy(truth.join("enrichment.ndjson"), &enrichment).unwrap();
    floodmark()
        .args(["detect", "--until-end", "--metrics", "0", "--enrichment"])
        .arg(&enrichment)
        .arg(profile("smoke"))
        .args(["--set", "detector.idleness=30s"])
        .args(cluster)
        .assert()
        .success();
    let read = floodmark()
        .args(["topics", "read", "--topic", "anomalies"])
        .arg(profile("smoke"))
        .args(cluster)
        .output()
        .unwrap();
    let placed = floodmark()
        .args(["topics", "read", "--topic", "anomalies", "--format", "json"])
        .arg(profile("smoke"))
        .args(cluster)
        .output()
        .unwrap();
    let values: Vec<String> = String::from_utf8(placed.stdout)
        .unwrap()
        .lines()
        .enumerate()
        .map(|(offset, line)| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                (&record["partition"], &record["offset"]),
                (&0.into(), &offset.into()),
                "{line}"
            );
            record["value"].as_str().unwrap().to_owned()
        })
        .collect();
    let lines: Vec<&str> = str::from_utf8(&read.stdout).unwrap().lines().collect();
    assert_eq!(values, lines, "another format, but the same records");
    let alerts_file = temporary.path().join("alerts.ndjson");
    std::fs::write(&alerts_file, &read.stdout).unwrap();
    let apart: BTreeSet<String> = String::from_utf8(read.stdout)
        .unwrap()
        .lines()
        .map(|line| in_event_time(&serde_json::from_str(line).unwrap()))
        .collect();
    assert_eq!(apart, alerts(&bench));
    assert_eq!(
        std::fs::read_to_string(truth.join("labels.ndjson")).unwrap(),
        bench.text("labels.ndjson")
    );
    drain_reads_everything_each_time(&cluster);
    let scored = floodmark()
        .args(["score", "--json", "--alerts"])
        .arg(&alerts_file)
        .arg("--truth")
        .arg(&truth)
        .output()
        .unwrap();
    let detection: serde_json::Value = serde_json::from_slice(&scored.stdout).unwrap();
    let whole = serde_json::to_value(bench.result().detection).unwrap();
    assert!(detection["overall"]["labels"].as_u64().unwrap() > 0);
    assert_eq!(detection["per_kind"], whole["per_kind"]);
}

/// Whatever other groups have read before.
fn drain_reads_everything_each_time(cluster: &[&str]) {
    let drain = || -> DrainFigures {
        let output = floodmark()
            .args(["drain", "--json"])
            .arg(profile("smoke"))
            .args(cluster)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (first, second) = (drain(), drain());
    assert!(first.events > 0 && first.alerts > 0, "{first:?}");
    assert_eq!(first.events, second.events);
    assert_eq!(first.alerts, second.alerts);
    assert!(first.cpu_seconds_per_million.unwrap() > 0.0);
    assert!(first.first_alert_seconds.unwrap() <= first.seconds.unwrap());
    assert!(first.peak_rss_bytes > 1 << 20);
}
