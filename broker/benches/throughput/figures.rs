//! The figures of one round, their medians over all rounds, and ratios.

use std::time::Duration;

use crate::measure::{Latency, Throughput};

/// The columns of [`Figures::row`].
pub const HEAD: &str = "broker                     p50 ms   p99 ms   max ms  CPU-s/M paced  acked M/s  \
                        received M/s  CPU-s/M full";

/// What one round found, or a median, or a ratio of two medians.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Median, 99th percentile and maximum from intended send to receipt, in milliseconds.
    send_to_receive: [f64; 3],
    /// CPU seconds of the broker per million records, in plus out, at the fixed rate.
    cpu_paced: Option<f64>,
    /// Million records acknowledged, and received, a second at full speed.
    rates: [f64; 2],
    /// CPU seconds of the broker per million records, in plus out, at full speed.
    cpu_full: Option<f64>,
}

impl Figures {
    /// The figures of the two measurements.
    pub fn of(paced: &Latency, full: &Throughput) -> Self {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let rate = |took: Duration| full.records as f64 / took.as_secs_f64() / 1e6;
        let cpu = |cpu: Option<Duration>, records: u64| {
            cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / records as f64)
        };
        Self {
            send_to_receive: [millis(paced.p50), millis(paced.p99), millis(paced.max)],
            cpu_paced: cpu(paced.cpu, paced.offered + paced.received),
            rates: [rate(full.produced), rate(full.consumed)],
            cpu_full: cpu(full.cpu, 2 * full.records),
        }
    }

    /// The median of each figure for itself.
    pub fn median(all: &[Self]) -> Self {
        let of = |pick: &dyn Fn(&Self) -> f64| median(all.iter().map(pick).collect());
        // Either every round knows the process or none does.
        let known = |pick: &dyn Fn(&Self) -> Option<f64>| {
            let values: Option<Vec<f64>> = all.iter().map(pick).collect();
            values.map(median)
        };
        Self {
            send_to_receive: [0, 1, 2].map(|n| of(&|one| one.send_to_receive[n])),
            cpu_paced: known(&|one| one.cpu_paced),
            rates: [0, 1].map(|n| of(&|one| one.rates[n])),
            cpu_full: known(&|one| one.cpu_full),
        }
    }

    /// Each figure divided by the other's.
    pub fn ratio(&self, other: &Self) -> Self {
        let both = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a / b);
        Self {
            send_to_receive: [0, 1, 2].map(|n| self.send_to_receive[n] / other.send_to_receive[n]),
            cpu_paced: both(self.cpu_paced, other.cpu_paced),
            rates: [0, 1].map(|n| self.rates[n] / other.rates[n]),
            cpu_full: both(self.cpu_full, other.cpu_full),
        }
    }

    /// One line of the report, below [`HEAD`].
    pub fn row(&self, name: &str) -> String {
        let [p50, p99, max] = self.send_to_receive;
        let [acked, received] = self.rates;
        let cpu = |value: Option<f64>| {
            value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.3}"))
        };
        format!(
            "{name:<24} {p50:>8.2} {p99:>8.2} {max:>8.2} {:>14} {acked:>10.2} {received:>13.2} {:>13}",
            cpu(self.cpu_paced),
            cpu(self.cpu_full)
        )
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 if values.is_empty() => f64::NAN,
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}
