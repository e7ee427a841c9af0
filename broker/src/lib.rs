//! The embedded broker: a small single-node, in-memory Kafka endpoint, for benchmarks and tests on
//! one machine. It is not a place to keep data.
//!
//! It speaks to librdkafka and to the Java clients of Apache Kafka 4. Record batches are opaque to
//! it; groups and transactions are state machines without threads or clocks ([`Broker`] is the thin
//! server around them).
//!
//! ```
//! use floodmark_broker::{Broker, BrokerConfig};
//!
//! let broker = Broker::start(BrokerConfig::default())?;
//! println!("bootstrap.servers={}", broker.bootstrap());
//! broker.stop();
//! # Ok::<(), floodmark_broker::StartError>(())
//! ```

mod api;
mod clock;
mod config;
mod connection;
mod dispatch;
mod frame;
#[cfg(fuzzing)]
pub mod fuzzing;
mod groups;
mod guard;
mod log;
mod memory;
mod peers;
pub mod registry;
mod server;
mod shared;
mod topics;
mod txn;
mod wake;

pub use config::{BrokerConfig, SecondListener};
pub use server::{Broker, StartError};
