//! Where a Redis is, and how it is connected to.

use std::{path::PathBuf, time::Duration};

use floodmark_contracts::{problem::Problems, profile::detector::SecretSection};
use redis::{Client, Connection, IntoConnectionInfo, RedisError, TlsCertificates};

use super::{Secret, SecretError, tls, without_password};

/// Why a Redis cannot be used at all: not that it is down, which is borne.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisSetupError {
    /// Its password is not there.
    #[error("the password of the Redis cannot be had")]
    Password(#[from] SecretError),
    /// The file of certificates cannot be read.
    #[error("the certificates in `{path}` cannot be read")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// URL or certificates make no client.
    #[error("the Redis cannot be set up")]
    Client(#[source] RedisError),
}

/// Where a Redis is, and whom to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAddress {
    /// `redis://…`, or `rediss://…` for TLS; without a password.
    pub url: String,
    /// Where its password is found.
    pub password: Option<Secret>,
    /// Certificates to trust, in place of the system's.
    pub ca: Option<PathBuf>,
}

impl RedisAddress {
    /// Validates the fields that stand at `path`.
    pub(crate) fn validate(
        problems: &mut Problems,
        path: &str,
        url: &str,
        password: Option<&SecretSection>,
        ca: Option<&String>,
    ) -> Option<Self> {
        let (at, schemes) = (format!("{path}.url"), ["redis://", "rediss://"]);
        without_password(problems, &at, url, &schemes, "redis://HOST:PORT")?;
        if ca.is_some() && url.starts_with("redis://") {
            let message = "without TLS nobody is trusted; use `rediss://HOST:PORT` as URL";
            problems.add(format!("{path}.ca"), message);
            return None;
        }
        Some(Self {
            url: url.to_owned(),
            password: password.map(Secret::from),
            ca: ca.map(PathBuf::from),
        })
    }

    /// A client of it; nothing is connected yet.
    ///
    /// # Errors
    /// If the settings can lead to no Redis, whether or not it is up.
    pub(crate) fn client(&self) -> Result<Client, RedisSetupError> {
        tls::settle_provider();
        let setup = RedisSetupError::Client;
        let mut info = self.url.as_str().into_connection_info().map_err(setup)?;
        if let Some(secret) = &self.password {
            let login = info.redis_settings().clone().set_password(secret.read()?);
            info = info.set_redis_settings(login);
        }
        let Some(path) = &self.ca else {
            return Client::open(info).map_err(setup);
        };
        let certificates = std::fs::read(path).map_err(|source| RedisSetupError::Certificates {
            path: path.clone(),
            source,
        })?;
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert: Some(certificates),
        };
        Client::build_with_tls(info, certificates).map_err(setup)
    }
}

/// Connects within `to_connect`, and waits no longer than `to_answer` for each answer after it.
pub(crate) fn connect(
    client: &Client,
    to_connect: Duration,
    to_answer: Duration,
) -> Result<Connection, RedisError> {
    let mut connection = client.get_connection_with_timeout(to_connect)?;
    connection.set_read_timeout(Some(to_answer))?;
    connection.set_write_timeout(Some(to_answer))?;
    redis::cmd("PING").query::<()>(&mut connection)?;
    Ok(connection)
}
