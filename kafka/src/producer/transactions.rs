//! Transactions: output and offsets of the input that it came from, together or not at all.

use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys as sys;

use super::{Delivery, Producer};
use crate::consumer::GroupMetadata;
use crate::error::{Error, Remedy};
use crate::native::{Client, Deadline, PartitionList, code_of, lossy, millis};
use crate::partition::PartitionOffset;

impl Producer {
    /// Fences older producers with the same transactional id and makes this one ready. Needed once,
    /// before the first transaction; half a second to a second on a fresh broker.
    ///
    /// # Errors
    /// If no broker answers in time or the id may not be used; [`Remedy`] says what helps.
    pub fn init_transactions(&self, timeout: Duration) -> Result<(), Error> {
        let error = self.client.callbacks().without_sink(|| {
            // SAFETY: a live client.
            unsafe { sys::rd_kafka_init_transactions(self.client.ptr(), millis(timeout)) }
        });
        // SAFETY: the error object is ours.
        unsafe { transaction_error(&self.client, error, timeout, "init transactions") }
    }

    /// Begins a transaction: what is sent from here on belongs to it.
    ///
    /// # Errors
    /// If transactions were not initialised or one is open.
    pub fn begin_transaction(&self) -> Result<(), Error> {
        // SAFETY: a live client; the error object is taken over.
        unsafe {
            let error = sys::rd_kafka_begin_transaction(self.client.ptr());
            transaction_error(&self.client, error, Duration::ZERO, "begin a transaction")
        }
    }

    /// Adds a group's offsets to the transaction. `group` must be read just then, so that a member
    /// that lost its partitions cannot commit for them.
    ///
    /// # Errors
    /// If the group has moved on, or the broker does not answer in time.
    pub fn send_offsets(
        &self,
        offsets: &[PartitionOffset],
        group: &GroupMetadata,
        timeout: Duration,
    ) -> Result<(), Error> {
        let list = PartitionList::from_offsets(offsets)?;
        let error = self.client.callbacks().without_sink(|| {
            // SAFETY: live client, list and metadata.
            unsafe {
                sys::rd_kafka_send_offsets_to_transaction(
                    self.client.ptr(),
                    list.ptr(),
                    group.ptr(),
                    millis(timeout),
                )
            }
        });
        let attempt = "add offsets to the transaction";
        // SAFETY: the error object is ours.
        unsafe { transaction_error(&self.client, error, timeout, attempt) }
    }

    /// Flushes and commits. After [`Remedy::Retry`] it may be called again.
    ///
    /// # Errors
    /// If records were not delivered, the broker refuses or does not answer in time.
    pub fn commit_transaction(
        &self,
        timeout: Duration,
        sink: &mut dyn FnMut(Delivery),
    ) -> Result<(), Error> {
        self.end_transaction(timeout, sink, "commit the transaction", |rk, timeout| {
            // SAFETY: a live client.
            unsafe { sys::rd_kafka_commit_transaction(rk, timeout) }
        })
    }

    /// Gives up the transaction's records, those of a transaction that has not failed after they were sent.
    ///
    /// # Errors
    /// If the broker refuses or does not answer in time.
    pub fn abort_transaction(
        &self,
        timeout: Duration,
        sink: &mut dyn FnMut(Delivery),
    ) -> Result<(), Error> {
        // Nothing is purged here. Records on their way would leave a gap in the sequence numbers, at which a later
        // transaction fails; and of those that still wait, the broker may not know yet that they are the transaction's:
        // it has none to end then, and librdkafka takes that for fatal. After an error librdkafka purges by itself.
        self.end_transaction(timeout, sink, "abort the transaction", |rk, timeout| {
            // SAFETY: a live client.
            unsafe { sys::rd_kafka_abort_transaction(rk, timeout) }
        })
    }

    /// Both ends wait for outstanding reports inside librdkafka, and time out unless those are
    /// served; they are, since its calls poll when reports go to a callback.
    fn end_transaction(
        &self,
        timeout: Duration,
        sink: &mut dyn FnMut(Delivery),
        attempt: &str,
        end: impl FnOnce(*mut sys::rd_kafka_t, i32) -> *mut sys::rd_kafka_error_t,
    ) -> Result<(), Error> {
        let deadline = Deadline::after(timeout);
        self.flush(timeout, sink)?;
        let left = deadline.left();
        let callbacks = self.client.callbacks();
        let error = callbacks.with_sink(sink, || end(self.client.ptr(), millis(left)));
        // SAFETY: the error object is ours.
        unsafe { transaction_error(&self.client, error, timeout, attempt) }
    }
}

/// Sorts a transactional call's error by what helps. It may serve callbacks, so that none of their locks must be
/// held.
///
/// # Safety
/// `error` must be null or an error object that nobody else frees.
unsafe fn transaction_error(
    client: &Arc<Client>,
    error: *mut sys::rd_kafka_error_t,
    waited: Duration,
    attempt: &str,
) -> Result<(), Error> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: live until destroyed here.
    let (code, detail, remedy, fatal) = unsafe {
        let remedy = if sys::rd_kafka_error_txn_requires_abort(error) != 0 {
            Remedy::Abort
        } else if sys::rd_kafka_error_is_retriable(error) != 0 {
            Remedy::Retry
        } else {
            Remedy::Stop
        };
        let code = code_of(sys::rd_kafka_error_code(error));
        let detail = lossy(sys::rd_kafka_error_string(error));
        let fatal = sys::rd_kafka_error_is_fatal(error) != 0;
        sys::rd_kafka_error_destroy(error);
        (code, detail, remedy, fatal)
    };
    let attempt = attempt.to_owned();
    if fatal {
        return Err(Error::Fatal {
            attempt,
            code,
            detail,
        });
    }
    // A call that no broker heard is told apart from one that was refused, and may be retried too.
    match client.error_with(attempt.clone(), code, detail.clone(), waited) {
        unreachable @ Error::Unreachable { .. } if remedy == Remedy::Retry => Err(unreachable),
        _ => Err(Error::Transaction {
            attempt,
            code,
            detail,
            remedy,
        }),
    }
}
