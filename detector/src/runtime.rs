//! The stream runtime: watermarks, ordering, windows, keyed state, and the task that owns a partition.
//!
//! Nothing here knows what the events are about. Nothing here reads a clock or starts a thread: wall
//! time comes in as a number, and only idleness looks at it.
//!
//! The law that everything here keeps: **the state of a partition's task is a function of the
//! partition's log and of the advances that were applied to it** ([`partition::Partition::advance`]),
//! never of batch sizes, of how partitions interleave, or of time. Whatever is grouped by something
//! else than the record key goes through an [`exchange::Exchange`] to a [`merge::MergedWindows`], which adds
//! up what the partitions found in an order that does not matter.

pub(crate) mod chunks;
pub(crate) mod exchange;
pub(crate) mod groups;
pub(crate) mod hashing;
pub(crate) mod job;
pub(crate) mod keyed;
pub(crate) mod merge;
pub(crate) mod once;
pub(crate) mod order;
pub(crate) mod partition;
pub(crate) mod recent;
pub(crate) mod saved;
pub(crate) mod sessions;
pub(crate) mod spill;
pub(crate) mod timers;
pub(crate) mod watermark;
pub(crate) mod window;

pub(crate) use exchange::{Exchange, Frame, MergerId, Packet, Part, Source, Standing};
pub(crate) use job::{Counts, Found, Job, StreamJob};
pub(crate) use keyed::{KeyedState, State, heap_of};
pub(crate) use merge::MergedWindows;
pub(crate) use once::Once;
pub(crate) use partition::{Emit, Logic, Merger, plausible};
pub(crate) use saved::{Frozen, Reader, Saved, SavedError, Writer, encoded, later, together};
pub(crate) use sessions::Sessions;
pub(crate) use spill::{Spill, SpillError};
pub(crate) use timers::Deadlines;
pub(crate) use watermark::{BEGINNING, TimeSettings};
pub(crate) use window::{Aggregate, Window, WindowSpec, Windows};
