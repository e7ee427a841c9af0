//! The figures of a run by stable names: what gates, comparisons and exports refer to.
//!
//! `FAMILIES` is the one list of them; `docs/metrics.md` describes each.

mod accuracy;

use std::collections::BTreeMap;

use floodmark_contracts::{
    accuracy::LatenessClasses,
    audit::{AuditFacts, AuditMode, Differences},
    fault::FaultScores,
    kind::Kind,
    record::RunRecord,
    resources::Usage,
    result::{DecoyScores, Detection, Direction, LatencySummary, Metric, Scores, Throughput},
    stream::Stream,
};

use crate::{
    intervals::{CONFIDENCE, wilson},
    latency::{LATENCIES, PERCENTILES},
    throughput::{consumed, total},
};

/// Metrics that differ only in what stands for `<stream>`, `<kind>`, `<decoy>`, `<role>`, `<latency>` or
/// `<percentile>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The name, with placeholders.
    pub pattern: &'static str,
    /// The unit of the value.
    pub unit: &'static str,
    /// Which way is better.
    pub direction: Direction,
}

const fn family(pattern: &'static str, unit: &'static str, direction: Direction) -> Family {
    Family {
        pattern,
        unit,
        direction,
    }
}

/// Every metric that there is.
pub const FAMILIES: [Family; 70] = [
    family("detection.recall", "ratio", Direction::Higher),
    family("detection.recall.<kind>", "ratio", Direction::Higher),
    family("detection.recall.on_time", "ratio", Direction::Higher),
    family("detection.recall.late", "ratio", Direction::Higher),
    family(
        "detection.recall.beyond_watermark",
        "ratio",
        Direction::Higher,
    ),
    family("detection.precision", "ratio", Direction::Higher),
    family("detection.precision.<kind>", "ratio", Direction::Higher),
    family("detection.f1", "ratio", Direction::Higher),
    family("detection.f1.<kind>", "ratio", Direction::Higher),
    family("detection.alert_precision", "ratio", Direction::Higher),
    family(
        "detection.alert_precision.<kind>",
        "ratio",
        Direction::Higher,
    ),
    family("detection.delay", "ms", Direction::Lower),
    family("detection.delay.<kind>", "ms", Direction::Lower),
    family("detection.one_to_one.precision", "ratio", Direction::Higher),
    family("detection.one_to_one.recall", "ratio", Direction::Higher),
    family("detection.one_to_one.f1", "ratio", Direction::Higher),
    family("detection.windows.precision", "ratio", Direction::Higher),
    family("detection.windows.recall", "ratio", Direction::Higher),
    family("detection.windows.f1", "ratio", Direction::Higher),
    family("detection.events.precision", "ratio", Direction::Higher),
    family("detection.events.recall", "ratio", Direction::Higher),
    family("detection.events.f1", "ratio", Direction::Higher),
    family("detection.average_precision", "ratio", Direction::Higher),
    family("detection.kinds.macro_f1", "ratio", Direction::Higher),
    family("detection.range.f1", "ratio", Direction::Higher),
    family("detection.affiliation.f1", "ratio", Direction::Higher),
    family("detection.nab.standard", "score", Direction::Higher),
    family(
        "detection.false_per_million_events",
        "count/M",
        Direction::Lower,
    ),
    family("detection.detect.p50", "ms", Direction::Lower),
    family("detection.detect.p90", "ms", Direction::Lower),
    family("detection.labels", "count", Direction::Neutral),
    family("detection.alerts", "count", Direction::Neutral),
    family("detection.false_alerts", "count", Direction::Lower),
    family("detection.decoys", "count", Direction::Neutral),
    family("detection.decoys_alerted", "ratio", Direction::Lower),
    family(
        "detection.decoys_alerted.<decoy>",
        "ratio",
        Direction::Lower,
    ),
    family("throughput.offered", "events/s", Direction::Neutral),
    family(
        "throughput.offered.<stream>",
        "events/s",
        Direction::Neutral,
    ),
    family("throughput.sent", "events/s", Direction::Higher),
    family("throughput.sent.<stream>", "events/s", Direction::Higher),
    family("throughput.acknowledged", "events/s", Direction::Higher),
    family(
        "throughput.acknowledged.<stream>",
        "events/s",
        Direction::Higher,
    ),
    family("throughput.consumed", "events/s", Direction::Higher),
    family(
        "throughput.consumed.<stream>",
        "events/s",
        Direction::Higher,
    ),
    family("latency.<latency>.mean", "us", Direction::Lower),
    family("latency.<latency>.<percentile>", "us", Direction::Lower),
    family("cpu.<role>.per_million_events", "cpu-s/M", Direction::Lower),
    family("memory.<role>.peak", "bytes", Direction::Lower),
    family("memory.<role>.growth", "bytes", Direction::Lower),
    family(
        "run_delay.<role>.per_million_events",
        "s/M",
        Direction::Lower,
    ),
    family(
        "io.<role>.read_per_million_events",
        "bytes/M",
        Direction::Lower,
    ),
    family(
        "io.<role>.written_per_million_events",
        "bytes/M",
        Direction::Lower,
    ),
    family(
        "switches.<role>.voluntary_per_million_events",
        "count/M",
        Direction::Lower,
    ),
    family(
        "switches.<role>.involuntary_per_million_events",
        "count/M",
        Direction::Lower,
    ),
    family(
        "faults.<role>.minor_per_million_events",
        "count/M",
        Direction::Lower,
    ),
    family(
        "faults.<role>.major_per_million_events",
        "count/M",
        Direction::Lower,
    ),
    family("errors.send_failed", "count", Direction::Lower),
    family("errors.dead_letters", "count", Direction::Lower),
    family("errors.garbage_alerts", "count", Direction::Lower),
    family("events.late", "count", Direction::Neutral),
    family("audit.compared", "count", Direction::Neutral),
    family("audit.lost", "count", Direction::Lower),
    family("audit.doubled", "count", Direction::Lower),
    family("audit.reordered", "count", Direction::Lower),
    family("audit.altered", "count", Direction::Lower),
    family("audit.foreign", "count", Direction::Lower),
    family("faults.recovery.max", "us", Direction::Lower),
    family("faults.unrecovered", "count", Direction::Lower),
    family("faults.recall.during", "ratio", Direction::Higher),
    family("faults.lag.max", "count", Direction::Lower),
];

/// The processes of a run.
const ROLES: [&str; 5] = ["generator", "subject", "broker", "registry", "harness"];

/// Every name of a metric, with its family.
pub fn names() -> impl Iterator<Item = (String, Family)> {
    FAMILIES.into_iter().flat_map(|family| {
        expand(family.pattern)
            .into_iter()
            .map(move |name| (name, family))
    })
}

/// The family of the metric `name`, if there is such a metric.
#[must_use]
pub fn find(name: &str) -> Option<Family> {
    names()
        .find(|(known, _)| known == name)
        .map(|(_, family)| family)
}

/// Every figure of a run, undefined ones included.
pub(crate) fn collect(
    record: &RunRecord,
    detection: &Detection,
    throughput: &BTreeMap<Stream, Throughput>,
    latency: &BTreeMap<String, LatencySummary>,
    faults: &[FaultScores],
    memory_growth: &BTreeMap<String, f64>,
) -> BTreeMap<String, Metric> {
    let mut sheet = Sheet {
        families: names().collect(),
        metrics: BTreeMap::new(),
    };
    sheet.scores("", &detection.overall);
    for (kind, scores) in &detection.per_kind {
        sheet.scores(&format!(".{kind}"), scores);
    }
    sheet.lateness(&detection.accuracy.lateness.overall);
    sheet.accuracy(&detection.accuracy);
    let overall = &detection.overall;
    sheet.put("detection.labels", Some(overall.labels as f64));
    sheet.put("detection.alerts", Some(overall.alerts as f64));
    sheet.put("detection.false_alerts", Some(overall.false_merged as f64));
    sheet.put("detection.decoys", Some(detection.decoys.decoys as f64));
    sheet.decoys("", &detection.decoys);
    for (kind, scores) in &detection.decoys_per_kind {
        // Truth that others wrote may call any kind benign; those have no name here.
        if Kind::DECOYS.contains(kind) {
            sheet.decoys(&format!(".{kind}"), scores);
        }
    }
    sheet.throughput("", &total(throughput));
    for (stream, rates) in throughput {
        sheet.throughput(&format!(".{stream}"), rates);
    }
    for (name, summary) in latency {
        sheet.put(&format!("latency.{name}.mean"), summary.mean_us);
        for percentile in percentile_names() {
            let value = summary.percentiles.get(percentile).map(|us| *us as f64);
            sheet.put(&format!("latency.{name}.{percentile}"), value);
        }
    }
    sheet.resources(record, memory_growth);
    let facts = record.generator.values();
    sheet.put(
        "errors.send_failed",
        Some(facts.map(|f| f.failed).sum::<u64>() as f64),
    );
    sheet.put(
        "errors.dead_letters",
        Some(record.subject_facts.dead_letters as f64),
    );
    sheet.put(
        "errors.garbage_alerts",
        Some(record.collector.garbage as f64),
    );
    let late = &record.subject_facts.late;
    let late = (!late.is_empty()).then(|| late.values().sum::<u64>() as f64);
    sheet.put("events.late", late);
    sheet.audit(&record.audit);
    if !faults.is_empty() {
        sheet.faults(faults);
    }
    sheet.metrics
}

/// Metrics with units and directions from the families, so that no figure can go without.
struct Sheet {
    families: BTreeMap<String, Family>,
    metrics: BTreeMap<String, Metric>,
}

impl Sheet {
    fn put(&mut self, name: &str, value: Option<f64>) {
        self.put_with(name, value, None);
    }

    fn put_with(&mut self, name: &str, value: Option<f64>, interval: Option<[f64; 2]>) {
        debug_assert!(self.families.contains_key(name), "`{name}` is in no family");
        let Some(family) = self.families.get(name) else {
            return;
        };
        let metric = Metric {
            value: value.filter(|value| value.is_finite()),
            interval,
            unit: family.unit.to_owned(),
            direction: family.direction,
        };
        self.metrics.insert(name.to_owned(), metric);
    }

    fn scores(&mut self, suffix: &str, scores: &Scores) {
        let name = |figure: &str| format!("detection.{figure}{suffix}");
        self.put_with(&name("recall"), scores.recall, scores.recall_interval);
        self.put_with(
            &name("precision"),
            scores.precision,
            scores.precision_interval,
        );
        self.put(&name("f1"), scores.f1);
        self.put(&name("alert_precision"), scores.alert_precision);
        self.put(&name("delay"), scores.delay_median_ms);
    }

    fn lateness(&mut self, classes: &LatenessClasses) {
        for (name, class) in [
            ("on_time", classes.on_time),
            ("late", classes.late),
            ("beyond_watermark", classes.beyond_watermark),
        ] {
            let name = format!("detection.recall.{name}");
            self.put_with(&name, class.recall, class.interval);
        }
    }

    /// Over all faults of a run. One that the run did not recover from leaves the longest recovery undefined.
    fn faults(&mut self, faults: &[FaultScores]) {
        let recoveries: Option<Vec<f64>> = faults.iter().map(|fault| fault.recovery_s).collect();
        let longest = recoveries.map(|all| all.into_iter().fold(0.0, f64::max) * 1e6);
        self.put("faults.recovery.max", longest);
        let never = faults.iter().filter(|fault| fault.recovery_s.is_none());
        self.put("faults.unrecovered", Some(never.count() as f64));
        let labels: u64 = faults.iter().map(|fault| fault.during.labels).sum();
        let detected: u64 = faults.iter().map(|fault| fault.during.detected).sum();
        let recall = (labels > 0).then(|| detected as f64 / labels as f64);
        let interval = wilson(detected, labels, CONFIDENCE);
        self.put_with("faults.recall.during", recall, interval);
        let spans = faults
            .iter()
            .flat_map(|fault| [&fault.during, &fault.after]);
        let highest = spans.filter_map(|span| span.lag_max).max();
        self.put("faults.lag.max", highest.map(|lag| lag as f64));
    }

    fn decoys(&mut self, suffix: &str, scores: &DecoyScores) {
        let name = format!("detection.decoys_alerted{suffix}");
        self.put_with(&name, scores.share, scores.interval);
    }

    fn throughput(&mut self, suffix: &str, rates: &Throughput) {
        self.put(&format!("throughput.offered{suffix}"), Some(rates.offered));
        self.put(&format!("throughput.sent{suffix}"), Some(rates.sent));
        self.put(
            &format!("throughput.acknowledged{suffix}"),
            Some(rates.acknowledged),
        );
        self.put(&format!("throughput.consumed{suffix}"), rates.consumed);
    }

    /// CPU and memory per role. CPU time is set against what the role works on: events sent, or
    /// consumed for the subject.
    fn resources(&mut self, record: &RunRecord, growth: &BTreeMap<String, f64>) {
        let sent: u64 = record.generator.values().map(|facts| facts.sent).sum();
        let told: Option<Vec<u64>> = record
            .generator
            .keys()
            .map(|stream| consumed(record, *stream))
            .collect();
        let consumed = told.map_or(sent, |told| told.iter().sum());
        for role in ROLES {
            let events = if role == "subject" { consumed } else { sent };
            let processes = || {
                record
                    .processes
                    .iter()
                    .filter(|process| process.role == role)
            };
            if processes().next().is_none() {
                continue;
            }
            let cpu: f64 = processes().map(|process| process.cpu_seconds).sum();
            let per_million = (events > 0).then(|| cpu / (events as f64 / 1e6));
            self.put(&format!("cpu.{role}.per_million_events"), per_million);
            let peak = processes()
                .map(|process| process.peak_rss_bytes)
                .sum::<u64>();
            self.put(&format!("memory.{role}.peak"), Some(peak as f64));
            let growth = growth.get(role).copied();
            self.put(&format!("memory.{role}.growth"), growth);
            let mut usage = Usage::default();
            processes().for_each(|process| usage.add(&process.usage));
            self.usage(role, &usage, events);
        }
    }

    /// What the topics held. Undefined where records were not compared.
    fn audit(&mut self, audit: &AuditFacts) {
        let mut found = Differences::default();
        let mut compared = 0;
        for stream in audit.streams.values() {
            found.add(stream.found);
            compared += stream.compared;
        }
        let full = audit.mode == AuditMode::Full;
        for (name, value) in [
            ("compared", compared),
            ("lost", found.lost),
            ("doubled", found.doubled),
            ("reordered", found.reordered),
            ("altered", found.altered),
            ("foreign", found.foreign),
        ] {
            self.put(&format!("audit.{name}"), full.then_some(value as f64));
        }
    }

    /// What else a role used, each per million events that it worked on.
    fn usage(&mut self, role: &str, usage: &Usage, events: u64) {
        let count = |value: Option<u64>| value.map(|value| value as f64);
        for (name, value) in [
            (format!("run_delay.{role}"), usage.run_delay_seconds),
            (format!("io.{role}.read"), count(usage.read_bytes)),
            (format!("io.{role}.written"), count(usage.written_bytes)),
            (
                format!("switches.{role}.voluntary"),
                count(usage.voluntary_switches),
            ),
            (
                format!("switches.{role}.involuntary"),
                count(usage.involuntary_switches),
            ),
            (format!("faults.{role}.minor"), count(usage.minor_faults)),
            (format!("faults.{role}.major"), count(usage.major_faults)),
        ] {
            let joint = if name.starts_with("run_delay") {
                "."
            } else {
                "_"
            };
            let per_million = value
                .filter(|_| events > 0)
                .map(|v| v / (events as f64 / 1e6));
            self.put(&format!("{name}{joint}per_million_events"), per_million);
        }
    }
}

fn percentile_names() -> impl Iterator<Item = &'static str> {
    PERCENTILES
        .into_iter()
        .map(|(name, _, _)| name)
        .chain(["max"])
}

fn expand(pattern: &str) -> Vec<String> {
    let fill = |placeholder: &str, values: Vec<&str>| -> Vec<String> {
        let filled = values
            .into_iter()
            .map(|value| pattern.replacen(placeholder, value, 1));
        filled.flat_map(|name| expand(&name)).collect()
    };
    if pattern.contains("<stream>") {
        fill("<stream>", Stream::ALL.map(Stream::name).to_vec())
    } else if pattern.contains("<kind>") {
        fill("<kind>", Kind::ALL.map(Kind::name).to_vec())
    } else if pattern.contains("<decoy>") {
        fill("<decoy>", Kind::DECOYS.map(Kind::name).to_vec())
    } else if pattern.contains("<role>") {
        fill("<role>", ROLES.to_vec())
    } else if pattern.contains("<latency>") {
        fill("<latency>", LATENCIES.map(|(name, _)| name).to_vec())
    } else if pattern.contains("<percentile>") {
        fill("<percentile>", percentile_names().collect())
    } else {
        vec![pattern.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_have_no_placeholder_left() {
        let all: Vec<String> = names().map(|(name, _)| name).collect();
        let unique: BTreeSet<&String> = all.iter().collect();
        assert_eq!(all.len(), unique.len());
        assert!(all.iter().all(|name| !name.contains('<')), "{all:?}");
        assert!(unique.contains(&"latency.send_lateness.p99.9".to_owned()));
        assert!(unique.contains(&"detection.recall.drop-out".to_owned()));
    }

    #[test]
    fn a_metric_is_found_by_its_whole_name_only() {
        assert_eq!(find("latency.alert.p99").unwrap().unit, "us");
        assert_eq!(find("latency.alert"), None);
        assert_eq!(find("detection.recall.spike"), None);
    }

    #[test]
    fn the_reference_lists_every_family_with_its_unit_and_direction() {
        let reference = include_str!("../../docs/metrics.md");
        for family in FAMILIES {
            let direction = match family.direction {
                Direction::Higher => "higher",
                Direction::Lower => "lower",
                Direction::Neutral => "neutral",
            };
            let row = format!("| `{}` | {} | {direction} |", family.pattern, family.unit);
            assert!(
                reference.contains(&row),
                "docs/metrics.md has no row `{row}`"
            );
        }
    }
}
