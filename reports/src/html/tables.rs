//! Rows of the report's tables, ready to print.

use floodmark_contracts::{
    result::{
        Asked, Baseline, DecoyScores, Detection, Disorder, GateResult, RecallBin, RecallCurve,
        RunResult, Scores, Throughput, Tolerances, ValidityStatus,
    },
    stream::Stream,
};

use crate::{
    format::{
        UNDEFINED, bytes, count, interval, micros, millis, percent, plural, range, rate, ratio,
        setting_millis,
    },
    model::{LATENCY_COLUMNS, latencies, total_throughput},
    prose,
    verdict::{Standing, found, sentence_of},
};

/// What stands for an undefined or withheld figure in narrow columns; a note below says so.
pub(super) const NOTHING: &str = "–";

/// Stretches of seconds that are listed of what happened in many.
const STRETCHES: usize = 12;

/// A name and what belongs to it.
///
/// Names and values are text unless the function that makes them says HTML.
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) value: String,
}

impl Pair {
    pub(super) fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// A gate, what it found, and whether it holds.
pub(super) struct GateRow<'a> {
    pub(super) require: &'a str,
    pub(super) found: String,
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
    pub(super) class: &'static str,
}

/// Gates in the order of the profile.
pub(super) fn gates<'a>(result: &'a RunResult) -> Vec<GateRow<'a>> {
    let row = |gate: &'a GateResult| {
        let standing = Standing::of(gate);
        let (word, class) = match standing {
            Standing::Holds => ("holds", "good"),
            Standing::Warns => ("does not hold, warns only", "warn"),
            Standing::Fails => ("fails the run", "bad"),
            Standing::Invalidates => ("does not hold, the run is invalid", "bad"),
        };
        GateRow {
            require: &gate.gate.require,
            found: found(result, gate),
            sign: standing.sign(),
            word,
            class,
        }
    };
    result.gates.iter().map(row).collect()
}

/// The status in a word.
pub(super) fn validity_word(result: &RunResult) -> &'static str {
    match result.validity.status {
        ValidityStatus::Valid => "valid",
        ValidityStatus::Degraded => "degraded",
        ValidityStatus::Invalid => "invalid",
    }
}

/// Reasons against the figures by their codes; the values are HTML.
pub(super) fn validity(result: &RunResult) -> Vec<Pair> {
    let reason = |reason: &floodmark_contracts::result::ValidityReason| {
        let place = seconds(&reason.seconds);
        Pair::new(
            &reason.code,
            prose::html(&format!("{}{place}", sentence_of(&reason.message))),
        )
    };
    result.validity.reasons.iter().map(reason).collect()
}

/// Where in a run something happened, as a sentence with the space before it; nothing where that is not known.
fn seconds(seconds: &[i64]) -> String {
    let stretches: Vec<&[i64]> = seconds.chunk_by(|a, b| *b == a + 1).collect();
    // Enough to find the place in the time line; a bad hour would fill the page.
    let shown = &stretches[..stretches.len().min(STRETCHES)];
    let words: Vec<String> = shown
        .iter()
        .filter_map(|stretch| match stretch {
            [] => None,
            [one] => Some(one.to_string()),
            [first, .., last] => Some(format!("{first} to {last}")),
        })
        .collect();
    let unit = if seconds.len() == 1 {
        "second"
    } else {
        "seconds"
    };
    let end = if shown.len() < stretches.len() {
        " and more"
    } else {
        ""
    };
    match words.is_empty() {
        true => String::new(),
        false => format!(" In {unit} {}{end}.", words.join(", ")),
    }
}

/// Rates of one stream.
pub(super) struct ThroughputRow {
    pub(super) stream: &'static str,
    pub(super) offered: String,
    pub(super) sent: String,
    pub(super) acknowledged: String,
    pub(super) consumed: String,
}

/// Rates by stream, and over all where there are several.
pub(super) fn throughput(result: &RunResult) -> Vec<ThroughputRow> {
    let row = |stream, rates: &Throughput| ThroughputRow {
        stream,
        offered: rate(rates.offered),
        sent: rate(rates.sent),
        acknowledged: rate(rates.acknowledged),
        consumed: rates.consumed.map_or_else(|| UNDEFINED.to_owned(), rate),
    };
    let mut rows: Vec<ThroughputRow> = result
        .throughput
        .iter()
        .map(|(stream, rates)| row(stream.name(), rates))
        .collect();
    // With one stream the total would say the same again.
    if rows.len() > 1 {
        rows.push(row("all", &total_throughput(result)));
    }
    rows
}

/// What disturbed one stream.
pub(super) struct DisorderRow {
    pub(super) stream: &'static str,
    pub(super) disordered: String,
    pub(super) late: String,
    pub(super) offline: String,
    pub(super) longest: String,
    pub(super) beyond: String,
    pub(super) duplicates: String,
}

/// What disturbed the streams; nothing if nothing did. Malformed records stand with the errors.
pub(super) fn disorder(result: &RunResult) -> Vec<DisorderRow> {
    let is_ordered = |found: &Disorder| {
        let well_formed = Disorder {
            malformed: 0,
            ..*found
        };
        well_formed.is_none()
    };
    if result.disorder.values().all(is_ordered) {
        return Vec::new();
    }
    let row = |(stream, found): (&Stream, &Disorder)| DisorderRow {
        stream: stream.name(),
        disordered: asked(found.disordered),
        late: asked(found.late),
        offline: asked(found.offline),
        longest: setting_millis(found.longest_delay_ms),
        beyond: found
            .beyond_watermark
            .map_or_else(|| UNDEFINED.to_owned(), percent),
        duplicates: count(found.duplicates),
    };
    result.disorder.iter().map(row).collect()
}

fn asked(share: Asked) -> String {
    let found = percent(share.found);
    match share.asked {
        Some(asked) => format!("{found} ({})", percent(asked)),
        None => found,
    }
}

/// Percentiles of one latency.
pub(super) struct LatencyRow<'a> {
    pub(super) name: &'static str,
    pub(super) meaning: &'a str,
    pub(super) count: String,
    pub(super) mean: String,
    /// In the order of [`LATENCY_COLUMNS`].
    pub(super) percentiles: [String; 5],
}

/// Every latency that the run has, those without values included.
pub(super) fn latency(result: &RunResult) -> Vec<LatencyRow<'_>> {
    let withheld = || NOTHING.to_owned();
    latencies(result)
        .map(|(name, summary)| LatencyRow {
            name,
            meaning: &summary.meaning,
            count: count(summary.count),
            mean: summary.mean_us.map_or_else(withheld, micros),
            percentiles: LATENCY_COLUMNS.map(|percentile| {
                let value = summary.percentiles.get(percentile);
                value.map_or_else(withheld, |us| micros(*us as f64))
            }),
        })
        .collect()
}

/// Scores of one kind, with their intervals and what chance would score.
pub(super) struct KindRow {
    pub(super) kind: &'static str,
    pub(super) found: String,
    pub(super) recall: String,
    /// Empty where the figure is undefined, as the other interval.
    pub(super) recall_interval: String,
    pub(super) precision: String,
    pub(super) precision_interval: String,
    pub(super) f1: String,
    pub(super) alerts: String,
    /// False alerts after merging, the ones that precision counts.
    pub(super) false_merged: String,
    /// Median delay of event time over the incidents found.
    pub(super) delay: String,
    pub(super) random_recall: String,
    pub(super) random_precision: String,
}

/// Over all kinds first, then each.
pub(super) fn kinds(detection: &Detection) -> Vec<KindRow> {
    let mut rows = vec![kind(
        "all kinds",
        &detection.overall,
        Some(&detection.random_baseline),
    )];
    for (name, scores) in &detection.per_kind {
        rows.push(kind(
            name.name(),
            scores,
            detection.random_baseline_per_kind.get(name),
        ));
    }
    rows
}

/// Recall and precision say “undefined” in full, as they are the figures that people quote.
fn kind(kind: &'static str, scores: &Scores, baseline: Option<&Baseline>) -> KindRow {
    KindRow {
        kind,
        found: format!("{} of {}", count(scores.detected), count(scores.labels)),
        recall: ratio(scores.recall),
        recall_interval: interval(scores.recall_interval),
        precision: ratio(scores.precision),
        precision_interval: interval(scores.precision_interval),
        f1: share(scores.f1),
        alerts: count(scores.alerts),
        false_merged: count(scores.false_merged),
        delay: scores
            .delay_median_ms
            .map_or_else(|| NOTHING.to_owned(), millis),
        random_recall: share(baseline.and_then(|b| b.recall)),
        random_precision: share(baseline.and_then(|b| b.deduplicated_precision)),
    }
}

/// A share in a column too narrow for the word.
fn share(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| ratio(Some(value)))
}

/// What was left out of the scores, and oddities of the alerts.
pub(super) fn counts(detection: &Detection) -> Vec<Pair> {
    let incidents = |n| plural(n, "incident");
    let alerts = |n| plural(n, "alert");
    let warm_up = detection.warm_up;
    vec![
        Pair::new(
            "In the warm-up, left out",
            format!("{}, {}", incidents(warm_up.labels), alerts(warm_up.alerts)),
        ),
        Pair::new(
            "Tolerance passes the end of the run, left out",
            format!(
                "{}, {}",
                incidents(detection.truncated),
                alerts(detection.after_end)
            ),
        ),
        Pair::new(
            "Match only incidents that are left out, ignored",
            alerts(detection.ignored),
        ),
        Pair::new(
            "Came more than once, counted once",
            alerts(detection.duplicates),
        ),
        Pair::new(
            "False, but right in time and kind on another key",
            alerts(detection.key_mismatch),
        ),
        Pair::new(
            "Detect more than one incident",
            alerts(detection.shared_alerts),
        ),
        Pair::new(
            "Share of alerts that are true",
            format!(
                "{} (at random {})",
                ratio(detection.overall.alert_precision),
                ratio(detection.random_baseline.precision)
            ),
        ),
    ]
}

/// How often the detector fell for a kind of decoy.
pub(super) struct DecoyRow {
    pub(super) kind: &'static str,
    pub(super) alerted: String,
    pub(super) share: String,
    /// Empty where the share is undefined.
    pub(super) interval: String,
    pub(super) alerts: String,
}

/// Over all decoys first, then each kind; empty where there are none.
pub(super) fn decoys(detection: &Detection) -> Vec<DecoyRow> {
    let row = |kind, scores: &DecoyScores| DecoyRow {
        kind,
        alerted: format!("{} of {}", count(scores.alerted), count(scores.decoys)),
        share: ratio(scores.share),
        interval: interval(scores.interval),
        alerts: count(scores.alerts),
    };
    if detection.decoys.decoys == 0 {
        return Vec::new();
    }
    let kinds = detection.decoys_per_kind.iter();
    std::iter::once(row("all decoys", &detection.decoys))
        .chain(kinds.map(|(kind, scores)| row(kind.name(), scores)))
        .collect()
}

/// Recall in a range of difficulty.
pub(super) struct DifficultyRow {
    pub(super) kind: &'static str,
    pub(super) range: String,
    pub(super) found: String,
    pub(super) recall: String,
    pub(super) interval: String,
}

/// Over all kinds first, then each kind, from hard to easy.
pub(super) fn difficulty(curve: &RecallCurve) -> Vec<DifficultyRow> {
    let row = |kind, bin: &RecallBin| DifficultyRow {
        kind,
        range: range(bin),
        found: format!("{} of {}", count(bin.detected), count(bin.labels)),
        recall: ratio(bin.recall),
        interval: interval(bin.interval),
    };
    let overall = curve.overall.iter().map(|bin| row("all kinds", bin));
    let kinds = curve.per_kind.iter();
    overall
        .chain(kinds.flat_map(|(kind, bins)| bins.iter().map(|bin| row(kind.name(), bin))))
        .collect()
}

/// What another run has to share for its figures to be comparable.
pub(super) fn environment(result: &RunResult) -> Vec<Pair> {
    let environment = &result.environment;
    let or_unknown = |text: &str| {
        if text.is_empty() {
            "unknown".to_owned()
        } else {
            text.to_owned()
        }
    };
    vec![
        Pair::new("floodmark", &result.floodmark_version),
        Pair::new("Broker", &result.broker),
        Pair::new("Detector", &result.subject),
        Pair::new("Operating system", or_unknown(&environment.os)),
        Pair::new("Processor", or_unknown(&environment.cpu)),
        Pair::new("Processors", environment.cpus.to_string()),
        Pair::new("Memory", bytes(environment.memory_bytes as f64)),
        Pair::new("Speed of event time", format!("{} ×", result.speed)),
    ]
}

/// When each phase began and ended; the first due time is 0.
pub(super) fn phases(result: &RunResult) -> Vec<Pair> {
    let phase = |phase: &floodmark_contracts::record::Phase| {
        let [from, to] = [phase.from, phase.to].map(|at| at.0 as f64 / 1e6);
        Pair::new(&phase.name, format!("{from:.1} s to {to:.1} s"))
    };
    result.phases.iter().map(phase).collect()
}

/// Tolerances that hold for every kind.
pub(super) fn tolerances(tolerances: &Tolerances) -> Vec<Pair> {
    let pair = |name, ms| Pair::new(name, setting_millis(ms));
    vec![
        pair("Before an incident's start", tolerances.early_ms),
        pair(
            "An alert's interval is cut to its last",
            tolerances.max_span_ms,
        ),
        pair(
            "False alerts of one key and kind count as one if closer than",
            tolerances.merge_gap_ms,
        ),
    ]
}

/// The tolerance after an incident's end, by kind.
pub(super) fn lateness(tolerances: &Tolerances) -> Vec<Pair> {
    let late = tolerances.late_ms.iter();
    late.map(|(kind, ms)| Pair::new(kind.name(), setting_millis(*ms)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_that_follow_each_other_are_one_stretch() {
        let every_other: Vec<i64> = (0..40).map(|n| 2 * n).collect();
        for (found, expected) in [
            (&[][..], ""),
            (&[7], " In second 7."),
            (&[-1, 0, 1], " In seconds -1 to 1."),
            (&[1, 2, 5, 7, 8, 9], " In seconds 1 to 2, 5, 7 to 9."),
            (
                &every_other,
                " In seconds 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22 and more.",
            ),
        ] {
            assert_eq!(seconds(found), expected);
        }
    }
}
