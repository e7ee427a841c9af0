//! Rows in a table of BigQuery, by `insertAll`, with a view that shows each result once.
//!
//! `insertAll` is at least once: `insertId` lets BigQuery drop what comes again within about a minute, and no
//! longer. So every revision of a result may stand in the table, and may stand there twice. The view
//! `<table>_latest` shows the highest revision of each result that was not withdrawn, once.

use std::time::Duration;

use floodmark_contracts::row::Row;
use floodmark_kafka::TopicPartition;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;

use super::{
    Record, Taken,
    batched::{Cause, Store},
};
use crate::{
    reach::{Secret, tls},
    settings,
};

/// How long BigQuery may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Rows in one request. It advises 500.
const ROWS: usize = 500;

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 4 << 20;

/// Columns of the table, with their types.
const COLUMNS: [(&str, &str); 6] = [
    ("kind", "STRING"),
    ("key", "STRING"),
    ("window_start", "TIMESTAMP"),
    ("window_end", "TIMESTAMP"),
    ("revision", "INTEGER"),
    ("fields", "STRING"),
];

/// A row as `insertAll` takes it.
pub(super) struct Inserted {
    offset: i64,
    json: Value,
}

/// A table of BigQuery.
pub(super) struct Table(pub(super) settings::BigQuery);

/// A way to BigQuery, with the token that was there when it was opened: a token is good for an hour, and after
/// a refusal it is read anew.
pub(super) struct Way {
    agent: Agent,
    authorization: Option<String>,
}

/// What comes back from `insertAll` when not all rows were taken.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    insert_errors: Vec<Value>,
}

impl Way {
    fn post(&self, url: &str, body: &Value) -> Result<(u16, String), Cause> {
        let mut request = self.agent.post(url);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let body = serde_json::to_vec(body)?;
        let request = request.content_type("application/json");
        let mut response = request.send(&body[..])?;
        let text = response
            .body_mut()
            .with_config()
            .limit(LONGEST_ANSWER)
            .read_to_string()?;
        Ok((response.status().as_u16(), text))
    }
}

impl Table {
    fn tables(&self) -> String {
        let settings::BigQuery {
            endpoint,
            project,
            dataset,
            ..
        } = &self.0;
        format!("{endpoint}/bigquery/v2/projects/{project}/datasets/{dataset}/tables")
    }

    /// Makes a table or view. One that is there already stays as it is.
    fn make(&self, way: &Way, name: &str, what: (&str, Value)) -> Result<(), Cause> {
        let settings::BigQuery {
            project, dataset, ..
        } = &self.0;
        let reference = json!({"projectId": project, "datasetId": dataset, "tableId": name});
        let mut body = json!({"tableReference": reference});
        body[what.0] = what.1;
        match way.post(&self.tables(), &body)? {
            (200..300 | 409, _) => Ok(()),
            (code, text) => Err(refused(&format!("make `{name}`"), code, &text)),
        }
    }

    fn row(&self, row: &Row) -> Option<Value> {
        let instant = |ms: i64| Some(Timestamp::from_millisecond(ms).ok()?.to_string());
        let fields = row.fields.as_ref().map(serde_json::to_string);
        Some(json!({
            "kind": row.kind.name(),
            "key": row.key,
            "window_start": instant(row.start.0)?,
            "window_end": instant(row.end.0)?,
            "revision": row.revision,
            "fields": fields.transpose().ok()?,
        }))
    }

    /// Which rows of the table count.
    fn view(&self) -> String {
        let settings::BigQuery {
            project,
            dataset,
            table,
            ..
        } = &self.0;
        let names = COLUMNS.map(|(name, _)| format!("`{name}`")).join(", ");
        format!(
            "SELECT {names} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY `kind`, `key`, `window_start` \
             ORDER BY `revision` DESC) AS nth FROM `{project}.{dataset}.{table}`) \
             WHERE nth = 1 AND `fields` IS NOT NULL"
        )
    }
}

impl Store for Table {
    type Item = Inserted;
    type Connection = Way;

    fn item(&self, record: &Record<'_>) -> (Taken, Option<Inserted>) {
        let Ok(row) = serde_json::from_slice::<Row>(record.value) else {
            return (Taken::Invalid, None);
        };
        if !self.0.kinds.contains(&row.kind) {
            return (Taken::Passed, None);
        }
        match self.row(&row) {
            Some(json) => {
                let offset = record.offset;
                (Taken::Kept, Some(Inserted { offset, json }))
            }
            None => (Taken::Invalid, None),
        }
    }

    fn connect(&self) -> Result<Way, Cause> {
        tls::settle_provider();
        let agent = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .new_agent();
        let token = self.0.token.as_ref().map(Secret::read);
        let way = Way {
            agent,
            authorization: token.transpose()?.map(|token| format!("Bearer {token}")),
        };
        let column = |(name, kind)| json!({"name": name, "type": kind});
        let schema = json!({"fields": COLUMNS.map(column)});
        self.make(&way, &self.0.table, ("schema", schema))?;
        let view = json!({"query": self.view(), "useLegacySql": false});
        self.make(&way, &format!("{}_latest", self.0.table), ("view", view))?;
        Ok(way)
    }

    fn write(&self, way: &mut Way, rows: &[(TopicPartition, Inserted)]) -> Result<(), Cause> {
        let url = format!("{}/{}/insertAll", self.tables(), self.0.table);
        for part in rows.chunks(ROWS) {
            let rows = part.iter().map(|(at, row)| {
                let id = format!("{}-{}-{}", at.topic, at.partition, row.offset);
                json!({"insertId": id, "json": row.json})
            });
            let body = json!({"rows": rows.collect::<Vec<_>>()});
            let (code, text) = way.post(&url, &body)?;
            if !(200..300).contains(&code) {
                return Err(refused("insert rows", code, &text));
            }
            let answer: Answer = serde_json::from_str(&text)?;
            if let Some(first) = answer.insert_errors.first() {
                return Err(format!("it does not take a row: {first}").into());
            }
        }
        Ok(())
    }

    fn attempt(&self) -> String {
        let settings::BigQuery { dataset, table, .. } = &self.0;
        format!("write rows into the table `{dataset}.{table}` of BigQuery")
    }
}

/// A refusal, with the reason that its body gives.
fn refused(attempt: &str, code: u16, text: &str) -> Cause {
    let body: Option<Value> = serde_json::from_str(text).ok();
    let message = body
        .as_ref()
        .and_then(|body| body["error"]["message"].as_str());
    let reason: String = message.unwrap_or(text).chars().take(300).collect();
    format!("to {attempt} was refused with {code}: {reason}").into()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Read as _, Write as _},
        net::TcpListener,
        sync::mpsc,
    };

    use super::*;

    fn table(endpoint: String) -> Table {
        Table(settings::BigQuery {
            endpoint,
            project: "p".into(),
            dataset: "d".into(),
            table: "rows".into(),
            kinds: vec![floodmark_contracts::row::RowKind::Session],
            token: None,
        })
    }

    fn item(value: &str) -> (Taken, Option<Value>) {
        let record = Record {
            at: &TopicPartition::new("g.rows", 2),
            offset: 7,
            written_ms: None,
            key: None,
            value: value.as_bytes(),
        };
        let (taken, item) = table(String::new()).item(&record);
        (taken, item.map(|item| item.json))
    }

    /// Gives one answer, and hands on what was asked.
    fn server(answer: &'static str) -> (String, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (asked, seen) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut text = String::new();
            while !text.ends_with("\r\n\r\n") {
                reader.read_line(&mut text).unwrap();
            }
            let head = text.to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let length = answer.split("\r\n\r\n").nth(1).unwrap().len();
            let answer = answer.replace("LENGTH", &length.to_string());
            stream.write_all(answer.as_bytes()).unwrap();
            asked
                .send(text + &String::from_utf8(body).unwrap())
                .unwrap();
        });
        (endpoint, seen)
    }

    fn insert(endpoint: String) -> Result<(), Cause> {
        let mut way = Way {
            agent: Agent::config_builder()
                .http_status_as_error(false)
                .build()
                .new_agent(),
            authorization: Some("Bearer abc".into()),
        };
        let row = Inserted {
            offset: 7,
            json: json!({"kind": "session"}),
        };
        table(endpoint).write(&mut way, &[(TopicPartition::new("g.rows", 2), row)])
    }

    const ROW: &str = r#"{"kind":"session","key":"u","start":1749531840000,"end":1749531900500,"revision":3,"fields":{"events":3}}"#;

    #[test]
    fn a_row_has_instants_and_its_fields_as_text() {
        let expected = json!({
            "kind": "session",
            "key": "u",
            "window_start": "2025-06-10T05:04:00Z",
            "window_end": "2025-06-10T05:05:00.5Z",
            "revision": 3,
            "fields": "{\"events\":3}",
        });
        assert_eq!(item(ROW), (Taken::Kept, Some(expected)));
        let withdrawn = item(&ROW.replace(r#"{"events":3}"#, "null")).1.unwrap();
        assert_eq!(withdrawn["fields"], Value::Null);
        assert_eq!(item(&ROW.replace("session", "segment")).0, Taken::Passed);
        assert_eq!(item("{}").0, Taken::Invalid);
    }

    #[test]
    fn a_row_goes_with_its_place_in_the_log_and_with_the_token() {
        let (endpoint, seen) = server("HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\n{}");
        insert(endpoint).unwrap();
        let asked = seen.recv().unwrap();
        let path = "POST /bigquery/v2/projects/p/datasets/d/tables/rows/insertAll ";
        assert!(asked.starts_with(path), "{asked}");
        assert!(asked.contains("authorization: Bearer abc"), "{asked}");
        let body = r#"{"rows":[{"insertId":"g.rows-2-7","json":{"kind":"session"}}]}"#;
        assert!(asked.ends_with(body), "{asked}");
    }

    #[test]
    fn a_row_that_is_not_taken_and_a_refusal_are_failures() {
        let partly =
            "HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\n{\"insertErrors\":[{\"index\":0}]}";
        let error = insert(server(partly).0).unwrap_err().to_string();
        assert!(error.contains("does not take a row"), "{error}");
        let refused = "HTTP/1.1 401 No\r\ncontent-length: LENGTH\r\n\r\n{\"error\":{\"message\":\"expired\"}}";
        let error = insert(server(refused).0).unwrap_err().to_string();
        assert_eq!(error, "to insert rows was refused with 401: expired");
    }
}
