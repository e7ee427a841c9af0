//! From the Java client's property names to librdkafka's.

mod table;

use std::collections::BTreeMap;

use self::table::{Becomes, TABLE};
use super::{SettingsError, jaas, options};

/// An option as librdkafka knows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Translated {
    option: String,
    value: String,
}

impl Translated {
    fn new(option: &str, value: impl Into<String>) -> Self {
        Self {
            option: option.to_owned(),
            value: value.into(),
        }
    }

    pub(super) fn into_pair(self) -> (String, String) {
        (self.option, self.value)
    }
}

/// The names that are known.
pub(super) fn names<'a>() -> impl Iterator<Item = &'a str> {
    TABLE.iter().map(|known| known.name)
}

/// How a value changes on the way to librdkafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// A login module with its options becomes user and password.
    Login,
    /// Java writes it in capitals, librdkafka documents it in small letters.
    SmallLetters,
    /// Empty means that names are not checked.
    Identification,
    /// A file of certificates to trust, by its type.
    TrustStore,
    /// A file with key and certificates, by its type.
    KeyStore,
    /// Bytes to KiB.
    Kibibytes,
    /// Java writes -1 for the system's own size of a socket buffer, librdkafka 0.
    SocketBuffer,
    /// Java names classes, librdkafka strategies.
    Strategies,
}

/// What one property of a file or command line comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Options of librdkafka; none where another property says it all.
    Options(Vec<Translated>),
    /// The cluster's address.
    Address(String),
    /// It is not used, for this reason.
    Ignored(&'static str),
}

/// Translates one property; `all` are the properties given beside it. What is in no table is librdkafka's to judge.
pub(super) fn translate(
    name: &str,
    value: &str,
    all: &BTreeMap<&str, &str>,
) -> Result<Outcome, SettingsError> {
    let one = |option: &str| Outcome::Options(vec![Translated::new(option, value)]);
    let Some(known) = TABLE.iter().find(|known| known.name == name) else {
        return Ok(match options::canonical(name) {
            "bootstrap.servers" => Outcome::Address(value.to_owned()),
            option => one(option),
        });
    };
    match &known.becomes {
        Becomes::Option(option) => Ok(one(option)),
        Becomes::Converted(conversion, options) => {
            converted(*conversion, options, name, value, all).map(Outcome::Options)
        }
        Becomes::With(mains) if mains.iter().any(|main| all.contains_key(main)) => {
            Ok(Outcome::Options(Vec::new()))
        }
        Becomes::With(mains) => {
            let advice = format!("it stands without `{}`", mains[0]);
            Err(not_translatable(name, &advice))
        }
        Becomes::Address => Ok(Outcome::Address(value.to_owned())),
        Becomes::Ignored => Ok(Outcome::Ignored(known.note)),
        Becomes::Refused => Err(not_translatable(name, known.note)),
    }
}

/// The options that a value in Java's form comes to.
fn converted(
    conversion: Conversion,
    options: &[&str],
    name: &str,
    value: &str,
    all: &BTreeMap<&str, &str>,
) -> Result<Vec<Translated>, SettingsError> {
    let value = match conversion {
        Conversion::Login => return login(name, value),
        Conversion::TrustStore => return trust_store(name, value, all),
        Conversion::KeyStore => return key_store(name, value, all),
        Conversion::SmallLetters => value.to_ascii_lowercase(),
        Conversion::Identification if value.is_empty() => "none".to_owned(),
        Conversion::Identification => value.to_ascii_lowercase(),
        Conversion::Kibibytes => kibibytes(name, value)?,
        Conversion::SocketBuffer if value == "-1" => "0".to_owned(),
        Conversion::SocketBuffer => value.to_owned(),
        Conversion::Strategies => strategies(name, value)?,
    };
    Ok(options
        .iter()
        .map(|option| Translated::new(option, value.as_str()))
        .collect())
}

fn not_translatable(option: &str, advice: &str) -> SettingsError {
    SettingsError::NotTranslatable {
        option: option.to_owned(),
        advice: advice.to_owned(),
    }
}

fn login(name: &str, value: &str) -> Result<Vec<Translated>, SettingsError> {
    let login = jaas::parse(value).map_err(|reason| SettingsError::Value {
        option: name.to_owned(),
        reason,
    })?;
    if !["PlainLoginModule", "ScramLoginModule"].contains(&login.module.as_str()) {
        let advice = format!(
            "`{}` is not supported, only PLAIN and SCRAM are: `PlainLoginModule`, `ScramLoginModule`",
            login.module
        );
        return Err(not_translatable(name, &advice));
    }
    if !login.options.iter().any(|(option, _)| option == "username") {
        return Err(SettingsError::Value {
            option: name.to_owned(),
            reason: "the login module has no `username=\"…\"`".to_owned(),
        });
    }
    let mut translated = Vec::new();
    for (option, value) in login.options {
        match option.as_str() {
            "username" => translated.push(Translated::new("sasl.username", value)),
            "password" => translated.push(Translated::new("sasl.password", value)),
            other => {
                let advice = format!("its option `{other}` is not supported");
                return Err(not_translatable(name, &advice));
            }
        }
    }
    Ok(translated)
}

/// How a store of certificates or keys is written.
#[derive(Debug, PartialEq, Eq)]
enum Store {
    Pem,
    Pkcs12,
    Other(String),
}

/// The type as Java has it, or guessed from the file's name where Java would assume JKS: a file
/// called `ca.pem` is meant as one.
fn store_type(declared: Option<&&str>, path: &str) -> Store {
    let path = path.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| path.ends_with(ending));
    match declared.map(|declared| declared.to_ascii_uppercase()) {
        Some(declared) if declared == "PEM" => Store::Pem,
        Some(declared) if declared == "PKCS12" => Store::Pkcs12,
        Some(declared) => Store::Other(declared),
        None if ends(&[".pem", ".crt", ".cer"]) => Store::Pem,
        None if ends(&[".p12", ".pfx"]) => Store::Pkcs12,
        None => Store::Other("JKS".to_owned()),
    }
}

fn trust_store(
    name: &str,
    path: &str,
    all: &BTreeMap<&str, &str>,
) -> Result<Vec<Translated>, SettingsError> {
    match store_type(all.get("ssl.truststore.type"), path) {
        Store::Pem => Ok(vec![Translated::new("ssl.ca.location", path)]),
        Store::Pkcs12 | Store::Other(_) => Err(not_translatable(
            name,
            &format!(
                "certificates must be PEM: convert with `keytool -list -rfc -keystore {path} > ca.pem`, \
                 then set `ssl.ca.location=ca.pem`"
            ),
        )),
    }
}

fn key_store(
    name: &str,
    path: &str,
    all: &BTreeMap<&str, &str>,
) -> Result<Vec<Translated>, SettingsError> {
    match store_type(all.get("ssl.keystore.type"), path) {
        // One file with key and chain, as Java wants it; librdkafka reads it twice.
        Store::Pem => Ok(vec![
            Translated::new("ssl.certificate.location", path),
            Translated::new("ssl.key.location", path),
        ]),
        Store::Pkcs12 => Ok(vec![Translated::new("ssl.keystore.location", path)]),
        Store::Other(kind) => Err(not_translatable(
            name,
            &format!(
                "a key store of type `{kind}` cannot be read: convert with `keytool -importkeystore \
                 -srckeystore {path} -destkeystore keys.p12 -deststoretype PKCS12`, then set \
                 `ssl.keystore.location=keys.p12`"
            ),
        )),
    }
}

fn kibibytes(name: &str, value: &str) -> Result<String, SettingsError> {
    match value.parse::<u64>() {
        Ok(bytes) => Ok(bytes.div_ceil(1024).max(1).to_string()),
        Err(_) => Err(SettingsError::Value {
            option: name.to_owned(),
            reason: format!("`{value}` is not a number of bytes"),
        }),
    }
}

fn strategies(name: &str, value: &str) -> Result<String, SettingsError> {
    let mut translated = Vec::new();
    for strategy in value.split(',') {
        translated.push(match strategy.trim().rsplit('.').next().unwrap_or_default() {
            "RangeAssignor" | "range" => "range",
            "RoundRobinAssignor" | "roundrobin" => "roundrobin",
            "CooperativeStickyAssignor" | "cooperative-sticky" => "cooperative-sticky",
            other => {
                let advice = format!(
                    "assignor `{other}` does not exist in librdkafka; use `range`, `roundrobin` \
                     or `cooperative-sticky`"
                );
                return Err(not_translatable(name, &advice));
            }
        });
    }
    Ok(translated.join(","))
}

/// The rows of the documentation.
#[cfg(test)]
pub(super) fn documented() -> impl Iterator<Item = String> {
    TABLE.iter().map(|row| {
        let becomes = match &row.becomes {
            Becomes::Option(option) if *option == row.name => "the same".to_owned(),
            Becomes::Option(option) => format!("`{option}`"),
            Becomes::Converted(_, options) => format!("`{}`", options.join("`, `")),
            Becomes::With(_) => "nothing by itself".to_owned(),
            Becomes::Address => "the cluster's address".to_owned(),
            Becomes::Ignored => "nothing, with a warning".to_owned(),
            Becomes::Refused => "an error".to_owned(),
        };
        format!("| `{}` | {becomes} | {} |", row.name, row.note)
    })
}

/// Every option of librdkafka that something becomes.
#[cfg(test)]
pub(super) fn options_of_table() -> impl Iterator<Item = &'static str> {
    TABLE
        .iter()
        .flat_map(|row| match &row.becomes {
            Becomes::Option(option) => std::slice::from_ref(option),
            Becomes::Converted(_, options) => options,
            _ => &[],
        })
        .copied()
}
