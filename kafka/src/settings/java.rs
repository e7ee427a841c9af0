//! From the Java client's property names to librdkafka's.

use std::collections::BTreeMap;

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

/// Java's properties that nothing here corresponds to, and what to do about them.
const WITHOUT_COUNTERPART: [(&str, &str); 22] = [
    (
        "max.poll.records",
        "batches are bounded by the reading part; leave it out",
    ),
    (
        "max.block.ms",
        "sending never blocks here, a full queue is counted; leave it out",
    ),
    ("key.serializer", "keys are bytes here; leave it out"),
    (
        "value.serializer",
        "the profile's `format` decides; leave it out",
    ),
    ("key.deserializer", "keys are bytes here; leave it out"),
    (
        "value.deserializer",
        "the topic's format decides; leave it out",
    ),
    (
        "interceptor.classes",
        "Java classes cannot be loaded; leave it out",
    ),
    (
        "metric.reporters",
        "Java classes cannot be loaded; leave it out",
    ),
    (
        "metrics.recording.level",
        "there are no Java metrics here; leave it out",
    ),
    (
        "metrics.num.samples",
        "there are no Java metrics here; leave it out",
    ),
    (
        "metrics.sample.window.ms",
        "there are no Java metrics here; leave it out",
    ),
    (
        "auto.include.jmx.reporter",
        "there is no JMX here; leave it out",
    ),
    (
        "partitioner.class",
        "use `partitioner`, by default `murmur2_random` as in Java",
    ),
    (
        "partitioner.ignore.keys",
        "use `partitioner=random` instead",
    ),
    (
        "partitioner.adaptive.partitioning.enable",
        "use `sticky.partitioning.linger.ms` instead",
    ),
    (
        "sasl.client.callback.handler.class",
        "Java classes cannot be loaded; leave it out",
    ),
    (
        "sasl.login.callback.handler.class",
        "Java classes cannot be loaded; leave it out",
    ),
    (
        "sasl.login.class",
        "Java classes cannot be loaded; leave it out",
    ),
    (
        "security.providers",
        "Java classes cannot be loaded; leave it out",
    ),
    (
        "ssl.engine.factory.class",
        "Java classes cannot be loaded; leave it out",
    ),
    ("ssl.provider", "OpenSSL is the provider here; leave it out"),
    (
        "ssl.enabled.protocols",
        "OpenSSL negotiates; restrict it with `ssl.cipher.suites`",
    ),
];

/// Properties that only say more about others, which are translated together with them.
const COMPANIONS: [(&str, &[&str]); 2] = [
    (
        "ssl.truststore.type",
        &["ssl.truststore.location", "ssl.truststore.certificates"],
    ),
    (
        "ssl.keystore.type",
        &[
            "ssl.keystore.location",
            "ssl.keystore.key",
            "ssl.keystore.certificate.chain",
        ],
    ),
];

/// Translates one property; `all` are the properties given beside it.
pub(super) fn translate(
    name: &str,
    value: &str,
    all: &BTreeMap<&str, &str>,
) -> Result<Vec<Translated>, SettingsError> {
    if let Some((_, advice)) = WITHOUT_COUNTERPART.iter().find(|(known, _)| *known == name) {
        return Err(not_translatable(name, advice));
    }
    if let Some((_, mains)) = COMPANIONS.iter().find(|(known, _)| *known == name) {
        if mains.iter().any(|main| all.contains_key(main)) {
            return Ok(Vec::new());
        }
        return Err(not_translatable(
            name,
            &format!("it stands without `{}`", mains[0]),
        ));
    }
    let one = |option: &str, value: &str| Ok(vec![Translated::new(option, value)]);
    match name {
        "sasl.jaas.config" => login(name, value),
        // Java writes protocols in capitals, librdkafka documents them in small letters.
        "security.protocol" => one(name, &value.to_ascii_lowercase()),
        "ssl.truststore.location" => trust_store(name, value, all),
        "ssl.truststore.certificates" => one("ssl.ca.pem", value),
        "ssl.truststore.password" => Err(not_translatable(
            name,
            "a PEM file of certificates has no password; leave it out",
        )),
        "ssl.keystore.location" => key_store(name, value, all),
        "ssl.keystore.key" => one("ssl.key.pem", value),
        "ssl.keystore.certificate.chain" => one("ssl.certificate.pem", value),
        "ssl.endpoint.identification.algorithm" if value.is_empty() => one(name, "none"),
        "buffer.memory" => one("queue.buffering.max.kbytes", &kibibytes(name, value)?),
        "max.request.size" => one("message.max.bytes", value),
        "fetch.max.wait.ms" => one("fetch.wait.max.ms", value),
        "receive.buffer.bytes" => one("socket.receive.buffer.bytes", system_default(value)),
        "send.buffer.bytes" => one("socket.send.buffer.bytes", system_default(value)),
        "default.api.timeout.ms" => one("socket.timeout.ms", value),
        "partition.assignment.strategy" => one(name, &strategies(name, value)?),
        _ => one(options::canonical(name), value),
    }
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
            "certificates must be PEM: convert with `keytool -exportcert -rfc`, then set \
             `ssl.ca.location`",
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
                "a key store of type `{kind}` cannot be read: convert with `keytool \
                 -importkeystore -deststoretype PKCS12`"
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

/// Java writes -1 for the system's own size of a socket buffer, librdkafka 0.
fn system_default(value: &str) -> &str {
    if value == "-1" { "0" } else { value }
}

/// Java names classes, librdkafka strategies.
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
