//! Exactly once against a real broker: processes that are killed, replaced and joined by others.

use std::{
    process::{Child, Command, Stdio},
    thread,
};

use floodmark_contracts::profile::detector::{DeliverySection, ExactlyOnceSection};
use floodmark_kafka::consumer::Event;

use super::*;

/// Names the job of a process that a test starts.
const JOB: &str = "FLOODMARK_TEST_JOB";

/// How often the detector is killed.
const KILLS: usize = 6;

/// A world whose detector delivers exactly once, and commits and saves often.
pub(super) fn exact(streams: &[Stream]) -> World {
    let mut world = World::new(streams);
    let section = &mut world.job.section;
    // What wall time advances depends on how a run went; the simulated schedules have that.
    section.idleness = "1h".into();
    section.print_anomalies = false;
    section.delivery = DeliverySection::ExactlyOnce(ExactlyOnceSection {
        snapshots: world.folder.path().join("state").display().to_string(),
        snapshot_interval: "150ms".into(),
    });
    // A killed member is missed this much later; ten seconds would make the test long.
    let properties = &mut world.job.connection.properties;
    properties.insert("session.timeout.ms".into(), "1500".into());
    properties.insert("heartbeat.interval.ms".into(), "300".into());
    world
}

/// Everything that is committed in a partition of a topic.
pub(super) fn committed(world: &World, topic: &str, partition: i32) -> Vec<Vec<u8>> {
    let settings = ConsumerSettings {
        report_ends: true,
        ..ConsumerSettings::default()
    };
    let mut consumer = BatchConsumer::new(&world.client(), &settings).unwrap();
    let start = [(
        TopicPartition::new(topic, partition),
        StartOffset::Beginning,
    )];
    consumer.assign(&start, PATIENCE).unwrap();
    let mut batch = Batch::with_capacity(1000);
    let mut found = Vec::new();
    let clock = SystemClock::new();
    loop {
        assert!(clock.monotonic_us() < 60_000_000, "{topic} has no end");
        consumer
            .poll(&mut batch, Duration::from_millis(50))
            .unwrap();
        let values = batch.messages();
        found.extend(values.map(|message| message.payload().unwrap_or_default().to_vec()));
        let ended = |event: &Event| matches!(event, Event::EndOfPartition { .. });
        if batch.events().iter().any(ended) {
            return found;
        }
    }
}

/// The committed alerts, sorted, less when they were written.
fn alerts_in(world: &World, topic: &str) -> Vec<String> {
    let mut alerts: Vec<String> = committed(world, topic, 0)
        .iter()
        .map(|value| {
            let mut alert: Alert = serde_json::from_slice(value).unwrap();
            alert.emitted_at = None;
            serde_json::to_string(&alert).unwrap()
        })
        .collect();
    alerts.sort_unstable();
    alerts
}

/// The alerts of a detector that reads the same topics in one go, at least once.
fn undisturbed(world: &World) -> Vec<String> {
    let names = ["anomalies", "fraud-flags", "dead-letters"].map(|name| format!("{name}-whole"));
    let topics: Vec<NewTopic> = names.iter().map(|name| NewTopic::new(name, 1)).collect();
    world.admin().create_topics(&topics).unwrap();
    let mut job = world.job.clone();
    job.group = "undisturbed".into();
    job.section.delivery = DeliverySection::AtLeastOnce;
    [job.anomalies, job.fraud_flags, job.dead_letters] = names;
    read_to_the_end(&job);
    alerts_in(world, &job.anomalies)
}

/// Runs a detector until nothing is left to read, in its exchange neither.
fn read_to_the_end(job: &DetectorJob) {
    let stop = AtomicBool::new(false);
    let mut progress = |progress| {
        if progress == Progress::CaughtUp {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let clock = SystemClock::new();
    run(job, &clock, &stop, &mut Vec::new(), &mut progress).unwrap();
}

/// Some hundred readings with spikes, and clicks with bursts of errors, of the `part`th half minute.
fn write_part(world: &World, part: i64) {
    let mut readings = Vec::new();
    for i in 0..200 {
        let sensor = i % 20;
        let seconds = part * 30 + i / 20 * 3;
        let spike = (part + i) % 23 == 0;
        let value = if spike {
            190.0
        } else {
            50.0 + (i * 7 % 5) as f64
        };
        let partition = i32::try_from(sensor % 2).unwrap();
        readings.push((
            partition,
            reading(seconds, &format!("sensor_{sensor}"), value),
        ));
    }
    if part % 5 == 0 {
        readings.push((0, b"rubbish".to_vec()));
    }
    world.write("sensor-data_2", &readings);
    if world.job.inputs.contains_key(&Stream::Clickstream) {
        let what = |i| {
            if part % 4 == 0 && i > 30 {
                "error"
            } else {
                "page_view"
            }
        };
        let clicks: Vec<_> = (0..60)
            .map(|i| {
                (
                    i32::try_from(i % 2).unwrap(),
                    click(part * 30 + i / 2, what(i)),
                )
            })
            .collect();
        world.write("clickstream-events", &clicks);
    }
}

/// Events far ahead, which close every window.
fn write_end(world: &World, part: i64) {
    let seconds = part * 30 + 3600;
    for partition in [0, 1] {
        let end = reading(seconds, &format!("sensor_{partition}"), 50.0);
        world.write("sensor-data_2", &[(partition, end)]);
        if world.job.inputs.contains_key(&Stream::Clickstream) {
            let end = click(seconds, "page_view");
            world.write("clickstream-events", &[(partition, end)]);
        }
    }
}

/// Records that the group has not committed yet.
pub(super) fn lag(world: &World) -> i64 {
    let topics: Vec<&str> = world
        .job
        .inputs
        .values()
        .flatten()
        .map(String::as_str)
        .collect();
    let lags = world.admin().lag(&world.job.group, &topics).unwrap();
    i64::try_from(lags.iter().map(|lag| lag.records).sum::<u64>()).unwrap()
}

/// A process with a detector; killed when dropped.
pub(super) struct Detector(Child);

impl Detector {
    pub(super) fn start(world: &World) -> Self {
        let file = world.folder.path().join("job.json");
        std::fs::write(&file, serde_json::to_vec(&world.job).unwrap()).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "exactly_once::a_process_to_kill"])
            .env(JOB, file)
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    /// SIGKILL.
    pub(super) fn kill(mut self) {
        assert_eq!(
            self.0.try_wait().unwrap(),
            None,
            "the detector ended by itself"
        );
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Detector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// No test, but the process that the tests kill.
#[test]
#[ignore = "started by the tests that kill it"]
fn a_process_to_kill() {
    let Some(file) = std::env::var_os(JOB) else {
        return;
    };
    let job: DetectorJob = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (clock, stop) = (SystemClock::new(), AtomicBool::new(false));
    run(&job, &clock, &stop, &mut Vec::new(), &mut |_| ()).unwrap();
}

/// Waits until `done`, and does `meanwhile` over and over.
pub(super) fn wait_until(what: &str, mut done: impl FnMut() -> bool, mut meanwhile: impl FnMut()) {
    let clock = SystemClock::new();
    while !done() {
        let waited = Duration::from_micros(clock.monotonic_us().unsigned_abs());
        assert!(waited < PATIENCE, "{what}");
        meanwhile();
        clock.sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_detector_that_is_killed_again_and_again_loses_no_alert_and_repeats_none() {
    let world = exact(&[Stream::Sensors, Stream::Clickstream]);
    let mut part = 0;
    let mut committed_before = 0;
    for _ in 0..KILLS {
        let detector = Detector::start(&world);
        // Killed while records come in, some time after it has committed for the first time.
        let mut moves = 0;
        let done = || {
            let now = written_so_far(&world) - lag(&world);
            moves += usize::from(now > committed_before);
            committed_before = committed_before.max(now);
            moves >= 3
        };
        let write = || {
            write_part(&world, part);
            part += 1;
        };
        wait_until("nothing is committed", done, write);
        detector.kill();
    }
    write_end(&world, part);
    // To the end of the exchange as well, which input offsets say nothing of.
    read_to_the_end(&world.job);

    let (found, expected) = (alerts_in(&world, "anomalies"), undisturbed(&world));
    assert!(expected.len() > 100, "{}", expected.len());
    assert_eq!(found.len(), expected.len());
    assert!(found == expected, "as many alerts, but other ones");
    for kind in ["sensor-spike", "error-burst"] {
        assert!(expected.iter().any(|alert| alert.contains(kind)), "{kind}");
    }
    let letters = |topic| committed(&world, topic, 0).len();
    assert_eq!(letters("dead-letters"), letters("dead-letters-whole"));
    // Old snapshots go: at most the named one, its predecessor, and one that was never named per kill.
    let folder = world.folder.path().join("state/detector/sensor-data_2/0");
    let kept = std::fs::read_dir(folder).unwrap().count();
    assert!((1..=2 + KILLS).contains(&kept), "{kept} snapshots");
}

/// Records in the topics so far.
pub(super) fn written_so_far(world: &World) -> i64 {
    let topics: Vec<&str> = world
        .job
        .inputs
        .values()
        .flatten()
        .map(String::as_str)
        .collect();
    let marks = world.admin().watermarks(&topics).unwrap();
    marks.iter().map(|mark| mark.high).sum()
}

/// Runs a detector in another thread until `stop`.
pub(super) fn run_until<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    world: &World,
    slot: u32,
    stop: &'scope AtomicBool,
) -> thread::ScopedJoinHandle<'scope, ()> {
    let mut job = world.job.clone();
    (job.slot, job.facts) = (slot, None);
    scope.spawn(move || {
        let clock = SystemClock::new();
        run(&job, &clock, stop, &mut Vec::new(), &mut |_| ()).unwrap();
    })
}

/// Stops detectors however a test ends, which would otherwise wait for them for ever.
pub(super) struct StopAll<'a>(pub(super) &'a [AtomicBool]);

impl Drop for StopAll<'_> {
    fn drop(&mut self) {
        self.0
            .iter()
            .for_each(|stop| stop.store(true, Ordering::Relaxed));
    }
}

#[test]
fn processes_that_come_and_go_hand_their_partitions_state_on() {
    let world = exact(&[Stream::Sensors, Stream::Clickstream]);
    let stops = [AtomicBool::new(false), AtomicBool::new(false)];
    thread::scope(|scope| {
        let _guard = StopAll(&stops);
        let mut part = 0;
        let mut more = |parts| {
            for _ in 0..parts {
                write_part(&world, part);
                part += 1;
            }
            wait_until("not all is read", || lag(&world) == 0, || ());
        };
        let first = run_until(scope, &world, 0, &stops[0]);
        more(3);
        run_until(scope, &world, 1, &stops[1]);
        more(10);
        stops[0].store(true, Ordering::Relaxed);
        first.join().unwrap();
        more(3);
        write_end(&world, 20);
        more(0);
        settle(&world);
    });
    let (found, expected) = (alerts_in(&world, "anomalies"), undisturbed(&world));
    assert!(expected.len() > 50, "{}", expected.len());
    assert!(expected.iter().any(|alert| alert.contains("error-burst")));
    assert_eq!(found, expected);
}

#[test]
fn three_processes_put_together_what_one_does() {
    for delivery in ["exactly once", "at least once"] {
        let mut world = exact(&[Stream::Sensors, Stream::Clickstream]);
        if delivery == "at least once" {
            world.job.section.delivery = DeliverySection::AtLeastOnce;
        }
        // Nobody is killed here, and a member that only had to wait is not to be taken for dead.
        let session = ("session.timeout.ms".into(), "30000".into());
        world.job.connection.properties.extend([session]);
        let stops = [const { AtomicBool::new(false) }; 3];
        thread::scope(|scope| {
            let _guard = StopAll(&stops);
            for (slot, stop) in (0..).zip(&stops) {
                run_until(scope, &world, slot, stop);
            }
            // At least once, what moves to another process starts with fresh state.
            let all_in = || {
                let group = world.admin().group(&world.job.group).unwrap();
                group.is_some_and(|group| group.is_stable() && group.members.len() == 3)
            };
            wait_until("the group is not complete", all_in, || ());
            (0..12).for_each(|part| write_part(&world, part));
            write_end(&world, 20);
            wait_until("not all is read", || lag(&world) == 0, || ());
            settle(&world);
        });
        let found = alerts_in(&world, "anomalies");
        assert!(found.iter().any(|alert| alert.contains("error-burst")));
        assert_eq!(found, undisturbed(&world), "{delivery}");
    }
}

/// Waits until the alerts have stopped coming: what goes through the exchange comes after the inputs were read.
fn settle(world: &World) {
    let clock = SystemClock::new();
    let alerts = || world.admin().watermarks(&[&world.job.anomalies]).unwrap()[0].high;
    let (mut seen, mut since) = (alerts(), clock.monotonic_us());
    while clock.monotonic_us() - since < 3_000_000 {
        clock.sleep(Duration::from_millis(50));
        if alerts() != std::mem::replace(&mut seen, alerts()) {
            since = clock.monotonic_us();
        }
    }
}

#[test]
fn state_of_other_settings_is_refused_with_what_helps() {
    let mut world = exact(&[Stream::Sensors]);
    write_part(&world, 0);
    world.detect();
    world.job.section.watermark_bound = "2s".into();
    let stop = AtomicBool::new(false);
    let clock = SystemClock::new();
    let error = run(&world.job, &clock, &stop, &mut Vec::new(), &mut |_| ()).unwrap_err();
    let mut texts = vec![error.to_string()];
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        texts.push(cause.to_string());
        source = cause.source();
    }
    assert!(
        texts.join(": ").contains("another `watermark_bound`"),
        "{texts:?}"
    );
}
