use floodmark_contracts::{
    clock::{Clock, EventTime, SystemClock, WallTime},
    enrichment::Enrichment,
    event::{banking::BankingUiEvent, confluent::write_frame},
    profile::DetectorSection,
    stream::Stream,
};

use super::*;
use crate::{
    Settings,
    engine::{Engine, Lane, Subject},
    enrichment::EnrichmentStore,
    finding::Output,
    fraud::{
        case::tests::usual,
        serve::ModelServer,
        settings::{RedisSettings, ServiceSettings},
        vector::Feature,
    },
    places::Places,
    reach::{RedisAddress, Secret},
    runtime::Writer,
};

fn settings() -> FraudSettings {
    FraudSettings {
        threshold: 0.8,
        threshold_file: None,
        geoip: None,
        redis: None,
        service: None,
    }
}

fn lookups(records: &[Enrichment]) -> Arc<Lookups> {
    let mut enrichment = EnrichmentStore::default();
    records
        .iter()
        .for_each(|record| enrichment.insert(record.clone()));
    Arc::new(Lookups {
        places: Places::compiled_in().unwrap(),
        enrichment,
    })
}

/// A session that no customer has.
fn fraud(session: &str) -> Case {
    let mut case = usual();
    case.session_id = session.to_owned();
    for (feature, value) in [
        (Feature::EarlierSessions, 5),
        (Feature::NewDevice, 1),
        (Feature::NewAddress, 1),
        (Feature::PayeeChanges, 1),
        (Feature::Inputs, 3),
        (Feature::StrangePayees, 2),
        (Feature::MeanLatency, 300),
    ] {
        case.vector.set(feature, value);
    }
    case
}

/// The sessions that are flagged, once all are scored.
fn flagged(stage: &mut Stage, cases: Vec<Case>) -> Vec<String> {
    let mut flags = stage.take(cases, 0);
    flags.extend(stage.settle(0).unwrap());
    flags
        .into_iter()
        .map(|found| found.flag.session_id)
        .collect()
}

#[test]
fn what_reaches_the_threshold_is_flagged() {
    let mut stage = Stage::open(&settings(), &lookups(&[]), None).unwrap();
    let cases = vec![usual(), fraud("a,b\nc")];
    assert_eq!(flagged(&mut stage, cases), ["a_b_c"]);
}

#[test]
fn flags_follow_the_watched_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut stage = Stage::open(
        &FraudSettings {
            threshold_file: Some(file.path().to_owned()),
            ..settings()
        },
        &lookups(&[]),
        None,
    )
    .unwrap();
    for (second, (content, expected)) in (0i64..).zip([("1", 0), ("0", 2), ("0.8", 1)]) {
        std::fs::write(file.path(), content).unwrap();
        let flags = stage.take(vec![usual(), fraud("x")], second * 1_000_000);
        assert_eq!(flags.len(), expected, "threshold {content}");
    }
}

#[test]
fn what_is_looked_up_moves_the_score() {
    let risky = Enrichment::DeviceRisk {
        device: "fp-1".into(),
        score: 1.0,
    };
    let score = |records: &[Enrichment]| {
        let settings = FraudSettings {
            threshold: 0.0,
            ..settings()
        };
        let mut stage = Stage::open(&settings, &lookups(records), None).unwrap();
        stage.take(vec![usual()], 0)[0].flag.score
    };
    assert!(score(&[risky]) > score(&[]));
}

fn by_service(url: String) -> FraudSettings {
    FraudSettings {
        threshold: 0.0,
        service: Some(ServiceSettings {
            url,
            timeout: Duration::from_secs(20),
        }),
        ..settings()
    }
}

/// Scores in the order of the sessions.
fn scores(stage: &mut Stage, cases: Vec<Case>) -> Vec<f64> {
    let mut flags = stage.take(cases, 0);
    flags.extend(stage.settle(0).unwrap());
    flags.into_iter().map(|found| found.flag.score).collect()
}

#[test]
fn a_service_scores_in_the_models_place_and_the_model_in_the_services() {
    let listen = |port| ([127, 0, 0, 1], port).into();
    // A service that is told apart from the model by what it says.
    let certain = Model {
        base: 50.0,
        trees: Vec::new(),
    };
    let server = ModelServer::start(listen(0), certain.clone()).unwrap();
    let port = server.address().port();
    let mut stage = Stage::open(&by_service(server.url()), &lookups(&[]), None).unwrap();
    let many: Vec<Case> = (0..1200).map(|n| fraud(&n.to_string())).collect();
    assert_eq!(scores(&mut stage, many), vec![1.0; 1200]);
    // Down: no session is lost, and none is waited for.
    drop(server);
    for _ in 0..3 {
        let scored = scores(&mut stage, vec![usual(), fraud("x")]);
        assert_eq!(scored.len(), 2);
        assert!(scored[0] < 0.5 && scored[1] > 0.8, "{scored:?}");
    }
    // Up again, and used again without anybody saying so.
    let _server = ModelServer::start(listen(port), certain).unwrap();
    let clock = SystemClock::new();
    while scores(&mut stage, vec![usual()]) != [1.0] {
        assert!(clock.monotonic_us() < 60_000_000, "the service is not used");
        clock.sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_redis_that_is_down_is_done_without() {
    // A port that is taken, by something that never answers.
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let settings = FraudSettings {
        redis: Some(RedisSettings {
            address: RedisAddress {
                url: format!("redis://{}", silent.local_addr().unwrap()),
                password: None,
                ca: None,
            },
            timeout: Duration::from_millis(20),
            remember: Duration::from_secs(10),
        }),
        ..settings()
    };
    let mut stage = Stage::open(&settings, &lookups(&[]), None).unwrap();
    let cases: Vec<Case> = (0..100).map(|n| fraud(&n.to_string())).collect();
    assert_eq!(flagged(&mut stage, cases).len(), 100);
}

#[test]
fn what_is_given_up_does_not_come_later() {
    let server = ModelServer::start(([127, 0, 0, 1], 0).into(), Model::compiled_in().unwrap());
    let server = server.unwrap();
    let mut stage = Stage::open(&by_service(server.url()), &lookups(&[]), None).unwrap();
    // What is scored at once was not given up.
    let _at_once = stage.take(vec![fraud("before")], 0);
    stage.give_up();
    assert_eq!(flagged(&mut stage, vec![fraud("after")]), ["after"]);
}

#[test]
fn more_than_the_thread_can_take_is_scored_on_the_spot() {
    let server = ModelServer::start(([127, 0, 0, 1], 0).into(), Model::compiled_in().unwrap());
    let server = server.unwrap();
    let mut stage = Stage::open(&by_service(server.url()), &lookups(&[]), None).unwrap();
    let batches = UNDER_WAY * 20;
    let mut flags = 0;
    for n in 0..batches {
        flags += stage.take(vec![fraud(&n.to_string())], 0).len();
    }
    flags += stage.settle(0).unwrap().len();
    assert_eq!(flags, batches);
}

#[test]
fn a_password_that_is_not_there_ends_it_at_once() {
    let settings = FraudSettings {
        redis: Some(RedisSettings {
            address: RedisAddress {
                url: "redis://127.0.0.1:1".into(),
                password: Some(Secret::Env("FLOODMARK_NO_SUCH_SECRET".into())),
                ca: None,
            },
            timeout: Duration::from_millis(20),
            remember: Duration::from_secs(10),
        }),
        ..settings()
    };
    let error = Stage::open(&settings, &lookups(&[]), None).err().unwrap();
    assert!(error.to_string().contains("password"), "{error}");
}

/// A customer's event in the wire format.
fn record(session: &str, seconds: i64, event_type: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, 1);
    BankingUiEvent {
        event_id: "event",
        session_id: session,
        user_id: "account-1",
        event_type,
        element_id: "button",
        input_hash: None,
        timestamp: EventTime(1_749_531_600_000 + seconds * 1000),
        latency_ms: 300,
        device_fingerprint: "fp-1",
        ip_address: "192.0.2.1",
    }
    .encode_body(&mut out);
    out
}

#[test]
fn records_that_are_replayed_ask_nobody_and_leave_the_same_state() {
    let settings = Settings::validate(&DetectorSection::default()).unwrap();
    let lane = Lane::Input(Stream::Banking, 0);
    let state_and_cases = |replayed: usize| {
        let subject = Subject::Bundled(EnrichmentStore::default());
        let mut engine = Engine::new(&settings, subject, [Stream::Banking]).unwrap();
        engine.assign(Stream::Banking, 0, 0);
        for n in 0..40usize {
            let session = format!("session-{}", n / 4);
            let event_type = ["login_success", "field_input", "payee_change", "transfer"][n % 4];
            let value = record(&session, n as i64 * 20, event_type);
            if n < replayed {
                engine.replay(lane, &value, 0);
            } else {
                engine.feed(Stream::Banking, 0, &value, 0).unwrap();
            }
        }
        let mut state = Writer::default();
        engine.save(lane, &mut state).unwrap();
        let outputs = engine.take(WallTime(0));
        let cases = outputs
            .iter()
            .filter(|output| matches!(output, Output::Case(_)))
            .count();
        (state.seal(0), cases)
    };
    let (state, cases) = state_and_cases(0);
    assert!(cases > 20, "{cases}");
    assert_eq!(state_and_cases(40), (state.clone(), 0));
    let (half, fewer) = state_and_cases(20);
    assert!(half == state && (1..cases).contains(&fewer));
}
