//! A librdkafka handle with its options and callbacks.

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka_sys as sys;

use super::{Callbacks, cstring, lossy, millis};
use crate::error::{Error, ErrorCode, is_transport};
use crate::settings::SettingsError;

/// What a handle is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Producer,
    Consumer,
    /// librdkafka has no kind of its own for this; a producer has no group to look up.
    Admin,
}

/// An owned handle. It is reference-counted by those who hold topics, messages or queues of it, so
/// that it outlives them.
pub(crate) struct Client {
    rk: NonNull<sys::rd_kafka_t>,
    callbacks: Box<Callbacks>,
    bootstrap: String,
}

// SAFETY: librdkafka's handles may be used from any thread; `Callbacks` sees to itself.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

impl Client {
    /// Makes a handle with exactly these librdkafka options.
    pub(crate) fn new(kind: Kind, options: &BTreeMap<String, String>) -> Result<Self, Error> {
        let conf = Conf::new();
        for (option, value) in options {
            conf.set(option, value)?;
        }
        let callbacks = Callbacks::new();
        // SAFETY: `conf` is live, and the client below is dropped before its callbacks.
        unsafe {
            callbacks.register(conf.0);
            match kind {
                Kind::Producer => callbacks.register_producer(conf.0),
                Kind::Consumer => callbacks.register_consumer(conf.0),
                Kind::Admin => {}
            }
        }
        let native_kind = match kind {
            Kind::Consumer => sys::rd_kafka_type_t::RD_KAFKA_CONSUMER,
            Kind::Producer | Kind::Admin => sys::rd_kafka_type_t::RD_KAFKA_PRODUCER,
        };
        let mut text: [c_char; 512] = [0; 512];
        // SAFETY: a live configuration, which librdkafka takes over if and only if it succeeds.
        let rk = unsafe { sys::rd_kafka_new(native_kind, conf.0, text.as_mut_ptr(), text.len()) };
        let Some(rk) = NonNull::new(rk) else {
            // SAFETY: librdkafka terminates what it wrote.
            let reason = unsafe { lossy(text.as_ptr()) };
            return Err(SettingsError::Combination { reason }.into());
        };
        std::mem::forget(conf);
        let bootstrap = options
            .get("bootstrap.servers")
            .cloned()
            .unwrap_or_default();
        Ok(Self {
            rk,
            callbacks,
            bootstrap,
        })
    }

    pub(crate) fn ptr(&self) -> *mut sys::rd_kafka_t {
        self.rk.as_ptr()
    }

    pub(crate) fn callbacks(&self) -> &Callbacks {
        &self.callbacks
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Serves errors and other callbacks of a handle that has no other poll loop.
    pub(crate) fn serve(&self, timeout: Duration) {
        self.callbacks.without_sink(|| {
            // SAFETY: a live handle.
            unsafe { sys::rd_kafka_poll(self.ptr(), millis(timeout)) };
        });
    }

    /// The reason for the client's death, if it is dead.
    pub(crate) fn fatal(&self) -> Option<(ErrorCode, String)> {
        let mut text: [c_char; 512] = [0; 512];
        // SAFETY: a live handle and a buffer of the length given.
        let code = unsafe { sys::rd_kafka_fatal_error(self.ptr(), text.as_mut_ptr(), text.len()) };
        if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        // SAFETY: librdkafka terminates what it wrote.
        Some((super::code_of(code), unsafe { lossy(text.as_ptr()) }))
    }

    /// Turns a code of a failed `attempt` into an error, `waited` being its time-out.
    ///
    /// A time-out during which connections failed means that nobody was reached; only librdkafka's
    /// error callback tells the two apart.
    pub(crate) fn error(
        &self,
        attempt: impl Into<String>,
        code: ErrorCode,
        waited: Duration,
    ) -> Error {
        self.error_with(attempt, code, code.to_string(), waited)
    }

    /// The same with a text that says more than the code.
    pub(crate) fn error_with(
        &self,
        attempt: impl Into<String>,
        code: ErrorCode,
        detail: String,
        waited: Duration,
    ) -> Error {
        let attempt = attempt.into();
        if let Some((code, detail)) = self.fatal() {
            return Error::Fatal {
                attempt,
                code,
                detail,
            };
        }
        let timed_out = matches!(
            code,
            ErrorCode::OperationTimedOut | ErrorCode::TimedOutQueue | ErrorCode::RequestTimedOut
        );
        if is_transport(code) || timed_out {
            self.serve(Duration::ZERO);
            let seen = self.callbacks.take_errors();
            // "All brokers down" only sums up what the connection errors before it say.
            let connection = seen
                .iter()
                .rev()
                .filter(|(seen, _)| is_transport(*seen))
                .max_by_key(|(seen, _)| *seen != ErrorCode::AllBrokersDown);
            if let Some((_, reason)) = connection {
                let detail = reason.clone();
                let bootstrap = self.bootstrap.clone();
                return Error::Unreachable {
                    attempt,
                    bootstrap,
                    waited,
                    detail,
                };
            }
            if is_transport(code) {
                let bootstrap = self.bootstrap.clone();
                return Error::Unreachable {
                    attempt,
                    bootstrap,
                    waited,
                    detail,
                };
            }
            return Error::TimedOut {
                attempt,
                waited,
                detail,
            };
        }
        Error::Refused {
            attempt,
            code,
            detail,
        }
    }

    /// Turns a plain return code into a result.
    pub(crate) fn check(
        &self,
        code: sys::rd_kafka_resp_err_t,
        waited: Duration,
        attempt: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        Err(self.error_with(
            attempt(),
            super::code_of(code),
            super::code_text(code),
            waited,
        ))
    }

    /// Turns an error object, which is taken over, into a result.
    ///
    /// # Safety
    /// `error` must be null or an error object that nobody else frees.
    pub(crate) unsafe fn check_object(
        &self,
        error: *mut sys::rd_kafka_error_t,
        waited: Duration,
        attempt: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: live until destroyed here.
        let (code, detail) = unsafe {
            let code = super::code_of(sys::rd_kafka_error_code(error));
            let detail = lossy(sys::rd_kafka_error_string(error));
            sys::rd_kafka_error_destroy(error);
            (code, detail)
        };
        Err(self.error_with(attempt(), code, detail, waited))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Delivery and rebalance callbacks may still run in here.
        let rk = self.ptr();
        self.callbacks.without_sink(|| {
            // SAFETY: the last owner, see the fields of those that hold topics and messages.
            unsafe { sys::rd_kafka_destroy(rk) };
        });
    }
}

/// A configuration before a handle is made of it.
pub(crate) struct Conf(*mut sys::rd_kafka_conf_t);

impl Conf {
    pub(crate) fn new() -> Self {
        // SAFETY: always returns a configuration.
        Self(unsafe { sys::rd_kafka_conf_new() })
    }

    /// The names of all options that have a value.
    fn names(&self) -> Vec<String> {
        let mut count = 0;
        // SAFETY: a live configuration; the list is freed below.
        let list = unsafe { sys::rd_kafka_conf_dump(self.0, &raw mut count) };
        if list.is_null() {
            return Vec::new();
        }
        // SAFETY: `count` terminated strings, in turn a name and its value.
        let names = (0..count)
            .step_by(2)
            .map(|at| unsafe { lossy(*list.add(at)) })
            .collect();
        // SAFETY: as it was given, and used no more.
        unsafe { sys::rd_kafka_conf_dump_free(list, count) };
        names
    }

    /// Sets one option, refusing unknown names and bad values in librdkafka's words.
    pub(crate) fn set(&self, option: &str, value: &str) -> Result<(), Error> {
        let name = cstring("client option", option)?;
        let native_value = cstring("value of client option", value)?;
        let mut text: [c_char; 512] = [0; 512];
        // SAFETY: live configuration, terminated strings, a buffer of the length given.
        let result = unsafe {
            sys::rd_kafka_conf_set(
                self.0,
                name.as_ptr(),
                native_value.as_ptr(),
                text.as_mut_ptr(),
                text.len(),
            )
        };
        match result {
            sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK => Ok(()),
            sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_UNKNOWN => Err(SettingsError::Unknown {
                option: option.to_owned(),
                near: crate::settings::near(option, &self.names()),
            }
            .into()),
            sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_INVALID => {
                // SAFETY: librdkafka terminates what it wrote.
                let text = unsafe { lossy(text.as_ptr()) };
                // The text may quote the value, which must not happen for a secret.
                let quotes = !value.is_empty() && text.contains(value);
                let reason = if quotes && crate::settings::is_secret(option) {
                    "the value is not accepted".to_owned()
                } else {
                    text
                };
                Err(SettingsError::Value {
                    option: option.to_owned(),
                    reason,
                }
                .into())
            }
        }
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: owned; when a handle took it over, this object was forgotten.
        unsafe { sys::rd_kafka_conf_destroy(self.0) };
    }
}
