//! A search for the highest sustained rate, as people read it: a sentence, a table, a page, a plot.

use std::io::Write;

use askama::Template;
use floodmark_contracts::search::{SearchEnd, SearchLimit, SearchResult, TrialFacts, TrialVerdict};

use crate::{
    ReportError, STYLE, chart,
    format::{UNDEFINED, interval, micros, number, rate, ratio, wall_time},
    plot, prose,
    table::Table,
};

/// What was found in a sentence or two, and every trial in a table.
#[must_use]
pub fn search_text(result: &SearchResult) -> String {
    let mut table = Table::new([
        "rate",
        "verdict",
        "lag grows",
        "±",
        "lag p99",
        "consumed",
        "alerts p99",
        "recall",
    ]);
    for trial in &result.trials {
        let cells = cells(trial);
        table.row([
            rate(trial.rate),
            verdict(trial.verdict).to_owned(),
            cells.growth,
            cells.error,
            cells.lag,
            cells.consumed,
            cells.alerts,
            cells.recall,
        ]);
    }
    let mut out = String::new();
    if !result.trials.is_empty() {
        out.push_str(&table.to_text());
        out.push('\n');
    }
    out.push_str(&sentence(result));
    out.push('\n');
    out
}

/// One trial in a line, while the search runs.
#[must_use]
pub fn trial_text(number: usize, trial: &TrialFacts) -> String {
    let cells = cells(trial);
    let why = if trial.reasons.is_empty() {
        format!("lag grows by {} ± {}", cells.growth, cells.error)
    } else {
        trial.reasons.join("; ")
    };
    let (rate, verdict) = (rate(trial.rate), verdict(trial.verdict));
    format!(
        "trial {number}: {rate} {verdict}: {why} ({:.0} s)",
        trial.seconds
    )
}

/// The figures of a trial as texts.
struct Cells {
    growth: String,
    error: String,
    lag: String,
    consumed: String,
    alerts: String,
    recall: String,
}

fn cells(trial: &TrialFacts) -> Cells {
    let figures = &trial.figures;
    let share = |share: Option<f64>| {
        share.map_or_else(
            || UNDEFINED.to_owned(),
            |share| format!("{:.2} %", share * 100.0),
        )
    };
    Cells {
        growth: share(figures.lag_growth),
        error: share(figures.lag_growth_error),
        lag: figures
            .lag_p99_s
            .map_or_else(|| UNDEFINED.to_owned(), |lag| format!("{} s", number(lag))),
        consumed: figures.consumed.map_or_else(|| UNDEFINED.to_owned(), rate),
        alerts: figures
            .alert_p99_us
            .map_or_else(|| "–".to_owned(), |us| micros(us as f64)),
        recall: match interval(figures.recall_interval) {
            known if known.is_empty() => ratio(figures.recall),
            known => format!("{} ({known})", ratio(figures.recall)),
        },
    }
}

fn verdict(verdict: TrialVerdict) -> &'static str {
    match verdict {
        TrialVerdict::Sustained => "sustained",
        TrialVerdict::NotSustained => "not sustained",
        TrialVerdict::Void => "void",
    }
}

/// What the search comes to.
fn sentence(result: &SearchResult) -> String {
    let found = match (result.sustained, result.not_sustained) {
        (Some(low), Some(high)) => {
            let apart = (high / low - 1.0) * 100.0;
            format!(
                "Sustained: {}; not sustained: {} ({apart:.1} % above).",
                rate(low),
                rate(high)
            )
        }
        (Some(low), None) => format!("Sustained: {}; no rate was found that is not.", rate(low)),
        (None, Some(high)) if result.limited_by == Some(SearchLimit::Machine) => {
            let lowest = rate(high);
            format!(
                "No trial says anything of the detector; {lowest} is the lowest rate that was tried."
            )
        }
        (None, Some(high)) => {
            let lowest = rate(high);
            format!("No rate was sustained; {lowest} is the lowest that was tried.")
        }
        (None, None) => "Nothing was found.".to_owned(),
    };
    let how = match (result.ended, result.limited_by) {
        (SearchEnd::Interrupted, _) => " Interrupted: the interval is wider than was asked for.",
        (SearchEnd::TimeLimit, _) => {
            " Its time ran out: the interval is wider than was asked for. Allow more with `--limit`."
        }
        (SearchEnd::Failed, _) => " Trials failed one after another; the last one says why.",
        (SearchEnd::NothingOffered, _) => {
            " This machine cannot make the load at any of these rates: nothing is known of the detector. Free it, or begin lower with `--start`."
        }
        (_, Some(SearchLimit::Machine)) => {
            " The limit is this machine, which cannot make more load; the detector may sustain more."
        }
        (_, Some(SearchLimit::Profile)) => {
            " The limit is the profile, which makes no sense at a higher rate; the detector may sustain more."
        }
        (_, Some(SearchLimit::Range)) => {
            " No higher rate was to be tried; the detector may sustain more."
        }
        (_, Some(SearchLimit::Subject) | None) => "",
    };
    format!("{found}{how}")
}

/// The page.
#[derive(Template)]
#[template(path = "search.html")]
struct Page<'a> {
    style: &'static str,
    result: &'a SearchResult,
    started_at: String,
    class: &'static str,
    /// HTML, as values in backticks are code.
    sentence: String,
    /// SVG.
    chart: String,
    limits: Vec<(&'static str, String)>,
    trials: Vec<Row>,
}

/// A trial on the page.
struct Row {
    number: usize,
    rate: String,
    verdict: &'static str,
    class: &'static str,
    cells: Cells,
    /// HTML.
    reasons: Vec<String>,
    folder: String,
}

/// Writes the page: one file, no scripts, nothing fetched.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn search_html(result: &SearchResult, out: &mut dyn Write) -> Result<(), ReportError> {
    let row = |(i, trial): (usize, &TrialFacts)| Row {
        number: i + 1,
        rate: rate(trial.rate),
        verdict: verdict(trial.verdict),
        class: class_of(trial.verdict),
        cells: cells(trial),
        reasons: trial.reasons.iter().map(|text| prose::html(text)).collect(),
        folder: trial.folder.clone(),
    };
    let page = Page {
        style: STYLE,
        result,
        started_at: wall_time(result.started_at),
        class: match result.ended {
            SearchEnd::Found => "good",
            SearchEnd::NothingSustained => "bad",
            _ => "warn",
        },
        sentence: prose::html(&sentence(result)),
        chart: chart::search(result),
        limits: limits(result),
        trials: result.trials.iter().enumerate().map(row).collect(),
    };
    let shown = |c: char| if c == '\n' { c } else { prose::visible(c) };
    let text: String = page.render()?.chars().map(shown).collect();
    Ok(out.write_all(text.as_bytes())?)
}

fn class_of(verdict: TrialVerdict) -> &'static str {
    match verdict {
        TrialVerdict::Sustained => "good",
        TrialVerdict::NotSustained => "bad",
        TrialVerdict::Void => "warn",
    }
}

/// What a trial is held against, by name.
fn limits(result: &SearchResult) -> Vec<(&'static str, String)> {
    let limits = &result.limits;
    let mut named = vec![
        (
            "Lag grows by at most",
            format!("{} % of the rate", limits.lag_growth * 100.0),
        ),
        ("Lag (p99) at most", format!("{} s", limits.lag_p99_s)),
    ];
    if let Some(us) = limits.alert_p99_us {
        named.push(("Latency of alerts (p99) at most", micros(us as f64)));
    }
    if limits.recall > 0.0 {
        named.push(("Recall at least", format!("{}", limits.recall)));
    }
    named.push((
        "Ends of the interval apart",
        format!("at most {} %", limits.precision * 100.0),
    ));
    named
}

/// `search.png`: every trial with its rate.
///
/// # Errors
/// [`ReportError::Plot`] if the drawing library fails.
pub fn search_png(result: &SearchResult) -> Result<(&'static str, Vec<u8>), ReportError> {
    plot::search(result)
}
