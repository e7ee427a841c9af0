//! Detectors as jobs: real processes that are listed, stopped, killed and resumed, and the page that each has.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use floodmark_contracts::clock::{Clock, SystemClock};
use serde_json::Value;

use crate::{bench::Broker, support::floodmark};

/// Readings that the profile generates.
const READINGS: u64 = 1202;

/// A broker with the readings of a small profile, and a folder of jobs.
struct Plant {
    folder: tempfile::TempDir,
    broker: Broker,
    children: Vec<Child>,
}

impl Plant {
    fn new(detector: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(folder.path());
        let text = format!(
            "name: plant\nduration: 2s\nwarm_up: 1s\nevent_time: {{ speed: 60, origin: \"2025-06-10T05:00:00Z\" }}\n\
             streams:\n  sensors:\n    rate: 600/s\n    partitions: 2\n    population: {{ entities: 20 }}\n    \
             anomalies:\n      - sensor-spike: {{ count: 4, magnitude: 1 }}\n\
             detector: {detector}\n"
        );
        std::fs::write(folder.path().join("plant.yaml"), text).unwrap();
        let plant = Self {
            folder,
            broker,
            children: Vec::new(),
        };
        plant.command(&["topics", "create"]).assert().success();
        let out = plant.path("generated");
        let generate = ["generate", "--out", out.to_str().unwrap()];
        plant.command(&generate).assert().code(vec![0, 98]);
        plant
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command about the profile on the broker.
    fn command(&self, args: &[&str]) -> assert_cmd::Command {
        let mut command = floodmark();
        command
            .args(args)
            .arg(self.path("plant.yaml"))
            .args(["--broker", &self.broker.bootstrap]);
        command
    }

    /// Starts a detector and gives its name, once it is at work.
    fn detect(&mut self, args: &[&str]) -> Value {
        let log = std::fs::File::create(self.path("detect.log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_floodmark"))
            .arg("detect")
            .arg(self.path("plant.yaml"))
            .args(["--broker", &self.broker.bootstrap, "--metrics", "0"])
            .args(args)
            .env("FLOODMARK_STATE", self.path("state"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let pid = child.id();
        self.children.push(child);
        self.until("the detector has read everything", |job| {
            job["pid"] == pid && read(job) == READINGS && job["status"]["phase"] == "running"
        })
    }

    /// `floodmark jobs ARGS`: exit code, standard output and standard error.
    fn jobs(&self, args: &[&str]) -> (i32, String, String) {
        let output = floodmark()
            .arg("jobs")
            .args(args)
            .env("FLOODMARK_STATE", self.path("state"))
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        (code, text(output.stdout), text(output.stderr))
    }

    fn listed(&self) -> Vec<Value> {
        let (code, lines, error) = self.jobs(&["list", "--json"]);
        assert_eq!(code, 0, "{error}");
        let jobs = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        jobs.collect()
    }

    /// Waits for a job that is so.
    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let clock = SystemClock::new();
        loop {
            let jobs = self.listed();
            if let Some(job) = jobs.iter().find(|job| is_so(job)) {
                return job.clone();
            }
            let log = std::fs::read_to_string(self.path("detect.log")).unwrap_or_default();
            assert!(
                clock.monotonic_us() < 60_000_000,
                "{what}: {jobs:#?}\n{log}"
            );
            clock.sleep(Duration::from_millis(20));
        }
    }

    /// Committed alerts on the topic.
    fn alerts(&self) -> usize {
        let mut read = self.command(&["topics", "read", "--topic", "anomalies"]);
        let output = read.output().unwrap();
        output.stdout.iter().filter(|byte| **byte == b'\n').count()
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Those that were resumed are nobody's children.
        for job in self.listed() {
            if job["condition"] == "running" {
                signal(&job, "KILL");
            }
        }
    }
}

fn signal(job: &Value, name: &str) {
    let pid = job["pid"].to_string();
    let _ = Command::new("kill")
        .args([&format!("-{name}"), &pid])
        .status();
}

fn read(job: &Value) -> u64 {
    job["status"]["streams"]["sensors"]["consumed"]
        .as_u64()
        .unwrap_or(0)
}

/// Status code and body of a page.
fn get(job: &Value, path: &str) -> (u16, String) {
    let address = job["url"].as_str().unwrap().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

fn exactly_once(state: &Path) -> String {
    format!(
        "{{ commit_interval: 50ms, delivery: {{ exactly-once: {{ snapshots: \"{}\", snapshot_interval: 1h }} }} }}",
        state.display()
    )
}

#[test]
fn a_job_is_listed_stopped_with_a_snapshot_and_resumed_where_it_was() {
    let snapshots = tempfile::tempdir().unwrap();
    let mut plant = Plant::new(&exactly_once(snapshots.path()));
    let job = plant.detect(&[]);
    assert_eq!(job["id"], "floodmark-detector-0");
    for (path, expected) in [
        ("/healthz", "ok\n"),
        ("/readyz", "ok\n"),
        ("/", "4 partitions"),
        (
            "/metrics",
            "floodmark_detector_consumed_records_total{stream=\"sensors\"} 1202",
        ),
        ("/status.json", "\"delivery\":\"exactly-once\""),
    ] {
        let (code, body) = get(&job, path);
        assert_eq!(code, 200, "{path}: {body}");
        assert!(body.contains(expected), "{path}: {body}");
    }
    assert_eq!(get(&job, "/nothing").0, 404);
    let (_, table, _) = plant.jobs(&["list"]);
    assert!(table.contains("floodmark-detector-0  running"), "{table}");

    let (code, line, error) = plant.jobs(&["stop", "--snapshot", "floodmark-detector-0"]);
    assert_eq!(code, 0, "{error}");
    // Before its end, what it has read may be ahead of what it has committed.
    let alerts = plant.alerts();
    assert!(alerts > 0, "{job:#?}");
    let expected = format!("stopped `floodmark-detector-0` with a snapshot, {alerts} alerts\n");
    assert_eq!(line, expected);
    assert_eq!(plant.children[0].wait().unwrap().code(), Some(0));
    let stopped = &plant.listed()[0];
    assert_eq!(stopped["condition"], "stopped");
    let (code, _, error) = plant.jobs(&["stop", "floodmark-detector-0"]);
    assert!(code == 2 && error.contains("it is stopped"), "{error}");

    let (code, line, error) = plant.jobs(&["resume", "floodmark-detector-0"]);
    assert_eq!(code, 0, "{error}");
    assert!(
        line.starts_with("resumed `floodmark-detector-0` as process "),
        "{line}"
    );
    let resumed = plant.until("the resumed one runs", |job| {
        job["status"]["phase"] == "running" && job["status"]["partitions"][1]["at_end"] == true
    });
    assert_ne!(resumed["pid"], stopped["pid"]);
    // The snapshot holds everything: nothing is read again, and no alert comes twice.
    assert_eq!((read(&resumed), plant.alerts()), (0, alerts));
    assert!(resumed["status"]["streams"]["sensors"]["state"]["keys"].as_u64() >= Some(20));
    let (code, _, error) = plant.jobs(&["resume", "floodmark-detector-0"]);
    assert!(code == 2 && error.contains("still runs"), "{error}");

    signal(&resumed, "KILL");
    let gone = plant.until("the killed one is gone", |job| job["condition"] == "gone");
    assert_eq!(gone["status"], Value::Null);
    let (code, _, error) = plant.jobs(&["forget", "floodmark-detector-0"]);
    assert_eq!((code, plant.listed().len()), (0, 0), "{error}");
}

#[test]
fn a_job_that_keeps_no_snapshots_is_stopped_without_one_only() {
    let mut plant = Plant::new("{ commit_interval: 50ms }");
    let job = plant.detect(&["--slot", "3"]);
    let (code, _, error) = plant.jobs(&["stop", "--snapshot", &job["pid"].to_string()]);
    assert!(code == 2 && error.contains("keeps no snapshots"), "{error}");
    // A port that was asked for and is taken is an error, whoever has it.
    let port = job["url"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    let taken = plant
        .command(&["detect", "--metrics", &port])
        .output()
        .unwrap();
    let error = String::from_utf8(taken.stderr).unwrap();
    assert_eq!(taken.status.code(), Some(2), "{error}");
    assert!(
        error.contains(&format!("could not listen on `127.0.0.1:{port}`")),
        "{error}"
    );

    let (code, line, error) = plant.jobs(&["stop", "floodmark-detector-3"]);
    assert_eq!(code, 0, "{error}");
    assert!(
        line.starts_with("stopped `floodmark-detector-3`, "),
        "{line}"
    );
    let (code, _, error) = plant.jobs(&["resume", "another"]);
    assert!(
        code == 2 && error.contains("there are `floodmark-detector-3`"),
        "{error}"
    );
}
