//! What a detector shows of itself, and how it begins again.

use std::{io::Write, net::SocketAddr};

use floodmark_contracts::{
    profile::detector::{DeliverySection, ExactlyOnceSection},
    status::{DetectorStatus, Phase},
};
use floodmark_detector::{Watch, run_watched};

use super::{
    fraud::free_port,
    sinks::{with_files, write_end, write_visits},
    *,
};

/// Runs the detector until `done` says so of its figures, and gives the last ones.
fn watch_until(
    world: &World,
    stdout: &mut dyn Write,
    done: impl Fn(&DetectorStatus) -> bool + Send + Sync,
) -> (Result<SubjectFacts, DetectError>, DetectorStatus) {
    let (watch, stop, ended) = (Watch::new(), AtomicBool::new(false), AtomicBool::new(false));
    let clock = SystemClock::new();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            let clock = SystemClock::new();
            while !done(&watch.status()) && !ended.load(Ordering::Relaxed) {
                assert!(clock.monotonic_us() < 60_000_000, "{:#?}", watch.status());
                clock.sleep(Duration::from_millis(5));
            }
            stop.store(true, Ordering::Relaxed);
        });
        let result = run_watched(&world.job, &watch, &clock, &stop, stdout, &mut |_| ());
        ended.store(true, Ordering::Relaxed);
        result
    });
    (result, watch.status())
}

fn consumed(status: &DetectorStatus, stream: Stream) -> u64 {
    status.streams.get(&stream).map_or(0, |of| of.consumed)
}

#[test]
fn figures_say_what_was_read_where_it_stands_and_what_came_of_it() {
    let world = World::new(&[Stream::Sensors]);
    let mut values = sensor(0, "sensor_0");
    values.extend(sensor(1, "sensor_1"));
    values.push((1, b"nonsense".to_vec()));
    values.push((1, reading(10, "sensor_1", 1.0)));
    world.write("sensor-data_2", &values);
    let (facts, status) = watch_until(&world, &mut Vec::new(), |status| {
        consumed(status, Stream::Sensors) == 28 && status.lag() == Some(0)
    });
    let facts = facts.unwrap();
    let of = &status.streams[&Stream::Sensors];
    assert_eq!((of.consumed, of.late, of.dead_letters), (28, 1, 1));
    assert_eq!((of.state.keys, of.state.waiting), (2, 2));
    assert_eq!(status.written.alerts, facts.alerts);
    assert!(
        facts.alerts >= 2 && status.latency["sensors"].total() >= facts.alerts,
        "{of:?}"
    );
    assert_eq!((status.phase, status.restarts), (Phase::Ending, 0));
    assert!(status.checkpoints.commits >= 1 && status.checkpoints.last_commit_at.is_some());
    let places: Vec<_> = status
        .partitions
        .iter()
        .filter(|of| of.of == "sensors")
        .map(|of| (of.partition, of.position, of.lag, of.watermark))
        .collect();
    let watermark = Some(EventTime(START + 899_000));
    assert_eq!(
        places,
        [
            (0, Some(13), Some(0), watermark),
            (1, Some(15), Some(0), watermark)
        ]
    );
    let graph = &status.pipelines[0];
    assert_eq!(graph.inputs, ["sensor-data_2"]);
    assert_eq!(
        graph.outputs,
        ["anomalies", "dead-letters", "detector-exchange"]
    );
}

#[test]
fn snapshots_show_their_age_and_size() {
    let mut world = World::new(&[Stream::Sensors]);
    world.job.section.delivery = DeliverySection::ExactlyOnce(ExactlyOnceSection {
        snapshots: world.folder.path().join("state").display().to_string(),
        snapshot_interval: "1h".into(),
    });
    world.write("sensor-data_2", &sensor(0, "sensor_0"));
    let (facts, status) = watch_until(&world, &mut Vec::new(), |status| {
        status.written.alerts > 0 && status.phase == Phase::Running
    });
    assert_eq!(status.written.alerts, facts.unwrap().alerts);
    let of = &status.checkpoints;
    // The last one is taken at the end, whatever the interval.
    assert!(of.snapshots >= 1 && of.last_snapshot_at.is_some(), "{of:?}");
    assert!(
        of.snapshot_bytes > 100 && of.commits > of.snapshots,
        "{of:?}"
    );
    assert_eq!((of.aborts, status.delivery.as_str()), (0, "exactly-once"));
    assert!(status.latency["sensors"].total() > 0);
}

#[test]
fn sinks_show_how_far_they_are_and_what_keeps_them() {
    let mut world = World::new(&[Stream::Clickstream]);
    with_files(&mut world);
    let file = world.folder.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let lost = serde_json::json!({"row-files": {"folder": file.join("rows")}});
    let sinks = &mut world.job.section.sinks;
    sinks.insert("lost".into(), serde_json::from_value(lost).unwrap());
    for part in 0..4 {
        write_visits(&world, part);
    }
    write_end(&world, 4);
    let (facts, status) = watch_until(&world, &mut Vec::new(), |status| {
        let done = |name: &str| {
            let of = status.sinks.get(name);
            of.is_some_and(|of| of.written == of.read && of.written > 0 && of.lag == Some(0))
        };
        let lost = status.sinks.get("lost").is_some_and(|of| of.failing);
        lost && done("rows") && done("clicks") && status.sinks["clicks"].written == 242
    });
    let facts = facts.unwrap();
    let (clicks, lost) = (&status.sinks["clicks"], &status.sinks["lost"]);
    assert_eq!(clicks.inputs, ["clickstream-events"]);
    assert!(clicks.place.ends_with("/clicks"), "{clicks:?}");
    assert_eq!((clicks.failures, clicks.last_failure.as_deref()), (0, None));
    assert_eq!(status.sinks["rows"].written, facts.sinks["rows"].written);
    assert_eq!((lost.written, lost.lag), (0, None));
    let failure = lost.last_failure.as_deref().unwrap_or_default();
    assert!(failure.contains("a-file/rows"), "{failure}");
    assert!(lost.failures >= 1 && lost.failures == facts.sinks["lost"].failures);
    // Rows leave the pipeline that counts, and what puts together what lies in several partitions.
    for pipeline in &status.pipelines {
        assert!(
            pipeline.outputs.contains(&"detector.rows".to_owned()),
            "{pipeline:?}"
        );
    }
}

/// Standard output into something that takes its time.
struct Slow(SystemClock);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.sleep(Duration::from_millis(300));
        Ok(())
    }
}

#[test]
fn a_partition_far_ahead_is_paused_and_nothing_is_lost_by_it() {
    const RECORDS: i64 = 20_000;
    let mut world = World::new(&[Stream::Sensors]);
    world.job.section.max_ahead = "30m".into();
    let values: Vec<(i32, Vec<u8>)> = (0..2)
        .flat_map(|partition| (0..RECORDS).map(move |i| (partition, i)))
        .map(|(partition, i)| {
            let value = if i % 500 == 499 {
                400.0
            } else {
                (i % 3) as f64
            };
            let name = format!("sensor_{partition}");
            (partition, reading(i, &name, value))
        })
        .collect();
    world.write("sensor-data_2", &values);
    let all = values.len() as u64;
    let mut slow = Slow(SystemClock::new());
    let (facts, status) = watch_until(&world, &mut slow, |status| {
        consumed(status, Stream::Sensors) == all && status.lag() == Some(0)
    });
    assert_eq!(facts.unwrap().consumed[&Stream::Sensors], all);
    assert!(status.pressure.pauses >= 1, "{:?}", status.pressure);
    assert_eq!(status.pressure.paused, 0);
    // One spike in 500 of each partition, and each of them once.
    let alerts = world.alerts();
    let spikes = alerts.iter().filter(|of| of.detector == "sensor-window");
    let ids: BTreeSet<&str> = spikes.map(|of| of.id.as_str()).collect();
    assert_eq!(ids.len(), 80 - 2, "those at the end wait for the watermark");
}

/// A registry that has our schema, on a port of its own.
fn registry(listen: SocketAddr) -> (Broker, u32) {
    let registry_listen = Some(listen);
    let config = BrokerConfig {
        registry_listen,
        ..BrokerConfig::default()
    };
    let broker = Broker::start(config).unwrap();
    let registry = Registry::new(&broker.registry_url().unwrap()).unwrap();
    let id = registry.register("banking-ui-events-value", SCHEMA);
    (broker, id.unwrap())
}

#[test]
fn a_registry_that_goes_away_is_tried_again_and_then_given_up() {
    let mut world = World::new(&[Stream::Banking]);
    let (first, id) = registry(([127, 0, 0, 1], free_port()).into());
    let url = first.registry_url().unwrap();
    drop(first);
    world.job.connection.registry = Some(url.clone());
    world.job.section.restarts = 1;
    let values: Vec<_> = (0..4).map(|i| (0, input(i, id))).collect();
    world.write("banking-ui-events", &values);

    let (given_up, status) = watch_until(&world, &mut Vec::new(), |_| false);
    let error = given_up.unwrap_err();
    assert!(error.to_string().starts_with("gave up after 1 restarts"));
    assert!(error.is_unreachable(), "{error:?}");
    assert_eq!((status.restarts, status.restarts_left), (1, 0));
    let reason = status.last_failure.unwrap_or_default();
    assert!(reason.contains("no schema registry answered"), "{reason}");
    let lags = world
        .admin()
        .lag("detector", &["banking-ui-events"])
        .unwrap();
    assert_eq!(lags.iter().map(|of| of.records).sum::<u64>(), 4, "{lags:?}");

    // With more patience, and a registry that comes back at its old address.
    world.job.section.restarts = 20;
    let address = url.trim_start_matches("http://").parse().unwrap();
    let back = std::sync::Mutex::new(None);
    let (facts, status) = watch_until(&world, &mut Vec::new(), |status| {
        if status.restarts == 1 {
            back.lock()
                .unwrap()
                .get_or_insert_with(|| registry(address));
        }
        consumed(status, Stream::Banking) >= 4 && status.lag() == Some(0)
    });
    let facts = facts.unwrap();
    assert_eq!(
        (facts.consumed[&Stream::Banking], facts.dead_letters),
        (4, 0)
    );
    assert!(status.restarts >= 1 && status.restarts_left <= 19);
}
