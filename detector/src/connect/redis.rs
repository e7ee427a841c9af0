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
use redis::Connection;

use super::{
    Record, Taken,
    batched::{Cause, Store},
};
use crate::{reach, settings};

/// Writes a field, unless a higher number stands there.
const RAISE: &str = "local old = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '-1') \
                     if old == nil or old < tonumber(ARGV[2]) then \
                     redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end return 1";

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A page's count in a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Count {
    key: String,
    minute: String,
    events: u64,
}

/// The counts of a Redis.
pub(super) struct PageCounts(pub(super) settings::Redis);

impl PageCounts {
    fn count(&self, row: &Row) -> Option<Count> {
        let events = row.fields.as_ref()?.get("events")?.as_u64()?;
        let start = Timestamp::from_millisecond(row.start.0).ok()?;
        Some(Count {
            key: format!("{}{}", self.0.prefix, row.key),
            minute: start.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            events,
        })
    }
}

impl Store for PageCounts {
    type Item = Count;
    type Connection = Connection;

    fn item(&self, record: &Record<'_>) -> (Taken, Option<Count>) {
        match serde_json::from_slice::<Row>(record.value) {
            Err(_) => (Taken::Invalid, None),
            Ok(row) if row.kind != RowKind::PageMinute => (Taken::Passed, None),
            Ok(row) => match self.count(&row) {
                Some(count) => (Taken::Kept, Some(count)),
                None => (Taken::Invalid, None),
            },
        }
    }

    fn connect(&self) -> Result<Connection, Cause> {
        let client = self.0.address.client()?;
        Ok(reach::redis::connect(&client, PATIENCE, PATIENCE)?)
    }

    fn write(
        &self,
        connection: &mut Connection,
        counts: &[(TopicPartition, Count)],
    ) -> Result<(), Cause> {
        let mut pipeline = redis::pipe();
        for (_, count) in counts {
            let raise = pipeline.cmd("EVAL").arg(RAISE).arg(1);
            raise
                .arg(&count.key)
                .arg(&count.minute)
                .arg(count.events)
                .ignore();
        }
        Ok(pipeline.query::<()>(connection)?)
    }

    fn attempt(&self) -> String {
        format!("write page counts into Redis at `{}`", self.0.address.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        connect::{Destination as _, Which, batched::Batched},
        reach::RedisAddress,
    };

    fn counts() -> PageCounts {
        PageCounts(settings::Redis {
            address: RedisAddress {
                url: "redis://127.0.0.1:1/0".into(),
                password: None,
                ca: None,
            },
            prefix: "click_count:".into(),
        })
    }

    fn item(value: &str) -> (Taken, Option<Count>) {
        counts().item(&record(&TopicPartition::new("g.rows", 0), value))
    }

    fn record<'a>(at: &'a TopicPartition, value: &'a str) -> Record<'a> {
        Record {
            at,
            offset: 0,
            written_ms: None,
            key: None,
            value: value.as_bytes(),
        }
    }

    const ROW: &str = r#"{"kind":"page-minute","key":"/home","start":1749531840000,"end":1749531900000,"revision":35,"fields":{"events":35}}"#;

    #[test]
    fn a_row_is_the_field_that_dashboards_read() {
        let count = Count {
            key: "click_count:/home".into(),
            minute: "2025-06-10T05:04:00".into(),
            events: 35,
        };
        assert_eq!(item(ROW), (Taken::Kept, Some(count)));
        let other = ROW.replace("page-", "country-");
        assert_eq!(item(&other), (Taken::Passed, None));
        let odd = ROW.replace("events", "visits");
        assert_eq!(item(&odd), (Taken::Invalid, None));
    }

    #[test]
    fn a_failure_says_which_redis_it_was() {
        let mut counts = Batched::new(counts());
        counts.take(&record(&TopicPartition::new("g.rows", 0), ROW), 0);
        let error = counts.write(Which::All).unwrap_err().to_string();
        assert!(error.contains("redis://127.0.0.1:1/0"), "{error}");
    }
}
