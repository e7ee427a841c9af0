use floodmark_contracts::{
    alert::Alert,
    profile::{
        DetectorSection,
        detector::{AdaptiveVariant, GroupDistanceSection, RobustZSection},
    },
    stream::Stream,
};

use super::{super::testing, *};

fn reading(seconds: f64, sensor: &str, value: f64) -> Vec<u8> {
    let mut out = Vec::new();
    SensorReading {
        sensor_id: sensor.into(),
        value,
        timestamp: testing::at(seconds),
        sensor_type: None,
    }
    .encode(&mut out);
    out
}

fn run(change: impl FnOnce(&mut DetectorSection), readings: &[(f64, &str, f64)]) -> Vec<Output> {
    let mut section = DetectorSection::default();
    change(&mut section);
    let settings = Settings::validate(&section).unwrap();
    let mut values: Vec<_> = readings
        .iter()
        .map(|(at, sensor, value)| reading(*at, sensor, *value))
        .collect();
    values.push(reading(7200.0, "closing", 0.0));
    let lateness_ms = settings.time.lateness_ms;
    let group_distance = settings.group_distance;
    testing::run_with(
        Stream::Sensors,
        lateness_ms,
        move || super::super::mergers(lateness_ms, group_distance, None),
        move || Sensors::new(&settings),
        &values,
    )
}

/// A sensor that reports every two seconds around 50.
fn steady(n: u32) -> Vec<(f64, &'static str, f64)> {
    (0..n)
        .map(|i| {
            (
                f64::from(i) * 2.0,
                "sensor_1",
                50.0 + f64::from(i * 7 % 5) - 2.0,
            )
        })
        .collect()
}

#[test]
fn windows_are_reported_each_once_where_that_is_asked_for() {
    // The spike lies in two windows, of which one is corrected by a late reading.
    let mut readings = steady(30);
    readings.push((61.0, "sensor_1", 250.0));
    readings.extend((31..60).map(|i| (f64::from(i) * 2.0, "sensor_1", 50.0)));
    let report = |report| {
        let outputs = run(
            |section| {
                section.sensor_window.report = report;
                section.sensor_rules = SensorRules::Window;
                section.allowed_lateness = "60s".into();
            },
            &[&readings[..], &[(63.0, "sensor_1", 50.0)]].concat(),
        );
        let found = testing::alerts(&outputs, "sensor-spike");
        assert_eq!(found.len(), outputs.len(), "no other rule has a say");
        let spans = found.iter().map(|alert| alert.start.0 % 100_000);
        spans.collect::<Vec<_>>()
    };
    assert_eq!(report(WindowReport::Readings).len(), 1);
    let windows = report(WindowReport::Windows);
    assert_eq!(windows.len(), 2, "{windows:?}");
    assert_eq!(windows[1] - windows[0], 5_000);
}

#[test]
fn without_the_other_rules_a_sensor_that_is_stuck_is_nobodys_business() {
    let stuck: Vec<_> = (0..20).map(|i| (f64::from(i), "sensor_1", 5.0)).collect();
    assert!(!run(|_| (), &stuck).is_empty());
    let outputs = run(|s| s.sensor_rules = SensorRules::Window, &stuck);
    assert_eq!(outputs, []);
}

fn rules(outputs: &[Output], kind: &str) -> Vec<String> {
    testing::alerts(outputs, kind)
        .iter()
        .map(|alert| alert.detector.clone())
        .collect()
}

#[test]
fn the_demos_rule_reports_a_reading_once_and_prints_their_line() {
    let readings = [
        (1.0, "sensor_1", 50.0),
        (3.0, "sensor_1", 50.0),
        (5.0, "sensor_1", 46.04),
        (6.0, "sensor_1", 150.0),
        (9.0, "sensor_1", 0.01),
    ];
    let outputs = run(|section| section.print_anomalies = true, &readings);
    let found = testing::alerts(&outputs, "sensor-spike");
    // [0, 10): the average of all five. [5, 15) holds 150 again, which has been reported.
    let marks: Vec<&str> = found
        .iter()
        .map(|alert| alert.event_ids[0].as_str())
        .collect();
    assert_eq!(marks, ["sensor_1@1749531606000", "sensor_1@1749531609000"]);
    assert_eq!(
        (found[0].start, found[0].end),
        (testing::at(0.0), testing::at(10.0))
    );
    assert_eq!(found[0].evidence["avg"], 59.21);
    let lines: Vec<&Output> = outputs
        .iter()
        .filter(|output| matches!(output, Output::Line(_)))
        .collect();
    assert_eq!(
        lines[0],
        &Output::Line("ANOMALY → sensor_1: value=150.0, avg=59.21".into())
    );
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_late_reading_within_the_allowed_lateness_corrects_its_windows() {
    let readings = [
        (1.0, "sensor_1", 50.0),
        (3.0, "sensor_1", 50.0),
        (20.0, "sensor_1", 50.0),
        (4.0, "sensor_1", 150.0),
    ];
    assert_eq!(run(|_| (), &readings), []);
    let outputs = run(|section| section.allowed_lateness = "30s".into(), &readings);
    assert_eq!(rules(&outputs, "sensor-spike"), ["sensor-window"]);
}

#[test]
fn a_spike_of_a_slow_sensor_is_found_without_a_window() {
    let mut readings: Vec<(f64, &str, f64)> = (0..60)
        .map(|i| {
            (
                f64::from(i) * 30.0,
                "slow",
                50.0 + f64::from(i * 7 % 5) - 2.0,
            )
        })
        .collect();
    readings[40].2 = 160.0;
    let outputs = run(|_| (), &readings);
    assert_eq!(rules(&outputs, "sensor-spike"), ["sensor-spike"]);
    assert_eq!(testing::alerts(&outputs, "level-shift").len(), 0);
}

#[test]
fn a_shift_a_stuck_value_and_a_drop_out_are_found() {
    let mut readings = steady(300);
    readings[100..150]
        .iter_mut()
        .for_each(|reading| reading.2 += 14.0);
    readings[200..210]
        .iter_mut()
        .for_each(|reading| reading.2 = 51.25);
    readings.drain(250..270);
    let outputs = run(|_| (), &readings);
    let found = testing::alerts(&outputs, "level-shift");
    assert_eq!(
        found.iter().map(|alert| alert.end).collect::<Vec<_>>(),
        [testing::at(244.0)]
    );
    let found = testing::alerts(&outputs, "stuck-value");
    assert_eq!(
        found.iter().map(|alert| alert.end).collect::<Vec<_>>(),
        [testing::at(408.0)]
    );
    let found = testing::alerts(&outputs, "drop-out");
    // The second is the silence up to the event that closes the test.
    assert_eq!(found[0].start, testing::at(500.0));
    assert_eq!(found.len(), 2);
}

#[test]
fn noise_that_grows_and_a_drift_are_found() {
    // Four hours of a sensor, with ten minutes of drift in the third, and a loud three minutes in the fourth.
    let readings: Vec<(f64, &str, f64)> = (0..7200)
        .map(|i| {
            let wobble = f64::from(i * 7 % 5) - 2.0 + f64::from(i * 3 % 7) / 7.0;
            let drift = match i {
                4000..4300 => f64::from(i - 4000) * 25.0 / 300.0,
                _ => 0.0,
            };
            let loud = if (6000..6090).contains(&i) { 4.0 } else { 1.0 };
            (f64::from(i) * 2.0, "sensor_1", 50.0 + loud * wobble + drift)
        })
        .collect();
    let outputs = run(|_| (), &readings);
    let drifts = testing::alerts(&outputs, "drift");
    assert_eq!(drifts.len(), 1, "{drifts:?}");
    assert!((testing::at(8_000.0)..testing::at(8_600.0)).contains(&drifts[0].end));
    let bursts = testing::alerts(&outputs, "noise-burst");
    assert_eq!(bursts.len(), 1, "{bursts:?}");
    assert!((testing::at(12_000.0)..testing::at(12_100.0)).contains(&bursts[0].end));
    let spikes = testing::alerts(&outputs, "sensor-spike");
    assert!(spikes.is_empty(), "{spikes:?}");
}

#[test]
fn a_group_that_is_off_by_little_is_found_and_one_of_its_sensors_is_not() {
    let names: Vec<String> = (1..=8).map(|number| format!("sensor_{number}")).collect();
    for (off, expected) in [(8, vec!["group_1"]), (1, vec![])] {
        let mut readings = Vec::new();
        for i in 0..3600_u32 {
            for (number, name) in (0..).zip(&names) {
                let wobble = f64::from((i + number) * 7 % 5) - 2.0 + f64::from(i * 3 % 7) / 7.0;
                let failure = if number < off && (3000..3090).contains(&i) {
                    5.0
                } else {
                    0.0
                };
                let at = f64::from(i) * 2.0 + f64::from(number) * 0.1;
                readings.push((at, name.as_str(), 50.0 + wobble + failure));
            }
        }
        let outputs = run(|_| (), &readings);
        let found = testing::alerts(&outputs, "group-failure");
        let groups: Vec<&str> = found.iter().map(|alert| alert.key.id.as_str()).collect();
        assert_eq!(groups, expected);
        // What the group did is no shift of each of its sensors; what one of them did is.
        let shifts = testing::alerts(&outputs, "level-shift");
        let shifted: Vec<&str> = shifts.iter().map(|alert| alert.key.id.as_str()).collect();
        let alone: &[&str] = if off == 1 { &["sensor_1"] } else { &[] };
        assert_eq!(shifted, alone);
    }
}

#[test]
fn rules_that_are_asked_for_find_an_outlier_and_a_sensor_that_leaves_its_group() {
    let names: Vec<String> = (1..=8).map(|number| format!("sensor_{number}")).collect();
    let mut readings = Vec::new();
    for i in 0..3600_u32 {
        for (number, name) in (0..).zip(&names) {
            let wobble = f64::from((i + number) * 7 % 5) - 2.0 + f64::from(i * 3 % 7) / 7.0;
            let odd = match (number, i) {
                (0, 3000..3090) => 5.0,
                (7, 1000) => 40.0,
                _ => 0.0,
            };
            let at = f64::from(i) * 2.0 + f64::from(number) * 0.1;
            readings.push((at, name.as_str(), 50.0 + wobble + odd));
        }
    }
    let found = |asked: bool| {
        let set = |section: &mut DetectorSection| {
            section.robust_z = asked.then(RobustZSection::default);
            section.group_distance = asked.then(GroupDistanceSection::default);
        };
        let alerts = run(set, &readings)
            .into_iter()
            .filter_map(|output| match output {
                Output::Alert(alert) => Some(*alert),
                _ => None,
            });
        let named = |alert: &Alert| ["robust-z", "group-distance"].contains(&&*alert.detector);
        alerts.filter(named).collect::<Vec<_>>()
    };
    assert_eq!(found(false), []);
    let found = found(true);
    let of = |rule: &str| {
        found
            .iter()
            .filter(|a| a.detector == rule)
            .collect::<Vec<_>>()
    };
    let outliers: Vec<&str> = of("robust-z")
        .iter()
        .map(|a| a.event_ids[0].as_str())
        .collect();
    assert_eq!(outliers, [reading_id("sensor_8", testing::at(2000.7))]);
    let [first, ..] = of("group-distance")[..] else {
        panic!("{found:?}")
    };
    assert_eq!(first.key.id, "group_1");
    assert!((testing::at(5940.0)..testing::at(6120.0)).contains(&first.start));
}

#[test]
fn a_copy_of_a_reading_counts_once() {
    let readings: Vec<_> = steady(40)
        .into_iter()
        .flat_map(|reading| [reading; 5])
        .collect();
    let outputs = run(|_| (), &readings);
    assert_eq!(testing::alerts(&outputs, "stuck-value").len(), 0);
}

#[test]
fn what_cannot_be_a_reading_is_refused_with_a_reason() {
    let mut logic = Sensors::new(&Settings::validate(&DetectorSection::default()).unwrap());
    for (value, reason) in [
        (
            &b"{\"sensor_id\":\"s\",\"value\":null,\"timestamp\":5}"[..],
            "not a JSON",
        ),
        (
            b"{\"sensor_id\":\"\",\"value\":1.0,\"timestamp\":5}",
            "non-empty",
        ),
        (
            b"{\"sensor_id\":\"s\",\"value\":1.0,\"timestamp\":-5}",
            "since 1970",
        ),
        (b"", "not a JSON"),
    ] {
        let refused = logic.decode(value).unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
    assert_eq!(logic.sensors.len(), 0);
}

#[test]
fn a_late_copy_of_a_reading_corrects_nothing() {
    // Counted twice, the copy of the low reading would pull the average down to 40, and the high
    // reading would lie 60 from it.
    let readings = [
        (1.0, "sensor_1", 10.0),
        (3.0, "sensor_1", 100.0),
        (20.0, "sensor_1", 50.0),
        (1.0, "sensor_1", 10.0),
    ];
    let lenient = |section: &mut DetectorSection| section.allowed_lateness = "30s".into();
    assert_eq!(run(lenient, &readings), []);
    let mut another = readings;
    another[3].0 = 1.5;
    assert_eq!(
        rules(&run(lenient, &another), "sensor-spike"),
        ["sensor-window"]
    );
}

#[test]
fn windows_that_outlive_a_day_still_know_their_sensors() {
    // With a day of allowed lateness, the slot of a sensor that fell silent must not go to another one
    // before its last window is gone.
    let lenient = |section: &mut DetectorSection| section.allowed_lateness = "24h".into();
    let newcomers: Vec<String> = (1..20).map(|hour| format!("since_{hour}")).collect();
    let mut readings = vec![(1.0, "gone", 50.0), (3.0, "gone", 50.0)];
    for (hour, newcomer) in (1..20).zip(&newcomers) {
        readings.push((f64::from(hour) * 3600.0, newcomer.as_str(), 50.0));
    }
    readings.push((4.0, "gone", 150.0));
    let outputs = run(lenient, &readings);
    let found = testing::alerts(&outputs, "sensor-spike");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key.id, "gone");
}

#[test]
fn a_deadline_of_a_forgotten_sensor_raises_no_alert_about_another() {
    let hour = |hour: u32, sensor| (f64::from(hour) * 3600.0, sensor, f64::from(50 + hour % 2));
    let mut readings: Vec<_> = (0..20).map(|i| hour(i, "hourly")).collect();
    // Its deadline, 4.3 periods of two hours after the last reading, comes up at 14:36. Its state is
    // gone by then, and the newcomer has taken its slot.
    readings.extend([0, 2, 4, 6].map(|i| hour(i, "every_two_hours")));
    readings.push(hour(14, "newcomer"));
    readings.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(run(|_| (), &readings), []);
}

/// A machine that reports once an hour, with gaps of a week, and one value that it never had before.
fn hourly() -> Vec<(f64, &'static str, f64)> {
    let hour = |i: u32| f64::from(i + i / 400 * 168) * 3600.0;
    let value = |i: u32| 50.0 + f64::from(i * 7 % 24) + if i == 1500 { 500.0 } else { 0.0 };
    (0..1600).map(|i| (hour(i), "hourly", value(i))).collect()
}

#[test]
fn the_adaptive_rule_takes_any_interval_and_is_off_unless_asked_for() {
    let readings = hourly();
    let adaptive = |variant| {
        let mut all = readings.clone();
        all.push((2e7, "closing", 0.0));
        let outputs = run(|section| section.adaptive.variant = variant, &all);
        let alerts: Vec<Alert> = outputs
            .into_iter()
            .filter_map(|output| match output {
                Output::Alert(alert) if alert.detector == "adaptive" => Some(*alert),
                _ => None,
            })
            .collect();
        alerts
    };
    assert_eq!(adaptive(AdaptiveVariant::None), []);
    for variant in [AdaptiveVariant::Light, AdaptiveVariant::Full] {
        let found = adaptive(variant);
        let at = testing::at(readings[1500].0);
        let id = reading_id("hourly", at);
        assert!(
            found.iter().any(|alert| alert.event_ids == [id.as_str()]),
            "{found:?}"
        );
        assert!(found.iter().all(|alert| alert.kind.is_none()));
        assert!(found.len() < 20, "{}", found.len());
    }
}

#[test]
fn what_there_is_for_each_of_a_million_sensors_stays_small() {
    // A megabyte for each byte: whoever adds to these knows what it costs.
    assert!(size_of::<Sensor>() <= 600, "{}", size_of::<Sensor>());
    assert!(size_of::<Tracked>() <= 24);
    assert!(size_of::<Readings>() <= 32);
}
