//! Page counts in Redis: a hash for each page, a field for each minute.
//!
//! ```text
//! HSET click_count:/home 2025-06-10T05:04:00 35
//! ```
//! A count only ever grows with corrections, and so does its row's revision, which is the same number: a lower
//! one than what stands there is an older one, and is refused where it stands, in one step.

use std::time::Duration;

use floodmark_contracts::row::{Row, RowKind};
use floodmark_kafka::TopicPartition;
use jiff::Timestamp;
use redis::{Client, Connection, IntoConnectionInfo};

use super::{Destination, Record, SinkError, Taken, Which, Written, held::Held};
use crate::settings;

/// Writes a field, unless a higher number stands there.
const RAISE: &str = "local old = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '-1') \
                     if old == nil or old < tonumber(ARGV[2]) then \
                     redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end return 1";

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A page's count in a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Count {
    key: String,
    minute: String,
    events: u64,
}

/// The counts of a Redis.
pub(super) struct PageCounts {
    settings: settings::Redis,
    connection: Option<Connection>,
    held: Held<Count>,
}

impl PageCounts {
    /// Nothing is connected yet.
    pub(super) fn new(settings: &settings::Redis) -> Self {
        Self {
            settings: settings.clone(),
            connection: None,
            held: Held::default(),
        }
    }

    fn connect(&self) -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
        let mut info = self.settings.url.as_str().into_connection_info()?;
        if let Some(secret) = &self.settings.password {
            let login = info.redis_settings().clone().set_password(secret.read()?);
            info = info.set_redis_settings(login);
        }
        let connection = Client::open(info)?.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        Ok(connection)
    }

    fn count(&self, row: &Row) -> Option<Count> {
        let events = row.fields.as_ref()?.get("events")?.as_u64()?;
        let start = Timestamp::from_millisecond(row.start.0).ok()?;
        Some(Count {
            key: format!("{}{}", self.settings.prefix, row.key),
            minute: start.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            events,
        })
    }
}

impl Destination for PageCounts {
    fn take_on(
        &mut self,
        _: &TopicPartition,
        committed: Option<i64>,
    ) -> Result<Option<i64>, SinkError> {
        Ok(committed)
    }

    fn give_up(&mut self, partition: &TopicPartition) {
        self.held.give_up(partition);
    }

    fn take(&mut self, record: &Record<'_>, now_us: i64) -> Taken {
        let (taken, count) = match serde_json::from_slice::<Row>(record.value) {
            Err(_) => (Taken::Invalid, None),
            Ok(row) if row.kind != RowKind::PageMinute => (Taken::Passed, None),
            Ok(row) => match self.count(&row) {
                Some(count) => (Taken::Kept, Some(count)),
                None => (Taken::Invalid, None),
            },
        };
        self.held.take(record, count, now_us);
        taken
    }

    fn write(&mut self, which: Which) -> Result<Written, SinkError> {
        let Some(due) = self.held.due(which) else {
            return Ok(Written::default());
        };
        if due.len() == 0 {
            drop(due);
            return Ok(self.held.written());
        }
        let mut pipeline = redis::pipe();
        for (_, count) in due {
            let raise = pipeline.cmd("EVAL").arg(RAISE).arg(1);
            raise
                .arg(&count.key)
                .arg(&count.minute)
                .arg(count.events)
                .ignore();
        }
        let attempt = || format!("write page counts into Redis at `{}`", self.settings.url);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self
                .connect()
                .map_err(|error| SinkError::new(attempt(), error))?,
        };
        // A connection that failed is not used again: answers of this batch might still come in it.
        pipeline
            .query::<()>(&mut connection)
            .map_err(|error| SinkError::new(attempt(), error))?;
        self.connection = Some(connection);
        Ok(self.held.written())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> PageCounts {
        PageCounts::new(&settings::Redis {
            url: "redis://127.0.0.1:1/0".into(),
            password: None,
            prefix: "click_count:".into(),
        })
    }

    fn take(counts: &mut PageCounts, value: &str) -> Taken {
        let at = TopicPartition::new("g.rows", 0);
        let record = Record {
            at: &at,
            offset: 0,
            written_ms: None,
            key: None,
            value: value.as_bytes(),
        };
        counts.take(&record, 0)
    }

    const ROW: &str = r#"{"kind":"page-minute","key":"/home","start":1749531840000,"end":1749531900000,"revision":35,"fields":{"events":35}}"#;

    #[test]
    fn a_row_is_the_field_that_dashboards_read() {
        let mut counts = counts();
        assert_eq!(take(&mut counts, ROW), Taken::Kept);
        let found: Vec<Count> = counts
            .held
            .due(Which::All)
            .unwrap()
            .map(|(_, c)| c.clone())
            .collect();
        assert_eq!(
            found,
            [Count {
                key: "click_count:/home".into(),
                minute: "2025-06-10T05:04:00".into(),
                events: 35
            }]
        );
        assert_eq!(
            take(&mut counts, &ROW.replace("page-", "country-")),
            Taken::Passed
        );
        assert_eq!(
            take(&mut counts, &ROW.replace("events", "visits")),
            Taken::Invalid
        );
    }

    #[test]
    fn what_cannot_be_written_is_kept_for_the_next_try() {
        let mut counts = counts();
        take(&mut counts, ROW);
        let error = counts.write(Which::All).unwrap_err().to_string();
        assert!(error.contains("redis://127.0.0.1:1/0"), "{error}");
        assert_eq!(counts.held.due(Which::All).unwrap().len(), 1);
    }
}
