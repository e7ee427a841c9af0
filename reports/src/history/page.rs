//! The page of a history.

use std::io::Write;

use askama::Template;
use floodmark_contracts::{
    history::{ChangePoint, History, MetricHistory},
    result::Direction,
};

use super::{split, summary, told};
use crate::{
    ReportError, STYLE_OF_MANY, chart,
    format::{metric as figure, wall_time},
    prose,
    verdict::sentence_of,
};

/// Changes that the top of the page lists; each metric has its own below.
const LISTED: usize = 20;

/// The page.
#[derive(Template)]
#[template(path = "history.html")]
struct Page<'a> {
    style: &'static str,
    version: &'a str,
    summary: String,
    /// HTML, newest first.
    newest: Vec<String>,
    /// Changes beyond those.
    unlisted: usize,
    /// HTML.
    warnings: Vec<String>,
    watched: Vec<Watched>,
    others: Vec<Other<'a>>,
    results: Vec<(usize, &'a str, String)>,
}

/// A metric with its chart.
struct Watched {
    /// SVG.
    chart: String,
    /// HTML, numbered as in the chart.
    changes: Vec<String>,
}

/// A metric in the table.
struct Other<'a> {
    name: &'a str,
    better: &'static str,
    first: String,
    latest: String,
    /// SVG.
    trend: String,
    /// HTML.
    changes: Vec<String>,
}

/// Writes the page: one file, no scripts, nothing fetched. It leads with what changed last, then the trends of the metrics that
/// people watch first, all others folded.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn history_html(history: &History, out: &mut dyn Write) -> Result<(), ReportError> {
    let (watched, others) = split(history);
    let newest = newest(history);
    let page = Page {
        style: STYLE_OF_MANY,
        version: &history.floodmark_version,
        summary: summary(history),
        unlisted: newest.len().saturating_sub(LISTED),
        newest: newest.into_iter().take(LISTED).collect(),
        warnings: history
            .warnings
            .iter()
            .map(|line| prose::html(&sentence_of(line)))
            .collect(),
        watched: watched
            .iter()
            .enumerate()
            .map(|(i, metric)| Watched {
                chart: chart::trend(&format!("trend-{i}"), history, metric),
                changes: changes(history, metric),
            })
            .collect(),
        others: others
            .iter()
            .enumerate()
            .map(|(i, metric)| other(i, history, metric))
            .collect(),
        results: history
            .points
            .iter()
            .enumerate()
            .map(|(i, point)| (i + 1, point.name.as_str(), wall_time(point.started_at)))
            .collect(),
    };
    let shown = |c: char| if c == '\n' { c } else { prose::visible(c) };
    let text: String = page.render()?.chars().map(shown).collect();
    Ok(out.write_all(text.as_bytes())?)
}

/// All changes, those at the newest results first.
fn newest(history: &History) -> Vec<String> {
    let all = history.metrics.iter();
    let mut changes: Vec<_> = all
        .flat_map(|metric| metric.changes.iter().map(move |change| (metric, change)))
        .collect();
    changes.sort_by_key(|(_, change)| std::cmp::Reverse(change.at));
    let line = |(metric, change): &(&MetricHistory, &ChangePoint)| {
        let told = prose::html(&sentence_of(&told(history, metric, change)));
        format!("{}: {told}", prose::html_code(&metric.name))
    };
    changes.iter().map(line).collect()
}

fn changes(history: &History, metric: &MetricHistory) -> Vec<String> {
    let changes = metric.changes.iter();
    changes
        .map(|change| prose::html(&sentence_of(&told(history, metric, change))))
        .collect()
}

fn other<'a>(i: usize, history: &History, metric: &'a MetricHistory) -> Other<'a> {
    let known = || metric.values.iter().flatten().copied();
    let at: Vec<usize> = metric
        .changes
        .iter()
        .map(|change| change.at as usize)
        .collect();
    Other {
        name: &metric.name,
        better: match metric.direction {
            Direction::Higher => "higher",
            Direction::Lower => "lower",
            Direction::Neutral => "",
        },
        first: figure(known().next(), &metric.unit),
        latest: figure(known().next_back(), &metric.unit),
        trend: chart::spark(
            &format!("spark-{i}"),
            &format!("Trend of {}", metric.name),
            &metric.values,
            &at,
        ),
        changes: changes(history, metric),
    }
}
