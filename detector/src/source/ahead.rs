//! Which partitions wait for others.
//!
//! ```text
//! least = min W(p) over partitions p with records left to read
//! pause p  if W(p) - least > limit        resume p  if W(p) - least <= limit / 2
//! ```
//! Whatever is put together from several partitions is held from the first partition's results to the last one's,
//! so that memory grows with how far they are apart. Between the two bounds nothing changes: a paused partition
//! has to be fetched anew.

use floodmark_contracts::clock::EventTime;

/// A partition of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Runner<P> {
    /// Which one.
    pub(super) place: P,
    /// How far it is; nothing before its first event.
    pub(super) watermark: Option<EventTime>,
    /// It has nothing left to read: it holds nobody back.
    pub(super) at_end: bool,
    /// It is paused.
    pub(super) paused: bool,
}

/// The partitions to pause, and those to resume.
pub(super) fn decide<P: Copy>(runners: &[Runner<P>], limit_ms: i64) -> (Vec<P>, Vec<P>) {
    let racing = runners.iter().filter(|runner| !runner.at_end);
    let least = racing.filter_map(|runner| runner.watermark).min();
    let ahead_ms = |runner: &Runner<P>| match (runner.watermark, least) {
        (Some(watermark), Some(least)) if !runner.at_end => watermark.since(least),
        _ => 0,
    };
    let those = |which: &dyn Fn(&Runner<P>) -> bool| -> Vec<P> {
        let found = runners.iter().filter(|runner| which(runner));
        found.map(|runner| runner.place).collect()
    };
    let pause = those(&|runner| !runner.paused && ahead_ms(runner) > limit_ms);
    let resume = those(&|runner| runner.paused && ahead_ms(runner) <= limit_ms / 2);
    (pause, resume)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(place: u8, watermark: i64) -> Runner<u8> {
        Runner {
            place,
            watermark: Some(EventTime(watermark)),
            at_end: false,
            paused: false,
        }
    }

    fn check(runners: &[Runner<u8>], pause: &[u8], resume: &[u8]) {
        let decided = decide(runners, 100);
        assert_eq!(
            (decided.0.as_slice(), decided.1.as_slice()),
            (pause, resume)
        );
    }

    #[test]
    fn one_that_is_far_ahead_waits_until_it_is_half_as_far() {
        check(&[runner(0, 0), runner(1, 100)], &[], &[]);
        check(&[runner(0, 0), runner(1, 101)], &[1], &[]);
        let paused = |watermark| Runner {
            paused: true,
            ..runner(1, watermark)
        };
        check(&[runner(0, 0), paused(101)], &[], &[]);
        check(&[runner(0, 50), paused(101)], &[], &[]);
        check(&[runner(0, 51), paused(101)], &[], &[1]);
    }

    #[test]
    fn one_without_records_left_or_without_any_yet_holds_nobody() {
        let ended = Runner {
            at_end: true,
            ..runner(0, 0)
        };
        let unborn = Runner {
            watermark: None,
            ..runner(2, 0)
        };
        check(&[ended, runner(1, 500), unborn], &[], &[]);
        let paused = Runner {
            paused: true,
            ..runner(1, 500)
        };
        check(&[ended, paused], &[], &[1]);
        check(&[runner(0, 0), runner(1, 500), unborn], &[1], &[]);
    }
}
