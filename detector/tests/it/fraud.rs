//! Sessions that are scored and flagged: against unseen events, and by a detector that is running.

use std::{
    collections::{BTreeMap, HashMap},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use floodmark_contracts::{
    alert::FraudFlag,
    clock::{Clock, SystemClock, WallTime},
    event::{
        banking::BankingUiEvent,
        confluent::{FRAME_LEN, write_frame},
    },
    job::GeneratorSection,
    profile::{
        DetectorSection, Profile,
        detector::{
            FraudSection, LookUpSection, RedisSection, ScorerSection, SecretSection, ServiceSection,
        },
    },
    stream::Stream,
};
use floodmark_detector::{
    Engine, Output, Places, Settings, Subject,
    enrichment::EnrichmentStore,
    fraud::{Model, ModelServer},
    run,
};
use floodmark_generator::{Plan, SchemaIds, Share, closing_events, events, labels};

use super::{EventTime, PATIENCE, START, World};

/// Sessions of an unseen seed: whether somebody else than the customer was in them, and whether their score
/// ever reached 0.8.
fn judged(seed: u64) -> Vec<(bool, bool)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("model/train.yaml");
    let profile: Profile = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut section = GeneratorSection::from(&profile);
    section.seed = seed;
    let plan = Plan::resolve(&section).unwrap();
    let frauds: HashMap<String, ()> = labels(&plan)
        .into_iter()
        .filter(|label| !label.benign)
        .flat_map(|label| label.event_ids)
        .map(|id| (id, ()))
        .collect();
    let settings = Settings::validate(&DetectorSection::default()).unwrap();
    let subject = Subject::Bundled(EnrichmentStore::default());
    let mut engine = Engine::new(&settings, subject, [Stream::Banking]).unwrap();
    let (model, places) = (
        Model::compiled_in().unwrap(),
        Places::compiled_in().unwrap(),
    );
    let mut sessions: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    let mut strange: HashMap<String, ()> = HashMap::new();
    let all = events(&plan, Stream::Banking, Share::WHOLE).unwrap();
    for event in all.chain(closing_events(&plan, Stream::Banking, SchemaIds::default())) {
        let decoded = BankingUiEvent::decode_body(&event.value[FRAME_LEN..]).unwrap();
        if frauds.contains_key(decoded.event_id) {
            strange.insert(decoded.session_id.to_owned(), ());
        }
        let lane = i32::try_from(event.lane).unwrap();
        engine.feed(Stream::Banking, lane, &event.value, 0).unwrap();
        for output in engine.take(WallTime(0)) {
            if let Output::Case(case) = output {
                // Odds of four to one: a score of 0.8.
                let flagged = model.log_odds(&case.with_journey(&places)) >= 4f64.ln();
                sessions.entry(case.session_id).or_default().1 |= flagged;
            }
        }
    }
    for (id, session) in &mut sessions {
        session.0 = strange.contains_key(id);
    }
    sessions.into_values().collect()
}

#[test]
fn the_model_finds_frauds_of_a_seed_that_nobody_saw() {
    let sessions = judged(9001);
    let count = |fraud, flagged| {
        let wanted = |session: &&(bool, bool)| **session == (fraud, flagged);
        sessions.iter().filter(wanted).count() as f64
    };
    let (found, missed, false_flags) = (count(true, true), count(true, false), count(false, true));
    assert!(found + missed > 200.0 && sessions.len() > 50_000);
    let (recall, precision) = (found / (found + missed), found / (found + false_flags));
    assert!(recall > 0.9 && precision > 0.9, "{recall} {precision}");
}

/// A customer's first event in a session, typed by nobody; and another account's that closes it.
fn session(number: i64) -> Vec<(i32, Vec<u8>)> {
    let name = format!("session-{number}");
    let event = |user: &str, session: &str, seconds: i64| {
        let mut out = Vec::new();
        write_frame(&mut out, 1);
        BankingUiEvent {
            event_id: "event",
            session_id: session,
            user_id: user,
            event_type: "login_success",
            element_id: "login-submit",
            input_hash: None,
            timestamp: EventTime(START + seconds * 1000),
            latency_ms: 300,
            device_fingerprint: "fp-1",
            ip_address: "192.0.2.1",
        }
        .encode_body(&mut out);
        (0, out)
    };
    let at = number * 10;
    vec![
        event("account-1", &name, at),
        event("account-2", "closing", at + 5),
    ]
}

/// Runs a detector by these settings while `script` asks for the scores of sessions: each is written to the topic
/// then, and read from the topic of flags.
fn while_running(fraud: FraudSection, script: impl FnOnce(&mut dyn FnMut() -> Option<f64>)) {
    let mut world = World::new(&[Stream::Banking]);
    world.job.section.fraud = fraud;
    // Any schema id is taken for ours.
    world.job.connection.registry = None;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (job, stop) = (&world.job, &stop);
        let detector = scope.spawn(move || {
            let clock = SystemClock::new();
            run(job, &clock, stop, &mut Vec::new(), &mut |_| ())
        });
        // Whatever the script finds, the detector has to end.
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut number = 0;
            script(&mut || {
                number += 1;
                world.write("banking-ui-events", &session(number));
                score_of(&world, number)
            });
        }));
        stop.store(true, Ordering::Relaxed);
        detector.join().unwrap().unwrap();
        if let Err(panic) = told {
            std::panic::resume_unwind(panic);
        }
    });
}

/// The score of a session, once its batch is through: none if it was not flagged by then.
fn score_of(world: &World, number: i64) -> Option<f64> {
    let clock = SystemClock::new();
    let topics = ["banking-ui-events"];
    // What is committed has its flags out.
    while world
        .admin()
        .lag("detector", &topics)
        .unwrap()
        .iter()
        .any(|lag| lag.records > 0)
    {
        assert!(
            clock.monotonic_us() < PATIENCE.as_micros() as i64,
            "not read"
        );
        clock.sleep(std::time::Duration::from_millis(10));
    }
    let name = format!("session-{number}");
    world
        .read("fraud-flags")
        .iter()
        .map(|(_, line)| std::str::from_utf8(line).unwrap().parse().unwrap())
        .find(|flag: &FraudFlag| flag.session_id == name)
        .map(|flag| flag.score)
}

/// Asks until the answer is right.
fn until(ask: &mut dyn FnMut() -> Option<f64>, right: impl Fn(Option<f64>) -> bool) {
    let clock = SystemClock::new();
    let mut last = ask();
    while !right(last) {
        assert!(
            clock.monotonic_us() < PATIENCE.as_micros() as i64,
            "{last:?} all the time"
        );
        last = ask();
    }
}

#[test]
fn flags_change_with_the_threshold_in_a_file_and_no_restart() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "1").unwrap();
    let fraud = FraudSection {
        threshold_file: Some(file.path().to_str().unwrap().to_owned()),
        ..FraudSection::default()
    };
    while_running(fraud, |ask| {
        assert_eq!(ask(), None);
        std::fs::write(file.path(), "0").unwrap();
        until(ask, |score| score.is_some_and(|score| score < 0.5));
        std::fs::write(file.path(), "1").unwrap();
        until(ask, |score| score.is_none());
    });
}

#[test]
fn a_scorer_that_goes_away_for_a_while_costs_no_flag() {
    // A model that says something else than the compiled-in one.
    let certain = Model {
        base: 50.0,
        trees: Vec::new(),
    };
    let server =
        ModelServer::start((Ipv4Addr::LOCALHOST, free_port()).into(), certain.clone()).unwrap();
    let address = server.address();
    let fraud = FraudSection {
        threshold: 0.0,
        scorer: ScorerSection::Service(ServiceSection {
            timeout: "5s".into(),
            ..ServiceSection::at(server.url())
        }),
        ..FraudSection::default()
    };
    while_running(fraud, |ask| {
        assert_eq!(ask(), Some(1.0));
        drop(server);
        for _ in 0..3 {
            let score = ask().unwrap();
            assert!(score < 0.5, "{score}");
        }
        let _server = ModelServer::start(address, certain).unwrap();
        until(ask, |score| score == Some(1.0));
    });
}

/// A `redis-server` of the test's own.
struct Redis {
    child: Child,
    port: u16,
}

const PASSWORD: &str = "correct horse";

impl Redis {
    fn start(port: u16, folder: &Path, more: &[&str]) -> Self {
        let child = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--requirepass",
                PASSWORD,
            ])
            .args(["--port", &port.to_string()])
            .arg("--dir")
            .arg(folder)
            .args(more)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self { child, port };
        let clock = SystemClock::new();
        let set = |connection: &mut redis::Connection| {
            redis::cmd("MSET")
                .arg(&["risk:fp-1:score", "1", "account:account-1:status", "locked"])
                .arg(&["login:account-1:failures", "9"])
                .query::<()>(connection)
        };
        loop {
            let client = redis::Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{port}"));
            if let Ok(mut connection) = client.unwrap().get_connection()
                && set(&mut connection).is_ok()
            {
                return redis;
            }
            assert!(
                clock.monotonic_us() < PATIENCE.as_micros() as i64,
                "no Redis"
            );
            clock.sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// A port for a server that comes back: below those of outgoing connections, one of which could take it meanwhile.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let n = std::process::id() * 7 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + u16::try_from(n % 12_000).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
#[ignore = "needs `redis-server`; `ci/redis` runs it"]
fn a_real_redis_that_is_killed_for_a_while_costs_no_flag() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    let port = free_port();
    let server = Redis::start(port, folder.path(), &[]);
    let fraud = FraudSection {
        threshold: 0.0,
        look_up: LookUpSection::Redis(RedisSection {
            url: format!("redis://127.0.0.1:{}", server.port),
            password: Some(SecretSection::File(password.to_str().unwrap().to_owned())),
            ca: None,
            timeout: "2s".into(),
            remember: "1ms".into(),
        }),
        ..FraudSection::default()
    };
    while_running(fraud, |ask| {
        let known = ask().unwrap();
        drop(server);
        let unknown = ask().unwrap();
        // 0.75 for the device, 1 for the account, 1 for its failures: odds of about 16 to 1.
        assert!(known > 6.0 * unknown, "{known} {unknown}");
        let _server = Redis::start(port, folder.path(), &[]);
        until(ask, |score| {
            score.is_some_and(|score| score > 6.0 * unknown)
        });
    });
}

/// Makes an authority and a certificate of it for 127.0.0.1: `ca.pem`, `cert.pem`, `key.pem`.
pub(super) fn certificates(folder: &Path) {
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1").unwrap();
    for command in [
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=redis -keyout key.pem -out request.pem",
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem",
    ] {
        let status = Command::new("openssl")
            .args(command.split(' '))
            .current_dir(folder)
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "{command}");
    }
}

#[test]
#[ignore = "needs `redis-server` and `openssl`; `ci/redis` runs it"]
fn a_real_redis_is_asked_over_tls_and_only_if_it_can_be_trusted() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("password"), PASSWORD).unwrap();
    let tls_port = free_port();
    let _server = Redis::start(
        free_port(),
        folder.path(),
        &[
            "--tls-port",
            &tls_port.to_string(),
            "--tls-cert-file",
            &path("cert.pem"),
            "--tls-key-file",
            &path("key.pem"),
            "--tls-ca-cert-file",
            &path("ca.pem"),
            "--tls-auth-clients",
            "no",
        ],
    );
    let score = |ca: Option<String>| {
        let fraud = FraudSection {
            threshold: 0.0,
            look_up: LookUpSection::Redis(RedisSection {
                url: format!("rediss://127.0.0.1:{tls_port}"),
                password: Some(SecretSection::File(path("password"))),
                ca,
                timeout: "2s".into(),
                remember: "10s".into(),
            }),
            ..FraudSection::default()
        };
        let mut score = None;
        while_running(fraud, |ask| score = ask());
        score.unwrap()
    };
    let (trusted, unknown) = (score(Some(path("ca.pem"))), score(None));
    assert!(trusted > 6.0 * unknown, "{trusted} {unknown}");
}
