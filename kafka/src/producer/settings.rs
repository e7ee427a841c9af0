//! What a producer is asked to do, on top of the client's own properties.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::settings::{ClientSettings, Options, SettingsError};

/// Compression of record batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// No compression.
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// The name in client properties.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// How many replicas must have a record before it counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acks {
    /// The broker does not answer at all: losses stay unseen.
    None,
    /// The leader.
    Leader,
    /// All in-sync replicas.
    All,
}

impl Acks {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "0",
            Self::Leader => "1",
            Self::All => "all",
        }
    }
}

/// Settings of a producer. A field left at `None` takes the client property of the same meaning,
/// or else our default; one that is set here *and* as a client property is refused by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProducerSettings {
    /// How long a batch waits for company (`linger.ms`; 5 ms by default).
    pub linger: Option<Duration>,
    /// Upper bound of a batch in bytes (`batch.size`; 128 KiB by default).
    pub batch_bytes: Option<usize>,
    /// Compression of batches (`compression.type`; none by default).
    pub compression: Option<Compression>,
    /// Acknowledgements asked for (`acks`; all by default).
    pub acks: Option<Acks>,
    /// No duplicates and no reordering by retries (`enable.idempotence`; off by default, forced on
    /// by a transactional id).
    pub idempotence: Option<bool>,
    /// Records that may wait (`queue.buffering.max.messages`; 500,000 by default).
    pub queue_records: Option<u32>,
    /// Bytes that may wait, in KiB (`queue.buffering.max.kbytes`; 256 MiB by default).
    pub queue_kib: Option<u32>,
    /// How long a record may take until it counts as failed (`delivery.timeout.ms`; two minutes
    /// by default, in transactions as long as they may stay open).
    pub delivery_timeout: Option<Duration>,
    /// Makes the producer transactional; stable per process, for fencing.
    pub transactional_id: Option<String>,
    /// How long a transaction may stay open (`transaction.timeout.ms`; 10 s by default).
    pub transaction_timeout: Option<Duration>,
}

impl ProducerSettings {
    /// The librdkafka options of a producer on this cluster.
    pub(super) fn options(
        &self,
        client: &ClientSettings,
    ) -> Result<BTreeMap<String, String>, SettingsError> {
        let mut options = Options::new(client);
        let millis = |time: Duration| millis_text(time);
        options.value("linger.ms", self.linger.map(millis), "5")?;
        options.value(
            "batch.size",
            self.batch_bytes.map(|n| n.to_string()),
            "131072",
        )?;
        options.value(
            "compression.type",
            self.compression.map(|codec| codec.as_str().to_owned()),
            "none",
        )?;
        options.value(
            "acks",
            self.acks.map(|acks| acks.as_str().to_owned()),
            "all",
        )?;
        options.value(
            "queue.buffering.max.messages",
            self.queue_records.map(|n| n.to_string()),
            "500000",
        )?;
        options.value(
            "queue.buffering.max.kbytes",
            self.queue_kib.map(|n| n.to_string()),
            "262144",
        )?;
        options.value(
            "enable.idempotence",
            self.idempotence.map(|on| on.to_string()),
            if self.transactional_id.is_some() {
                "true"
            } else {
                "false"
            },
        )?;
        // Keys must land where the Java client puts them: detectors that join by partition rely
        // on it. librdkafka's own default hashes differently.
        options.value("partitioner", None, "murmur2_random")?;
        options.value("socket.nagle.disable", None, "true")?;
        // For the count of retries, which no report of a delivery tells.
        options.fixed("statistics.interval.ms", "500")?;
        let mut delivery_timeout = "120000".to_owned();
        if let Some(id) = &self.transactional_id {
            options.fixed("transactional.id", id)?;
            // A coordinator that is still ending the transaction before says so, and is asked again: with 100 ms
            // between, as librdkafka has it, that would be most of a commit.
            options.value("retry.backoff.ms", None, "10")?;
            options.value(
                "transaction.timeout.ms",
                self.transaction_timeout.map(millis),
                "10000",
            )?;
            // librdkafka wants records to be given up no later than their transaction.
            delivery_timeout = options.get("transaction.timeout.ms").to_owned();
        } else {
            options.refuse(
                "transactional.id",
                "it is set by the part that runs transactions",
            )?;
        }
        let set = self.delivery_timeout.map(millis);
        options.value("delivery.timeout.ms", set, &delivery_timeout)?;
        Ok(options.finish())
    }
}

/// Whole milliseconds and the rest, as `linger.ms` takes fractions.
fn millis_text(time: Duration) -> String {
    let whole = time.as_millis();
    let micros = time.as_micros() % 1000;
    if micros == 0 {
        whole.to_string()
    } else {
        format!("{whole}.{micros:03}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        settings: &ProducerSettings,
        properties: &[&str],
        expected: Result<(&str, &str), &str>,
    ) {
        let client = ClientSettings::builder("127.0.0.1:9092")
            .overrides(properties)
            .and_then(|builder| builder.build())
            .unwrap();
        match (settings.options(&client), expected) {
            (Ok(options), Ok((name, value))) => assert_eq!(options[name], value, "{name}"),
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
            (found, expected) => panic!("expected {expected:?}, found {found:?}"),
        }
    }

    #[test]
    fn a_client_property_beats_our_default() {
        check(
            &ProducerSettings::default(),
            &["linger.ms=20"],
            Ok(("linger.ms", "20")),
        );
        check(&ProducerSettings::default(), &[], Ok(("linger.ms", "5")));
    }

    #[test]
    fn a_setting_beats_our_default() {
        let settings = ProducerSettings {
            linger: Some(Duration::from_micros(1500)),
            compression: Some(Compression::Lz4),
            ..ProducerSettings::default()
        };
        check(&settings, &[], Ok(("linger.ms", "1.500")));
        check(&settings, &[], Ok(("compression.type", "lz4")));
    }

    #[test]
    fn a_setting_and_a_property_for_the_same_thing_are_refused_by_name() {
        let settings = ProducerSettings {
            acks: Some(Acks::Leader),
            ..ProducerSettings::default()
        };
        check(&settings, &["acks=all"], Err("`acks`"));
        // the same option under librdkafka's other name
        check(&settings, &["request.required.acks=all"], Err("`acks`"));
    }

    #[test]
    fn the_transactional_id_is_not_the_users_to_set() {
        check(
            &ProducerSettings::default(),
            &["transactional.id=x"],
            Err("`transactional.id`"),
        );
    }

    #[test]
    fn transactions_turn_idempotence_on() {
        let settings = ProducerSettings {
            transactional_id: Some("slot-0".to_owned()),
            ..ProducerSettings::default()
        };
        check(&settings, &[], Ok(("enable.idempotence", "true")));
        check(&settings, &[], Ok(("transaction.timeout.ms", "10000")));
        check(&settings, &[], Ok(("delivery.timeout.ms", "10000")));
        let slower = ["transaction.timeout.ms=20000"];
        check(&settings, &slower, Ok(("delivery.timeout.ms", "20000")));
        check(
            &ProducerSettings::default(),
            &[],
            Ok(("delivery.timeout.ms", "120000")),
        );
    }
}
