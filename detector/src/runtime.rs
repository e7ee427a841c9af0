//! The stream runtime: watermarks, ordering, windows, keyed state, and the task that owns a partition.
//!
//! Nothing here knows what the events are about. Nothing here reads a clock or starts a thread: wall
//! time comes in as a number, and only idleness looks at it.
//!
//! The law that everything here keeps: **the state of a partition's task is a function of the
//! partition's log and of the advances that were applied to it** ([`partition::Partition::advance`]),
//! never of batch sizes, of how partitions interleave, or of time. Whatever is grouped by something
//! else than the record key passes through a [`merge::MergedWindows`], which adds up what the
//! partitions found in an order that does not matter.

pub mod job;
pub mod keyed;
pub mod merge;
pub mod once;
pub mod order;
pub mod partition;
pub mod timers;
pub mod watermark;
pub mod window;

pub use job::{Counts, Job, StreamJob};
pub use keyed::KeyedState;
pub use merge::MergedWindows;
pub use once::Once;
pub use partition::{Emit, Logic, Merger, Partition, plausible};
pub use timers::Deadlines;
pub use watermark::TimeSettings;
pub use window::{Aggregate, Window, WindowSpec, Windows};
