//! A comparison for the terminal: plain text, no colour, no control characters.

use floodmark_contracts::compare::{Comparison, Verdict};

use super::{
    badge, chance, change,
    words::{advice, others, sentence},
};
use crate::{format::metric as figure, prose::visible, table::Table, verdict::sentence_of};

/// The verdict in the first line, one line for each gated metric, then how many of the others changed and what to do.
#[must_use]
pub fn comparison_text(comparison: &Comparison) -> String {
    let (sign, word) = badge(comparison.verdict);
    let advisory = if comparison.advisory.is_empty() {
        ""
    } else {
        " (advisory)"
    };
    let mut out = one_line(&format!(
        "{sign} {word}{advisory}: {} against {}. {}",
        comparison.cand.name,
        comparison.base.name,
        sentence(comparison)
    ));
    out.push('\n');
    let gated = table(comparison);
    if !gated.is_empty() {
        out.push('\n');
        out.push_str(&gated);
    }
    let mut lines: Vec<String> = others(comparison).into_iter().collect();
    lines.extend(advice(comparison));
    let reasons = comparison.advisory.iter();
    lines.extend(reasons.map(|line| format!("Only advisory: {}", sentence_of(line))));
    let warnings = comparison.warnings.iter();
    lines.extend(warnings.map(|line| format!("Warning: {}", sentence_of(line))));
    if !lines.is_empty() {
        out.push('\n');
    }
    for line in lines {
        out.push_str(&one_line(&line));
        out.push('\n');
    }
    out
}

/// The gated metrics; empty if there are none.
fn table(comparison: &Comparison) -> String {
    let mut table = Table::new(["metric", "base", "cand", "change (95 %)", "p", "verdict"]);
    let mut gated = comparison
        .metrics
        .iter()
        .filter(|metric| metric.gated)
        .peekable();
    if gated.peek().is_none() {
        return String::new();
    }
    for metric in gated {
        let p = metric.p_adjusted.or(metric.p);
        let (sign, word) = badge(metric.verdict);
        let word = match metric.verdict {
            // To be seen without colour among many lines.
            Verdict::Regressed => "REGRESSED".to_owned(),
            _ => word.to_lowercase(),
        };
        table.row([
            one_line(&metric.name),
            figure(metric.base_median, &metric.unit),
            figure(metric.cand_median, &metric.unit),
            change(metric),
            p.map_or_else(|| "–".to_owned(), chance),
            format!("{sign} {word}"),
        ]);
    }
    table.to_text()
}

/// A text that neither breaks a line nor moves the cursor.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(visible).collect()
}
