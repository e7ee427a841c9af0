//! From the profile's sections to a plan: validation that reports every problem at once.

use std::{collections::BTreeMap, time::Duration};

use floodmark_contracts::{
    clock::{EventTime, Timeline},
    job::GeneratorSection,
    problem::{Problem, Problems},
    profile::{
        ProducerSection,
        streams::{RawArrivals, StreamSection},
    },
    stream::Stream,
    units::{parse_duration, parse_rate},
};

use super::{Inner, Spec, StreamPlan, anomalies, stream_key};
use crate::{
    address::AddressBook,
    delay::Delays,
    draw::Purpose,
    extras::Extras,
    ids::EventIds,
    incident::{self, Stage},
    schedule::{Schedule, resolve_phases},
    sensors::SensorTypes,
    shape::{self, RunTimes},
    sink::MOST_HEADERS,
    skew::{ClockSkew, Idle},
};

/// How far the noise of the sensors of a group correlates where the profile says nothing.
const CORRELATION: f64 = 0.4;

/// What is known of the run when its streams are resolved.
pub(super) struct Run {
    seed: u64,
    pub(super) duration_ns: i64,
    pub(super) warm_up_ns: i64,
    pub(super) timeline: Timeline,
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
    let mut stages = BTreeMap::new();
    let (mut incidents, mut decoys) = (Vec::new(), Vec::new());
    let mut topics = BTreeMap::new();
    for (stream, raw) in section.streams.iter() {
        for (path, topic) in named_topics(stream, raw) {
            match topics.insert(topic, stream) {
                Some(other) if other != stream => {
                    let text = format!(
                        "`{topic}` is the topic of `{other}` too; give each stream its own"
                    );
                    problems.add(path, text);
                }
                _ => check_topic(topic, &path, &mut problems),
            }
        }
        let plan = resolve_stream(stream, raw, run.as_ref(), &mut problems);
        incidents.extend(anomalies::of_stream(
            stream,
            raw,
            run.as_ref(),
            &mut problems,
        ));
        decoys.extend(anomalies::decoys(stream, raw, run.as_ref(), &mut problems));
        if let Some(plan) = plan {
            stages.insert(stream, Stage::new(plan));
        }
    }
    // Incidents are placed only where all else is sound: their numbers would be wrong otherwise.
    if let (Some(book), true) = (&book, problems.is_empty()) {
        place(&mut stages, incidents, &decoys, book, &mut problems);
    }
    match (run, book) {
        (Some(run), Some(book)) if problems.is_empty() => Ok(Inner {
            section: section.clone(),
            duration_ns: run.duration_ns,
            warm_up_ns: run.warm_up_ns,
            timeline: run.timeline,
            transactions,
            book,
            streams: stages.into_values().map(Stage::finish).collect(),
        }),
        _ => Err(problems.into_vec()),
    }
}

/// Places incidents stream by stream, those that extend over two streams after the others, and decoys
/// last: so nothing moves when something of the later sort is added.
fn place(
    stages: &mut BTreeMap<Stream, Stage>,
    incidents: Vec<Spec>,
    decoys: &[Spec],
    book: &AddressBook,
    problems: &mut Problems,
) {
    let (across, within): (Vec<Spec>, Vec<Spec>) = incidents
        .into_iter()
        .partition(|spec| spec.kind.other_stream().is_some());
    for specs in [&within, &across, decoys] {
        incident::inject(stages, specs, book, problems);
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
    run: Option<&Run>,
    problems: &mut Problems,
) -> Option<StreamPlan> {
    let path = |field: &str| format!("streams.{stream}.{field}");
    let load = resolve_load(stream, raw, run, problems);
    check_range(
        raw.partitions,
        1..=1000,
        "partitions",
        &path("partitions"),
        problems,
    );
    let population = resolve_population(stream, raw, problems);
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
    let (run, schedule) = (run?, load?);
    if raw.referrer && stream != Stream::Clickstream {
        let text = format!("`{stream}` has no such field; set it in `clickstream`");
        problems.add(path("referrer"), text);
    }
    if stream == Stream::Sensors {
        check_sensors(raw, schedule.peak_rate(), run, problems);
    }
    if schedule.count() == 0 {
        let text = "there is no event in the run; raise the rate or `duration`";
        problems.add(path(load_field(raw)), text);
    }
    let times = RunTimes {
        duration: Duration::from_nanos(run.duration_ns.unsigned_abs()),
        timeline: run.timeline,
    };
    let shape = shape::resolve(stream, raw, times, key.purpose(Purpose::Shape), problems);
    Some(StreamPlan {
        stream,
        topics: raw.topics(stream).into_iter().map(str::to_owned).collect(),
        partitions: raw.partitions,
        rate: schedule.mean_rate(),
        entities: raw.population.entities,
        skew: raw.population.skew,
        partition_skew: raw.partition_skew,
        drift_ms: population.drift_ms,
        correlation: population.correlation,
        types: population.types,
        referrer: raw.referrer,
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

/// What a population's section says beyond plain numbers.
struct Population {
    drift_ms: Option<i64>,
    correlation: f64,
    types: SensorTypes,
}

fn resolve_population(stream: Stream, raw: &StreamSection, problems: &mut Problems) -> Population {
    let path = |field: &str| format!("streams.{stream}.{field}");
    check_range(
        raw.population.entities,
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
    Population {
        drift_ms: drift_ms.flatten(),
        correlation: resolve_correlation(stream, raw.population.correlation, problems),
        types: SensorTypes::resolve(stream, raw, problems),
    }
}

/// How far the noise of the sensors of a group correlates.
fn resolve_correlation(stream: Stream, asked: Option<f64>, problems: &mut Problems) -> f64 {
    let Some(correlation) = asked else {
        return CORRELATION;
    };
    let path = format!("streams.{stream}.population.correlation");
    if stream != Stream::Sensors {
        let text = format!("`{stream}` has no groups; set it in `sensors`");
        problems.add(path, text);
    } else if !(0.0..=1.0).contains(&correlation) {
        let text = format!(
            "`{correlation}` is no correlation of a group's noise; use 0 (each for itself) to 1 (all alike)"
        );
        problems.add(path, text);
    }
    correlation
}

/// The schedule that a stream's `rate` or `phases` and its `arrivals` make.
fn resolve_load(
    stream: Stream,
    raw: &StreamSection,
    run: Option<&Run>,
    problems: &mut Problems,
) -> Option<Schedule> {
    let path = |field: &str| format!("streams.{stream}.{field}");
    let arrival_key = |run: &Run| stream_key(run.seed, stream).purpose(Purpose::Arrival);
    match (&raw.rate, raw.phases.is_empty()) {
        (Some(rate), true) => {
            let rate = problems.check(&path("rate"), parse_rate(rate));
            let (run, rate) = (run?, rate?);
            Some(match raw.arrivals {
                RawArrivals::Constant => Schedule::constant(rate, run.duration_ns),
                RawArrivals::Poisson => Schedule::poisson(rate, run.duration_ns, arrival_key(run)),
            })
        }
        (None, false) => {
            let run = run?;
            // The phases draw from children of the key, the arrivals from the key itself.
            let (key, path) = (arrival_key(run), path("phases"));
            let intensity = resolve_phases(&raw.phases, &path, run.duration_ns, key, problems)?;
            Some(match raw.arrivals {
                RawArrivals::Constant => Schedule::shaped(intensity, run.duration_ns),
                RawArrivals::Poisson => Schedule::shaped_poisson(intensity, run.duration_ns, key),
            })
        }
        (None, true) => {
            let text = "`rate` is missing; write one, such as `2k/s`, or `phases`";
            problems.add(path("rate"), text);
            None
        }
        (Some(_), false) => {
            let text = "`rate` and `phases` are both there; leave one out";
            problems.add(path("phases"), text);
            None
        }
    }
}

/// The field in which a stream says how much it sends.
fn load_field(raw: &StreamSection) -> &'static str {
    if raw.phases.is_empty() {
        "rate"
    } else {
        "phases"
    }
}

/// Rules by which a reading's sensor and timestamp are unique by construction.
fn check_sensors(raw: &StreamSection, peak: f64, run: &Run, problems: &mut Problems) {
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
    if peak.is_infinite() {
        let text = "the trace has several arrivals at one instant, and one sensor could report twice in \
                    it; use a trace of counts";
        problems.add("streams.sensors.phases", text);
        return;
    }
    // Jitter takes up to a sixteenth of the period; 2 ms of the rest keep timestamps apart.
    let fewest = (2.0 * peak / run.timeline.speed / 1000.0 * 16.0 / 15.0).ceil();
    if f64::from(raw.population.entities) < fewest {
        let field = load_field(raw);
        let text = format!(
            "{} sensors at up to `{peak}/s` would each report more than once in 2 ms of event time; use \
             {fewest} or more, a lower rate in `{field}` or a higher `event_time.speed`",
            raw.population.entities
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

/// The topics that a section names, or goes to by default, each with its path.
fn named_topics(stream: Stream, raw: &StreamSection) -> Vec<(String, &str)> {
    let own = raw.own_topic(stream);
    let of_types = raw.population.types.iter().filter_map(|(name, kind)| {
        let path = format!("streams.{stream}.population.types.{name}.topic");
        Some((path, kind.topic.as_deref()?))
    });
    let mut named: Vec<(String, &str)> = of_types.collect();
    if raw.topics(stream).contains(&own) {
        named.push((format!("streams.{stream}.topic"), own));
    }
    named
}

fn check_topic(topic: &str, path: &str, problems: &mut Problems) {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || topic.len() > 200 || !topic.chars().all(valid) {
        let text =
            format!("`{topic}` is no topic name; use up to 200 letters, digits, `.`, `_` and `-`");
        problems.add(path, text);
    }
}
