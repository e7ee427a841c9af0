//! Connectors to real stores. `ci/stores` starts what they need and runs them.

mod bigquery;
mod s3;

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use floodmark_contracts::{
    profile::detector::SinkSection,
    row::{Row, RowKind},
};
use postgres::NoTls;

use super::{
    exactly_once::{StopAll, wait_until},
    fraud::{certificates, free_port},
    sinks::{rows_of, write_end, write_visits},
    *,
};

/// Names the URL of a PostgreSQL in which the test may do what it wants.
const POSTGRES: &str = "FLOODMARK_TEST_POSTGRES";

/// Names the file with the authority of its certificate.
const POSTGRES_CA: &str = "FLOODMARK_TEST_POSTGRES_CA";

/// What the stores ask for.
const PASSWORD: &str = "a secret of the test";

fn sinks(json: serde_json::Value) -> BTreeMap<String, SinkSection> {
    serde_json::from_value(json).unwrap()
}

/// A `redis-server` that keeps what it has taken; killed when dropped.
struct Redis(Child);

impl Redis {
    /// Under TLS alone if there is a certificate in `folder`.
    fn start(folder: &Path, port: u16) -> Self {
        let tls = folder.join("cert.pem").exists();
        let option = if tls { "--tls-port" } else { "--port" };
        let mut command = Command::new("redis-server");
        if tls {
            for (option, file) in [
                ("cert", "cert.pem"),
                ("key", "key.pem"),
                ("ca-cert", "ca.pem"),
            ] {
                command
                    .arg(format!("--tls-{option}-file"))
                    .arg(folder.join(file));
            }
            command.args(["--tls-auth-clients", "no", "--port", "0"]);
        }
        let child = command
            .args([option, &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .args(["--requirepass", PASSWORD, "--dir"])
            .arg(folder)
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a detector for as long as `work` takes.
fn while_detecting(world: &World, work: impl FnOnce()) -> SubjectFacts {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let detector = scope.spawn(|| {
            let clock = SystemClock::new();
            run(&world.job, &clock, &stop, &mut Vec::new(), &mut |_| ()).unwrap()
        });
        let stops = StopAll(std::slice::from_ref(&stop));
        work();
        drop(stops);
        detector.join().unwrap()
    })
}

/// All fields of all hashes of page counts, or nothing if it does not answer.
fn counts(url: &str) -> BTreeMap<(String, String), u64> {
    let read = || -> redis::RedisResult<BTreeMap<(String, String), u64>> {
        let client = redis::Client::open(url)?;
        let mut connection = client.get_connection()?;
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg("click_count:*")
            .query(&mut connection)?;
        let mut all = BTreeMap::new();
        for key in keys {
            let fields: BTreeMap<String, u64> =
                redis::cmd("HGETALL").arg(&key).query(&mut connection)?;
            all.extend(
                fields
                    .into_iter()
                    .map(|(minute, n)| ((key.clone(), minute), n)),
            );
        }
        Ok(all)
    };
    read().unwrap_or_default()
}

#[test]
#[ignore = "needs a redis-server: ci/stores"]
fn page_counts_are_in_redis_though_it_was_away() {
    let mut world = World::new(&[Stream::Clickstream]);
    let port = free_port();
    let password = world.folder.path().join("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    world.job.section.rows.enabled = true;
    world.job.section.sinks = sinks(serde_json::json!({
        "redis": {"redis": {
            "url": format!("redis://127.0.0.1:{port}"),
            "password": {"file": password},
        }},
    }));
    let url = format!("redis://:{}@127.0.0.1:{port}", PASSWORD.replace(' ', "%20"));
    let facts = while_detecting(&world, || {
        // It is not there at first.
        for part in 0..6 {
            write_visits(&world, part);
        }
        let first = Redis::start(world.folder.path(), port);
        wait_until("no counts", || !counts(&url).is_empty(), || ());
        drop(first);
        let before = world.admin().watermarks(&["detector.rows"]).unwrap();
        let rows = |marks: &[floodmark_kafka::admin::Watermarks]| -> i64 {
            marks.iter().map(|mark| mark.high).sum()
        };
        let mut part = 6;
        // Rows go on without it.
        let more = || rows(&world.admin().watermarks(&["detector.rows"]).unwrap()) > rows(&before);
        wait_until("no rows without Redis", more, || {
            write_visits(&world, part);
            part += 1;
        });
        let _second = Redis::start(world.folder.path(), port);
        write_end(&world, part);
        let expected = expected(&world);
        wait_until("not all counts", || counts(&url) == expected(), || ());
    });
    assert!(facts.sinks["redis"].failures > 0, "{:?}", facts.sinks);
}

#[test]
#[ignore = "needs a redis-server: ci/stores"]
fn page_counts_go_to_redis_under_tls() {
    let mut world = World::new(&[Stream::Clickstream]);
    let folder = world.folder.path().to_owned();
    certificates(&folder);
    std::fs::write(folder.join("password"), PASSWORD).unwrap();
    let port = free_port();
    world.job.section.rows.enabled = true;
    world.job.section.sinks = sinks(serde_json::json!({
        "redis": {"redis": {
            "url": format!("rediss://127.0.0.1:{port}"),
            "password": {"file": folder.join("password")},
            "ca": folder.join("ca.pem"),
        }},
    }));
    let _redis = Redis::start(&folder, port);
    write_visits(&world, 0);
    write_end(&world, 1);
    let (facts, _) = world.detect();
    let written = facts.sinks["redis"].written;
    assert!(written > 0, "{:?}", facts.sinks);
    let count = expected(&world)().len() as u64;
    assert!(written >= count && count > 0, "{written} of {count}");
}

/// The counts that the rows tell.
fn expected(world: &World) -> impl Fn() -> BTreeMap<(String, String), u64> + '_ {
    || {
        let rows = rows_of(world, "detector");
        let rows = rows
            .iter()
            .map(|row| serde_json::from_str::<Row>(row).unwrap());
        let mut all = BTreeMap::new();
        for row in rows.filter(|row| row.kind == RowKind::PageMinute) {
            let minutes = (row.start.0 - START) / 60_000;
            let minute = format!("2025-06-10T05:{minutes:02}:00");
            let events = row.fields.unwrap()["events"].as_u64().unwrap();
            all.insert((format!("click_count:{}", row.key), minute), events);
        }
        all
    }
}

#[test]
#[ignore = "needs a PostgreSQL: ci/stores"]
fn records_are_in_postgres_once_though_its_connections_break_and_all_is_read_again() {
    let url = std::env::var(POSTGRES).unwrap();
    let mut admin = postgres::Client::connect(&url, NoTls).unwrap();
    admin
        .batch_execute("DROP TABLE IF EXISTS raw_events")
        .unwrap();
    let mut world = World::new(&[Stream::Clickstream]);
    world.job.section.sinks = sinks(serde_json::json!({"raw": {"postgres": {"url": url}}}));
    let mut count = || -> i64 {
        let found = admin.query_one("SELECT count(*) FROM raw_events", &[]);
        found.map_or(0, |row| row.get(0))
    };
    let mut breaker = postgres::Client::connect(&url, NoTls).unwrap();
    let facts = while_detecting(&world, || {
        for part in 0..5 {
            write_visits(&world, part);
            let sent = (part + 1) * 60;
            wait_until("records are missing", || count() >= sent, || ());
            let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE '%commit%' \
                          AND pid <> pg_backend_pid()";
            breaker.execute(others, &[]).unwrap();
        }
        world.write("clickstream-events", &[(0, b"\0no json".to_vec())]);
        wait_until("the last record is missing", || count() == 301, || ());
    });
    assert!(facts.sinks["raw"].failures > 0, "{:?}", facts.sinks);
    let of = |sql: &str| -> i64 { count_of(&url, sql) };
    assert_eq!(
        of("SELECT count(DISTINCT event->>'event_id') FROM raw_events"),
        300
    );
    assert_eq!(
        of("SELECT count(*) FROM raw_events WHERE raw IS NOT NULL AND event IS NULL"),
        1
    );
    assert_eq!(
        of("SELECT count(*) FROM raw_events WHERE written_at > now() - interval '1 hour'"),
        301
    );

    world.job.group = "again".into();
    let (facts, _) = world.detect();
    assert_eq!(facts.sinks["raw"].written, 301);
    assert_eq!(of("SELECT count(*) FROM raw_events"), 301);
}

#[test]
#[ignore = "needs a PostgreSQL: ci/stores"]
fn records_go_to_postgres_under_tls_and_only_if_it_can_be_trusted() {
    let url = std::env::var(POSTGRES).unwrap();
    let mut admin = postgres::Client::connect(&url, NoTls).unwrap();
    // This user is let in under TLS alone.
    let make = format!(
        "DROP TABLE IF EXISTS careful_events; DROP ROLE IF EXISTS careful;
         CREATE ROLE careful LOGIN PASSWORD '{PASSWORD}'; GRANT ALL ON SCHEMA public TO careful"
    );
    admin.batch_execute(&make).unwrap();
    let mut world = World::new(&[Stream::Clickstream]);
    let password = world.folder.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    write_visits(&world, 0);
    let mut written_with = |tls: Option<serde_json::Value>| {
        let mut section = serde_json::json!({
            "url": url.replace("//floodmark@", "//careful@"),
            "password": {"file": password},
            "table": "careful_events",
        });
        if let Some(tls) = tls {
            section["tls"] = tls;
        }
        world.job.section.sinks = sinks(serde_json::json!({"raw": {"postgres": section}}));
        let (facts, _) = world.detect();
        let raw = facts.sinks["raw"];
        (raw.written, raw.failures > 0)
    };
    assert_eq!(written_with(None), (0, true), "it came without TLS");
    let system = serde_json::json!({});
    assert_eq!(written_with(Some(system)), (0, true), "it trusts anybody");
    let ca = std::env::var(POSTGRES_CA).unwrap();
    assert_eq!(
        written_with(Some(serde_json::json!({"ca": ca}))),
        (60, false)
    );
    assert_eq!(count_of(&url, "SELECT count(*) FROM careful_events"), 60);
}

fn count_of(url: &str, sql: &str) -> i64 {
    let mut client = postgres::Client::connect(url, NoTls).unwrap();
    client.query_one(sql, &[]).unwrap().get(0)
}
