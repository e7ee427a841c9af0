//! The section `detector.fraud` of a profile, made valid.

use std::{path::PathBuf, time::Duration};

use floodmark_contracts::{
    problem::Problems,
    profile::detector::{FraudSection, LookUpSection, RedisSection, ScorerSection, ServiceSection},
    units::parse_duration,
};

use crate::reach::RedisAddress;

/// How sessions are scored and flagged.
#[derive(Debug, Clone, PartialEq)]
pub struct FraudSettings {
    /// Score from which on a session is flagged.
    pub threshold: f64,
    /// A file that goes before it.
    pub threshold_file: Option<PathBuf>,
    /// A GeoIP database in place of the compiled-in one.
    pub geoip: Option<PathBuf>,
    /// A Redis to look things up in, in place of what is in the process.
    pub redis: Option<RedisSettings>,
    /// A service in place of the model in the process.
    pub service: Option<ServiceSettings>,
}

/// How a Redis is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// Where it is.
    pub address: RedisAddress,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// How long it is remembered.
    pub remember: Duration,
}

/// How a service is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Where it takes sessions.
    pub url: String,
    /// How long an answer is waited for.
    pub timeout: Duration,
}

impl FraudSettings {
    /// Validates the section; what is wrong goes to `problems`.
    pub fn validate(problems: &mut Problems, section: &FraudSection) -> Option<Self> {
        let threshold = section.threshold;
        let sound = (0.0..=1.0).contains(&threshold);
        if !sound {
            let message = format!("`{threshold}` is no score; use a number from 0 to 1");
            problems.add("detector.fraud.threshold", message);
        }
        let redis = match &section.look_up {
            LookUpSection::InProcess => Some(None),
            LookUpSection::Redis(section) => redis(problems, section).map(Some),
        };
        let service = match &section.scorer {
            ScorerSection::InProcess => Some(None),
            ScorerSection::Service(section) => service(problems, section).map(Some),
        };
        Some(Self {
            threshold: Some(threshold).filter(|_| sound)?,
            threshold_file: section.threshold_file.as_ref().map(PathBuf::from),
            geoip: section.geoip.as_ref().map(PathBuf::from),
            redis: redis?,
            service: service?,
        })
    }
}

fn redis(problems: &mut Problems, section: &RedisSection) -> Option<RedisSettings> {
    const PATH: &str = "detector.fraud.look_up.redis";
    let timeout = span(problems, &format!("{PATH}.timeout"), &section.timeout);
    let remember = span(problems, &format!("{PATH}.remember"), &section.remember);
    let (url, password, ca) = (&section.url, section.password.as_ref(), section.ca.as_ref());
    let address = RedisAddress::validate(problems, PATH, url, password, ca);
    Some(RedisSettings {
        address: address?,
        timeout: timeout?,
        remember: remember?,
    })
}

fn service(problems: &mut Problems, section: &ServiceSection) -> Option<ServiceSettings> {
    const PATH: &str = "detector.fraud.scorer.service";
    let timeout = span(problems, &format!("{PATH}.timeout"), &section.timeout);
    let url = &section.url;
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        let message = format!("`{url}` is no URL of a service; use `http://HOST:PORT/score`");
        problems.add(format!("{PATH}.url"), message);
        return None;
    }
    Some(ServiceSettings {
        url: url.clone(),
        timeout: timeout?,
    })
}

fn span(problems: &mut Problems, path: &str, text: &str) -> Option<Duration> {
    let span = problems.check(path, parse_duration(text))?;
    if span < Duration::from_millis(1) {
        problems.add(path, format!("`{text}` is too short; use `1ms` or more"));
        return None;
    }
    Some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(section: &FraudSection, expected: &[(&str, &str)]) {
        let mut problems = Problems::new();
        let valid = FraudSettings::validate(&mut problems, section);
        let problems = problems.into_vec();
        assert_eq!(valid.is_some(), expected.is_empty(), "{problems:?}");
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, (path, text)) in problems.iter().zip(expected) {
            assert_eq!(problem.path, format!("detector.fraud.{path}"));
            assert!(problem.message.contains(text), "{problem}");
        }
    }

    fn redis(url: &str, timeout: &str) -> FraudSection {
        FraudSection {
            look_up: LookUpSection::Redis(RedisSection {
                url: url.to_owned(),
                password: None,
                ca: None,
                timeout: timeout.to_owned(),
                remember: "10s".to_owned(),
            }),
            ..FraudSection::default()
        }
    }

    #[test]
    fn each_field_is_checked() {
        check(&FraudSection::default(), &[]);
        let threshold = FraudSection {
            threshold: 1.5,
            ..FraudSection::default()
        };
        check(&threshold, &[("threshold", "from 0 to 1")]);
        check(&redis("redis://localhost:6379", "50ms"), &[]);
        check(&redis("rediss://reader@localhost/2", "50ms"), &[]);
        check(
            &redis("localhost", "0s"),
            &[
                ("look_up.redis.timeout", "`1ms`"),
                ("look_up.redis.url", "redis://HOST"),
            ],
        );
        let scorer = FraudSection {
            scorer: ScorerSection::Service(ServiceSection::at("localhost:80")),
            ..FraudSection::default()
        };
        check(&scorer, &[("scorer.service.url", "/score")]);
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        let mut problems = Problems::new();
        FraudSettings::validate(&mut problems, &redis("redis://me:hunter2@host", "1s"));
        let text = format!("{:?}", problems.into_vec());
        assert!(text.contains("password: { env: NAME }"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
