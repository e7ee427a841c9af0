//! Destinations that take many records at once, over a connection that may break.

use std::error::Error;

use floodmark_kafka::TopicPartition;

use super::{Destination, Record, SinkError, Taken, Which, Written, held::Held};

/// Why a store did not do what it was asked for.
pub(super) type Cause = Box<dyn Error + Send + Sync>;

/// A store that is written to in batches. Writing the same again must change nothing.
pub(super) trait Store: Send {
    /// What is written of a record.
    type Item: Send;

    /// A connection. One that failed is not used again: answers to what came before might still be in it.
    type Connection: Send;

    /// What is to be written of a record, if anything.
    fn item(&self, record: &Record<'_>) -> (Taken, Option<Self::Item>);

    /// Connects, and makes what has to be there.
    fn connect(&self) -> Result<Self::Connection, Cause>;

    /// Writes all of it, at least one.
    fn write(
        &self,
        connection: &mut Self::Connection,
        items: &[(TopicPartition, Self::Item)],
    ) -> Result<(), Cause>;

    /// What `write` attempts, for people: `write records into the table x`.
    fn attempt(&self) -> String;
}

/// A store, the connection to it, and what waits for it.
pub(super) struct Batched<S: Store> {
    store: S,
    connection: Option<S::Connection>,
    held: Held<S::Item>,
}

impl<S: Store> Batched<S> {
    /// Nothing is connected yet.
    pub(super) fn new(store: S) -> Self {
        Self {
            store,
            connection: None,
            held: Held::default(),
        }
    }

    fn write_due(&mut self, which: Which) -> Result<bool, Cause> {
        let items = match self.held.due(which) {
            None => return Ok(false),
            Some([]) => return Ok(true),
            Some(items) => items,
        };
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.store.connect()?,
        };
        self.store.write(&mut connection, items)?;
        self.connection = Some(connection);
        Ok(true)
    }
}

impl<S: Store> Destination for Batched<S> {
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
        let (taken, item) = self.store.item(record);
        self.held.take(record, item, now_us);
        taken
    }

    fn write(&mut self, which: Which) -> Result<Written, SinkError> {
        match self.write_due(which) {
            Ok(true) => Ok(self.held.written()),
            Ok(false) => Ok(Written::default()),
            Err(error) => Err(SinkError::new(self.store.attempt(), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What a store was asked for, and how often it is to refuse.
    #[derive(Default)]
    struct Seen {
        connections: u32,
        refusals: u32,
        batches: Vec<Vec<i64>>,
    }

    struct Refusing(Arc<Mutex<Seen>>);

    impl Store for Refusing {
        type Item = i64;
        type Connection = u32;

        fn item(&self, record: &Record<'_>) -> (Taken, Option<i64>) {
            match record.value {
                b"bad" => (Taken::Invalid, None),
                _ => (Taken::Kept, Some(record.offset)),
            }
        }

        fn connect(&self) -> Result<u32, Cause> {
            let mut seen = self.0.lock().unwrap();
            seen.connections += 1;
            Ok(seen.connections)
        }

        fn write(&self, _: &mut u32, items: &[(TopicPartition, i64)]) -> Result<(), Cause> {
            let mut seen = self.0.lock().unwrap();
            if seen.refusals > 0 {
                seen.refusals -= 1;
                return Err("refused".into());
            }
            seen.batches
                .push(items.iter().map(|(_, item)| *item).collect());
            Ok(())
        }

        fn attempt(&self) -> String {
            "write numbers".to_owned()
        }
    }

    fn take(store: &mut Batched<Refusing>, offset: i64, value: &[u8]) -> Taken {
        let record = Record {
            at: &TopicPartition::new("t", 0),
            offset,
            written_ms: None,
            key: None,
            value,
        };
        store.take(&record, 0)
    }

    #[test]
    fn what_was_refused_is_written_over_a_new_connection() {
        let seen = Arc::new(Mutex::new(Seen {
            refusals: 1,
            ..Seen::default()
        }));
        let mut store = Batched::new(Refusing(Arc::clone(&seen)));
        assert_eq!(take(&mut store, 0, b"a"), Taken::Kept);
        let error = store.write(Which::All).unwrap_err().to_string();
        assert_eq!(error, "cannot write numbers");
        assert_eq!(take(&mut store, 1, b"b"), Taken::Kept);
        let written = store.write(Which::All).unwrap();
        assert_eq!((written.records, written.offsets[0].offset), (2, 2));
        let seen = seen.lock().unwrap();
        assert_eq!(seen.batches, [[0, 1]]);
        assert_eq!(seen.connections, 2);
    }

    #[test]
    fn nothing_to_write_needs_no_connection_and_moves_on() {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut store = Batched::new(Refusing(Arc::clone(&seen)));
        assert_eq!(take(&mut store, 7, b"bad"), Taken::Invalid);
        let written = store.write(Which::All).unwrap();
        assert_eq!((written.records, written.offsets[0].offset), (0, 8));
        assert_eq!(seen.lock().unwrap().connections, 0);
    }
}
