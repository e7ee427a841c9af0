//! What crosses a wire or a file: events and their encodings, alerts, ground-truth labels, profiles,
//! plans handed to child processes, run records and results, and the two clocks.
//!
//! These types are the contract for detectors other than the bundled one. Everything that is written
//! for others to read carries a JSON Schema, published under `docs/schema/` (see [`schema`]).
//! The crate does no I/O and imports no other crate of the workspace.

pub mod alert;
pub mod calibration;
pub mod clock;
pub mod enrichment;
pub mod event;
pub mod geo;
pub mod histogram;
pub mod job;
pub mod key;
pub mod kind;
pub mod label;
pub mod problem;
pub mod profile;
pub mod record;
pub mod result;
pub mod schema;
pub mod site;
pub mod stream;
pub mod subject;
pub mod units;
