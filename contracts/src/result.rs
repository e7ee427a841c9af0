//! `result.json`: what a run is worth.
//!
//! Undefined is `null`, never 0 and never NaN.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    accuracy::Accuracy,
    audit::AuditFacts,
    clock::{EventTime, WallTime},
    fault::FaultScores,
    kind::Kind,
    probe::ClockFacts,
    profile::GateSection,
    record::{Ending, Environment, Phase, ProcessFacts},
    resources::MachineFacts,
    setting::Setting,
    stream::Stream,
    trouble::Troubles,
};

/// Version of the shape of `result.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// The code of a reason that a gate with `otherwise: invalid` gives.
pub const GATE_NOT_MET: &str = "gate-not-met";

/// A scored run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunResult {
    /// Version of this file's shape.
    pub schema_version: u32,
    /// Version of floodmark that scored it.
    pub floodmark_version: String,
    /// Name of the profile.
    pub profile: String,
    /// Seed of the run.
    pub seed: u64,
    /// The command that makes the run again.
    pub reproduce: String,
    /// The broker.
    pub broker: String,
    /// The detector under test.
    pub subject: String,
    /// Wall time of the run's start, microseconds since the Unix epoch.
    pub started_at: WallTime,
    /// Event time per wall time. Waits for windows are divided by it.
    pub speed: f64,
    /// Event time at the run's start: with `speed` it says when event time reached what on the wall. `null` in results of
    /// before this was kept.
    #[serde(default)]
    pub event_time_origin: Option<EventTime>,
    /// The phases of the run.
    pub phases: Vec<Phase>,
    /// What the run comes to.
    pub outcome: Outcome,
    /// Whether the figures can be trusted.
    pub validity: Validity,
    /// Every figure by name: what gates and comparisons refer to.
    pub metrics: BTreeMap<String, Metric>,
    /// Detection, over all labels and per kind.
    pub detection: Detection,
    /// Rates, per stream.
    pub throughput: BTreeMap<Stream, Throughput>,
    /// What disturbed each stream: what was asked for and what came out.
    #[serde(default)]
    pub disorder: BTreeMap<Stream, Disorder>,
    /// Latencies by name: `send_lateness`, `acknowledge`, `alert`, `detect`.
    pub latency: BTreeMap<String, LatencySummary>,
    /// Where the time of alerts goes: over all, then per pipeline and kind.
    #[serde(default)]
    pub waterfall: Vec<Waterfall>,
    /// Whether the run came to a steady state.
    #[serde(default)]
    pub steady: Steady,
    /// Figures of warm-up, steady state and drain.
    #[serde(default)]
    pub phase_figures: Vec<PhaseFigures>,
    /// The gates with what was found.
    pub gates: Vec<GateResult>,
    /// What was broken on purpose, and what that did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultScores>,
    /// Resources of the run's processes.
    pub processes: Vec<ProcessFacts>,
    /// What the machine did meanwhile.
    #[serde(default)]
    pub machine: MachineFacts,
    /// What the topics held.
    #[serde(default)]
    pub audit: AuditFacts,
    /// The broker's clock against the harness's.
    #[serde(default)]
    pub clock: ClockFacts,
    /// The machine.
    pub environment: Environment,
    /// Things that a reader should know.
    pub warnings: Vec<String>,
    /// How the run came to its end.
    #[serde(default)]
    pub ending: Ending,
    /// The last lines of the subject's log, where it ended the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject_lines: Vec<String>,
    /// What went wrong, and what was sent wrong on purpose. `null` in results of before this was kept.
    #[serde(default)]
    pub troubles: Option<Troubles>,
    /// Every setting that is not left at its default, with where it comes from. Secrets are redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
}

/// What a run comes to, in the order in which the first that applies is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A signal cut the run short.
    Interrupted,
    /// The measurement cannot be trusted.
    Invalid,
    /// A gate failed.
    GateFailed,
    /// All gates hold.
    Passed,
}

/// Whether the figures can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Validity {
    /// The verdict.
    pub status: ValidityStatus,
    /// Why it is not `valid`.
    pub reasons: Vec<ValidityReason>,
}

/// Verdict on a measurement.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ValidityStatus {
    /// The figures can be trusted.
    Valid,
    /// The figures can be trusted less than usual.
    Degraded,
    /// The figures cannot be trusted.
    Invalid,
}

/// A reason for which a measurement is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ValidityReason {
    /// A stable code, such as `generator-late`.
    pub code: String,
    /// How much it weighs.
    pub status: ValidityStatus,
    /// What was found and what would work.
    pub message: String,
    /// The seconds of the run in which it happened, where that is known.
    pub seconds: Vec<i64>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metric {
    /// The value; `null` if undefined.
    pub value: Option<f64>,
    /// 95 % interval, where one can be given.
    pub interval: Option<[f64; 2]>,
    /// `ratio`, `events/s`, `us`, `count`, `bytes`, `cpu-s/M`.
    pub unit: String,
    /// Which way is better.
    pub direction: Direction,
}

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Higher is better.
    Higher,
    /// Lower is better.
    Lower,
    /// Neither: it describes the run.
    Neutral,
}

/// Detection at the incident level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Detection {
    /// Event time from which labels and alerts are scored.
    #[serde(default)]
    pub from: EventTime,
    /// Event time until which they are.
    #[serde(default)]
    pub until: EventTime,
    /// Over all labels.
    pub overall: Scores,
    /// Per kind; precision over the alerts that say this kind.
    pub per_kind: BTreeMap<Kind, Scores>,
    /// Benign look-alikes, and how many of them the detector fell for.
    #[serde(default)]
    pub decoys: DecoyScores,
    /// The same per kind of decoy.
    #[serde(default)]
    pub decoys_per_kind: BTreeMap<Kind, DecoyScores>,
    /// Recall over how hard incidents are to see.
    #[serde(default)]
    pub difficulty: Difficulty,
    /// Labels left out because their tolerance passes the end of the run.
    pub truncated: u64,
    /// Labels and alerts left out because they lie in the warm-up.
    pub warm_up: Excluded,
    /// Alerts left out because they end after the end of the run, as truncated labels are.
    pub after_end: u64,
    /// Alerts that match only labels which are left out: neither true nor false.
    #[serde(default)]
    pub ignored: u64,
    /// Alerts with an id that was seen before.
    pub duplicates: u64,
    /// Alerts that match a label in time and kind but not in key.
    pub key_mismatch: u64,
    /// Alerts that are candidates for more than one label.
    pub shared_alerts: u64,
    /// What alerts at the same rate, placed at random, would score.
    pub random_baseline: Baseline,
    /// The same per kind, over the alerts that say this kind.
    #[serde(default)]
    pub random_baseline_per_kind: BTreeMap<Kind, Baseline>,
    /// The same labels and alerts, counted in other ways.
    #[serde(default)]
    pub accuracy: Accuracy,
    /// The tolerances that were used.
    pub tolerances: Tolerances,
    /// Labels that no alert matched, with their ids.
    pub missed: Vec<String>,
    /// Ids of alerts that matched no label (the first 1000).
    pub false_alerts: Vec<String>,
}

/// Recall over the two measures of difficulty that labels carry.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Difficulty {
    /// Over the label's signal to noise.
    pub snr: RecallCurve,
    /// Over the label's magnitude.
    pub magnitude: RecallCurve,
}

/// Recall in ranges of a measure, from hard to easy. Ranges without a label are left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RecallCurve {
    /// Over all labels that say the measure.
    pub overall: Vec<RecallBin>,
    /// Per kind; an alert that names another kind does not count.
    pub per_kind: BTreeMap<Kind, Vec<RecallBin>>,
    /// Labels that do not say it.
    pub unstated: u64,
}

/// Recall over the labels in a range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecallBin {
    /// Lower bound of the range, inclusive.
    pub from: f64,
    /// Upper bound, exclusive; absent for the last range.
    pub below: Option<f64>,
    /// Labels in it; never 0.
    pub labels: u64,
    /// Those that were detected.
    pub detected: u64,
    /// `detected / labels`.
    pub recall: Option<f64>,
    /// Wilson interval of the recall, 95 %.
    pub interval: Option<[f64; 2]>,
}

/// How often a detector alerts on what only looks like an incident. Such alerts are among the false ones.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DecoyScores {
    /// Decoys that count.
    pub decoys: u64,
    /// Decoys with at least one false alert.
    pub alerted: u64,
    /// False alerts on decoys.
    pub alerts: u64,
    /// `alerted / decoys`.
    pub share: Option<f64>,
    /// Wilson interval of the share, 95 %.
    pub interval: Option<[f64; 2]>,
}

/// What was left out with the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Excluded {
    /// Labels.
    pub labels: u64,
    /// Alerts.
    pub alerts: u64,
}

/// Incident-level scores. `recall = detected / labels`;
/// `precision = detected / (detected + false_merged)`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Scores {
    /// Labels.
    pub labels: u64,
    /// Labels with at least one candidate alert.
    pub detected: u64,
    /// Alerts.
    pub alerts: u64,
    /// Alerts that are a candidate for a label.
    pub true_alerts: u64,
    /// False alerts, merged per key and kind where they are close.
    pub false_merged: u64,
    /// Share of the labels that were detected.
    pub recall: Option<f64>,
    /// Wilson interval of the recall, 95 %.
    pub recall_interval: Option<[f64; 2]>,
    /// Deduplicated precision: the one in headlines, F1 and gates.
    pub precision: Option<f64>,
    /// Wilson interval of the precision, 95 %.
    pub precision_interval: Option<[f64; 2]>,
    /// `true_alerts / alerts`: shown beside, as repeated true alerts raise it.
    pub alert_precision: Option<f64>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// Median of first alert's event time less the label's start, found incidents only, milliseconds.
    pub delay_median_ms: Option<f64>,
}

/// Score expected of alerts placed uniformly over (key, event time) at the same rate.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// Share of the space inside the labels' matching windows: what to hold `alert_precision` against.
    pub precision: Option<f64>,
    /// Expected share of labels hit.
    pub recall: Option<f64>,
    /// Expected deduplicated precision: what to hold `precision` against.
    #[serde(default)]
    pub deduplicated_precision: Option<f64>,
}

/// The tolerances that a score was computed with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tolerances {
    /// Before a label's start, milliseconds of event time.
    pub early_ms: i64,
    /// After a label's end, per kind, milliseconds of event time.
    pub late_ms: BTreeMap<Kind, i64>,
    /// An alert's interval is cut to its last part of this length, milliseconds of event time.
    pub max_span_ms: i64,
    /// False alerts closer than this are one, milliseconds of event time.
    pub merge_gap_ms: i64,
}

/// Rates of a stream, events per second of wall time over the time in which events were due.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Throughput {
    /// Due.
    pub offered: f64,
    /// Handed to the client.
    pub sent: f64,
    /// Acknowledged by the broker.
    pub acknowledged: f64,
    /// Consumed by the subject; `null` where it does not tell.
    pub consumed: Option<f64>,
}

/// What disturbed a stream.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Disorder {
    /// Events that were sent, without the extra records beside them.
    pub events: u64,
    /// Share of the events that were delayed within the bound, by `disorder`.
    pub disordered: Asked,
    /// Share of the events that were delayed by `lateness`.
    pub late: Asked,
    /// Share of the events that were recorded while a device was offline. Its `asked` is the share of
    /// entities times the share of the time.
    pub offline: Asked,
    /// The longest delay of an event, milliseconds of event time.
    pub longest_delay_ms: i64,
    /// Share of the events that lay further behind the newest of their partition than the bound of the
    /// subject's watermark; `null` where that is not known.
    pub beyond_watermark: Option<f64>,
    /// Second copies, with either id.
    pub duplicates: u64,
    /// Records that no reader accepts.
    pub malformed: u64,
    /// Slots without an event: of a silent sensor, or while all partitions were idle.
    pub silent: u64,
}

impl Disorder {
    /// True if nothing disturbed the stream.
    #[must_use]
    pub fn is_none(&self) -> bool {
        let asked = [self.disordered, self.late, self.offline];
        let any = |share: &Asked| share.asked.is_some() || share.found > 0.0;
        self.duplicates + self.malformed == 0
            && self.beyond_watermark.is_none_or(|share| share == 0.0)
            && !asked.iter().any(any)
    }
}

/// A share that a profile asks for, and what came out.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// The share asked for; `null` if the profile does not.
    pub asked: Option<f64>,
    /// The share that came out.
    pub found: f64,
}

/// A latency distribution in microseconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LatencySummary {
    /// Number of values.
    pub count: u64,
    /// Smallest.
    pub min_us: Option<u64>,
    /// Arithmetic mean.
    pub mean_us: Option<f64>,
    /// Percentiles by name: `p50`, `p90`, `p99`, `p99.9`, `max`. A tail percentile without enough
    /// values behind it is left out.
    pub percentiles: BTreeMap<String, u64>,
    /// Points of the percentile curve, as pairs of a percentile (0 to 100) and microseconds, up to
    /// the highest percentile that has enough values behind it.
    #[serde(default)]
    pub curve: Vec<[f64; 2]>,
    /// What is measured, from when to when.
    pub meaning: String,
}

/// Where the time of the alerts of one pipeline and kind goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Waterfall {
    /// Name of the detector or rule, as its alerts say; `all` for all of them.
    pub pipeline: String,
    /// The kind, where the alerts say one.
    pub kind: Option<String>,
    /// Alerts.
    pub alerts: u64,
    /// Of those, alerts that came before their own end; their stages but the window are 0.
    pub ahead: u64,
    /// Stages in order: `window`, `hand-over`, `wait`, `detector`, `collect`.
    pub stages: Vec<Stage>,
    /// From the due time of the alert's last event to the broker's append time of the alert.
    pub from_due: Stage,
    /// The same from that event's hand-over to the client library.
    pub from_hand_over: Stage,
}

/// A stage of a waterfall. Means add up to the whole, percentiles do not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Arithmetic mean, microseconds.
    pub mean_us: f64,
    /// Median, microseconds.
    pub p50_us: u64,
    /// 99th percentile, microseconds; `null` below 100 alerts.
    pub p99_us: Option<u64>,
    /// What is measured.
    pub meaning: String,
}

/// Whether a run came to a steady state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Steady {
    /// Whether one was found; `null` where nothing tells.
    pub detected: Option<bool>,
    /// The second of the run at which it begins; it lasts until the last event.
    pub from: Option<i64>,
    /// Growth of the lag in it, or in the last time looked at: records per second.
    pub lag_slope: Option<f64>,
    /// Why, in words.
    pub reason: String,
}

/// Figures of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseFigures {
    /// `warm-up`, `steady`, `drain`; `measured` in place of `steady` where none was found.
    pub name: String,
    /// Its start, seconds from the first due time.
    pub from_s: f64,
    /// Its end.
    pub until_s: f64,
    /// Events sent per second; `null` where none is counted.
    pub sent: Option<f64>,
    /// Events consumed per second.
    pub consumed: Option<f64>,
    /// Mean of the lag, records.
    pub lag_mean: Option<f64>,
    /// Largest lag, records.
    pub lag_max: Option<f64>,
    /// Alerts whose end was due in it.
    pub alerts: u64,
    /// Of those, alerts that came before their own end: they have no latency. In the drain they are of windows that the
    /// last events closed before their time.
    #[serde(default)]
    pub ahead: u64,
    /// Median of the latency of the others, microseconds.
    pub alert_p50_us: Option<u64>,
    /// 99th percentile of it, microseconds; `null` below 100 of them.
    pub alert_p99_us: Option<u64>,
}

/// A gate with what was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateResult {
    /// The gate.
    pub gate: GateSection,
    /// The value of its metric; `null` if undefined, which fails the gate.
    pub found: Option<f64>,
    /// Whether it holds.
    pub passed: bool,
}
