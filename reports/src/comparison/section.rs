//! A comparison as a section of a run's report: the verdict, the changes, the runs behind them.

use floodmark_contracts::compare::{Comparison, Design, MetricComparison, Verdict};

use super::{
    badge, lines,
    page::{design, news},
    words::{advice, class, sentence},
};
use crate::{chart, prose, verdict::sentence_of};

/// Gated metrics whose rounds are drawn: a run's report is not mainly a comparison.
const DRAWN: usize = 12;

/// What stands in the section, ready to print. Texts are HTML: values in backticks are code.
pub(crate) struct Section {
    /// The other side.
    pub(crate) base: String,
    /// How the figures came about.
    pub(crate) design: String,
    pub(crate) sign: &'static str,
    pub(crate) word: String,
    pub(crate) class: &'static str,
    pub(crate) sentence: String,
    /// What changed, and what cannot be told.
    pub(crate) news: Vec<String>,
    pub(crate) advice: Vec<String>,
    /// Why it is only advice; may be empty.
    pub(crate) advisory: Vec<String>,
    pub(crate) warnings: Vec<String>,
    /// SVG.
    pub(crate) forest: String,
    /// SVG, one for each gated metric.
    pub(crate) rounds: Vec<String>,
    /// Gated metrics beyond those drawn.
    pub(crate) undrawn: usize,
    pub(crate) is_paired: bool,
}

/// The section of a comparison.
pub(crate) fn section(comparison: &Comparison) -> Section {
    let gated: Vec<&MetricComparison> = comparison.metrics.iter().filter(|m| m.gated).collect();
    let (sign, word) = badge(comparison.verdict);
    let is_advice = !comparison.advisory.is_empty();
    let html = |lines: &[String]| -> Vec<String> {
        let lines = lines.iter();
        lines.map(|line| prose::html(&sentence_of(line))).collect()
    };
    let numbered = gated.iter().take(DRAWN).enumerate();
    let rounds = numbered.map(|(i, metric)| {
        let id = format!("comparison-rounds-{i}");
        chart::rounds(&id, comparison, metric)
    });
    Section {
        base: comparison.base.name.clone(),
        design: design(comparison),
        sign,
        word: format!("{word}{}", if is_advice { ", only advisory" } else { "" }),
        class: if is_advice {
            "warn"
        } else {
            class(comparison.verdict)
        },
        sentence: prose::html(&sentence(comparison)),
        // Where rounds are void nothing is known of any metric.
        news: match comparison.verdict {
            Verdict::Invalid => Vec::new(),
            _ => gated.iter().filter_map(|metric| news(metric)).collect(),
        },
        advice: html(&advice(comparison)),
        advisory: html(&comparison.advisory),
        warnings: html(&comparison.warnings),
        forest: chart::forest(
            "comparison-forest",
            "Changes of the gated metrics",
            &lines(&gated),
        ),
        rounds: rounds.collect(),
        undrawn: gated.len().saturating_sub(DRAWN),
        is_paired: comparison.design == Design::PairedRounds,
    }
}
