//! How much this machine can send, measured before it is asked for more.
//!
//! Each stream is sent alone at the highest rate, `c(s)`, and then all at once, where stream `s` reaches
//! `d(s)`; `k = sum d(s) / c(s)`. A load of `r(s)` events per second fits if
//!
//! ```text
//! r(s) <= c(s) for every s        sum r(s) / c(s) <= k
//! ```

mod budget;
mod store;

use std::{collections::BTreeMap, path::Path, time::Duration};

use floodmark_contracts::{
    calibration::Calibration,
    clock::Clock,
    job::{Connection, GeneratorJob, Pace, Start, WorkerShare},
    profile::{Profile, StreamsSection, streams::RawArrivals},
    stream::Stream,
};
use floodmark_generator::{GenerateError, Measured, Plan, SinkChoice, speed};
use floodmark_kafka::ClientSettings;

use self::budget::Budget;
pub use self::store::{Store, StoreError};
use crate::{
    broker::{BrokerError, RunningBroker, StartContext},
    environment,
    profile::Sound,
    run::{FileError, files},
    topics::{Lent, Topics, TopicsError, inputs},
};

/// Records that may wait in the client: enough for the highest rate, few enough to be gone quickly.
const QUEUE: &str = "50000";

const INTO_NOTHING: Measured = Measured {
    settle: Duration::from_millis(50),
    measure: Duration::from_millis(200),
};
const INTO_A_BROKER: Measured = Measured {
    settle: Duration::from_millis(100),
    measure: Duration::from_millis(250),
};

/// The sink's name in calibrations when nothing is sent.
pub const NULL: &str = "null";

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// No broker.
    #[error("cannot bring the broker up")]
    Broker(#[source] BrokerError),
    /// The topics could not be made.
    #[error("cannot make the topics ready")]
    Topics(#[source] TopicsError),
    /// The generator failed.
    #[error("cannot measure how fast events are sent")]
    Generate(#[from] GenerateError),
    /// A file of the measurement.
    #[error(transparent)]
    File(#[from] FileError),
}

impl CalibrateError {
    /// Whether a broker or service could not be reached or started.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Broker(_) => true,
            Self::Topics(error) => error.is_unreachable(),
            Self::Generate(error) => error.is_unreachable(),
            Self::File(_) => false,
        }
    }
}

/// What is measured with.
pub struct Request<'a> {
    /// floodmark's own program, for the embedded broker.
    pub exe: &'a Path,
    /// The profile whose streams are measured, made ready by [`endless`] and checked.
    pub profile: &'a Profile,
    /// What the harness makes of it.
    pub sound: &'a Sound,
    /// Properties of the client; the address is filled in.
    pub client: &'a ClientSettings,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Version of floodmark.
    pub version: &'a str,
}

/// The profile as it is measured: no incidents, evenly spaced, for as long as it takes, on topics of its
/// own. Rates mean nothing then; populations, records and disorder are the profile's.
#[must_use]
pub fn endless(profile: &Profile) -> Profile {
    let mut profile = profile.clone();
    profile.duration = "24h".to_owned();
    profile.warm_up = "0s".to_owned();
    profile.topic_prefix = format!(
        "{}floodmark-calibrate-{}-",
        profile.topic_prefix,
        std::process::id()
    );
    profile.gates.clear();
    for stream in Stream::ALL {
        if let Some(section) = profile.streams.get_mut(stream) {
            section.anomalies.clear();
            section.arrivals = RawArrivals::Constant;
            section.phases.clear();
            // A day of it is more than any machine sends while it is measured.
            section.rate = Some("1k/s".to_owned());
            if stream == Stream::Sensors {
                // Each reports at most once in 2 ms of event time, however few there are.
                profile.event_time.speed = profile.event_time.speed.max(60.0);
            }
        }
    }
    profile
}

/// Measures into nothing, and into the profile's broker. Takes under three seconds where the broker is
/// embedded or up.
///
/// # Errors
/// [`CalibrateError`].
pub fn calibrate(request: &Request<'_>) -> Result<Vec<Calibration>, CalibrateError> {
    let work = files::work_dir()?;
    let nowhere = Connection {
        bootstrap: String::new(),
        properties: BTreeMap::new(),
        registry: None,
    };
    let streams = u32::try_from(request.profile.streams.iter().count()).unwrap_or(1);
    // Each stream alone, and all together where there are several; for two sinks.
    let each = streams + u32::from(streams > 1);
    let mut budget = Budget::new(request.clock.monotonic_us(), 2 * each);
    let null = measure(
        request,
        &SinkChoice::Null,
        nowhere,
        work.path(),
        &mut budget,
    )?;
    let context = StartContext {
        exe: request.exe,
        dir: work.path(),
        clock: request.clock,
        proxy: None,
    };
    let broker =
        RunningBroker::start(&request.sound.broker, &context).map_err(CalibrateError::Broker)?;
    let into_broker = measure_broker(request, &broker, work.path(), &mut budget);
    broker.stop(request.clock);
    let entry = |sink: &str, (streams, together)| Calibration {
        machine: machine(),
        sink: sink.to_owned(),
        at: request.clock.now(),
        floodmark_version: request.version.to_owned(),
        streams,
        together,
    };
    Ok(vec![
        entry(NULL, null),
        entry(&request.sound.broker.to_string(), into_broker?),
    ])
}

/// The rate of each stream alone, and what share of these all reach together.
type Speeds = (BTreeMap<Stream, f64>, f64);

fn measure_broker(
    request: &Request<'_>,
    broker: &RunningBroker,
    work: &Path,
    budget: &mut Budget,
) -> Result<Speeds, CalibrateError> {
    let mut client = request.client.at(broker.bootstrap());
    client
        .properties
        .entry("queue.buffering.max.messages".to_owned())
        .or_insert_with(|| QUEUE.to_owned());
    let topics = Topics::create(
        &request.client.at(broker.bootstrap()),
        &inputs(request.profile, request.sound),
        broker.is_own(),
    )
    .map_err(CalibrateError::Topics)?;
    // Deleted again, unless the broker goes away with them.
    let _lent = Lent::new(topics, broker.is_own());
    let connection = Connection {
        registry: request
            .profile
            .registry
            .clone()
            .or_else(|| broker.registry().map(str::to_owned)),
        bootstrap: client.bootstrap,
        properties: client.properties,
    };
    measure(request, &SinkChoice::Kafka, connection, work, budget)
}

fn measure(
    request: &Request<'_>,
    sink: &SinkChoice,
    connection: Connection,
    work: &Path,
    budget: &mut Budget,
) -> Result<Speeds, CalibrateError> {
    let wanted = match sink {
        SinkChoice::Kafka => INTO_A_BROKER,
        _ => INTO_NOTHING,
    };
    let job = GeneratorJob {
        section: request.profile.into(),
        connection,
        topics: request.sound.inputs.clone(),
        out: work.to_owned(),
        pace: Pace::Max,
        worker: WorkerShare::default(),
        threads: 1,
        start: Start::Ready,
        counts: None,
        skews: Vec::new(),
    };
    let mut alone = BTreeMap::new();
    for (stream, section) in request.profile.streams.iter() {
        let mut one = job.clone();
        one.section.streams = StreamsSection::default();
        match stream {
            Stream::Clickstream => one.section.streams.clickstream = Some(section.clone()),
            Stream::Banking => one.section.streams.banking = Some(section.clone()),
            Stream::Sensors => one.section.streams.sensors = Some(section.clone()),
        }
        let span = budget.next(request.clock.monotonic_us(), wanted);
        alone.extend(speed(&one, sink, request.clock, span)?);
    }
    let together = if alone.len() > 1 {
        let span = budget.next(request.clock.monotonic_us(), wanted);
        let rates = speed(&job, sink, request.clock, span)?;
        shares(&rates, &alone).values().sum()
    } else {
        1.0
    };
    Ok((alone, together))
}

/// Each stream's rate as a share of what it reaches alone.
fn shares(rates: &BTreeMap<Stream, f64>, alone: &BTreeMap<Stream, f64>) -> BTreeMap<Stream, f64> {
    rates
        .iter()
        .filter_map(|(stream, rate)| Some((*stream, rate / alone.get(stream)?.max(1.0))))
        .collect()
}

/// This machine's name in calibrations.
#[must_use]
pub fn machine() -> String {
    let here = environment::here();
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}, {}, {} processors", name.trim(), here.cpu, here.cpus)
}

/// A load held against a calibration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Events per second of all streams in the plan's busiest second.
    pub busiest: f64,
    /// Events per second of the same mix that this machine was found to send.
    pub possible: f64,
}

impl Fit {
    /// True if the machine was found to send as much.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.busiest <= self.possible
    }
}

/// Holds a plan against a calibration, with so many senders for each stream. None if a stream of the plan
/// was not measured.
#[must_use]
pub fn fit(plan: &Plan, calibration: &Calibration, senders: u32) -> Option<Fit> {
    let cpus = environment::here().cpus.max(1);
    // A broker is no faster for more senders; the generator is, as long as there are processors.
    let factor = match calibration.sink.as_str() {
        NULL => f64::from(senders.clamp(1, cpus)),
        _ => 1.0,
    };
    let seconds = (plan.duration().0 + 999_999) / 1_000_000;
    let mut worst: Option<(f64, f64)> = None;
    for second in 0..seconds {
        let rates: BTreeMap<Stream, f64> = plan
            .streams()
            .map(|stream| (stream, plan.expected_in(stream, second)))
            .collect();
        let shares = shares(&rates, &calibration.streams);
        if shares.len() < rates.len() {
            return None;
        }
        let sum: f64 = shares.values().sum();
        let highest = shares.values().copied().fold(0.0, f64::max);
        let load = highest.max(sum / calibration.together.max(1.0)) / factor;
        if worst.is_none_or(|(most, _)| load > most) {
            worst = Some((load, rates.values().sum()));
        }
    }
    let (load, busiest) = worst.filter(|(load, _)| *load > 0.0)?;
    Some(Fit {
        busiest,
        possible: busiest / load,
    })
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::{clock::WallTime, job::GeneratorSection};

    use super::*;

    fn plan(streams: &str) -> Plan {
        let yaml = format!(
            "name: p\nseed: 1\nduration: 10s\nwarm_up: 0s\n\
             event_time: {{ speed: 60, origin: \"2025-06-10T05:00:00Z\" }}\nstreams:\n{streams}"
        );
        let section: GeneratorSection = serde_saphyr::from_str(&yaml).unwrap();
        Plan::resolve(&section).unwrap()
    }

    fn calibration(sink: &str, together: f64) -> Calibration {
        Calibration {
            machine: machine(),
            sink: sink.to_owned(),
            at: WallTime(0),
            floodmark_version: "0".to_owned(),
            streams: BTreeMap::from([(Stream::Clickstream, 1000.0), (Stream::Banking, 2000.0)]),
            together,
        }
    }

    fn check(streams: &str, together: f64, busiest: f64, possible: f64) {
        let found = fit(&plan(streams), &calibration("embedded", together), 1).unwrap();
        assert!((found.busiest - busiest).abs() < 1e-6, "{found:?}");
        assert!((found.possible - possible).abs() < 1e-6, "{found:?}");
        assert_eq!(found.fits(), busiest <= possible);
    }

    #[test]
    fn one_stream_may_reach_what_it_reached_alone() {
        check("  clickstream: { rate: 900/s }", 1.0, 900.0, 1000.0);
        check("  clickstream: { rate: 1200/s }", 1.0, 1200.0, 1000.0);
    }

    #[test]
    fn streams_that_share_a_machine_share_its_rate() {
        let both = "  clickstream: { rate: 500/s }\n  banking: { rate: 1k/s }";
        // Half of each: all of one processor.
        check(both, 1.0, 1500.0, 1500.0);
        // With a processor for each, each may double.
        check(both, 2.0, 1500.0, 3000.0);
    }

    #[test]
    fn the_busiest_second_counts() {
        let burst = "  clickstream: { phases: [ { burst: { base: 10/s, peak: 2k/s, every: 5s, length: 1s } } ] }";
        check(burst, 1.0, 2000.0, 1000.0);
    }

    #[test]
    fn a_stream_that_was_not_measured_is_not_judged() {
        let sensors = plan("  sensors: { rate: 10/s }");
        assert_eq!(fit(&sensors, &calibration(NULL, 1.0), 1), None);
    }
}
