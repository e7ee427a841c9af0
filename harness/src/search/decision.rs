//! One rate, decided by as many trials as it takes.

use floodmark_contracts::search::{SearchEnd, SearchLimit, TrialVerdict};

use super::{Quest, Trial};

/// What the trials of one rate come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Answer {
    /// The subject sustains it.
    Sustained,
    /// It cannot be had.
    Not {
        /// For whose fault.
        limit: SearchLimit,
        /// What the subject consumed meanwhile, the median over the trials.
        saturated_at: Option<f64>,
    },
    /// The search ends.
    Stopped(SearchEnd),
}

/// Tries `rate` until most trials agree. Accidents (another program, a slow disk) make a trial fail and
/// never make one pass, so a trial that passes by far decides alone; one that fails never does, unless
/// only one is wanted. Trials that say nothing are repeated.
pub(super) fn decide<E>(
    quest: &Quest,
    rate: f64,
    trial: &mut dyn FnMut(f64) -> Result<Trial, E>,
) -> Result<Answer, E> {
    let majority = quest.trials / 2 + 1;
    let (mut sustained, mut failed, mut void) = (0, 0, 0);
    let mut consumed = Vec::new();
    loop {
        match trial(rate)? {
            Trial::Stopped(ended) => return Ok(Answer::Stopped(ended)),
            Trial::Refused => return Ok(not(SearchLimit::Profile, Vec::new())),
            Trial::Judged {
                verdict,
                clear,
                saturated_at,
            } => match verdict {
                TrialVerdict::Sustained if clear => return Ok(Answer::Sustained),
                TrialVerdict::Sustained => sustained += 1,
                TrialVerdict::NotSustained => {
                    failed += 1;
                    consumed.extend(saturated_at);
                }
                TrialVerdict::Void => void += 1,
            },
        }
        if sustained >= majority {
            return Ok(Answer::Sustained);
        }
        if failed >= majority {
            return Ok(not(SearchLimit::Subject, consumed));
        }
        if void > quest.retries {
            return Ok(not(SearchLimit::Machine, Vec::new()));
        }
    }
}

fn not(limit: SearchLimit, mut consumed: Vec<f64>) -> Answer {
    consumed.sort_by(f64::total_cmp);
    Answer::Not {
        limit,
        saturated_at: consumed.get(consumed.len() / 2).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs trials from a script (`+` clear, `s` sustained, `-` failed, `v` void, `r` refused) and says how many it took.
    fn check(script: &str, expected: &str) {
        let quest = Quest {
            start: 1.0,
            usual: 1.0,
            from: 1.0,
            to: 1e9,
            both_ends: false,
            precision: 0.05,
            lag_growth: 0.01,
            trials: 3,
            retries: 1,
        };
        let mut left = script.chars();
        let mut taken = 0;
        let mut trial = |_: f64| -> Result<Trial, ()> {
            taken += 1;
            let judged = |verdict, clear| Trial::Judged {
                verdict,
                clear,
                saturated_at: Some(f64::from(taken)),
            };
            Ok(match left.next().unwrap() {
                '+' => judged(TrialVerdict::Sustained, true),
                's' => judged(TrialVerdict::Sustained, false),
                '-' => judged(TrialVerdict::NotSustained, true),
                'v' => judged(TrialVerdict::Void, false),
                'r' => Trial::Refused,
                _ => Trial::Stopped(SearchEnd::Interrupted),
            })
        };
        let answer = match decide(&quest, 10.0, &mut trial).unwrap() {
            Answer::Sustained => "sustained".to_owned(),
            Answer::Not {
                limit,
                saturated_at,
            } => format!("{limit:?} {saturated_at:?}"),
            Answer::Stopped(ended) => format!("{ended:?}"),
        };
        assert_eq!(format!("{answer} after {taken}"), expected, "{script}");
    }

    #[test]
    fn most_trials_decide_and_one_failure_never_does() {
        check("+", "sustained after 1");
        check("-+", "sustained after 2");
        check("ss", "sustained after 2");
        check("-ss", "sustained after 3");
        check("--", "Subject Some(2.0) after 2");
        check("s--", "Subject Some(3.0) after 3");
    }

    #[test]
    fn trials_that_say_nothing_are_repeated_and_then_the_machine_is_to_blame() {
        check("v+", "sustained after 2");
        check("v--", "Subject Some(3.0) after 3");
        check("vv", "Machine None after 2");
        check("-vv", "Machine None after 3");
        check("r", "Profile None after 1");
        check("-i", "Interrupted after 2");
    }
}
