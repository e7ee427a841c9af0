//! Figures in Prometheus' text format, put together by hand.
//!
//! The figures come out of files and of other threads, so that they are no metrics in a registry of the process:
//! families are made when a page is asked for, and encoded by the library.

use prometheus::{
    TextEncoder,
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, MetricFamily, MetricType},
};

use crate::counts::{BOUNDS_US, Spans};

/// The media type of the text.
pub use prometheus::TEXT_FORMAT;
/// One value of a family, with its labels.
pub use prometheus::proto::Metric;

/// Names and values that tell the metrics of a family apart.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// A page of metrics.
///
/// ```
/// use floodmark_contracts::exposition::{Page, counter};
/// let mut page = Page::new("demo_");
/// page.counters("eggs_total", "Eggs laid.", vec![counter(&[("hen", "a")], 3)]);
/// let text = page.text().unwrap();
/// assert!(text.ends_with("demo_eggs_total{hen=\"a\"} 3\n"));
/// ```
#[derive(Debug)]
pub struct Page {
    prefix: &'static str,
    families: Vec<MetricFamily>,
}

impl Page {
    /// An empty page whose names begin with `prefix`.
    #[must_use]
    pub fn new(prefix: &'static str) -> Self {
        Self {
            prefix,
            families: Vec::new(),
        }
    }

    /// Puts another prefix in front of the names that follow.
    pub fn prefix(&mut self, prefix: &'static str) {
        self.prefix = prefix;
    }

    /// Adds a family of counters.
    pub fn counters(&mut self, name: &str, help: &str, metrics: Vec<Metric>) {
        self.add(name, help, MetricType::COUNTER, metrics);
    }

    /// Adds a family of gauges.
    pub fn gauges(&mut self, name: &str, help: &str, metrics: Vec<Metric>) {
        self.add(name, help, MetricType::GAUGE, metrics);
    }

    /// Adds a family of histograms.
    pub fn histograms(&mut self, name: &str, help: &str, metrics: Vec<Metric>) {
        self.add(name, help, MetricType::HISTOGRAM, metrics);
    }

    /// The page.
    ///
    /// # Errors
    /// What the library says; never for names that are valid.
    pub fn text(&self) -> Result<String, String> {
        TextEncoder::new()
            .encode_to_string(&self.families)
            .map_err(|error| error.to_string())
    }

    fn add(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        // A family without a value, such as that of failures in a good run, has no place in the format.
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(format!("{}{name}", self.prefix));
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.families.push(family);
    }
}

/// A gauge's value.
#[must_use]
pub fn gauge(labels: Labels<'_>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    labelled(Metric::from_gauge(gauge), labels)
}

/// A counter's value.
#[must_use]
pub fn counter(labels: Labels<'_>, value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::default();
    metric.set_counter(counter);
    labelled(metric, labels)
}

/// A histogram in the unit of which `us_per_unit` microseconds are one.
#[must_use]
pub fn histogram(labels: Labels<'_>, spans: &Spans, us_per_unit: f64) -> Metric {
    let mut below = 0;
    let buckets = BOUNDS_US.iter().zip(&spans.counts).map(|(bound, count)| {
        below += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound as f64 / us_per_unit);
        bucket.set_cumulative_count(below);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(spans.total());
    histogram.set_sample_sum(spans.sum_us as f64 / us_per_unit);
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    labelled(metric, labels)
}

/// Microseconds in a second, for histograms in seconds.
pub const SECONDS: f64 = 1e6;

/// Microseconds in a millisecond, for histograms in milliseconds.
pub const MILLISECONDS: f64 = 1e3;

fn labelled(mut metric: Metric, labels: Labels<'_>) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    metric.set_label(labels.iter().map(pair).collect());
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_up_in_the_unit_asked_for() {
        let mut spans = Spans::default();
        for us in [20, 2_000, 90_000_000] {
            spans.record(us);
        }
        let mut page = Page::new("x_");
        let metrics = vec![histogram(&[], &spans, MILLISECONDS)];
        page.histograms("wait_ms", "How long.", metrics);
        let text = page.text().unwrap();
        for line in [
            "# HELP x_wait_ms How long.",
            "# TYPE x_wait_ms histogram",
            "x_wait_ms_bucket{le=\"0.02\"} 1",
            "x_wait_ms_bucket{le=\"2\"} 2",
            "x_wait_ms_bucket{le=\"60000\"} 2",
            "x_wait_ms_bucket{le=\"+Inf\"} 3",
            "x_wait_ms_sum 90002.02",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_family_without_values_is_left_out_and_labels_are_escaped() {
        let mut page = Page::new("");
        page.counters("none_total", "Nothing.", Vec::new());
        page.prefix("y_");
        page.gauges("depth", "How deep.", vec![gauge(&[("of", "a\"b")], 1.5)]);
        let text = page.text().unwrap();
        assert!(!text.contains("none_total"), "{text}");
        assert!(text.contains("y_depth{of=\"a\\\"b\"} 1.5"), "{text}");
    }
}
