//! The load by itself: verdicts, workers, calibration, with real processes.
//!
//! Nothing here asserts that a run is valid: other work on the machine may make any run late. What is
//! asserted is that a load that cannot have been what was asked for is called so.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use floodmark_contracts::{
    calibration::Calibrations,
    clock::{Clock, SystemClock},
    record::{GeneratorFacts, SeriesRow},
    result::{Validity, ValidityStatus},
    stream::Stream,
};

use crate::support::{floodmark, profile};

/// A command in progress, killed if the test ends before it does.
struct Running(Child);

impl Running {
    fn generate(arguments: &[&str], out: &Path) -> Self {
        let child = Command::new(assert_cmd::cargo::cargo_bin("floodmark"))
            .args(["generate", "--quiet", "--sink", "null", "--out"])
            .arg(out)
            .args(arguments)
            .env("FLOODMARK_STATE", out.with_extension("state"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn code(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A profile with one stream at a rate, in a file.
fn steady(folder: &Path, stream: &str, rate: &str, duration: &str) -> PathBuf {
    let path = folder.join("steady.yaml");
    let text = format!(
        "name: steady\nduration: {duration}\nstreams:\n  {stream}:\n    rate: {rate}\n    partitions: 4\n    \
         population: {{ entities: 500 }}\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

fn rows(out: &Path) -> Vec<SeriesRow> {
    std::fs::read_to_string(out.join("generator-series.ndjson"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let clock = SystemClock::new();
    while !is_so() {
        assert!(clock.monotonic_us() < 60_000_000, "{what} within a minute");
        clock.sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_generator_that_is_stopped_for_two_seconds_is_invalid_in_those_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let yaml = steady(dir.path(), "clickstream", "2k/s", "9s");
    let mut running = Running::generate(&[yaml.to_str().unwrap()], &out);
    until("the third second", || {
        rows(&out).iter().any(|row| row.t == 3)
    });
    let clock = SystemClock::new();
    // Between these instants it surely stands still, however long a signal takes.
    running.signal("STOP");
    let stopped = clock.now();
    clock.sleep(Duration::from_secs(2));
    let continued = clock.now();
    running.signal("CONT");
    assert_eq!(running.code(), Some(98));

    let verdict: Validity = read(&out.join("verdict.json"));
    assert_eq!(verdict.status, ValidityStatus::Invalid);
    let late = verdict.reasons.iter().find(|r| r.code == "generator-late");
    let late = late.unwrap_or_else(|| panic!("{verdict:?}"));
    let facts: GeneratorFacts = read(&out.join("generator.json"));
    // Rows bear the second at which they end. A stop just before or after a second's end may leave it good.
    let second =
        |at: floodmark_contracts::clock::WallTime| at.offset_from(facts.started_at).0 as f64 / 1e6;
    let (from, to) = (second(stopped) + 0.1, second(continued) - 0.1);
    for t in from.ceil() as i64..=to.ceil() as i64 {
        assert!(late.seconds.contains(&t), "second {t}: {:?}", late.seconds);
    }
    assert!(late.seconds.iter().all(|t| *t >= 1), "{:?}", late.seconds);
    let stream = &facts.streams[&Stream::Clickstream];
    assert_eq!(
        (stream.due, stream.sent),
        (18_000, 18_000),
        "nothing was skipped"
    );
}

#[test]
fn more_than_a_machine_can_send_is_invalid_and_says_how_much_was_missing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    // So many that they are not sent within the second in which they are due.
    let yaml = steady(dir.path(), "clickstream", "2k/s", "600ms");
    let output = floodmark()
        .args([
            "generate",
            "--sink",
            "null",
            "--over-rate",
            "--rate",
            "10M/s",
            "--out",
        ])
        .arg(&out)
        .arg(yaml)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(98), "{errors}");
    assert!(
        errors.contains("invalid [rate-error]: clickstream"),
        "{errors}"
    );
    assert!(errors.contains("verdict: INVALID"), "{errors}");
    let facts: GeneratorFacts = read(&out.join("generator.json"));
    let window = facts.streams[&Stream::Clickstream].rate[0];
    assert_eq!(
        (window.due, window.sent + window.unsent),
        (6_000_000, 6_000_000)
    );
}

#[test]
fn several_processes_leave_what_one_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let smoke = profile("smoke");
    let run = |name: &str, arguments: &[&str]| -> (PathBuf, GeneratorFacts) {
        let out = dir.path().join(name);
        let mut running = Running::generate(
            &[&["--rate", "max", smoke.to_str().unwrap()], arguments].concat(),
            &out,
        );
        assert_eq!(running.code(), Some(0));
        let facts = read(&out.join("generator.json"));
        (out, facts)
    };
    let (one_out, one) = run("one", &[]);
    let (two_out, two) = run("two", &["--workers", "2", "--threads", "1"]);
    assert_eq!(one.streams.len(), two.streams.len());
    for (stream, expected) in &one.streams {
        let found = &two.streams[stream];
        assert_eq!(found.fingerprint, expected.fingerprint, "{stream}");
        assert_eq!(
            (found.sent, found.closing),
            (expected.sent, expected.closing)
        );
    }
    for name in ["labels.ndjson", "enrichment.ndjson"] {
        let text = |out: &Path| std::fs::read_to_string(out.join(name)).unwrap();
        assert_eq!(text(&one_out), text(&two_out), "{name}");
    }
    let sent: f64 = rows(&two_out)
        .iter()
        .filter(|row| row.metric == "sent")
        .map(|row| row.value)
        .sum();
    assert_eq!(
        sent,
        one.streams.values().map(|s| s.sent).sum::<u64>() as f64
    );
}

/// Process ids of those that have this text on their command line.
fn processes_with(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries
        .filter_map(|entry| {
            let id = entry.ok()?.file_name().into_string().ok()?;
            let line = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
            String::from_utf8_lossy(&line).contains(text).then_some(id)
        })
        .collect()
}

#[test]
fn workers_die_with_the_process_that_started_them() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let yaml = steady(dir.path(), "clickstream", "1k/s", "10m");
    let child = Command::new(assert_cmd::cargo::cargo_bin("floodmark"))
        .args([
            "generate",
            "--quiet",
            "--sink",
            "null",
            "--workers",
            "2",
            "--out",
        ])
        .arg(dir.path().join("out"))
        .arg(yaml)
        .env("TMPDIR", &work)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    // Their jobs are in the folder that only this run has.
    let jobs = work.to_str().unwrap();
    until("two workers", || processes_with(jobs).len() == 2);
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    until("no worker", || processes_with(jobs).is_empty());
}

#[test]
fn workers_that_cannot_be_are_refused_before_anything_is_sent() {
    let sensors = profile("sensors");
    for (arguments, expected) in [
        (&["--workers", "400"][..], "no stream has more than"),
        (&["--workers", "0"], "use 1 or more"),
        (
            &[
                "--worker-index",
                "4/4",
                "--start-at",
                "2030-01-01T00:00:00Z",
            ],
            "`0/4` for the first",
        ),
        (&["--worker-index", "0/2"], "--start-at"),
        (&["--start-at", "tomorrow"], "`2025-06-10T05:00:00Z`"),
        (
            &["--start-at", "2020-01-01T00:00:00Z"],
            "name one that is further ahead",
        ),
        (&["--count", "0"], "use 1 or more"),
        (&["--rate", "fast"], "is not a rate"),
        (
            &["--threads", "2", "--sink", "stdout"],
            "written by one thread",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let output = floodmark()
            .args(["generate", "--out"])
            .arg(dir.path().join("out"))
            .arg(&sensors)
            .args(arguments)
            .args(match arguments.contains(&"--sink") {
                true => &[][..],
                false => &["--sink", "null"],
            })
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_number_of_events_ends_the_run_with_the_last_of_them() {
    let dir = tempfile::tempdir().unwrap();
    for arrivals in ["constant", "poisson"] {
        let out = dir.path().join(arrivals);
        let yaml = steady(dir.path(), "clickstream", "500/s", "1s");
        let set = format!("streams.clickstream.arrivals={arrivals}");
        let arguments = ["--count", "1234", "--rate", "20k/s", "--set", &set];
        let mut running =
            Running::generate(&[&arguments[..], &[yaml.to_str().unwrap()]].concat(), &out);
        // The verdict depends on what else the machine does.
        assert!([Some(0), Some(98)].contains(&running.code()));
        let facts: GeneratorFacts = read(&out.join("generator.json"));
        assert_eq!(facts.streams[&Stream::Clickstream].sent, 1234, "{arrivals}");
    }
}

#[test]
fn a_load_above_what_the_machine_was_found_to_send_is_refused_with_the_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let smoke = profile("smoke");
    let calibrate = floodmark()
        .args(["calibrate", "--state"])
        .arg(&state)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&calibrate.stdout).into_owned();
    assert!(calibrate.status.success(), "{calibrate:?}");
    for stream in Stream::ALL {
        for to in ["into nothing: ", "into broker `embedded`: "] {
            assert!(text.contains(&format!("{stream} {to}")), "{text}");
        }
    }
    // A machine of our own making, so that nothing depends on this one's speed.
    let file = state.join("calibration.json");
    let mut kept: Calibrations = read(&file);
    assert_eq!(kept.entries.len(), 2);
    for entry in &mut kept.entries {
        assert!(entry.streams.values().all(|rate| *rate > 0.0), "{entry:?}");
        entry.streams.values_mut().for_each(|rate| *rate = 100.0);
    }
    std::fs::write(&file, serde_json::to_vec(&kept).unwrap()).unwrap();
    for command in [&["bench"][..], &["generate", "--sink", "null"]] {
        let output = floodmark()
            .args(command)
            .arg(&smoke)
            .arg("--out")
            .arg(dir.path().join("out"))
            .arg("--state")
            .arg(&state)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{errors}");
        assert!(errors.contains("was found to send"), "{errors}");
        assert!(errors.contains("--over-rate"), "{errors}");
        assert!(!dir.path().join("out").exists());
    }
    let mut tried = Running::generate(
        &[
            "--over-rate",
            "--for",
            "100ms",
            "--set",
            "warm_up=0s",
            "--state",
            state.to_str().unwrap(),
            steady(dir.path(), "clickstream", "1k/s", "1s")
                .to_str()
                .unwrap(),
        ],
        &dir.path().join("out"),
    );
    assert!([Some(0), Some(98)].contains(&tried.code()));
}

#[test]
fn workers_of_several_machines_are_put_together_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = steady(dir.path(), "clickstream", "2k/s", "1s");
    let start = jiff::Timestamp::now() + Duration::from_secs(8);
    let start = start.to_string();
    let worker = |index: &str, start: &str, out: &str| {
        let arguments = [
            "--worker-index",
            index,
            "--start-at",
            start,
            yaml.to_str().unwrap(),
        ];
        Running::generate(&arguments, &dir.path().join(out))
    };
    let later = (jiff::Timestamp::now() + Duration::from_secs(9)).to_string();
    let mut running = [
        worker("0/2", &start, "a"),
        worker("1/2", &start, "b"),
        worker("1/2", &later, "c"),
    ];
    for one in &mut running {
        assert!([Some(0), Some(98)].contains(&one.code()));
    }
    let merge = |second: &str, out: &str| {
        let output = floodmark()
            .args(["merge", "--out"])
            .arg(dir.path().join(out))
            .args([dir.path().join("a"), dir.path().join(second)])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), errors)
    };
    let (code, errors) = merge("b", "whole");
    assert!([Some(0), Some(98)].contains(&code), "{errors}");
    assert!(errors.contains("verdict: "), "{errors}");
    let facts: GeneratorFacts = read(&dir.path().join("whole/generator.json"));
    assert_eq!(facts.streams[&Stream::Clickstream].sent, 2000);
    assert!(dir.path().join("whole/labels.ndjson").exists());
    let (code, errors) = merge("c", "mixed");
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("did not start together"), "{errors}");
}

/// What the page at `http://HOST:PORT/PATH` says; none if nobody answers any more.
fn page(url: &str) -> Option<String> {
    let (address, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut connection = TcpStream::connect(address).ok()?;
    write!(connection, "GET /{path} HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    connection.read_to_string(&mut text).ok()?;
    Some(text)
}

/// The sum of a metric over all streams.
fn sum(page: &str, name: &str) -> f64 {
    let lines = page.lines().filter(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']))
    });
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[test]
fn metrics_show_all_workers_together_while_they_run() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let yaml = steady(dir.path(), "sensors", "2k/s", "30s");
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("floodmark"))
        .args([
            "generate",
            "--sink",
            "null",
            "--workers",
            "2",
            "--metrics",
            "0",
            "--out",
        ])
        .arg(&out)
        .arg(yaml)
        .env("FLOODMARK_STATE", dir.path().join("state"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut running = Running(child);
    let url = lines
        .find_map(|line| Some(line.unwrap().strip_prefix("metrics ")?.to_owned()))
        .unwrap();
    // Whoever stops reading would stop the one who writes.
    let rest = std::thread::spawn(move || lines.for_each(drop));
    until("more than a second of both workers", || {
        let Some(text) = page(&url) else { return false };
        let both = sum(&text, "floodmark_generator_processes") == 2.0;
        both && sum(&text, "floodmark_generator_sent_events_total") > 2_000.0
    });
    let last = page(&url).unwrap();
    // Each asks for about its partitions' part, and together they ask for the whole.
    let asked = sum(&last, "floodmark_generator_asked_events_per_second");
    assert!((1_500.0..2_500.0).contains(&asked), "{last}");
    running.signal("INT");
    assert_eq!(running.code(), Some(130));
    rest.join().unwrap();
    let facts: GeneratorFacts = read(&out.join("generator.json"));
    let sent = facts.streams[&Stream::Sensors].sent as f64;
    assert!(sum(&last, "floodmark_generator_sent_events_total") <= sent);
    assert!(page(&url).is_none(), "the page goes with the run");
}
