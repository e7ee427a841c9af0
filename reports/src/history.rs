//! Metrics over many stored results: a text with lines of block characters, and in [`page`] a page.

mod page;

use floodmark_contracts::history::{ChangePoint, History, MetricHistory};
use floodmark_scoring::compare::plan::GATED_BY_DEFAULT;

pub use self::page::history_html;
use crate::{
    comparison::{chance, meaning, one_line},
    format::{day, metric as figure, number, plural},
    verdict::sentence_of,
};

/// The heights of a line of block characters.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Characters of such a line, without the marks of changes.
const COLUMNS: usize = 60;

/// What stands where values are undefined, and where something changed.
const GAP: char = '·';
const CHANGE: char = '|';

/// Every metric that people watch first with its trend, its latest value and its changes; of the others those that changed.
#[must_use]
pub fn history_text(history: &History) -> String {
    let (watched, others) = split(history);
    let changed: Vec<&MetricHistory> = others
        .iter()
        .copied()
        .filter(|metric| !metric.changes.is_empty())
        .collect();
    let mut out = one_line(&summary(history));
    out.push('\n');
    let rows: Vec<&MetricHistory> = watched.into_iter().chain(changed.iter().copied()).collect();
    if !rows.is_empty() {
        out.push('\n');
    }
    let names = rows.iter().map(|metric| metric.name.chars().count());
    let width = names.max().unwrap_or(0);
    for metric in rows {
        let name = one_line(&metric.name);
        let latest = figure(metric.values.last().copied().flatten(), &metric.unit);
        let trend = blocks(metric);
        out.push_str(&format!("{name:<width$}  {trend}  {latest}\n"));
        for change in &metric.changes {
            out.push_str(&one_line(&format!("  {}", told(history, metric, change))));
            out.push('\n');
        }
    }
    let still = others.len() - changed.len();
    if still > 0 {
        let verb = if still == 1 { "has" } else { "have" };
        out.push_str(&format!(
            "\n{} {verb} no change.\n",
            plural(still as u64, "other metric")
        ));
    }
    for warning in &history.warnings {
        out.push_str(&one_line(&format!("Warning: {}", sentence_of(warning))));
        out.push('\n');
    }
    out
}

/// The metrics that are gated by default, in that order, and all others, those with changes first.
fn split(history: &History) -> (Vec<&MetricHistory>, Vec<&MetricHistory>) {
    let place = |metric: &&MetricHistory| {
        let mut gated = GATED_BY_DEFAULT.iter();
        gated.position(|name| *name == metric.name)
    };
    let all = history.metrics.iter();
    let (mut watched, mut others): (Vec<_>, Vec<_>) =
        all.partition(|metric| place(metric).is_some());
    watched.sort_by_key(place);
    others.sort_by_key(|metric| metric.changes.is_empty());
    (watched, others)
}

/// How many results, over what time, and how many metrics changed.
fn summary(history: &History) -> String {
    let results = plural(history.points.len() as u64, "result");
    let metrics = plural(history.metrics.len() as u64, "metric");
    let ends = history.points.first().zip(history.points.last());
    let span = ends.map_or_else(String::new, |(first, last)| {
        format!(", {} to {}", day(first.started_at), day(last.started_at))
    });
    let n_changed = history
        .metrics
        .iter()
        .filter(|metric| !metric.changes.is_empty())
        .count();
    let changed = match n_changed {
        0 => "none of them changed".to_owned(),
        1 => "1 of them changed".to_owned(),
        n => format!("{n} of them changed"),
    };
    format!("{metrics} over {results}{span}; {changed}.")
}

/// A change in words: when, from what to what, for better or worse. Names are in backticks.
fn told(history: &History, metric: &MetricHistory, change: &ChangePoint) -> String {
    let point = history.points.get(change.at as usize);
    let from = point.map_or_else(
        || format!("from result {} on", u64::from(change.at) + 1),
        |point| format!("{}, from `{}` on", day(point.started_at), point.name),
    );
    let [before, after] = [change.before, change.after].map(|v| figure(Some(v), &metric.unit));
    let way = meaning(metric.direction, change.after - change.before);
    format!(
        "{from}: {before} became {after} ({}{way}), p {}",
        size(change, &metric.unit),
        chance(change.p)
    )
}

/// A change in per cent, where that means something.
fn size(change: &ChangePoint, unit: &str) -> String {
    if unit == "ratio" || change.before <= 0.0 {
        return String::new();
    }
    let share = (change.after / change.before - 1.0) * 100.0;
    let sign = if share < 0.0 { "−" } else { "+" };
    format!("{sign}{} %, ", number(share.abs()))
}

/// The values as block characters; of many, means of neighbours.
fn blocks(metric: &MetricHistory) -> String {
    let every = metric.values.len().div_ceil(COLUMNS).max(1);
    let mean = |part: &[Option<f64>]| {
        let known: Vec<f64> = part.iter().flatten().copied().collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    let columns: Vec<Option<f64>> = metric.values.chunks(every).map(mean).collect();
    let known = || columns.iter().flatten().copied();
    let low = known().fold(f64::INFINITY, f64::min);
    let high = known().fold(f64::NEG_INFINITY, f64::max);
    let is_marked = |column: usize| {
        let within = column * every..(column + 1) * every;
        let mut changes = metric.changes.iter();
        changes.any(|change| within.contains(&(change.at as usize)))
    };
    let mut out = String::new();
    for (column, value) in columns.iter().enumerate() {
        if is_marked(column) {
            out.push(CHANGE);
        }
        out.push(value.map_or(GAP, |value| block(value, low, high)));
    }
    out
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 7"
)]
/// The block for a value of a range; the same all along is of middle height.
fn block(value: f64, low: f64, high: f64) -> char {
    let share = if high > low {
        (value - low) / (high - low)
    } else {
        0.5
    };
    let highest = BLOCKS.len() - 1;
    let level = (share * highest as f64).round().clamp(0.0, highest as f64);
    BLOCKS[level as usize]
}
