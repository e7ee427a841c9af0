//! Rows of what the harness noted beside the figures: processes, the machine, the topics.

use floodmark_contracts::{
    audit::{AuditMode, StreamAudit},
    result::RunResult,
    stream::Stream,
};

use super::tables::{NOTHING, Pair};
use crate::{
    format::{UNDEFINED, bytes, count, micros, number, percent, plural},
    verdict::sentence_of,
};

/// What one of the run's processes used.
pub(super) struct ProcessRow<'a> {
    pub(super) role: &'a str,
    pub(super) cpu: String,
    pub(super) per_million: String,
    pub(super) peak: String,
    /// By how much its memory grew behind the first third of generation.
    pub(super) growth: String,
    /// The rest is empty where the kernel did not tell.
    pub(super) waited: String,
    pub(super) read: String,
    pub(super) written: String,
    pub(super) switches: String,
    pub(super) faults: String,
}

/// Processes in the order in which they were measured.
pub(super) fn processes(result: &RunResult) -> Vec<ProcessRow<'_>> {
    let per_million = |name: &str| {
        let metric = result.metrics.get(&format!("{name}per_million_events"));
        metric.and_then(|metric| metric.value)
    };
    let nothing = || NOTHING.to_owned();
    let growth = |name: &str| {
        let grew = result.metrics.get(name).and_then(|metric| metric.value);
        grew.map_or_else(nothing, |by| match by < 0.0 {
            true => format!("\u{2212}{}", bytes(-by)),
            false => format!("+{}", bytes(by)),
        })
    };
    let rows = result.processes.iter().map(|process| {
        let role = &process.role;
        let usage = &process.usage;
        let shown = |name: &str, form: fn(f64) -> String| {
            per_million(&format!("{name}_")).map_or_else(nothing, form)
        };
        ProcessRow {
            role,
            cpu: format!("{} s", number(process.cpu_seconds)),
            per_million: per_million(&format!("cpu.{role}."))
                .map_or_else(|| UNDEFINED.to_owned(), |v| format!("{} s", number(v))),
            peak: bytes(process.peak_rss_bytes as f64),
            growth: growth(&format!("memory.{role}.growth")),
            waited: usage
                .run_delay_seconds
                .map_or_else(nothing, |s| format!("{} s", number(s))),
            read: shown(&format!("io.{role}.read"), bytes),
            written: shown(&format!("io.{role}.written"), bytes),
            switches: shown(&format!("switches.{role}.voluntary"), number),
            faults: shown(&format!("faults.{role}.major"), number),
        }
    });
    rows.collect()
}

/// What the topics of one stream held.
pub(super) struct AuditRow {
    pub(super) stream: &'static str,
    pub(super) expected: String,
    pub(super) appended: String,
    pub(super) compared: String,
    pub(super) trimmed: String,
    /// Lost, doubled, reordered, altered, foreign; empty figures where records were only counted.
    pub(super) found: [String; 5],
}

/// What the input topics held; nothing where nobody looked.
pub(super) fn audit(result: &RunResult) -> Vec<AuditRow> {
    let full = result.audit.mode == AuditMode::Full;
    let shown = |value: u64| {
        if full {
            count(value)
        } else {
            NOTHING.to_owned()
        }
    };
    let row = |(stream, audit): (&Stream, &StreamAudit)| AuditRow {
        stream: stream.name(),
        expected: count(audit.expected),
        appended: count(audit.appended),
        compared: shown(audit.compared),
        trimmed: count(audit.trimmed),
        found: [
            audit.found.lost,
            audit.found.doubled,
            audit.found.reordered,
            audit.found.altered,
            audit.found.foreign,
        ]
        .map(shown),
    };
    result.audit.streams.iter().map(row).collect()
}

/// Records and alerts that are not as they should be, to look them up, and how the audit went.
pub(super) fn audit_notes(result: &RunResult) -> Vec<Pair> {
    let audit = &result.audit;
    let mut pairs = Vec::new();
    if let Some(reason) = &audit.reason {
        pairs.push(Pair::new("Records were only counted", sentence_of(reason)));
    }
    if audit.mode == AuditMode::Full {
        pairs.push(Pair::new(
            "Comparing took",
            format!("{} s", number(audit.seconds)),
        ));
    }
    let alerts = &audit.alerts;
    let written = alerts.written.map_or_else(String::new, |written| {
        format!(" of {} written", count(written))
    });
    pairs.push(Pair::new(
        "Alerts read",
        format!(
            "{}{written}, {} twice, {} out of order",
            count(alerts.collected),
            count(alerts.doubled),
            count(alerts.reordered)
        ),
    ));
    for odd in audit.streams.values().flat_map(|stream| &stream.examples) {
        let mut place = format!("{}[{}]", odd.topic, odd.partition);
        for (name, value) in [
            ("offset", odd.offset.map(|offset| offset.to_string())),
            ("slot", odd.slot.map(|slot| slot.to_string())),
            ("event", odd.event_id.clone()),
            ("key", odd.key.clone()),
        ] {
            if let Some(value) = value {
                place.push_str(&format!(" {name} {value}"));
            }
        }
        pairs.push(Pair::new(odd.what.name(), place));
    }
    for odd in &alerts.examples {
        let place = format!(
            "alert {} at {}[{}] offset {}",
            odd.id, odd.topic, odd.partition, odd.offset
        );
        pairs.push(Pair::new(odd.what.name(), place));
    }
    pairs
}

/// How the broker's clock stood to the harness's; nothing where nobody looked.
pub(super) fn clock(result: &RunResult) -> Vec<Pair> {
    let clock = &result.clock;
    let Some([low, high]) = clock.offset_us else {
        return Vec::new();
    };
    let millis = |us: i64| number(us as f64 / 1000.0);
    let mut pairs = vec![
        Pair::new(
            "Broker's clock is ahead by",
            format!("{} to {} ms", millis(low), millis(high)),
        ),
        Pair::new("Offset changed", plural(clock.drifts, "time")),
        Pair::new("Records that told", count(clock.told)),
        Pair::new("Negative latencies among them", count(clock.negative)),
    ];
    for (name, histogram) in [
        ("Hand-over to append", &clock.to_append),
        ("Append to read back", &clock.to_seen),
    ] {
        let Ok(histogram) = histogram.decoded() else {
            continue;
        };
        if !histogram.is_empty() {
            let at = |quantile| micros(histogram.value_at_quantile(quantile) as f64);
            let text = format!("p50 {}, p99 {}, most {}", at(0.5), at(0.99), at(1.0));
            pairs.push(Pair::new(name, text));
        }
    }
    pairs
}

/// What the machine did while the run went on.
pub(super) fn machine(result: &RunResult) -> Vec<Pair> {
    let machine = &result.machine;
    let mut pairs = Vec::new();
    if let (Some(cpu), true) = (machine.sampling_cpu_seconds, machine.sampled_seconds > 0.0) {
        let share = percent(cpu / machine.sampled_seconds);
        pairs.push(Pair::new(
            "Looking at processes took",
            format!("{share} of a processor"),
        ));
    }
    if let Some(stolen) = machine.steal_seconds {
        pairs.push(Pair::new(
            "Stolen from processors",
            format!("{} s", number(stolen)),
        ));
    }
    for (role, waits) in &machine.waits {
        let short = waits.short.len() as u64;
        if short > 0 {
            let text = format!(
                "{} of {} seconds, up to {} s a second",
                count(short),
                count(waits.looks),
                number(waits.worst_seconds)
            );
            pairs.push(Pair::new(format!("Short of processors: {role}"), text));
        }
    }
    for disk in &machine.disks {
        let text = format!(
            "{} of {}",
            bytes(disk.least_free_bytes as f64),
            bytes(disk.bytes as f64)
        );
        pairs.push(Pair::new(
            format!("Least room on the disk of the {}", disk.of),
            text,
        ));
    }
    if let Some(size) = machine.broker_bytes {
        pairs.push(Pair::new("Broker's data at the end", bytes(size as f64)));
    }
    pairs
}
