//! An index of many runs: a table with links to their reports, and trends.

use std::{collections::BTreeMap, io::Write};

use askama::Template;
use floodmark_contracts::result::{RunResult, ValidityStatus};

use crate::{
    ReportError, STYLE_OF_MANY, chart,
    format::{metric as figure, plural, wall_time},
    prose,
    verdict::{Badge, badge},
};

/// The figures of a run in the index: name of the metric, heading.
const FIGURES: [(&str, &str); 5] = [
    ("detection.recall", "Recall"),
    ("detection.precision", "Precision"),
    ("detection.f1", "F1"),
    ("latency.alert.p99", "Alerts p99"),
    ("throughput.consumed", "Consumed"),
];

/// A run in an index.
#[derive(Debug, Clone, Copy)]
pub struct IndexEntry<'a> {
    /// Its folder, from that of the index, with `/` between names; its report is `report.html` in there.
    pub folder: &'a str,
    /// Its result.
    pub result: &'a RunResult,
}

/// The page.
#[derive(Template)]
#[template(path = "index.html")]
struct Page<'a> {
    style: &'static str,
    version: &'static str,
    summary: String,
    headings: [&'static str; FIGURES.len()],
    rows: Vec<Row<'a>>,
    groups: Vec<Group<'a>>,
}

/// A run in the table.
struct Row<'a> {
    folder: &'a str,
    link: String,
    started_at: String,
    profile: &'a str,
    subject: &'a str,
    broker: &'a str,
    badge: Badge,
    validity: &'static str,
    figures: Vec<String>,
}

/// The runs of one profile and detector.
struct Group<'a> {
    profile: &'a str,
    subject: &'a str,
    runs: String,
    trends: Vec<Trend>,
}

/// One figure over the runs of a group.
struct Trend {
    name: &'static str,
    first: String,
    latest: String,
    /// SVG.
    line: String,
}

/// Writes the page: one file, no scripts, nothing fetched. Runs stand from the newest to the oldest; trends go the other way, over
/// the runs of a profile and a detector that can be trusted.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn index_html(entries: &[IndexEntry<'_>], out: &mut dyn Write) -> Result<(), ReportError> {
    let mut newest: Vec<IndexEntry<'_>> = entries.to_vec();
    newest.sort_by(|a, b| {
        let by_time = b.result.started_at.0.cmp(&a.result.started_at.0);
        by_time.then(a.folder.cmp(b.folder))
    });
    let page = Page {
        style: STYLE_OF_MANY,
        version: env!("CARGO_PKG_VERSION"),
        summary: summary(&newest),
        headings: FIGURES.map(|(_, heading)| heading),
        rows: newest.iter().map(row).collect(),
        groups: groups(&newest),
    };
    let shown = |c: char| if c == '\n' { c } else { prose::visible(c) };
    let text: String = page.render()?.chars().map(shown).collect();
    Ok(out.write_all(text.as_bytes())?)
}

/// How many runs, and over what time.
fn summary(newest: &[IndexEntry<'_>]) -> String {
    let runs = plural(newest.len() as u64, "run");
    let ends = newest.last().zip(newest.first());
    ends.map_or_else(
        || runs.clone(),
        |(first, last)| {
            let [first, last] = [first, last].map(|entry| wall_time(entry.result.started_at));
            format!("{runs}, {first} to {last}")
        },
    )
}

fn row<'a>(entry: &IndexEntry<'a>) -> Row<'a> {
    let result = entry.result;
    Row {
        folder: entry.folder,
        link: link(entry.folder),
        started_at: wall_time(result.started_at),
        profile: &result.profile,
        subject: &result.subject,
        broker: &result.broker,
        badge: badge(result.outcome),
        validity: match result.validity.status {
            ValidityStatus::Valid => "valid",
            ValidityStatus::Degraded => "degraded",
            ValidityStatus::Invalid => "invalid",
        },
        figures: FIGURES
            .iter()
            .map(|(name, _)| shown(result, name, value(result, name)))
            .collect(),
    }
}

/// A metric's value; `None` where it is undefined or not there.
fn value(result: &RunResult, name: &str) -> Option<f64> {
    result.metrics.get(name)?.value
}

/// The value in the metric's unit, or a dash.
fn shown(result: &RunResult, name: &str, value: Option<f64>) -> String {
    let unit = result.metrics.get(name).map_or("", |metric| &metric.unit);
    value.map_or_else(|| "–".to_owned(), |value| figure(Some(value), unit))
}

/// Groups of two runs or more, in the order of their names.
fn groups<'a>(newest: &[IndexEntry<'a>]) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<(&'a str, &'a str), Vec<&'a RunResult>> = BTreeMap::new();
    for entry in newest.iter().rev() {
        let result = entry.result;
        if result.validity.status != ValidityStatus::Invalid {
            let key = (result.profile.as_str(), result.subject.as_str());
            groups.entry(key).or_default().push(result);
        }
    }
    let several = groups.into_iter().filter(|(_, runs)| runs.len() > 1);
    several
        .enumerate()
        .map(|(number, ((profile, subject), runs))| Group {
            profile,
            subject,
            runs: plural(runs.len() as u64, "run"),
            trends: trends(number, &runs),
        })
        .collect()
}

/// The figures over runs from the oldest to the newest; `number` keeps names of drawings unique.
fn trends(number: usize, runs: &[&RunResult]) -> Vec<Trend> {
    let trend = |(i, (metric, name)): (usize, &(&'static str, &'static str))| {
        let values: Vec<Option<f64>> = runs.iter().map(|run| value(run, metric)).collect();
        let mut known = runs
            .iter()
            .zip(&values)
            .filter(|(_, value)| value.is_some());
        let (first, last) = (known.next(), known.next_back());
        let text = |found: Option<(&&RunResult, &Option<f64>)>| {
            found.map_or_else(|| "–".to_owned(), |(run, value)| shown(run, metric, *value))
        };
        Trend {
            name,
            first: text(first),
            latest: text(last.or(first)),
            line: chart::spark(
                &format!("trend-{number}-{i}"),
                &format!("Trend of {name}"),
                &values,
                &[],
            ),
        }
    };
    FIGURES.iter().enumerate().map(trend).collect()
}

/// The way to a run's report. Whatever a folder is called, the link stays below the index.
fn link(folder: &str) -> String {
    let mut out = "./".to_owned();
    for byte in folder.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
        if is_plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out.push_str("/report.html");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_below_the_index_whatever_a_folder_is_called() {
        for (folder, expected) in [
            ("run-1", "./run-1/report.html"),
            ("a/b c", "./a/b%20c/report.html"),
            ("javascript:x", "./javascript%3Ax/report.html"),
            ("//host", ".///host/report.html"),
            ("ä\"#?", "./%C3%A4%22%23%3F/report.html"),
        ] {
            assert_eq!(link(folder), expected);
        }
    }
}
