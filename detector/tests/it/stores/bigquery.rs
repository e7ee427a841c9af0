//! Rows in an emulator of BigQuery that goes away meanwhile.

use std::path::PathBuf;

use floodmark_contracts::row::Row;
use serde_json::{Value, json};

use super::*;

/// Names the folder with the emulator: a virtual environment `venv`, and a `home` with what it would download.
const EMULATOR: &str = "FLOODMARK_TEST_BIGQUERY";

/// An emulator that keeps what it has taken; killed when dropped.
struct Emulator {
    child: Option<Child>,
    folder: PathBuf,
    port: u16,
}

impl Emulator {
    fn start(folder: &Path) -> Self {
        let mut emulator = Self {
            child: None,
            folder: folder.to_owned(),
            port: free_port(),
        };
        emulator.resume();
        emulator
    }

    fn resume(&mut self) {
        let parts = PathBuf::from(std::env::var_os(EMULATOR).unwrap());
        let log = std::fs::File::create(self.folder.join("emulator.log")).unwrap();
        let child = Command::new(parts.join("venv/bin/bqemulator"))
            .args(["start", "--rest-port", &self.port.to_string()])
            .args(["--grpc-port", "0", "--persistent", "--data-dir"])
            .arg(self.folder.join("bigquery"))
            .env("HOME", parts.join("home"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
        let up = || ureq::get(self.url("datasets")).call().is_ok();
        wait_until("no emulator", up, || ());
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn url(&self, what: &str) -> String {
        let port = self.port;
        format!("http://127.0.0.1:{port}/bigquery/v2/projects/test/{what}")
    }

    fn post(&self, what: &str, body: &Value) -> Result<Value, ureq::Error> {
        let body = serde_json::to_vec(body).unwrap();
        let request = ureq::post(self.url(what)).content_type("application/json");
        let text = request.send(&body[..])?.body_mut().read_to_string()?;
        Ok(serde_json::from_str(&text).unwrap())
    }

    /// The rows of a query; none if it cannot be asked yet.
    fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let body = json!({"query": sql, "useLegacySql": false, "maxResults": 100_000});
        let Ok(answer) = self.post("queries", &body) else {
            return Vec::new();
        };
        let rows = answer["rows"].as_array().cloned().unwrap_or_default();
        let text = |cell: &Value| cell["v"].as_str().unwrap_or("NULL").to_owned();
        let cells = |row: &Value| row["f"].as_array().unwrap().iter().map(text).collect();
        let mut rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
        rows.sort();
        rows
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the topic of rows says in the end: the highest revision of each result, less those withdrawn.
fn latest(world: &World) -> Vec<Vec<String>> {
    let mut newest: BTreeMap<(String, String, i64), Row> = BTreeMap::new();
    for row in rows_of(world, "detector") {
        let row: Row = serde_json::from_str(&row).unwrap();
        let key = (row.kind.to_string(), row.key.clone(), row.start.0);
        let known = newest.get(&key).map(|row| row.revision);
        if known < Some(row.revision) {
            newest.insert(key, row);
        }
    }
    let mut rows: Vec<Vec<String>> = newest
        .into_values()
        .filter_map(|row| {
            Some(vec![
                row.kind.to_string(),
                row.key,
                (row.start.0 * 1000).to_string(),
                (row.end.0 * 1000).to_string(),
                row.revision.to_string(),
                serde_json::to_string(&row.fields?).unwrap(),
            ])
        })
        .collect();
    rows.sort();
    rows
}

#[test]
#[ignore = "needs an emulator of BigQuery: ci/stores"]
fn rows_are_in_bigquery_once_though_it_was_away_and_all_is_read_again() {
    let mut world = World::new(&[Stream::Clickstream]);
    let mut emulator = Emulator::start(world.folder.path());
    let dataset = json!({"datasetReference": {"projectId": "test", "datasetId": "lake"}});
    emulator.post("datasets", &dataset).unwrap();
    let token = world.folder.path().join("token");
    std::fs::write(&token, PASSWORD).unwrap();
    world.job.section.rows.enabled = true;
    world.job.section.rows.session_gap = "20s".into();
    let section = json!({"bigquery": {
        "endpoint": format!("http://127.0.0.1:{}", emulator.port),
        "project": "test",
        "dataset": "lake",
        "token": {"file": token},
    }});
    world.job.section.sinks = sinks(json!({"warehouse": section}));
    let view = "SELECT * FROM `test.lake.rows_latest`";
    let facts = while_detecting(&world, || {
        for part in 0..6 {
            write_visits(&world, part);
        }
        wait_until("no rows", || !emulator.query(view).is_empty(), || ());
        emulator.stop();
        let before = rows_of(&world, "detector").len();
        let mut part = 6;
        // Rows go on without it.
        let more = || rows_of(&world, "detector").len() > before + 20;
        wait_until("no rows without BigQuery", more, || {
            write_visits(&world, part);
            part += 1;
        });
        emulator.resume();
        write_end(&world, part);
        let all = || {
            let expected = latest(&world);
            let closed = expected.iter().any(|row| row[0] == "segment");
            closed && emulator.query(view) == expected
        };
        wait_until("not all rows", all, || ());
    });
    assert!(facts.sinks["warehouse"].failures > 0, "{:?}", facts.sinks);

    // Another sink reads all rows once more into the same table.
    world.job.section.sinks = sinks(json!({"again": section}));
    let (facts, _) = world.detect();
    let expected = latest(&world);
    let written = facts.sinks["again"].written;
    assert!(
        expected.len() > 20 && written >= expected.len() as u64,
        "{written}"
    );
    let count = |of: &str| emulator.query(of)[0][0].parse::<u64>().unwrap();
    let in_table = count("SELECT COUNT(*) FROM `test.lake.rows`");
    assert!(
        in_table >= 2 * written,
        "{in_table}, and {written} came again"
    );
    assert!(
        emulator.query(view) == expected,
        "the view shows other rows"
    );

    // An old revision changes nothing, and a newer one without fields takes the result away.
    let insert = |revision: &str, fields: Value| {
        let row = &expected[0];
        let time = |micros: &str| micros.parse::<i64>().unwrap();
        let json = json!({
            "kind": row[0], "key": row[1], "window_start": time(&row[2]), "window_end": time(&row[3]),
            "revision": revision, "fields": fields,
        });
        let body = json!({"rows": [{"json": json}]});
        let tables = "datasets/lake/tables/rows/insertAll";
        assert_eq!(
            emulator.post(tables, &body).unwrap()["insertErrors"],
            json!([])
        );
    };
    insert("0", json!("{}"));
    assert!(
        emulator.query(view) == expected,
        "the view shows other rows"
    );
    insert("1000000", Value::Null);
    assert!(
        emulator.query(view) == expected[1..],
        "the result is still there"
    );
}
