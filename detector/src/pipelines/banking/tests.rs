use floodmark_contracts::{enrichment::Enrichment, event::confluent::write_frame, stream::Stream};

use super::{super::testing, *};
use crate::{fraud::Feature, places::tests::address_in};

/// A customer's event; everything that a test does not set is as usual.
#[derive(Clone)]
struct Act<'a> {
    seconds: f64,
    user: &'a str,
    session: &'a str,
    event_type: &'a str,
    device: &'a str,
    ip: &'a str,
    latency_ms: i32,
    /// What was typed, into which element.
    input: Option<(&'a str, &'a str)>,
}

const USUAL: Act<'_> = Act {
    seconds: 0.0,
    user: "account-1",
    session: "session-1",
    event_type: event_type::BALANCE_VIEW,
    device: "fp-1",
    ip: "192.0.2.1",
    latency_ms: 250,
    input: None,
};

fn encode(act: &Act<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, 1);
    BankingUiEvent {
        event_id: &format!("{}-{}", act.session, act.seconds),
        session_id: act.session,
        user_id: act.user,
        event_type: act.event_type,
        element_id: act.input.map_or("button", |(element, _)| element),
        input_hash: act.input.map(|(_, hash)| hash),
        timestamp: testing::at(act.seconds),
        latency_ms: act.latency_ms,
        device_fingerprint: act.device,
        ip_address: act.ip,
    }
    .encode_body(&mut out);
    out
}

fn lookups(enrichment: EnrichmentStore) -> Arc<Lookups> {
    Arc::new(Lookups {
        places: Places::compiled_in().unwrap(),
        enrichment,
    })
}

/// All that comes of it, but for the sessions to be scored.
fn run_with(enrichment: EnrichmentStore, lateness_ms: i64, acts: &[Act<'_>]) -> Vec<Output> {
    let mut outputs = all(enrichment, lateness_ms, acts);
    outputs.retain(|output| !matches!(output, Output::Case(_)));
    outputs
}

fn all(enrichment: EnrichmentStore, lateness_ms: i64, acts: &[Act<'_>]) -> Vec<Output> {
    let mut values: Vec<_> = acts.iter().map(encode).collect();
    values.push(encode(&Act {
        seconds: 3600.0,
        user: "closing",
        session: "closing",
        ..USUAL
    }));
    let lookups = lookups(enrichment);
    let logic = move || Banking::new(lookups.clone(), lateness_ms);
    testing::run(Stream::Banking, lateness_ms, logic, &values)
}

fn run(acts: &[Act<'_>]) -> Vec<Output> {
    run_with(EnrichmentStore::default(), 0, acts)
}

fn takeover() -> [Act<'static>; 5] {
    let thief = Act {
        session: "session-2",
        device: "fp-9",
        ip: "198.51.100.9",
        ..USUAL
    };
    [
        USUAL,
        Act {
            seconds: 200.0,
            event_type: event_type::LOGIN_VIEW,
            ..thief.clone()
        },
        Act {
            seconds: 210.0,
            event_type: event_type::LOGIN_SUCCESS,
            ..thief.clone()
        },
        Act {
            seconds: 310.0,
            event_type: event_type::PAYEE_CHANGE,
            ..thief.clone()
        },
        Act {
            seconds: 330.0,
            event_type: event_type::TRANSFER,
            ..thief
        },
    ]
}

/// A feature of each of the session's cases.
fn cases(acts: &[Act<'_>], session: &str, feature: Feature) -> Vec<f32> {
    let of_session = |output: Output| match output {
        Output::Case(case) if case.session_id == session => Some(case.vector.get(feature)),
        _ => None,
    };
    let outputs = all(EnrichmentStore::default(), 0, acts);
    outputs.into_iter().filter_map(of_session).collect()
}

#[test]
fn a_takeover_is_found_at_the_change_of_payees_and_scored() {
    let outputs = run(&takeover());
    let found = testing::alerts(&outputs, "account-takeover");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].start, found[0].end),
        (testing::at(310.0), testing::at(310.0))
    );
    assert_eq!(found[0].key.id, "account-1");
    // At its first event, at the change and at the transfer.
    assert_eq!(
        cases(&takeover(), "session-2", Feature::PayeeChanges),
        [0.0, 1.0, 1.0]
    );
    assert_eq!(
        cases(&takeover(), "session-2", Feature::NewDevice),
        [1.0; 3]
    );
}

#[test]
fn a_known_device_or_a_known_address_is_no_takeover() {
    for known in [0, 1] {
        let mut acts = takeover();
        for act in &mut acts[1..] {
            match known {
                0 => act.device = USUAL.device,
                _ => act.ip = USUAL.ip,
            }
        }
        assert_eq!(run(&acts), []);
    }
}

#[test]
fn enrichment_moves_the_score_of_a_takeover() {
    let mut store = EnrichmentStore::default();
    store.insert(Enrichment::DeviceRisk {
        device: "fp-9".into(),
        score: 1.0,
    });
    let outputs = run_with(store, 0, &takeover());
    assert_eq!(
        testing::alerts(&outputs, "account-takeover")[0].score,
        Some(0.9)
    );
}

#[test]
fn a_session_far_away_is_found_once_and_the_customer_at_home_is_not() {
    let (home, far) = (address_in("DE"), address_in("JP"));
    let at_home = Act { ip: &home, ..USUAL };
    let abroad = Act {
        ip: &far,
        session: "session-2",
        ..USUAL
    };
    let outputs = run(&[
        at_home.clone(),
        Act {
            seconds: 299.0,
            event_type: event_type::LOGIN_VIEW,
            ..abroad.clone()
        },
        Act {
            seconds: 300.0,
            event_type: event_type::LOGIN_SUCCESS,
            ..abroad.clone()
        },
        Act {
            seconds: 310.0,
            ..abroad
        },
        Act {
            seconds: 400.0,
            session: "session-3",
            ..at_home
        },
    ]);
    let found = testing::alerts(&outputs, "impossible-travel");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].end, testing::at(300.0));
    assert_eq!(
        (&found[0].evidence["from"], &found[0].evidence["to"]),
        (&"DE".into(), &"JP".into())
    );
}

#[test]
fn failed_logins_from_afar_do_not_move_the_customer() {
    let (home, far) = (address_in("DE"), address_in("JP"));
    let outputs = run(&[
        Act { ip: &home, ..USUAL },
        Act {
            seconds: 60.0,
            ip: &far,
            session: "x",
            event_type: event_type::LOGIN_FAILED,
            ..USUAL
        },
        Act {
            seconds: 90.0,
            ip: &home,
            session: "y",
            ..USUAL
        },
    ]);
    assert_eq!(outputs, []);
}

#[test]
fn machine_speed_is_found_and_scored() {
    let acts: Vec<Act<'_>> = (0..6)
        .map(|i| Act {
            seconds: f64::from(i),
            latency_ms: 7,
            event_type: event_type::FIELD_INPUT,
            ..USUAL
        })
        .collect();
    let outputs = run(&acts);
    assert_eq!(testing::alerts(&outputs, "machine-speed-input").len(), 1);
    assert_eq!(
        cases(&acts, "session-1", Feature::QuickInputs),
        [1.0, 3.0, 6.0]
    );
}

fn stuffing(accounts: usize) -> Vec<(String, String)> {
    (0..accounts)
        .map(|i| (format!("account-{i}"), format!("session-{i}")))
        .collect()
}

fn attempts<'a>(accounts: &'a [(String, String)], seconds: f64) -> Vec<Act<'a>> {
    accounts
        .iter()
        .map(|(user, session)| Act {
            seconds,
            user,
            session,
            ip: "203.0.113.7",
            event_type: event_type::LOGIN_FAILED,
            ..USUAL
        })
        .collect()
}

#[test]
fn stuffing_is_found_on_its_address() {
    let accounts = stuffing(12);
    let outputs = run(&attempts(&accounts, 70.0));
    let found = testing::alerts(&outputs, "credential-stuffing");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key.id, "203.0.113.7");
    assert_eq!(found[0].start, testing::at(70.0));
    assert_eq!(found[0].end, testing::at(120.0));
    assert_eq!(found[0].evidence["accounts_failed"], 12);
}

#[test]
fn late_attempts_correct_a_window_and_alert_once() {
    let accounts = stuffing(12);
    let mut acts = attempts(&accounts[..3], 70.0);
    acts.push(Act {
        seconds: 130.0,
        ..USUAL
    });
    acts.extend(attempts(&accounts[3..], 110.0));
    assert_eq!(run(&acts), []);
    let outputs = run_with(EnrichmentStore::default(), 60_000, &acts);
    assert_eq!(testing::alerts(&outputs, "credential-stuffing").len(), 1);
}

#[test]
fn a_session_that_goes_on_elsewhere_is_found_and_scored() {
    let elsewhere = Act {
        seconds: 40.0,
        device: "fp-9",
        ip: "198.51.100.9",
        ..USUAL
    };
    let acts = [USUAL, elsewhere];
    let outputs = run(&acts);
    let found = testing::alerts(&outputs, "session-hijack");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].event_ids, ["session-1-40"]);
    assert_eq!(cases(&acts, "session-1", Feature::OtherDevice), [0.0, 1.0]);
}

#[test]
fn an_account_with_a_strange_device_in_a_far_country_did_not_travel() {
    let (home, far) = (address_in("DE"), address_in("JP"));
    let stranger = Act {
        seconds: 300.0,
        session: "session-2",
        device: "fp-9",
        ip: &far,
        ..USUAL
    };
    assert_eq!(run(&[Act { ip: &home, ..USUAL }, stranger]), []);
}

#[test]
fn guessing_from_many_addresses_is_found_and_no_session_is_scored() {
    let addresses: Vec<String> = (0..8).map(|i| format!("192.0.2.{i}")).collect();
    let acts: Vec<Act<'_>> = (0..8)
        .zip(&addresses)
        .map(|(i, ip)| Act {
            seconds: f64::from(i) * 70.0,
            session: ip,
            ip,
            event_type: event_type::LOGIN_FAILED,
            ..USUAL
        })
        .collect();
    let outputs = run(&acts);
    let found = testing::alerts(&outputs, "slow-brute-force");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].end, testing::at(280.0));
    assert_eq!(cases(&acts, "192.0.2.1", Feature::Inputs), [0.0; 0]);
}

#[test]
fn replayed_amounts_are_found_and_known_payees_are_not() {
    let input = |seconds, session, element, hash| Act {
        seconds,
        session,
        event_type: event_type::FIELD_INPUT,
        input: Some((element, hash)),
        ..USUAL
    };
    let outputs = run(&[
        input(0.0, "session-1", "iban", "payee"),
        input(5.0, "session-1", "amount", "a"),
        input(100.0, "session-2", "iban", "payee"),
        input(105.0, "session-2", "amount", "b"),
        input(200.0, "session-3", "iban", "payee"),
        input(205.0, "session-3", "amount", "a"),
    ]);
    let found = testing::alerts(&outputs, "replayed-input");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].event_ids, ["session-3-205"]);
}

#[test]
fn a_device_on_many_accounts_is_found_though_each_account_sees_one_visit() {
    let names: Vec<String> = (0..5).map(|i| format!("account-{i}")).collect();
    let acts: Vec<Act<'_>> = (0..5)
        .zip(&names)
        .map(|(i, user)| Act {
            seconds: f64::from(i) * 70.0,
            user,
            session: user,
            event_type: event_type::LOGIN_SUCCESS,
            ..USUAL
        })
        .collect();
    let outputs = run(&acts);
    let found = testing::alerts(&outputs, "mule-device");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key.id, "fp-1");
    assert_eq!(found[0].evidence["accounts"], 3);
}

#[test]
fn what_cannot_be_an_event_is_refused_with_a_reason() {
    let mut logic = Banking::new(lookups(EnrichmentStore::default()), 0);
    let good = encode(&USUAL);
    for (value, reason) in [
        (&b"\x01\0\0\0\x01plain"[..], "no Confluent frame"),
        (&good[..20], "Avro body breaks off"),
        (&[][..], "no Confluent frame"),
    ] {
        let refused = logic.decode(value).unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
}
