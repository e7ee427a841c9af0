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
        out.push_str(&table(noise).to_text());
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

/// A row for each metric.
fn table(noise: &NoiseFloor) -> Table {
    let mut metrics: Vec<&MetricNoise> = noise.metrics.iter().collect();
    metrics.sort_by(|a, b| {
        is_gated(b)
            .cmp(&is_gated(a))
            .then(least(a).total_cmp(&least(b)))
            .then(a.name.cmp(&b.name))
    });
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
