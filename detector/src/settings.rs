//! The detector's section of a profile, made valid.

mod place;
mod room;
mod sinks;

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use floodmark_contracts::{
    problem::{Problem, Problems},
    profile::{
        DetectorSection,
        detector::{
            AdaptiveSection, AdaptiveVariant, DeliverySection, RobustZSection, RowsSection,
            SensorRules, SensorWindowSection, WindowReport,
        },
    },
    row::RowKinds,
    units::parse_duration,
};

use crate::{
    fraud::FraudSettings,
    hash::Fnv,
    reach::{Place, S3},
    rules::{
        adaptive::{AdaptiveSettings, Variant},
        robust_z::RobustZSettings,
    },
    runtime::{TimeSettings, WindowSpec},
};

pub use room::Room;
pub use sinks::{BigQuery, Postgres, Redis, Roll, SinkKind};

/// Panes of a sliding window at most: each reading is looked at once per window that holds it.
const MAX_PANES: i64 = 1000;

/// One fetch of one partition brings a mebibyte at most; with less room partitions would wait for each other.
const LEAST_READ_AHEAD_KIB: u32 = 1024;

/// The most that librdkafka takes.
const MOST_READ_AHEAD_KIB: u32 = 2_097_151;
/// Readings that one can be compared with: fewer have no median to speak of, more cost at every reading.
const READINGS: RangeInclusive<u32> = 15..=1000;

/// What becomes of output and state when a process ends without warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// Output may come again, state is lost.
    AtLeastOnce,
    /// Neither is.
    ExactlyOnce {
        /// Where snapshots are.
        snapshots: Place,
        /// Wall time between snapshots.
        snapshot_interval: Duration,
    },
}

/// Counts over the clickstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// What is counted.
    pub kinds: RowKinds,
    /// A pause of a user of this length ends the session, event time.
    pub gap_ms: i64,
}

/// Valid settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How event time is kept.
    pub time: TimeSettings,
    /// Wall time between commits.
    pub commit_interval: Duration,
    /// What becomes of output and state when the process ends without warning.
    pub delivery: Delivery,
    /// How often it begins again after a failure that may pass.
    pub restarts: u32,
    /// What may be fetched ahead, in KiB.
    pub read_ahead_kib: u32,
    /// Event time that a partition may be ahead of the slowest of its stream, milliseconds.
    pub max_ahead_ms: i64,
    /// Whether sensor anomalies are printed as well.
    pub print_anomalies: bool,
    /// Windows of the sensor rule.
    pub sensor_window: WindowSpec,
    /// Distance from the window's average above which a reading is an anomaly.
    pub sensor_deviation: f64,
    /// The rule for any series, where it runs.
    pub adaptive: Option<AdaptiveSettings>,
    /// Whether deviating readings are reported, or windows that hold some.
    pub sensor_report: WindowReport,
    /// Which rules look at sensors.
    pub sensor_rules: SensorRules,
    /// How banking sessions are scored and flagged.
    pub fraud: FraudSettings,
    /// Counts over the clickstream, where they are asked for.
    pub rows: Option<Rows>,
    /// Where events and rows go besides.
    pub sinks: BTreeMap<String, SinkKind>,
    /// The rule for readings far from their median, where it runs.
    pub robust_z: Option<RobustZSettings>,
    /// Distance of a group's minute from which on it is reported, where the rule runs.
    pub group_distance: Option<f64>,
    /// Where state is held.
    pub state: Room,
}

impl Settings {
    /// A hash of what decides what saved state means: state of other settings must not be used.
    #[must_use]
    pub fn of_state(&self) -> u64 {
        let hash = Fnv::new()
            .number(self.time.bound_ms)
            .number(self.time.lateness_ms)
            .text(&format!("{:?}", self.sensor_window))
            // When a series was last reported is a part of its state.
            .text(&format!("{:?}", self.adaptive))
            .text(&format!("{:?} {:?}", self.robust_z, self.group_distance))
            .text(&format!("{:?}", self.sensor_report))
            .text(&format!("{:?}", self.sensor_rules));
        match self.rows {
            Some(Rows { kinds, gap_ms }) => {
                hash.number(i64::from(kinds.bits())).number(gap_ms).short()
            }
            None => hash.short(),
        }
    }

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
        let s3 = place::service(&mut problems, &section.s3);
        let delivery = delivery(&mut problems, &section.delivery, s3.as_ref());
        let max_ahead_ms = millis(&mut problems, "max_ahead", &section.max_ahead, 1);
        let read_ahead_kib = read_ahead(&mut problems, section.read_ahead_kib);
        let sensor_window = sensor_window(&mut problems, &section.sensor_window);
        let adaptive = adaptive(&mut problems, &section.adaptive);
        let fraud = FraudSettings::validate(&mut problems, &section.fraud);
        let rows = rows(&mut problems, &section.rows);
        let kinds = kinds_of(&section.rows);
        let sinks = sinks::validate(&mut problems, &section.sinks, kinds, s3.as_ref());
        let state = Room::validate(&mut problems, &section.state);
        let robust_z = section.robust_z.as_ref();
        let robust_z = robust_z.map(|section| robust_z_settings(&mut problems, section));
        let group_distance = section.group_distance.as_ref().map(|section| {
            let path = "detector.group_distance.threshold";
            deviations(&mut problems, path, section.threshold)
        });
        match (
            bound_ms,
            idleness_ms,
            lateness_ms,
            commit_ms,
            delivery,
            max_ahead_ms,
            sensor_window,
            fraud,
        ) {
            (
                Some(bound_ms),
                Some(idleness_ms),
                Some(lateness_ms),
                Some(commit_ms),
                Some(delivery),
                Some(max_ahead_ms),
                Some(sensor_window),
                Some(fraud),
            ) if problems.is_empty() => Ok(Self {
                time: TimeSettings {
                    bound_ms,
                    lateness_ms,
                    idleness_us: idleness_ms * 1000,
                },
                commit_interval: Duration::from_millis(commit_ms.unsigned_abs()),
                delivery,
                restarts: section.restarts,
                read_ahead_kib,
                max_ahead_ms,
                print_anomalies: section.print_anomalies,
                sensor_window,
                sensor_deviation: section.sensor_window.deviation,
                adaptive,
                sensor_report: section.sensor_window.report,
                sensor_rules: section.sensor_rules,
                fraud,
                rows,
                sinks,
                robust_z,
                group_distance,
                state,
            }),
            _ => Err(problems.into_vec()),
        }
    }
}

/// The windows of the sensor rule, if they can be had. The distance is looked at too.
fn sensor_window(problems: &mut Problems, section: &SensorWindowSection) -> Option<WindowSpec> {
    let size_ms = millis(problems, "sensor_window.size", &section.size, 1);
    let slide_ms = millis(problems, "sensor_window.slide", &section.slide, 1);
    let mut window = None;
    if let (Some(size), Some(slide)) = (size_ms, slide_ms) {
        window = WindowSpec::sliding(size, slide).filter(|_| size / slide <= MAX_PANES);
        if window.is_none() {
            problems.add(
                "detector.sensor_window.slide",
                format!(
                    "`{}` does not divide the size `{}` into 1 to {MAX_PANES} parts; use the size itself \
                     or a half of it",
                    section.slide, section.size
                ),
            );
        }
    }
    if !(section.deviation.is_finite() && section.deviation > 0.0) {
        problems.add(
            "detector.sensor_window.deviation",
            format!(
                "`{}` is not a distance; use a number above 0",
                section.deviation
            ),
        );
    }
    window
}

/// The settings of the adaptive rule, if it is to run. They are looked at in any case.
fn adaptive(problems: &mut Problems, section: &AdaptiveSection) -> Option<AdaptiveSettings> {
    if !(section.threshold.is_finite() && section.threshold > 0.0) {
        problems.add(
            "detector.adaptive.threshold",
            format!(
                "`{}` is no rank; use a number above 0, such as `2.2`",
                section.threshold
            ),
        );
    }
    let variant = match section.variant {
        AdaptiveVariant::None => return None,
        AdaptiveVariant::Light => Variant::Light,
        AdaptiveVariant::Full => Variant::Full,
    };
    Some(AdaptiveSettings {
        variant,
        threshold: section.threshold,
        cool_down: section.cool_down,
    })
}

fn kinds_of(section: &RowsSection) -> RowKinds {
    match section.enabled {
        true => RowKinds::named(&section.kinds),
        false => RowKinds::default(),
    }
}

fn rows(problems: &mut Problems, section: &RowsSection) -> Option<Rows> {
    let gap_ms = millis(problems, "rows.session_gap", &section.session_gap, 1)?;
    let kinds = kinds_of(section);
    (!kinds.is_empty()).then_some(Rows { kinds, gap_ms })
}

fn robust_z_settings(problems: &mut Problems, section: &RobustZSection) -> RobustZSettings {
    if !READINGS.contains(&section.readings) {
        problems.add(
            "detector.robust_z.readings",
            format!(
                "`{}` readings are too few or too many; use {} to {}",
                section.readings,
                READINGS.start(),
                READINGS.end()
            ),
        );
    }
    RobustZSettings {
        threshold: deviations(problems, "detector.robust_z.threshold", section.threshold),
        readings: section.readings as usize,
    }
}

/// A number of deviations, above 0.
fn deviations(problems: &mut Problems, path: &str, threshold: f64) -> f64 {
    if !(threshold.is_finite() && threshold > 0.0) {
        let message =
            format!("`{threshold}` is no number of deviations; use one above 0, such as `6`");
        problems.add(path, message);
    }
    threshold
}

fn delivery(
    problems: &mut Problems,
    section: &DeliverySection,
    service: Option<&S3>,
) -> Option<Delivery> {
    let DeliverySection::ExactlyOnce(section) = section else {
        return Some(Delivery::AtLeastOnce);
    };
    let path = "detector.delivery.exactly-once.snapshots";
    let example = "one that outlives the process";
    let snapshots = place::place(problems, path, &section.snapshots, example, service);
    let field = "delivery.exactly-once.snapshot_interval";
    let interval = millis(problems, field, &section.snapshot_interval, 1)?;
    Some(Delivery::ExactlyOnce {
        snapshots: snapshots?,
        snapshot_interval: Duration::from_millis(interval.unsigned_abs()),
    })
}

/// Room for what is fetched ahead, within what the client library takes.
fn read_ahead(problems: &mut Problems, kib: u32) -> u32 {
    if !(LEAST_READ_AHEAD_KIB..=MOST_READ_AHEAD_KIB).contains(&kib) {
        problems.add(
            "detector.read_ahead_kib",
            format!("`{kib}` is no room to work with; use `{LEAST_READ_AHEAD_KIB}` to `{MOST_READ_AHEAD_KIB}`"),
        );
    }
    kib
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
    use floodmark_contracts::{
        profile::detector::{ExactlyOnceSection, GroupDistanceSection},
        row::RowKind,
    };

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
        check(
            |s| s.max_ahead = "0s".into(),
            &[("detector.max_ahead", "`1ms`")],
        );
        check(
            |s| s.read_ahead_kib = 10,
            &[("detector.read_ahead_kib", "`1024`")],
        );
        check(|s| s.restarts = 0, &[]);
        check(|s| s.watermark_bound = "0s".into(), &[]);
    }

    #[test]
    fn the_adaptive_rule_runs_only_if_a_variant_is_named() {
        let of = |variant| {
            let mut section = DetectorSection::default();
            section.adaptive.variant = variant;
            let settings = Settings::validate(&section).unwrap();
            settings.adaptive.map(|adaptive| adaptive.variant)
        };
        assert_eq!(of(AdaptiveVariant::None), None);
        assert_eq!(of(AdaptiveVariant::Light), Some(Variant::Light));
        assert_eq!(of(AdaptiveVariant::Full), Some(Variant::Full));
        for threshold in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            check(
                |s| s.adaptive.threshold = threshold,
                &[("detector.adaptive.threshold", "`2.2`")],
            );
        }
    }

    #[test]
    fn rules_that_are_given_run_and_are_checked() {
        let mut section = DetectorSection::default();
        let settings = Settings::validate(&section).unwrap();
        assert_eq!((settings.robust_z, settings.group_distance), (None, None));
        let usual = settings.of_state();
        section.robust_z = Some(RobustZSection::default());
        section.group_distance = Some(GroupDistanceSection { threshold: 5.0 });
        let settings = Settings::validate(&section).unwrap();
        assert_eq!(settings.robust_z.map(|z| z.readings), Some(61));
        assert_eq!(settings.group_distance, Some(5.0));
        assert_ne!(settings.of_state(), usual);
        check(
            |s| {
                s.robust_z = Some(RobustZSection {
                    threshold: -1.0,
                    readings: 3,
                });
                s.group_distance = Some(GroupDistanceSection { threshold: 0.0 });
            },
            &[
                ("detector.robust_z.readings", "15 to 1000"),
                ("detector.robust_z.threshold", "`-1`"),
                ("detector.group_distance.threshold", "`0`"),
            ],
        );
    }

    #[test]
    fn delivery_exactly_once_needs_a_folder_and_an_interval() {
        let exactly = |snapshots: &str, interval: &str| {
            DeliverySection::ExactlyOnce(ExactlyOnceSection {
                snapshots: snapshots.to_owned(),
                snapshot_interval: interval.to_owned(),
            })
        };
        check(|s| s.delivery = exactly("state", "30s"), &[]);
        check(
            |s| s.delivery = exactly("", "0s"),
            &[
                ("detector.delivery.exactly-once.snapshots", "outlives"),
                ("detector.delivery.exactly-once.snapshot_interval", "`1ms`"),
            ],
        );
    }

    #[test]
    fn state_is_told_apart_by_what_it_means_and_not_by_what_comes_of_it() {
        let hash = |change: fn(&mut DetectorSection)| {
            let mut section = DetectorSection::default();
            change(&mut section);
            Settings::validate(&section).unwrap().of_state()
        };
        let usual = hash(|_| ());
        assert_eq!(hash(|s| s.sensor_window.deviation = 70.0), usual);
        assert_eq!(hash(|s| s.commit_interval = "1s".into()), usual);
        assert_ne!(hash(|s| s.sensor_window.slide = "10s".into()), usual);
        assert_ne!(
            hash(|s| s.sensor_window.report = WindowReport::Windows),
            usual
        );
        assert_ne!(hash(|s| s.sensor_rules = SensorRules::Window), usual);
        assert_ne!(hash(|s| s.watermark_bound = "4s".into()), usual);
        assert_ne!(hash(|s| s.allowed_lateness = "4s".into()), usual);
        // What waits for its cool-down depends on both.
        let light = hash(|s| s.adaptive.variant = AdaptiveVariant::Light);
        assert_ne!(light, usual);
        assert_ne!(
            hash(|s| {
                s.adaptive.variant = AdaptiveVariant::Light;
                s.adaptive.threshold = 3.0;
            }),
            light
        );
    }

    #[test]
    fn rows_change_what_state_means_only_where_they_are_made() {
        let hash = |enabled: bool, gap: &str| {
            let mut section = DetectorSection::default();
            section.rows.enabled = enabled;
            section.rows.session_gap = gap.into();
            Settings::validate(&section).unwrap().of_state()
        };
        assert_eq!(hash(false, "30m"), hash(false, "5m"));
        assert_ne!(hash(true, "30m"), hash(false, "30m"));
        assert_ne!(hash(true, "30m"), hash(true, "5m"));
        let mut section = DetectorSection::default();
        section.rows.enabled = true;
        section.rows.kinds = vec![RowKind::PageMinute];
        assert_ne!(
            Settings::validate(&section).unwrap().of_state(),
            hash(true, "30m")
        );
        check(
            |s| s.rows.session_gap = "0s".into(),
            &[("detector.rows.session_gap", "`1ms`")],
        );
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
}
