//! Which librdkafka options exist, which are ours, and how a part's settings join the user's.

use std::collections::BTreeMap;

use super::{ClientSettings, SettingsError};
use crate::error::Error;
use crate::native::Conf;

/// Names that librdkafka takes as synonyms, with the one that is kept. Without this an option given
/// by both names would be set in an order that nobody chose.
const SYNONYMS: [(&str, &str); 9] = [
    ("metadata.broker.list", "bootstrap.servers"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("compression.codec", "compression.type"),
    ("request.required.acks", "acks"),
    ("message.send.max.retries", "retries"),
    ("message.timeout.ms", "delivery.timeout.ms"),
    ("sasl.mechanism", "sasl.mechanisms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("fetch.message.max.bytes", "max.partition.fetch.bytes"),
];

/// Options that no user sets, with the reason.
const RESERVED: [(&str, &str); 14] = [
    (
        "bootstrap.servers",
        "the broker's address is given by its own option",
    ),
    ("group.id", "every run has a group of its own"),
    (
        "enable.auto.commit",
        "offsets are committed with the results they stand for",
    ),
    (
        "auto.commit.interval.ms",
        "offsets are committed with the results they stand for",
    ),
    (
        "enable.auto.offset.store",
        "offsets are committed with the results they stand for",
    ),
    (
        "auto.offset.reset",
        "where reading starts is a setting of each part; a silent reset hides lost data",
    ),
    (
        "isolation.level",
        "each part reads at the level that its guarantees need",
    ),
    (
        "enable.partition.eof",
        "each part asks for it where it needs it",
    ),
    ("log.queue", "logs are forwarded by the client layer"),
    ("log_level", "use the program's own log level"),
    (
        "statistics.interval.ms",
        "statistics are for the counts of retries alone",
    ),
    ("test.mock.num.brokers", "use the embedded broker instead"),
    ("plugin.library.paths", "plug-ins are not supported"),
    ("delivery.report.only.error", "every delivery is counted"),
];

/// The name under which an option is kept.
pub(super) fn canonical(option: &str) -> &str {
    SYNONYMS
        .iter()
        .find(|(synonym, _)| *synonym == option)
        .map_or(option, |(_, kept)| kept)
}

/// Refuses options that are not the user's.
pub(super) fn refuse_reserved(option: &str) -> Result<(), SettingsError> {
    match RESERVED.iter().find(|(name, _)| *name == option) {
        Some((_, reason)) => Err(SettingsError::Reserved {
            option: option.to_owned(),
            reason: (*reason).to_owned(),
        }),
        None => Ok(()),
    }
}

/// Sets every property on a configuration that is thrown away, for librdkafka's opinion of it.
pub(super) fn try_each(properties: &BTreeMap<String, String>) -> Result<(), SettingsError> {
    let conf = Conf::new();
    for (option, value) in properties {
        conf.set(option, value).map_err(|error| match error {
            Error::Settings(error) => error,
            other => SettingsError::Value {
                option: option.clone(),
                reason: other.to_string(),
            },
        })?;
    }
    Ok(())
}

/// The rows of the documentation.
#[cfg(test)]
pub(super) fn documented() -> impl Iterator<Item = String> {
    let rows = RESERVED.iter();
    rows.map(|(name, reason)| format!("| `{name}` | {reason} |"))
}

/// The options of one client: the user's properties below, a part's settings above.
pub(crate) struct Options<'a> {
    client: &'a ClientSettings,
    options: BTreeMap<String, String>,
}

impl<'a> Options<'a> {
    /// Starts with the user's.
    pub(crate) fn new(client: &'a ClientSettings) -> Self {
        let mut options = client.properties.clone();
        options.insert("bootstrap.servers".to_owned(), client.bootstrap.clone());
        Self { client, options }
    }

    /// An option with a default that a property or a setting can replace, but not both.
    pub(crate) fn value(
        &mut self,
        option: &str,
        setting: Option<String>,
        default: &str,
    ) -> Result<(), SettingsError> {
        let property = self.client.properties.contains_key(option);
        match setting {
            Some(_) if property => Err(SettingsError::Twice {
                option: option.to_owned(),
                place: "the profile's own setting and the client properties".to_owned(),
            }),
            Some(value) => {
                self.options.insert(option.to_owned(), value);
                Ok(())
            }
            None => {
                if !property {
                    self.options.insert(option.to_owned(), default.to_owned());
                }
                Ok(())
            }
        }
    }

    /// An option that only the part sets.
    pub(crate) fn fixed(&mut self, option: &str, value: &str) -> Result<(), SettingsError> {
        self.refuse(option, "it is set by the part that uses the client")?;
        self.options.insert(option.to_owned(), value.to_owned());
        Ok(())
    }

    /// Refuses a property for this kind of client.
    pub(crate) fn refuse(&self, option: &str, reason: &str) -> Result<(), SettingsError> {
        if self.client.properties.contains_key(option) {
            return Err(SettingsError::Reserved {
                option: option.to_owned(),
                reason: reason.to_owned(),
            });
        }
        Ok(())
    }

    /// An option as it stands, empty if nobody set it.
    pub(crate) fn get(&self, option: &str) -> &str {
        self.options.get(option).map_or("", String::as_str)
    }

    /// The options for librdkafka.
    pub(crate) fn finish(self) -> BTreeMap<String, String> {
        self.options
    }
}
