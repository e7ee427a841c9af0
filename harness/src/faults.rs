//! Faults: what is broken on purpose while events are generated.
//!
//! `check` turns the profile's section into faults that can be carried out; the injector begins and ends each at its
//! time, from the run's own loop. Processes get signals; what goes over the network goes through a proxy that stands
//! between the subject and what it talks to, and nobody else. Whatever happens, a fault is undone: children go on before
//! they are asked to end, and end with this process.

mod checks;
mod injector;
mod lag;
mod line;
mod links;
mod proxy;
mod storm;

pub(crate) use self::{
    checks::check,
    injector::{Injector, Parts},
    links::Links,
    storm::Group,
};
pub use self::{
    checks::{Action, Fault, Victim, Way},
    injector::FaultError,
    line::Condition,
};
