//! The generator from outside: its laws, the problems that it finds, runs into sinks, shipped profiles.

mod events;
mod fixture;
mod incidents;
mod problems;
mod profiles;
mod run;
