//! The client layer against a cluster: the embedded broker, or the one that
//! `FLOODMARK_TEST_BOOTSTRAP` names, so that the same suite runs on a real Kafka.

#[path = "it/admin.rs"]
mod admin;
#[path = "it/consumer.rs"]
mod consumer;
#[path = "it/producer.rs"]
mod producer;
#[path = "it/rebalance.rs"]
mod rebalance;
#[path = "it/support.rs"]
mod support;
#[path = "it/transactions.rs"]
mod transactions;
#[path = "it/unreachable.rs"]
mod unreachable;
