//! From the section `faults` to faults that can be carried out on this broker and subject.

use std::time::Duration;

use floodmark_contracts::{
    fault::FaultKind,
    problem::Problems,
    profile::{FaultSection, Profile, SubjectSection, shape::RawFormat},
    units::parse_duration,
};

use super::{line::Condition, links};
use crate::broker::BrokerChoice;

/// The longest time for which a broker may be away: producers give a record up after two minutes.
const LONGEST_ABSENCE: Duration = Duration::from_secs(90);

/// A fault that can be carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Its name.
    pub kind: FaultKind,
    /// Wall time from the first due time to its begin.
    pub at: Duration,
    /// How long it lasts.
    pub span: Duration,
    /// What is done.
    pub action: Action,
}

/// What is done, and undone at the end of the fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// A process is killed, and started again.
    Kill(Victim),
    /// A process is asked to end, and started again.
    Restart(Victim),
    /// A process is stopped, and goes on.
    Pause(Victim),
    /// What goes between subject and broker is delayed.
    Slow(Condition),
    /// The subject is cut off from something.
    Cut(Way),
    /// There are this many processes of the subject.
    Scale(u32),
    /// A member joins the subject's group once in this time.
    Storm(Duration),
    /// Timestamps are off by this many milliseconds.
    Skew(i64),
}

/// A process that can be disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The broker.
    Broker,
    /// The subject.
    Subject,
    /// The generator, all of its processes.
    Generator,
}

impl Victim {
    /// Its role among the run's processes.
    #[must_use]
    pub fn role(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Subject => "subject",
            Self::Generator => "generator",
        }
    }
}

/// A way from the subject to something that it talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To the broker.
    Broker,
    /// To the schema registry.
    Registry,
    /// To Redis.
    Redis,
    /// To PostgreSQL.
    Postgres,
    /// To the scorer of fraud.
    Scorer,
}

/// Reads the faults of a profile. What is wrong with them is added to `problems`; the broker and the duration are
/// none where they could not be read.
pub(crate) fn check(
    profile: &Profile,
    duration: Option<Duration>,
    broker: Option<&BrokerChoice>,
    problems: &mut Problems,
) -> Vec<Fault> {
    let mut faults: Vec<(String, Fault)> = Vec::new();
    for (number, section) in profile.faults.iter().enumerate() {
        let (kind, at, span) = section.parts();
        let path = format!("faults[{number}].{kind}");
        let action = action(section, &path, problems);
        let at = problems.check(&format!("{path}.at"), parse_duration(at));
        let span = problems.check(&format!("{path}.for"), parse_duration(span));
        if let Some(reason) = obstacle(kind, profile, broker) {
            problems.add(&path, reason);
        }
        if let (Some(at), Some(span), Some(action)) = (at, span, action) {
            let fault = Fault {
                kind,
                at,
                span,
                action,
            };
            check_times(&fault, &path, duration, problems);
            faults.push((path, fault));
        }
    }
    check_overlaps(&faults, problems);
    let mut faults: Vec<Fault> = faults.into_iter().map(|(_, fault)| fault).collect();
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// What the fault does, with its own settings.
fn action(section: &FaultSection, path: &str, problems: &mut Problems) -> Option<Action> {
    Some(match section {
        FaultSection::BrokerKill(_) => Action::Kill(Victim::Broker),
        FaultSection::BrokerRestart(_) => Action::Restart(Victim::Broker),
        FaultSection::BrokerPause(_) => Action::Pause(Victim::Broker),
        FaultSection::SubjectKill(_) => Action::Kill(Victim::Subject),
        FaultSection::SubjectRestart(_) => Action::Restart(Victim::Subject),
        FaultSection::SubjectPause(_) => Action::Pause(Victim::Subject),
        FaultSection::GeneratorPause(_) => Action::Pause(Victim::Generator),
        FaultSection::NetworkCut(_) => Action::Cut(Way::Broker),
        FaultSection::RegistryOutage(_) => Action::Cut(Way::Registry),
        FaultSection::RedisOutage(_) => Action::Cut(Way::Redis),
        FaultSection::PostgresOutage(_) => Action::Cut(Way::Postgres),
        FaultSection::ScorerOutage(_) => Action::Cut(Way::Scorer),
        FaultSection::NetworkDelay(section) => {
            let delay = problems.check(&format!("{path}.delay"), parse_duration(&section.delay));
            let jitter = problems.check(&format!("{path}.jitter"), parse_duration(&section.jitter));
            let (delay, jitter) = delay.zip(jitter)?;
            if delay.is_zero() || jitter > delay {
                let text = format!(
                    "{delay:?} give or take {jitter:?} is no delay; use a `jitter` up to `delay`"
                );
                problems.add(format!("{path}.delay"), text);
            }
            Action::Slow(Condition {
                delay_us: micros(delay),
                jitter_us: micros(jitter),
                loss: 0.0,
            })
        }
        FaultSection::NetworkLoss(section) => {
            if !(section.share > 0.0 && section.share <= 0.5) {
                let text = format!("`{}` is not above 0 and at most 0.5", section.share);
                problems.add(format!("{path}.share"), text);
            }
            Action::Slow(Condition {
                loss: section.share,
                ..Condition::default()
            })
        }
        FaultSection::SubjectScale(section) => {
            if !(2..=16).contains(&section.processes) {
                let text = format!("`{}` is not between 2 and 16", section.processes);
                problems.add(format!("{path}.processes"), text);
            }
            Action::Scale(section.processes)
        }
        FaultSection::RebalanceStorm(section) => {
            let every = problems.check(&format!("{path}.every"), parse_duration(&section.every))?;
            if every < Duration::from_millis(100) {
                problems.add(
                    format!("{path}.every"),
                    format!("{every:?} is too short to join and leave; use `100ms` or more"),
                );
            }
            Action::Storm(every)
        }
        FaultSection::ClockSkew(section) => {
            let by = &section.by;
            let (sign, size) = by
                .strip_prefix('-')
                .map_or((1, by.as_str()), |size| (-1, size));
            let size = problems.check(&format!("{path}.by"), parse_duration(size))?;
            let by_ms = sign * micros(size) / 1000;
            if by_ms == 0 {
                let text = format!("`{by}` is no difference; use `1ms` or more, or `-1ms` or less");
                problems.add(format!("{path}.by"), text);
            }
            Action::Skew(by_ms)
        }
    })
}

fn check_times(fault: &Fault, path: &str, duration: Option<Duration>, problems: &mut Problems) {
    let end = fault.at + fault.span;
    if fault.span.is_zero() {
        problems.add(format!("{path}.for"), "a fault of no time does nothing");
    } else if let Some(duration) = duration.filter(|duration| end > *duration) {
        let text = format!(
            "{:?}..{end:?} is not inside of the run (0s..{duration:?}); move it or raise `duration`",
            fault.at
        );
        problems.add(format!("{path}.at"), text);
    }
    let is_absence = matches!(
        fault.action,
        Action::Kill(Victim::Broker)
            | Action::Restart(Victim::Broker)
            | Action::Pause(Victim::Broker)
    );
    if is_absence && fault.span > LONGEST_ABSENCE {
        let text = format!(
            "{:?} without a broker is longer than producers hold their records; use {LONGEST_ABSENCE:?} or less",
            fault.span
        );
        problems.add(format!("{path}.for"), text);
    }
}

/// Two faults on one target would undo each other.
fn check_overlaps(faults: &[(String, Fault)], problems: &mut Problems) {
    for (number, (path, fault)) in faults.iter().enumerate() {
        let other = faults[..number].iter().find(|(_, other)| {
            other.kind.target() == fault.kind.target()
                && other.at < fault.at + fault.span
                && fault.at < other.at + other.span
        });
        if let Some((other, _)) = other {
            let text = format!(
                "it overlaps with `{other}`, which is done to the same; let one end before the other"
            );
            problems.add(format!("{path}.at"), text);
        }
    }
}

/// Why this fault cannot be done to what the profile runs.
fn obstacle(kind: FaultKind, profile: &Profile, broker: Option<&BrokerChoice>) -> Option<String> {
    match kind {
        FaultKind::BrokerKill | FaultKind::BrokerRestart => match broker? {
            BrokerChoice::KafkaHome(_) | BrokerChoice::Testcontainers => None,
            BrokerChoice::Embedded => Some(
                "the embedded broker keeps its data in memory and would lose it; run on a real one, with \
                 `broker: kafka-home:DIR`"
                    .to_owned(),
            ),
            other => not_ours(other),
        },
        FaultKind::BrokerPause => match broker? {
            BrokerChoice::KafkaHome(_) | BrokerChoice::Embedded | BrokerChoice::Testcontainers => {
                None
            }
            other => not_ours(other),
        },
        FaultKind::NetworkDelay | FaultKind::NetworkLoss | FaultKind::NetworkCut => match broker? {
            _ if subject_obstacle(&profile.subject).is_some() => subject_obstacle(&profile.subject),
            BrokerChoice::KafkaHome(_) | BrokerChoice::Embedded => None,
            other => Some(format!(
                "broker `{other}` tells its clients its own address, which leads around the proxy; use `embedded` or \
                 `kafka-home:DIR`"
            )),
        },
        FaultKind::SubjectKill
        | FaultKind::SubjectRestart
        | FaultKind::SubjectPause
        | FaultKind::SubjectScale => subject_obstacle(&profile.subject),
        FaultKind::RebalanceStorm => match &profile.subject {
            SubjectSection::External(external) if external.group.is_some() => None,
            other => subject_obstacle(other),
        },
        FaultKind::RegistryOutage => registry_obstacle(profile, broker?),
        FaultKind::RedisOutage | FaultKind::PostgresOutage | FaultKind::ScorerOutage => {
            service_obstacle(kind, profile)
        }
        FaultKind::ClockSkew | FaultKind::GeneratorPause => None,
    }
}

fn not_ours(broker: &BrokerChoice) -> Option<String> {
    Some(format!(
        "the process of broker `{broker}` is not one that this run starts; use `kafka-home:DIR`, or `embedded` for a pause"
    ))
}

/// Only processes that the run starts can be disturbed, or told of a proxy.
fn subject_obstacle(subject: &SubjectSection) -> Option<String> {
    match subject {
        SubjectSection::Bundled | SubjectSection::Always | SubjectSection::Command(_) => None,
        SubjectSection::None => {
            Some("there is no subject that this could be done to; set `subject` to another one than `none`".to_owned())
        }
        SubjectSection::External(_) => {
            Some("an `external` subject is not one that this run starts; use `command`".to_owned())
        }
    }
}

fn registry_obstacle(profile: &Profile, broker: &BrokerChoice) -> Option<String> {
    if let Some(reason) = subject_obstacle(&profile.subject) {
        return Some(reason);
    }
    if let Some(url) = &profile.registry {
        return links::refusal(url);
    }
    let mut streams = profile.streams.iter();
    let needs_one = streams.any(|(stream, section)| section.encoding(stream) == RawFormat::Avro);
    let has_one = *broker == BrokerChoice::Embedded || needs_one;
    (!has_one).then(|| {
        "this run has no schema registry; name one with `registry`, or write a stream in Avro"
            .to_owned()
    })
}

fn service_obstacle(kind: FaultKind, profile: &Profile) -> Option<String> {
    if profile.subject != SubjectSection::Bundled {
        return Some(
            "only of the bundled detector is it known what it talks to; set `subject: bundled`"
                .to_owned(),
        );
    }
    let (way, setting) = match kind {
        FaultKind::RedisOutage => (Way::Redis, "`fraud.look_up.redis` or a sink `redis`"),
        FaultKind::PostgresOutage => (Way::Postgres, "a sink `postgres`"),
        _ => (Way::Scorer, "`fraud.scorer.service`"),
    };
    let mut detector = profile.detector.clone();
    let mut urls = links::services(&mut detector).filter(|(of, _)| *of == way);
    let Some((_, first)) = urls.next() else {
        return Some(format!(
            "the detector has none; give it {setting} under `detector`"
        ));
    };
    let first = links::refusal(first);
    first.or_else(|| urls.find_map(|(_, url)| links::refusal(url)))
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults of a run of a minute; the problems, or the number of faults.
    fn check_yaml(rest: &str, faults: &str) -> Result<Vec<Fault>, String> {
        let text = format!(
            "{{ name: x, duration: 60s, {rest}, streams: {{ sensors: {{ rate: 1k/s, population: {{ entities: 10, skew: 0 }} }} }}, \
             faults: [ {faults} ] }}"
        );
        let profile: Profile = serde_saphyr::from_str(&text).unwrap();
        let mut problems = Problems::new();
        let broker = profile.broker.parse().unwrap();
        let found = check(
            &profile,
            Some(Duration::from_secs(60)),
            Some(&broker),
            &mut problems,
        );
        let problems: Vec<String> = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        if problems.is_empty() {
            Ok(found)
        } else {
            Err(problems.join("\n"))
        }
    }

    const REAL: &str = "broker: \"kafka-home:x\"";
    const EMBEDDED: &str = "broker: embedded";

    #[test]
    fn faults_come_in_the_order_of_their_times_whatever_that_of_the_file() {
        let two = "subject-pause: { at: 30s, for: 1s }, broker-kill: { at: 10s, for: 5s }";
        let two = two.replace(", broker", " }, { broker");
        let found = check_yaml(REAL, &format!("{{ {two} }}")).unwrap();
        let kinds: Vec<FaultKind> = found.iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, [FaultKind::BrokerKill, FaultKind::SubjectPause]);
        assert_eq!(found[0].action, Action::Kill(Victim::Broker));
        assert_eq!(found[0].span, Duration::from_secs(5));
    }

    #[test]
    fn settings_of_faults_are_read() {
        for (fault, action) in [
            (
                "network-delay: { at: 1s, for: 1s, delay: 100ms, jitter: 5ms }",
                Action::Slow(Condition {
                    delay_us: 100_000,
                    jitter_us: 5_000,
                    loss: 0.0,
                }),
            ),
            (
                "clock-skew: { at: 1s, for: 1s, by: -30s }",
                Action::Skew(-30_000),
            ),
            (
                "subject-scale: { at: 1s, for: 1s, processes: 3 }",
                Action::Scale(3),
            ),
            (
                "rebalance-storm: { at: 1s, for: 9s, every: 2s }",
                Action::Storm(Duration::from_secs(2)),
            ),
        ] {
            let found = check_yaml(EMBEDDED, &format!("{{ {fault} }}")).unwrap();
            assert_eq!(found[0].action, action, "{fault}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_what_would_work() {
        let redis = "detector: { fraud: { look_up: { redis: { url: \"rediss://h:1/0\" } } } }";
        for (rest, fault, text) in [
            (
                EMBEDDED,
                "broker-kill: { at: 1s, for: 1s }",
                "in memory and would lose it",
            ),
            (
                EMBEDDED,
                "broker-restart: { at: 1s, for: 1s }",
                "kafka-home:DIR",
            ),
            (
                "broker: \"h:1\"",
                "broker-pause: { at: 1s, for: 1s }",
                "is not one that this run starts",
            ),
            (
                "broker: \"h:1\"",
                "network-cut: { at: 1s, for: 1s }",
                "leads around the proxy",
            ),
            (
                "subject: none",
                "subject-kill: { at: 1s, for: 1s }",
                "no subject",
            ),
            (
                REAL,
                "registry-outage: { at: 1s, for: 1s }",
                "no schema registry",
            ),
            (
                EMBEDDED,
                "redis-outage: { at: 1s, for: 1s }",
                "`fraud.look_up.redis`",
            ),
            (redis, "redis-outage: { at: 1s, for: 1s }", "TLS"),
            (
                "subject: always",
                "scorer-outage: { at: 1s, for: 1s }",
                "subject: bundled",
            ),
            (
                EMBEDDED,
                "subject-kill: { at: 59s, for: 2s }",
                "not inside of the run",
            ),
            (EMBEDDED, "subject-kill: { at: 59s, for: 0s }", "no time"),
            (
                EMBEDDED,
                "subject-kill: { at: soon, for: 1s }",
                "`soon` is not a duration",
            ),
            (
                EMBEDDED,
                "network-loss: { at: 1s, for: 1s, share: 0.9 }",
                "at most 0.5",
            ),
            (
                EMBEDDED,
                "network-delay: { at: 1s, for: 1s, delay: 1ms, jitter: 2ms }",
                "up to `delay`",
            ),
            (
                EMBEDDED,
                "subject-scale: { at: 1s, for: 1s, processes: 1 }",
                "between 2 and 16",
            ),
            (
                EMBEDDED,
                "clock-skew: { at: 1s, for: 1s, by: 0s }",
                "no difference",
            ),
            (
                EMBEDDED,
                "rebalance-storm: { at: 1s, for: 1s, every: 1ms }",
                "too short",
            ),
        ] {
            let error = check_yaml(rest, &format!("{{ {fault} }}")).unwrap_err();
            assert!(error.contains(text), "{fault}: {error}");
            assert!(error.starts_with("faults[0]."), "{error}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let both = "{ broker-kill: { at: x, for: 0s } }, { subject-kill: { at: 3m, for: 1s } }";
        assert_eq!(check_yaml(EMBEDDED, both).unwrap_err().lines().count(), 3);
    }

    #[test]
    fn faults_overlap_only_on_different_targets() {
        let pair = |first: &str, second: &str| {
            let faults = format!(
                "{{ {first}: {{ at: 1s, for: 5s }} }}, {{ {second}: {{ at: 4s, for: 5s }} }}"
            );
            check_yaml(REAL, &faults)
        };
        assert!(pair("broker-kill", "subject-kill").is_ok());
        let error = pair("broker-kill", "broker-pause").unwrap_err();
        assert!(
            error.contains("overlaps with `faults[0].broker-kill`"),
            "{error}"
        );
    }
}
