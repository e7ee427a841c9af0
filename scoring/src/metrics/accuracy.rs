//! Metrics of the ways to count beside the incident level.

use floodmark_contracts::accuracy::{Accuracy, Counted};

use super::Sheet;

impl Sheet {
    pub(super) fn accuracy(&mut self, accuracy: &Accuracy) {
        self.counted("one_to_one", &accuracy.one_to_one);
        self.counted("windows", &accuracy.windows.counted);
        self.counted("events", &accuracy.events.unwrap_or_default());
        let published = &accuracy.published;
        let false_rate = accuracy.fatigue.false_per_million_events;
        let event_time = &accuracy.time_to_detect.event_ms;
        for (name, value) in [
            ("average_precision", accuracy.thresholds.average_precision),
            ("kinds.macro_f1", accuracy.kinds.macro_average.f1),
            ("range.f1", published.range.f1),
            ("affiliation.f1", published.affiliation.f1),
            ("nab.standard", published.nab.standard),
            ("false_per_million_events", false_rate),
            ("detect.p50", event_time.p50),
            ("detect.p90", event_time.p90),
        ] {
            self.put(&format!("detection.{name}"), value);
        }
    }

    fn counted(&mut self, level: &str, of: &Counted) {
        for (figure, value) in [
            ("precision", of.precision),
            ("recall", of.recall),
            ("f1", of.f1),
        ] {
            self.put(&format!("detection.{level}.{figure}"), value);
        }
    }
}
