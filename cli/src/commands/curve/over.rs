//! `AXIS=VALUES`: what a curve is over.

use std::str::FromStr;

use floodmark_contracts::{curve::Axis, units::parse_rate};

/// Values on one axis at most: each is a run.
const MOST_VALUES: usize = 100;

/// An axis and its values, ascending.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Over {
    pub(super) axis: Axis,
    pub(super) values: Vec<f64>,
}

impl FromStr for Over {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            format!(
                "`--over {text}` names no axis and values; write `rate=10k/s,20k/s`, `lateness=0..0.2:5` or \
                 `difficulty=0.25,0.5,1`"
            )
        };
        let (axis, values) = text.split_once('=').ok_or_else(form)?;
        let axis = [Axis::Rate, Axis::Lateness, Axis::Difficulty]
            .into_iter()
            .find(|known| known.name() == axis)
            .ok_or_else(form)?;
        let mut values = match values.split_once("..") {
            Some((from, rest)) => {
                let (to, steps) = rest.rsplit_once(':').ok_or_else(form)?;
                let steps: usize = steps.parse().map_err(|_| form())?;
                if !(2..=MOST_VALUES).contains(&steps) {
                    return Err(format!(
                        "`{steps}` is no number of values; use 2 to {MOST_VALUES}"
                    ));
                }
                between(axis, value(axis, from)?, value(axis, to)?, steps)
            }
            None => values
                .split(',')
                .map(|text| value(axis, text))
                .collect::<Result<Vec<f64>, String>>()?,
        };
        values.sort_by(f64::total_cmp);
        values.dedup();
        if values.len() > MOST_VALUES {
            return Err(format!(
                "{} values are too many; use up to {MOST_VALUES}",
                values.len()
            ));
        }
        Ok(Self { axis, values })
    }
}

/// Rates in equal ratios, as nobody asks what happens between 1,000/s and 1,500/s of 80,000/s; all else in
/// equal steps.
fn between(axis: Axis, from: f64, to: f64, steps: usize) -> Vec<f64> {
    let last = (steps - 1) as f64;
    let at = |step: usize| match (step as f64 / last, axis) {
        // The ends as they were written, whatever rounding would make of them.
        (0.0, _) => from,
        (1.0, _) => to,
        (share, Axis::Rate) => from * (to / from).powf(share),
        (share, _) => from + (to - from) * share,
    };
    (0..steps).map(at).collect()
}

fn value(axis: Axis, text: &str) -> Result<f64, String> {
    let text = text.trim();
    let number = |low: f64, high: f64, what: &str| {
        let number = text.parse().ok();
        let number = number.filter(|number: &f64| (low..=high).contains(number));
        number.ok_or_else(|| format!("`{text}` is no {what}; use {low} to {high}"))
    };
    match axis {
        Axis::Rate => parse_rate(text).map_err(|error| error.to_string()),
        Axis::Lateness => number(0.0, 1.0, "share of late events"),
        Axis::Difficulty => number(0.001, 10.0, "magnitude"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_listed_or_laid_between_two_ends() {
        for (text, axis, values) in [
            ("rate=20k/s,10k/s,10k/s", Axis::Rate, &[10e3, 20e3][..]),
            ("rate=10k/s..40k/s:3", Axis::Rate, &[10e3, 20e3, 40e3]),
            (
                "lateness=0..0.2:5",
                Axis::Lateness,
                &[0.0, 0.05, 0.1, 0.15, 0.2],
            ),
            ("difficulty=1", Axis::Difficulty, &[1.0]),
        ] {
            let over: Over = text.parse().unwrap();
            assert_eq!(over.axis, axis);
            assert_eq!(over.values.len(), values.len(), "{over:?}");
            for (found, wanted) in over.values.iter().zip(values) {
                assert!((found - wanted).abs() <= wanted * 1e-12 + 1e-12, "{over:?}");
            }
        }
    }

    #[test]
    fn what_is_no_axis_or_value_is_refused_with_what_would_work() {
        for (text, expected) in [
            ("rate", "names no axis and values; write `rate=10k/s,20k/s`"),
            ("colour=1,2", "names no axis and values"),
            ("rate=10", "`10` is not a rate"),
            ("rate=10k/s..20k/s", "names no axis and values"),
            (
                "lateness=0..1:1",
                "`1` is no number of values; use 2 to 100",
            ),
            ("lateness=2", "`2` is no share of late events; use 0 to 1"),
            ("difficulty=0", "`0` is no magnitude; use 0.001 to 10"),
        ] {
            let error = text.parse::<Over>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
