//! Everything that talks to a Kafka cluster goes through this crate: client settings, a producer,
//! a batch consumer and an admin client, all thin layers over librdkafka.
//!
//! Why not the usual safe wrapper: on the hot paths of a load generator its costs are visible. The
//! producer here keeps topic handles instead of looking topics up by name for each record, reports
//! deliveries through one callback and flushes without waiting for the linger time; the consumer
//! takes whole batches off librdkafka's queue. All `unsafe` code is in this crate.
//!
//! - [`settings`]: bootstrap servers and client properties, Java names included
//! - [`producer`]: records in, delivery reports out, transactions
//! - [`consumer`]: batches, rebalances, offsets
//! - [`admin`]: topics, watermarks, groups, lag
//! - [`registry`]: schemas by subject and by id
//!
//! Time-outs are wall time and belong to the calls that take them; nothing here stamps a record
//! with a time of its own.

pub mod admin;
pub mod consumer;
pub mod error;
mod native;
pub mod partition;
pub mod producer;
pub mod registry;
pub mod settings;

pub use admin::Admin;
pub use consumer::{Batch, BatchConsumer, ConsumerSettings};
pub use error::{Error, ErrorCode};
pub use partition::{PartitionOffset, TopicPartition};
pub use producer::{Delivery, Producer, ProducerSettings, Record, SendError};
pub use registry::Registry;
pub use settings::ClientSettings;

/// The version of the bundled librdkafka, as in `2.12.1`.
#[must_use]
pub fn librdkafka_version() -> String {
    native::version()
}
