//! The benchmark's score over many series, beside what alerts would get that come whatever the data.

use std::collections::BTreeMap;

use floodmark_contracts::nab::{NabScore, NabSeries};

use super::{
    FEW_FALSE_NEGATIVES, FEW_FALSE_POSITIVES, Profile, STANDARD, Series, is_in, normalised,
};

/// The benchmark's profiles by their names.
pub const PROFILES: [(&str, Profile); 3] = [
    ("standard", STANDARD),
    ("reward_low_FP_rate", FEW_FALSE_POSITIVES),
    ("reward_low_FN_rate", FEW_FALSE_NEGATIVES),
];

/// Intervals, in rows, among which the best blind one is looked for.
const INTERVALS: [f64; 11] = [
    100.0, 150.0, 200.0, 250.0, 300.0, 350.0, 400.0, 500.0, 600.0, 800.0, 1000.0,
];

/// Places of the first blind alert over which a score is averaged: with one alone it is luck.
const PHASES: u32 = 16;

/// A series with what was detected in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Detected {
    /// Name of the series.
    pub name: String,
    /// Its rows and windows.
    pub series: Series,
    /// Rows at which something was detected, in any order.
    pub rows: Vec<usize>,
}

impl Detected {
    /// Rows outside of probation, each once.
    fn counted(&self) -> Vec<usize> {
        let mut rows = self.rows.clone();
        rows.sort_unstable();
        rows.dedup();
        rows.retain(|row| (self.series.probation()..self.series.n_rows).contains(row));
        rows
    }

    /// What became of the series.
    #[must_use]
    pub fn summary(&self) -> NabSeries {
        let counted = self.counted();
        let in_window = |row: &usize| self.series.window_of(*row).is_some();
        let found = self
            .series
            .windows
            .iter()
            .filter(|window| counted.iter().any(|row| is_in(window, *row)));
        let score = |profile| {
            let raw = self.series.score(&counted, profile).raw;
            normalised(raw, self.series.n_windows(), profile)
        };
        let mut alert_rows: Vec<u64> = self.rows.iter().map(|row| *row as u64).collect();
        alert_rows.sort_unstable();
        NabSeries {
            name: self.name.clone(),
            rows: self.series.n_rows as u64,
            probation: self.series.probation() as u64,
            windows: self.series.n_windows() as u64,
            found: found.count() as u64,
            alerts: counted.len() as u64,
            false_alerts: counted.iter().filter(|row| !in_window(row)).count() as u64,
            alert_rows,
            scores: PROFILES
                .iter()
                .map(|(name, profile)| ((*name).to_owned(), score(*profile)))
                .collect::<BTreeMap<_, _>>(),
        }
    }
}

/// Rows of all series that lie outside of probation.
#[must_use]
pub fn counted_rows(corpus: &[Detected]) -> usize {
    corpus
        .iter()
        .map(|one| one.series.n_rows - one.series.probation())
        .sum()
}

/// The scores over all series, by profile.
#[must_use]
pub fn scores(corpus: &[Detected]) -> Vec<NabScore> {
    let alerts: usize = corpus.iter().map(|one| one.counted().len()).sum();
    let score = |(name, profile): &(&str, Profile)| {
        let best = INTERVALS
            .iter()
            .filter_map(|interval| blind(corpus, *interval, *profile))
            .max_by(f64::total_cmp);
        let interval = (alerts > 0).then(|| counted_rows(corpus) as f64 / alerts as f64);
        NabScore {
            profile: (*name).to_owned(),
            score: total(corpus, *profile, |one| one.rows.clone()),
            // Who never alerts is as good as silence.
            blind: match interval {
                Some(interval) => blind(corpus, interval, *profile),
                None => total(corpus, *profile, |_| Vec::new()),
            },
            best_blind: best,
        }
    };
    PROFILES.iter().map(score).collect()
}

/// The score to be expected of an alert every `interval` rows, from each series' probation on.
fn blind(corpus: &[Detected], interval: f64, profile: Profile) -> Option<f64> {
    let mut sum = 0.0;
    for phase in 0..PHASES {
        let first = interval * (f64::from(phase) + 0.5) / f64::from(PHASES);
        sum += total(corpus, profile, |one| regular(&one.series, first, interval))?;
    }
    Some(sum / f64::from(PHASES))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rows are small and not negative"
)]
fn regular(series: &Series, first: f64, interval: f64) -> Vec<usize> {
    let length = (series.n_rows - series.probation()) as f64;
    let mut rows = Vec::new();
    let mut at = first;
    while at < length {
        rows.push(series.probation() + at as usize);
        at += interval;
    }
    rows
}

fn total(
    corpus: &[Detected],
    profile: Profile,
    rows: impl Fn(&Detected) -> Vec<usize>,
) -> Option<f64> {
    let raw = corpus
        .iter()
        .map(|one| one.series.score(&rows(one), profile).raw)
        .sum();
    let n_windows = corpus.iter().map(|one| one.series.n_windows()).sum();
    normalised(raw, n_windows, profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(windows: &[[usize; 2]], rows: &[usize]) -> Detected {
        Detected {
            name: "a/b".to_owned(),
            series: Series::new(2000, windows),
            rows: rows.to_vec(),
        }
    }

    fn check(corpus: &[Detected], expected: [Option<f64>; 3]) {
        let found = scores(corpus);
        for (score, expected) in found.iter().zip(expected) {
            match (score.score, expected) {
                (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-9),
                (found, expected) => assert_eq!(found, expected),
            }
        }
    }

    #[test]
    fn the_score_is_over_all_windows_of_all_series() {
        let hit = detected(&[[500, 599]], &[500]);
        let miss = detected(&[[500, 599]], &[]);
        check(std::slice::from_ref(&hit), [Some(100.0); 3]);
        check(std::slice::from_ref(&miss), [Some(0.0); 3]);
        check(&[hit.clone(), miss], [Some(50.0); 3]);
        // A false alert before any window costs .11, .22 and .11, of 2, 2 and 3 that there are to be had.
        let noisy = detected(&[], &[400]);
        let cost = [5.5, 11.0, 11.0 / 3.0];
        check(&[hit, noisy.clone()], cost.map(|c| Some(100.0 - c)));
        check(&[noisy], [None; 3]);
    }

    #[test]
    fn a_series_is_summed_up_without_its_probation() {
        let one = detected(&[[500, 599], [900, 999]], &[950, 299, 520, 540, 300, 950]);
        let found = one.summary();
        assert_eq!((found.rows, found.probation), (2000, 300));
        assert_eq!((found.windows, found.found), (2, 2));
        assert_eq!((found.alerts, found.false_alerts), (4, 1));
        assert_eq!(found.alert_rows, [299, 300, 520, 540, 950, 950]);
        assert_eq!(found.scores.len(), 3);
    }

    #[test]
    fn blind_alerts_are_as_many_as_the_detectors_and_know_nothing() {
        // The detector hits all five windows at their starts; as many blind alerts hit few, whatever their phase.
        let windows: Vec<[usize; 2]> = (0..5).map(|i| [400 + i * 300, 420 + i * 300]).collect();
        let starts: Vec<usize> = windows.iter().map(|window| window[0]).collect();
        let found = &scores(&[detected(&windows, &starts)])[0];
        let blind = found.blind.unwrap();
        assert_eq!(found.score, Some(100.0));
        assert!(blind > -10.0 && blind < 20.0, "{blind}");
        let rows = regular(&Series::new(2000, &[]), 10.0, 340.0);
        assert_eq!(rows, [310, 650, 990, 1330, 1670]);
    }

    #[test]
    fn wide_windows_reward_guessing_and_the_best_guess_shows_it() {
        let corpus = [detected(&[[500, 899], [1200, 1599]], &[500, 501])];
        let found = &scores(&corpus)[0];
        assert!(found.best_blind.unwrap() >= 60.0, "{found:?}");
        // A detector that is silent is held against silence.
        let silent = &scores(&[detected(&[[500, 899]], &[])])[0];
        assert_eq!((silent.score, silent.blind), (Some(0.0), Some(0.0)));
    }
}
