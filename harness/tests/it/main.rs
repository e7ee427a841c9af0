//! The harness against a real cluster, the embedded broker: topics, collection, looking for a broker.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests say what went wrong by panicking"
)]

mod auditing;
mod brokers;
mod cluster;
mod collecting;
mod leftovers;
mod probing;
mod topics;
