//! The log of one partition: record batches as opaque bytes, and what is known about them.

pub(crate) mod batch;
pub(crate) mod lookup;
pub(crate) mod partition;
pub(crate) mod producers;
