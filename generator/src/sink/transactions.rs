//! Records in transactions: what is acknowledged is what is committed.

use std::time::Duration;

use floodmark_contracts::clock::{Clock, SystemClock};
use floodmark_kafka::{Delivery, Error, ErrorCode, Producer, error::Remedy};

use super::{Report, SinkError};

/// How long one call to the transaction coordinator may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a commit that the broker asks to repeat is repeated.
const COMMIT_TRIES: u32 = 5;

/// The transactions of one producer. Reports are kept back until their transaction is committed; those of
/// one that is aborted say that nothing was stored.
pub(super) struct Transactions {
    every_us: i64,
    /// When the open one began. The age of a transaction is the broker's business as well, so it is
    /// measured on the machine's clock.
    open_since: Option<i64>,
    clock: SystemClock,
    waiting: Vec<Report>,
    /// True if the open one cannot be committed, so that it need not grow old.
    given_up: bool,
    /// Why a commit outside of a call that can fail failed.
    failure: Option<Error>,
}

impl Transactions {
    /// Readies the producer, which must have a transactional id.
    pub(super) fn start(producer: &Producer, every: Duration) -> Result<Self, SinkError> {
        producer.init_transactions(PATIENCE)?;
        Ok(Self {
            every_us: i64::try_from(every.as_micros()).unwrap_or(i64::MAX),
            open_since: None,
            clock: SystemClock::new(),
            waiting: Vec::new(),
            given_up: false,
            failure: None,
        })
    }

    /// Opens a transaction if none is open. To be called before each record.
    pub(super) fn open(&mut self, producer: &Producer) -> Result<(), SinkError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure.into());
        }
        if self.open_since.is_none() {
            producer.begin_transaction()?;
            self.open_since = Some(self.clock.monotonic_us());
        }
        Ok(())
    }

    /// Keeps a delivery until its transaction ends.
    pub(super) fn keep(&mut self, delivery: Delivery) {
        self.waiting.push(super::kafka::report_of(delivery));
    }

    /// Has the open transaction ended when reports are taken the next time: a record in it has failed.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Commits the open transaction if it is old enough.
    pub(super) fn tick(&mut self, producer: &Producer, report: &mut dyn FnMut(Report)) {
        let old = |since| self.given_up || self.clock.monotonic_us() - since >= self.every_us;
        if self.failure.is_none()
            && self.open_since.is_some_and(old)
            && let Err(error) = self.end(producer, report)
        {
            self.failure = Some(error);
        }
    }

    /// Commits the open transaction and hands on the reports of its records.
    pub(super) fn end(
        &mut self,
        producer: &Producer,
        report: &mut dyn FnMut(Report),
    ) -> Result<(), Error> {
        self.given_up = false;
        if self.open_since.take().is_none() {
            return Ok(());
        }
        let outcome = self.commit(producer);
        let refused = outcome.as_ref().err();
        let refused = refused.map(|error| error.code().unwrap_or(ErrorCode::Fail));
        let mut hand_on = |kept: Report| {
            report(Report {
                failure: kept.failure.or(refused),
                ..kept
            });
        };
        self.waiting.drain(..).for_each(&mut hand_on);
        match outcome {
            Err(error) if error.remedy() == Some(Remedy::Abort) => {
                tracing::warn!(%error, "a transaction is aborted; its events count as failed");
                // Records that were still on their way are reported now.
                producer.abort_transaction(PATIENCE, &mut |delivery| {
                    hand_on(super::kafka::report_of(delivery));
                })
            }
            other => other,
        }
    }

    fn commit(&mut self, producer: &Producer) -> Result<(), Error> {
        let mut tries = 1;
        loop {
            let waiting = &mut self.waiting;
            let outcome = producer.commit_transaction(PATIENCE, &mut |delivery| {
                waiting.push(super::kafka::report_of(delivery));
            });
            match outcome {
                Err(error) if error.remedy() == Some(Remedy::Retry) && tries < COMMIT_TRIES => {
                    tries += 1;
                }
                other => return other,
            }
        }
    }
}
