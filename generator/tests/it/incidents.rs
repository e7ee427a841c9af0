//! Incidents are what the catalogue says.

use std::collections::{BTreeMap, BTreeSet};

use floodmark_contracts::{
    enrichment::Enrichment,
    event::sensor::SensorReading,
    geo::{COUNTRY_MMDB, country},
    key::{KeyType, TypedKey},
    kind::Kind,
    label::Label,
    site::Site,
    stream::Stream,
};
use floodmark_generator::{Event, Plan, Share, enrichment, events, labels};
use proptest::prelude::*;

use super::fixture::{Decoded, all, all_events, by, calm, decoded, more};

/// The labels of a kind, each with its events, of all its streams.
pub fn of_kind(plan: &Plan, kind: Kind) -> Vec<(Label, Vec<Decoded>)> {
    let streams = [Some(kind.stream()), kind.other_stream()];
    of_kind_among(plan, kind, &by_id(plan, streams.into_iter().flatten()))
}

/// All events of some streams by their ids.
fn by_id(plan: &Plan, streams: impl Iterator<Item = Stream>) -> BTreeMap<String, Decoded> {
    streams
        .flat_map(|stream| decoded(plan, stream))
        .map(|e| (e.id.clone(), e))
        .collect()
}

fn of_kind_among(
    plan: &Plan,
    kind: Kind,
    events: &BTreeMap<String, Decoded>,
) -> Vec<(Label, Vec<Decoded>)> {
    labels(plan)
        .into_iter()
        .filter(|label| label.kind == kind)
        .map(|label| {
            let found = label
                .event_ids
                .iter()
                .map(|id| events[id].clone())
                .collect();
            (label, found)
        })
        .collect()
}

pub fn key(label: &Label, key_type: KeyType) -> &str {
    &label
        .keys
        .iter()
        .find(|key| key.key_type == key_type)
        .unwrap()
        .id
}

fn field_of(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::User => "user",
        KeyType::Session => "session",
        KeyType::Page => "page",
        KeyType::Ip => "ip",
        KeyType::Device => "device",
        KeyType::Sensor => "sensor",
        KeyType::Group => "group",
    }
}

/// When each event of a plan is due.
fn due_times(plan: &Plan) -> BTreeMap<(Stream, u64), i64> {
    let of_stream = |stream| {
        let due = move |e: &Event| ((stream, e.slot), e.due_ns / 1000);
        all_events(plan, stream).iter().map(due).collect::<Vec<_>>()
    };
    Stream::ALL.into_iter().flat_map(of_stream).collect()
}

fn labels_fit(
    plan: &Plan,
    kind: Kind,
    events: &BTreeMap<String, Decoded>,
    due: &BTreeMap<(Stream, u64), i64>,
) -> Result<(), TestCaseError> {
    // Visits that pass the page of the label pass others too.
    let passes_by = matches!(kind, Kind::FunnelDropOff | Kind::FlashSale);
    for (label, found) in of_kind_among(plan, kind, events) {
        let types: BTreeSet<KeyType> = label.keys.iter().map(|k| k.key_type).collect();
        prop_assert_eq!(types, kind.key_types().iter().copied().collect());
        prop_assert_eq!(label.benign, kind.is_benign());
        prop_assert!(label.magnitude.unwrap() > 0.0 && label.snr.unwrap() >= 0.0);
        prop_assert!(label.detectable_at >= label.start);
        if kind == Kind::DropOut {
            prop_assert!(found.is_empty());
            continue;
        }
        for event in &found {
            let bears = |k: &TypedKey| event.fields.get(field_of(k.key_type)) == Some(&k.id);
            prop_assert!(passes_by || label.keys.iter().any(bears));
        }
        for typed in label.keys.iter().filter(|k| k.key_type != KeyType::Group) {
            let field = field_of(typed.key_type);
            prop_assert!(found.iter().any(|e| e.fields.get(field) == Some(&typed.id)));
        }
        prop_assert!(found.is_sorted_by_key(|e| e.at));
        let (first, last) = (&found[0], &found[found.len() - 1]);
        prop_assert_eq!((label.start, label.end), (first.at, last.at));
        let stream = kind.other_stream().unwrap_or(label.stream);
        prop_assert_eq!(label.first_sent.0, due[&(stream, first.slot)]);
        prop_assert_eq!(label.last_sent.0, due[&(label.stream, last.slot)]);
        prop_assert!(label.detectable_at <= label.end);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// forall seed: a label's events exist, bear one of its keys of each type, and lie between its start
    /// and its end, in order; the label's send times are theirs.
    #[test]
    fn labels_fit_their_events(seed: u64) {
        for plan in [all(seed), more(seed)] {
            let (events, due) = (by_id(&plan, Stream::ALL.into_iter()), due_times(&plan));
            for kind in Kind::ALL.into_iter().chain(Kind::DECOYS) {
                labels_fit(&plan, kind, &events, &due)?;
            }
        }
    }

    /// forall seed: never two incidents on one entity at once, none in the warm-up, none past the end.
    #[test]
    fn incidents_keep_apart(seed: u64) {
        for plan in [all(seed), more(seed)] {
            let mut by_entity: BTreeMap<_, Vec<(i64, i64)>> = BTreeMap::new();
            for label in labels(&plan) {
                prop_assert!(label.start >= plan.warm_up_until());
                prop_assert!(label.end < plan.event_time_end());
                let entity = (label.stream, label.keys[0].clone());
                by_entity.entry(entity).or_default().push((label.start.0, label.end.0));
            }
            for spans in by_entity.values_mut() {
                spans.sort_unstable();
                prop_assert!(spans.windows(2).all(|w| w[0].1 < w[1].0));
            }
        }
    }

    /// forall seed: labels depend on plan and seed alone, are sorted, and there are as many as asked.
    #[test]
    fn labels_are_stable_and_complete(seed: u64) {
        let found = labels(&all(seed));
        prop_assert_eq!(&found, &labels(&all(seed)));
        prop_assert!(found.is_sorted_by(|a, b| (a.start, &a.id) <= (b.start, &b.id)));
        let ids: BTreeSet<&str> = found.iter().map(|l| l.id.as_str()).collect();
        prop_assert_eq!(ids.len(), 21);
        prop_assert_eq!(found.len(), 21);
        let (found, again) = (labels(&more(seed)), labels(&more(seed)));
        prop_assert_eq!(&found, &again);
        prop_assert_eq!(found.len(), 34);
        prop_assert_eq!(found.iter().filter(|l| l.benign).count(), 6);
    }
}

#[test]
fn a_spike_and_an_error_burst_come_from_many_users() {
    for (kind, event_type, least) in [
        (Kind::TrafficSpike, "page_view", 120),
        (Kind::ErrorBurst, "error", 60),
    ] {
        for (_, found) in of_kind(&all(1), kind) {
            let users: BTreeSet<&String> = found.iter().map(|e| &e.fields["user"]).collect();
            assert!(
                found.len() >= least && users.len() * 10 > found.len() * 8,
                "{kind}"
            );
            assert!(found.iter().all(|e| e.fields["type"] == event_type));
        }
    }
}

#[test]
fn a_bot_keeps_its_beat_and_follows_links() {
    for (_, found) in of_kind(&all(1), Kind::Bot) {
        assert!((80..100).contains(&found.len()), "{}", found.len());
        let gaps: Vec<f64> = found
            .windows(2)
            .map(|w| w[1].at.since(w[0].at) as f64)
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!(variance.sqrt() / mean < 0.35, "{}", variance.sqrt() / mean);
        assert!(found.windows(2).all(links));
    }
}

#[test]
fn every_step_of_an_impossible_navigation_is_impossible() {
    for (label, found) in of_kind(&all(1), Kind::ImpossibleNavigation) {
        assert_eq!(found.len(), 9);
        assert!(found.windows(2).all(|w| !links(w)));
        assert_eq!(label.detectable_at, found[3].at);
    }
}

pub fn links(pair: &[Decoded]) -> bool {
    let site = Site::published();
    let page = |i: usize| site.page(&pair[i].fields["page"]).unwrap();
    site.connects(page(0), page(1))
}

#[test]
fn stuffing_tries_each_account_once_and_fails() {
    for (_, found) in of_kind(&all(1), Kind::CredentialStuffing) {
        let users: BTreeSet<&String> = found.iter().map(|e| &e.fields["user"]).collect();
        assert_eq!((found.len(), users.len()), (40, 40));
        assert!(found.iter().all(|e| e.fields["type"] == "login_failed"));
    }
}

#[test]
fn a_takeover_follows_a_visit_with_device_and_address_that_are_both_new() {
    for seed in 1..6 {
        let plan = all(seed);
        let events = decoded(&plan, Stream::Banking);
        for (label, found) in of_kind(&plan, Kind::AccountTakeover) {
            let user = key(&label, KeyType::User);
            let of_users = by(&events, "user");
            let before: Vec<&Decoded> = of_users[user]
                .iter()
                .filter(|e| e.at < label.start)
                .copied()
                .collect();
            assert!(
                before.iter().any(|e| e.fields["type"] == "login_success"),
                "{user}"
            );
            for field in ["device", "ip"] {
                assert!(
                    before
                        .iter()
                        .all(|e| e.fields[field] != found[0].fields[field])
                );
            }
            let types: Vec<&str> = found.iter().map(|e| e.fields["type"].as_str()).collect();
            assert!(types.starts_with(&["login_view", "login_success", "balance_view"]));
            assert!(types.ends_with(&["payee_change", "transfer"]));
            assert_eq!(label.detectable_at, found[found.len() - 2].at);
        }
    }
}

#[test]
fn an_impossible_journey_is_far_and_fast_with_the_same_device() {
    let reader = maxminddb::Reader::from_source(COUNTRY_MMDB).unwrap();
    let place = |event: &Decoded| {
        let ip: std::net::Ipv4Addr = event.fields["ip"].parse().unwrap();
        let code: Option<&str> = reader
            .lookup(ip.into())
            .unwrap()
            .decode_path(&maxminddb::path!["country_code"])
            .unwrap();
        country(code.unwrap()).unwrap()
    };
    for seed in 1..6 {
        let plan = all(seed);
        let events = decoded(&plan, Stream::Banking);
        for (label, found) in of_kind(&plan, Kind::ImpossibleTravel) {
            let of_user = &by(&events, "user")[key(&label, KeyType::User)];
            let near = of_user
                .iter()
                .filter(|e| e.at < label.start && e.fields["device"] == found[0].fields["device"])
                .min_by_key(|e| -(place(e).distance_km(place(&found[0])) as i64))
                .unwrap();
            let km = place(near).distance_km(place(&found[0]));
            assert!(km >= 4000.0, "{km}");
            let hours = found[0].at.since(near.at) as f64 / 3.6e6;
            assert!(km / hours > 2000.0, "{km} km in {hours} h");
        }
    }
}

#[test]
fn a_machine_fills_in_its_form_faster_than_people() {
    for (label, found) in of_kind(&all(1), Kind::MachineSpeedInput) {
        let fast = |e: &&Decoded| e.fields["latency"].parse::<i32>().unwrap() <= 12;
        assert_eq!(found.iter().filter(fast).count(), 12);
        assert_eq!(found.len(), 16);
        assert_eq!(label.detectable_at, found[6].at);
    }
    // Nobody else has more than one input of a password manager in a visit.
    for visit in by(&decoded(&calm(1), Stream::Banking), "session").values() {
        let fast = visit
            .iter()
            .filter(|e| e.fields["latency"].parse::<i32>().unwrap() <= 20);
        assert!(fast.count() <= 1);
    }
}

pub fn values(plan: &Plan, sensor: &str) -> Vec<(i64, f64)> {
    let mut found: Vec<(i64, f64)> = all_events(plan, Stream::Sensors)
        .iter()
        .map(|event| {
            SensorReading::decode(&event.value)
                .unwrap()
                .into_owned_parts()
        })
        .filter(|(id, _, _)| id == sensor)
        .map(|(_, at, value)| (at, value))
        .collect();
    found.sort_by_key(|(at, _)| *at);
    found
}

/// The parts of a reading that tests look at.
trait Parts {
    fn into_owned_parts(self) -> (String, i64, f64);
}

impl Parts for SensorReading<'_> {
    fn into_owned_parts(self) -> (String, i64, f64) {
        (self.sensor_id.into_owned(), self.timestamp.0, self.value)
    }
}

#[test]
fn faults_of_sensors_change_their_readings_as_stated() {
    let (with, without) = (all(1), calm(1));
    for label in labels(&with)
        .iter()
        .filter(|label| label.stream == Stream::Sensors)
    {
        let sensor = key(label, KeyType::Sensor);
        let inside = |(at, _): &(i64, f64)| (label.start.0..=label.end.0).contains(at);
        let found: Vec<(i64, f64)> = values(&with, sensor).into_iter().filter(inside).collect();
        let plain: Vec<(i64, f64)> = values(&without, sensor)
            .into_iter()
            .filter(inside)
            .collect();
        let moved: Vec<f64> = found.iter().zip(&plain).map(|(a, b)| a.1 - b.1).collect();
        match label.kind {
            Kind::SensorSpike => {
                assert_eq!(moved.len(), 1);
                assert!((89.9..150.1).contains(&moved[0].abs()), "{moved:?}");
            }
            Kind::LevelShift => {
                assert!((89..=91).contains(&moved.len()), "{}", moved.len());
                assert!((4.7..18.1).contains(&moved[0].abs()));
                assert!(moved.iter().all(|m| (m - moved[0]).abs() < 0.03));
            }
            Kind::StuckValue => {
                assert!(found.len() >= 59 && found.iter().all(|(_, v)| *v == found[0].1));
                assert_eq!(label.detectable_at.0, found[4].0);
            }
            _ => {
                assert!(found.is_empty() && plain.len() >= 59);
                assert_eq!(label.detectable_at.0, plain[3].0);
            }
        }
    }
}

#[test]
fn a_stream_without_incidents_has_no_labels() {
    assert!(labels(&calm(1)).is_empty());
    assert!(events(&calm(1), Stream::Sensors, Share::WHOLE).is_some());
}

#[test]
fn enrichment_knows_every_device_and_nothing_of_incidents() {
    let (with, without) = (all(1), calm(1));
    let lines: Vec<Enrichment> = enrichment(&with).collect();
    assert_eq!(lines, enrichment(&without).collect::<Vec<_>>());
    let devices: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| match line {
            Enrichment::DeviceRisk { device, .. } => Some(device.as_str()),
            Enrichment::AccountStatus { .. } => None,
        })
        .collect();
    let events = decoded(&with, Stream::Banking);
    assert!(
        events
            .iter()
            .all(|e| devices.contains(e.fields["device"].as_str()))
    );
    let accounts = lines
        .iter()
        .filter(|l| matches!(l, Enrichment::AccountStatus { .. }))
        .count();
    assert_eq!(accounts, 800);
}
