//! What crosses a wire or a file: events and their encodings, alerts, ground-truth labels, profiles,
//! plans handed to child processes, run records and results, and the two clocks.
//!
//! These types are the contract for detectors other than the bundled one. Everything that is written
//! for others to read carries a JSON Schema, published under `docs/schema/` (see [`schema`]).
//! The crate does no I/O and imports no other crate of the workspace.

/// Accuracy beside the incident level.
pub mod accuracy;
/// What detectors say.
pub mod alert;
/// What topics held.
pub mod audit;
/// How much a machine can send.
pub mod calibration;
/// Event time and wall time.
pub mod clock;
/// What a candidate is against a base.
pub mod compare;
/// What a generator has done so far.
pub mod counts;
/// Figures over one axis.
pub mod curve;
/// What is there on a machine.
pub mod doctor;
/// What reading topics to their ends cost.
pub mod drain;
/// What detectors may look up.
pub mod enrichment;
/// Records of the streams.
pub mod event;
/// Figures in Prometheus' text format.
pub mod exposition;
/// What was broken on purpose, and what that did.
pub mod fault;
/// Countries and their networks.
pub mod geo;
/// Distributions in files.
pub mod histogram;
/// Results over time, and two detectors on one run.
pub mod history;
/// Plans of child processes.
pub mod job;
/// Users, sessions, pages and other things that alerts are about.
pub mod key;
/// What can be injected.
pub mod kind;
/// What was injected.
pub mod label;
/// How late events were handed over.
pub mod lateness;
/// Scores over labelled public series.
pub mod nab;
/// Names that people may have meant.
pub mod near;
/// The broker's clock against ours.
pub mod probe;
/// What is wrong with a profile.
pub mod problem;
/// Workloads as files.
pub mod profile;
/// What was observed.
pub mod record;
/// What the processes of a run used.
pub mod resources;
/// What it comes to.
pub mod result;
/// What the detector counts.
pub mod row;
/// Schemas of the files.
pub mod schema;
/// The highest rate that is sustained.
pub mod search;
/// Who made which setting.
pub mod setting;
/// Pages and links.
pub mod site;
/// A running detector.
pub mod status;
/// Clickstream, banking, sensors.
pub mod stream;
/// Figures of the detector under test.
pub mod subject;
pub mod trace;
/// What went wrong.
pub mod trouble;
/// Durations and rates as text.
pub mod units;
