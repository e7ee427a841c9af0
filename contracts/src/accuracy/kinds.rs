//! Kinds against kinds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rates;
use crate::kind::Kind;

/// What alerts said of what there was. A wrong kind is a miss of the one and a false alarm of the other.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Kinds {
    /// The confusion matrix without its empty cells, by true kind, then by alerted one.
    pub pairs: Vec<KindPair>,
    /// Every kind that an incident has or an alert names.
    pub per_kind: BTreeMap<Kind, KindRates>,
    /// Over the pooled counts of all kinds.
    pub micro: Rates,
    /// Unweighted means over kinds, those left out for which a rate is undefined. Names that the catalogue does not have
    /// are one kind together, of which there is nothing to find.
    pub macro_average: Rates,
    /// What randomly placed alerts get for `micro`.
    pub random_micro: Rates,
    /// What they get for `macro_average`.
    pub random_macro_average: Rates,
}

/// A cell of the confusion matrix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct KindPair {
    /// The kind of the incident; `none` for a false alarm.
    pub actual: String,
    /// What its alert says: a kind, `foreign` for a name that the catalogue does not have, `unnamed` where alerts found it
    /// and none of them names a kind, `none` where none found it.
    pub alerted: String,
    /// Incidents, or false alarms after merging.
    pub count: u64,
}

/// Figures of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct KindRates {
    /// Incidents of the kind.
    pub labels: u64,
    /// Incidents and false alarms of which an alert says the kind.
    pub alerted: u64,
    /// `null` where nothing says the kind, or no alert names any.
    pub precision: Option<f64>,
    /// `null` without incidents of the kind.
    pub recall: Option<f64>,
    /// Harmonic mean of both; 0 for a kind that is there and that no alert names, `null` where no alert names any kind.
    pub f1: Option<f64>,
    /// Average precision over the scores of the alerts that say the kind; `null` unless each of them has a score.
    pub average_precision: Option<f64>,
    /// The highest F1 over those scores: chosen with the labels in hand, so an oracle's.
    pub oracle_f1: Option<f64>,
    /// The threshold at which it is.
    pub oracle_threshold: Option<f64>,
    /// The average precision of alerts with the same scores and kinds, randomly placed.
    pub random_average_precision: Option<f64>,
}
