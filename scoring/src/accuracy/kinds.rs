//! Kinds against kinds: the confusion matrix, precision, recall and F1 per kind, micro and macro.
//!
//! 1. An incident of kind `k` with a candidate that says `k` is the pair `(k, k)`, however many alerts there are.
//! 2. One with candidates that name no kind, and none that says `k`, is `(k, unnamed)`: found for recall, and nothing for
//!    precision.
//! 3. An alert that says a kind of none of its incidents is attributed to one of them: to the one with most of its event
//!    ids, then to one that it lies inside of, then to the one with the nearest start, then by id. An incident of neither
//!    sort above is the pair `(k, j)` with the best of its alerts by the same order; one without any is `(k, none)`.
//! 4. Every other alert that names a kind is a false alarm `(none, j)`, merged with its like on the key as on the incident
//!    level. Those attributed to an incident that is a pair with the same `j` are no further ones.
//!
//! Alerts that touch an incident which was left out are false alarms of no kind.

mod attribution;
mod curves;

use std::collections::BTreeMap;

use floodmark_contracts::{
    accuracy::{KindPair, KindRates, Kinds, Rates},
    kind::Kind,
};

use self::attribution::{Attributed, Rank};
use super::{
    Ground,
    sweep::{self, Step},
};
use crate::{
    confusion::{Confusion, share},
    hashing::Map,
    incident::f_beta,
    index::N_KINDS,
    merged::each_run,
    scope::Claim,
};

pub(super) fn score(ground: &Ground<'_>) -> Kinds {
    let mut table = Table::new(ground);
    let rates = table.rates();
    let mistakes = std::mem::take(&mut table.mistakes);
    let curves = curves::of(ground, &table, mistakes);
    let per_kind = table.kinds.iter().zip(&rates).enumerate();
    Kinds {
        pairs: table.pairs(),
        per_kind: per_kind
            .map(|(column, (kind, rates))| (*kind, table.figures(column, *rates, &curves)))
            .collect(),
        micro: table.micro(),
        macro_average: macro_average(&rates),
        ..Kinds::default()
    }
}

/// Unweighted means, undefined rates left out.
fn macro_average(rates: &[Rates]) -> Rates {
    let mean = |pick: fn(&Rates) -> Option<f64>| {
        let defined: Vec<f64> = rates.iter().filter_map(pick).collect();
        (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
    };
    Rates {
        precision: mean(|rates| rates.precision),
        recall: mean(|rates| rates.recall),
        f1: mean(|rates| rates.f1),
    }
}

/// The pairs of a run.
struct Table {
    /// Kinds by column; one more column stands for all names that the catalogue does not have.
    kinds: Vec<Kind>,
    /// The column of each kind of the catalogue that has one.
    columns: [Option<usize>; N_KINDS],
    confusion: Confusion,
    /// By column: incidents that only alerts without a kind found.
    unnamed: Vec<u64>,
    /// Whether no alert that counts names a kind.
    is_silent: bool,
    /// By position in `scope.alerts`: whether it is a candidate of an incident of the kind that it names.
    is_right: Vec<bool>,
    /// By column: what is wrong about it, with the scores of those alerts.
    mistakes: Vec<Vec<Step>>,
}

impl Table {
    fn new(ground: &Ground<'_>) -> Self {
        let kinds = kinds(ground);
        let n_columns = kinds.len() + 1;
        let claims = |(alert, _): (u32, bool)| ground.scope.alerts[alert as usize].claim;
        let mut columns = [None; N_KINDS];
        for (column, kind) in kinds.iter().enumerate() {
            columns[*kind as usize] = Some(column);
        }
        let mut table = Self {
            columns,
            confusion: Confusion::new(n_columns),
            unnamed: vec![0; n_columns],
            is_silent: ground.counted().all(|it| claims(it) == Claim::Silent),
            is_right: vec![false; ground.scope.alerts.len()],
            mistakes: vec![Vec::new(); n_columns],
            kinds,
        };
        let found = table.found(ground);
        let mut attributed = attribution::of(ground, &table);
        let mut paired: Map<u32, (Rank, usize)> = Map::default();
        for it in &attributed {
            if found[it.label as usize] == Found::Not {
                let best = paired.entry(it.label).or_insert((it.rank, it.column));
                *best = (*best).min((it.rank, it.column));
            }
        }
        table.add_incidents(ground, &found, &paired);
        attributed.retain(|it| {
            let pair = paired.get(&it.label);
            pair.is_some_and(|(_, column)| *column == it.column)
        });
        table.add_mistaken(ground, &attributed);
        table.add_false_alarms(ground, &attributed);
        table
    }

    /// The column of what an alert says.
    fn column(&self, claim: Claim) -> Option<usize> {
        match claim {
            Claim::Silent => None,
            Claim::Known(kind) => self.columns[kind as usize],
            Claim::Foreign(_) => Some(self.kinds.len()),
        }
    }

    /// How each label was found, by its position; notes which alerts are right.
    fn found(&mut self, ground: &Ground<'_>) -> Vec<Found> {
        let mut found = vec![Found::Not; ground.scope.labels.len()];
        for &(alert, label) in &ground.found.pairs {
            let claim = ground.scope.alerts[alert as usize].claim;
            let found = &mut found[label as usize];
            let kind = ground.scope.outlines[label as usize].kind;
            if claim == Claim::Known(kind) {
                self.is_right[alert as usize] = true;
                *found = Found::ByItsKind;
            } else if claim == Claim::Silent && *found == Found::Not {
                *found = Found::Unnamed;
            }
        }
        found
    }

    fn add_incidents(
        &mut self,
        ground: &Ground<'_>,
        found: &[Found],
        paired: &Map<u32, (Rank, usize)>,
    ) {
        for (position, label) in ground.scope.kept_labels() {
            let actual = self.column(Claim::Known(label.kind));
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            let alerted = match found[position as usize] {
                Found::ByItsKind => actual,
                Found::Unnamed => {
                    self.unnamed[actual.unwrap_or_default()] += 1;
                    None
                }
                Found::Not => paired.get(&position).map(|(_, column)| *column),
            };
            self.confusion.add(actual, alerted);
        }
    }

    /// The alerts behind pairs of two kinds: each pair is wrong once, with the highest score of its alerts.
    fn add_mistaken(&mut self, ground: &Ground<'_>, absorbed: &[Attributed]) {
        let mut best: BTreeMap<(usize, u32), f64> = BTreeMap::new();
        for it in absorbed {
            let best = best.entry((it.column, it.label)).or_insert(f64::MIN);
            *best = best.max(sweep::score_of(ground, it.alert).unwrap_or(f64::MIN));
        }
        for ((column, _), score) in best {
            self.mistakes[column].push((score, 0, 1));
        }
    }

    /// All other alerts that say a kind of none of their incidents; `absorbed` are none of them.
    fn add_false_alarms(&mut self, ground: &Ground<'_>, absorbed: &[Attributed]) {
        let mut is_wrong = vec![false; ground.scope.alerts.len()];
        for (alert, _) in ground.counted() {
            is_wrong[alert as usize] = self.wrong_column(ground, alert).is_some();
        }
        for it in absorbed {
            is_wrong[it.alert as usize] = false;
        }
        let is_wrong = |alert: u32| is_wrong[alert as usize];
        each_run(
            ground.scope,
            is_wrong,
            ground.merge_gap_ms,
            |run, alerts| {
                let Some(column) = self.column(run.claim) else {
                    return;
                };
                let scores = alerts.iter();
                let scores =
                    scores.map(|alert| sweep::score_of(ground, *alert).unwrap_or(f64::MIN));
                let highest = scores.fold(f64::MIN, f64::max);
                self.confusion.add_times(None, Some(column), run.cost);
                self.mistakes[column].push((highest, 0, run.cost));
            },
        );
    }

    /// The column of what an alert says, if that is a kind of none of its incidents.
    fn wrong_column(&self, ground: &Ground<'_>, alert: u32) -> Option<usize> {
        let left_out = ground.found.touches_left_out[alert as usize];
        let counts = !self.is_right[alert as usize] && !left_out;
        let column = self.column(ground.scope.alerts[alert as usize].claim);
        column.filter(|_| counts)
    }

    /// Rates by column.
    fn rates(&self) -> Vec<Rates> {
        let of = |column: usize| {
            let support = self.confusion.support(column);
            let hits = self.confusion.rows()[column][column];
            self.rates_of(
                hits,
                self.unnamed[column],
                self.confusion.alerted(column),
                support,
            )
        };
        (0..=self.kinds.len()).map(of).collect()
    }

    fn micro(&self) -> Rates {
        let columns = 0..=self.kinds.len();
        let sum = |count: &dyn Fn(usize) -> u64| columns.clone().map(count).sum();
        self.rates_of(
            sum(&|column| self.confusion.rows()[column][column]),
            sum(&|column| self.unnamed[column]),
            sum(&|column| self.confusion.alerted(column)),
            sum(&|column| self.confusion.support(column)),
        )
    }

    /// What alerts without a kind found counts for recall alone.
    fn rates_of(&self, hits: u64, unnamed: u64, alerted: u64, support: u64) -> Rates {
        let precision = share(hits, alerted);
        let recall = share(hits + unnamed, support);
        let f1 = if self.is_silent {
            None
        } else if unnamed == 0 {
            share(2 * hits, alerted + support)
        } else {
            precision.zip(recall).map(|(p, r)| f_beta(p, r, 1.0))
        };
        Rates {
            precision,
            recall,
            f1,
        }
    }

    fn figures(&self, column: usize, rates: Rates, curves: &[sweep::Summary]) -> KindRates {
        KindRates {
            labels: self.confusion.support(column),
            alerted: self.confusion.alerted(column),
            precision: rates.precision,
            recall: rates.recall,
            f1: rates.f1,
            average_precision: curves[column].average_precision,
            oracle_f1: curves[column].oracle_f1,
            oracle_threshold: curves[column].oracle_threshold,
            random_average_precision: None,
        }
    }

    fn pairs(&self) -> Vec<KindPair> {
        let name = |column: usize| match self.kinds.get(column) {
            Some(kind) => kind.name(),
            None if column == self.kinds.len() => "foreign",
            None => "none",
        };
        let pair = |actual: usize, alerted: &str, count: u64| KindPair {
            actual: name(actual).to_owned(),
            alerted: alerted.to_owned(),
            count,
        };
        let mut pairs = Vec::new();
        for (actual, row) in self.confusion.rows().iter().enumerate() {
            let unnamed = self.unnamed.get(actual).copied().unwrap_or(0);
            pairs.push(pair(actual, "unnamed", unnamed));
            for (alerted, count) in row.iter().enumerate() {
                // What was found without a kind stands among those that none was paired with.
                let is_none = alerted == row.len() - 1;
                let count = if is_none { count - unnamed } else { *count };
                pairs.push(pair(actual, name(alerted), count));
            }
        }
        pairs.retain(|pair| pair.count > 0);
        pairs.sort_unstable();
        pairs
    }
}

/// How an incident was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    ByItsKind,
    Unnamed,
    Not,
}

fn kinds(ground: &Ground<'_>) -> Vec<Kind> {
    let mut is_there = [None; N_KINDS];
    for (_, label) in ground.scope.kept_labels() {
        is_there[label.kind as usize] = Some(label.kind);
    }
    for (alert, _) in ground.counted() {
        if let Claim::Known(kind) = ground.scope.alerts[alert as usize].claim {
            is_there[kind as usize] = Some(kind);
        }
    }
    // Numbered in the order in which they are listed, so that they come sorted.
    is_there.into_iter().flatten().collect()
}
