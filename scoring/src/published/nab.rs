//! The score of the Numenta Anomaly Benchmark.
//!
//! Lavin and Ahmad, *Evaluating real-time anomaly detection algorithms*, ICMLA 2015, as its own code
//! computes it. With `sigma(x) = 2 / (1 + e^(5x)) - 1`:
//! ```text
//! a window of w rows that ends at row r, detections at rows i in it:
//!     + wTP * max over i of sigma(-(r - i + 1) / w) / sigma(-1)     or  - wFN if there is none
//! a detection at row i after a window of w rows that ended at row r:
//!     + wFP * sigma((i - r) / (w - 1))                              or  - wFP beyond 3 or with no window before
//! normalised = 100 * (raw - null) / (perfect - null),  null = - wFN * windows,  perfect = wTP * windows
//! ```
//! The first `min(floor(0.15 n), 750)` rows are probation: nothing there counts.

use std::borrow::Cow;

use super::merged;

/// Scores over many series.
pub mod corpus;

/// What finds and errors weigh.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// Weight of a window that is found.
    pub found: f64,
    /// Weight of a window that is missed.
    pub missed: f64,
    /// Weight of a false detection.
    pub wrong: f64,
}

/// The profile `standard`.
pub const STANDARD: Profile = Profile {
    found: 1.0,
    missed: 1.0,
    wrong: 0.11,
};

/// The profile `reward_low_FP_rate`.
pub const FEW_FALSE_POSITIVES: Profile = Profile {
    wrong: 0.22,
    ..STANDARD
};

/// The profile `reward_low_FN_rate`.
pub const FEW_FALSE_NEGATIVES: Profile = Profile {
    missed: 2.0,
    ..STANDARD
};

/// A series with its labelled windows, without what was detected in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    n_rows: usize,
    /// First and last row, sorted; nested and overlapping ones are one.
    windows: Vec<[usize; 2]>,
}

/// The score of one series. The counts are of rows outside of probation, as NAB prints them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesScore {
    /// Sum of credits and costs.
    pub raw: f64,
    /// Rows detected in windows.
    pub true_positives: u64,
    /// Rows detected elsewhere.
    pub false_positives: u64,
    /// Rows not detected outside of windows.
    pub true_negatives: u64,
    /// Rows not detected in windows.
    pub false_negatives: u64,
}

impl Series {
    /// A series of so many rows; windows are pairs of first and last row.
    #[must_use]
    pub fn new(n_rows: usize, windows: &[[usize; 2]]) -> Self {
        Self {
            n_rows,
            windows: merged(windows.to_vec()),
        }
    }

    /// A series without the windows that begin in the probation, and the first row that counts then: for data that has
    /// windows there, which the benchmark's own has not. Rows of a window that is left out do not count.
    #[must_use]
    pub fn behind_probation(n_rows: usize, windows: &[[usize; 2]]) -> (Self, usize) {
        let mut series = Self::new(n_rows, windows);
        let probation = series.probation();
        let n_early = series
            .windows
            .partition_point(|[first, _]| *first < probation);
        let early: Vec<[usize; 2]> = series.windows.drain(..n_early).collect();
        let behind = early.last().map_or(probation, |[_, last]| last + 1);
        (series, behind.max(probation))
    }

    /// Number of windows.
    #[must_use]
    pub fn n_windows(&self) -> usize {
        self.windows.len()
    }

    /// Rows at the start in which nothing counts.
    #[must_use]
    pub fn probation(&self) -> usize {
        (self.n_rows * 15 / 100).min(750)
    }

    /// Scores detections, given as rows in any order.
    #[must_use]
    pub fn score(&self, detections: &[usize], profile: Profile) -> SeriesScore {
        let placed = self.place(detections);
        let counted = self.probation()..self.n_rows;
        let labelled: usize = self
            .windows
            .iter()
            .map(|[first, last]| {
                (last + 1)
                    .min(counted.end)
                    .saturating_sub(counted.start.max(*first))
            })
            .sum();
        let n_outside = placed.outside.len();
        SeriesScore {
            raw: placed.raw(profile),
            true_positives: placed.n_inside as u64,
            false_positives: n_outside as u64,
            true_negatives: (counted.len() - labelled - n_outside) as u64,
            false_negatives: (labelled - placed.n_inside) as u64,
        }
    }

    /// Where detections fall, given as rows in any order.
    pub(crate) fn place(&self, detections: &[usize]) -> Placed {
        let mut rows = Cow::from(detections);
        if !rows.is_sorted_by(|a, b| a < b) {
            rows.to_mut().sort_unstable();
            rows.to_mut().dedup();
        }
        let counted = self.probation()..self.n_rows;
        let mut placed = Placed {
            firsts: vec![None; self.windows.len()],
            outside: Vec::new(),
            n_inside: 0,
        };
        for row in rows.iter().filter(|row| counted.contains(row)) {
            let Some(window) = self.window_of(*row) else {
                placed.outside.push(self.worth(*row));
                continue;
            };
            placed.n_inside += 1;
            // Credit falls towards the end of the window, so the first detection has the most.
            placed.firsts[window].get_or_insert_with(|| self.worth(*row));
        }
        placed
    }

    /// What a detection at `row` is worth by itself.
    #[must_use]
    pub fn row_score(&self, row: usize, profile: Profile) -> f64 {
        self.worth(row).score(profile)
    }

    fn worth(&self, row: usize) -> Worth {
        let n_before = self.windows.partition_point(|[_, last]| *last < row);
        let window = self.windows.get(n_before);
        if let Some([first, last]) = window.filter(|window| is_in(window, row)) {
            let width = (last - first + 1) as f64;
            return Worth::Inside(sigma(-((last - row + 1) as f64) / width));
        }
        let before = n_before.checked_sub(1).and_then(|n| self.windows.get(n));
        let Some([first, last]) = before else {
            return Worth::Far;
        };
        let distance = (row - last) as f64 / (last - first) as f64;
        // A window of one row makes the distance infinite: as far from it as can be.
        if distance > 3.0 {
            Worth::Far
        } else {
            Worth::Behind(sigma(distance))
        }
    }

    /// The number of the window that a row is in, counted from the start of the series.
    #[must_use]
    pub fn window_of(&self, row: usize) -> Option<usize> {
        let n_before = self.windows.partition_point(|[_, last]| *last < row);
        let window = self.windows.get(n_before);
        window.filter(|window| is_in(window, row)).map(|_| n_before)
    }
}

/// Where the detections in a series fall, for any profile to weigh.
pub(crate) struct Placed {
    /// By window: what its first detection is worth.
    firsts: Vec<Option<Worth>>,
    /// Of each detection outside of the windows.
    outside: Vec<Worth>,
    /// Detections in windows.
    n_inside: usize,
}

impl Placed {
    /// Sum of credits and costs.
    pub(crate) fn raw(&self, profile: Profile) -> f64 {
        let mut raw = 0.0;
        for first in &self.firsts {
            raw += first.map_or(-profile.missed, |worth| worth.score(profile));
        }
        let outside = self.outside.iter().map(|worth| worth.score(profile));
        raw + outside.sum::<f64>()
    }
}

/// What a detection is worth before it is weighed.
#[derive(Debug, Clone, Copy)]
enum Worth {
    /// In a window: sigma of its place there.
    Inside(f64),
    /// Not far behind a window: sigma of the distance.
    Behind(f64),
    /// Far from any window before it.
    Far,
}

impl Worth {
    fn score(self, profile: Profile) -> f64 {
        match self {
            Self::Inside(sigma_of_place) => profile.found * sigma_of_place / sigma(-1.0),
            Self::Behind(sigma_of_distance) => profile.wrong * sigma_of_distance,
            Self::Far => -profile.wrong,
        }
    }
}

/// A corpus' raw total on the scale from a detector that never alerts (0) to a perfect one (100);
/// `None` without windows.
#[must_use]
pub fn normalised(raw_total: f64, n_windows: usize, profile: Profile) -> Option<f64> {
    let (null, perfect) = (
        -profile.missed * n_windows as f64,
        profile.found * n_windows as f64,
    );
    (n_windows > 0).then(|| 100.0 * (raw_total - null) / (perfect - null))
}

fn sigma(x: f64) -> f64 {
    2.0 / (1.0 + (5.0 * x).exp()) - 1.0
}

fn is_in([first, last]: &[usize; 2], row: usize) -> bool {
    (*first..=*last).contains(&row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detection_at_the_start_of_every_window_is_perfect() {
        let series = Series::new(400, &[[100, 119], [300, 339]]);
        let score = series.score(&[300, 100], STANDARD);
        assert!((score.raw - 2.0).abs() < 1e-12, "{score:?}");
        assert_eq!(normalised(score.raw, 2, STANDARD), Some(100.0));
    }

    #[test]
    fn a_window_of_one_row_divides_nothing_by_zero() {
        let series = Series::new(100, &[[50, 50]]);
        assert_eq!(series.row_score(51, STANDARD), -0.11);
        assert!((series.row_score(50, STANDARD) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn windows_that_begin_in_the_probation_are_left_out_with_their_rows() {
        let (series, first) = Series::behind_probation(100, &[[3, 5], [14, 20], [40, 45]]);
        assert_eq!(
            (series.n_windows(), series.window_of(40), first),
            (1, Some(0), 21)
        );
        let (series, first) = Series::behind_probation(100, &[[15, 20]]);
        assert_eq!((series.n_windows(), first), (1, 15));
    }

    #[test]
    fn nested_windows_are_one_and_probation_counts_for_nothing() {
        let series = Series::new(100, &[[40, 60], [45, 50]]);
        assert_eq!(series.n_windows(), 1);
        let silent = series.score(&[], STANDARD);
        assert_eq!(series.score(&[3, 14], STANDARD), silent);
        assert_eq!(normalised(silent.raw, 1, STANDARD), Some(0.0));
        assert_eq!(normalised(0.0, 0, STANDARD), None);
    }
}
