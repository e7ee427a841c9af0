//! The sink's transactions: output and offsets together, or neither.

use std::time::Duration;

use floodmark_contracts::{clock::Clock, job::DetectorJob};
use floodmark_kafka::{
    BatchConsumer, ClientSettings, Delivery, Error, PartitionOffset, ProducerSettings,
    error::Remedy, producer::Outcome,
};

use super::{PATIENCE, Reports, Sink};
use crate::run::DetectError;

/// How long a transaction may stay open: what a process leaves behind holds its successor up for so
/// long at most.
pub(crate) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Transactions in a row that may fail for records that the broker does not take. One that is too large for its topic
/// is so each time.
const MOST_FAILED: u32 = 10;

/// Pause before a call is made again.
const PAUSE: Duration = Duration::from_millis(20);

/// How a call within a transaction ended.
enum Ended {
    Well,
    /// The transaction has to be aborted.
    InAbort,
}

impl Sink {
    /// Opens the output of a job for transactions. What an earlier process in the same slot left undone
    /// is ended, and that process with it.
    pub(crate) fn transactional(
        client: &ClientSettings,
        job: &DetectorJob,
        exchange: Option<&str>,
    ) -> Result<Self, Error> {
        let settings = ProducerSettings {
            transactional_id: Some(format!("{}-{}", job.group, job.slot)),
            transaction_timeout: Some(TRANSACTION_TIMEOUT),
            // Everything waits for the commit anyway, which sends what lingers.
            ..ProducerSettings::default()
        };
        let sink = Self::with(client, job, exchange, &settings)?;
        sink.producer.init_transactions(PATIENCE)?;
        Ok(sink)
    }

    /// Begins a transaction, if none is open.
    pub(crate) fn begin(&mut self) -> Result<(), DetectError> {
        if !self.begun {
            self.producer.begin_transaction()?;
            self.begun = true;
        }
        Ok(())
    }

    /// Commits the output since [`begin`](Self::begin) together with these offsets. False if that was
    /// refused: then the transaction is aborted, and none of it happened.
    ///
    /// # Errors
    /// If it is not known whether it happened, this process has been replaced, or ten times in a row the broker did not
    /// take a record. It must end then.
    pub(crate) fn commit(
        &mut self,
        offsets: &[PartitionOffset],
        consumer: &BatchConsumer,
        clock: &dyn Clock,
    ) -> Result<bool, DetectError> {
        self.begin()?;
        self.score_the_rest(clock)?;
        if self.doomed {
            tracing::warn!("a transaction is aborted: the producer took no more records for it");
            self.abort(clock)?;
            return Ok(false);
        }
        let mut ended = self.insist(clock, |sink| {
            // Read just now: a member that was replaced must not commit for its successor.
            let group = consumer.group_metadata()?;
            sink.producer.send_offsets(offsets, &group, PATIENCE)
        })?;
        if matches!(ended, Ended::Well) {
            ended = self.insist(clock, |sink| {
                let reports = &mut sink.reports;
                sink.producer
                    .commit_transaction(PATIENCE, &mut |delivery| reports.note(delivery))
            })?;
        }
        match ended {
            Ended::Well => {
                self.begun = false;
                self.failed = 0;
                self.kept = self.count;
                Ok(true)
            }
            Ended::InAbort => {
                self.abort(clock)?;
                Ok(false)
            }
        }
    }

    /// Gives up the output since [`begin`](Self::begin).
    pub(crate) fn abort(&mut self, clock: &dyn Clock) -> Result<(), DetectError> {
        if let Some(stage) = &mut self.stage {
            stage.give_up();
        }
        if !std::mem::replace(&mut self.begun, false) {
            return Ok(());
        }
        self.doomed = false;
        self.count = self.kept;
        self.insist(clock, |sink| {
            let reports = &mut sink.reports;
            let mut count = |delivery: Delivery| {
                if let Outcome::Failed { code, .. } = delivery.outcome {
                    reports.failed(code);
                }
            };
            sink.producer.abort_transaction(PATIENCE, &mut count)
        })?;
        if let Some((reason, &records)) = self.reports.failures.first_key_value() {
            self.failed += 1;
            if self.failed >= MOST_FAILED {
                let reason = reason.clone();
                return Err(DetectError::Undelivered { records, reason });
            }
        }
        let mut traces = self.reports.traces.take();
        if let Some(traces) = &mut traces {
            traces.give_up();
        }
        self.reports = Reports {
            traces,
            ..Reports::default()
        };
        Ok(())
    }

    /// Makes a call until its outcome is known.
    fn insist(
        &mut self,
        clock: &dyn Clock,
        mut call: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<Ended, DetectError> {
        let patience = i64::try_from(PATIENCE.as_micros()).unwrap_or(i64::MAX);
        let deadline = clock.monotonic_us().saturating_add(patience);
        loop {
            let Err(error) = call(self) else {
                return Ok(Ended::Well);
            };
            match error.remedy() {
                Some(Remedy::Abort) => {
                    tracing::warn!(%error, "a transaction is aborted");
                    return Ok(Ended::InAbort);
                }
                Some(Remedy::Stop) => return Err(error.into()),
                _ if error.is_fatal() || clock.monotonic_us() >= deadline => {
                    return Err(error.into());
                }
                _ => {
                    tracing::warn!(%error, "a transaction's call is made again");
                    clock.sleep(PAUSE);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use floodmark_broker::{Broker, BrokerConfig};
    use floodmark_contracts::{clock::SystemClock, job::Connection, profile::DetectorSection};
    use floodmark_kafka::{Admin, ConsumerSettings, admin::NewTopic, consumer::Event};

    use super::*;
    use crate::sink::DeadLetter;

    fn job(bootstrap: String) -> DetectorJob {
        DetectorJob {
            section: DetectorSection::default(),
            connection: Connection {
                bootstrap,
                properties: [].into(),
                registry: None,
            },
            group: "sink".into(),
            slot: 0,
            inputs: [].into(),
            anomalies: "anomalies".into(),
            fraud_flags: "fraud-flags".into(),
            dead_letters: "narrow".into(),
            enrichment: None,
            facts: None,
            page: None,
        }
    }

    /// A member of the group to which the one partition of `exchange` is assigned.
    fn member(client: &ClientSettings) -> BatchConsumer {
        let mut consumer = BatchConsumer::new(client, &ConsumerSettings::in_group("sink")).unwrap();
        consumer.subscribe(&["exchange"]).unwrap();
        let mut batch = floodmark_kafka::Batch::with_capacity(10);
        loop {
            consumer.poll(&mut batch, PAUSE).unwrap();
            let mut events = batch.events().iter();
            if events.any(|event| matches!(event, Event::Assigned { .. })) {
                return consumer;
            }
        }
    }

    #[test]
    fn what_a_failed_transaction_does_not_take_is_no_end_but_an_abort() {
        let broker = Broker::start(BrokerConfig::default()).unwrap();
        let clock = SystemClock::new();
        let client = ClientSettings::plain(broker.bootstrap());
        let admin = Admin::new(&client, PATIENCE).unwrap();
        let narrow = NewTopic::new("narrow", 1).config("max.message.bytes", "50");
        let topics = [NewTopic::new("exchange", 1), narrow];
        admin.create_topics(&topics).unwrap();
        let consumer = member(&client);
        let mut sink =
            Sink::transactional(&client, &job(broker.bootstrap()), Some("exchange")).unwrap();
        let offsets = |at| [PartitionOffset::new("exchange", 0, at)];

        sink.begin().unwrap();
        let letter = DeadLetter {
            topic: "sensor-data",
            partition: 0,
            offset: 0,
            key: None,
            value: None,
            reason: "the broker takes no record of this size, which fails the transaction",
        };
        sink.bury(letter, &clock).unwrap();
        while sink.in_flight() > 0 {
            let reports = &mut sink.reports;
            let noted = &mut |delivery| reports.note(delivery);
            sink.producer.poll(PAUSE, noted);
        }
        assert_eq!(sink.reports.failures.values().sum::<u64>(), 1);
        sink.send_frames(&[(0, b"lost".to_vec())], &clock).unwrap();
        assert!(!sink.commit(&offsets(1), &consumer, &clock).unwrap());
        assert_eq!(sink.letters(), 0);

        sink.begin().unwrap();
        sink.send_frames(&[(0, b"kept".to_vec())], &clock).unwrap();
        assert!(sink.commit(&offsets(2), &consumer, &clock).unwrap());
        let at = [floodmark_kafka::TopicPartition::new("exchange", 0)];
        assert_eq!(consumer.committed(&at, PATIENCE).unwrap(), offsets(2));

        let mut once = || {
            sink.begin()?;
            sink.bury(letter, &clock)?;
            sink.commit(&offsets(3), &consumer, &clock)
        };
        for _ in 1..MOST_FAILED {
            assert!(!once().unwrap());
        }
        let error = once().unwrap_err().to_string();
        assert!(error.contains("Message size too large"), "{error}");
    }
}
