//! From the profile's sections to a plan: validation that reports every problem at once.

use std::{collections::BTreeMap, time::Duration};

use floodmark_contracts::{
    clock::{EventTime, Timeline},
    job::GeneratorSection,
    kind::Kind,
    problem::{Problem, Problems},
    profile::{
        ProducerSection,
        streams::{RawArrivals, StreamSection},
    },
    stream::Stream,
    units::{parse_duration, parse_rate},
};

use super::{Inner, Spec, StreamPlan, stream_key};
use crate::{
    address::AddressBook,
    delay::Delays,
    draw::Purpose,
    extras::Extras,
    ids::EventIds,
    incident,
    schedule::Schedule,
    shape::{self, RunTimes},
    sink::MOST_HEADERS,
    skew::{ClockSkew, Idle},
};

/// What is known of the run when its streams are resolved.
struct Run {
    seed: u64,
    duration_ns: i64,
    warm_up_ns: i64,
    timeline: Timeline,
}

pub(super) fn resolve(section: &GeneratorSection) -> Result<Inner, Vec<Problem>> {
    let mut problems = Problems::new();
    let run = resolve_run(section, &mut problems);
    let transactions = resolve_producer(&section.producer, &mut problems);
    let book = problems.check("", AddressBook::load());
    if section.streams.iter().next().is_none() {
        problems.add(
            "streams",
            "no stream is generated; add `clickstream`, `banking` or `sensors`",
        );
    }
    let mut streams = Vec::new();
    let mut topics = BTreeMap::new();
    for (stream, raw) in section.streams.iter() {
        let topic = raw
            .topic
            .clone()
            .unwrap_or_else(|| stream.default_topic().to_owned());
        if let Some(other) = topics.insert(topic.clone(), stream) {
            let text = format!("`{topic}` is the topic of `{other}` too; give each stream its own");
            problems.add(format!("streams.{stream}.topic"), text);
        }
        let plan = resolve_stream(stream, raw, topic, run.as_ref(), &mut problems);
        let specs = resolve_anomalies(stream, raw, run.as_ref(), &mut problems);
        // Incidents are placed only where all else is sound: their numbers would be wrong otherwise.
        if let (Some(mut plan), Some(book), true) = (plan, &book, problems.is_empty()) {
            incident::inject(&mut plan, &specs, book, &mut problems);
            streams.push(plan);
        }
    }
    match (run, book) {
        (Some(run), Some(book)) if problems.is_empty() => Ok(Inner {
            section: section.clone(),
            duration_ns: run.duration_ns,
            warm_up_ns: run.warm_up_ns,
            timeline: run.timeline,
            transactions,
            book,
            streams,
        }),
        _ => Err(problems.into_vec()),
    }
}

fn resolve_run(section: &GeneratorSection, problems: &mut Problems) -> Option<Run> {
    let duration = problems.check("duration", parse_duration(&section.duration));
    if duration.is_some_and(|d| d.is_zero()) {
        problems.add("duration", "`0s` is no run; use `1s` or more");
    }
    let warm_up = problems.check("warm_up", parse_duration(&section.warm_up));
    if let (Some(duration), Some(warm_up)) = (duration, warm_up)
        && warm_up >= duration
        && !duration.is_zero()
    {
        let text = format!(
            "`{}` leaves nothing of the run of `{}`; use a shorter one",
            section.warm_up, section.duration
        );
        problems.add("warm_up", text);
    }
    let speed = section.event_time.speed;
    let speed_ok = speed > 0.0 && speed <= 3600.0;
    if !speed_ok {
        let text = format!("`{speed}` is no speed of event time; use more than 0 and at most 3600");
        problems.add("event_time.speed", text);
    }
    let origin = section.event_time.origin.parse::<jiff::Timestamp>();
    if origin.is_err() {
        let text = format!(
            "`{}` is no instant in RFC 3339; write it like `2025-06-10T05:00:00Z`",
            section.event_time.origin
        );
        problems.add("event_time.origin", text);
    }
    let ns = |d: Duration| i64::try_from(d.as_nanos()).ok();
    Some(Run {
        seed: section.seed,
        duration_ns: ns(duration.filter(|d| !d.is_zero())?)?,
        warm_up_ns: ns(warm_up?)?,
        timeline: Timeline {
            origin: EventTime(origin.ok()?.as_millisecond()),
            speed: speed_ok.then_some(speed)?,
        },
    })
}

fn resolve_stream(
    stream: Stream,
    raw: &StreamSection,
    topic: String,
    run: Option<&Run>,
    problems: &mut Problems,
) -> Option<StreamPlan> {
    let path = |field: &str| format!("streams.{stream}.{field}");
    let rate = problems.check(&path("rate"), parse_rate(&raw.rate));
    check_topic(&topic, &path("topic"), problems);
    check_range(
        raw.partitions,
        1..=1000,
        "partitions",
        &path("partitions"),
        problems,
    );
    let entities = raw.population.entities;
    check_range(
        entities,
        1..=1_000_000,
        "entities",
        &path("population.entities"),
        problems,
    );
    let skew = raw.population.skew;
    if !(0.0..=3.0).contains(&skew) {
        let text = format!("`{skew}` is no exponent of a Zipf law; use 0 (all alike) to 3");
        problems.add(path("population.skew"), text);
    }
    if !(0.0..=3.0).contains(&raw.partition_skew) {
        let text = format!(
            "`{}` is no exponent of a Zipf law; use 0 (as the keys fall) to 3",
            raw.partition_skew
        );
        problems.add(path("partition_skew"), text);
    }
    let drift_ms = raw.population.drift.as_ref().map(|text| {
        let path = path("population.drift");
        let drift = problems.check(&path, parse_duration(text))?;
        if drift.as_millis() == 0 {
            problems.add(path, "`0s` is no span; use `1s` or more, or leave it out");
            return None;
        }
        i64::try_from(drift.as_millis()).ok()
    });
    let idle = Idle::resolve(&raw.idle, raw.partitions, &path("idle"), problems);
    // Without a sound run the keys and the speed are made up; the plan is not made then.
    let (seed, speed) = run.map_or((0, 1.0), |run| (run.seed, run.timeline.speed));
    let key = stream_key(seed, stream);
    let section = format!("streams.{stream}");
    let delays = Delays::resolve(raw, key, speed, &section, problems);
    let extras = Extras::resolve(stream, raw, key, &section, problems);
    let clock_skew = raw
        .clock_skew
        .as_ref()
        .and_then(|raw| ClockSkew::resolve(raw, key, &path("clock_skew"), problems));
    let (run, rate) = (run?, rate?);
    if stream == Stream::Sensors {
        check_sensors(raw, rate, run, problems);
    }
    let schedule = match raw.arrivals {
        RawArrivals::Constant => Schedule::constant(rate, run.duration_ns),
        RawArrivals::Poisson => {
            Schedule::poisson(rate, run.duration_ns, key.purpose(Purpose::Arrival))
        }
    };
    if schedule.count() == 0 {
        let text = format!(
            "`{}` gives no event in the run; raise it or `duration`",
            raw.rate
        );
        problems.add(path("rate"), text);
    }
    let times = RunTimes {
        duration: Duration::from_nanos(run.duration_ns.unsigned_abs()),
        timeline: run.timeline,
    };
    let shape = shape::resolve(stream, raw, times, key.purpose(Purpose::Shape), problems);
    Some(StreamPlan {
        stream,
        topic,
        partitions: raw.partitions,
        rate,
        entities,
        skew,
        partition_skew: raw.partition_skew,
        drift_ms: drift_ms.flatten(),
        schedule,
        timeline: run.timeline,
        delays,
        extras,
        clock_skew,
        idle,
        key,
        ids: EventIds::new(run.seed),
        slots: key.purpose(Purpose::Slot),
        shape,
        format: raw.encoding(stream),
        incidents: Vec::new(),
        captures: Vec::new(),
        effects: Vec::new(),
    })
}

/// Rules by which a reading's sensor and timestamp are unique by construction.
fn check_sensors(raw: &StreamSection, rate: f64, run: &Run, problems: &mut Problems) {
    if raw.arrivals == RawArrivals::Poisson {
        let text = "sensors report at a fixed period, and `poisson` would let one report twice in an \
                    instant; use `constant`";
        problems.add("streams.sensors.arrivals", text);
    }
    if raw.partition_skew > 0.0 {
        let text = "sensors report at equal rates, whatever their partition; leave it out";
        problems.add("streams.sensors.partition_skew", text);
    }
    if raw.population.drift.is_some() {
        let text = "sensors report at equal rates, so none is the most active; leave it out";
        problems.add("streams.sensors.population.drift", text);
    }
    // Jitter takes up to a sixteenth of the period; 2 ms of the rest keep timestamps apart.
    let fewest = (2.0 * rate / run.timeline.speed / 1000.0 * 16.0 / 15.0).ceil();
    if f64::from(raw.population.entities) < fewest {
        let text = format!(
            "{} sensors at `{}` would each report more than once in 2 ms of event time; use {fewest} or \
             more, a lower `rate` or a higher `event_time.speed`",
            raw.population.entities, raw.rate
        );
        problems.add("streams.sensors.population.entities", text);
    }
}

fn check_range(
    found: u32,
    range: std::ops::RangeInclusive<u32>,
    what: &str,
    path: &str,
    problems: &mut Problems,
) {
    if !range.contains(&found) {
        let (least, most) = (range.start(), range.end());
        problems.add(
            path,
            format!("`{found}` {what} are not possible; use {least} to {most}"),
        );
    }
}

/// Checks the producers' section, and gives the time between commits, if there are any.
fn resolve_producer(section: &ProducerSection, problems: &mut Problems) -> Option<Duration> {
    if section.headers.len() > MOST_HEADERS {
        let text = format!(
            "{} headers are too many; use up to {MOST_HEADERS}",
            section.headers.len()
        );
        problems.add("producer.headers", text);
    }
    if section
        .headers
        .keys()
        .any(|name| name.is_empty() || name.contains('\0'))
    {
        let text = "a header without a name is none; give it one without zero bytes";
        problems.add("producer.headers", text);
    }
    let text = section.transactions.as_ref()?;
    let every = problems.check("producer.transactions", parse_duration(text))?;
    if !(Duration::from_millis(10)..=Duration::from_secs(300)).contains(&every) {
        let text = format!("`{text}` between commits is not possible; use `10ms` to `5m`");
        problems.add("producer.transactions", text);
    }
    Some(every)
}

fn check_topic(topic: &str, path: &str, problems: &mut Problems) {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || topic.len() > 200 || !topic.chars().all(valid) {
        let text =
            format!("`{topic}` is no topic name; use up to 200 letters, digits, `.`, `_` and `-`");
        problems.add(path, text);
    }
}

/// Default length of a kind's incidents in milliseconds of event time; 0 for a single reading.
fn default_length_ms(kind: Kind) -> i64 {
    match kind {
        Kind::TrafficSpike | Kind::ErrorBurst | Kind::CredentialStuffing => 120_000,
        Kind::Bot | Kind::AccountTakeover | Kind::LevelShift => 180_000,
        Kind::ImpossibleNavigation => 60_000,
        Kind::ImpossibleTravel => 600_000,
        Kind::MachineSpeedInput => 30_000,
        Kind::SensorSpike => 0,
        Kind::StuckValue | Kind::DropOut => 120_000,
    }
}

fn resolve_anomalies(
    stream: Stream,
    raw: &StreamSection,
    run: Option<&Run>,
    problems: &mut Problems,
) -> Vec<Spec> {
    let mut specs = Vec::new();
    for (index, anomaly) in raw.anomalies.iter().enumerate() {
        let (kind, raw) = anomaly.parts();
        let path = format!("streams.{stream}.anomalies[{index}].{kind}");
        if kind.stream() != stream {
            let text = format!(
                "`{kind}` belongs to the stream `{}`; move it there",
                kind.stream()
            );
            problems.add(&path, text);
            continue;
        }
        if raw.count == 0 {
            problems.add(
                format!("{path}.count"),
                "`0` injects nothing; use 1 or more, or leave the kind out",
            );
        }
        if !(raw.magnitude > 0.0 && raw.magnitude <= 10.0) {
            let text = format!(
                "`{}` is no magnitude; use more than 0 and at most 10",
                raw.magnitude
            );
            problems.add(format!("{path}.magnitude"), text);
        }
        let duration = raw.duration.as_ref().and_then(|text| {
            problems
                .check(&format!("{path}.duration"), parse_duration(text))
                .map(|d| (d, text))
        });
        if duration.is_some_and(|(d, _)| d.as_millis() == 0) {
            problems.add(
                format!("{path}.duration"),
                "`0s` is too short; use `1s` or more",
            );
        }
        let start = raw.start.as_ref().and_then(|text| {
            problems
                .check(&format!("{path}.start"), parse_duration(text))
                .map(|d| (d, text))
        });
        let Some(run) = run else { continue };
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        let asked_ms = duration.map_or(default_length_ms(kind), |(d, _)| millis(d));
        let window = Window {
            run_ms: event_ms(run, run.duration_ns),
            earliest_ms: start.map_or(event_ms(run, run.warm_up_ns), |(d, _)| millis(d)),
            length_ms: scaled_length_ms(kind, asked_ms, raw.magnitude),
        };
        if let Some((earliest_ms, latest_ms)) = window.starts(kind, &path, problems) {
            specs.push(Spec {
                kind,
                count: raw.count,
                length_ms: window.length_ms,
                magnitude: raw.magnitude,
                earliest_ms,
                latest_ms,
                path,
            });
        }
    }
    specs
}

/// Length after the magnitude, for the kinds whose length it scales.
#[expect(
    clippy::cast_possible_truncation,
    reason = "bounded by ten times the longest duration"
)]
fn scaled_length_ms(kind: Kind, asked_ms: i64, magnitude: f64) -> i64 {
    match kind {
        Kind::StuckValue | Kind::DropOut => (asked_ms as f64 * magnitude) as i64,
        Kind::AccountTakeover => (asked_ms as f64 / magnitude) as i64,
        _ => asked_ms,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a run is far shorter than i64 milliseconds"
)]
fn event_ms(run: &Run, wall_ns: i64) -> i64 {
    (wall_ns as f64 * run.timeline.speed / 1e6) as i64
}

/// The room that a kind's incidents have, in milliseconds of event time from the origin.
struct Window {
    run_ms: i64,
    earliest_ms: i64,
    length_ms: i64,
}

impl Window {
    /// First and last instant at which an incident may begin.
    fn starts(&self, kind: Kind, path: &str, problems: &mut Problems) -> Option<(i64, i64)> {
        let &Self {
            run_ms,
            earliest_ms,
            length_ms,
        } = self;
        if earliest_ms >= run_ms {
            let text = format!(
                "`{}` is outside the run (`0s`..`{}` of event time); move it or raise `duration`",
                seconds(earliest_ms),
                seconds(run_ms)
            );
            problems.add(format!("{path}.start"), text);
            return None;
        }
        if earliest_ms + length_ms > run_ms {
            let text = format!(
                "an incident of `{}` that begins at `{}` or later does not end inside the run (`0s`..`{}` of \
                 event time); shorten it, or raise the run's `duration` or `event_time.speed`",
                seconds(length_ms),
                seconds(earliest_ms),
                seconds(run_ms)
            );
            problems.add(format!("{path}.duration"), text);
            return None;
        }
        // Labels whose tolerance passes the end are not scored, so room is kept for it where there
        // is enough of it.
        let latest = run_ms - length_ms;
        let scored = latest - kind.late_ms();
        let roomy = scored - earliest_ms >= (latest - earliest_ms) / 4;
        Some((earliest_ms, if roomy { scored } else { latest }))
    }
}

fn seconds(ms: i64) -> String {
    format!("{}s", ms as f64 / 1000.0)
}
