//! Every record of the input topics in a table of PostgreSQL, once.
//!
//! Records are copied in binary into a temporary table and go from there into the real one, in one transaction.
//! Topic, partition and offset are the key, and what is there already is passed over: a repetition changes nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use floodmark_kafka::TopicPartition;
use postgres::{
    Client, Config, NoTls,
    binary_copy::BinaryCopyInWriter,
    config::SslMode,
    types::{ToSql, Type},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    Record, Taken,
    batched::{Cause, Store},
};
use crate::{reach::tls, settings};

/// How long PostgreSQL may take to take a connection, and to say that it is alive.
const PATIENCE: Duration = Duration::from_secs(5);

/// The columns of the temporary table, in order. `event` is text there: a binary copy knows no JSON.
const TYPES: [Type; 7] = [
    Type::TEXT,
    Type::INT4,
    Type::INT8,
    Type::TIMESTAMPTZ,
    Type::BYTEA,
    Type::TEXT,
    Type::BYTEA,
];

/// A record as it will stand in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    offset: i64,
    written_at: Option<SystemTime>,
    key: Option<Vec<u8>>,
    value: Value,
}

/// A record's value: JSON where it is some, and the bytes otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Json(String),
    Bytes(Vec<u8>),
}

impl Value {
    fn of(bytes: &[u8]) -> Self {
        // Read as a whole: a text that is nested too deeply would be refused by the server, again and again.
        match serde_json::from_slice::<serde_json::Value>(bytes) {
            Ok(_) => Self::Json(String::from_utf8_lossy(bytes).into_owned()),
            Err(_) => Self::Bytes(bytes.to_vec()),
        }
    }

    fn json(&self) -> Option<&str> {
        match self {
            Self::Json(text) => Some(text),
            Self::Bytes(_) => None,
        }
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Json(_) => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

/// A table of PostgreSQL.
pub(super) struct Table(pub(super) settings::Postgres);

impl Table {
    /// A connection, under TLS if that is asked for: then it speaks to nobody whom it cannot trust.
    fn open(&self) -> Result<Client, Cause> {
        let mut config: Config = self.0.url.parse()?;
        config.connect_timeout(PATIENCE).tcp_user_timeout(PATIENCE);
        if let Some(secret) = &self.0.password {
            config.password(secret.read()?);
        }
        Ok(match &self.0.tls {
            None => config.ssl_mode(SslMode::Disable).connect(NoTls)?,
            Some(trust) => {
                let client = tls::client(trust.ca.as_deref())?;
                let config = config.ssl_mode(SslMode::Require);
                config.connect(MakeRustlsConnect::new(client))?
            }
        })
    }
}

impl Store for Table {
    type Item = Stored;
    type Connection = Client;

    fn item(&self, record: &Record<'_>) -> (Taken, Option<Stored>) {
        let since_epoch = |ms: i64| u64::try_from(ms).ok().map(Duration::from_millis);
        let written_at = record.written_ms.and_then(since_epoch);
        let stored = Stored {
            offset: record.offset,
            written_at: written_at.map(|since| UNIX_EPOCH + since),
            key: record.key.map(<[u8]>::to_vec),
            value: Value::of(record.value),
        };
        (Taken::Kept, Some(stored))
    }

    fn connect(&self) -> Result<Client, Cause> {
        let mut client = self.open()?;
        let table = &self.0.table;
        client.batch_execute(&format!(
            "SET client_min_messages TO warning;
             CREATE TABLE IF NOT EXISTS {table} (
                topic text NOT NULL,
                partition integer NOT NULL,
                \"offset\" bigint NOT NULL,
                written_at timestamptz,
                key bytea,
                event json,
                raw bytea,
                PRIMARY KEY (topic, partition, \"offset\"));
             CREATE TEMPORARY TABLE floodmark_copy (
                topic text, partition integer, \"offset\" bigint, written_at timestamptz,
                key bytea, event text, raw bytea) ON COMMIT DELETE ROWS;"
        ))?;
        Ok(client)
    }

    fn write(
        &self,
        client: &mut Client,
        records: &[(TopicPartition, Stored)],
    ) -> Result<(), Cause> {
        let mut transaction = client.transaction()?;
        let sink = transaction.copy_in("COPY floodmark_copy FROM STDIN BINARY")?;
        let mut copy = BinaryCopyInWriter::new(sink, &TYPES);
        for (at, record) in records {
            let (json, bytes) = (record.value.json(), record.value.bytes());
            let row: [&(dyn ToSql + Sync); 7] = [
                &at.topic,
                &at.partition,
                &record.offset,
                &record.written_at,
                &record.key,
                &json,
                &bytes,
            ];
            copy.write(&row)?;
        }
        copy.finish()?;
        let table = &self.0.table;
        transaction.batch_execute(&format!(
            "INSERT INTO {table} (topic, partition, \"offset\", written_at, key, event, raw)
             SELECT topic, partition, \"offset\", written_at, key, event::json, raw FROM floodmark_copy
             ON CONFLICT DO NOTHING"
        ))?;
        Ok(transaction.commit()?)
    }

    fn attempt(&self) -> String {
        format!("write records into the table `{}`", self.0.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_takes_for_json_is_json() {
        assert_eq!(Value::of(b"{\"a\": 1}").json(), Some("{\"a\": 1}"));
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        for bytes in [b"".as_slice(), b"\0\x01", b"{\"a\":\xff}", deep.as_bytes()] {
            let value = Value::of(bytes);
            assert_eq!((value.json(), value.bytes()), (None, Some(bytes)));
        }
    }
}
