//! Fraud: sessions at the bank are described by numbers, scored by a model, and flagged above a threshold.
//!
//! - `features`: what the log says about a session and its account; state
//! - [`Case`]: a session to be scored, as it leaves a pipeline
//! - [`Model`]: boosted trees that turn a case's numbers into odds; [`boost`] trains them
//! - `stage`: looks up, scores and flags, between the pipelines and the topic
//! - `redis`, `service`: other places for look-ups and scores, each behind a `link` that may break
//! - [`ModelServer`]: the model as such a service
//!
//! **Look-ups change output, never state.** A pipeline hands over what it knows from the log; whatever is
//! looked up (devices, accounts, places, the threshold) comes in between the pipeline and the topic. So
//! records that are replayed make no look-up, and state is the same whoever answers.

pub mod boost;
mod case;
pub(crate) mod features;
mod link;
mod model;
mod redis;
mod serve;
mod service;
mod settings;
mod spans;
mod stage;
mod threshold;
mod vector;

#[cfg(fuzzing)]
pub(crate) use self::{service::read_answer, threshold::read_threshold};
pub use case::{Case, Standing, Stop};
pub use model::{Model, ModelError};
pub use serve::{ModelServer, ServeError};
pub use service::{ScoreAnswer, ScoreRequest, ScoreSession};
pub use settings::{FraudSettings, RedisSettings, ServiceSettings};
pub use stage::FraudError;
pub(crate) use stage::{Flag, Stage};
pub use vector::{Feature, Vector};
