//! Laws of the events.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use floodmark_contracts::{clock::RunMicros, geo::COUNTRY_MMDB, site::Site, stream::Stream};
use floodmark_generator::{Delayed, Event, Plan, SchemaIds, closing_events, fingerprint, labels};
use floodmark_kafka::producer::partition_for_key;
use proptest::prelude::*;

use super::fixture::{ALL, all, all_events, by, calm, decode, decoded, resolved, section};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// forall seed: the same seed gives the same events, bytes and order; another gives others.
    #[test]
    fn a_seed_fixes_every_byte(seed: u64) {
        for stream in Stream::ALL {
            prop_assert_eq!(all_events(&all(seed), stream), all_events(&all(seed), stream));
            let other = fingerprint(&all(seed.wrapping_add(1)), stream);
            prop_assert_ne!(fingerprint(&all(seed), stream), other);
        }
    }

    /// forall seed: ids are unique, and turn back into the slot of their event.
    #[test]
    fn ids_are_unique_and_turn_back(seed: u64) {
        let plan = all(seed);
        for stream in Stream::ALL {
            let events = decoded(&plan, stream);
            let ids: BTreeSet<&str> = events.iter().map(|e| e.id.as_str()).collect();
            prop_assert_eq!(ids.len(), events.len());
            if stream != Stream::Sensors {
                for event in &events {
                    prop_assert_eq!(plan.slot_of(&event.id), Some((stream, event.slot)));
                }
            }
        }
        prop_assert_eq!(plan.slot_of("00000000-0000-4000-8000-000000000000"), None);
        prop_assert_eq!(plan.slot_of("no id"), None);
    }

    /// forall seed: no slot is skipped but those of sensors that are silent, and none comes twice.
    #[test]
    fn no_slot_is_skipped(seed: u64) {
        let plan = all(seed);
        for stream in Stream::ALL {
            let slots: Vec<u64> = decoded(&plan, stream).iter().map(|e| e.slot).collect();
            prop_assert!(slots.is_sorted_by(|a, b| a < b));
            let missing = plan.slots(stream) - slots.len() as u64;
            if stream == Stream::Sensors {
                // Two drop-outs of two minutes at a period of two seconds.
                prop_assert!((118..=124).contains(&missing), "{}", missing);
            } else {
                prop_assert_eq!(missing, 0);
            }
        }
    }

    /// forall seed: events that no incident takes are the same with and without incidents.
    #[test]
    fn incidents_change_no_other_event(seed: u64) {
        let (with, without) = (all(seed), calm(seed));
        let touched: BTreeSet<String> =
            labels(&with).into_iter().flat_map(|label| label.event_ids).collect();
        for stream in Stream::ALL {
            let plain: BTreeMap<u64, Event> =
                all_events(&without, stream).into_iter().map(|e| (e.slot, e)).collect();
            let (mut changed, mut unlabelled) = (0, 0);
            for event in all_events(&with, stream) {
                if plain[&event.slot] != event {
                    changed += 1;
                    unlabelled += usize::from(!touched.contains(&decode(stream, &event).id));
                }
            }
            prop_assert!(changed > 0);
            // Visits that lead up to two takeovers and two journeys: 2 * 4 + 2 * 3 events.
            prop_assert_eq!(unlabelled, if stream == Stream::Banking { 14 } else { 0 });
        }
    }

    /// forall seed: events come in the order of their due times; delays keep their bounds and come
    /// on top of the arrival.
    #[test]
    fn disorder_stays_within_its_bounds(seed: u64) {
        let plan = all(seed);
        for stream in Stream::ALL {
            let events = all_events(&plan, stream);
            prop_assert!(events.is_sorted_by_key(|e| e.due_ns));
            for event in &events {
                let bound_us = match event.delayed {
                    Delayed::No => 0,
                    Delayed::Disordered => 2_000_000,
                    Delayed::Late => 32_000_000,
                    Delayed::Offline => unreachable!("no device is offline here"),
                };
                prop_assert!((0..=bound_us).contains(&event.delay_us), "{:?}", event);
                let arrival_us = event.due_ns / 1000 - event.delay_us / 60;
                let at = plan.timeline().event_time(RunMicros(arrival_us));
                prop_assert!(at.since(event.event_time).abs() <= 1, "{:?}", event);
            }
            let delayed = events.iter().filter(|e| e.delayed != Delayed::No).count();
            let share = delayed as f64 / events.len() as f64;
            prop_assert!((share - 0.3).abs() < 0.03, "{}", share);
        }
    }
}

#[test]
fn partitions_are_those_of_the_java_client_and_all_are_used() {
    let plan = all(1);
    for stream in Stream::ALL {
        let events = all_events(&plan, stream);
        assert!(
            events
                .iter()
                .all(|e| e.partition == partition_for_key(&e.key, 3))
        );
        let used: BTreeSet<i32> = events.iter().map(|e| e.partition).collect();
        assert_eq!(used, BTreeSet::from([0, 1, 2]), "{stream}");
    }
}

#[test]
fn countries_are_those_of_the_addresses() {
    let reader = maxminddb::Reader::from_source(COUNTRY_MMDB).unwrap();
    let country = |ip: &str| -> String {
        let found = reader
            .lookup(ip.parse::<Ipv4Addr>().unwrap().into())
            .unwrap();
        found
            .decode_path(&maxminddb::path!["country_code"])
            .unwrap()
            .unwrap()
    };
    for event in decoded(&all(2), Stream::Clickstream) {
        assert_eq!(country(&event.fields["ip"]), event.fields["country"]);
    }
    for event in decoded(&all(2), Stream::Banking) {
        // No address is outside the ranges of the database, an attacker's neither.
        assert_eq!(country(&event.fields["ip"]).len(), 2);
    }
}

#[test]
fn walks_follow_the_links_of_the_site_but_for_rare_jumps() {
    let site = Site::published();
    let events = decoded(&calm(3), Stream::Clickstream);
    let (mut steps, mut jumps) = (0, 0);
    for walk in by(&events, "session").values() {
        for pair in walk.windows(2) {
            let page = |i: usize| site.page(&pair[i].fields["page"]).unwrap();
            steps += 1;
            jumps += i32::from(!site.connects(page(0), page(1)));
        }
    }
    // One step in 250 goes to any page, of which some are linked.
    assert!(steps > 10_000 && jumps > 0, "{jumps} of {steps}");
    assert!(
        f64::from(jumps) / f64::from(steps) < 0.006,
        "{jumps} of {steps}"
    );
}

#[test]
fn visitors_dwell_as_people_do() {
    let events = decoded(&calm(4), Stream::Clickstream);
    let gaps: Vec<f64> = by(&events, "session")
        .values()
        .flat_map(|walk| {
            walk.windows(2)
                .map(|w| w[1].at.since(w[0].at) as f64)
                .collect::<Vec<_>>()
        })
        .collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let deviation =
        (gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
    assert!((13_000.0..20_000.0).contains(&mean), "{mean}");
    assert!(
        (0.6..0.9).contains(&(deviation / mean)),
        "{}",
        deviation / mean
    );
    let shortest = gaps.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(shortest > 1500.0, "{shortest}");
}

#[test]
fn a_user_makes_one_visit_at_a_time_besides_single_events() {
    let events = decoded(&calm(5), Stream::Clickstream);
    let visits = by(&events, "session");
    let mut of_user: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    for visit in visits.values().filter(|visit| visit.len() > 1) {
        let span = (visit[0].at.0, visit[visit.len() - 1].at.0);
        of_user
            .entry(&visit[0].fields["user"])
            .or_default()
            .push(span);
    }
    for spans in of_user.values_mut() {
        spans.sort_unstable();
        assert!(spans.windows(2).all(|w| w[0].1 < w[1].0), "{spans:?}");
    }
}

#[test]
fn traffic_is_level_from_the_first_minute_on() {
    // A crowd that began at the start of the run would open with a rush on the first pages.
    let events = decoded(&calm(6), Stream::Clickstream);
    let count = |minute: i64| {
        let start = events[0].at.0 + minute * 60_000;
        events
            .iter()
            .filter(|e| e.fields["page"] == "/home")
            .filter(|e| (start..start + 60_000).contains(&e.at.0))
            .count() as f64
    };
    let later = (4..14).map(count).sum::<f64>() / 10.0;
    for minute in 0..3 {
        assert!(
            (count(minute) / later - 1.0).abs() < 0.3,
            "{} in {minute}, {later}",
            count(minute)
        );
    }
}

#[test]
fn too_few_users_hurry_and_the_rate_stays() {
    let mut crowded = section(ALL);
    let clicks = crowded.streams.clickstream.as_mut().unwrap();
    clicks.population.entities = 12;
    clicks.anomalies.clear();
    let plan = resolved(crowded);
    let events = all_events(&plan, Stream::Clickstream);
    assert_eq!(events.len() as u64, plan.slots(Stream::Clickstream));
    let users: BTreeSet<&[u8]> = events.iter().map(|e| e.key.as_slice()).collect();
    assert_eq!(users.len(), 12);
}

fn check_closing(plan: &Plan, stream: Stream) {
    let closing = closing_events(plan, stream, SchemaIds::new(&[7]));
    let found: Vec<u32> = closing.iter().map(|e| e.lane).collect();
    assert_eq!(found, (0..plan.lanes(stream)).collect::<Vec<_>>());
    let known: BTreeSet<Vec<u8>> = all_events(plan, stream)
        .into_iter()
        .map(|e| e.key)
        .collect();
    for event in &closing {
        assert!(known.contains(&event.key));
        assert_eq!(event.event_time, plan.closing_time());
        let decoded = decode(stream, event);
        assert_eq!(decoded.at, plan.closing_time());
        if stream != Stream::Sensors {
            assert_eq!(plan.slot_of(&decoded.id), Some((stream, event.slot)));
        }
    }
}

#[test]
fn closing_events_reach_every_partition_with_known_keys() {
    let plan = all(7);
    for stream in Stream::ALL {
        check_closing(&plan, stream);
    }
    assert_eq!(
        plan.closing_time().since(plan.event_time_end()),
        15 * 60_000
    );
}
