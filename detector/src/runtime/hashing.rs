//! Hashing for tables on the hot path.
//!
//! The standard library's hash withstands whoever knows the algorithm and can choose keys and watch;
//! it costs 10 to 15 ns a short key, several times a record. These are seeded anew in every process, so
//! that keys that collide cannot be prepared, and cost a third. Nothing here decides an order: tables
//! are never walked into an output.

/// Seeded anew in every process.
pub type Names = foldhash::quality::RandomState;
