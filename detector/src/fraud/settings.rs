//! The section `detector.fraud` of a profile, made valid.

use std::{path::PathBuf, time::Duration};

use floodmark_contracts::{
    problem::Problems,
    profile::detector::{
        FraudSection, LookUpSection, RedisSection, ScorerSection, SecretSection, ServiceSection,
    },
    units::parse_duration,
};

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
    /// Where it is, without a password.
    pub url: String,
    /// Where its password is found.
    pub password: Option<Secret>,
    /// Certificates to trust.
    pub ca: Option<PathBuf>,
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

/// Where a secret is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// A variable of the environment.
    Env(String),
    /// A file.
    File(PathBuf),
}

/// Why a secret is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment has no text in `{variable}`; set it to the secret")]
    NoVariable {
        /// Its name.
        variable: String,
    },
    /// The file cannot be read.
    #[error("the secret in `{path}` cannot be read")]
    NoFile {
        /// Where it was looked for.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl Secret {
    /// The secret itself.
    ///
    /// # Errors
    /// If it is not there.
    pub fn read(&self) -> Result<String, SecretError> {
        match self {
            Self::Env(variable) => std::env::var(variable).map_err(|_| SecretError::NoVariable {
                variable: variable.clone(),
            }),
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .map_err(|source| SecretError::NoFile {
                    path: path.clone(),
                    source,
                }),
        }
    }
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
    let url = section.url.as_str();
    let place = url
        .strip_prefix("redis://")
        .or_else(|| url.strip_prefix("rediss://"));
    let wrong = match place {
        // The URL itself is not quoted: it may hold a password.
        None | Some("") => Some("this is no URL of a Redis; use `redis://HOST:PORT`"),
        Some(place)
            if place
                .split('@')
                .next()
                .is_some_and(|user| place.contains('@') && user.contains(':')) =>
        {
            Some("a password does not belong into a profile; use `password: { env: NAME }`")
        }
        Some(_) => None,
    };
    if let Some(message) = wrong {
        problems.add(format!("{PATH}.url"), message);
        return None;
    }
    Some(RedisSettings {
        url: section.url.clone(),
        password: section.password.as_ref().map(|secret| match secret {
            SecretSection::Env(name) => Secret::Env(name.clone()),
            SecretSection::File(path) => Secret::File(PathBuf::from(path)),
        }),
        ca: section.ca.as_ref().map(PathBuf::from),
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

    #[test]
    fn a_secret_comes_from_a_file_or_is_missed_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let secret = Secret::File(path.clone());
        assert!(secret.read().unwrap_err().to_string().contains("password"));
        std::fs::write(&path, "hunter2\n").unwrap();
        assert_eq!(secret.read().unwrap(), "hunter2");
        let missing = Secret::Env("FLOODMARK_NO_SUCH_SECRET".into());
        let error = missing.read().unwrap_err().to_string();
        assert!(error.contains("FLOODMARK_NO_SUCH_SECRET"), "{error}");
    }
}
