//! A run's metrics for what keeps the history of benchmarks: Bencher, and the action github-action-benchmark.
//!
//! Undefined metrics are left out of both: neither has a value for them.

use std::io::{self, Write};

use floodmark_contracts::{
    compare::{Comparison, EffectScale, MetricComparison},
    result::{Direction, Metric, RunResult},
};
use serde_json::{Map, Value, json};

use crate::{ReportError, prose::visible};

/// Which metrics an array for github-action-benchmark holds: its input `tool` says of a whole file which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// `customSmallerIsBetter`.
    Smaller,
    /// `customBiggerIsBetter`.
    Bigger,
}

/// Writes the metrics in the Bencher Metric Format: one benchmark, named by profile and detector, with a measure for each
/// metric that has a value, and with the ends of its interval where it has one.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn bmf(result: &RunResult, out: &mut dyn Write) -> Result<(), ReportError> {
    let of = |(name, metric, value): (&String, &Metric, f64)| {
        (slug(name), measure(value, metric.interval))
    };
    let measures: Map<String, Value> = defined(result).map(of).collect();
    let benchmarks = Map::from_iter([(benchmark(result), Value::Object(measures))]);
    write(&Value::Object(benchmarks), out)
}

/// Writes the changes of a comparison in the same format: one benchmark, named by both sides, with a measure for each metric
/// whose change is known, `<metric>-change` where it is relative (0.05 is 5 % more) and `<metric>-difference` where it is in
/// the metric's unit.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn comparison_bmf(comparison: &Comparison, out: &mut dyn Write) -> Result<(), ReportError> {
    let of = |metric: &MetricComparison| {
        let kind = match metric.scale {
            EffectScale::Relative => "change",
            EffectScale::Difference | EffectScale::Exact => "difference",
        };
        let effect = metric.effect.filter(|effect| effect.is_finite())?;
        let name = slug(&format!("{}-{kind}", metric.name));
        Some((name, measure(effect, metric.interval)))
    };
    let measures: Map<String, Value> = comparison.metrics.iter().filter_map(of).collect();
    let (cand, base) = (&comparison.cand.name, &comparison.base.name);
    let name = one_line(&format!("{cand} against {base}"));
    let benchmarks = Map::from_iter([(name, Value::Object(measures))]);
    write(&Value::Object(benchmarks), out)
}

/// A value with the ends of its interval, where it has one.
fn measure(value: f64, interval: Option<[f64; 2]>) -> Value {
    let mut measure = Map::from_iter([("value".to_owned(), json!(value))]);
    if let Some([low, high]) = interval {
        measure.insert("lower_value".to_owned(), json!(low));
        measure.insert("upper_value".to_owned(), json!(high));
    }
    Value::Object(measure)
}

/// Writes one of the two arrays for github-action-benchmark. Metrics that are better neither way are in none.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn gha(result: &RunResult, better: Better, out: &mut dyn Write) -> Result<(), ReportError> {
    let wanted = match better {
        Better::Smaller => Direction::Lower,
        Better::Bigger => Direction::Higher,
    };
    let benchmark = benchmark(result);
    let extra = one_line(&format!(
        "seed {}, broker {}, floodmark {}; {}",
        result.seed, result.broker, result.floodmark_version, result.reproduce
    ));
    let entry = |(name, metric, value): (&String, &Metric, f64)| {
        let mut entry = Map::new();
        entry.insert("name".to_owned(), json!(format!("{benchmark}: {name}")));
        entry.insert("unit".to_owned(), json!(metric.unit));
        entry.insert("value".to_owned(), json!(value));
        if let Some([low, high]) = metric.interval {
            entry.insert("range".to_owned(), json!(format!("{low:.3} to {high:.3}")));
        }
        entry.insert("extra".to_owned(), json!(extra));
        Value::Object(entry)
    };
    let entries = defined(result).filter(|(_, metric, _)| metric.direction == wanted);
    write(&entries.map(entry).collect(), out)
}

/// Metrics that have a value, by name.
fn defined(result: &RunResult) -> impl Iterator<Item = (&String, &Metric, f64)> {
    let finite = |value: &f64| value.is_finite();
    result
        .metrics
        .iter()
        .filter_map(move |(name, metric)| Some((name, metric, metric.value.filter(finite)?)))
}

/// The name under which runs of one workload on one detector are a history.
fn benchmark(result: &RunResult) -> String {
    one_line(&format!("{}/{}", result.profile, result.subject))
}

fn one_line(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// A metric's name as Bencher names measures: small letters, digits and hyphens, at most 64 of them.
fn slug(name: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
        _ => '-',
    };
    name.chars().map(plain).take(64).collect()
}

fn write(value: &Value, out: &mut dyn Write) -> Result<(), ReportError> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use floodmark_scoring::metrics::names;

    use super::*;

    #[test]
    fn every_metric_has_a_slug_of_its_own_that_bencher_takes() {
        let slugs: Vec<String> = names().map(|(name, _)| slug(&name)).collect();
        let distinct: BTreeSet<&String> = slugs.iter().collect();
        assert!(slugs.len() > 100);
        assert_eq!(slugs.len(), distinct.len());
        for (slug, (name, _)) in slugs.iter().zip(names()) {
            let longest = name.len() + "-difference".len();
            assert!(longest <= 64, "`{name}-difference` would be cut");
            assert!(
                !slug.contains("--") && !slug.starts_with('-') && !slug.ends_with('-'),
                "{slug}"
            );
        }
    }
}
