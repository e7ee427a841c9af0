//! Scores as others define them, per key on a line of event time.
//!
//! A key's rows are steps of `resolution` from the start to the end of what is scored. A label stands on the line of the
//! first of its keys, over the rows from its start to its end; labels that share a row are one range. An alert stands on
//! the line of each label that it is a candidate of, or on that of its own key, and flags the row of its end; rows that
//! follow each other are one range.
//!
//! For the benchmark of Numenta a window reaches over the tolerances before and after the label: what it calls a window is the
//! time in which a detection counts. Windows that begin in the probation are left out with the rows in them, as its own
//! data has none there.

use floodmark_contracts::accuracy::{BesideRandom, NabFigures, Published};

use super::Ground;
use crate::{
    hashing::Map,
    incident::f_beta,
    published::{
        Rows, affiliation, merged,
        nab::{FEW_FALSE_NEGATIVES, FEW_FALSE_POSITIVES, STANDARD, Series, normalised},
        range_based::{self, Bias, Cardinality, Rules},
    },
};

/// Rows of a key at most, where no resolution was asked for: with so many, the probation of 15 % reaches the 750 rows at which it is capped, and the
/// benchmark's own series have as many.
const MOST_ROWS: i64 = 5_000;

/// The shortest row, where none was asked for: sensors and users send about once in a second.
const SHORTEST_MS: i64 = 1_000;

/// What lines are made of besides labels and alerts.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowRules {
    /// How long before a label an alert counts.
    pub(super) early_ms: i64,
    /// Length of a row, where one was asked for.
    pub(super) resolution_ms: Option<i64>,
}

pub(super) fn score(ground: &Ground<'_>, rules: RowRules) -> Published {
    let clock = Clock::new(ground, rules.resolution_ms);
    let lines = lines(ground, &clock, rules.early_ms);
    let n_rows = clock.n_rows;
    // All that is asked of a line is asked while it is at hand.
    let figures: Vec<Figures> = lines.iter().map(|line| line.figures(n_rows)).collect();
    let range = |bias: usize| beside(figures.iter().map(|of| of.range[bias]));
    let nab = |profile: usize| mean(figures.iter().map(|of| of.nab[profile]));
    Published {
        resolution_ms: clock.resolution_ms,
        rows: n_rows as u64,
        keys: lines.len() as u64,
        range: range(0),
        range_front: range(1),
        range_back: range(2),
        affiliation: beside(figures.iter().map(|of| of.affiliation)),
        nab: NabFigures {
            standard: nab(0),
            reward_low_fp_rate: nab(1),
            reward_low_fn_rate: nab(2),
        },
        ..Published::default()
    }
}

/// Precision and recall.
type Both = (Option<f64>, Option<f64>);

/// What a line scores.
struct Figures {
    /// By the biases [`BIASES`].
    range: [Both; 3],
    affiliation: Both,
    /// By the profiles, as [`NabFigures`] lists them.
    nab: [Option<f64>; 3],
}

/// Where in a range an overlap counts most, as [`Published`] lists them.
const BIASES: [Bias; 3] = [Bias::Flat, Bias::Front, Bias::Back];

/// Event time in rows.
struct Clock {
    from: i64,
    resolution_ms: i64,
    n_rows: usize,
}

impl Clock {
    fn new(ground: &Ground<'_>, resolution_ms: Option<i64>) -> Self {
        let (from, until) = (ground.bounds.from.0, ground.bounds.until.0);
        let length = until.saturating_sub(from).max(0).saturating_add(1);
        let seconds = length.div_euclid(MOST_ROWS * SHORTEST_MS);
        let exact = length % (MOST_ROWS * SHORTEST_MS) == 0;
        let usual_ms = (seconds + i64::from(!exact)).max(1) * SHORTEST_MS;
        let resolution_ms = resolution_ms.unwrap_or(usual_ms).max(1);
        let n_rows = (length - 1) / resolution_ms + 1;
        Self {
            from,
            resolution_ms,
            n_rows: usize::try_from(n_rows).unwrap_or(1),
        }
    }

    /// The row of an instant; the first or the last for what lies outside.
    fn row(&self, at: i64) -> usize {
        let row = at.saturating_sub(self.from).max(0) / self.resolution_ms;
        usize::try_from(row).unwrap_or(0).min(self.n_rows - 1)
    }
}

/// What stands on one key.
#[derive(Default)]
struct Line {
    /// Labels, sorted; none shares a row with another.
    truth: Vec<Rows>,
    /// The same with tolerances.
    windows: Vec<Rows>,
    /// Rows with an alert, ascending, each once.
    flagged: Vec<usize>,
    /// Those that follow each other as ranges.
    said: Vec<Rows>,
}

impl Line {
    /// Notes an alert. One that is a candidate of many labels comes as often, one time after the other.
    fn flag(&mut self, row: usize) {
        if self.flagged.last() != Some(&row) {
            self.flagged.push(row);
        }
    }

    fn figures(&self, n_rows: usize) -> Figures {
        Figures {
            range: BIASES.map(|bias| self.range(bias)),
            affiliation: self.affiliation(n_rows),
            nab: self.nab(n_rows),
        }
    }

    fn range(&self, bias: Bias) -> Both {
        let rules = Rules {
            alpha: 0.0,
            cardinality: Cardinality::One,
            bias,
        };
        let precision = range_based::precision(&self.truth, &self.said, rules);
        (
            precision,
            range_based::recall(&self.truth, &self.said, rules),
        )
    }

    fn affiliation(&self, n_rows: usize) -> Both {
        let span = |[first, last]: &Rows| [*first as f64, (*last + 1) as f64];
        let truth: Vec<[f64; 2]> = self.truth.iter().map(span).collect();
        let said: Vec<[f64; 2]> = self.said.iter().map(span).collect();
        let zones = affiliation::zones(&truth, &said, [0.0, n_rows as f64]);
        (affiliation::precision(&zones), affiliation::recall(&zones))
    }

    fn nab(&self, n_rows: usize) -> [Option<f64>; 3] {
        let (series, first) = Series::behind_probation(n_rows, &self.windows);
        let rows = &self.flagged[self.flagged.partition_point(|row| *row < first)..];
        let placed = series.place(rows);
        [STANDARD, FEW_FALSE_POSITIVES, FEW_FALSE_NEGATIVES]
            .map(|profile| normalised(placed.raw(profile), series.n_windows(), profile))
    }
}

/// Lines of the keys with a label.
fn lines(ground: &Ground<'_>, clock: &Clock, early_ms: i64) -> Vec<Line> {
    let mut number_of: Map<u32, usize> = Map::default();
    let mut number_of_label = vec![usize::MAX; ground.scope.labels.len()];
    let mut lines: Vec<Line> = Vec::new();
    for (position, label) in ground.scope.kept_labels() {
        let key = ground.key_of(u32::try_from(position).unwrap_or(u32::MAX));
        let number = *number_of.entry(key).or_insert_with(|| {
            lines.push(Line::default());
            lines.len() - 1
        });
        number_of_label[position] = number;
        let line = &mut lines[number];
        let row = |at: i64| clock.row(at);
        let (start, end) = (label.start.0, label.end.0);
        line.truth.push([row(start), row(end)]);
        let from = start.saturating_sub(early_ms);
        let until = end.saturating_add(label.kind.late_ms());
        line.windows.push([row(from), row(until)]);
    }
    let row_of = |alert: u32| clock.row(ground.scope.alerts[alert as usize].end);
    for &(alert, label) in &ground.found.pairs {
        lines[number_of_label[label as usize]].flag(row_of(alert));
    }
    let key_of = |alert: u32| ground.scope.alerts[alert as usize].key;
    let false_alerts = ground.false_alerts();
    for of_key in false_alerts.chunk_by(|a, b| key_of(*a) == key_of(*b)) {
        let Some(number) = number_of.get(&key_of(of_key[0])) else {
            continue;
        };
        let rows = of_key.iter().map(|alert| row_of(*alert));
        rows.for_each(|row| lines[*number].flag(row));
    }
    for line in &mut lines {
        line.truth = merged(std::mem::take(&mut line.truth));
        line.windows = merged(std::mem::take(&mut line.windows));
        line.flagged.sort_unstable();
        line.flagged.dedup();
        line.said = ranges(&line.flagged);
    }
    lines
}

/// Rows that follow each other as ranges.
fn ranges(rows: &[usize]) -> Vec<Rows> {
    rows.chunk_by(|a, b| a + 1 == *b)
        .map(|run| [run[0], run[run.len() - 1]])
        .collect()
}

/// Means of precision and recall over lines.
fn beside(rates: impl Iterator<Item = Both> + Clone) -> BesideRandom {
    let precision = mean(rates.clone().map(|(precision, _)| precision));
    let recall = mean(rates.map(|(_, recall)| recall));
    BesideRandom {
        precision,
        recall,
        f1: precision.zip(recall).map(|(p, r)| f_beta(p, r, 1.0)),
        ..BesideRandom::default()
    }
}

/// The mean of those that are defined, added up by size: the order of keys is that of alerts.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let mut defined: Vec<f64> = values.flatten().collect();
    defined.sort_by(f64::total_cmp);
    (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
}
