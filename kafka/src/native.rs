//! The one place that owns librdkafka handles and the callbacks they run.

mod callbacks;
mod client;
mod deadline;
mod list;
mod text;

pub(crate) use callbacks::{Callbacks, Rebalance};
pub(crate) use client::{Client, Conf, Kind};
pub(crate) use deadline::Deadline;
pub(crate) use list::PartitionList;
pub(crate) use text::{code_of, code_text, cstring, lossy};

/// The version of librdkafka.
pub(crate) fn version() -> String {
    // SAFETY: returns a pointer to a static string.
    unsafe { lossy(rdkafka_sys::rd_kafka_version_str()) }
}

/// Milliseconds for librdkafka, which takes -1 for "for ever" and must not get it by accident.
pub(crate) fn millis(timeout: std::time::Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}
