//! Searches over subjects that are made up: with a known limit, noise and bad days.

use floodmark_contracts::search::{SearchEnd, SearchLimit, TrialVerdict};
use proptest::prelude::*;

use super::*;

const GROWTH: f64 = 0.01;

/// A subject that consumes so many events a second, seen as trials see it: the growth of lag with an error.
struct Subject {
    limit: f64,
    /// What the machine can offer.
    machine: f64,
    /// Standard error of the growth of lag, as a share of the rate.
    noise: f64,
    /// Share of the trials that fail for no fault of the subject's.
    bad: f64,
    /// Share of the trials that say nothing.
    void: f64,
    /// Bad trials never follow one another.
    lonely: bool,
    state: u64,
    last_was_bad: bool,
    trials: u32,
}

impl Subject {
    fn new(limit: f64, seed: u64) -> Self {
        Self {
            limit,
            machine: 1e9,
            noise: 0.0,
            bad: 0.0,
            void: 0.0,
            lonely: true,
            state: seed,
            last_was_bad: false,
            trials: 0,
        }
    }

    /// A number from 0 to 1 (splitmix64).
    fn draw(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Roughly normal: the sum of twelve draws.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.draw()).sum::<f64>() - 6.0
    }

    fn trial(&mut self, rate: f64) -> Trial {
        self.trials += 1;
        assert!(self.trials < 500, "the search does not end");
        let judged = |verdict, clear, saturated_at| Trial::Judged {
            verdict,
            clear,
            saturated_at,
        };
        if rate > self.machine || self.draw() < self.void {
            return judged(TrialVerdict::Void, false, None);
        }
        let is_bad = self.draw() < self.bad && !(self.lonely && self.last_was_bad);
        self.last_was_bad = is_bad;
        if is_bad {
            return judged(TrialVerdict::NotSustained, true, Some(rate * 0.3));
        }
        let growth = ((rate - self.limit) / rate).max(0.0) + self.noise * self.normal();
        let clear = (growth - GROWTH).abs() > 2.0 * self.noise;
        if growth <= GROWTH {
            judged(TrialVerdict::Sustained, clear, None)
        } else {
            let consumed = rate * (1.0 - growth);
            judged(TrialVerdict::NotSustained, clear, Some(consumed))
        }
    }

    fn search(&mut self, quest: &Quest) -> Found {
        let found: Result<Found, ()> = search(quest, &mut |rate| Ok(self.trial(rate)));
        found.unwrap()
    }
}

fn quest(start: f64) -> Quest {
    Quest {
        start,
        usual: start,
        from: start / 64.0,
        to: 1e9,
        both_ends: false,
        precision: 0.05,
        lag_growth: GROWTH,
        trials: 3,
        retries: 3,
    }
}

/// The rate at which lag grows as fast as it may: where a search without errors has to end.
fn boundary(limit: f64) -> f64 {
    limit / (1.0 - GROWTH)
}

#[test]
fn a_throttled_subject_is_found_in_few_trials() {
    for start in [5e3, 2e4, 3e4, 4e4, 5e4, 3e5] {
        let mut subject = Subject::new(4e4, 1);
        let found = subject.search(&quest(start));
        let (low, high) = (found.sustained.unwrap(), found.not_sustained.unwrap());
        assert!(low <= boundary(4e4) && boundary(4e4) < high, "{found:?}");
        assert!((low / 4e4 - 1.0).abs() < 0.05, "{found:?}");
        assert_eq!(found.limited_by, Some(SearchLimit::Subject));
        assert!(subject.trials <= 12, "{} from {start}", subject.trials);
    }
}

#[test]
fn a_machine_that_offers_less_than_the_subject_sustains_is_named_as_the_limit() {
    let mut subject = Subject {
        machine: 7e4,
        ..Subject::new(1e6, 1)
    };
    let found = subject.search(&quest(1e4));
    assert_eq!(found.limited_by, Some(SearchLimit::Machine));
    let (low, high) = (found.sustained.unwrap(), found.not_sustained.unwrap());
    assert!(
        low <= 7e4 && 7e4 < high && high <= low * 1.0501,
        "{found:?}"
    );
}

#[test]
fn a_machine_that_offers_nothing_says_nothing_of_the_subject() {
    let mut subject = Subject {
        machine: 1.0,
        ..Subject::new(1e6, 1)
    };
    let found = subject.search(&quest(1e4));
    assert_eq!(found.ended, SearchEnd::NothingOffered);
    assert_eq!(
        (found.sustained, found.limited_by),
        (None, Some(SearchLimit::Machine))
    );
}

#[test]
fn a_subject_that_sustains_nothing_is_told_from_one_that_was_not_tried() {
    let found = Subject::new(0.0, 1).search(&quest(1e4));
    assert_eq!(found.ended, SearchEnd::NothingSustained);
    assert_eq!(found.limited_by, Some(SearchLimit::Subject));
}

#[test]
fn a_subject_faster_than_the_range_is_limited_by_the_range() {
    let range = Quest {
        from: 1e4,
        to: 3e4,
        both_ends: true,
        ..quest(1e4)
    };
    let mut subject = Subject::new(1e6, 1);
    let found = subject.search(&range);
    assert_eq!(found.sustained, Some(3e4));
    assert_eq!(found.limited_by, Some(SearchLimit::Range));
    assert_eq!(subject.trials, 2);
}

#[test]
fn a_profile_that_makes_no_sense_at_low_rates_is_no_limit_from_above() {
    for start in [1e3, 2e4] {
        let quest = Quest {
            usual: 2e4,
            ..quest(start)
        };
        let mut subject = Subject::new(6e3, 1);
        let found: Result<Found, ()> = search(&quest, &mut |rate| {
            if rate < 4e3 {
                return Ok(Trial::Refused);
            }
            Ok(subject.trial(rate))
        });
        let found = found.unwrap();
        assert_eq!(found.limited_by, Some(SearchLimit::Subject), "from {start}");
        let low = found.sustained.unwrap();
        assert!((low / 6e3 - 1.0).abs() < 0.06, "{found:?}");
    }
    let mut subject = Subject::new(1e3, 1);
    let found: Result<Found, ()> = search(&quest(2e4), &mut |rate| {
        if rate < 4e3 {
            return Ok(Trial::Refused);
        }
        Ok(subject.trial(rate))
    });
    assert_eq!(found.unwrap().ended, SearchEnd::NothingSustained);
}

#[test]
fn a_search_that_is_stopped_keeps_what_it_knows() {
    let mut subject = Subject::new(4e4, 1);
    let found: Result<Found, ()> = search(&quest(3e4), &mut |rate| {
        if rate > 3.5e4 && rate < 5e4 {
            return Ok(Trial::Stopped(SearchEnd::TimeLimit));
        }
        Ok(subject.trial(rate))
    });
    let found = found.unwrap();
    assert_eq!(found.ended, SearchEnd::TimeLimit);
    assert_eq!(
        (found.sustained, found.not_sustained),
        (Some(3e4), Some(6e4))
    );
}

#[test]
fn the_error_of_a_trial_ends_the_search() {
    let found = search(&quest(1e4), &mut |_| Err("the broker is away"));
    assert_eq!(found, Err("the broker is away"));
}

#[test]
fn bad_days_at_random_seldom_move_the_result() {
    // One trial in ten fails for no reason, whatever the one before did, and the slope has an error.
    let close = (0..400).filter(|seed| {
        let mut subject = Subject {
            bad: 0.1,
            void: 0.1,
            noise: 0.004,
            lonely: false,
            ..Subject::new(4e4, *seed)
        };
        let found = subject.search(&quest(2e4));
        found
            .sustained
            .is_some_and(|low| (low / 4e4 - 1.0).abs() < 0.05)
    });
    let close = close.count();
    assert!(close >= 360, "{close} of 400 searches came within 5 %");
}

proptest! {
    /// forall limit, start, precision, seed: the interval holds the limit, whatever single trials do.
    #[test]
    fn the_interval_holds_the_limit(
        limit in 200.0..1e6f64,
        times in 0.05..20.0f64,
        precision in 0.02..0.5f64,
        bad in 0.0..0.5f64,
        void in 0.0..0.2f64,
        seed: u64,
    ) {
        let quest = Quest { precision, retries: 20, ..quest(limit * times) };
        let mut subject = Subject { bad, void, ..Subject::new(limit, seed) };
        let found = subject.search(&quest);
        let (low, high) = (found.sustained.unwrap(), found.not_sustained.unwrap());
        prop_assert!(low <= boundary(limit) * 1.000_001 && boundary(limit) < high * 1.000_001, "{:?}", found);
        prop_assert!(high <= low * (1.0 + precision) * 1.000_001, "{:?}", found);
        prop_assert_eq!(found.ended, SearchEnd::Found);
    }

    /// forall seed: with noise in the slope the result is within the precision and three errors.
    #[test]
    fn noise_moves_the_result_by_no_more_than_itself(limit in 200.0..1e6f64, times in 0.1..10.0f64, seed: u64) {
        let mut subject = Subject { noise: 0.003, ..Subject::new(limit, seed) };
        let found = subject.search(&quest(limit * times));
        let (low, high) = (found.sustained.unwrap(), found.not_sustained.unwrap());
        prop_assert!(low <= limit * 1.04 && high >= limit * 0.985, "{:?} for {}", found, limit);
    }

    /// forall limit, start, precision, seed: trials are bounded by the steps that a bracket and a bisection take.
    #[test]
    fn trials_are_bounded(
        limit in 0.0..1e6f64,
        start in 100.0..1e6f64,
        precision in 0.01..1.0f64,
        bad in 0.0..1.0f64,
        void in 0.0..1.0f64,
        seed: u64,
    ) {
        let quest = Quest { precision, to: 1e7, ..quest(start) };
        let mut subject = Subject { bad, void, lonely: false, ..Subject::new(limit, seed) };
        subject.search(&quest);
        let bracket = (quest.to / quest.from).log2().ceil() + 2.0;
        // The widest bracket, from one end of the range to the other, halved by ratio.
        let widest = (quest.to / quest.from).ln() / precision.ln_1p();
        let steps = bracket + widest.log2().max(0.0).ceil() + 1.0 + f64::from(next::MOST_HINTS);
        let most = steps * f64::from(quest.trials + quest.retries + 1);
        prop_assert!(f64::from(subject.trials) <= most, "{} of {}", subject.trials, most);
    }
}
