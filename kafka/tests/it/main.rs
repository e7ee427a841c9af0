//! The client layer against a cluster: the embedded broker, or the one that
//! `FLOODMARK_TEST_BOOTSTRAP` names, so that the same suite runs on a real Kafka.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests say what went wrong by panicking"
)]

mod admin;
mod consumer;
mod producer;
mod rebalance;
mod support;
mod transactions;
mod unreachable;
