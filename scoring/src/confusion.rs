//! The confusion matrix over kinds and what follows from it.
//!
//! One pair (true, alerted) per matched incident, (true, none) per missed one, (none, alerted) per
//! false alert. A wrong kind is a miss of the one kind and a false alarm of the other.

/// Precision, recall and F1; each `None` where its denominator is zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rates {
    /// True positives over everything alerted as the kind.
    pub precision: Option<f64>,
    /// True positives over everything that is of the kind.
    pub recall: Option<f64>,
    /// `2 TP / (alerted + actual)`.
    pub f1: Option<f64>,
}

/// Counts of pairs: rows are true kinds, columns alerted ones; the last of both is "none".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    cells: Vec<Vec<u64>>,
}

impl Confusion {
    /// An empty matrix over `n_kinds` kinds and "none".
    #[must_use]
    pub fn new(n_kinds: usize) -> Self {
        Self {
            cells: vec![vec![0; n_kinds + 1]; n_kinds + 1],
        }
    }

    /// Counts a pair; `None` stands for "none". A pair of two nones says nothing and is not counted.
    pub fn add(&mut self, actual: Option<usize>, alerted: Option<usize>) {
        self.add_times(actual, alerted, 1);
    }

    /// Counts a pair so many times.
    pub fn add_times(&mut self, actual: Option<usize>, alerted: Option<usize>, times: u64) {
        let none = self.n_kinds();
        if actual.is_some() || alerted.is_some() {
            self.cells[actual.unwrap_or(none)][alerted.unwrap_or(none)] += times;
        }
    }

    /// The counts, rows by true kind, "none" last in both directions.
    #[must_use]
    pub fn rows(&self) -> &[Vec<u64>] {
        &self.cells
    }

    /// Number of incidents that are of `kind`.
    #[must_use]
    pub fn support(&self, kind: usize) -> u64 {
        self.cells[kind].iter().sum()
    }

    /// Rates of one kind.
    #[must_use]
    pub fn kind(&self, kind: usize) -> Rates {
        rates(
            self.cells[kind][kind],
            self.alerted(kind),
            self.support(kind),
        )
    }

    /// Rates over the pooled counts of all kinds.
    #[must_use]
    pub fn micro(&self) -> Rates {
        let kinds = 0..self.n_kinds();
        rates(
            kinds.clone().map(|k| self.cells[k][k]).sum(),
            kinds.clone().map(|k| self.alerted(k)).sum(),
            kinds.map(|k| self.support(k)).sum(),
        )
    }

    /// Unweighted means of the kinds' rates, leaving out those that are undefined.
    #[must_use]
    pub fn macro_average(&self) -> Rates {
        self.average(|_| 1.0)
    }

    /// Means of the kinds' rates weighted by support, leaving out those that are undefined; where all
    /// that are left weigh nothing, their unweighted mean.
    #[must_use]
    pub fn weighted_average(&self) -> Rates {
        self.average(|kind| self.support(kind) as f64)
    }

    fn n_kinds(&self) -> usize {
        self.cells.len() - 1
    }

    /// Number of incidents and false alarms that are alerted as `kind`.
    #[must_use]
    pub fn alerted(&self, kind: usize) -> u64 {
        self.cells.iter().map(|row| row[kind]).sum()
    }

    fn average(&self, weight: impl Fn(usize) -> f64) -> Rates {
        let mean = |pick: fn(Rates) -> Option<f64>| {
            let defined: Vec<(f64, f64)> = (0..self.n_kinds())
                .filter_map(|kind| Some((pick(self.kind(kind))?, weight(kind))))
                .collect();
            let total: f64 = defined.iter().map(|(_, weight)| weight).sum();
            if defined.is_empty() {
                None
            } else if total == 0.0 {
                Some(defined.iter().map(|(value, _)| value).sum::<f64>() / defined.len() as f64)
            } else {
                Some(
                    defined
                        .iter()
                        .map(|(value, weight)| value * weight)
                        .sum::<f64>()
                        / total,
                )
            }
        };
        Rates {
            precision: mean(|r| r.precision),
            recall: mean(|r| r.recall),
            f1: mean(|r| r.f1),
        }
    }
}

fn rates(hits: u64, alerted: u64, actual: u64) -> Rates {
    Rates {
        precision: share(hits, alerted),
        recall: share(hits, actual),
        f1: share(2 * hits, alerted + actual),
    }
}

/// `part / whole`, undefined where the whole is nothing.
pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_kind_is_a_miss_and_a_false_alarm() {
        let mut confusion = Confusion::new(2);
        confusion.add(Some(0), Some(1));
        assert_eq!(confusion.kind(0).recall, Some(0.0));
        assert_eq!(confusion.kind(0).precision, None);
        assert_eq!(confusion.kind(1).precision, Some(0.0));
        assert_eq!(confusion.kind(1).recall, None);
    }

    #[test]
    fn two_nones_say_nothing() {
        let mut confusion = Confusion::new(1);
        confusion.add(None, None);
        assert_eq!(confusion, Confusion::new(1));
        assert_eq!(confusion.micro(), Rates::default());
        assert_eq!(confusion.macro_average(), Rates::default());
    }
}
