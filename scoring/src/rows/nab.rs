//! The score of the Numenta benchmark over all thresholds at once.
//!
//! Rows come in by falling score. One outside of the windows costs what it costs; one inside counts if it is the earliest of
//! its window so far, in the place of the one before. The mean over keys is therefore known at every threshold:
//! ```text
//! mean over keys of 100 (raw - null) / (perfect - null),   null = - wFN * windows,   perfect = wTP * windows
//! ```

use floodmark_contracts::accuracy::NabRowScore;

use super::Series;
use crate::published::nab::{self, Profile, corpus::PROFILES};

/// A row that counts.
struct Event {
    score: f64,
    /// Position of its key among those that count.
    key: usize,
    row: usize,
}

/// A key with windows behind the probation.
struct Line {
    series: nab::Series,
    /// By window: the earliest row that was detected in it.
    earliest: Vec<Option<usize>>,
}

/// The scores by profile, each at its best threshold.
pub(super) fn scores(keys: &[&Series]) -> Vec<NabRowScore> {
    let mut lines = Vec::new();
    let mut events = Vec::new();
    for one in keys {
        let (series, first) = nab::Series::behind_probation(one.scores.len(), &one.windows);
        if series.n_windows() == 0 {
            continue;
        }
        let rows = one.scores.iter().enumerate().skip(first);
        events.extend(rows.map(|(row, score)| Event {
            score: *score,
            key: lines.len(),
            row,
        }));
        lines.push(Line {
            earliest: vec![None; series.n_windows()],
            series,
        });
    }
    events.sort_by(|a, b| {
        let place = |event: &Event| (event.key, event.row);
        b.score.total_cmp(&a.score).then(place(a).cmp(&place(b)))
    });
    PROFILES
        .iter()
        .map(|(name, profile)| {
            let best = best(&mut lines, &events, *profile);
            NabRowScore {
                profile: (*name).to_owned(),
                score: best.map(|(score, _)| score),
                threshold: best.and_then(|(_, threshold)| threshold),
            }
        })
        .collect()
}

/// The highest mean over keys and its threshold; of equal ones the highest threshold, of which silence is above all.
fn best(lines: &mut [Line], events: &[Event], profile: Profile) -> Option<(f64, Option<f64>)> {
    if lines.is_empty() {
        return None;
    }
    for line in &mut *lines {
        line.earliest.fill(None);
    }
    let n_keys = lines.len() as f64;
    // Silence is 0 on every key.
    let (mut sum, mut best) = (0.0, (0.0, None));
    for block in events.chunk_by(|a, b| a.score.total_cmp(&b.score).is_eq()) {
        for event in block {
            sum += lines[event.key].gain(event.row, profile);
        }
        let mean = sum / n_keys;
        if mean > best.0 {
            best = (mean, Some(block[0].score));
        }
    }
    Some(best)
}

impl Line {
    /// What a further detection adds to the key's score.
    fn gain(&mut self, row: usize, profile: Profile) -> f64 {
        let worth = |row: usize| self.series.row_score(row, profile);
        let change = match self.series.window_of(row) {
            None => worth(row),
            Some(window) => match self.earliest[window] {
                Some(known) if known <= row => 0.0,
                known => {
                    let before = known.map_or(-profile.missed, worth);
                    let change = worth(row) - before;
                    self.earliest[window] = Some(row);
                    change
                }
            },
        };
        let scale = (profile.found + profile.missed) * self.series.n_windows() as f64;
        100.0 * change / scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::nab::{STANDARD, normalised};

    fn series(scores: &[f64], windows: &[[usize; 2]]) -> Series {
        Series {
            times: (0i64..).take(scores.len()).collect(),
            scores: scores.to_vec(),
            is_true: vec![false; scores.len()],
            truth: Vec::new(),
            windows: windows.to_vec(),
        }
    }

    /// Every threshold by itself, as the benchmark's own code goes through them.
    fn one_by_one(keys: &[Series], profile: Profile) -> f64 {
        let mut thresholds: Vec<f64> = keys.iter().flat_map(|key| key.scores.clone()).collect();
        thresholds.push(f64::INFINITY);
        let mean = |threshold: f64| {
            let scored: Vec<f64> = keys
                .iter()
                .filter_map(|key| {
                    let n_rows = key.scores.len();
                    let (series, first) = nab::Series::behind_probation(n_rows, &key.windows);
                    let rows = first..n_rows;
                    let rows: Vec<usize> =
                        rows.filter(|row| key.scores[*row] >= threshold).collect();
                    let raw = series.score(&rows, profile).raw;
                    normalised(raw, series.n_windows(), profile)
                })
                .collect();
            scored.iter().sum::<f64>() / scored.len() as f64
        };
        thresholds.into_iter().map(mean).fold(f64::MIN, f64::max)
    }

    #[test]
    fn all_thresholds_at_once_are_as_each_by_itself() {
        let noise = |seed: usize| -> Vec<f64> {
            (0..200)
                .map(|row| ((row * 7_919 + seed) % 23) as f64)
                .collect()
        };
        let keys = [
            series(&noise(1), &[[50, 60], [120, 139]]),
            series(&noise(5), &[[20, 40], [100, 100]]),
            series(&noise(9), &[]),
        ];
        let found = scores(&keys.iter().collect::<Vec<_>>());
        for (found, (_, profile)) in found.iter().zip(PROFILES) {
            let expected = one_by_one(&keys, profile);
            assert!((found.score.unwrap() - expected).abs() < 1e-9, "{found:?}");
        }
    }

    #[test]
    fn scores_that_know_no_better_than_silence_say_so() {
        let mut scores_of = vec![0.0; 100];
        scores_of[90] = 1.0;
        let found = scores(&[&series(&scores_of, &[[40, 41]])]);
        assert_eq!((found[0].score, found[0].threshold), (Some(0.0), None));
        scores_of[40] = 2.0;
        let found = scores(&[&series(&scores_of, &[[40, 41]])]);
        assert_eq!(
            (found[0].score, found[0].threshold),
            (Some(100.0), Some(2.0))
        );
        assert_eq!(scores(&[&series(&scores_of, &[])])[0].score, None);
        assert_eq!(PROFILES[0].1, STANDARD);
    }
}
