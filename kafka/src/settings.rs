//! How to reach a cluster: bootstrap servers and client properties.
//!
//! Properties come from `client.properties` files in the Java client's format and from `key=value`
//! pairs of a command line, the latter winning. Names of the Java client are translated to
//! librdkafka's; what has no counterpart is refused by name, or dropped with a warning where nothing is lost. Which
//! properties the parts of this project set themselves is known here, so that nobody sets them twice.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

mod jaas;
mod java;
mod options;
mod properties_file;

pub(crate) use options::Options;

use java::{Outcome, Translated};

/// What stands in for a secret wherever settings are shown.
pub const REDACTED: &str = "[redacted]";

/// A problem with client options. Values of secrets are never part of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// librdkafka does not know the option.
    #[error(
        "client option `{option}` is not known{}; see librdkafka's CONFIGURATION.md for the names",
        .near.as_ref().map_or_else(String::new, |near| format!(", did you mean `{near}`?"))
    )]
    Unknown {
        /// The option.
        option: String,
        /// A name that is known and differs little.
        near: Option<String>,
    },
    /// The option's value is not accepted.
    #[error("client option `{option}`: {reason}")]
    Value {
        /// The option.
        option: String,
        /// Why, and what would be accepted.
        reason: String,
    },
    /// Options that do not go together.
    #[error("the client options do not go together: {reason}")]
    Combination {
        /// librdkafka's reason.
        reason: String,
    },
    /// The same option twice in one place, or once by two names.
    #[error("client option `{option}` is set twice in {place}; keep one of the two")]
    Twice {
        /// The option by its librdkafka name.
        option: String,
        /// Where.
        place: String,
    },
    /// An option that this project sets itself.
    #[error("client option `{option}` cannot be set: {reason}")]
    Reserved {
        /// The option.
        option: String,
        /// Who sets it, or what to use instead.
        reason: String,
    },
    /// An option of the Java client without a counterpart.
    #[error("client option `{option}` of the Java client has no counterpart here: {advice}")]
    NotTranslatable {
        /// The option.
        option: String,
        /// What would work instead.
        advice: String,
    },
    /// Something that is not `key=value`.
    #[error("client option {place}: `{found}` is not of the form `key=value`")]
    NotAPair {
        /// Where it stands.
        place: String,
        /// The text up to its end or to what could be a secret.
        found: String,
    },
    /// A properties file that cannot be read.
    #[error("client properties `{path}` cannot be read: {reason}")]
    File {
        /// The path.
        path: String,
        /// The system's reason, or the line.
        reason: String,
    },
    /// Bootstrap servers that are not a list of `HOST:PORT`.
    #[error("bootstrap server `{found}` is not of the form `HOST:PORT`")]
    Bootstrap {
        /// The entry.
        found: String,
    },
}

/// Where a cluster is and how to talk to it. Properties carry librdkafka's names.
///
/// Serialising keeps secrets, because a child process needs them: use [`ClientSettings::redacted`]
/// for whatever is shown or stored with a result. `Debug` shows none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSettings {
    /// Bootstrap servers: `HOST:PORT`, separated by commas.
    pub bootstrap: String,
    /// Client properties by librdkafka's names.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

impl ClientSettings {
    /// Settings for a plain cluster without authentication.
    #[must_use]
    pub fn plain(bootstrap: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            properties: BTreeMap::new(),
        }
    }

    /// Starts settings for the cluster at `bootstrap` from files and pairs.
    #[must_use]
    pub fn builder(bootstrap: impl Into<String>) -> Builder {
        Builder {
            bootstrap: bootstrap.into(),
            file: BTreeMap::new(),
            pairs: BTreeMap::new(),
            address_in_file: None,
        }
    }

    /// The properties with the values of secrets replaced, for results and logs.
    #[must_use]
    pub fn redacted(&self) -> BTreeMap<String, String> {
        self.properties
            .iter()
            .map(|(name, value)| {
                let shown = if is_secret(name) {
                    REDACTED
                } else {
                    value.as_str()
                };
                (name.clone(), shown.to_owned())
            })
            .collect()
    }

    /// The same client on another cluster.
    #[must_use]
    pub fn at(&self, bootstrap: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            properties: self.properties.clone(),
        }
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings")
            .field("bootstrap", &self.bootstrap)
            .field("properties", &self.redacted())
            .finish()
    }
}

/// Collects client properties from several places, see [`ClientSettings::builder`].
#[derive(Clone)]
pub struct Builder {
    bootstrap: String,
    file: BTreeMap<String, String>,
    pairs: BTreeMap<String, String>,
    address_in_file: Option<String>,
}

impl Builder {
    /// Adds the properties of a Java-style properties file.
    ///
    /// # Errors
    /// If the file cannot be read, or a property in it cannot be used or comes twice.
    pub fn file(self, path: &Path) -> Result<Self, SettingsError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| SettingsError::File {
            path: shown.clone(),
            reason: error.to_string(),
        })?;
        self.file_text(&shown, &text)
    }

    /// Adds the properties in the text of a properties file; `name` is for messages.
    ///
    /// # Errors
    /// If a property cannot be used or comes twice.
    pub fn file_text(mut self, name: &str, text: &str) -> Result<Self, SettingsError> {
        let pairs = properties_file::parse(text).map_err(|reason| SettingsError::File {
            path: name.to_owned(),
            reason,
        })?;
        if let Some(address) = add_all(&mut self.file, pairs, &format!("`{name}`"))? {
            check_bootstrap(&address)?;
            self.address_in_file = Some(address);
        }
        Ok(self)
    }

    /// The `bootstrap.servers` of the files. Nothing follows from them by itself: whether something nearer to whoever
    /// asks names another cluster is known elsewhere.
    #[must_use]
    pub fn address_in_file(&self) -> Option<&str> {
        self.address_in_file.as_deref()
    }

    /// Adds `key=value` pairs, which win over those of files.
    ///
    /// # Errors
    /// If a pair has no `=`, cannot be used or comes twice.
    pub fn overrides<S: AsRef<str>>(mut self, pairs: &[S]) -> Result<Self, SettingsError> {
        let mut split = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let pair = pair.as_ref();
            match pair.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() => {
                    split.push((key.trim().to_owned(), value.trim().to_owned()));
                }
                _ => {
                    return Err(SettingsError::NotAPair {
                        place: "on the command line".to_owned(),
                        found: pair.chars().take(40).collect(),
                    });
                }
            }
        }
        if add_all(&mut self.pairs, split, "the command line's options")?.is_some() {
            options::refuse_reserved("bootstrap.servers")?;
        }
        Ok(self)
    }

    /// The settings, each property tried on librdkafka.
    ///
    /// # Errors
    /// If the bootstrap servers are no addresses, or librdkafka does not know a property or does
    /// not accept its value.
    pub fn build(self) -> Result<ClientSettings, SettingsError> {
        check_bootstrap(&self.bootstrap)?;
        let mut properties = self.file;
        properties.extend(self.pairs);
        options::try_each(&properties)?;
        Ok(ClientSettings {
            bootstrap: self.bootstrap,
            properties,
        })
    }
}

/// The name, of librdkafka's `known` ones or of the Java client's, that differs least from one that is not known.
pub(crate) fn near(option: &str, known: &[String]) -> Option<String> {
    let known = known.iter().map(String::as_str);
    let distance = |name: &str| strsim::damerau_levenshtein(name, option);
    known
        .chain(java::names())
        .min_by_key(|name| distance(name))
        .filter(|name| distance(name) <= 2.max(name.len() / 5))
        .map(str::to_owned)
}

/// True if the option's value must not be shown.
#[must_use]
pub fn is_secret(option: &str) -> bool {
    // Wider than the list of known names, so that a new secret of librdkafka is not shown either.
    [
        "password",
        "secret",
        "key.pem",
        "jaas",
        "oauthbearer.config",
        "token.value",
        "assertion",
    ]
    .iter()
    .any(|part| option.contains(part))
        || option == "ssl.key"
        || option == "ssl_key"
}

/// Translates `pairs` into `into`, refusing what is there already. Gives the cluster's address, if it is among them.
fn add_all(
    into: &mut BTreeMap<String, String>,
    pairs: Vec<(String, String)>,
    place: &str,
) -> Result<Option<String>, SettingsError> {
    let given: BTreeMap<&str, &str> = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut address = None;
    for (name, value) in &pairs {
        let translated = match java::translate(name, value, &given)? {
            Outcome::Options(translated) => translated,
            Outcome::Address(found) => {
                if address.replace(found).is_some() {
                    return Err(SettingsError::Twice {
                        option: "bootstrap.servers".to_owned(),
                        place: place.to_owned(),
                    });
                }
                continue;
            }
            Outcome::Ignored(reason) => {
                tracing::warn!("client option `{name}` in {place} is not used: {reason}");
                continue;
            }
        };
        for (option, value) in translated.into_iter().map(Translated::into_pair) {
            options::refuse_reserved(&option)?;
            if into.insert(option.clone(), value).is_some() {
                return Err(SettingsError::Twice {
                    option,
                    place: place.to_owned(),
                });
            }
        }
    }
    Ok(address)
}

fn check_bootstrap(bootstrap: &str) -> Result<(), SettingsError> {
    for server in bootstrap.split(',') {
        let server = server.trim();
        // librdkafka also takes `PROTOCOL://HOST:PORT`; the port is what people forget.
        let port = server.rsplit_once(':').and_then(|(host, port)| {
            if host.is_empty() {
                None
            } else {
                port.parse::<u16>().ok()
            }
        });
        if port.is_none_or(|port| port == 0) {
            return Err(SettingsError::Bootstrap {
                found: server.to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
