//! Accuracy counted in other ways than by incidents: stricter, finer, or from the view of whoever reads the alerts.

mod kinds;
mod published;
mod rows;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::Kind;

pub use self::{
    kinds::{KindPair, KindRates, Kinds},
    published::{BesideRandom, NabFigures, Published, VolumeFigures},
    rows::{NabRowScore, RowScores, ScoredRow},
};

/// Ways to count beside the incident level, over the same labels and alerts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Accuracy {
    /// Each alert takes one label at most, and each label one alert: the most pairs that there can be.
    pub one_to_one: Counted,
    /// Windows of event time per key.
    pub windows: Windows,
    /// Affected events against those that alerts list; `null` where no alert lists any.
    pub events: Option<Counted>,
    /// Over keys in place of labels.
    pub entities: Entities,
    /// Over the scores of alerts.
    pub thresholds: Thresholds,
    /// From an incident's start to its first alert.
    pub time_to_detect: TimeToDetect,
    /// Recall by how late the events of labels came.
    pub lateness: Lateness,
    /// What the alerts ask of whoever reads them.
    pub fatigue: Fatigue,
    /// Kinds against kinds.
    pub kinds: Kinds,
    /// Scores as others define them.
    pub published: Published,
    /// How the random baselines beside the figures above were drawn.
    pub random: RandomDraws,
}

/// Precision, recall and F1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Rates {
    /// `null` where nothing was said.
    pub precision: Option<f64>,
    /// `null` where there is nothing to find.
    pub recall: Option<f64>,
    /// Harmonic mean of both.
    pub f1: Option<f64>,
}

/// Alerts placed uniformly over (key, event time): as many as there are, each with the kind, the score and the length that
/// it has, and scored by the same code. Counts are added up over the repetitions, other figures averaged.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RandomDraws {
    /// Seed of the draws: the same record has the same baselines.
    pub seed: u64,
    /// How often all were placed anew; 0 without labels or alerts, which leaves the baselines undefined.
    pub repetitions: u32,
    /// Alerts drawn, over all repetitions.
    pub alerts: u64,
    /// Share of the labels that they were held against. Under 1 in large runs, where alerts are drawn for some of the keys
    /// alone, at the rate that they have over all.
    pub labels_share: f64,
    /// Whether fewer were drawn than the rate asks for, as too many alerts fall to keys that hang together by labels: the
    /// baselines are then lower than they should be.
    pub thinned: bool,
}

/// What is true, what was said, and what is both. `precision = both / said`, `recall = both / truth`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counted {
    /// Number of what there is to find.
    pub truth: u64,
    /// Number of what was said.
    pub said: u64,
    /// Number of what was said and is true.
    pub both: u64,
    /// `null` where nothing was said.
    pub precision: Option<f64>,
    /// `null` where there is nothing to find.
    pub recall: Option<f64>,
    /// Harmonic mean of both.
    pub f1: Option<f64>,
    /// What randomly placed alerts get. Those of `events` list as many events, any of the run's; `null` there where the
    /// number of events is unknown.
    #[serde(default)]
    pub random: Rates,
}

impl Counted {
    /// The rates alone.
    #[must_use]
    pub fn rates(&self) -> Rates {
        Rates {
            precision: self.precision,
            recall: self.recall,
            f1: self.f1,
        }
    }
}

/// Tumbling windows per key, aligned to the epoch. True are those that a label intersects, said those into which the end
/// of an alert falls. Windows in which neither is are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Windows {
    /// Their length, milliseconds of event time.
    pub size_ms: i64,
    /// The counts. An alert on any key of an incident counts for the first of its keys.
    pub counted: Counted,
}

/// Figures over keys. A label belongs to the first of its keys, an alert to the key that it names, or to that of the label
/// that it detects.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Entities {
    /// Keys with a label.
    pub labelled: u64,
    /// Those of them with a label that was detected.
    pub hit: u64,
    /// `hit / labelled`.
    pub hit_share: Option<f64>,
    /// Mean over labelled keys of the share of their labels that was detected.
    pub macro_recall: Option<f64>,
    /// Mean over labelled keys of `detected / (detected + false)`, false alerts of the key merged; keys without either are
    /// left out.
    pub macro_precision: Option<f64>,
    /// 95 % intervals of recall, precision and F1 of the incident level, keys drawn with replacement; `null` with fewer than
    /// two keys, or with more than 50,000.
    pub recall_interval: Option<[f64; 2]>,
    /// The same of the deduplicated precision.
    pub precision_interval: Option<[f64; 2]>,
    /// The same of F1.
    pub f1_interval: Option<[f64; 2]>,
    /// Resamples behind the intervals.
    pub resamples: u32,
    /// Seed of the resampling.
    pub seed: u64,
    /// What randomly placed alerts get.
    pub random: EntityShares,
}

/// Figures over keys without the counts behind them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EntityShares {
    /// Share of the labelled keys with a label that was detected.
    pub hit_share: Option<f64>,
    /// Mean over labelled keys of the share of their labels that was detected.
    pub macro_recall: Option<f64>,
    /// Mean over labelled keys of `detected / (detected + false)`.
    pub macro_precision: Option<f64>,
}

/// Precision and recall of those alerts alone whose score is high enough.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Thresholds {
    /// Alerts that count and carry a score.
    pub scored: u64,
    /// Alerts that count and carry none.
    pub unscored: u64,
    /// Average precision; `null` unless every alert carries a score, and there are labels.
    pub average_precision: Option<f64>,
    /// The highest F1 on the curve: chosen with the labels in hand, so an oracle's.
    pub oracle_f1: Option<f64>,
    /// The threshold at which it is.
    pub oracle_threshold: Option<f64>,
    /// The average precision of alerts with the same scores, randomly placed.
    pub random_average_precision: Option<f64>,
    /// Points of the curve by falling threshold, 200 at most.
    pub curve: Vec<ThresholdPoint>,
}

/// A point of the precision-recall curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdPoint {
    /// Alerts with this score or more are counted.
    pub threshold: f64,
    /// Deduplicated precision.
    pub precision: f64,
    /// Recall.
    pub recall: f64,
}

/// Delays until incidents were detected.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TimeToDetect {
    /// Event time: end of the first alert less the label's start; negative where the alert's event time lies before it.
    pub event_ms: Delays,
    /// Wall time: the broker's append time of the first alert less the intended send time of the first affected event.
    pub wall_ms: Delays,
    /// How much of an incident had been sent by then; `null` where no label says when its events were, or wall time is
    /// not known.
    pub events_seen: Option<EventsSeen>,
}

/// Affected events that were to be sent until the broker appended the first alert on their incident. An incident that was
/// missed is watched until its last event.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EventsSeen {
    /// Their number.
    pub events: Delays,
    /// The same as a share of the incident's events, 0 to 1.
    pub share: Delays,
    /// Incidents that are in neither: they have no events, or their labels do not say when those were sent.
    pub unstated: u64,
}

/// Recall by how late the affected events came. A label is in the class of the latest of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Lateness {
    /// The bound of the subject's watermark, milliseconds of event time: what lies farther behind is beyond it. `null`
    /// where it is not known.
    pub bound_ms: Option<u64>,
    /// Over all kinds: any candidate alert finds a label.
    pub overall: LatenessClasses,
    /// For each kind that has labels: an alert that names another kind does not find one.
    pub per_kind: BTreeMap<Kind, LatenessClasses>,
}

/// Labels by the lateness of their events.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LatenessClasses {
    /// No event lay behind a newer one of its partition.
    pub on_time: ClassRecall,
    /// Some did, and none by more than the bound. Where the bound is not known, all labels of which some did.
    pub late: ClassRecall,
    /// At least one lay behind by more than the bound. Empty where the bound is not known.
    pub beyond_watermark: ClassRecall,
    /// There are no events, or the label does not say how they came.
    pub unknown: ClassRecall,
}

/// Recall of a class of labels.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClassRecall {
    /// Labels of the class.
    pub labels: u64,
    /// Those of them that were detected.
    pub detected: u64,
    /// `detected / labels`; `null` without labels.
    pub recall: Option<f64>,
    /// Its 95 % interval (Wilson).
    pub interval: Option<[f64; 2]>,
}

/// A distribution over incidents: of delays in milliseconds, or of what [`EventsSeen`] counts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Delays {
    /// Incidents that were found.
    pub found: u64,
    /// Incidents that were not: their watch ends with their tolerance.
    pub censored: u64,
    /// Median over found incidents alone: flatters a detector that finds the easy ones.
    pub found_p50: Option<f64>,
    /// 90th percentile over found incidents alone.
    pub found_p90: Option<f64>,
    /// Kaplan-Meier: when half of all incidents are detected; `null` if that is never so.
    pub p50: Option<f64>,
    /// When nine in ten are.
    pub p90: Option<f64>,
    /// Steps of the share that is not detected yet, as pairs of a delay and a share, 200 at most.
    pub undetected: Vec<[f64; 2]>,
}

/// What alerts ask of whoever reads them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Fatigue {
    /// False alerts for each entity and day of event time, over the types of key that alerts name.
    pub false_per_entity_day: Option<f64>,
    /// Its 95 % interval (Garwood).
    pub false_per_entity_day_interval: Option<[f64; 2]>,
    /// False alerts for each million events that were sent.
    pub false_per_million_events: Option<f64>,
    /// True alerts for each incident that was detected.
    pub alerts_per_incident: Option<f64>,
    /// Share of the true alerts that are not the first of an incident.
    pub redundancy: Option<f64>,
    /// Incidents detected over true alerts: of an alarm that is true, how likely is it news?
    pub alarming_precision: Option<f64>,
    /// 95th percentile of alerts on one key in one day, over key-days with alerts.
    pub alerts_per_key_day_p95: Option<f64>,
    /// Most alerts in one hour of event time, aligned to the epoch.
    pub worst_hour: u64,
    /// Share of the false alerts that the noisiest hundredth of the alerted keys has.
    pub false_share_of_top_keys: Option<f64>,
    /// Share of the scored event time in which at least one alert stands.
    pub time_in_alert: Option<f64>,
}
