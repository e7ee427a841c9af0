//! The bundled detector: events in, alerts out.
//!
//! - `runtime`: watermarks, ordering, windows, keyed state; knows nothing of what the events are
//! - `rules`: one module per rule, plain arithmetic over one key's events
//! - `pipelines`: which events feed which rules, one pipeline per stream
//! - [`fraud`]: features of banking sessions, and the model that scores them
//! - [`Engine`]: all pipelines together, without a broker; what tests and offline tools drive
//! - `exactly_once`: the engine with its state kept exactly, for transactions
//! - `reach`: addresses, secrets, certificates and stores of objects, shared by whatever speaks to other parts
//! - `connect`: connectors from topics to files and stores, each on a thread of its own
//! - [`run()`]: the engine between a consumer and a producer
//!
//! Time is passed in everywhere, and results depend on the partitions' logs alone: what that means,
//! and where wall time still shows, is in `docs/detector.md`.

pub mod always;
mod connect;
mod engine;
pub mod enrichment;
mod exactly_once;
mod finding;
pub mod fraud;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hash;
mod pack;
mod pipelines;
mod places;
mod reach;
mod restarts;
mod rules;
mod run;
mod runtime;
mod schemas;
mod settings;
mod sink;
mod source;
mod traces;
mod watch;

pub use engine::{Engine, EngineError, Subject};
pub use finding::Output;
pub use places::Places;
pub use reach::{Place, RedisAddress, RedisSetupError, S3, Secret, SecretError};
pub use run::{DetectError, Progress, run, run_watched};
pub use settings::Settings;
pub use watch::Watch;
