//! The detector's section of a profile, made valid.

use std::time::Duration;

use floodmark_contracts::{
    problem::{Problem, Problems},
    profile::DetectorSection,
    units::parse_duration,
};

use crate::runtime::{TimeSettings, WindowSpec};

/// Wall time by which ordinary transport may disorder events of one partition. Event time that runs
/// `speed` times as fast turns it into that much more.
const TRANSPORT_DISORDER_MS: f64 = 50.0;

/// Panes of a sliding window at most: each reading is looked at once per window that holds it.
const MAX_PANES: i64 = 1000;

/// Valid settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How event time is kept.
    pub time: TimeSettings,
    /// Wall time between commits.
    pub commit_interval: Duration,
    /// Whether sensor anomalies are printed as well.
    pub print_anomalies: bool,
    /// Windows of the sensor rule.
    pub sensor_window: WindowSpec,
    /// Distance from the window's average above which a reading is an anomaly.
    pub sensor_deviation: f64,
}

impl Settings {
    /// Validates a section. Touches nothing outside of it.
    ///
    /// # Errors
    /// Every problem, with paths that start with `detector.`.
    pub fn validate(section: &DetectorSection) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new();
        let bound_ms = millis(
            &mut problems,
            "watermark_bound",
            &section.watermark_bound,
            0,
        );
        let idleness_ms = millis(&mut problems, "idleness", &section.idleness, 1);
        let lateness_ms = millis(
            &mut problems,
            "allowed_lateness",
            &section.allowed_lateness,
            0,
        );
        let commit_ms = millis(
            &mut problems,
            "commit_interval",
            &section.commit_interval,
            1,
        );
        let window = &section.sensor_window;
        let size_ms = millis(&mut problems, "sensor_window.size", &window.size, 1);
        let slide_ms = millis(&mut problems, "sensor_window.slide", &window.slide, 1);
        let mut sensor_window = None;
        if let (Some(size), Some(slide)) = (size_ms, slide_ms) {
            sensor_window = WindowSpec::sliding(size, slide).filter(|_| size / slide <= MAX_PANES);
            if sensor_window.is_none() {
                let found = &window.slide;
                problems.add(
                    "detector.sensor_window.slide",
                    format!(
                        "`{found}` does not divide the size `{}` into 1 to {MAX_PANES} parts; use \
                         the size itself or a half of it",
                        window.size
                    ),
                );
            }
        }
        if !(window.deviation.is_finite() && window.deviation > 0.0) {
            problems.add(
                "detector.sensor_window.deviation",
                format!(
                    "`{}` is not a distance; use a number above 0",
                    window.deviation
                ),
            );
        }
        match (bound_ms, idleness_ms, lateness_ms, commit_ms, sensor_window) {
            (
                Some(bound_ms),
                Some(idleness_ms),
                Some(lateness_ms),
                Some(commit_ms),
                Some(sensor_window),
            ) if problems.is_empty() => Ok(Self {
                time: TimeSettings {
                    bound_ms,
                    lateness_ms,
                    idleness_us: idleness_ms * 1000,
                },
                commit_interval: Duration::from_millis(commit_ms.unsigned_abs()),
                print_anomalies: section.print_anomalies,
                sensor_window,
                sensor_deviation: window.deviation,
            }),
            _ => Err(problems.into_vec()),
        }
    }

    /// What is wrong with these settings where event time runs at `speed`, if anything.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a speed is at most a few thousand"
    )]
    pub fn check_speed(&self, speed: f64) -> Option<Problem> {
        let least = (speed * TRANSPORT_DISORDER_MS).ceil() as i64;
        (self.time.bound_ms < least).then(|| {
            Problem::new(
                "detector.watermark_bound",
                format!(
                    "`{}ms` is less than 50 ms of wall time at speed {speed}; use `{least}ms` or more",
                    self.time.bound_ms
                ),
            )
        })
    }
}

/// A duration in whole milliseconds, at least `least`.
fn millis(problems: &mut Problems, field: &str, text: &str, least: i64) -> Option<i64> {
    let path = format!("detector.{field}");
    let duration = problems.check(&path, parse_duration(text))?;
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    if millis < least {
        problems.add(
            path,
            format!("`{text}` is too short; use `{least}ms` or more"),
        );
        return None;
    }
    Some(millis)
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::profile::detector::SensorWindowSection;

    use super::*;

    fn check(change: impl FnOnce(&mut DetectorSection), expected: &[(&str, &str)]) {
        let mut section = DetectorSection::default();
        change(&mut section);
        let problems = Settings::validate(&section).err().unwrap_or_default();
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, (path, text)) in problems.iter().zip(expected) {
            assert_eq!(problem.path, *path);
            assert!(problem.message.contains(text), "{problem}");
        }
    }

    #[test]
    fn the_defaults_are_valid() {
        let settings = Settings::validate(&DetectorSection::default()).unwrap();
        assert_eq!(settings.time.bound_ms, 5_000);
        assert_eq!(settings.time.idleness_us, 1_000_000);
        assert_eq!(settings.commit_interval, Duration::from_millis(100));
        assert_eq!(settings.sensor_window.size_ms(), 10_000);
    }

    #[test]
    fn each_field_is_checked() {
        check(
            |s| s.idleness = "0s".into(),
            &[("detector.idleness", "`1ms`")],
        );
        check(
            |s| s.commit_interval = "soon".into(),
            &[("detector.commit_interval", "`15s`")],
        );
        check(
            |s| s.sensor_window.slide = "3s".into(),
            &[("detector.sensor_window.slide", "divide")],
        );
        check(
            |s| s.sensor_window.slide = "20s".into(),
            &[("detector.sensor_window.slide", "divide")],
        );
        check(
            |s| s.sensor_window.deviation = f64::NAN,
            &[("detector.sensor_window.deviation", "above 0")],
        );
        check(|s| s.watermark_bound = "0s".into(), &[]);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        check(
            |s| {
                s.watermark_bound = "5".into();
                s.allowed_lateness = "-1s".into();
                s.sensor_window = SensorWindowSection {
                    size: "x".into(),
                    ..Default::default()
                };
            },
            &[
                ("detector.watermark_bound", "`5`"),
                ("detector.allowed_lateness", "`-1s`"),
                ("detector.sensor_window.size", "`x`"),
            ],
        );
    }

    #[test]
    fn a_fast_clock_needs_a_wide_bound() {
        let settings = Settings::validate(&DetectorSection::default()).unwrap();
        assert_eq!(settings.check_speed(100.0), None);
        let problem = settings.check_speed(200.0).unwrap();
        assert_eq!(problem.path, "detector.watermark_bound");
        assert!(problem.message.contains("`10000ms`"), "{problem}");
    }
}
