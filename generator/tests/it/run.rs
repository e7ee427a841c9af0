//! Runs into sinks, on a clock that the test owns.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::Duration,
};

use base64::Engine as _;
use floodmark_contracts::{
    clock::{Clock, WallTime},
    job::{Connection, GeneratorJob, GeneratorSection},
    label::Label,
    record::{GeneratorFacts, SeriesRow},
    stream::Stream,
};
use floodmark_generator::{
    GenerateError, Progress, SchemaIds, SinkChoice, closing_events, fingerprint, run,
};
use hdrhistogram::{Histogram, serialization::Deserializer};

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
    fn stalling(at: Duration, longer: Duration) -> Self {
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

fn job(section: GeneratorSection, out: &Path) -> GeneratorJob {
    GeneratorJob {
        section,
        connection: Connection {
            bootstrap: "127.0.0.1:1".into(),
            properties: BTreeMap::new(),
            registry: None,
        },
        topics: BTreeMap::from([(Stream::Sensors, "prefix.sensor-data_2".to_owned())]),
        out: out.to_owned(),
    }
}

fn check_run(job: &GeneratorJob, choice: &SinkChoice, clock: &HandClock) -> GeneratorFacts {
    run(job, choice, clock, &AtomicBool::new(false), &mut |_| {}).unwrap()
}

fn highest(histogram: &str) -> u64 {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(histogram)
        .unwrap();
    let histogram: Histogram<u64> = Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .unwrap();
    histogram.max()
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
    assert_eq!(found.topic, "prefix.sensor-data_2");
    assert_eq!(
        Some(&found.fingerprint),
        fingerprint(&plan, Stream::Sensors).as_ref()
    );
    assert!(found.disorder.disordered > 0 && found.disorder.max_delay_ms <= 2000);
    // The shortest sleep is the most that anything can be late on a clock without jitter.
    assert!(
        highest(&found.send_lateness.0) <= 101,
        "{}",
        highest(&found.send_lateness.0)
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
    assert!((1_980_000..2_010_000).contains(&highest(&found.send_lateness.0)));
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
    };
    assert_eq!(
        progress.to_string(),
        "1.5 of 18.0 s, 10 of 100 events sent, 9 acknowledged"
    );
}
