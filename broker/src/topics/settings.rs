//! The settings of a topic: those that do something here, and those kept only to be shown.

use std::collections::BTreeMap;

use crate::log::batch::TimestampType;

/// Kafka's default for `max.message.bytes`.
const DEFAULT_MAX_MESSAGE_BYTES: usize = 1_048_588;

/// Settings about files on a disk, which an in-memory log has none of. They are kept and shown, so
/// that tools which set them work; they have nothing to act upon.
const ABOUT_FILES: [(&str, &str); 7] = [
    ("segment.bytes", "1073741824"),
    ("segment.ms", "604800000"),
    ("segment.index.bytes", "10485760"),
    ("flush.messages", "9223372036854775807"),
    ("flush.ms", "9223372036854775807"),
    ("file.delete.delay.ms", "60000"),
    ("preallocate", "false"),
];

/// The settings of one topic.
#[derive(Debug, Clone)]
pub(crate) struct TopicSettings {
    /// `message.timestamp.type`
    pub(crate) timestamps: TimestampType,
    /// `retention.ms`; `None` (-1, the default here) keeps records whatever their age.
    pub(crate) retention_ms: Option<i64>,
    /// `retention.bytes` of each partition; `None` (-1) sets no limit.
    pub(crate) retention_bytes: Option<usize>,
    /// `max.message.bytes`: the largest batch.
    pub(crate) max_message_bytes: usize,
    /// What was set, as it was set.
    given: BTreeMap<String, String>,
}

/// One setting as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Whether it was set on the topic (or else is a default).
    pub(crate) is_given: bool,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self {
            timestamps: TimestampType::default(),
            retention_ms: None,
            retention_bytes: None,
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            given: BTreeMap::new(),
        }
    }
}

impl TopicSettings {
    /// Reads the settings of a request; the error says which one is wrong and what would work.
    pub(crate) fn parse<'a>(
        given: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, String> {
        let mut settings = Self::default();
        for (name, value) in given {
            let Some(value) = value else {
                return Err(format!(
                    "setting `{name}` has no value; give one or leave it out"
                ));
            };
            settings.apply(name, value)?;
            settings.given.insert(name.to_owned(), value.to_owned());
        }
        Ok(settings)
    }

    /// All settings in the order of their names.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let defaults = Self::default();
        let named = [
            ("cleanup.policy", "delete".to_owned()),
            ("compression.type", "producer".to_owned()),
            ("max.message.bytes", defaults.max_message_bytes.to_string()),
            ("message.timestamp.type", "CreateTime".to_owned()),
            ("min.insync.replicas", "1".to_owned()),
            ("retention.bytes", "-1".to_owned()),
            ("retention.ms", "-1".to_owned()),
        ];
        let about_files = ABOUT_FILES.map(|(name, value)| (name, value.to_owned()));
        let all: BTreeMap<_, _> = named.into_iter().chain(about_files).collect();
        let show = |(name, default): (&str, String)| {
            let given = self.given.get(name).cloned();
            let is_given = given.is_some();
            Shown {
                name: name.to_owned(),
                value: given.unwrap_or(default),
                is_given,
            }
        };
        all.into_iter().map(show).collect()
    }

    fn apply(&mut self, name: &str, value: &str) -> Result<(), String> {
        let refuse = |works: &str| Err(format!("setting `{name}` is `{value}`; use {works}"));
        match name {
            "message.timestamp.type" => match value {
                "CreateTime" => self.timestamps = TimestampType::CreateTime,
                "LogAppendTime" => self.timestamps = TimestampType::LogAppendTime,
                _ => return refuse("`CreateTime` or `LogAppendTime`"),
            },
            "retention.ms" => match value.parse::<i64>() {
                Ok(ms) if ms >= -1 => self.retention_ms = (ms >= 0).then_some(ms),
                _ => return refuse("milliseconds, or `-1` for no limit"),
            },
            "retention.bytes" => match value.parse::<i64>() {
                Ok(bytes) if bytes >= -1 => self.retention_bytes = usize::try_from(bytes).ok(),
                _ => return refuse("bytes, or `-1` for no limit"),
            },
            "max.message.bytes" => match value.parse() {
                Ok(bytes) => self.max_message_bytes = bytes,
                Err(_) => return refuse("a number of bytes"),
            },
            "cleanup.policy" if value != "delete" => {
                return refuse("`delete`: this broker does not compact");
            }
            "compression.type" if value != "producer" => {
                return refuse("`producer`: batches are kept as they come");
            }
            "min.insync.replicas" if value != "1" => return refuse("`1`: there is one broker"),
            "cleanup.policy" | "compression.type" | "min.insync.replicas" => {}
            _ if ABOUT_FILES.iter().any(|(known, _)| *known == name) => {}
            _ => return Err(format!("setting `{name}` is not known to this broker")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, value: &str) -> Result<TopicSettings, String> {
        TopicSettings::parse([(name, Some(value))])
    }

    #[test]
    fn settings_take_effect() {
        let settings = parse("message.timestamp.type", "LogAppendTime").expect("valid");
        assert_eq!(settings.timestamps, TimestampType::LogAppendTime);
        assert_eq!(
            parse("retention.ms", "500").expect("valid").retention_ms,
            Some(500)
        );
        assert_eq!(
            parse("retention.ms", "-1").expect("valid").retention_ms,
            None
        );
        assert_eq!(
            parse("retention.bytes", "9")
                .expect("valid")
                .retention_bytes,
            Some(9)
        );
        assert_eq!(
            parse("retention.bytes", "-1")
                .expect("valid")
                .retention_bytes,
            None
        );
        assert_eq!(
            parse("max.message.bytes", "77")
                .expect("valid")
                .max_message_bytes,
            77
        );
    }

    #[test]
    fn wrong_settings_say_what_would_work() {
        let cases = [
            ("retention.ms", "soon", "milliseconds, or `-1`"),
            ("retention.ms", "-2", "milliseconds, or `-1`"),
            ("retention.bytes", "x", "bytes, or `-1`"),
            ("max.message.bytes", "-1", "a number of bytes"),
            (
                "message.timestamp.type",
                "Now",
                "`CreateTime` or `LogAppendTime`",
            ),
            ("cleanup.policy", "compact", "does not compact"),
            ("compression.type", "zstd", "`producer`"),
            ("min.insync.replicas", "2", "one broker"),
            ("retention.seconds", "5", "`retention.seconds` is not known"),
        ];
        for (name, value, expected) in cases {
            let message = parse(name, value).expect_err("must be refused");
            assert!(
                message.contains(expected),
                "`{message}` should contain `{expected}`"
            );
        }
        assert!(TopicSettings::parse([("retention.ms", None)]).is_err());
    }

    #[test]
    fn what_was_given_is_shown_beside_the_defaults() {
        let shown = parse("segment.bytes", "1000").expect("valid").shown();
        let find = |name: &str| shown.iter().find(|s| s.name == name).expect("shown");
        assert_eq!(find("segment.bytes").value, "1000");
        assert!(find("segment.bytes").is_given);
        assert_eq!(find("retention.ms").value, "-1");
        assert!(!find("retention.ms").is_given);
        assert!(shown.is_sorted_by_key(|s| s.name.clone()));
    }
}
