//! What a consumer is asked to do, on top of the client's own properties.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::settings::{ClientSettings, Options, SettingsError};

/// Where to start in a partition for which the group has committed nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the oldest record.
    #[default]
    Earliest,
    /// After the newest record.
    Latest,
}

/// What to see of transactions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Records of committed transactions only; offsets of a group only once they are stable.
    #[default]
    Committed,
    /// Everything in the log.
    Uncommitted,
}

/// How a group shares partitions out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assignor {
    /// All stop, then each gets a range: the default of most clients.
    #[default]
    Range,
    /// All stop, then partitions go round.
    RoundRobin,
    /// Only partitions that move stop.
    CooperativeSticky,
}

impl Assignor {
    fn as_str(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }
}

/// Settings of a consumer. A field left at `None` takes the client property of the same meaning, or
/// else our default; one that is set here *and* as a client property is refused by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerSettings {
    /// The group; without one, partitions are assigned by hand and nothing can be committed.
    pub group: Option<String>,
    /// Where to start without a committed offset.
    pub start: Start,
    /// What to see of transactions.
    pub isolation: Isolation,
    /// Report [`super::Event::EndOfPartition`] whenever a partition has been read to its end.
    pub report_ends: bool,
    /// How the group shares partitions out (`partition.assignment.strategy`).
    pub assignor: Option<Assignor>,
    /// A name that survives restarts, so that a short absence causes no rebalance
    /// (`group.instance.id`).
    pub instance: Option<String>,
    /// After how long a silent member counts as dead (`session.timeout.ms`; 10 s by default).
    pub session_timeout: Option<Duration>,
    /// Bytes fetched ahead over all partitions, in KiB (`queued.max.messages.kbytes`; 64 MiB by
    /// default).
    pub queue_kib: Option<u32>,
}

impl ConsumerSettings {
    /// Settings for a member of `group`.
    #[must_use]
    pub fn in_group(group: impl Into<String>) -> Self {
        Self {
            group: Some(group.into()),
            ..Self::default()
        }
    }

    /// The librdkafka options of a consumer on this cluster.
    pub(super) fn options(
        &self,
        client: &ClientSettings,
    ) -> Result<BTreeMap<String, String>, SettingsError> {
        let mut options = Options::new(client);
        // librdkafka wants a group even to assign by hand. It is never joined.
        options.fixed(
            "group.id",
            self.group.as_deref().unwrap_or("floodmark-no-group"),
        )?;
        options.fixed("enable.auto.commit", "false")?;
        options.fixed("enable.auto.offset.store", "false")?;
        // A silent reset would hide lost data: it has to be an event.
        options.fixed("auto.offset.reset", "error")?;
        let isolation = match self.isolation {
            Isolation::Committed => "read_committed",
            Isolation::Uncommitted => "read_uncommitted",
        };
        options.fixed("isolation.level", isolation)?;
        options.fixed(
            "enable.partition.eof",
            if self.report_ends { "true" } else { "false" },
        )?;
        options.value(
            "partition.assignment.strategy",
            self.assignor.map(|assignor| assignor.as_str().to_owned()),
            "range,roundrobin",
        )?;
        options.value(
            "session.timeout.ms",
            self.session_timeout
                .map(|time| time.as_millis().to_string()),
            "10000",
        )?;
        beat_within_session(&mut options)?;
        options.value(
            "queued.max.messages.kbytes",
            self.queue_kib.map(|n| n.to_string()),
            "65536",
        )?;
        if let Some(instance) = &self.instance {
            options.value("group.instance.id", Some(instance.clone()), "")?;
        }
        // After a full queue librdkafka waits for a whole second by default: at 100 MB/s of memory
        // speed the queue is long empty by then.
        options.value("fetch.queue.backoff.ms", None, "2")?;
        // An empty partition answers after this long; it bounds how late a new leader is noticed.
        options.value("fetch.wait.max.ms", None, "100")?;
        options.value("fetch.error.backoff.ms", None, "50")?;
        options.value("queued.min.messages", None, "100000")?;
        options.value("socket.nagle.disable", None, "true")?;
        options.value("allow.auto.create.topics", None, "false")?;
        Ok(options.finish())
    }
}

/// Three heartbeats a session, and at least librdkafka's default of one in three seconds: it would take a session that is
/// shorter than that, whose members are then expelled between two heartbeats.
fn beat_within_session(options: &mut Options<'_>) -> Result<(), SettingsError> {
    let session = options.get("session.timeout.ms").to_owned();
    // What is no number is refused by librdkafka, with its bounds.
    let Ok(session_ms) = session.parse::<u32>() else {
        return Ok(());
    };
    let default = (session_ms / 3).clamp(1, 3000).to_string();
    options.value("heartbeat.interval.ms", None, &default)?;
    match options.get("heartbeat.interval.ms").parse::<u32>() {
        Ok(heartbeat_ms) if heartbeat_ms >= session_ms => Err(SettingsError::Combination {
            reason: format!(
                "`heartbeat.interval.ms` ({heartbeat_ms}) has to be below `session.timeout.ms` ({session_ms}), a third of it, say"
            ),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(
        settings: &ConsumerSettings,
        properties: &[&str],
    ) -> Result<BTreeMap<String, String>, SettingsError> {
        let client = ClientSettings::builder("127.0.0.1:9092")
            .overrides(properties)?
            .build()?;
        settings.options(&client)
    }

    #[test]
    fn nothing_commits_or_resets_behind_our_back() {
        let options = options(&ConsumerSettings::in_group("g"), &[]).unwrap();
        for (option, value) in [
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("group.id", "g"),
        ] {
            assert_eq!(options[option], value, "{option}");
        }
    }

    #[test]
    fn members_beat_often_enough_for_their_session() {
        let beats = |properties: &[&str]| {
            let options = options(&ConsumerSettings::in_group("g"), properties)?;
            Ok::<_, SettingsError>(options["heartbeat.interval.ms"].clone())
        };
        assert_eq!(beats(&[]).unwrap(), "3000");
        assert_eq!(beats(&["session.timeout.ms=1500"]).unwrap(), "500");
        let both = ["session.timeout.ms=1500", "heartbeat.interval.ms=900"];
        assert_eq!(beats(&both).unwrap(), "900");
        let error = beats(&["heartbeat.interval.ms=10000"]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("below `session.timeout.ms` (10000)"),
            "{text}"
        );
    }

    #[test]
    fn properties_replace_tuned_defaults() {
        let options = options(&ConsumerSettings::default(), &["fetch.queue.backoff.ms=7"]).unwrap();
        assert_eq!(options["fetch.queue.backoff.ms"], "7");
        assert_eq!(options["fetch.wait.max.ms"], "100");
    }

    #[test]
    fn a_setting_and_a_property_for_the_same_thing_are_refused_by_name() {
        let settings = ConsumerSettings {
            assignor: Some(Assignor::CooperativeSticky),
            ..ConsumerSettings::default()
        };
        let error = options(&settings, &["partition.assignment.strategy=range"]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`partition.assignment.strategy`"),
            "{error}"
        );
    }
}
