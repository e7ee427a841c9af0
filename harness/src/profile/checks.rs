//! Checks of what belongs to the run as a whole; streams, detector and gates are checked by the crates
//! that use them.

use std::{collections::BTreeMap, time::Duration};

use floodmark_contracts::{
    clock::{EventTime, Timeline},
    problem::{Problem, Problems},
    profile::{Profile, StreamSection, SubjectSection, shape::RawFormat},
    stream::Stream,
    units::parse_duration,
};

use crate::{
    broker::BrokerChoice,
    faults::{self, Fault},
    subject::{self, SoundSubject},
};

/// The longest run, a stated limit: a day of wall time.
const LONGEST_RUN: Duration = Duration::from_secs(86_400);

/// The watermark bound in wall time below which ordinary jitter of a machine makes events late.
const LEAST_BOUND: Duration = Duration::from_millis(50);

/// The parts of a profile that the harness itself works with, known to be sound.
#[derive(Debug, Clone)]
pub struct Sound {
    /// Event time against wall time.
    pub timeline: Timeline,
    /// Wall time during which events are due.
    pub duration: Duration,
    /// Wall time at the start that is not scored.
    pub warm_up: Duration,
    /// Wall time that alerts may take after the last event.
    pub drain: Duration,
    /// Where the events go through.
    pub broker: BrokerChoice,
    /// Full names of the streams' topics, each stream's in the order of its section.
    pub inputs: BTreeMap<Stream, Vec<String>>,
    /// Full names of the output topics.
    pub outputs: Outputs,
    /// The detector under test.
    pub subject: SoundSubject,
    /// Wall time after which the run ends however far it is.
    pub time_limit: Option<Duration>,
    /// What is broken on purpose, by the time at which it begins.
    pub faults: Vec<Fault>,
}

/// Full names of the output topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    /// Alerts.
    pub anomalies: String,
    /// Lines `sessionId,score`.
    pub fraud_flags: String,
    /// Records that could not be decoded.
    pub dead_letters: String,
    /// Labels, on request.
    pub ground_truth: Option<String>,
}

/// Checks the run's own part of `profile`.
///
/// # Errors
/// All problems that were found.
pub fn check(profile: &Profile) -> Result<Sound, Vec<Problem>> {
    let mut problems = Problems::new();
    let duration = problems.check("duration", parse_duration(&profile.duration));
    let warm_up = problems.check("warm_up", parse_duration(&profile.warm_up));
    let drain = problems.check("drain", parse_duration(&profile.drain));
    let broker = problems.check("broker", profile.broker.parse::<BrokerChoice>());
    check_durations(duration, warm_up, &mut problems);
    let time_limit = match &profile.time_limit {
        Some(limit) => problems.check("time_limit", parse_duration(limit)),
        None => None,
    };
    let subject = subject::check(profile, &mut problems);
    let timeline = check_event_time(profile, &mut problems);
    check_topics(profile, &mut problems);
    check_shapes(profile, &mut problems);
    let faults = faults::check(profile, duration, broker.as_ref(), &mut problems);
    if profile.streams.iter().next().is_none() {
        problems.add(
            "streams",
            "no stream is set; name `clickstream`, `banking` or `sensors`",
        );
    }
    if profile.name.is_empty() || profile.name.contains(['/', '\0']) {
        let message = format!(
            "`{}` is not a name; use a word such as `quickstart`",
            profile.name
        );
        problems.add("name", message);
    }
    match (
        problems.is_empty(),
        duration,
        warm_up,
        drain,
        broker.zip(subject),
        timeline,
    ) {
        (
            true,
            Some(duration),
            Some(warm_up),
            Some(drain),
            Some((broker, subject)),
            Some(timeline),
        ) => {
            let (inputs, outputs) = topic_names(profile);
            Ok(Sound {
                timeline,
                duration,
                warm_up,
                drain,
                broker,
                inputs,
                outputs,
                subject,
                time_limit,
                faults,
            })
        }
        _ => Err(problems.into_vec()),
    }
}

fn check_durations(duration: Option<Duration>, warm_up: Option<Duration>, out: &mut Problems) {
    let Some(duration) = duration else { return };
    if duration.is_zero() || duration > LONGEST_RUN {
        out.add(
            "duration",
            format!("{duration:?} is not between `1ms` and `24h`"),
        );
    }
    if let Some(warm_up) = warm_up
        && warm_up >= duration
    {
        let message = format!("{warm_up:?} leaves nothing of the run of {duration:?} to score");
        out.add("warm_up", message);
    }
}

fn check_event_time(profile: &Profile, problems: &mut Problems) -> Option<Timeline> {
    let section = &profile.event_time;
    let speed = section.speed;
    if !(speed > 0.0 && speed <= 3600.0) {
        problems.add(
            "event_time.speed",
            format!("`{speed}` is not above 0 and at most 3600"),
        );
        return None;
    }
    // A bound that cannot be read is the detector's to report.
    if let Ok(bound) = parse_duration(&profile.detector.watermark_bound) {
        let least = LEAST_BOUND.mul_f64(speed);
        if bound < least {
            let message = format!(
                "{bound:?} of event time is under 50 ms of wall time at speed {speed}, so ordinary \
                 jitter would make events late; use {least:?} or more"
            );
            problems.add("detector.watermark_bound", message);
        }
    }
    match section.origin.parse::<jiff::Timestamp>() {
        Ok(origin) => Some(Timeline {
            origin: EventTime(origin.as_millisecond()),
            speed,
        }),
        Err(_) => {
            let message = format!(
                "`{}` is not an instant; write one such as `2025-06-10T05:00:00Z`",
                section.origin
            );
            problems.add("event_time.origin", message);
            None
        }
    }
}

fn check_topics(profile: &Profile, problems: &mut Problems) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let topics = &profile.topics;
    let mut named: Vec<(String, &str)> = vec![
        ("topics.anomalies".to_owned(), &topics.anomalies),
        ("topics.fraud_flags".to_owned(), &topics.fraud_flags),
        ("topics.dead_letters".to_owned(), &topics.dead_letters),
    ];
    if let Some(name) = &topics.ground_truth {
        named.push(("topics.ground_truth".to_owned(), name));
    }
    let word = match &profile.subject {
        SubjectSection::External(_) => "external",
        _ => "command",
    };
    // Alerts may be in topics that are the run's anyway, but not among the events.
    let outputs: Vec<&str> = named.iter().map(|(_, name)| *name).collect();
    for (i, alerts) in profile.subject.alerts().iter().enumerate() {
        if let Some(name) = alerts
            .topic
            .as_deref()
            .filter(|name| !outputs.contains(name))
        {
            named.push((format!("subject.{word}.alerts[{i}].topic"), name));
        }
    }
    for (stream, section) in profile.streams.iter() {
        for name in section.topics(stream) {
            named.push((path_of_topic(stream, section, name), name));
        }
        check_partitions(
            &format!("streams.{stream}.partitions"),
            section.partitions,
            problems,
        );
    }
    check_partitions(
        "topics.anomalies_partitions",
        topics.anomalies_partitions,
        problems,
    );
    for (path, name) in named {
        let full = format!("{}{name}", profile.topic_prefix);
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || full.len() > 249 || !full.chars().all(legal) {
            let message = format!(
                "`{full}` is not a topic name; use up to 249 letters, digits, `.`, `_` and `-`"
            );
            problems.add(path, message);
        } else if let Some(other) = seen.insert(full.clone(), path.clone()) {
            problems.add(
                path,
                format!("`{full}` is also the topic of `{other}`; use another name"),
            );
        }
    }
}

/// Where a section says that a topic is one of its stream's.
fn path_of_topic(stream: Stream, section: &StreamSection, topic: &str) -> String {
    let mut types = section.population.types.iter();
    let of_type = types.find(|(_, kind)| kind.topic.as_deref() == Some(topic));
    match of_type.filter(|_| topic != section.own_topic(stream)) {
        Some((name, _)) => format!("streams.{stream}.population.types.{name}.topic"),
        None => format!("streams.{stream}.topic"),
    }
}

/// The bundled detector reads records of our own shape. In JSON it passes over fields that it does not
/// know; everything else would make it blind, and the run would look like a bad detector.
fn check_shapes(profile: &Profile, problems: &mut Problems) {
    if profile.subject != SubjectSection::Bundled {
        return;
    }
    for (stream, section) in profile.streams.iter() {
        let format = section.encoding(stream);
        let plain = StreamSection {
            format: None,
            ..section.clone()
        };
        let avro = format == RawFormat::Avro;
        let entity = match stream {
            Stream::Clickstream | Stream::Banking => "user_id",
            Stream::Sensors => "sensor_id",
        };
        let fields = &section.fields;
        let obstacles = [
            ("format", format != plain.encoding(stream)),
            (
                "key",
                section.key.as_deref().is_some_and(|key| key != entity),
            ),
            ("fields.rename", !fields.rename.is_empty()),
            ("fields.omit", !fields.omit.is_empty()),
            ("fields.add", avro && !fields.add.is_empty()),
            ("pad_bytes", avro && section.pad_bytes.is_some()),
            (
                "versions",
                avro && section.versions.as_ref().is_some_and(|v| v.len() > 1),
            ),
            ("evolve_at", avro && section.evolve_at.is_some()),
        ];
        for (field, _) in obstacles.iter().filter(|(_, in_the_way)| *in_the_way) {
            let text = format!(
                "the bundled detector reads the stream `{stream}` in its own shape only; leave this out, or                  set `subject` to another detector"
            );
            problems.add(format!("streams.{stream}.{field}"), text);
        }
    }
}

fn check_partitions(path: &str, partitions: u32, problems: &mut Problems) {
    if !(1..=1000).contains(&partitions) {
        problems.add(path, format!("`{partitions}` is not between 1 and 1000"));
    }
}

fn topic_names(profile: &Profile) -> (BTreeMap<Stream, Vec<String>>, Outputs) {
    let full = |name: &str| format!("{}{name}", profile.topic_prefix);
    let inputs = profile
        .streams
        .iter()
        .map(|(stream, section)| {
            (
                stream,
                section.topics(stream).into_iter().map(full).collect(),
            )
        })
        .collect();
    let outputs = Outputs {
        anomalies: full(&profile.topics.anomalies),
        fraud_flags: full(&profile.topics.fraud_flags),
        dead_letters: full(&profile.topics.dead_letters),
        ground_truth: profile.topics.ground_truth.as_deref().map(full),
    };
    (inputs, outputs)
}
