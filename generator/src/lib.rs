//! The generator: a plan and a seed in, labelled events out.
//!
//! [`Plan::resolve`] validates the profile's sections and places the incidents; it is pure. From the plan come
//! the events of each stream ([`events()`]), the ground truth ([`labels`]) and the enrichment data ([`enrichment()`]),
//! the same bytes for the same plan and seed on every machine. [`run()`] sends them on schedule: each event has a
//! due time of its own, computed from the start of the run and never moved.

mod address;
mod alias;
mod banking;
mod clickstream;
pub mod collect;
mod content;
mod crowd;
mod delay;
mod draw;
mod enrichment;
mod events;
pub mod explain;
mod extras;
mod fault;
mod fingerprint;
mod hex;
mod ids;
mod incident;
mod label;
mod math;
pub mod metrics;
mod order;
mod plan;
mod realised;
pub mod replay;
mod run;
mod schedule;
mod sensors;
pub mod serve;
mod shape;
mod share;
mod sink;
mod skew;
mod watched;
mod wheel;

pub use floodmark_contracts::histogram::HistogramError;

pub use self::{
    delay::Delayed,
    enrichment::enrichment,
    events::{Event, Events, closing_events, events, fingerprint},
    explain::{Explanation, explain},
    extras::{Form, Malformation},
    fingerprint::Fingerprint,
    label::labels,
    plan::Plan,
    run::{GenerateError, Measured, Progress, merge, run, run_traced, speed},
    schedule::read_traces,
    shape::SchemaIds,
    share::Share,
    sink::{SinkChoice, SinkChoiceError, SinkError},
};
