//! The generator from outside: its laws, the problems that it finds, runs into sinks, shipped profiles.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests say what went wrong by panicking"
)]

mod cluster;
mod collect;
mod difficulty;
mod events;
mod explain;
mod fixture;
mod incidents;
mod kinds;
mod metrics;
mod order;
mod placement;
mod populations;
mod problems;
mod profiles;
mod replay;
mod run;
mod shapes;
mod sinks;
mod transactions;
mod workers;
