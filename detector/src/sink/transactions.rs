//! The sink's transactions: output and offsets together, or neither.

use std::time::Duration;

use floodmark_contracts::{clock::Clock, job::DetectorJob};
use floodmark_kafka::{
    BatchConsumer, ClientSettings, Error, PartitionOffset, ProducerSettings, error::Remedy,
};

use super::{PATIENCE, Reports, Sink};
use crate::run::DetectError;

/// How long a transaction may stay open: what a process leaves behind holds its successor up for so
/// long at most.
pub(crate) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// If it is not known whether it happened, or this process has been replaced. It must end then.
    pub(crate) fn commit(
        &mut self,
        offsets: &[PartitionOffset],
        consumer: &BatchConsumer,
        clock: &dyn Clock,
    ) -> Result<bool, DetectError> {
        self.begin()?;
        self.score_the_rest(clock)?;
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
        self.count = self.kept;
        self.insist(clock, |sink| {
            sink.producer.abort_transaction(PATIENCE, &mut |_| ())
        })?;
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
