//! Where incidents go: by count or share, apart or not, as strong as asked, and never where they cannot.

use std::collections::BTreeMap;

use floodmark_contracts::{kind::Kind, label::Label, profile::StreamSection};
use floodmark_generator::{Plan, Share, events, labels};

use super::fixture::{ALL, all, more, resolved, section};

/// The labels of [`ALL`] with a stream's section changed.
fn with(change: impl Fn(&mut StreamSection), stream: &str) -> Vec<Label> {
    labels(&changed(change, stream))
}

fn changed(change: impl Fn(&mut StreamSection), stream: &str) -> Plan {
    let mut section = section(ALL);
    let streams = &mut section.streams;
    change(match stream {
        "clickstream" => streams.clickstream.as_mut().unwrap(),
        "banking" => streams.banking.as_mut().unwrap(),
        _ => streams.sensors.as_mut().unwrap(),
    });
    resolved(section)
}

fn anomalies(yaml: &str) -> impl Fn(&mut StreamSection) {
    let parsed: Vec<_> = serde_saphyr::from_str(yaml).unwrap();
    move |section| section.anomalies.clone_from(&parsed)
}

fn count(labels: &[Label], kind: Kind) -> usize {
    labels.iter().filter(|label| label.kind == kind).count()
}

#[test]
fn prevalence_is_a_share_of_the_entities() {
    for (entry, stream, kind, expected) in [
        ("[bot: { prevalence: 0.004 }]", "clickstream", Kind::Bot, 6),
        (
            "[level-shift: { prevalence: 0.25 }]",
            "sensors",
            Kind::LevelShift,
            5,
        ),
        (
            "[level-shift: { prevalence: 0.0001 }]",
            "sensors",
            Kind::LevelShift,
            1,
        ),
        (
            "[error-burst: { prevalence: 0.06 }]",
            "clickstream",
            Kind::ErrorBurst,
            2,
        ),
        (
            "[group-failure: { prevalence: 1.0, duration: 1m }]",
            "sensors",
            Kind::GroupFailure,
            2,
        ),
    ] {
        let found = with(anomalies(entry), stream);
        assert_eq!(count(&found, kind), expected, "{entry}");
    }
}

#[test]
fn magnitudes_of_a_range_differ_and_give_the_signal() {
    let entry = "[level-shift: { count: 20, duration: 20s, magnitudes: { from: 0.05, to: 2.0 } }]";
    let found = with(anomalies(entry), "sensors");
    let of_sensors = || found.iter().filter(|l| l.kind == Kind::LevelShift);
    let magnitudes: Vec<f64> = of_sensors().map(|l| l.magnitude.unwrap()).collect();
    assert!(magnitudes.iter().all(|m| (0.05..=2.0).contains(m)));
    assert!(magnitudes.iter().any(|m| *m < 0.2) && magnitudes.iter().any(|m| *m > 1.0));
    for label in of_sensors() {
        // 6 to 9 standard deviations of the noise at 1.
        let at_one = label.snr.unwrap() / label.magnitude.unwrap();
        assert!((6.0..9.0).contains(&at_one), "{at_one}");
    }
}

#[test]
fn two_incidents_share_an_entity_only_where_that_is_asked() {
    let crowded = "[level-shift: { count: 60, duration: 3m, overlap: true }]";
    let found = with(anomalies(crowded), "sensors");
    let mut by_sensor: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    for label in found.iter().filter(|l| l.kind == Kind::LevelShift) {
        let spans = by_sensor.entry(&label.keys[0].id).or_default();
        spans.push((label.start.0, label.end.0));
    }
    let mut spans = by_sensor.values_mut();
    assert!(spans.any(|spans| {
        spans.sort_unstable();
        spans.windows(2).any(|w| w[0].1 > w[1].0)
    }));
}

#[test]
fn a_flood_builds_up_over_its_ramp() {
    let entry = "[traffic-spike: { count: 1, magnitude: 1, duration: 4m, ramp_in: 3m }]";
    let plan = changed(anomalies(entry), "clickstream");
    let stream = plan.streams().next().unwrap();
    let times: BTreeMap<String, i64> = events(&plan, stream, Share::WHOLE)
        .unwrap()
        .map(|event| super::fixture::decode(stream, &event))
        .map(|event| (event.id, event.at.0))
        .collect();
    let label = labels(&plan)
        .into_iter()
        .find(|l| l.kind == Kind::TrafficSpike)
        .unwrap();
    let minute = |n: i64| {
        let from = label.end.0 - (4 - n) * 60_000;
        let inside = |id: &&String| (from..from + 60_000).contains(&times[*id]);
        label.event_ids.iter().filter(inside).count()
    };
    // A sixth of the full rate is due in the first minute, give or take the chance of some 17 events.
    assert!(
        minute(0) * 2 < minute(3) && minute(1) < minute(3),
        "{} {}",
        minute(0),
        minute(3)
    );
}

#[test]
fn decoys_move_nothing() {
    let with_decoys = more(1);
    let without = {
        let mut section = with_decoys.section().clone();
        for stream in [
            &mut section.streams.clickstream,
            &mut section.streams.banking,
            &mut section.streams.sensors,
        ] {
            stream.as_mut().unwrap().decoys.clear();
        }
        resolved(section)
    };
    let incidents: Vec<Label> = labels(&with_decoys)
        .into_iter()
        .filter(|l| !l.benign)
        .collect();
    assert_eq!(incidents, labels(&without));
    assert!(labels(&all(1)).iter().all(|label| !label.benign));
}
