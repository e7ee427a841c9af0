//! What share of a site's minute is usual for something, such as a page's visits.
//!
//! ```text
//! expected = median over the last ordinary minutes of  count / events of all pages  *  events of all pages
//! ```
//! Shares keep the rules quiet when the whole site gets busier.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Minutes that a share is the median of.
const HISTORY: usize = 15;

/// Minutes before a share is believed. The first minute is often cut, so it takes one more to be
/// outvoted.
const WARM_UP: usize = 2;

/// After this many surprising minutes without a rest they are the new usual.
const LONGEST_SURPRISE: u32 = 10;

/// The usual share of one thing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UsualShare {
    shares: VecDeque<f64>,
    surprising: u32,
}

impl UsualShare {
    /// What is to be expected in a minute with so many events, once that is known.
    #[must_use]
    pub fn expected(&self, total: f64) -> Option<f64> {
        if self.shares.len() < WARM_UP {
            return None;
        }
        let mut sorted: Vec<f64> = self.shares.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        // The lower of the two middle ones: with two minutes, one of them may hold an incident's start.
        sorted
            .get(sorted.len().saturating_sub(1) / 2)
            .map(|share| share * total)
    }

    /// Takes an ordinary minute.
    pub fn ordinary(&mut self, count: f64, total: f64) {
        self.surprising = 0;
        self.learn(count, total);
    }

    /// Takes a minute that a rule found something in: it is learnt only if they do not end.
    pub fn surprising(&mut self, count: f64, total: f64) {
        self.surprising = self.surprising.saturating_add(1);
        if self.surprising > LONGEST_SURPRISE {
            self.learn(count, total);
        }
    }

    fn learn(&mut self, count: f64, total: f64) {
        if total > 0.0 {
            self.shares.push_back(count / total);
            if self.shares.len() > HISTORY {
                self.shares.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_minute_is_not_believed_and_an_outlier_is_outvoted() {
        let mut usual = UsualShare::default();
        usual.ordinary(40.0, 1000.0);
        assert_eq!(usual.expected(1000.0), None);
        usual.ordinary(400.0, 1000.0);
        assert_eq!(usual.expected(2000.0), Some(80.0));
    }

    #[test]
    fn surprises_are_learnt_only_if_they_do_not_end() {
        let mut usual = UsualShare::default();
        (0..15).for_each(|_| usual.ordinary(50.0, 1000.0));
        (0..10).for_each(|_| usual.surprising(400.0, 1000.0));
        assert_eq!(usual.expected(1000.0), Some(50.0));
        (0..15).for_each(|_| usual.surprising(400.0, 1000.0));
        assert_eq!(usual.expected(1000.0), Some(400.0));
    }

    #[test]
    fn an_empty_minute_teaches_nothing() {
        let mut usual = UsualShare::default();
        (0..5).for_each(|_| usual.ordinary(0.0, 0.0));
        assert_eq!(usual.expected(1000.0), None);
    }
}
