//! Broker and subject lifecycle, profiles, collection and validity: drives and measures, never scores.
//!
//! The harness reaches any detector, the bundled one too, only through topics and a child process, so
//! that a foreign one competes on equal terms.

pub mod audit;
pub mod broker;
pub mod calibrate;
pub mod child;
pub mod collect;
pub mod doctor;
pub mod environment;
pub mod faults;
mod lag;
pub mod leftovers;
pub mod probe;
pub mod profile;
pub mod resources;
pub mod run;
pub mod search;
pub mod subject;
pub mod topics;
pub mod validity;
pub mod vary;
pub mod workers;
