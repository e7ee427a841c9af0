//! A comparison of runs as a test suite: each gated metric.

use std::io::Write;

use floodmark_contracts::compare::{Comparison, MetricComparison, Side, Verdict as Compared};

use super::{Case, Suite, Verdict};
use crate::{ReportError, comparison::change};

/// Writes the comparison as one test suite, with a test case for each gated metric. A regression is a failure, unless the
/// comparison is only advisory, when it passes and says so; too many void rounds are an error; what the rounds do not
/// tell is skipped.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn comparison_junit(comparison: &Comparison, out: &mut dyn Write) -> Result<(), ReportError> {
    let (base, cand) = (&comparison.base, &comparison.cand);
    let case = |metric: &MetricComparison| Case::new(&metric.name, judged(comparison, metric));
    let gated = comparison.metrics.iter().filter(|metric| metric.gated);
    let what = |side: &Side| format!("{} ({})", side.name, side.what);
    let mut lines = comparison.advisory.clone();
    lines.extend(comparison.warnings.iter().cloned());
    let suite = Suite {
        name: format!("{} against {}", cand.name, base.name),
        // A comparison does not say when it was made.
        started_at: None,
        properties: vec![
            ("base", what(base)),
            ("cand", what(cand)),
            ("alpha", comparison.alpha.to_string()),
            ("rounds", comparison.rounds.len().to_string()),
            ("floodmark.version", comparison.floodmark_version.clone()),
        ],
        cases: gated.map(case).collect(),
        out: lines.join("\n"),
        err: String::new(),
        made_by: format!("{} against {}", what(cand), what(base)),
    };
    Ok(suite.write(out)?)
}

/// What a metric comes to, with its change.
fn judged(comparison: &Comparison, metric: &MetricComparison) -> Verdict {
    let said = format!("{}: {}", change(metric), metric.reason);
    match metric.verdict {
        Compared::Regressed if comparison.advisory.is_empty() => {
            Verdict::Failure("regressed", said)
        }
        Compared::Regressed => {
            let why = comparison.advisory.join("; ");
            Verdict::Passed(format!("warning: {said}\nonly advisory: {why}"))
        }
        Compared::Improved | Compared::Equivalent => Verdict::Passed(said),
        Compared::Inconclusive | Compared::NotCompared => Verdict::Skipped(said),
        Compared::Invalid => Verdict::Error("invalid", said),
    }
}
