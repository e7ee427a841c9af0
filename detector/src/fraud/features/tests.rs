use super::*;

const START: EventTime = EventTime(1_749_531_600_000);

const USUAL: Act<'static> = Act {
    session: "s1",
    user: "account-1",
    device: "fp-1",
    address: "192.0.2.1",
    deed: Deed::Other,
    latency_ms: 300,
};

/// Plays acts, each some seconds after the start; the cases that come of them.
fn play(acts: &[(i64, Act<'_>)]) -> Vec<Case> {
    let mut features = Features::new();
    acts.iter()
        .filter_map(|(seconds, act)| features.event(START.plus_ms(seconds * 1000), act))
        .collect()
}

/// The last case's value.
fn last(acts: &[(i64, Act<'_>)], feature: Feature) -> f32 {
    play(acts).last().unwrap().vector.get(feature)
}

fn login(seconds: i64, session: &'static str) -> (i64, Act<'static>) {
    let deed = Deed::Login;
    (
        seconds,
        Act {
            session,
            deed,
            ..USUAL
        },
    )
}

fn input(seconds: i64, session: &'static str, typed: Typed) -> (i64, Act<'static>) {
    let deed = Deed::Input(typed);
    (
        seconds,
        Act {
            session,
            deed,
            ..USUAL
        },
    )
}

fn transfer(seconds: i64, session: &'static str) -> (i64, Act<'static>) {
    let deed = Deed::Transfer;
    (
        seconds,
        Act {
            session,
            deed,
            ..USUAL
        },
    )
}

#[test]
fn the_first_session_is_new_to_nobody_and_a_strange_second_one_is() {
    let strange = Act {
        session: "s2",
        device: "fp-9",
        address: "198.51.100.9",
        deed: Deed::Login,
        ..USUAL
    };
    let cases = play(&[login(0, "s1"), (600, strange)]);
    let new = |case: &Case| {
        (
            case.vector.get(Feature::NewDevice),
            case.vector.get(Feature::NewAddress),
        )
    };
    assert_eq!(
        cases.iter().map(new).collect::<Vec<_>>(),
        [(0., 0.), (1., 1.)]
    );
    assert_eq!(cases[1].vector.get(Feature::SessionsLately), 1.0);
    assert_eq!(cases[1].vector.get(Feature::EarlierSessions), 1.0);
}

#[test]
fn a_case_says_where_the_account_was_before_and_not_where_it_is() {
    let at = |address| Act {
        address,
        deed: Deed::Transfer,
        ..USUAL
    };
    let acts = [(0, at("a")), (1, at("b")), (2, at("b")), (3, at("c"))];
    let stops: Vec<Vec<String>> = play(&acts)
        .into_iter()
        .map(|case| case.stops.into_iter().map(|stop| stop.address).collect())
        .collect();
    assert_eq!(stops, [vec![], vec!["a"], vec!["a"], vec!["b", "a"]]);
}

#[test]
fn a_session_that_goes_on_elsewhere_contradicts_its_beginning() {
    let thief = Act {
        device: "fp-9",
        address: "198.51.100.9",
        ..USUAL
    };
    let cases = play(&[login(0, "s1"), (5, thief), (6, thief), (7, thief)]);
    let other: Vec<f32> = cases
        .iter()
        .map(|case| case.vector.get(Feature::OtherDevice))
        .collect();
    assert_eq!(
        other,
        [0.0, 1.0, 3.0],
        "scored at the first and at the third"
    );
}

#[test]
fn a_hash_repeats_only_what_an_earlier_transfer_has_sent() {
    let typed = Typed::new("amount", Some("abc"));
    let twice = [
        input(1, "s1", typed),
        input(2, "s1", typed),
        transfer(3, "s1"),
    ];
    assert_eq!(last(&twice, Feature::RepeatedInputs), 0.0);
    let again = [&twice[..], &[input(600, "s2", typed)]].concat();
    assert_eq!(last(&again, Feature::RepeatedInputs), 1.0);
    // What names a payee repeats by itself.
    let payee = Typed::new("iban", Some("abc"));
    let paid = [
        input(1, "s1", payee),
        transfer(3, "s1"),
        input(600, "s2", payee),
    ];
    let cases = [&paid[..], &[transfer(601, "s2")]].concat();
    assert_eq!(last(&cases, Feature::RepeatedInputs), 0.0);
    assert_eq!(last(&cases, Feature::KnownPayees), 1.0);
    let other = Typed::new("iban", Some("xyz"));
    let strange = [&paid[..], &[input(602, "s2", other), transfer(603, "s2")]].concat();
    assert_eq!(last(&strange, Feature::StrangePayees), 1.0);
}

#[test]
fn inputs_of_a_machine_are_quick_and_a_password_manager_is_not_counted() {
    let quick = |seconds, deed| {
        (
            seconds,
            Act {
                deed,
                latency_ms: 12,
                ..USUAL
            },
        )
    };
    let inputs: Vec<_> = (0..3)
        .map(|n| quick(n, Deed::Input(Typed::Nothing)))
        .collect();
    assert_eq!(last(&inputs, Feature::QuickInputs), 3.0);
    assert_eq!(last(&inputs, Feature::MeanLatency), 12.0);
    let manager = [quick(0, Deed::Login), transfer(1, "s1")];
    assert_eq!(last(&manager, Feature::QuickInputs), 0.0);
}

#[test]
fn another_hand_shows_in_the_rhythm() {
    let mut acts: Vec<_> = (0..30).map(|n| (n, USUAL)).collect();
    let by = |latency_ms| {
        let act = Act {
            session: "s2",
            latency_ms,
            ..USUAL
        };
        (0..6).map(move |n| (600 + n, act))
    };
    let rhythm = |latency_ms: i32, acts: &[(i64, Act<'static>)]| {
        let mut acts = acts.to_vec();
        acts.extend(by(latency_ms));
        acts.push(transfer(700, "s2"));
        last(&acts, Feature::RhythmShift)
    };
    assert_eq!(rhythm(300, &acts), 0.0);
    assert!(rhythm(900, &acts) > 2.0, "{}", rhythm(900, &acts));
    assert!(rhythm(100, &acts) < -2.0);
    acts.truncate(2);
    assert_eq!(rhythm(900, &acts), 0.0, "nothing to compare with");
}

#[test]
fn failures_count_for_the_account_for_a_quarter_of_an_hour() {
    let failed = |seconds, session| {
        let deed = Deed::FailedLogin;
        (
            seconds,
            Act {
                session,
                deed,
                ..USUAL
            },
        )
    };
    let acts = [failed(0, "x1"), failed(200, "x2"), login(901, "s1")];
    assert_eq!(play(&acts).len(), 1, "failures alone are no session");
    assert_eq!(last(&acts, Feature::FailedLately), 1.0);
}

#[test]
fn state_that_was_saved_goes_on_as_if_nothing_had_been() {
    let acts: Vec<(i64, Act<'_>)> = (0..6)
        .flat_map(|n| {
            let session = ["s1", "s2", "s3"][n / 2];
            let at = n as i64 * 300;
            let typed = Typed::new("amount", Some(session));
            [
                login(at, session),
                input(at + 1, session, typed),
                transfer(at + 2, session),
            ]
        })
        .collect();
    let undisturbed = play(&acts);
    for cut in 0..acts.len() {
        let mut features = Features::new();
        let mut cases = Vec::new();
        for (number, (seconds, act)) in acts.iter().enumerate() {
            if number == cut {
                let mut writer = crate::runtime::Writer::default();
                features.freeze().unwrap()(&mut writer).unwrap();
                let sealed = writer.seal(0);
                features = Features::new();
                features
                    .load(&mut Reader::open(&sealed, 0).unwrap())
                    .unwrap();
            }
            cases.extend(features.event(START.plus_ms(seconds * 1000), act));
        }
        assert_eq!(cases, undisturbed, "saved before event {cut}");
    }
}

#[test]
fn memory_of_an_account_is_bounded() {
    let mut features = Features::new();
    for n in 0..5000i64 {
        let (session, device) = (format!("s{n}"), format!("fp-{n}"));
        let hash = format!("{n}");
        let deed = match n % 3 {
            0 => Deed::Input(Typed::new("iban", Some(&hash))),
            1 => Deed::FailedLogin,
            _ => Deed::Transfer,
        };
        let act = Act {
            session: &session,
            device: &device,
            address: &device,
            deed,
            ..USUAL
        };
        features.event(START.plus_ms(n * 1000), &act);
    }
    let account = features.accounts.at("account-1", START);
    assert!(account.devices.0.len() <= KNOWN && account.payees.0.len() <= KNOWN);
    assert!(account.stops.len() <= STOPS + 1 && account.failures.len() <= FAILURES);
    assert!(account.starts.len() <= STARTS);
}
