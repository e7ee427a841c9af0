//! Who makes the events is as the catalogue describes it.

use std::collections::BTreeMap;

use floodmark_contracts::{event::sensor::SensorReading, kind::Kind, stream::Stream};
use floodmark_generator::{Plan, labels};

use super::fixture::{Decoded, all_events, by, decoded, resolved, section};

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

/// Temperatures, and vibrations a hundred times as fine that go to a topic of their own.
const TYPES: &str = "types: { heat: { share: 0.67 }, shake: { share: 0.33, topic: shakes, level: [0.5, 0.9], \
                     daily: [0.0, 0.0], hourly: [0.01, 0.02], noise: [0.008, 0.02] } }";

#[test]
fn readings_have_the_ways_of_their_type() {
    let plan = sensors(TYPES, "");
    let events = all_events(&plan, Stream::Sensors);
    let mut seen: BTreeMap<String, (u32, f64, f64)> = BTreeMap::new();
    for event in &events {
        let reading = SensorReading::decode(&event.value).unwrap();
        let entry = seen.entry(reading.sensor_type.unwrap().to_string());
        let (topic, least, most) = entry.or_insert((event.topic, f64::MAX, f64::MIN));
        assert_eq!(*topic, event.topic);
        (*least, *most) = (least.min(reading.value), most.max(reading.value));
    }
    let (heat, shake) = (seen["heat"], seen["shake"]);
    assert_eq!((heat.0, shake.0), (0, 1));
    assert_eq!(
        plan.topics(Stream::Sensors).unwrap().0,
        ["sensor-data_2", "shakes"]
    );
    assert!(heat.1 > 0.0 && heat.2 > 10.0, "{heat:?}");
    assert!(shake.1 > 0.4 && shake.2 < 1.0, "{shake:?}");
    // Two decimals would leave a few values; here nearly every reading differs from the one before.
    let decoded = decoded(&plan, Stream::Sensors);
    let of_shake = &by(&decoded, "sensor")["sensor_9"];
    let repeats = of_shake.windows(2).filter(|w| value(w[0]) == value(w[1]));
    assert!(repeats.count() < of_shake.len() / 20);
    let (within, across) = correlations(&plan);
    assert!((within - 0.4).abs() < 0.04 && across.abs() < 0.03);
}

#[test]
fn heights_in_absolute_numbers_follow_the_noise_of_the_type() {
    let anomalies = "sensor-spike: { count: 60, magnitude: 1 }";
    let (calm, plan) = (sensors(TYPES, ""), sensors(TYPES, anomalies));
    let before: BTreeMap<String, f64> = decoded(&calm, Stream::Sensors)
        .iter()
        .map(|event| (event.id.clone(), value(event)))
        .collect();
    let after: BTreeMap<String, f64> = decoded(&plan, Stream::Sensors)
        .iter()
        .map(|event| (event.id.clone(), value(event)))
        .collect();
    let mut of_shakes = 0;
    for label in labels(&plan) {
        let id = &label.event_ids[0];
        let height = (after[id] - before[id]).abs();
        let number: u32 = label.keys[0].id["sensor_".len()..].parse().unwrap();
        let scale = if (number - 1) / 8 == 1 { 0.01 } else { 1.0 };
        of_shakes += u32::from(scale < 1.0);
        let expected = 90.0 * scale - 0.02..150.0 * scale + 0.02;
        assert!(expected.contains(&height), "sensor_{number}: {height}");
        // Heights over noise are those of any sensor.
        assert!((45.0..190.0).contains(&label.snr.unwrap()));
    }
    assert!((8..35).contains(&of_shakes), "{of_shakes}");
}

#[test]
fn types_whose_topic_is_another_streams_are_refused() {
    let mut section = section(super::fixture::ALL);
    let population = &mut section.streams.sensors.as_mut().unwrap().population;
    population.types =
        serde_saphyr::from_str("{ a: { share: 1, topic: banking-ui-events } }").unwrap();
    let problems = Plan::resolve(&section).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "streams.sensors.population.types.a.topic: `banking-ui-events` is the topic of `banking` too; give \
         each stream its own"
    );
}

/// A calm stream of clicks, an hour and a half of event time.
fn clicks() -> Vec<Decoded> {
    let plan = resolved(section(
        r#"
name: clicks
seed: 3
duration: 90s
warm_up: 1s
event_time: { speed: 60, origin: "2025-06-10T05:00:00Z" }
streams:
  clickstream:
    rate: 3000/s
    partitions: 3
    population: { entities: 8000, skew: 0.5 }
"#,
    ));
    decoded(&plan, Stream::Clickstream)
}

#[test]
fn buyers_walk_the_funnel_and_leave_it_at_every_step() {
    let events = clicks();
    let mut reached = [0.0f64; 5];
    let funnel = ["/cart", "/checkout", "/checkout/payment", "/confirmation"];
    for visit in by(&events, "session").values() {
        let kinds: Vec<&str> = visit.iter().map(|e| e.fields["type"].as_str()).collect();
        assert!(!kinds.contains(&"purchase") || kinds.last() == Some(&"purchase"));
        // Errors take the place of other events, and visits of the start have begun before it.
        let Some(added) = kinds.iter().position(|kind| *kind == "add_to_cart") else {
            continue;
        };
        assert!(visit[added].fields["page"].starts_with("/product/"));
        reached[0] += 1.0;
        let after: Vec<&str> = visit[added + 1..]
            .iter()
            .map(|event| event.fields["page"].as_str())
            .collect();
        assert_eq!(
            after,
            funnel[..after.len()],
            "whoever leaves the funnel is gone"
        );
        for count in &mut reached[1..=after.len()] {
            *count += 1.0;
        }
    }
    assert!(reached[0] > 3000.0, "{reached:?}");
    for (step, expected) in [0.75f64, 0.5, 0.75, 0.8].into_iter().enumerate() {
        let found = reached[step + 1] / reached[step];
        let spread = (expected * (1.0 - expected) / reached[step]).sqrt();
        // The end of the run cuts some visits short.
        assert!(
            (found - expected).abs() < 4.0 * spread + 0.01,
            "{step}: {found}"
        );
    }
}

#[test]
fn a_user_keeps_to_one_segment() {
    let events = clicks();
    let mut shares: Vec<f64> = by(&events, "user")
        .values()
        .filter(|events| events.len() >= 60)
        .map(|events| {
            let blog = |e: &&&Decoded| e.fields["page"].starts_with("/blog");
            events.iter().filter(blog).count() as f64 / events.len() as f64
        })
        .collect();
    shares.sort_by(f64::total_cmp);
    assert!(shares.len() > 300, "{}", shares.len());
    // About one in seven reads, and hardly anybody is in between: if segments were drawn by the visit, all
    // would be alike.
    let readers = shares.iter().filter(|share| **share > 0.3).count() as f64 / shares.len() as f64;
    let others = shares.iter().filter(|share| **share < 0.15).count() as f64 / shares.len() as f64;
    assert!(
        (0.08..0.25).contains(&readers) && others > 0.6,
        "{readers} {others}"
    );
}
