//! Which rate to try next, from what is known.

use floodmark_contracts::search::{SearchEnd, SearchLimit};

use super::{Known, Quest};

/// Rates that are tried because of what a subject consumed, at most: after that plain bisection is sure to
/// end the search.
pub(super) const MOST_HINTS: u32 = 6;

/// How far from an end of the interval a rate is worth a trial: less than this changes nothing.
const LEAST_STEP: f64 = 0.002;

/// The exponent of `1 + precision` by which the two rates around a hint lie apart from it. Under one half,
/// so that both together close the interval.
const AROUND: f64 = 0.45;

/// The share of the first rate at which a machine that made none of the load is given up: one in so many.
const HOPELESS: f64 = 16.0;

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Next {
    /// A rate to try.
    Try { rate: f64, by_hint: bool },
    /// There is none.
    End(SearchEnd),
}

pub(super) fn next(quest: &Quest, known: &Known) -> Next {
    let plain = |rate: f64| Next::Try {
        rate,
        by_hint: false,
    };
    match (known.low, known.high) {
        (None, None) => plain(
            known
                .too_low
                .map_or(quest.start, |low| (low * 2.0).min(quest.to)),
        ),
        (Some(low), None) if low >= quest.to => Next::End(SearchEnd::Found),
        (Some(_), None) if quest.both_ends => plain(quest.to),
        (Some(low), None) => plain((low * 2.0).min(quest.to)),
        (None, Some((high, limit))) if high <= lowest(quest, known, limit) => {
            Next::End(match limit {
                SearchLimit::Subject => SearchEnd::NothingSustained,
                _ => SearchEnd::NothingOffered,
            })
        }
        (None, Some((high, _))) => {
            let low = known.too_low.unwrap_or(quest.from);
            let half = match high / 2.0 {
                half if half > low => half,
                _ if known.too_low.is_some() => (low * high).sqrt(),
                _ => quest.from,
            };
            by_hint(quest, known, low, high).unwrap_or(plain(half))
        }
        // The slack keeps a rounding error from costing a trial.
        (Some(low), Some((high, _))) if high <= low * (1.0 + quest.precision) * (1.0 + 1e-9) => {
            Next::End(SearchEnd::Found)
        }
        (Some(low), Some((high, _))) => {
            by_hint(quest, known, low, high).unwrap_or(plain((low * high).sqrt()))
        }
    }
}

/// The rate below which no lower one is tried. A machine that cannot make a sixteenth of the load that was asked for is
/// busy with something else, and would be so at every rate.
fn lowest(quest: &Quest, known: &Known, limit: SearchLimit) -> f64 {
    let from = match limit {
        SearchLimit::Machine => quest.from.max(quest.start / HOPELESS),
        _ => quest.from,
    };
    // A profile that makes no sense at a rate makes none at lower ones.
    let sensible = known
        .too_low
        .map_or(0.0, |low| low * (1.0 + quest.precision));
    from.max(sensible)
}

/// The rates just below and just above what the subject consumed when it fell behind, the lower one first:
/// if that is sustained and the other is not, the search is over. If both are, it goes on in small steps.
fn by_hint(quest: &Quest, known: &Known, low: f64, high: f64) -> Option<Next> {
    let hint = known
        .hint
        .filter(|_| known.hints_used < MOST_HINTS && quest.precision < 1.0)?;
    // Lag may grow a little, so the highest sustained rate is a little above what is consumed.
    let centre = hint * (1.0 + quest.lag_growth);
    let apart = (1.0 + quest.precision).powf(AROUND);
    // Where consumption under overload said too little, the limit is a little above what was thought, and not in
    // the middle of all that is above it.
    let beyond = Some(low * (1.0 + quest.precision)).filter(|_| low >= centre * apart * 0.999);
    [Some(centre / apart), Some(centre * apart), beyond]
        .into_iter()
        .flatten()
        .find(|rate| *rate > low * (1.0 + LEAST_STEP) && *rate < high * (1.0 - LEAST_STEP))
        .map(|rate| Next::Try {
            rate,
            by_hint: true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEST: Quest = Quest {
        start: 100.0,
        usual: 100.0,
        from: 10.0,
        to: 1000.0,
        both_ends: false,
        precision: 0.05,
        lag_growth: 0.01,
        trials: 3,
        retries: 1,
    };

    fn known(low: f64, high: f64, hint: f64) -> Known {
        let given = |rate: f64| (rate > 0.0).then_some(rate);
        Known {
            low: given(low),
            high: given(high).map(|rate| (rate, SearchLimit::Subject)),
            hint: given(hint),
            hints_used: 0,
            too_low: None,
        }
    }

    fn check(quest: &Quest, known: &Known, expected: &str) {
        let found = match next(quest, known) {
            Next::Try { rate, by_hint } => {
                format!("{rate:.1}{}", if by_hint { " hint" } else { "" })
            }
            Next::End(ended) => format!("{ended:?}"),
        };
        assert_eq!(found, expected, "{known:?}");
    }

    #[test]
    fn rates_are_doubled_and_halved_until_there_are_two_ends() {
        check(&QUEST, &Known::default(), "100.0");
        check(&QUEST, &known(100.0, 0.0, 0.0), "200.0");
        check(&QUEST, &known(800.0, 0.0, 0.0), "1000.0");
        check(&QUEST, &known(1000.0, 0.0, 0.0), "Found");
        check(&QUEST, &known(0.0, 100.0, 0.0), "50.0");
        check(&QUEST, &known(0.0, 12.0, 0.0), "10.0");
        check(&QUEST, &known(0.0, 10.0, 0.0), "NothingSustained");
        let mut busy = known(0.0, 12.0, 0.0);
        busy.high = Some((12.0, SearchLimit::Machine));
        let wide = Quest { from: 1.0, ..QUEST };
        check(&wide, &busy, "6.0");
        busy.high = Some((6.0, SearchLimit::Machine));
        check(&wide, &busy, "NothingOffered");
        let ends = Quest {
            both_ends: true,
            ..QUEST
        };
        check(&ends, &known(100.0, 0.0, 0.0), "1000.0");
    }

    #[test]
    fn rates_at_which_the_profile_makes_no_sense_are_not_gone_below() {
        let below = |high: f64, too_low: f64| Known {
            too_low: Some(too_low),
            ..known(0.0, high, 0.0)
        };
        check(&QUEST, &below(0.0, 30.0), "60.0");
        check(&QUEST, &below(100.0, 30.0), "50.0");
        check(&QUEST, &below(50.0, 30.0), "38.7");
        check(&QUEST, &below(31.0, 30.0), "NothingSustained");
    }

    #[test]
    fn two_ends_are_halved_by_ratio_until_they_are_close() {
        check(&QUEST, &known(100.0, 400.0, 0.0), "200.0");
        check(&QUEST, &known(100.0, 105.0, 0.0), "Found");
        check(&QUEST, &known(100.0, 105.1, 0.0), "102.5");
    }

    #[test]
    fn what_was_consumed_is_looked_at_from_below_and_from_above() {
        check(&QUEST, &known(100.0, 400.0, 300.0), "296.4 hint");
        check(&QUEST, &known(296.4, 400.0, 300.0), "309.7 hint");
        check(&QUEST, &known(309.8, 400.0, 300.0), "325.3 hint");
        check(&QUEST, &known(325.3, 400.0, 300.0), "341.6 hint");
        check(&QUEST, &known(0.0, 400.0, 30.0), "29.6 hint");
        // A subject that consumed more than is offered says nothing.
        check(&QUEST, &known(100.0, 400.0, 900.0), "200.0");
        let tired = Known {
            hints_used: MOST_HINTS,
            ..known(100.0, 400.0, 300.0)
        };
        check(&QUEST, &tired, "200.0");
    }
}
