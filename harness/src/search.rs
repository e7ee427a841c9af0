//! The highest rate that a subject sustains: bracketing, then bisection, each step decided by trials.
//!
//! Nothing here runs anything: a trial is a function that is handed in, so that all of it can be proved
//! with subjects that are made up. What a trial says of its subject is for [`judge`] to tell.
//!
//! ```text
//! sustained rates  ... low |    unknown    | high ...  rates that are not
//! ```
//! `low` and `high` move towards each other until `high <= low * (1 + precision)`. While one of them is
//! missing, rates are doubled or halved. A subject that falls behind shows what it can do: its rate of
//! consumption is where to look next, and what is found there is tried like any other rate.

mod decision;
mod judge;
mod next;
mod settings;

use floodmark_contracts::search::{SearchEnd, SearchLimit, TrialVerdict};

use self::{decision::Answer, next::Next};
pub use self::{
    judge::{Judgement, Observed, judge},
    settings::{Settings, trial_profile},
};

/// Where to look and how exactly. Rates are events per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quest {
    /// The first rate to try.
    pub start: f64,
    /// The profile's own rate, at which it makes sense: one below it that makes none is too low, not too high.
    pub usual: f64,
    /// No lower rate is tried.
    pub from: f64,
    /// No higher rate is tried.
    pub to: f64,
    /// Whether `to` is the second rate to try, in place of doubling towards it.
    pub both_ends: bool,
    /// The share by which the ends of the interval may differ.
    pub precision: f64,
    /// How fast lag may grow, as a share of the rate: a rate may be this much above what is consumed.
    pub lag_growth: f64,
    /// Trials of one rate at most; the majority decides.
    pub trials: u32,
    /// Trials of one rate that may come to nothing before the machine counts as the limit.
    pub retries: u32,
}

impl Quest {
    /// How many trials the search will probably take: to a bracket, a look at both sides of what was
    /// consumed, and a spare one; somewhat more than one trial for each.
    #[must_use]
    pub fn probable_trials(&self) -> u32 {
        if self.trials == 1 { 5 } else { 8 }
    }
}

/// What one trial came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trial {
    /// It was run and judged.
    Judged {
        /// What it says.
        verdict: TrialVerdict,
        /// Whether it decides alone.
        clear: bool,
        /// Events per second that the subject consumed while it fell behind.
        saturated_at: Option<f64>,
    },
    /// There is no such load.
    Refused,
    /// It was not run, or cut short: the search ends.
    Stopped(SearchEnd),
}

/// What a search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// The highest rate that was sustained.
    pub sustained: Option<f64>,
    /// The lowest rate above it that was not.
    pub not_sustained: Option<f64>,
    /// What keeps rates from being higher.
    pub limited_by: Option<SearchLimit>,
    /// How it ended.
    pub ended: SearchEnd,
}

/// What is known so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Known {
    /// The highest sustained rate.
    low: Option<f64>,
    /// The lowest rate that is not, and why.
    high: Option<(f64, SearchLimit)>,
    /// What the subject consumed when it last fell behind.
    hint: Option<f64>,
    /// Rates that were tried because of a hint.
    hints_used: u32,
    /// The highest rate at which the profile makes no sense as there is too little room for what it asks for.
    too_low: Option<f64>,
}

impl Known {
    fn ended(&self, ended: SearchEnd) -> Found {
        let limited_by = match (self.high, ended) {
            (Some((_, limit)), _) => Some(limit),
            (None, SearchEnd::Found) => Some(SearchLimit::Range),
            (None, _) => None,
        };
        Found {
            sustained: self.low,
            not_sustained: self.high.map(|(rate, _)| rate),
            limited_by,
            ended,
        }
    }
}

/// Searches with the trials that are handed in.
///
/// # Errors
/// The first error of a trial.
pub fn search<E>(
    quest: &Quest,
    trial: &mut dyn FnMut(f64) -> Result<Trial, E>,
) -> Result<Found, E> {
    let mut known = Known::default();
    loop {
        let rate = match next::next(quest, &known) {
            Next::Try { rate, by_hint } => {
                known.hints_used += u32::from(by_hint);
                rate
            }
            Next::End(ended) => return Ok(known.ended(ended)),
        };
        match decision::decide(quest, rate, trial)? {
            Answer::Sustained => known.low = Some(rate),
            Answer::Not {
                limit: SearchLimit::Profile,
                ..
            } if rate < quest.usual => known.too_low = Some(rate),
            Answer::Not {
                limit,
                saturated_at,
            } => {
                known.high = Some((rate, limit));
                known.hint = saturated_at.or(known.hint);
            }
            Answer::Stopped(ended) => return Ok(known.ended(ended)),
        }
    }
}

#[cfg(test)]
mod tests;
