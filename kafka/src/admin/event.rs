//! One admin request: options, queue, result.

use std::ffi::c_int;

use rdkafka_sys as sys;

use super::Admin;
use crate::error::{Error, ErrorCode};
use crate::native::{code_of, code_text, lossy, millis};

/// A result event, freed with its contents.
pub(super) struct ResultEvent(*mut sys::rd_kafka_event_t);

impl ResultEvent {
    pub(super) fn ptr(&self) -> *mut sys::rd_kafka_event_t {
        self.0
    }
}

impl Drop for ResultEvent {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { sys::rd_kafka_event_destroy(self.0) };
    }
}

impl Admin {
    /// Sends a request with `send` and waits for its result, or the reason why there is none.
    pub(super) fn request(
        &self,
        operation: sys::rd_kafka_admin_op_t,
        attempt: &str,
        send: impl FnOnce(
            *mut sys::rd_kafka_t,
            *const sys::rd_kafka_AdminOptions_t,
            *mut sys::rd_kafka_queue_t,
        ),
    ) -> Result<ResultEvent, Error> {
        // SAFETY: a live client; options and queue are freed here, the event by its owner. The
        // result is waited for without a bound of our own, since librdkafka keeps the request's.
        let event = unsafe {
            let options = sys::rd_kafka_AdminOptions_new(self.client.ptr(), operation);
            let queue = sys::rd_kafka_queue_new(self.client.ptr());
            let timeout = millis(self.timeout);
            sys::rd_kafka_AdminOptions_set_request_timeout(
                options,
                timeout,
                std::ptr::null_mut(),
                0,
            );
            send(self.client.ptr(), options, queue);
            let event = sys::rd_kafka_queue_poll(queue, -1);
            sys::rd_kafka_AdminOptions_destroy(options);
            sys::rd_kafka_queue_destroy(queue);
            event
        };
        if event.is_null() {
            return Err(self
                .client
                .error(attempt, ErrorCode::OperationTimedOut, self.timeout));
        }
        let event = ResultEvent(event);
        // SAFETY: a live event; its text is copied.
        let (code, detail) = unsafe {
            (
                sys::rd_kafka_event_error(event.ptr()),
                lossy(sys::rd_kafka_event_error_string(event.ptr())),
            )
        };
        if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(event);
        }
        Err(self
            .client
            .error_with(attempt, code_of(code), detail, self.timeout))
    }

    /// One error of many in a result, or none.
    pub(super) fn part_error(
        &self,
        attempt: String,
        code: sys::rd_kafka_resp_err_t,
        text: String,
    ) -> Result<(), Error> {
        if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        let detail = if text.is_empty() {
            code_text(code)
        } else {
            text
        };
        Err(self
            .client
            .error_with(attempt, code_of(code), detail, self.timeout))
    }
}

/// An array of librdkafka's as a slice; empty for a null pointer.
///
/// # Safety
/// `first` must be null or point to `count` elements that live for `'a`.
pub(super) unsafe fn slice<'a, T>(first: *const T, count: c_int) -> &'a [T] {
    match usize::try_from(count) {
        // SAFETY: as the caller promises.
        Ok(count) if count > 0 && !first.is_null() => unsafe {
            std::slice::from_raw_parts(first, count)
        },
        _ => &[],
    }
}
