//! Runs into sinks, on a clock that the test owns.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, WallTime},
    histogram::EncodedHistogram,
    job::{Connection, GeneratorJob, GeneratorSection, Pace, Start, WorkerShare},
    label::Label,
    record::{GeneratorFacts, SeriesRow},
    stream::Stream,
};
use floodmark_generator::{
    GenerateError, Measured, Progress, SchemaIds, SinkChoice, closing_events, fingerprint, merge,
    run, speed,
};

use super::fixture::{ALL, all_events, decode, resolved, section};

/// A clock that stands still but for sleeps, each of which takes as long as it should, and once a
/// stall longer.
pub struct HandClock {
    now_us: AtomicI64,
    stall_at_us: i64,
    stall_us: AtomicI64,
}

impl HandClock {
    pub fn new() -> Self {
        Self {
            now_us: AtomicI64::new(1_000),
            stall_at_us: 0,
            stall_us: AtomicI64::new(0),
        }
    }

    /// The first sleep that ends after `at` takes `longer`.
    pub fn stalling(at: Duration, longer: Duration) -> Self {
        Self {
            stall_at_us: at.as_micros() as i64,
            stall_us: AtomicI64::new(longer.as_micros() as i64),
            ..Self::new()
        }
    }
}

impl Clock for HandClock {
    fn now(&self) -> WallTime {
        WallTime(1_700_000_000_000_000 + self.monotonic_us())
    }

    fn monotonic_us(&self) -> i64 {
        self.now_us.load(Ordering::SeqCst)
    }

    fn sleep(&self, span: Duration) {
        let now = self
            .now_us
            .fetch_add(span.as_micros() as i64, Ordering::SeqCst);
        if now >= self.stall_at_us {
            self.now_us
                .fetch_add(self.stall_us.swap(0, Ordering::SeqCst), Ordering::SeqCst);
        }
    }
}

fn sensors_only() -> GeneratorSection {
    let mut section = section(ALL);
    section.streams.clickstream = None;
    section.streams.banking = None;
    section
}

pub fn job(section: GeneratorSection, out: &Path) -> GeneratorJob {
    GeneratorJob {
        section,
        connection: Connection {
            bootstrap: "127.0.0.1:1".into(),
            properties: BTreeMap::new(),
            registry: None,
        },
        topics: BTreeMap::from([(Stream::Sensors, vec!["prefix.sensor-data_2".to_owned()])]),
        out: out.to_owned(),
        pace: Pace::Schedule,
        worker: WorkerShare::default(),
        threads: 1,
        start: Start::Ready,
        counts: None,
        skews: Vec::new(),
    }
}

fn check_run(job: &GeneratorJob, choice: &SinkChoice, clock: &HandClock) -> GeneratorFacts {
    run(job, choice, clock, &AtomicBool::new(false), &mut |_| {}).unwrap()
}

fn highest(histogram: &EncodedHistogram) -> u64 {
    histogram.decoded().unwrap().max()
}

fn series(out: &Path, metric: &str) -> Vec<f64> {
    let text = fs::read_to_string(out.join("generator-series.ndjson")).unwrap();
    let rows = text
        .lines()
        .map(|line| serde_json::from_str::<SeriesRow>(line).unwrap());
    rows.filter(|row| row.metric == metric)
        .map(|row| row.value)
        .collect()
}

#[test]
fn a_run_sends_all_on_time_and_accounts_for_it() {
    let out = tempfile::tempdir().unwrap();
    let job = job(sensors_only(), out.path());
    let plan = resolved(job.section.clone());
    let facts = check_run(&job, &SinkChoice::Null, &HandClock::new());
    let found = &facts.streams[&Stream::Sensors];
    let events = all_events(&plan, Stream::Sensors).len() as u64;
    assert_eq!(
        (found.due, found.sent, found.acknowledged),
        (events, events, events)
    );
    assert_eq!((found.failed, found.queue_full, found.closing), (0, 0, 3));
    assert_eq!(found.topics, ["prefix.sensor-data_2"]);
    assert_eq!(
        Some(&found.fingerprint),
        fingerprint(&plan, Stream::Sensors).as_ref()
    );
    assert!(found.disorder.disordered > 0 && found.disorder.max_delay_ms <= 2000);
    // The shortest sleep is the most that anything can be late on a clock without jitter.
    assert!(
        highest(&found.send_lateness) <= 101,
        "{}",
        highest(&found.send_lateness)
    );
    assert_eq!(series(out.path(), "due").iter().sum::<f64>(), events as f64);
    assert_eq!(
        series(out.path(), "sent").iter().sum::<f64>(),
        events as f64
    );
    let written: GeneratorFacts =
        serde_json::from_slice(&fs::read(out.path().join("generator.json")).unwrap()).unwrap();
    assert_eq!(written, facts);
}

#[test]
fn a_stall_shows_as_lateness_and_the_schedule_does_not_move() {
    let out = tempfile::tempdir().unwrap();
    let job = job(sensors_only(), out.path());
    let clock = HandClock::stalling(Duration::from_secs(5), Duration::from_secs(2));
    let facts = check_run(&job, &SinkChoice::Null, &clock);
    let found = &facts.streams[&Stream::Sensors];
    assert_eq!(found.sent, found.due);
    assert!((1_980_000..2_010_000).contains(&highest(&found.send_lateness)));
    // Due by the schedule all the time, sent not at all in the sixth second, and caught up after.
    let (due, sent) = (series(out.path(), "due"), series(out.path(), "sent"));
    assert!(
        due[4..8]
            .iter()
            .all(|count| (540.0..=660.0).contains(count)),
        "{due:?}"
    );
    assert_eq!(sent[5], 0.0);
    assert!(sent[6] > 1100.0 || sent[7] > 1100.0, "{sent:?}");
    assert_eq!(due.iter().sum::<f64>(), sent.iter().sum::<f64>());
    // The seconds of events that were due piled up; by the end of the ten seconds all of the window's
    // were sent in time.
    let unsent = series(out.path(), "unsent");
    assert!((540.0..=660.0).contains(&unsent[5]), "{unsent:?}");
    assert_eq!((unsent[3], unsent[9]), (0.0, 0.0));
    assert!(
        found.rate.iter().all(|window| window.unsent <= 1),
        "{:?}",
        found.rate
    );
    assert_eq!(found.rate.iter().map(|w| w.due).sum::<u64>(), found.due);
    // On this sink an event is acknowledged when it is sent, so it waited as long as it was late.
    assert_eq!(
        highest(&found.due_to_acknowledged),
        highest(&found.send_lateness)
    );
    assert_eq!(highest(&found.acknowledge_latency), 0);
}

#[test]
fn a_sender_that_stops_for_long_is_short_in_the_ten_seconds_that_end_meanwhile() {
    let out = tempfile::tempdir().unwrap();
    let job = job(sensors_only(), out.path());
    let clock = HandClock::stalling(Duration::from_secs(9), Duration::from_secs(3));
    let facts = check_run(&job, &SinkChoice::Null, &clock);
    let errors: Vec<f64> = facts.streams[&Stream::Sensors]
        .rate
        .iter()
        .filter_map(floodmark_contracts::record::RateWindow::error)
        .collect();
    // One of the first ten seconds is missing at their end.
    assert!((0.08..0.12).contains(&errors[0]), "{errors:?}");
    assert!(errors[1] < 0.001, "{errors:?}");
}

#[test]
fn at_the_highest_rate_the_same_events_are_sent_without_waiting() {
    let out = tempfile::tempdir().unwrap();
    let mut job = job(sensors_only(), out.path());
    let paced = check_run(&job, &SinkChoice::Null, &HandClock::new());
    job.pace = Pace::Max;
    let clock = HandClock::new();
    let facts = check_run(&job, &SinkChoice::Null, &clock);
    let (found, paced) = (
        &facts.streams[&Stream::Sensors],
        &paced.streams[&Stream::Sensors],
    );
    assert_eq!(found.fingerprint, paced.fingerprint);
    assert_eq!((found.due, found.sent), (paced.sent, paced.sent));
    assert_eq!(highest(&found.send_lateness), 0);
    // Nothing slept but for the start.
    assert!(clock.monotonic_us() < 200_000, "{}", clock.monotonic_us());
}

#[test]
fn workers_that_do_not_fit_the_plan_are_refused_with_the_numbers() {
    let out = tempfile::tempdir().unwrap();
    for (index, of, threads, expected) in [
        (4, 4, 1, "worker 4 of 4 does not exist"),
        (
            0,
            4,
            1,
            "4 workers share whole partitions, and no stream has more than 3",
        ),
        (0, 2, 2, "4 workers share whole partitions"),
    ] {
        let mut job = job(sensors_only(), out.path());
        job.worker = WorkerShare { index, of };
        job.threads = threads;
        let stop = AtomicBool::new(false);
        let error = run(
            &job,
            &SinkChoice::Null,
            &HandClock::new(),
            &stop,
            &mut |_| {},
        )
        .unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn a_signal_ends_the_run_and_the_figures_say_so() {
    let out = tempfile::tempdir().unwrap();
    let job = job(sensors_only(), out.path());
    let stop = AtomicBool::new(true);
    let facts = run(
        &job,
        &SinkChoice::Null,
        &HandClock::new(),
        &stop,
        &mut |_| {},
    )
    .unwrap();
    assert!(facts.interrupted);
    assert_eq!(facts.streams[&Stream::Sensors].sent, 0);
    assert!(out.path().join("generator.json").exists());
}

#[test]
fn files_hold_the_events_in_order_and_the_labels_beside_them() {
    let out = tempfile::tempdir().unwrap();
    let mut section = section(ALL);
    section.streams.clickstream = None;
    section.streams.sensors = None;
    let job = job(section, &out.path().join("figures"));
    let plan = resolved(job.section.clone());
    let choice = SinkChoice::Files(out.path().join("events"));
    check_run(&job, &choice, &HandClock::new());
    let text = fs::read_to_string(out.path().join("events/banking.ndjson")).unwrap();
    let found: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let closing = closing_events(&plan, Stream::Banking, SchemaIds::default());
    let expected: Vec<String> = all_events(&plan, Stream::Banking)
        .iter()
        .chain(&closing)
        .map(|event| decode(Stream::Banking, event).id)
        .collect();
    assert_eq!(
        found
            .iter()
            .map(|v| v["event_id"].as_str().unwrap())
            .collect::<Vec<_>>(),
        expected
    );
    let labels = fs::read_to_string(job.out.join("labels.ndjson")).unwrap();
    assert_eq!(
        labels
            .lines()
            .filter(|l| serde_json::from_str::<Label>(l).is_ok())
            .count(),
        7
    );
    assert!(
        fs::read_to_string(job.out.join("enrichment.ndjson"))
            .unwrap()
            .lines()
            .count()
            > 2400
    );
}

#[test]
fn an_unsound_plan_sends_nothing() {
    let out = tempfile::tempdir().unwrap();
    let job = job(
        GeneratorSection {
            duration: "0s".into(),
            ..sensors_only()
        },
        out.path(),
    );
    let stop = AtomicBool::new(false);
    let found = run(
        &job,
        &SinkChoice::Null,
        &HandClock::new(),
        &stop,
        &mut |_| {},
    );
    assert!(matches!(found, Err(GenerateError::Plan { ref problems }) if problems.len() == 1));
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn progress_reads_as_a_sentence() {
    let progress = Progress {
        elapsed: floodmark_contracts::clock::RunMicros(1_500_000),
        duration: floodmark_contracts::clock::RunMicros(18_000_000),
        sent: 10,
        acknowledged: 9,
        total: 100,
        ..Progress::default()
    };
    assert_eq!(
        progress.to_string(),
        "1.5 of 18.0 s, 10 of 100 events sent, 9 acknowledged, 0 failed"
    );
}

/// What of a stream's figures must not depend on how many workers there are.
fn sums(facts: &floodmark_contracts::record::StreamFacts) -> (u64, u64, u64, u64, u64, &str) {
    (
        facts.sent,
        facts.bytes,
        facts.closing,
        facts.silent,
        facts.disorder.disordered,
        &facts.fingerprint,
    )
}

#[test]
fn threads_and_workers_together_send_what_one_does() {
    let out = tempfile::tempdir().unwrap();
    let one = check_run(
        &job(section(ALL), &out.path().join("one")),
        &SinkChoice::Null,
        &HandClock::new(),
    );
    let threaded = GeneratorJob {
        threads: 3,
        ..job(section(ALL), &out.path().join("threads"))
    };
    let threaded = check_run(&threaded, &SinkChoice::Null, &HandClock::new());
    let labels =
        |dir: &str| fs::read_to_string(out.path().join(dir).join("labels.ndjson")).unwrap();
    let mut workers = Vec::new();
    for index in 0..3 {
        let dir = out.path().join(index.to_string());
        let worker = GeneratorJob {
            worker: WorkerShare { index, of: 3 },
            ..job(section(ALL), &dir)
        };
        let facts = check_run(&worker, &SinkChoice::Null, &HandClock::new());
        // One file of labels in all.
        assert_eq!(dir.join("labels.ndjson").exists(), index == 0);
        let rows = fs::read_to_string(dir.join("generator-series.ndjson")).unwrap();
        let rows = rows.lines().map(|line| serde_json::from_str(line).unwrap());
        workers.push((facts, rows.collect()));
    }
    assert!(labels("one").contains(r#""order":{"on_time":"#));
    assert!(labels("threads") == labels("one") && labels("0") == labels("one"));
    let (merged, rows) = merge(workers).unwrap().unwrap();
    for stream in Stream::ALL {
        let expected = sums(&one.streams[&stream]);
        assert_eq!(sums(&threaded.streams[&stream]), expected, "{stream}");
        assert_eq!(sums(&merged.streams[&stream]), expected, "{stream}");
        let due: f64 = rows
            .iter()
            .filter(|row| row.stream == Some(stream) && row.metric == "due")
            .map(|row| row.value)
            .sum();
        assert_eq!(due, expected.0 as f64);
        let in_windows: u64 = merged.streams[&stream].rate.iter().map(|w| w.due).sum();
        assert_eq!(in_windows, expected.0);
    }
}

#[test]
fn the_speed_of_a_sink_is_what_it_takes_when_nothing_is_held_back() {
    let out = tempfile::tempdir().unwrap();
    let span = Measured {
        settle: Duration::from_millis(10),
        measure: Duration::from_millis(500),
    };
    let clock = floodmark_contracts::clock::SystemClock::new();
    let mut long = section(ALL);
    long.duration = "40m".into();
    let found = speed(&job(long, out.path()), &SinkChoice::Null, &clock, span).unwrap();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), Stream::ALL);
    // How fast is for benchmarks; that every stream was measured is for tests.
    assert!(found.values().all(|rate| *rate > 0.0), "{found:?}");
    let short = job(sensors_only(), out.path());
    let long_span = Measured {
        measure: Duration::from_secs(600),
        ..span
    };
    let error = speed(&short, &SinkChoice::Null, &clock, long_span).unwrap_err();
    assert!(
        error.to_string().contains("use a longer `duration`"),
        "{error}"
    );
}
