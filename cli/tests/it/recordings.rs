//! What is sent without being generated: replays, collected clicks; and plans that are explained, not sent.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use floodmark_contracts::{alert::Alert, label::Label};
use serde_json::Value;

use crate::support::{floodmark, profile};

/// Exit code, standard output and standard error.
fn outcome(args: &[&str]) -> (i32, String, String) {
    let output = floodmark().args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_plan_is_explained_with_its_numbers_and_nothing_is_sent() {
    let path = profile("smoke");
    let path = path.to_str().unwrap();
    // Nothing listens there: if the broker were touched, it would be told.
    let given = [
        "explain",
        path,
        "--broker",
        "127.0.0.1:1",
        "--set",
        "streams.sensors.pad_bytes=300",
    ];
    let (code, text, errors) = outcome(&given);
    assert_eq!((code, errors.as_str()), (0, ""));
    for part in [
        "10500 events",
        "3 sensor-spike",
        "keyed by `sensor_id`",
        "sensor_id, value, timestamp",
        "300 a value",
        "gates         none",
        "faults        none",
        "--broker: broker = 127.0.0.1:1",
        "--set: streams.sensors.pad_bytes = 300",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let paused = profile("faults/broker-pause");
    let gate = "gates=[{ require: detection.recall >= 0.8, otherwise: warn }]";
    let (_, text, _) = outcome(&["explain", paused.to_str().unwrap(), "--set", gate]);
    for part in [
        "faults        {\"broker-pause\":",
        "gates         detection.recall >= 0.8 (warns)",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let (code, json, _) = outcome(&[given.as_slice(), &["--json"]].concat());
    let found: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, found["streams"][2]["slots"].as_u64()),
        (0, Some(3000))
    );
    let (code, _, errors) = outcome(&["explain", path, "--set", "streams.sensors.format=avro"]);
    assert_eq!(code, 78);
    assert!(
        errors.contains("streams.sensors.format: the bundled detector"),
        "{errors}"
    );
}

/// A benchmark's folder with one series and one window.
fn benchmark(folder: &Path) {
    std::fs::create_dir_all(folder.join("data/real")).unwrap();
    let rows: String = (0..60)
        .map(|minute| format!("2014-04-10 07:{minute:02}:00,{minute}\n"))
        .collect();
    std::fs::write(
        folder.join("data/real/pump.csv"),
        format!("timestamp,value\n{rows}"),
    )
    .unwrap();
    let windows =
        r#"{"real/pump.csv": [["2014-04-10 07:20:00.000000", "2014-04-10 07:25:00.000000"]]}"#;
    std::fs::write(folder.join("combined_windows.json"), windows).unwrap();
}

#[test]
fn a_replayed_benchmark_can_be_scored() {
    let dir = tempfile::tempdir().unwrap();
    benchmark(&dir.path().join("nab"));
    let at = |name: &str| dir.path().join(name).display().to_string();
    let source = format!("nab:{}", at("nab"));
    let (truth, sink) = (at("truth"), format!("file:{}", at("events")));
    let given = [
        "replay", &source, "--pace", "max", "--sink", &sink, "--out", &truth,
    ];
    let (code, _, errors) = outcome(&given);
    assert_eq!(code, 0, "{errors}");
    assert!(
        errors.contains("60 due, 60 sent, 60 acknowledged, 1 labels"),
        "{errors}"
    );
    let labels = std::fs::read_to_string(dir.path().join("truth/labels.ndjson")).unwrap();
    let label: Label = serde_json::from_str(labels.trim()).unwrap();
    let alert = Alert {
        id: "a".to_owned(),
        detector: "test".to_owned(),
        stream: None,
        kind: None,
        key: label.keys[0].clone(),
        start: label.start,
        end: label.start.plus_ms(60_000),
        score: None,
        event_ids: Vec::new(),
        emitted_at: None,
        evidence: std::collections::BTreeMap::new(),
    };
    for (shift_ms, found) in [(0, 1), (1_800_000, 0)] {
        let mut alert = alert.clone();
        (alert.start, alert.end) = (alert.start.plus_ms(shift_ms), alert.end.plus_ms(shift_ms));
        std::fs::write(
            dir.path().join("alerts.ndjson"),
            serde_json::to_string(&alert).unwrap(),
        )
        .unwrap();
        let (code, json, errors) = outcome(&[
            "score",
            "--json",
            "--alerts",
            &at("alerts.ndjson"),
            "--truth",
            &truth,
        ]);
        assert_eq!(code, 0, "{errors}");
        let detection: Value = serde_json::from_str(&json).unwrap();
        let number = |name: &str| detection["overall"][name].as_u64().unwrap();
        assert_eq!(
            (number("labels"), number("detected"), number("false_merged")),
            (1, found, 1 - found)
        );
    }
    // What is there is not written over.
    assert_eq!(outcome(&given).0, 2);
}

#[test]
fn what_cannot_be_replayed_ends_with_2_and_what_would_work() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().display().to_string();
    let nab = format!("nab:{empty}");
    for (given, expected) in [
        (
            vec!["tape:x"],
            "use `nab:DIR`, `csv:FILE`, `file:FILE` or `topic:NAME`",
        ),
        (vec!["topic:x"], "pass `--broker HOST:PORT`"),
        (
            vec!["file:/none/x.ndjson", "--sink", "null"],
            "pass `--stream`",
        ),
        (
            vec!["file:/none/sensors.ndjson", "--sink", "null"],
            "cannot read `/none/sensors.ndjson`",
        ),
        (
            vec!["csv:/none/x.csv", "--sink", "null"],
            "cannot read `/none/x.csv`",
        ),
        (
            vec![&nab, "--sink", "null"],
            "neither `combined_windows.json` nor",
        ),
        (vec![&nab, "--pace", "soon"], "use `as-was`"),
        (vec![&nab, "--kind", "odd"], "is no kind of anomaly"),
        (vec![&nab, "--origin", "noon"], "is no instant"),
    ] {
        let (code, _, errors) = outcome(&[&["replay"], given.as_slice()].concat());
        assert_eq!(code, 2, "{given:?}: {errors}");
        assert!(errors.contains(expected), "{given:?}: {errors}");
    }
}

#[test]
fn keys_stand_in_front_of_values_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tiny.yaml");
    let yaml = "name: tiny\nduration: 1s\nsubject: none\nstreams: { banking: { rate: 20/s, key: session_id } }\n";
    std::fs::write(&file, yaml).unwrap();
    let out = dir.path().join("out");
    let given = [
        "generate",
        file.to_str().unwrap(),
        "--sink",
        "stdout:keyed",
        "--out",
        out.to_str().unwrap(),
    ];
    let (code, text, errors) = outcome(&given);
    assert_eq!(code, 0, "{errors}");
    // Twenty events, and one for each of four partitions that closes the windows.
    assert_eq!(text.lines().count(), 24);
    for line in text.lines() {
        let (key, value) = line.split_once('\t').unwrap();
        let value: Value = serde_json::from_str(value).unwrap();
        assert_eq!(value["session_id"], key);
    }
}

/// A child that is ended with its test.
struct Running(Child);

impl Running {
    /// Starts the command, and gives what it says first.
    fn start(args: &[&str]) -> (Self, String) {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("floodmark"))
            .args(args)
            .env_remove("FLOODMARK_BROKER")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        (Self(child), line)
    }

    /// Asks it to end: its exit code and what it said to people.
    fn stop(mut self) -> (i32, String) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        let mut errors = String::new();
        self.0
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        (self.0.wait().unwrap().code().unwrap(), errors)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_collector_that_is_stopped_has_written_what_it_accepted() {
    let (_broker, line) = Running::start(&["broker"]);
    let bootstrap = line.split(' ').nth(1).unwrap();
    let given = [
        "collect",
        "--broker",
        bootstrap,
        "--listen",
        "127.0.0.1:0",
        "--topic",
        "t-clickstream-events",
    ];
    let (collector, line) = Running::start(&given);
    let address = line.trim().trim_start_matches("collector http://");
    let body = r#"{"user_id":"u","session_id":"s","sent_at":2,"events":[{"id":"5f0c9c26-7a42-4d1c-8f64-6b1ff2b0a001","at":1,"type":"click","page":"/"}]}"#;
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let (code, errors) = collector.stop();
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("/snippet.js\" defer></script>"), "{errors}");
    assert!(
        errors.contains("1 events accepted, 1 delivered, 0 given up"),
        "{errors}"
    );
    // What came in can be replayed like any other topic.
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (sink, out) = (format!("file:{}", at("events")), at("truth"));
    let given = [
        "replay",
        "topic:t-clickstream-events",
        "--broker",
        bootstrap,
        "--sink",
        &sink,
        "--out",
        &out,
    ];
    let (code, _, errors) = outcome(&given);
    assert_eq!(code, 0, "{errors}");
    let events = std::fs::read_to_string(dir.path().join("events/clickstream.ndjson")).unwrap();
    assert!(
        events.contains("\"user_id\":\"u\"") && events.lines().count() == 1,
        "{events}"
    );
}
