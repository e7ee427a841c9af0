//! Schemas by subject and by id, from a registry with the Confluent API.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schema_registry_converter::blocking::schema_registry::{
    SrSettings, get_schema_by_id, post_schema,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, SchemaType, SuppliedSchema};

/// Name of the environment variable with `user:password` for the registry.
pub const USER_INFO_VARIABLE: &str = "FLOODMARK_REGISTRY_USER_INFO";

/// How long one request may take. Registries on the JVM need seconds for their first ones.
const REQUEST: Duration = Duration::from_secs(20);

/// A failed request to a registry.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Nothing answered at the address.
    #[error("{attempt}: no schema registry answered at `{url}`: {detail}")]
    Unreachable {
        /// What was attempted.
        attempt: String,
        /// The address.
        url: String,
        /// The connection's error.
        detail: String,
    },
    /// The registry refused, e.g. an incompatible schema (error code 409).
    #[error("{attempt}: the schema registry at `{url}` refused: {detail}")]
    Refused {
        /// What was attempted.
        attempt: String,
        /// The address.
        url: String,
        /// The registry's error code, such as 40403 for an unknown id; 0 if it gave none.
        error_code: u32,
        /// Its message.
        detail: String,
    },
    /// The answer makes no sense.
    #[error("{attempt}: the answer of the schema registry at `{url}` is not understood: {detail}")]
    Answer {
        /// What was attempted.
        attempt: String,
        /// The address.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The address, or the credentials for it, cannot be used.
    #[error("schema registry `{url}`: {reason}")]
    Address {
        /// The address.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

/// The address as it may be shown: without what stands in front of its host.
fn without_user_info(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://…@{host}"),
        None => url.to_owned(),
    }
}

impl RegistryError {
    /// True if nothing answered, as opposed to a refusal.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// A schema registry. What was found once is kept: ids never change their meaning.
///
/// It blocks, and must not be used on the threads of an async runtime.
pub struct Registry {
    url: String,
    settings: SrSettings,
    ids: Mutex<BTreeMap<(String, String), u32>>,
    schemas: Mutex<BTreeMap<u32, String>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// A registry at `url`, with the credentials in [`USER_INFO_VARIABLE`] if that is set. Under `https://` the
    /// system's authorities are trusted, or those in the file that `SSL_CERT_FILE` names. Nothing is sent yet.
    ///
    /// # Errors
    /// If the address or the credentials have the wrong form.
    pub fn new(url: &str) -> Result<Self, RegistryError> {
        Self::with_user_info(url, std::env::var(USER_INFO_VARIABLE).ok().as_deref())
    }

    /// A registry at `url` with `user:password`.
    ///
    /// # Errors
    /// As for [`Registry::new`].
    pub fn with_user_info(url: &str, user_info: Option<&str>) -> Result<Self, RegistryError> {
        let url = url.trim_end_matches('/').to_owned();
        let wrong = |reason: &str| RegistryError::Address {
            url: without_user_info(&url),
            reason: reason.to_owned(),
        };
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(wrong("the address must begin with `http://` or `https://`"));
        }
        // In the address they would end up in every error message.
        if url.contains('@') {
            return Err(wrong(
                "credentials do not belong into the address; see the environment",
            ));
        }
        let mut builder = SrSettings::new_builder(url.clone());
        builder.set_timeout(REQUEST);
        if let Some(user_info) = user_info {
            let Some((user, password)) = user_info.split_once(':') else {
                return Err(wrong("the credentials are not of the form `user:password`"));
            };
            builder.set_basic_authorization(user, Some(password));
        }
        let settings = builder.build().map_err(|error| wrong(&error.error))?;
        Ok(Self {
            url,
            settings,
            ids: Mutex::default(),
            schemas: Mutex::default(),
        })
    }

    /// The address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Registers an Avro schema under a subject and returns its id; a schema that is there already
    /// has its id from before.
    ///
    /// # Errors
    /// If the registry cannot be reached, or refuses the schema, e.g. as incompatible.
    pub fn register(&self, subject: &str, schema_json: &str) -> Result<u32, RegistryError> {
        let key = (subject.to_owned(), schema_json.to_owned());
        if let Some(id) = lock(&self.ids).get(&key) {
            return Ok(*id);
        }
        let schema = SuppliedSchema::new(None, SchemaType::Avro, schema_json.to_owned());
        let registered = post_schema(&self.settings, subject.to_owned(), schema)
            .map_err(|error| self.error(format!("register a schema for `{subject}`"), &error))?;
        lock(&self.ids).insert(key, registered.id);
        Ok(registered.id)
    }

    /// The schema with this id.
    ///
    /// # Errors
    /// If the registry cannot be reached, or has no such schema.
    pub fn schema(&self, id: u32) -> Result<String, RegistryError> {
        if let Some(schema) = lock(&self.schemas).get(&id) {
            return Ok(schema.clone());
        }
        let found = get_schema_by_id(id, &self.settings)
            .map_err(|error| self.error(format!("look up schema {id}"), &error))?;
        lock(&self.schemas).insert(id, found.schema.clone());
        Ok(found.schema)
    }

    fn error(&self, attempt: String, error: &SRCError) -> RegistryError {
        let url = self.url.clone();
        if let Some(raw) = error
            .source()
            .and_then(|source| source.downcast_ref::<RawError>())
        {
            return RegistryError::Refused {
                attempt,
                url,
                error_code: raw.error_code,
                detail: format!("{} (error code {})", raw.message, raw.error_code),
            };
        }
        let detail = deepest(error);
        // Only failed connections and time-outs are "retriable" without an answer behind them.
        if error.retriable {
            RegistryError::Unreachable {
                attempt,
                url,
                detail,
            }
        } else {
            RegistryError::Answer {
                attempt,
                url,
                detail,
            }
        }
    }
}

/// The innermost cause: "connection refused" says more than "error sending request".
fn deepest(error: &SRCError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if std::ptr::addr_eq(cause, error) {
        error.error.clone()
    } else {
        cause.to_string()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with `status` and `body`, and returns the request's head.
    fn answer(status: &str, body: &str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let reply = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        );
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut head).unwrap() > 0);
            }
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            reader.read_exact(&mut vec![0; length]).unwrap();
            stream.write_all(reply.as_bytes()).unwrap();
            head
        });
        (url, server)
    }

    #[test]
    fn a_registered_schema_is_asked_for_once() {
        let (url, server) = answer("200 OK", r#"{"id":7}"#);
        let registry = Registry::with_user_info(&url, Some("alice:secret")).unwrap();
        assert_eq!(registry.register("s-value", r#""string""#).unwrap(), 7);
        let head = server.join().unwrap();
        assert!(
            head.starts_with("POST /subjects/s-value/versions"),
            "{head}"
        );
        let credentials = head.to_ascii_lowercase().contains("authorization: basic");
        assert!(credentials, "{head}");
        // The server is gone: the answer comes from memory.
        assert_eq!(registry.register("s-value", r#""string""#).unwrap(), 7);
    }

    #[test]
    fn a_refusal_carries_the_registrys_code() {
        let (url, server) = answer(
            "404 Not Found",
            r#"{"error_code":40403,"message":"Schema not found"}"#,
        );
        let error = Registry::with_user_info(&url, None)
            .unwrap()
            .schema(5)
            .unwrap_err();
        server.join().unwrap();
        assert!(!error.is_unreachable());
        let text = error.to_string();
        for part in [&*url, "schema 5", "Schema not found", "40403"] {
            assert!(text.contains(part), "`{text}` lacks `{part}`");
        }
    }

    #[test]
    fn a_dead_registry_is_unreachable_with_its_address() {
        let url = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            format!("http://{}", listener.local_addr().unwrap())
        };
        let error = Registry::with_user_info(&url, None)
            .unwrap()
            .register("s", "{}")
            .unwrap_err();
        assert!(error.is_unreachable(), "{error}");
        assert!(error.to_string().contains(&url), "{error}");
    }

    #[test]
    fn credentials_stay_out_of_addresses_and_messages() {
        for (url, user_info, problem) in [
            ("http://alice:hunter2@host", None, "environment"),
            ("host:8081", None, "`http://`"),
            ("http://host", Some("hunter2"), "`user:password`"),
        ] {
            let error = Registry::with_user_info(url, user_info)
                .unwrap_err()
                .to_string();
            assert!(error.contains(problem), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
