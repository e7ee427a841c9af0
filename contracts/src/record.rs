//! The run record: facts first, opinions later.
//!
//! `record.json`, `labels.ndjson` and `alerts.ndjson` suffice to score a run again.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    audit::AuditFacts,
    clock::{EventTime, RunMicros, Timeline, WallTime},
    fault::{FaultFacts, LagSample},
    histogram::EncodedHistogram,
    job::GeneratorSection,
    lateness::LatenessByDue,
    probe::ClockFacts,
    profile::{GateSection, ScoringSection},
    resources::{MachineFacts, Usage},
    result::Validity,
    setting::Setting,
    stream::Stream,
};

pub use crate::subject::SubjectFacts;

/// Everything about a run that was observed, but the labels, alerts and time series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// Version of this file's shape.
    pub schema_version: u32,
    /// Version of floodmark that made the run.
    pub floodmark_version: String,
    /// What was generated, resolved.
    pub plan: GeneratorSection,
    /// How it is to be scored.
    pub scoring: ScoringSection,
    /// The gates of the run.
    pub gates: Vec<GateSection>,
    /// The command that makes the run again.
    pub reproduce: String,
    /// The broker: `embedded`, `kafka-home`, `testcontainers` or `external`.
    pub broker: String,
    /// The subject: `bundled`, `none`, `always`, or the name of another.
    pub subject: String,
    /// Effective client settings, secrets redacted.
    pub client: BTreeMap<String, String>,
    /// Every setting that is not left at its default, with where it comes from. Secrets are redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
    /// Wall time of the run's start: microsecond 0 of every [`RunMicros`].
    pub started_at: WallTime,
    /// Wall time from `bench` to the first event's due time, and so on: ends of the phases.
    pub phases: Vec<Phase>,
    /// Event time against wall time.
    pub timeline: Timeline,
    /// Event time before which labels and alerts are not scored.
    pub warm_up_until: EventTime,
    /// Bound of the subject's watermark in milliseconds of event time, where it is known.
    #[serde(default)]
    pub watermark_bound_ms: Option<i64>,
    /// Event time of the end of the run: labels whose tolerance passes it are `truncated`.
    pub event_time_end: EventTime,
    /// What the generator saw, per stream.
    pub generator: BTreeMap<Stream, StreamFacts>,
    /// What the subject saw.
    pub subject_facts: SubjectFacts,
    /// What the collector saw.
    pub collector: CollectorFacts,
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
    /// Whether the figures can be trusted.
    pub validity: Validity,
    /// True if the run was cut short, by a signal or otherwise.
    pub interrupted: bool,
    /// What was broken on purpose, in the order in which it began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultFacts>,
    /// The subject's lag over time; kept where something was broken on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lag: Vec<LagSample>,
    /// How it came to its end.
    #[serde(default)]
    pub ending: Ending,
    /// The last lines of the subject's log, where it ended the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject_lines: Vec<String>,
    /// What was found beside the run and does not touch its figures, such as what a crashed run has left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

/// How a run came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Everything was generated, and the drain is over.
    #[default]
    Completed,
    /// By a signal.
    Interrupted,
    /// By the profile's `time_limit`.
    TimeLimit,
    /// The subject did not become ready: nothing was generated. In words, what was waited for.
    SubjectNotReady(String),
    /// A process of the subject ended by itself. In words, how.
    SubjectDied(String),
}

/// A phase of the run with its wall times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Phase {
    /// `setup`, `generate`, `drain`.
    pub name: String,
    /// Start, from the start of the run; negative before the first due time.
    pub from: RunMicros,
    /// End, from the start of the run.
    pub to: RunMicros,
}

/// `generator.json`: what the generator leaves behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratorFacts {
    /// Wall time of the run's start: due time 0.
    pub started_at: WallTime,
    /// Per stream.
    pub streams: BTreeMap<Stream, StreamFacts>,
    /// True if a signal cut it short.
    pub interrupted: bool,
    /// Event time that can be scored.
    pub scored: EventSpan,
}

/// A span of event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct EventSpan {
    /// First instant in it: the end of the warm-up.
    pub from: EventTime,
    /// First instant behind it: the end of the run, or where a signal stopped it.
    pub until: EventTime,
}

/// What the generator saw of one stream.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StreamFacts {
    /// Full names of its topics: one, unless its types of sensors have their own.
    pub topics: Vec<String>,
    /// Events that were due (of the plan, or until the signal).
    pub due: u64,
    /// Records handed to the client: events, and the extra records beside them.
    pub sent: u64,
    /// Events acknowledged by the broker.
    pub acknowledged: u64,
    /// Events that the client gave up on.
    pub failed: u64,
    /// The same by the client's code for the reason, such as `MessageTimedOut`.
    #[serde(default)]
    pub failures: BTreeMap<String, u64>,
    /// Times that the client's queue was full and the event was offered again.
    pub queue_full: u64,
    /// Requests that the client sent again, each with many events.
    #[serde(default)]
    pub retries: u64,
    /// Times that a broker made the client wait, to hold it to a quota.
    #[serde(default)]
    pub throttles: u64,
    /// How long in all, milliseconds, summed over the clients.
    #[serde(default)]
    pub throttled_ms: u64,
    /// Bytes of keys and values handed to the client.
    pub bytes: u64,
    /// Events that only close the last windows; counted in none of the other figures.
    pub closing: u64,
    /// Due time to hand-over, microseconds.
    pub send_lateness: EncodedHistogram,
    /// Hand-over to acknowledgement, microseconds.
    pub acknowledge_latency: EncodedHistogram,
    /// Due time to acknowledgement, microseconds.
    #[serde(default)]
    pub due_to_acknowledged: EncodedHistogram,
    /// Due time to hand-over, by due time: what a latency from hand-over is computed with.
    #[serde(default)]
    pub lateness_by_due: LatenessByDue,
    /// Sent over due in every ten seconds.
    #[serde(default)]
    pub rate: Vec<RateWindow>,
    /// Delay of arrival behind event time, as it came out.
    pub disorder: DisorderFacts,
    /// Records that were sent beside the events.
    #[serde(default)]
    pub extras: ExtraFacts,
    /// Slots that hold no event: a silent sensor's, or while all partitions are idle. Slots are
    /// `sent - extras + silent`.
    #[serde(default)]
    pub silent: u64,
    /// Digest of the keys and values of all events, independent of their order: the sum, modulo
    /// 2^128, of a 128-bit hash of each; in hexadecimal.
    pub fingerprint: String,
}

/// What was due and what was sent in ten seconds of wall time. The last window is up to fifteen seconds
/// long, or shorter where the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RateWindow {
    /// Its first second, from the start of the run.
    pub from: i64,
    /// The second at which it ends.
    pub to: i64,
    /// Events that were due in it.
    pub due: u64,
    /// Events that were sent in it, whenever they were due.
    pub sent: u64,
    /// Events that were due before its end and were not sent at its end.
    pub unsent: u64,
}

impl RateWindow {
    /// Share of the events due that were not sent in time; `None` if none was due.
    #[must_use]
    pub fn error(&self) -> Option<f64> {
        (self.due > 0).then(|| self.unsent as f64 / self.due as f64)
    }
}

/// Disorder as it came out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DisorderFacts {
    /// Events that were delayed within the bound.
    pub disordered: u64,
    /// Events that were delayed by the lateness distribution.
    pub late: u64,
    /// Events that a device recorded while it was offline.
    #[serde(default)]
    pub offline: u64,
    /// The longest delay, milliseconds of event time.
    pub max_delay_ms: i64,
    /// Delay of arrival behind event time, milliseconds of event time, over delayed events.
    #[serde(default)]
    pub delay: EncodedHistogram,
    /// How far events lie behind the newest of their partition, milliseconds of event time, over those
    /// that do: what a watermark's bound must cover.
    #[serde(default)]
    pub behind: EncodedHistogram,
}

/// Records that were sent beside the events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ExtraFacts {
    /// Second copies, equal byte by byte.
    pub copies: u64,
    /// Second copies under an id of their own.
    pub new_ids: u64,
    /// Records that no reader accepts, by what is wrong with them: `bad-json`, `missing-field`,
    /// `wrong-type`, `unknown-schema`, `truncated`.
    pub malformed: BTreeMap<String, u64>,
}

impl ExtraFacts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.copies + self.new_ids + self.malformed.values().sum::<u64>()
    }
}

/// What the collector saw.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CollectorFacts {
    /// Alerts read and understood.
    pub alerts: u64,
    /// Records on the alert topics that are no alerts.
    pub garbage: u64,
    /// The first few reasons why.
    pub garbage_examples: Vec<String>,
    /// Alerts read and understood that are not in `alerts.ndjson`, as it holds so many already.
    #[serde(default)]
    pub not_kept: u64,
    /// Partitions of the topics of alerts that were not read to their ends in time.
    #[serde(default)]
    pub unread_partitions: u64,
    /// What ended the reading of alerts before its time, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Wall time from the last alert to the end of the drain, milliseconds; absent without alerts.
    pub quiet_ms: Option<i64>,
}

/// Resources of one process of the run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProcessFacts {
    /// `generator`, `subject`, `broker`, `registry`, `harness`.
    pub role: String,
    /// User and system CPU time, seconds.
    pub cpu_seconds: f64,
    /// Peak resident set, bytes; of several processes, of all at once.
    pub peak_rss_bytes: u64,
    /// All that was counted, over the role's processes.
    #[serde(default)]
    pub usage: Usage,
}

/// The machine on which the run was made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Operating system and kernel release.
    pub os: String,
    /// Processor model.
    pub cpu: String,
    /// Processors that the run could use.
    pub cpus: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
}

/// One value of a time series: a line of `timeseries.ndjson`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SeriesRow {
    /// Seconds of wall time since the start of the run, at the end of the interval of one second.
    pub t: i64,
    /// What is counted: `due`, `sent`, `acknowledged`, `failed`, `queue_full`, `consumed`, `alerts`; or
    /// what stood at the end of the interval: `unsent` (events due and not sent), `lag` (records),
    /// `lag_s` (seconds since the first unread record was appended), `members` (of the subject's group); or
    /// `rebalances` (of that group, as looks at it show them: one at most for each); or
    /// `send_lateness_max_us`; or of a process, a second: `cpu_user_s`, `cpu_system_s`, `run_delay_s`,
    /// `read_bytes`, `written_bytes`, `switches_voluntary`, `switches_involuntary`, `faults_minor`,
    /// `faults_major`; or what it had at the end of the interval: `rss_bytes`, `threads`; or of the machine:
    /// `steal_s`, `disk_free_bytes`, `broker_bytes`.
    pub metric: String,
    /// The stream, where the metric is per stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    /// The process's role, where the metric is per process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// The value in this interval.
    pub value: f64,
}
