//! What the command does for its users, and what keeps the workspace in shape.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests say what went wrong by panicking"
)]

mod bench;
mod colour;
mod command_line;
mod compare;
mod configuration;
mod documented;
mod documents;
mod faults;
mod jobs;
mod layout;
mod load;
mod nab;
mod parts;
mod recordings;
mod report;
mod rounds;
mod schemas;
mod search;
mod serve_model;
mod subjects;
mod support;
mod traces;
mod tui;
