//! Exactly once: output, offsets and state that belong together, whatever ends in between.
//!
//! - [`mark`]: what is committed beside an offset
//! - [`protocol`]: which records count and which are replayed; pure arithmetic
//! - [`snapshots`]: where state is written to
//! - [`keeper`]: the engine with all three, without a broker
//!
//! Why it is built so is in `docs/adr/0013-exactly-once.md`.

pub(crate) mod keeper;
pub(crate) mod mark;
pub(crate) mod protocol;
pub(crate) mod snapshots;

pub(crate) use keeper::{Assigned, KeepError, Keeper, Round, Written};
pub(crate) use protocol::Verdict;
pub(crate) use snapshots::{Snapshots, StoreError};
