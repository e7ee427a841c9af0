//! The noise floor of a machine for the terminal.

use floodmark_contracts::compare::{MetricNoise, NoiseFloor};
use floodmark_scoring::compare::plan::GATED_BY_DEFAULT;

use crate::{
    comparison::{one_line, share},
    format::{plural, wall_time},
    table::Table,
    verdict::sentence_of,
};

/// Where and when the noise was measured, then every metric with its spread, its noise floor and the smallest change that one
/// look finds in nine of ten: metrics that are gated by default first, and the sharper ones before the blunter ones.
#[must_use]
pub fn noise_floor_text(noise: &NoiseFloor) -> String {
    let machine = &noise.environment;
    let mut out = one_line(&format!(
        "Noise of {} with {}: {}, measured {} on {}, {}, {}.",
        noise.profile,
        noise.subject,
        plural(u64::from(noise.rounds), "round"),
        wall_time(noise.measured_at),
        machine.os,
        machine.cpu,
        plural(u64::from(machine.cpus), "processor")
    ));
    out.push_str(&format!(
        "\nFloors and smallest changes are those of comparisons of {}.\n\n",
        plural(u64::from(noise.for_rounds), "round")
    ));
    if noise.metrics.is_empty() {
        out.push_str("No metric was measured.\n");
    } else {
        let (shown, n_others) = shown(noise);
        out.push_str(&table(&shown).to_text());
        out.push_str(&undefined(noise));
        if n_others > 0 {
            let others = plural(n_others, "more metric");
            out.push_str(&format!(
                "\n{others} did not vary, or say nothing here; `noise-floor.json` has them all.\n"
            ));
        }
    }
    if !noise.warnings.is_empty() {
        out.push('\n');
    }
    for warning in &noise.warnings {
        out.push_str(&one_line(&format!("Warning: {}", sentence_of(warning))));
        out.push('\n');
    }
    out
}

/// A sentence on the metrics that are gated by default and that no round has; empty where there are none.
fn undefined(noise: &NoiseFloor) -> String {
    let named: Vec<String> = noise
        .metrics
        .iter()
        .filter(|metric| is_gated(metric) && !is_defined(metric))
        .map(|metric| format!("`{}`", one_line(&metric.name)))
        .collect();
    let (are, gate) = match named.len() {
        0 => return String::new(),
        1 => ("is", "gates"),
        _ => ("are", "gate"),
    };
    format!(
        "\n{} {are} undefined in every round and {gate} nothing here.\n",
        named.join(", ")
    )
}

/// Whether any round has a change of the metric.
fn is_defined(metric: &MetricNoise) -> bool {
    metric.ln_ratios.iter().flatten().next().is_some()
}

/// The metrics that are gated by default, where they are defined, and those that vary, sharper ones first; and how many
/// others there are.
fn shown(noise: &NoiseFloor) -> (Vec<&MetricNoise>, u64) {
    let varies = |metric: &&MetricNoise| metric.sd.is_some_and(|sd| sd > 0.0);
    let mut metrics: Vec<&MetricNoise> = noise
        .metrics
        .iter()
        .filter(|metric| is_defined(metric) && (is_gated(metric) || varies(metric)))
        .collect();
    metrics.sort_by(|a, b| {
        is_gated(b)
            .cmp(&is_gated(a))
            .then(least(a).total_cmp(&least(b)))
            .then(a.name.cmp(&b.name))
    });
    let others = noise.metrics.iter();
    let others = others.filter(|metric| is_defined(metric) || !is_gated(metric));
    let n_others = others.count().saturating_sub(metrics.len()) as u64;
    (metrics, n_others)
}

/// A row for each metric.
fn table(metrics: &[&MetricNoise]) -> Table {
    let mut table = Table::new([
        "metric",
        "gated",
        "rounds",
        "sd",
        "noise floor",
        "smallest change",
    ]);
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), share);
    for metric in metrics {
        let gated = if is_gated(metric) { "yes" } else { "" };
        table.row([
            one_line(&metric.name),
            gated.to_owned(),
            metric.ln_ratios.iter().flatten().count().to_string(),
            shown(metric.sd),
            shown(metric.floor),
            shown(metric.detectable),
        ]);
    }
    table
}

fn is_gated(metric: &MetricNoise) -> bool {
    GATED_BY_DEFAULT.contains(&metric.name.as_str())
}

/// The smallest change that is found; what is not known is of least use.
fn least(metric: &MetricNoise) -> f64 {
    metric.detectable.unwrap_or(f64::INFINITY)
}
