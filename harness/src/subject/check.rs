//! From the section `subject` of a profile to one that is known to be sound.

use std::time::Duration;

use floodmark_contracts::{
    problem::Problems,
    profile::{
        Profile, SubjectSection,
        subject::{RawAlerts, RawCommand, RawExternal, RawReady},
    },
    units::parse_duration,
};

use super::{Ready, SoundSubject, SubjectKind};
use crate::collect::{AlertShape, AlertSource};

/// How long our own detector may take until it has its partitions.
const OWN_LIMIT: Duration = Duration::from_secs(60);

/// The most processes of one subject, a stated limit.
const MOST_PROCESSES: u32 = 64;

/// Prefix of the variables that floodmark sets itself.
const OUR_PREFIX: &str = "FLOODMARK_";

/// Checks the subject of `profile`.
pub(crate) fn check(profile: &Profile, problems: &mut Problems) -> Option<SoundSubject> {
    let section = &profile.subject;
    let name = section.name();
    let ours = |kind| SoundSubject {
        name: name.clone(),
        kind,
        alerts: Vec::new(),
        watermark_bound_ms: None,
        commits: section.commits(),
        ready: Ready::Group,
        ready_within: OWN_LIMIT,
    };
    let mut sound = match section {
        SubjectSection::None => ours(SubjectKind::Nothing),
        SubjectSection::Always => ours(SubjectKind::Bundled { always: true }),
        SubjectSection::Bundled => SoundSubject {
            watermark_bound_ms: millis(&profile.detector.watermark_bound),
            ..ours(SubjectKind::Bundled { always: false })
        },
        SubjectSection::Command(raw) => command(raw, ours, problems)?,
        SubjectSection::External(raw) => external(raw, ours, problems)?,
    };
    if let Some(bound) = section.watermark_bound() {
        let path = format!("subject.{}.watermark_bound", word(section));
        problems.check(&path, parse_duration(bound))?;
        sound.watermark_bound_ms = millis(bound);
    }
    sound.alerts = alerts(profile, &name, problems)?;
    Some(sound)
}

fn command(
    raw: &RawCommand,
    ours: impl Fn(SubjectKind) -> SoundSubject,
    problems: &mut Problems,
) -> Option<SoundSubject> {
    let path = "subject.command";
    if raw.run.first().is_none_or(String::is_empty) {
        let message =
            "no program is named; write it with its arguments, such as `[python3, detector.py]`";
        problems.add(format!("{path}.run"), message);
        return None;
    }
    if !(1..=MOST_PROCESSES).contains(&raw.processes) {
        let message = format!("`{}` is not between 1 and {MOST_PROCESSES}", raw.processes);
        problems.add(format!("{path}.processes"), message);
    }
    for name in raw.env.keys() {
        let shape = if name.starts_with(OUR_PREFIX) {
            "is one that floodmark sets itself"
        } else if name.is_empty() || name.contains(['=', '\0']) {
            "is no name of a variable"
        } else {
            continue;
        };
        problems.add(
            format!("{path}.env.{name}"),
            format!("`{name}` {shape}; use another name"),
        );
    }
    let (ready, ready_within) = ready(&raw.ready, &raw.ready_within, path, problems)?;
    Some(SoundSubject {
        ready,
        ready_within,
        ..ours(SubjectKind::Command {
            run: raw.run.clone(),
            dir: raw.dir.as_ref().map(Into::into),
            env: raw.env.clone(),
            processes: raw.processes,
        })
    })
}

fn external(
    raw: &RawExternal,
    ours: impl Fn(SubjectKind) -> SoundSubject,
    problems: &mut Problems,
) -> Option<SoundSubject> {
    let path = "subject.external";
    if raw.group.is_none() && raw.ready == RawReady::Group {
        let message = "without a `group` there is nothing to see whether it is ready; name its consumer group, \
                       or a `url` that answers once it is";
        problems.add(format!("{path}.ready"), message);
    }
    let (ready, ready_within) = ready(&raw.ready, &raw.ready_within, path, problems)?;
    Some(SoundSubject {
        ready,
        ready_within,
        ..ours(SubjectKind::External {
            group: raw.group.clone(),
        })
    })
}

fn ready(
    raw: &RawReady,
    within: &str,
    path: &str,
    problems: &mut Problems,
) -> Option<(Ready, Duration)> {
    let within = problems.check(&format!("{path}.ready_within"), parse_duration(within));
    let ready = match raw {
        RawReady::Group => Ready::Group,
        RawReady::Url(url) if url.starts_with("http://") || url.starts_with("https://") => {
            Ready::Url(url.clone())
        }
        RawReady::Url(url) => {
            let message =
                format!("`{url}` is not a URL; write one such as `http://127.0.0.1:8080/ready`");
            problems.add(format!("{path}.ready.url"), message);
            return None;
        }
    };
    Some((ready, within?))
}

/// Where the alerts are; by default our own schema in the topic of anomalies.
fn alerts(profile: &Profile, subject: &str, problems: &mut Problems) -> Option<Vec<AlertSource>> {
    let full = |topic: &str| format!("{}{topic}", profile.topic_prefix);
    let raw = profile.subject.alerts();
    if raw.is_empty() {
        return Some(vec![AlertSource::ours(&full(&profile.topics.anomalies))]);
    }
    let path = format!("subject.{}.alerts", word(&profile.subject));
    let mut sources: Vec<AlertSource> = Vec::new();
    for (i, RawAlerts { topic, shape }) in raw.iter().enumerate() {
        let topic = full(topic.as_deref().unwrap_or(&profile.topics.anomalies));
        if sources.iter().any(|source| source.topic == topic) {
            let message = format!("`{topic}` is named twice; one topic has alerts of one shape");
            problems.add(format!("{path}[{i}].topic"), message);
        }
        let shape = AlertShape::check(shape, subject, &format!("{path}[{i}].shape"), problems)?;
        sources.push(AlertSource { topic, shape });
    }
    Some(sources)
}

/// The word in front of a section that is a mapping.
fn word(section: &SubjectSection) -> &'static str {
    match section {
        SubjectSection::External(_) => "external",
        _ => "command",
    }
}

/// Milliseconds of a duration; one that cannot be read is reported elsewhere.
fn millis(text: &str) -> Option<i64> {
    let bound = parse_duration(text).ok()?;
    i64::try_from(bound.as_millis()).ok()
}
