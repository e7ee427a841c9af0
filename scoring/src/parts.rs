//! The parts of scoring, for whoever measures how long each takes.
//!
//! Nothing here reads a clock: a watcher is told when a part ends, and looks at its own.

/// A part of scoring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Which labels and alerts count, and numbers for their keys.
    Scope,
    /// Every candidate pair, and the fates that follow.
    Matching,
    /// Recall and precision over all labels and per kind, decoys, difficulty, the random baseline.
    Incidents,
    /// One to one, windows, events, keys.
    Levels,
    /// The intervals over keys, drawn with replacement.
    Bootstrap,
    /// The curve over thresholds.
    Sweep,
    /// Delays, fatigue, the ids that a result lists.
    Rest,
}

impl Part {
    /// Every part, in the order in which they are done first.
    pub const ALL: [Self; 7] = [
        Self::Scope,
        Self::Matching,
        Self::Incidents,
        Self::Levels,
        Self::Bootstrap,
        Self::Sweep,
        Self::Rest,
    ];
}

/// Is called when a part ends, or a piece of one: the time since the call before it, or since the start, was
/// that part's.
pub type Watcher<'a> = &'a dyn Fn(Part);
