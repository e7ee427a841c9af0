//! Scores as the literature defines them, so that figures can be held against other people's.
//!
//! None of them is a headline here: each answers a question of its own, and most reward something that
//! a person on call would not. All are pure functions over rows or spans; undefined is `None`, also
//! where the code that came with a paper returns 0.

pub mod affiliation;
pub mod event_wise;
pub mod nab;
pub mod point_adjust;
pub mod range_based;
pub mod volume;
