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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::collect::Origin;

    /// A small profile with this `subject:` section.
    fn checked(subject: &str) -> Result<SoundSubject, String> {
        let text = format!(
            "{{ name: x, duration: 5s, topic_prefix: try-, subject: {subject}, streams: {{ sensors: {{ rate: 1k/s }} }} }}"
        );
        let profile: Profile = serde_saphyr::from_str(&text).unwrap();
        let mut problems = Problems::new();
        let sound = check(&profile, &mut problems);
        let texts: Vec<String> = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        sound.filter(|_| texts.is_empty()).ok_or(texts.join("\n"))
    }

    #[test]
    fn each_subject_is_what_its_section_says() {
        for (section, name, kind, commits) in [
            ("none", "none", SubjectKind::Nothing, false),
            (
                "bundled",
                "bundled",
                SubjectKind::Bundled { always: false },
                true,
            ),
            (
                "always",
                "always",
                SubjectKind::Bundled { always: true },
                true,
            ),
            (
                "{ external: { name: job, group: g } }",
                "job",
                SubjectKind::External {
                    group: Some("g".to_owned()),
                },
                true,
            ),
            (
                "{ external: { ready: { url: 'http://h/ready' } } }",
                "external",
                SubjectKind::External { group: None },
                false,
            ),
        ] {
            let sound = checked(section).unwrap();
            assert_eq!(
                (sound.name.as_str(), sound.kind, sound.commits),
                (name, kind, commits),
                "{section}"
            );
        }
    }

    #[test]
    fn a_program_has_what_it_is_to_be_started_with() {
        let sound = checked(
            "{ command: { run: [python3, d.py, -v], dir: /tmp, env: { A: b }, processes: 3, \
               ready_within: 90s, commits: false, watermark_bound: 5s } }",
        )
        .unwrap();
        let SubjectKind::Command {
            run,
            dir,
            env,
            processes,
        } = sound.kind
        else {
            panic!("no command");
        };
        assert_eq!(run, ["python3", "d.py", "-v"]);
        assert_eq!(dir, Some("/tmp".into()));
        assert_eq!((env["A"].as_str(), processes), ("b", 3));
        assert_eq!(sound.ready_within, Duration::from_secs(90));
        assert_eq!(sound.watermark_bound_ms, Some(5000));
        assert!(!sound.commits);
    }

    #[test]
    fn alerts_are_in_the_topic_of_anomalies_unless_others_are_named() {
        let topics = |section: &str| -> Vec<String> {
            let sources = checked(section).unwrap().alerts;
            sources.into_iter().map(|source| source.topic).collect()
        };
        assert_eq!(topics("bundled"), ["try-anomalies"]);
        assert_eq!(topics("{ command: { run: [d] } }"), ["try-anomalies"]);
        let several = "{ command: { run: [d], alerts: [ {}, { topic: flags } ] } }";
        assert_eq!(topics(several), ["try-anomalies", "try-flags"]);
    }

    #[test]
    fn a_rule_that_is_not_named_is_the_subjects() {
        let sound = checked(
            "{ command: { run: [d], name: 'odd {name}', alerts: [ { shape: { mapping: { key: { type: user, id: '{u}' } } } } ] } }",
        )
        .unwrap();
        let origin = Origin {
            topic: "t",
            partition: 0,
            offset: 1,
            key: None,
        };
        let found = sound.alerts[0].shape.read(br#"{"u":"a"}"#, &origin);
        let crate::collect::Found::Untimed(alert) = found.unwrap() else {
            panic!("it says no time");
        };
        assert_eq!(alert.detector, "odd {name}");
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place_and_what_would_work() {
        for (section, expected) in [
            (
                "{ command: { run: [] } }",
                "subject.command.run: no program is named",
            ),
            (
                "{ command: { run: [d], processes: 65 } }",
                "subject.command.processes: `65` is not between 1 and 64",
            ),
            (
                "{ command: { run: [d], env: { FLOODMARK_GROUP: g } } }",
                "subject.command.env.FLOODMARK_GROUP: `FLOODMARK_GROUP` is one that floodmark sets itself",
            ),
            (
                "{ command: { run: [d], env: { 'a=b': c } } }",
                "subject.command.env.a=b: `a=b` is no name of a variable",
            ),
            (
                "{ command: { run: [d], ready_within: soon } }",
                "subject.command.ready_within: `soon` is not a duration",
            ),
            (
                "{ command: { run: [d], ready: { url: localhost } } }",
                "subject.command.ready.url: `localhost` is not a URL",
            ),
            (
                "{ command: { run: [d], watermark_bound: 5 } }",
                "subject.command.watermark_bound: `5` is not a duration",
            ),
            (
                "{ command: { run: [d], alerts: [ { topic: a }, { topic: a } ] } }",
                "subject.command.alerts[1].topic: `try-a` is named twice",
            ),
            (
                "{ external: {} }",
                "subject.external.ready: without a `group` there is nothing to see",
            ),
        ] {
            let found = checked(section).unwrap_err();
            assert!(found.starts_with(expected), "{section}: {found}");
        }
    }
}
