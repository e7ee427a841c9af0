//! Who makes the events is as the catalogue describes it.

use std::collections::BTreeMap;

use floodmark_contracts::{kind::Kind, stream::Stream};
use floodmark_generator::{Plan, labels};

use super::fixture::{Decoded, by, decoded, resolved, section};

/// Three groups of sensors that report once a second of event time, for a good hour.
fn sensors(population: &str, anomalies: &str) -> Plan {
    resolved(section(&format!(
        r#"
name: sensors
seed: 7
duration: 100s
warm_up: 1s
event_time: {{ speed: 60, origin: "2025-06-10T05:00:00Z" }}
streams:
  sensors:
    rate: 1440/s
    partitions: 3
    population: {{ entities: 24, {population} }}
    anomalies: [ {anomalies} ]
"#
    )))
}

fn value(event: &Decoded) -> f64 {
    event.fields["value"].parse().unwrap()
}

/// The readings of each sensor less those before, over the root of two: the seasons hardly move from one
/// second to the next, so noise is what is left.
fn noises(plan: &Plan) -> BTreeMap<String, Vec<f64>> {
    let events = decoded(plan, Stream::Sensors);
    let differences = |events: Vec<&Decoded>| {
        let pairs = events.windows(2);
        pairs
            .map(|w| (value(w[1]) - value(w[0])) / 2f64.sqrt())
            .collect()
    };
    by(&events, "sensor")
        .into_iter()
        .map(|(sensor, events)| (sensor.to_owned(), differences(events)))
        .collect()
}

fn covariance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len().min(b.len()) as f64
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    covariance(a, b) / (covariance(a, a) * covariance(b, b)).sqrt()
}

/// Mean correlation of the sensors of one group, and of those of two.
fn correlations(plan: &Plan) -> (f64, f64) {
    let noises = noises(plan);
    let of = |sensor: u32| noises[&format!("sensor_{sensor}")].as_slice();
    let mean = |pairs: &[(u32, u32)]| {
        let sum: f64 = pairs.iter().map(|(a, b)| correlation(of(*a), of(*b))).sum();
        sum / pairs.len() as f64
    };
    (
        mean(&[(1, 2), (1, 8), (3, 6), (9, 16), (17, 24)]),
        mean(&[(1, 9), (8, 9), (16, 17), (2, 20), (5, 13)]),
    )
}

#[test]
fn readings_correlate_within_a_group_and_not_across() {
    for (population, expected) in [
        ("", 0.4),
        ("correlation: 0.0", 0.0),
        ("correlation: 0.8", 0.8),
    ] {
        let (within, across) = correlations(&sensors(population, ""));
        // Held readings, one in a hundred, repeat another cycle's noise.
        assert!((within - expected).abs() < 0.04, "{population}: {within}");
        assert!(across.abs() < 0.03, "{population}: {across}");
    }
}

#[test]
fn correlation_leaves_the_spread_of_a_sensor_as_it_was() {
    let spreads = |population| -> Vec<f64> {
        let noises = noises(&sensors(population, ""));
        noises.values().map(|n| covariance(n, n).sqrt()).collect()
    };
    let (alone, together) = (spreads("correlation: 0.0"), spreads("correlation: 0.9"));
    for (alone, together) in alone.iter().zip(together) {
        assert!((0.75..2.1).contains(alone), "{alone}");
        assert!((together / alone - 1.0).abs() < 0.05, "{alone} {together}");
    }
}

#[test]
fn the_signal_of_a_group_failure_is_its_offset_over_the_spread_of_the_groups_mean() {
    for population in ["correlation: 0.0", "", "correlation: 0.9"] {
        let calm = sensors(population, "");
        let failed = sensors(population, "group-failure: { count: 1 }");
        let label = labels(&failed)
            .into_iter()
            .find(|label| label.kind == Kind::GroupFailure)
            .unwrap();
        let (noises, before) = (noises(&calm), decoded(&calm, Stream::Sensors));
        let of_group: Vec<&Vec<f64>> = label
            .keys
            .iter()
            .filter_map(|key| noises.get(&key.id))
            .collect();
        assert_eq!(of_group.len(), 8);
        let means: Vec<f64> = (0..of_group[0].len())
            .map_while(|cycle| {
                let sum: Option<f64> = of_group.iter().map(|row| row.get(cycle)).sum();
                Some(sum? / 8.0)
            })
            .collect();
        let of_mean = covariance(&means, &means).sqrt();
        let last = label.event_ids.last().unwrap();
        let at = |events: &[Decoded]| value(events.iter().find(|e| e.id == *last).unwrap());
        let offset = (at(&decoded(&failed, Stream::Sensors)) - at(&before)).abs();
        let (found, expected) = (label.snr.unwrap(), offset / of_mean);
        assert!(
            (found / expected - 1.0).abs() < 0.06,
            "{population}: {found} {expected}"
        );
    }
}
