//! Broker and subject lifecycle, profiles, collection and validity: drives and measures, never scores.
//!
//! The harness reaches any detector, the bundled one too, only through topics and a child process, so
//! that a foreign one competes on equal terms.

// Done by the coordinator: broker, child, profile, subject, run. Still the kafka helper's: topics, collect.
pub mod broker;
pub mod child;
pub mod profile;
