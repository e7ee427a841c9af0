//! A short table of a run for the terminal: plain text, no colour, no control characters.

use floodmark_contracts::result::{Baseline, Detection, RunResult, Scores, Throughput};

use crate::{
    comparison::one_line,
    format::{UNDEFINED, count, interval, micros, rate, ratio},
    model::{LATENCY_COLUMNS, latencies, total_throughput},
    table::Table,
    troubles::said,
    verdict::{Standing, decoys, found},
};

/// The figures of a run in a few tables; the verdict is not among them.
#[must_use]
pub fn terminal(result: &RunResult) -> String {
    let mut out = String::new();
    if !result.throughput.is_empty() {
        out.push_str(&throughput(result).to_text());
        out.push('\n');
    }
    out.push_str(&latency(result).to_text());
    out.push('\n');
    out.push_str(&detection_table(&result.detection));
    if !result.faults.is_empty() {
        out.push('\n');
        out.push_str(&faults(result).to_text());
    }
    let troubles = said(result);
    if !troubles.is_empty() {
        out.push('\n');
        out.push_str(&one_line(&format!("errors: {}", troubles.join("; "))));
        out.push('\n');
    }
    if !result.gates.is_empty() {
        out.push('\n');
        out.push_str(&gates(result));
    }
    out
}

/// Recall, precision and F1 over all kinds and per kind, with 95 % intervals and the random baseline.
#[must_use]
pub fn detection_table(detection: &Detection) -> String {
    let mut text = scores(detection).to_text();
    if let Some(line) = decoys(detection) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Scores over all kinds and per kind, chance beside them: a score means little without.
pub(crate) fn scores(detection: &Detection) -> Table {
    let mut table = Table::new([
        "detection",
        "found",
        "recall",
        "95 %",
        "precision",
        "95 %",
        "F1",
        "false",
        "random R",
        "random P",
    ]);
    table.row(score_row(
        "all",
        &detection.overall,
        Some(&detection.random_baseline),
    ));
    for (kind, scores) in &detection.per_kind {
        let baseline = detection.random_baseline_per_kind.get(kind);
        table.row(score_row(kind.name(), scores, baseline));
    }
    table
}

/// One row of the scores.
fn score_row(name: &str, scores: &Scores, baseline: Option<&Baseline>) -> [String; 10] {
    [
        name.to_owned(),
        format!("{}/{}", count(scores.detected), count(scores.labels)),
        ratio(scores.recall),
        interval(scores.recall_interval),
        ratio(scores.precision),
        interval(scores.precision_interval),
        ratio(scores.f1),
        count(scores.false_merged),
        ratio(baseline.and_then(|b| b.recall)),
        ratio(baseline.and_then(|b| b.deduplicated_precision)),
    ]
}

/// Rates by stream, and over all where there are several.
pub(crate) fn throughput(result: &RunResult) -> Table {
    let mut table = Table::new(["stream", "offered", "sent", "acknowledged", "consumed"]);
    let row = |name: &str, rates: &Throughput| {
        [
            name.to_owned(),
            rate(rates.offered),
            rate(rates.sent),
            rate(rates.acknowledged),
            rates.consumed.map_or_else(|| UNDEFINED.to_owned(), rate),
        ]
    };
    for (stream, rates) in &result.throughput {
        table.row(row(stream.name(), rates));
    }
    if result.throughput.len() > 1 {
        table.row(row("all", &total_throughput(result)));
    }
    table
}

/// Percentiles of every latency; a dash where too few values are behind one.
pub(crate) fn latency(result: &RunResult) -> Table {
    let mut table = Table::new(["latency", "p50", "p90", "p99", "p99.9", "max", "values"]);
    for (name, summary) in latencies(result) {
        let cell = |percentile: &str| {
            let value = summary.percentiles.get(percentile);
            value.map_or_else(|| "–".to_owned(), |us| micros(*us as f64))
        };
        let [p50, p90, p99, p999, max] = LATENCY_COLUMNS.map(cell);
        table.row([
            name.to_owned(),
            p50,
            p90,
            p99,
            p999,
            max,
            count(summary.count),
        ]);
    }
    table
}

/// What was broken on purpose, with recall and recovery.
pub(crate) fn faults(result: &RunResult) -> Table {
    let mut table = Table::new([
        "fault", "from", "for", "recovery", "before", "during", "after", "lag",
    ]);
    for fault in &result.faults {
        let (from, until) = (fault.facts.from.0 as f64, fault.facts.until.0 as f64);
        let recovery = fault.recovery_s;
        let lags = [fault.during.lag_max, fault.after.lag_max];
        table.row([
            fault.facts.kind.name().to_owned(),
            micros(from),
            micros(until - from),
            recovery.map_or_else(|| UNDEFINED.to_owned(), |s| micros(s * 1e6)),
            ratio(fault.before.recall),
            ratio(fault.during.recall),
            ratio(fault.after.recall),
            lags.into_iter()
                .flatten()
                .max()
                .map_or_else(|| "–".to_owned(), count),
        ]);
    }
    table
}

/// Gates as they stand, those that fail the run in capitals.
fn gates(result: &RunResult) -> String {
    let mut table = Table::new(["gate", "found", "result"]);
    for gate in &result.gates {
        let outcome = match Standing::of(gate) {
            Standing::Holds => "holds",
            Standing::Warns => "warns",
            Standing::Fails => "FAILS",
            Standing::Invalidates => "INVALID",
        };
        table.row([
            gate.gate.require.clone(),
            found(result, gate),
            outcome.to_owned(),
        ]);
    }
    table.to_text()
}
