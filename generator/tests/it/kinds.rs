//! The kinds that a detector learns last: each is what the catalogue says.

use std::collections::{BTreeMap, BTreeSet};

use floodmark_contracts::{geo::country, key::KeyType, kind::Kind, label::Label, stream::Stream};
use floodmark_generator::{Plan, labels};

use super::{
    fixture::{Decoded, MORE, by, calm_of, decoded, more},
    incidents::{key, links, of_kind, values},
};

/// The label of each incident of a kind with its events, over a few seeds.
fn incidents(kind: Kind) -> Vec<(Plan, Label, Vec<Decoded>)> {
    let found: Vec<_> = (1..3)
        .flat_map(|seed| {
            let plan = more(seed);
            let found = of_kind(&plan, kind);
            found.into_iter().map(move |(l, e)| (plan.clone(), l, e))
        })
        .collect();
    assert!(!found.is_empty(), "{kind}");
    found
}

fn types(events: &[&Decoded]) -> Vec<String> {
    events.iter().map(|e| e.fields["type"].clone()).collect()
}

fn distinct<'a>(events: &'a [Decoded], field: &str) -> BTreeSet<&'a str> {
    events.iter().map(|e| e.fields[field].as_str()).collect()
}

fn minutes(label: &Label) -> f64 {
    label.end.since(label.start) as f64 / 60_000.0
}

#[test]
fn click_fraud_is_three_users_that_click_on_one_page() {
    for (_, label, found) in incidents(Kind::ClickFraud) {
        assert_eq!(distinct(&found, "page").len(), 1);
        for session in by(&found, "session").values() {
            let clicks = session.iter().filter(|e| e.fields["type"] == "click");
            assert_eq!(session[0].fields["type"], "page_view");
            assert_eq!((clicks.count(), session.len()), (30, 31));
        }
        assert_eq!(distinct(&found, "user").len(), 3);
        assert_eq!(label.keys.len(), 7);
    }
}

#[test]
fn a_geo_hop_is_far_and_in_one_session_that_follows_links() {
    for (_, label, found) in incidents(Kind::GeoHop) {
        assert_eq!(distinct(&found, "session").len(), 1);
        assert!(found.windows(2).all(links));
        let at = |event: &Decoded| country(&event.fields["country"]).unwrap();
        assert!(at(&found[4]).distance_km(at(&found[5])) >= 4000.0);
        assert_eq!(
            (at(&found[0]).code, at(&found[5]).code),
            (at(&found[4]).code, at(&found[9]).code)
        );
        assert_eq!(label.detectable_at, found[5].at);
    }
}

#[test]
fn visits_of_a_drop_off_end_at_the_payment_page() {
    // Events on the two pages, within incidents and outside.
    let mut bought = [0.0, 0.0];
    let mut wanted = [0.0, 0.0];
    for (plan, label, found) in incidents(Kind::FunnelDropOff) {
        let reach = by(&found, "session")
            .values()
            .filter(|visit| visit.len() == 3)
            .inspect(|visit| assert_eq!(visit[2].fields["page"], "/checkout/payment"))
            .count();
        // 12 a minute or more, less what the ramp and the end take away.
        assert!(reach > 40, "{reach}");
        assert!(!distinct(&found, "page").contains("/confirmation"));
        for event in decoded(&plan, Stream::Clickstream) {
            let outside = usize::from(!(label.start..=label.end).contains(&event.at));
            match event.fields["page"].as_str() {
                "/confirmation" => bought[outside] += 1.0,
                "/checkout/payment" => wanted[outside] += 1.0,
                _ => {}
            }
        }
    }
    // What is usual goes on, but its share falls.
    let (inside, outside) = (bought[0] / wanted[0], bought[1] / wanted[1]);
    assert!(inside < 0.7 * outside, "{inside} {outside}");
}

#[test]
fn a_session_of_inhuman_speed_is_fast_and_uneven() {
    for (_, _, found) in incidents(Kind::InhumanSpeed) {
        let gaps: Vec<f64> = found
            .windows(2)
            .map(|w| w[1].at.since(w[0].at) as f64)
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        assert!((1000.0..2000.0).contains(&mean), "{mean}");
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!(variance.sqrt() / mean > 0.4);
        assert!(found.windows(2).all(links));
    }
}

#[test]
fn carts_are_filled_with_one_product_and_left() {
    for (_, label, found) in incidents(Kind::CartAbandonment) {
        let product = label.keys[0].id.as_str();
        assert_eq!(distinct(&found, "page"), BTreeSet::from([product, "/cart"]));
        for visit in by(&found, "session").values().filter(|v| v.len() == 3) {
            assert_eq!(types(visit), ["page_view", "add_to_cart", "page_view"]);
            assert_eq!(visit[2].fields["page"], "/cart");
        }
    }
}

#[test]
fn referrer_spam_names_one_small_site_and_ordinary_visits_name_many() {
    for (plan, _, found) in incidents(Kind::ReferrerSpam) {
        let sites = distinct(&found, "referrer");
        assert!(sites.len() == 1 && sites.first().unwrap().starts_with("https://site-"));
        let events = decoded(&plan, Stream::Clickstream);
        let ours: Vec<&Decoded> = events
            .iter()
            .filter(|e| sites.contains(e.fields["referrer"].as_str()))
            .collect();
        // Others come from there as well, now and then.
        assert!(ours.len() > found.len());
        assert!(distinct(&events, "referrer").len() > 300);
        let pages = events
            .iter()
            .filter(|e| e.fields["referrer"].starts_with("https://www.shop.example/"));
        assert!(pages.count() * 2 > events.len());
    }
}

#[test]
fn a_flash_sale_sells() {
    for (_, label, found) in incidents(Kind::FlashSale) {
        let visits = by(&found, "session");
        let buys = visits
            .values()
            .filter(|v| types(v).contains(&"purchase".to_owned()));
        let share = buys.count() as f64 / visits.len() as f64;
        assert!((0.18..0.5).contains(&share), "{share}");
        assert!(visits.len() as f64 / minutes(&label) > 25.0);
        assert!(
            visits
                .values()
                .all(|v| v.windows(2).all(|w| links(&[w[0].clone(), w[1].clone()])))
        );
    }
}

#[test]
fn a_hijacked_session_changes_its_device_and_address() {
    for (_, label, found) in incidents(Kind::SessionHijack) {
        assert_eq!(distinct(&found, "session").len(), 1);
        let thief = key(&label, KeyType::Device);
        let first = found
            .iter()
            .position(|e| e.fields["device"] == thief)
            .unwrap();
        assert_eq!((first, found.len()), (3, 8));
        assert!(found[3..].iter().all(|e| e.fields["device"] == thief));
        assert_ne!(found[2].fields["ip"], found[3].fields["ip"]);
        assert_eq!(label.detectable_at, found[3].at);
    }
}

#[test]
fn a_mule_device_moves_money_on_eight_accounts() {
    for (_, _, found) in incidents(Kind::MuleDevice) {
        let accounts = by(&found, "user");
        assert_eq!((accounts.len(), found.len()), (8, 32));
        assert!(
            accounts
                .values()
                .all(|visit| visit[3].fields["type"] == "transfer")
        );
        assert_eq!(
            (
                distinct(&found, "device").len(),
                distinct(&found, "ip").len()
            ),
            (1, 1)
        );
    }
}

#[test]
fn a_slow_brute_force_comes_from_everywhere() {
    for (_, label, found) in incidents(Kind::SlowBruteForce) {
        assert_eq!((found.len(), distinct(&found, "ip").len()), (12, 12));
        assert_eq!(distinct(&found, "user").len(), 1);
        assert!(found.iter().all(|e| e.fields["type"] == "login_failed"));
        assert!(minutes(&label) > 13.0);
    }
}

#[test]
fn replayed_inputs_have_the_hashes_of_a_session_before() {
    for (plan, label, found) in incidents(Kind::ReplayedInput) {
        let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for event in decoded(&plan, Stream::Banking) {
            let typed = event.fields["typed"].clone();
            if event.at < label.start && !typed.is_empty() {
                seen.entry(typed)
                    .or_default()
                    .insert(event.fields["session"].clone());
            }
        }
        let sessions = by(&found, "session");
        assert_eq!(sessions.len(), 3);
        for replay in sessions.values() {
            let again = replay
                .iter()
                .filter(|e| ["amount", "reference"].contains(&e.fields["element"].as_str()))
                .filter(|e| seen.contains_key(&e.fields["typed"]));
            assert_eq!(again.count(), 4);
        }
    }
}

#[test]
fn ordinary_hashes_repeat_only_where_they_name_a_payee_of_the_account() {
    let events = decoded(&calm_of(MORE, 1), Stream::Banking);
    let typed = || events.iter().filter(|e| !e.fields["typed"].is_empty());
    let names_payee = |e: &&Decoded| ["iban", "payee-name"].contains(&e.fields["element"].as_str());
    let others: Vec<&str> = typed()
        .filter(|e| !names_payee(e))
        .map(|e| e.fields["typed"].as_str())
        .collect();
    let unique: BTreeSet<&&str> = others.iter().collect();
    assert!(others.len() > 1000 && unique.len() == others.len());

    let mut accounts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut ibans = 0;
    for event in typed().filter(|e| e.fields["element"] == "iban") {
        let of_hash = accounts.entry(&event.fields["typed"]).or_default();
        of_hash.insert(&event.fields["user"]);
        ibans += 1;
    }
    // Nobody's payee is another's, and payees come again.
    assert!(accounts.values().all(|users| users.len() == 1));
    assert!(
        accounts.len() * 3 < ibans * 2,
        "{} of {ibans}",
        accounts.len()
    );
}

#[test]
fn a_payee_is_new_where_payees_are_changed_and_known_elsewhere() {
    let seen = |plan: &Plan| -> BTreeMap<String, BTreeSet<String>> {
        let events = decoded(plan, Stream::Banking);
        let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for visit in by(&events, "session").values() {
            if types(visit).contains(&"payee_change".to_owned()) {
                continue;
            }
            for event in visit.iter().filter(|e| e.fields["element"] == "iban") {
                let of_user = seen.entry(event.fields["user"].clone()).or_default();
                of_user.insert(event.fields["typed"].clone());
            }
        }
        seen
    };
    let calm = calm_of(MORE, 1);
    let known = seen(&calm);
    assert!(known.values().all(|payees| (1..=6).contains(&payees.len())));
    let events = decoded(&calm, Stream::Banking);
    let mut changes = 0;
    for visit in by(&events, "session").values() {
        let of_user = known.get(&visit[0].fields["user"]);
        let ibans: BTreeSet<&str> = visit
            .iter()
            .filter(|e| e.fields["element"] == "iban")
            .map(|e| e.fields["typed"].as_str())
            .collect();
        assert!(ibans.len() <= 1, "a visit pays to one");
        if types(visit).contains(&"payee_change".to_owned()) {
            changes += ibans.len();
            let of_user = of_user.into_iter().flatten();
            assert!(
                !of_user
                    .into_iter()
                    .any(|known| ibans.contains(known.as_str()))
            );
        }
    }
    assert!(changes > 50, "{changes}");
    // Who takes an account over brings a payee of their own.
    for (plan, label, found) in incidents(Kind::BotThenTakeover) {
        let known = seen(&plan);
        let bank = found
            .iter()
            .filter(|e| e.fields.get("element").is_some_and(|e| e == "iban"));
        for event in bank {
            let of_user = known.get(&event.fields["user"]);
            assert!(
                of_user.is_none_or(|known| !known.contains(&event.fields["typed"])),
                "{}",
                label.id
            );
        }
    }
}

#[test]
fn one_actor_shows_by_one_address_on_both_streams() {
    for (plan, label, found) in incidents(Kind::BotThenTakeover) {
        let address = key(&label, KeyType::Ip);
        assert!(found.iter().all(|e| e.fields["ip"] == address));
        assert_eq!(label.other_streams, [Stream::Clickstream]);
        let site = found
            .iter()
            .filter(|e| e.fields.contains_key("page"))
            .count();
        assert!(site > 60, "{site}");
        let takeover = types(&found[site..].iter().collect::<Vec<_>>());
        assert!(takeover.ends_with(&["payee_change".to_owned(), "transfer".to_owned()]));
        // Nobody else at the bank has the address, and the visitor had it before.
        let others = decoded(&plan, Stream::Banking)
            .into_iter()
            .filter(|e| e.fields["ip"] == address);
        assert_eq!(others.count(), found.len() - site);
        let label_user = &found[0].fields["user"];
        let own = decoded(&plan, Stream::Clickstream);
        assert!(
            own.iter()
                .filter(|e| e.fields["user"] == *label_user)
                .all(|e| e.fields["ip"] == address)
        );
    }
}

#[test]
fn a_traveller_is_where_the_account_always_was() {
    for (plan, label, found) in incidents(Kind::Traveller) {
        assert!(label.benign);
        let user = key(&label, KeyType::User);
        let events = decoded(&plan, Stream::Banking);
        let others = by(&events, "user")[user]
            .iter()
            .filter(|e| e.at < label.start)
            .count();
        assert!(!types(&found.iter().collect::<Vec<_>>()).contains(&"payee_change".to_owned()));
        let device = key(&label, KeyType::Device);
        assert!(
            by(&events, "user")[user]
                .iter()
                .filter(|e| e.at < label.start)
                .all(|e| e.fields["device"] != device),
            "{others}"
        );
    }
}

/// By how much each reading of a sensor within a label is moved, in order.
fn moved(with: &Plan, without: &Plan, label: &Label, sensor: &str) -> Vec<f64> {
    let inside = |(at, _): &(i64, f64)| (label.start.0..=label.end.0).contains(at);
    let of = |plan: &Plan| -> Vec<(i64, f64)> {
        values(plan, sensor).into_iter().filter(inside).collect()
    };
    let (found, plain) = (of(with), of(without));
    found.iter().zip(&plain).map(|(a, b)| a.1 - b.1).collect()
}

#[test]
fn sensors_fail_slowly_noisily_out_of_step_and_in_groups() {
    for seed in 1..3 {
        let (with, without) = (more(seed), calm_of(MORE, seed));
        for label in labels(&with).iter().filter(|l| l.stream == Stream::Sensors) {
            let sensor = key(label, KeyType::Sensor);
            let moved = moved(&with, &without, label, sensor);
            let (first, last) = (moved[0], moved[moved.len() - 1]);
            let mean = moved.iter().sum::<f64>() / moved.len() as f64;
            match label.kind {
                Kind::Drift => {
                    assert!(
                        first.abs() < 0.2 && (6.0..25.0).contains(&last.abs()),
                        "{first} {last}"
                    );
                    assert!((mean / last - 0.5).abs() < 0.02);
                }
                Kind::NoiseBurst => {
                    let largest = moved.iter().fold(0.0f64, |a, b| a.max(b.abs()));
                    assert!(mean.abs() < 2.0 && largest > 4.0, "{mean} {largest}");
                }
                Kind::SeasonShift => {
                    assert!(moved.iter().all(|m| m.abs() <= 8.02));
                    let rough = moved
                        .windows(2)
                        .map(|w| (w[1] - w[0]).abs())
                        .fold(0.0, f64::max);
                    assert!(first.abs() < 0.1 && rough < 0.3, "{first} {rough}");
                }
                Kind::GroupFailure => {
                    assert_eq!(label.keys.len(), 9);
                    assert!(label.keys[0].id.starts_with("group_"));
                    assert!((2.5..3.51).contains(&last.abs()) && first.abs() < last.abs() / 5.0);
                    for other in &label.keys[2..] {
                        let theirs = super::kinds::moved(&with, &without, label, &other.id);
                        assert!((theirs[theirs.len() - 1] - last).abs() < 0.02);
                    }
                }
                kind => {
                    assert_eq!(kind, Kind::Recalibration);
                    assert!(
                        first > 0.0 && (first + last).abs() < 0.03 && mean.abs() < 0.3,
                        "{mean}"
                    );
                }
            }
        }
    }
}
