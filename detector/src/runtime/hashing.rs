//! Hashing for tables on the hot path.
//!
//! The standard library's hash withstands whoever knows the algorithm, can choose keys and watch. Every
//! record goes through several tables, and this one costs less: seeded anew in every process, so that keys
//! that collide cannot be prepared. Nothing here decides an order: tables are never walked into an output.

/// Seeded anew in every process.
pub type Names = foldhash::quality::RandomState;
