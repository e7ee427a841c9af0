//! Gates: conditions on the figures of a run.
//!
//! `metric op bound`, where `op` is `>=`, `>`, `<=`, `<` or `==` and the bound is a number with the
//! metric's unit or a multiple of another metric:
//! ```text
//! detection.recall >= 0.8
//! latency.alert.p99 < 250ms
//! throughput.acknowledged >= 0.99 * throughput.offered
//! ```
//! `e2e_latency.p99` is another name of `latency.alert.p99`, and on the right the family of the metric on the left may be
//! left out: `throughput.consumed >= 0.99 * offered`.
//!
//! A gate on an undefined figure fails: what was not measured cannot be relied on.

use std::{collections::BTreeMap, fmt};

use floodmark_contracts::{
    near,
    problem::Problem,
    profile::GateSection,
    result::{GateResult, Metric},
    units::{parse_duration, parse_rate},
};

use crate::metrics;

/// A gate as it is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    metric: String,
    comparison: Comparison,
    bound: Bound,
}

/// How a figure is held against its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    Above,
    AtMost,
    Below,
    Equal,
}

/// What a figure is held against.
#[derive(Debug, Clone, PartialEq)]
enum Bound {
    /// In the unit of the metric.
    Number(f64),
    Multiple {
        factor: f64,
        metric: String,
    },
}

/// Two-character operators first: `>` is the beginning of `>=`.
const OPERATORS: [(&str, Comparison); 5] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    ("==", Comparison::Equal),
    (">", Comparison::Above),
    ("<", Comparison::Below),
];

/// Why a text is not a gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// No comparison, or nothing on one of its sides.
    #[error(
        "`{found}` is not a condition; write a metric, a comparison and a bound, such as \
         `detection.recall >= 0.8`"
    )]
    Form {
        /// The text as it stands.
        found: String,
    },
    /// No such metric.
    #[error("`{found}` is not a metric{hint}")]
    Metric {
        /// The name as it stands.
        found: String,
        /// The nearest name, ready to print.
        hint: String,
    },
    /// The bound does not fit the metric.
    #[error("`{found}` is no bound for `{metric}`; {expected}")]
    Bound {
        /// The bound as it stands.
        found: String,
        /// The metric.
        metric: String,
        /// What would work.
        expected: String,
    },
    /// Two metrics that cannot be compared.
    #[error(
        "`{left}` is in {left_unit} and `{right}` in {right_unit}; compare metrics of one unit"
    )]
    Units {
        /// The metric on the left.
        left: String,
        /// Its unit.
        left_unit: &'static str,
        /// The metric on the right.
        right: String,
        /// Its unit.
        right_unit: &'static str,
    },
    /// A latency where event time does not run with wall time.
    #[error(
        "`{metric}` means nothing at `event_time.speed` {speed}, as waits for windows are shortened; \
         gate on it with speed 1"
    )]
    Speed {
        /// The latency.
        metric: String,
        /// Event time per wall time, as text.
        speed: String,
    },
}

impl Gate {
    /// Reads a condition for a run at `speed` milliseconds of event time per millisecond of wall time.
    ///
    /// # Errors
    /// [`GateError`] with what would work.
    pub fn parse(text: &str, speed: f64) -> Result<Self, GateError> {
        let form = || GateError::Form {
            found: text.to_owned(),
        };
        let (metric, comparison, bound) = split(text).ok_or_else(form)?;
        let metric = canonical(metric);
        let family = known(&metric, speed)?;
        Ok(Self {
            bound: read_bound(&metric, family, bound, speed)?,
            metric,
            comparison,
        })
    }

    /// The metrics that the condition names by the names of results, the one on the left first.
    pub fn metrics(&self) -> impl Iterator<Item = &str> {
        let right = match &self.bound {
            Bound::Number(_) => None,
            Bound::Multiple { metric, .. } => Some(metric.as_str()),
        };
        std::iter::once(self.metric.as_str()).chain(right)
    }

    /// The value of the metric and whether the condition holds.
    #[must_use]
    pub fn evaluate(&self, metrics: &BTreeMap<String, Metric>) -> (Option<f64>, bool) {
        let value = |name: &str| metrics.get(name).and_then(|metric| metric.value);
        let found = value(&self.metric);
        let bound = match &self.bound {
            Bound::Number(number) => Some(*number),
            Bound::Multiple { factor, metric } => value(metric).map(|value| value * factor),
        };
        let passed = found
            .zip(bound)
            .is_some_and(|(found, bound)| match self.comparison {
                Comparison::AtLeast => found >= bound,
                Comparison::Above => found > bound,
                Comparison::AtMost => found <= bound,
                Comparison::Below => found < bound,
                Comparison::Equal => found == bound,
            });
        (found, passed)
    }
}

/// Everything that is wrong with the gates of a profile whose event time runs at `speed`.
#[must_use]
pub fn validate(gates: &[GateSection], speed: f64) -> Vec<Problem> {
    gates
        .iter()
        .enumerate()
        .filter_map(|(i, gate)| {
            let error = Gate::parse(&gate.require, speed).err()?;
            Some(Problem::new(
                format!("gates[{i}].require"),
                error.to_string(),
            ))
        })
        .collect()
}

/// Holds every gate against the figures.
///
/// # Errors
/// [`GateError`] for the first that cannot be read.
pub fn evaluate(
    gates: &[GateSection],
    metrics: &BTreeMap<String, Metric>,
    speed: f64,
) -> Result<Vec<GateResult>, GateError> {
    gates
        .iter()
        .map(|gate| {
            let (found, passed) = Gate::parse(&gate.require, speed)?.evaluate(metrics);
            Ok(GateResult {
                gate: gate.clone(),
                found,
                passed,
            })
        })
        .collect()
}

fn split(text: &str) -> Option<(&str, Comparison, &str)> {
    let at = text.find(['<', '>', '='])?;
    let (operator, comparison) = OPERATORS
        .into_iter()
        .find(|(operator, _)| text[at..].starts_with(operator))?;
    let (metric, bound) = (text[..at].trim(), text[at + operator.len()..].trim());
    (!metric.is_empty() && !bound.is_empty()).then_some((metric, comparison, bound))
}

/// Other names of metrics, by their beginnings: what other tools call them.
const ALIASES: [(&str, &str); 1] = [("e2e_latency.", "latency.alert.")];

/// The name by which a metric stands in results.
fn canonical(name: &str) -> String {
    ALIASES
        .into_iter()
        .find_map(|(alias, own)| name.strip_prefix(alias).map(|rest| format!("{own}{rest}")))
        .unwrap_or_else(|| name.to_owned())
}

/// The name of the metric on the right: beside `throughput.consumed`, `offered` is `throughput.offered`.
fn beside(left: &str, name: &str) -> String {
    let name = canonical(name);
    let family = left.split_once('.').map(|(family, _)| family);
    let full = family.map(|family| format!("{family}.{name}"));
    full.filter(|full| metrics::find(full).is_some())
        .unwrap_or(name)
}

fn known(name: &str, speed: f64) -> Result<metrics::Family, GateError> {
    let family = metrics::find(name).ok_or_else(|| GateError::Metric {
        found: name.to_owned(),
        hint: nearest(name),
    })?;
    if speed != 1.0 && name.starts_with("latency.") {
        return Err(GateError::Speed {
            metric: name.to_owned(),
            speed: speed.to_string(),
        });
    }
    Ok(family)
}

/// The nearest metric's name as a question, or where to look.
fn nearest(name: &str) -> String {
    near::nearest(name, metrics::names().map(|(known, _)| known)).map_or_else(
        || "; the metrics reference lists them all".to_owned(),
        |known| format!("; did you mean `{known}`?"),
    )
}

fn read_bound(
    metric: &str,
    family: metrics::Family,
    bound: &str,
    speed: f64,
) -> Result<Bound, GateError> {
    if let Some((factor, other)) = bound.split_once('*') {
        let factor = factor.trim();
        let factor = plain(factor).ok_or_else(|| GateError::Bound {
            found: bound.to_owned(),
            metric: metric.to_owned(),
            expected: "write the factor first, such as `0.99 * throughput.offered`".to_owned(),
        })?;
        return multiple(metric, family, factor, other.trim(), speed);
    }
    if bound.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return multiple(metric, family, 1.0, bound, speed);
    }
    let unit = Unit::of(family.unit);
    unit.read(bound)
        .map(Bound::Number)
        .ok_or_else(|| GateError::Bound {
            found: bound.to_owned(),
            metric: metric.to_owned(),
            expected: unit.to_string(),
        })
}

fn multiple(
    metric: &str,
    family: metrics::Family,
    factor: f64,
    other: &str,
    speed: f64,
) -> Result<Bound, GateError> {
    let other = &beside(metric, other);
    let right = known(other, speed)?;
    if right.unit != family.unit {
        return Err(GateError::Units {
            left: metric.to_owned(),
            left_unit: family.unit,
            right: other.to_owned(),
            right_unit: right.unit,
        });
    }
    Ok(Bound::Multiple {
        factor,
        metric: other.to_owned(),
    })
}

/// How a bound is written for a unit of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Ratio,
    Micros,
    Millis,
    Rate,
    Bytes,
    Plain,
}

impl Unit {
    fn of(unit: &str) -> Self {
        match unit {
            "ratio" => Self::Ratio,
            "us" => Self::Micros,
            "ms" => Self::Millis,
            "events/s" => Self::Rate,
            "bytes" => Self::Bytes,
            _ => Self::Plain,
        }
    }

    /// The bound in the metric's unit.
    fn read(self, text: &str) -> Option<f64> {
        match self {
            Self::Ratio => plain(text).filter(|ratio| *ratio <= 1.0),
            Self::Micros => parse_duration(text).ok().map(|d| d.as_secs_f64() * 1e6),
            Self::Millis => parse_duration(text).ok().map(|d| d.as_secs_f64() * 1e3),
            Self::Rate => plain(text).or_else(|| parse_rate(text).ok()),
            Self::Bytes => bytes(text),
            Self::Plain => plain(text),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ratio => "write a ratio from 0 to 1, such as `0.8`",
            Self::Micros => "write a duration with its unit, such as `250ms`",
            Self::Millis => "write a duration of event time with its unit, such as `30s`",
            Self::Rate => "write events per second, such as `50k/s`",
            Self::Bytes => "write a size with its unit, such as `512MiB`",
            Self::Plain => "write a number, such as `10`",
        })
    }
}

/// A finite number without a sign.
fn plain(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.parse()
        .ok()
        .filter(|_| digits && text.starts_with(|c: char| c.is_ascii_digit()))
}

fn bytes(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 7] = [
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("B", 1.0),
    ];
    let (unit, scale) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    plain(text[..text.len() - unit.len()].trim_end()).map(|number| number * scale)
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::result::Direction;

    use super::*;

    fn metrics(values: &[(&str, Option<f64>)]) -> BTreeMap<String, Metric> {
        let metric = |value| Metric {
            value,
            interval: None,
            unit: String::new(),
            direction: Direction::Higher,
        };
        values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), metric(*value)))
            .collect()
    }

    fn passes(text: &str, values: &[(&str, Option<f64>)]) -> bool {
        Gate::parse(text, 1.0).unwrap().evaluate(&metrics(values)).1
    }

    #[test]
    fn each_comparison_holds_where_it_should() {
        for (text, at_bound, above, below) in [
            ("detection.recall >= 0.5", true, true, false),
            ("detection.recall > 0.5", false, true, false),
            ("detection.recall <= 0.5", true, false, true),
            ("detection.recall < 0.5", false, false, true),
            ("detection.recall==0.5", true, false, false),
        ] {
            let found = [0.5, 0.6, 0.4].map(|v| passes(text, &[("detection.recall", Some(v))]));
            assert_eq!(found, [at_bound, above, below], "{text}");
        }
    }

    #[test]
    fn a_gate_tells_its_metrics_by_the_names_of_results() {
        for (text, expected) in [
            ("e2e_latency.p99 < 5s", &["latency.alert.p99"][..]),
            (
                "throughput.consumed >= 0.99 * offered",
                &["throughput.consumed", "throughput.offered"],
            ),
        ] {
            let gate = Gate::parse(text, 1.0).unwrap();
            assert_eq!(gate.metrics().collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn a_metric_has_other_names_and_lends_its_family_to_the_right() {
        let consumed = [
            ("throughput.consumed", Some(990.0)),
            ("throughput.offered", Some(1000.0)),
        ];
        assert!(passes("throughput.consumed >= 0.99 * offered", &consumed));
        assert!(!passes("throughput.consumed >= offered", &consumed));
        let latency = [("latency.alert.p99", Some(200_000.0))];
        assert!(passes("e2e_latency.p99 < 250ms", &latency));
        assert!(Gate::parse("e2e_latency.p98 < 250ms", 1.0).is_err());
        assert!(Gate::parse("throughput.consumed >= ordered", 1.0).is_err());
    }

    #[test]
    fn bounds_are_read_in_the_unit_of_the_metric() {
        for (text, metric, holds, fails) in [
            (
                "latency.alert.p99 < 250ms",
                "latency.alert.p99",
                249_999.0,
                250_000.0,
            ),
            (
                "latency.alert.p99.9 < 1.5s",
                "latency.alert.p99.9",
                1_499_999.0,
                1_500_000.0,
            ),
            (
                "detection.delay.bot <= 30s",
                "detection.delay.bot",
                30_000.0,
                30_001.0,
            ),
            (
                "throughput.sent >= 50k/s",
                "throughput.sent",
                50_000.0,
                49_999.0,
            ),
            (
                "throughput.sent >= 50000",
                "throughput.sent",
                50_000.0,
                49_999.0,
            ),
            (
                "memory.subject.peak <= 2MiB",
                "memory.subject.peak",
                2_097_152.0,
                2_097_153.0,
            ),
            (
                "cpu.broker.per_million_events < 0.2",
                "cpu.broker.per_million_events",
                0.19,
                0.2,
            ),
            ("errors.dead_letters == 0", "errors.dead_letters", 0.0, 1.0),
        ] {
            assert!(
                passes(text, &[(metric, Some(holds))]),
                "{text} holds at {holds}"
            );
            assert!(
                !passes(text, &[(metric, Some(fails))]),
                "{text} fails at {fails}"
            );
        }
    }

    #[test]
    fn a_metric_can_be_held_against_another() {
        let text = "throughput.acknowledged >= 0.99 * throughput.offered";
        let rates = |acknowledged| {
            [
                ("throughput.acknowledged", Some(acknowledged)),
                ("throughput.offered", Some(1000.0)),
            ]
        };
        assert!(passes(text, &rates(990.0)));
        assert!(!passes(text, &rates(989.0)));
        assert!(!passes(
            "throughput.sent >= throughput.offered",
            &rates(1000.0)
        ));
    }

    #[test]
    fn an_undefined_figure_fails_its_gate() {
        assert!(!passes(
            "detection.precision >= 0",
            &[("detection.precision", None)]
        ));
        assert!(!passes("detection.precision <= 1", &[]));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_would_work() {
        for (text, speed, expected) in [
            (
                "recall is good",
                1.0,
                "write a metric, a comparison and a bound",
            ),
            (">= 0.8", 1.0, "write a metric"),
            ("detection.recall = 0.8", 1.0, "write a metric"),
            (
                "detection.recal >= 0.8",
                1.0,
                "did you mean `detection.recall`?",
            ),
            (
                "detection.recall.bots >= 0.8",
                1.0,
                "did you mean `detection.recall.bot`?",
            ),
            ("weather >= 1", 1.0, "the metrics reference lists them all"),
            ("detection.recall >= 80", 1.0, "write a ratio from 0 to 1"),
            ("detection.recall >= NaN", 1.0, "`NaN` is not a metric"),
            ("detection.recall >= -1", 1.0, "write a ratio from 0 to 1"),
            (
                "latency.alert.p99 < 250",
                1.0,
                "write a duration with its unit",
            ),
            ("memory.subject.peak < 1", 1.0, "write a size with its unit"),
            (
                "throughput.sent >= x * throughput.offered",
                1.0,
                "write the factor first",
            ),
            (
                "throughput.sent >= 0.9 * detection.recall",
                1.0,
                "compare metrics of one unit",
            ),
            ("latency.alert.p99 < 250ms", 60.0, "gate on it with speed 1"),
        ] {
            let error = Gate::parse(text, speed).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn every_bad_gate_is_told_with_its_path() {
        let gates = ["detection.recall >= 0.8", "nonsense", "detection.f1 >= 2"].map(|require| {
            GateSection {
                require: require.to_owned(),
                otherwise: Default::default(),
            }
        });
        let paths: Vec<String> = validate(&gates, 1.0).into_iter().map(|p| p.path).collect();
        assert_eq!(paths, ["gates[1].require", "gates[2].require"]);
    }
}
