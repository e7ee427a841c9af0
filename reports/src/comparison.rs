//! A comparison of runs in Markdown, for a pull request or a job summary, and in words that other formats share.

mod forest;
mod page;
mod section;
mod text;
mod words;

use std::io::Write;

use floodmark_contracts::compare::{
    Comparison, EffectScale, Look, MetricComparison, Side, Verdict,
};

pub(crate) use self::{
    forest::{Line, lines, reach},
    section::{Section, section},
    text::one_line,
    words::{meaning, share},
};
pub use self::{
    page::{comparison_html, comparison_png, comparison_svg},
    text::comparison_text,
};
use crate::{
    ReportError,
    format::{UNDEFINED, metric as figure, number, plural},
    prose::{code, markdown},
    table::Table,
    verdict::sentence_of,
};

/// Writes `comparison.md`: the verdict in the first line, then every gated metric with both sides, its change with interval,
/// p and margin; the others below, folded.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn comparison_md(comparison: &Comparison, out: &mut dyn Write) -> Result<(), ReportError> {
    let (base, cand) = (&comparison.base, &comparison.cand);
    let (sign, word) = badge(comparison.verdict);
    writeln!(
        out,
        "# {sign} {word}: {} against {}. {}\n",
        markdown(&cand.name),
        markdown(&base.name),
        next_step(comparison)
    )?;
    for line in &comparison.advisory {
        writeln!(out, "- Only advisory: {}", markdown(&sentence_of(line)))?;
    }
    for line in &comparison.warnings {
        writeln!(out, "- {}", markdown(&sentence_of(line)))?;
    }
    if comparison.advisory.len() + comparison.warnings.len() > 0 {
        writeln!(out)?;
    }
    let (gated, others): (Vec<_>, Vec<_>) =
        comparison.metrics.iter().partition(|metric| metric.gated);
    writeln!(out, "{}", table(&gated).to_markdown())?;
    for metric in gated.iter().filter(|metric| is_news(metric.verdict)) {
        let reason = markdown(&sentence_of(&metric.reason));
        writeln!(out, "- {}: {reason}", code(&metric.name))?;
    }
    writeln!(out, "\n{}\n", made_of(comparison))?;
    for (name, side) in [("Base", base), ("Candidate", cand)] {
        writeln!(out, "- {name}: {}", side_line(side))?;
    }
    if !others.is_empty() {
        writeln!(
            out,
            "\n<details><summary>Not gated: {}</summary>\n\n{}\n</details>",
            plural(others.len() as u64, "metric"),
            table(&others).to_markdown()
        )?;
    }
    Ok(())
}

/// A sign that does not need colour, and the verdict in a word.
pub(crate) fn badge(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Regressed => ("✗", "Regressed"),
        Verdict::Improved => ("✓", "Improved"),
        Verdict::Equivalent => ("✓", "Equivalent"),
        Verdict::Inconclusive => ("?", "Inconclusive"),
        Verdict::Invalid => ("!", "Invalid"),
        Verdict::NotCompared => ("–", "Not compared"),
    }
}

/// What is worth a sentence below the table.
fn is_news(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Equivalent)
}

/// The first thing to do, in a sentence.
fn next_step(comparison: &Comparison) -> String {
    let regressed =
        |metric: &&MetricComparison| metric.gated && metric.verdict == Verdict::Regressed;
    match comparison.verdict {
        Verdict::Regressed => comparison.metrics.iter().find(regressed).map_or_else(
            || "Look at its metrics.".to_owned(),
            |metric| format!("Look first at {}: {}.", code(&metric.name), change(metric)),
        ),
        Verdict::Improved | Verdict::Equivalent => "Nothing to do.".to_owned(),
        Verdict::Inconclusive => "More rounds, or a quieter machine, would tell.".to_owned(),
        Verdict::Invalid => "Mend what made rounds void and compare again.".to_owned(),
        Verdict::NotCompared => "There is nothing that both sides have.".to_owned(),
    }
}

fn table(metrics: &[&MetricComparison]) -> Table {
    let mut table = Table::new(["metric", "base", "cand", "change", "p", "margin", "verdict"]);
    for metric in metrics {
        let (sign, word) = badge(metric.verdict);
        let margin = metric.margin;
        table.row([
            code(&metric.name),
            figure(metric.base_median, &metric.unit),
            figure(metric.cand_median, &metric.unit),
            change(metric),
            metric
                .p_adjusted
                .or(metric.p)
                .map_or_else(String::new, chance),
            margin.map_or_else(String::new, |margin| amount(metric, margin)),
            format!("{sign} {}", word.to_lowercase()),
        ]);
    }
    table
}

/// The change with its interval, such as `+4.2 % (+1.0 % to +7.5 %)`.
pub(crate) fn change(metric: &MetricComparison) -> String {
    let Some(effect) = metric.effect else {
        return UNDEFINED.to_owned();
    };
    let interval = metric.interval.map_or_else(String::new, |interval| {
        let [low, high] = interval.map(|end| signed(metric, end));
        format!(" ({low} to {high})")
    });
    format!("{}{interval}", signed(metric, effect))
}

/// A change with its sign.
pub(crate) fn signed(metric: &MetricComparison, change: f64) -> String {
    let sign = match change {
        change if change > 0.0 => "+",
        change if change < 0.0 => "−",
        _ => "",
    };
    format!("{sign}{}", amount(metric, change.abs()))
}

/// The size of a change, in per cent or in the metric's unit.
fn amount(metric: &MetricComparison, size: f64) -> String {
    match metric.scale {
        EffectScale::Relative => format!("{} %", number(size * 100.0)),
        EffectScale::Difference | EffectScale::Exact => figure(Some(size), &metric.unit),
    }
}

/// A p with three decimals.
pub(crate) fn chance(p: f64) -> String {
    if p < 0.001 {
        return "under 0.001".to_owned();
    }
    format!("{p:.3}")
}

/// What the figures rest on.
fn made_of(comparison: &Comparison) -> String {
    let rounds = &comparison.rounds;
    let void = rounds.iter().filter(|round| round.void.is_some()).count();
    let confirming = rounds
        .iter()
        .filter(|round| round.look == Look::Confirmation);
    let made = if rounds.is_empty() {
        "Stored runs, not in pairs".to_owned()
    } else {
        let rounds = plural(rounds.len() as u64, "paired round");
        format!(
            "{rounds}, {void} of them void, {} to confirm",
            confirming.count()
        )
    };
    format!(
        "{made}. Medians; change with its 95 % interval; p after Holm over the gated metrics, held against {}.",
        number(comparison.alpha_per_look)
    )
}

/// Where the figures of a side come from.
fn side_line(side: &Side) -> String {
    let machine = &side.environment;
    format!(
        "{}, floodmark {}, {} on {}, {}",
        code(&side.what),
        markdown(&side.floodmark_version),
        markdown(&machine.os),
        markdown(&machine.cpu),
        plural(u64::from(machine.cpus), "processor")
    )
}
