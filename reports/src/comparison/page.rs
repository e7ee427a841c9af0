//! The page of a comparison, and its forest plot alone.

use std::io::Write;

use askama::Template;
use floodmark_contracts::compare::{
    Comparison, Confirmation, Design, Look, MetricComparison, Side, Verdict,
};

use super::{
    amount, badge, chance, change, lines, signed,
    words::{advice, class, meaning, others, sentence, sure},
};
use crate::{
    ReportError, STYLE_OF_MANY, chart,
    format::{UNDEFINED, bytes, metric as figure, number, percent, plural},
    plot, prose,
    verdict::sentence_of,
};

/// Gated metrics whose rounds are drawn; the table has all.
const DRAWN: usize = 24;

/// The page.
#[derive(Template)]
#[template(path = "comparison.html")]
struct Page<'a> {
    style: &'static str,
    version: &'a str,
    base: &'a str,
    cand: &'a str,
    design: String,
    sign: &'static str,
    word: String,
    class: &'static str,
    /// HTML, as the next five: values in backticks are code.
    sentence: String,
    advice: Vec<String>,
    news: Vec<String>,
    others_line: Option<String>,
    advisory: Vec<String>,
    warnings: Vec<String>,
    /// SVG.
    forest: String,
    gated: Vec<Row<'a>>,
    others: Vec<Row<'a>>,
    /// SVG; `None` without others.
    others_forest: Option<String>,
    /// SVG.
    rounds: Vec<String>,
    /// Gated metrics beyond those drawn.
    undrawn: usize,
    is_paired: bool,
    confirmations: Vec<Fresh<'a>>,
    round_rows: Vec<RoundRow<'a>>,
    sides: [(&'static str, Vec<(&'static str, String)>); 2],
    method: Vec<(&'static str, String)>,
}

/// A metric in the table.
struct Row<'a> {
    name: &'a str,
    /// HTML.
    reason: String,
    base: String,
    cand: String,
    change: String,
    interval: String,
    p: String,
    margin: String,
    floor: String,
    agree: String,
    sign: &'static str,
    word: String,
    class: &'static str,
}

/// What fresh rounds said of a metric.
struct Fresh<'a> {
    name: &'a str,
    found: String,
    n: u32,
    change: String,
    interval: String,
    p: String,
    agree: String,
    word: &'static str,
    class: &'static str,
}

/// A round in the list.
struct RoundRow<'a> {
    number: u32,
    look: &'static str,
    first: &'static str,
    void: &'a str,
}

/// Writes the page: one file, no scripts, nothing fetched. It leads with the verdict and what to do, then the forest plot, the
/// rounds of the gated metrics, every figure, and how they came about.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn comparison_html(comparison: &Comparison, out: &mut dyn Write) -> Result<(), ReportError> {
    let page = page(comparison);
    let shown = |c: char| if c == '\n' { c } else { prose::visible(c) };
    let text: String = page.render()?.chars().map(shown).collect();
    Ok(out.write_all(text.as_bytes())?)
}

/// `comparison.png`: the forest plot of the gated metrics.
///
/// # Errors
/// [`ReportError::Plot`] if the drawing library fails.
pub fn comparison_png(comparison: &Comparison) -> Result<(&'static str, Vec<u8>), ReportError> {
    plot::comparison(comparison)
}

/// `comparison.svg`: the same in light colours, complete without a style sheet.
#[must_use]
pub fn comparison_svg(comparison: &Comparison) -> (&'static str, String) {
    let gated: Vec<&MetricComparison> = comparison.metrics.iter().filter(|m| m.gated).collect();
    let title = format!("{} against {}", comparison.cand.name, comparison.base.name);
    let drawn = chart::forest("forest", &title, &lines(&gated));
    let drawn: String = drawn.chars().map(prose::visible).collect();
    ("comparison.svg", chart::alone(&drawn))
}

fn page(comparison: &Comparison) -> Page<'_> {
    let (gated, others_of): (Vec<_>, Vec<_>) =
        comparison.metrics.iter().partition(|metric| metric.gated);
    let (sign, word) = badge(comparison.verdict);
    let advisory = if comparison.advisory.is_empty() {
        ""
    } else {
        ", only advisory"
    };
    let html = |lines: &[String]| -> Vec<String> {
        let lines = lines.iter();
        lines.map(|line| prose::html(&sentence_of(line))).collect()
    };
    let rows = |metrics: &[&MetricComparison]| -> Vec<String> {
        let numbered = metrics.iter().take(DRAWN).enumerate();
        numbered
            .map(|(i, metric)| chart::rounds(&format!("rounds-{i}"), comparison, metric))
            .collect()
    };
    Page {
        style: STYLE_OF_MANY,
        version: &comparison.floodmark_version,
        base: &comparison.base.name,
        cand: &comparison.cand.name,
        design: design(comparison),
        sign,
        word: format!("{word}{advisory}"),
        class: if comparison.advisory.is_empty() {
            class(comparison.verdict)
        } else {
            "warn"
        },
        sentence: prose::html(&sentence(comparison)),
        advice: html(&advice(comparison)),
        // Where rounds are void nothing is known of any metric.
        news: match comparison.verdict {
            Verdict::Invalid => Vec::new(),
            _ => gated.iter().filter_map(|metric| news(metric)).collect(),
        },
        others_line: others(comparison).map(|line| prose::html(&line)),
        advisory: html(&comparison.advisory),
        warnings: html(&comparison.warnings),
        forest: chart::forest("forest", "Changes of the gated metrics", &lines(&gated)),
        rounds: rows(&gated),
        undrawn: gated.len().saturating_sub(DRAWN),
        is_paired: comparison.design == Design::PairedRounds,
        confirmations: gated.iter().filter_map(|metric| fresh(metric)).collect(),
        gated: gated.iter().copied().map(row).collect(),
        others_forest: (!others_of.is_empty())
            .then(|| chart::forest("forest-others", "Changes of the others", &lines(&others_of))),
        others: others_of.iter().copied().map(row).collect(),
        round_rows: round_rows(comparison),
        sides: [
            ("Base", side(&comparison.base)),
            ("Candidate", side(&comparison.cand)),
        ],
        method: method(comparison),
    }
}

/// How the figures came about, for below the title.
pub(super) fn design(comparison: &Comparison) -> String {
    match comparison.design {
        Design::PairedRounds => {
            format!(
                "{} in pairs",
                plural(comparison.rounds.len() as u64, "round")
            )
        }
        Design::StoredRuns => "stored runs, not in pairs".to_owned(),
    }
}

/// A gated metric that changed, or that cannot be told, in a sentence of HTML.
pub(super) fn news(metric: &MetricComparison) -> Option<String> {
    let (sign, word) = badge(metric.verdict);
    let said = match (metric.verdict, metric.effect) {
        (Verdict::Equivalent, _) => return None,
        (Verdict::Regressed | Verdict::Improved, Some(effect)) => {
            let medians = [metric.base_median, metric.cand_median];
            let [base, cand] = medians.map(|median| figure(median, &metric.unit));
            format!(
                "is {}: {base} became {cand} ({}), {}.",
                meaning(metric.direction, effect),
                signed(metric, effect),
                sure(metric)
            )
        }
        (_, Some(_)) => format!(
            "{}: {}; {}.",
            word.to_lowercase(),
            change(metric),
            metric.reason
        ),
        (_, None) => format!("{}: {}.", word.to_lowercase(), metric.reason),
    };
    let name = prose::html_code(&metric.name);
    Some(format!("{sign} {name} {}", prose::html(&said)))
}

fn row(metric: &MetricComparison) -> Row<'_> {
    let (sign, word) = badge(metric.verdict);
    let sized = |size: Option<f64>| size.map_or_else(dash, |size| amount(metric, size));
    Row {
        name: &metric.name,
        reason: prose::html(&reason(metric)),
        base: figure(metric.base_median, &metric.unit),
        cand: figure(metric.cand_median, &metric.unit),
        change: metric
            .effect
            .map_or_else(|| UNDEFINED.to_owned(), |effect| signed(metric, effect)),
        interval: interval(metric, metric.interval),
        p: metric.p_adjusted.or(metric.p).map_or_else(dash, chance),
        margin: sized(metric.margin),
        floor: sized(metric.noise_floor),
        agree: metric.agree.map_or_else(dash, percent),
        sign,
        word: word.to_lowercase(),
        class: match metric.verdict {
            // Most metrics that are not gated have no verdict, and nobody need worry.
            Verdict::NotCompared if !metric.gated => "dim",
            verdict => class(verdict),
        },
    }
}

/// Why, as a sentence; a p stays small.
fn reason(metric: &MetricComparison) -> String {
    if metric.reason.starts_with("p ") {
        format!("{}.", metric.reason)
    } else {
        sentence_of(&metric.reason)
    }
}

fn dash() -> String {
    "–".to_owned()
}

fn interval(metric: &MetricComparison, interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(dash, |ends| {
        // A break between the ends is fine, one before a unit is not.
        let [low, high] = ends.map(|end| signed(metric, end).replace(' ', "\u{a0}"));
        format!("{low}\u{a0}to {high}")
    })
}

fn fresh(metric: &MetricComparison) -> Option<Fresh<'_>> {
    let confirmation: &Confirmation = metric.confirmation.as_ref()?;
    let change = |effect: Option<f64>| {
        effect.map_or_else(|| UNDEFINED.to_owned(), |effect| signed(metric, effect))
    };
    let (word, class) = if confirmation.confirmed {
        ("confirmed", "")
    } else {
        ("not confirmed", "warn")
    };
    Some(Fresh {
        name: &metric.name,
        found: change(metric.effect),
        n: confirmation.n,
        change: change(confirmation.effect),
        interval: interval(metric, confirmation.interval),
        p: confirmation.p_adjusted.map_or_else(dash, chance),
        agree: confirmation.agree.map_or_else(dash, percent),
        word,
        class,
    })
}

fn round_rows(comparison: &Comparison) -> Vec<RoundRow<'_>> {
    let rounds = comparison.rounds.iter();
    rounds
        .map(|round| RoundRow {
            number: round.number,
            look: chart::look_name(round.look),
            first: if round.base_first {
                "base"
            } else {
                "candidate"
            },
            void: round.void.as_deref().unwrap_or_default(),
        })
        .collect()
}

/// Where the figures of a side come from.
fn side(side: &Side) -> Vec<(&'static str, String)> {
    let machine = &side.environment;
    vec![
        ("Name", side.name.clone()),
        ("What", side.what.clone()),
        ("floodmark", side.floodmark_version.clone()),
        ("Operating system", machine.os.clone()),
        ("Processor", machine.cpu.clone()),
        ("Processors", machine.cpus.to_string()),
        ("Memory", bytes(machine.memory_bytes as f64)),
    ]
}

/// How it was decided.
fn method(comparison: &Comparison) -> Vec<(&'static str, String)> {
    let rounds = &comparison.rounds;
    let of = |look: Look| rounds.iter().filter(|round| round.look == look).count();
    let void = rounds.iter().filter(|round| round.void.is_some()).count();
    let first = rounds.iter().filter(|round| round.base_first).count();
    let looks = if comparison.alpha_per_look < comparison.alpha {
        number(comparison.alpha / comparison.alpha_per_look)
            .trim_end_matches(".00")
            .to_owned()
    } else {
        "1".to_owned()
    };
    let mut pairs = Vec::new();
    if comparison.design == Design::PairedRounds {
        pairs.push((
            "Rounds",
            format!(
                "{}: {} for the first look, {} for the further one, {} to confirm; {void} of them void",
                rounds.len(),
                of(Look::First),
                of(Look::Second),
                of(Look::Confirmation)
            ),
        ));
        pairs.push((
            "Base ran first",
            format!("in {first} of {}", plural(rounds.len() as u64, "round")),
        ));
    }
    pairs.push((
        "Alpha over all looks",
        format!("{} (looks that were planned: {looks})", comparison.alpha),
    ));
    pairs.push(("Alpha of one look", comparison.alpha_per_look.to_string()));
    pairs.push(("Resamples of an interval", comparison.resamples.to_string()));
    pairs.push(("Seed of the resampling", comparison.seed.to_string()));
    pairs
}
