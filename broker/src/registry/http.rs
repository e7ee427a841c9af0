//! The registry over HTTP: paths, bodies and answers of the Confluent REST API.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::HttpBody;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::http::{Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::routing::{get, post};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::RegistryError;
use super::level::{Level, Mode};
use super::store::{Found, Scope, Store, Which};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// Schemas are a few kilobytes; a body beyond this is not one.
const MAX_BODY_BYTES: usize = 1 << 20;
/// How much of a body that is too large is read and thrown away before the connection is closed.
const MAX_DRAINED_BYTES: usize = 64 << 20;

type Shared = State<Arc<Mutex<Store>>>;
type Answer = Result<Value, RegistryError>;
type Reply = Response<Body>;

/// All paths of a fresh registry.
pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(async || reply(Ok(json!({})))))
        .route("/subjects", get(list_subjects))
        .route("/subjects/{subject}", post(look_up).delete(delete_subject))
        .route(
            "/subjects/{subject}/versions",
            get(list_versions).post(register),
        )
        .route(
            "/subjects/{subject}/versions/{version}",
            get(version).delete(delete_version),
        )
        .route(
            "/subjects/{subject}/versions/{version}/schema",
            get(version_schema),
        )
        .route("/schemas/types", get(async || reply(Ok(json!(["AVRO"])))))
        .route("/schemas/ids/{id}", get(schema))
        .route("/schemas/ids/{id}/schema", get(schema_text))
        .route("/schemas/ids/{id}/versions", get(schema_versions))
        .route("/schemas/ids/{id}/subjects", get(schema_subjects))
        .route(
            "/compatibility/subjects/{subject}/versions",
            post(compatible),
        )
        .route(
            "/compatibility/subjects/{subject}/versions/{version}",
            post(compatible_with),
        )
        .route("/config", get(global_level).put(set_global_level))
        .route(
            "/config/{subject}",
            get(level).put(set_level).delete(delete_level),
        )
        .route("/mode", get(global_mode).put(set_global_mode))
        .route(
            "/mode/{subject}",
            get(mode).put(set_mode).delete(delete_mode),
        )
        .fallback(async || reply(Err(RegistryError::NoSuchPath)))
        .method_not_allowed_fallback(async || reply(Err(RegistryError::NoSuchMethod)))
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(read_whole_body))
        .with_state(Arc::new(Mutex::new(Store::new())))
}

/// Reads the body before anything is answered, within limits. An answer that overtakes the body of its
/// request reaches many clients as a broken connection, so one that is too large is read to its end too.
async fn read_whole_body(request: Request, next: Next) -> Reply {
    let (parts, mut body) = request.into_parts();
    let mut whole = Vec::new();
    let mut len = 0;
    while len <= MAX_DRAINED_BYTES {
        match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            None => break,
            Some(Err(_)) => return reply(Err(RegistryError::BrokenOff)),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                len += data.len();
                if len <= MAX_BODY_BYTES {
                    whole.extend_from_slice(&data);
                }
            }
        }
    }
    if len > MAX_BODY_BYTES {
        return reply(Err(RegistryError::TooLarge {
            limit: MAX_BODY_BYTES,
        }));
    }
    next.run(Request::from_parts(parts, Body::from(whole)))
        .await
}

/// What registering, looking up and checking send. Fields that this registry cannot honour are refused
/// rather than ignored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SchemaBody {
    #[serde(default)]
    schema: String,
    #[serde(default)]
    schema_type: Option<String>,
    #[serde(default)]
    references: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LevelBody {
    #[serde(default)]
    compatibility: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModeBody {
    #[serde(default)]
    mode: String,
}

async fn list_subjects(State(store): Shared, RawQuery(query): RawQuery) -> Reply {
    reply(Ok(json!(store.lock().subjects(scope(query.as_deref())))))
}

async fn list_versions(
    State(store): Shared,
    Path(subject): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    reply(
        store
            .lock()
            .versions(&subject, scope(query.as_deref()))
            .map(|numbers| json!(numbers)),
    )
}

async fn register(State(store): Shared, Path(subject): Path<String>, body: Bytes) -> Reply {
    let answer = schema_of(&body).and_then(|text| store.lock().register(&subject, &text));
    reply(answer.map(|id| json!({"id": id})))
}

async fn look_up(
    State(store): Shared,
    Path(subject): Path<String>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Reply {
    let scope = scope(query.as_deref());
    let found = schema_of(&body).and_then(|text| store.lock().look_up(&subject, &text, scope));
    reply(found.map(described))
}

async fn version(
    State(store): Shared,
    Path((subject, version)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Reply {
    let scope = scope(query.as_deref());
    let found = Which::parse(&version).and_then(|w| store.lock().version(&subject, w, scope));
    reply(found.map(described))
}

async fn version_schema(
    State(store): Shared,
    Path((subject, version)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Reply {
    let scope = scope(query.as_deref());
    let found = Which::parse(&version).and_then(|w| store.lock().version(&subject, w, scope));
    raw_reply(found.map(|found| found.schema))
}

async fn delete_subject(
    State(store): Shared,
    Path(subject): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    let mut store = store.lock();
    let numbers = if is_set(query.as_deref(), "permanent") {
        store.purge_subject(&subject)
    } else {
        store.delete_subject(&subject)
    };
    reply(numbers.map(|numbers| json!(numbers)))
}

async fn delete_version(
    State(store): Shared,
    Path((subject, version)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Reply {
    let mut store = store.lock();
    let number = Which::parse(&version).and_then(|which| {
        if is_set(query.as_deref(), "permanent") {
            store.purge_version(&subject, which)
        } else {
            store.delete_version(&subject, which)
        }
    });
    reply(number.map(|number| json!(number)))
}

async fn schema(State(store): Shared, Path(id): Path<String>) -> Reply {
    let store = store.lock();
    let text = id_of(&id).and_then(|id| store.schema(id).map(str::to_owned));
    reply(text.map(|text| json!({"schema": text})))
}

async fn schema_text(State(store): Shared, Path(id): Path<String>) -> Reply {
    let store = store.lock();
    raw_reply(id_of(&id).and_then(|id| store.schema(id).map(str::to_owned)))
}

async fn schema_versions(
    State(store): Shared,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    let scope = scope(query.as_deref());
    let holders = id_of(&id).and_then(|id| store.lock().holders(id, scope));
    reply(holders.map(|holders| {
        let pairs = holders
            .iter()
            .map(|(s, v)| json!({"subject": s, "version": v}));
        Value::Array(pairs.collect())
    }))
}

async fn schema_subjects(
    State(store): Shared,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    let scope = scope(query.as_deref());
    let holders = id_of(&id).and_then(|id| store.lock().holders(id, scope));
    reply(holders.map(|holders| {
        let mut subjects: Vec<String> = holders.into_iter().map(|(subject, _)| subject).collect();
        subjects.dedup();
        json!(subjects)
    }))
}

async fn compatible(
    State(store): Shared,
    Path(subject): Path<String>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Reply {
    reply(judge(&store, &subject, None, query.as_deref(), &body))
}

async fn compatible_with(
    State(store): Shared,
    Path((subject, version)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Reply {
    let judged = Which::parse(&version)
        .and_then(|which| judge(&store, &subject, Some(which), query.as_deref(), &body));
    reply(judged)
}

fn judge(
    store: &Mutex<Store>,
    subject: &str,
    against: Option<Which>,
    query: Option<&str>,
    body: &[u8],
) -> Answer {
    let text = schema_of(body)?;
    let reasons = store.lock().compatibility(subject, &text, against)?;
    let mut answer = json!({"is_compatible": reasons.is_empty()});
    if is_set(query, "verbose") {
        answer["messages"] = json!(reasons);
    }
    Ok(answer)
}

async fn global_level(State(store): Shared) -> Reply {
    reply(Ok(
        json!({"compatibilityLevel": store.lock().global_level().name()}),
    ))
}

async fn set_global_level(State(store): Shared, body: Bytes) -> Reply {
    reply(level_of(&body).map(|level| {
        store.lock().set_global_level(level);
        json!({"compatibility": level.name()})
    }))
}

async fn level(
    State(store): Shared,
    Path(subject): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    let store = store.lock();
    let level = match store.level(&subject) {
        Err(_) if is_set(query.as_deref(), "defaultToGlobal") => Ok(store.global_level()),
        own => own,
    };
    reply(level.map(|level| json!({"compatibilityLevel": level.name()})))
}

async fn set_level(State(store): Shared, Path(subject): Path<String>, body: Bytes) -> Reply {
    reply(level_of(&body).map(|level| {
        store.lock().set_level(&subject, level);
        json!({"compatibility": level.name()})
    }))
}

async fn delete_level(State(store): Shared, Path(subject): Path<String>) -> Reply {
    let deleted = store.lock().delete_level(&subject);
    reply(deleted.map(|level| json!({"compatibilityLevel": level.name()})))
}

async fn global_mode(State(store): Shared) -> Reply {
    reply(Ok(json!({"mode": store.lock().global_mode().name()})))
}

async fn set_global_mode(State(store): Shared, body: Bytes) -> Reply {
    reply(mode_of(&body).map(|mode| {
        store.lock().set_global_mode(mode);
        json!({"mode": mode.name()})
    }))
}

async fn mode(
    State(store): Shared,
    Path(subject): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    let store = store.lock();
    let mode = match store.mode(&subject) {
        Err(_) if is_set(query.as_deref(), "defaultToGlobal") => Ok(store.global_mode()),
        own => own,
    };
    reply(mode.map(|mode| json!({"mode": mode.name()})))
}

async fn set_mode(State(store): Shared, Path(subject): Path<String>, body: Bytes) -> Reply {
    reply(mode_of(&body).map(|mode| {
        store.lock().set_mode(&subject, mode);
        json!({"mode": mode.name()})
    }))
}

async fn delete_mode(State(store): Shared, Path(subject): Path<String>) -> Reply {
    reply(
        store
            .lock()
            .delete_mode(&subject)
            .map(|mode| json!({"mode": mode.name()})),
    )
}

fn described(found: Found) -> Value {
    json!({
        "subject": found.subject,
        "version": found.version,
        "id": found.id,
        "schema": found.schema,
    })
}

/// Takes bodies as the paths that have one do, one after the other.
#[cfg(fuzzing)]
pub(crate) fn take_bodies<'a>(bodies: impl Iterator<Item = &'a [u8]>) {
    let mut store = Store::new();
    for (body, subject) in bodies.zip(["a", "b"].into_iter().cycle()) {
        if let Ok(text) = schema_of(body) {
            let _ = store.compatibility(subject, &text, None);
            let id = store.register(subject, &text);
            let _ = store.look_up(subject, &text, Scope::Live);
            if let Ok(id) = id {
                // What the registry hands out it takes back, under the same id.
                let Ok(kept) = store.schema(id).map(str::to_owned) else {
                    unreachable!("a schema that was just registered is gone");
                };
                assert_eq!(store.register(subject, &kept), Ok(id), "{text}");
            }
        }
        let _ = level_of(body).map(|level| store.set_level(subject, level));
        let _ = mode_of(body).map(|mode| store.set_mode(subject, mode));
    }
}

fn schema_of(body: &[u8]) -> Result<String, RegistryError> {
    let body: SchemaBody = decode(body)?;
    let invalid = |problem: String| Err(RegistryError::InvalidSchema { problem });
    match body.schema_type.as_deref() {
        None | Some("AVRO") => {}
        Some(other) => return invalid(format!("the type `{other}` is not served; use `AVRO`")),
    }
    if body
        .references
        .is_some_and(|references| !references.is_empty())
    {
        return invalid(
            "references are not served; put the types they name into the schema".to_owned(),
        );
    }
    Ok(body.schema)
}

fn level_of(body: &[u8]) -> Result<Level, RegistryError> {
    Level::parse(&decode::<LevelBody>(body)?.compatibility)
}

fn mode_of(body: &[u8]) -> Result<Mode, RegistryError> {
    Mode::parse(&decode::<ModeBody>(body)?.mode)
}

/// Any content type will do: clients differ in what they declare, and all of them send JSON.
fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, RegistryError> {
    serde_json::from_slice(body).map_err(|error| {
        let problem = error.to_string();
        if error.is_data() {
            RegistryError::BadBody { problem }
        } else {
            RegistryError::BadJson { problem }
        }
    })
}

fn id_of(text: &str) -> Result<i32, RegistryError> {
    text.parse().map_err(|_| RegistryError::SchemaIdNotFound {
        id: text.to_owned(),
    })
}

fn scope(query: Option<&str>) -> Scope {
    if is_set(query, "deleted") {
        Scope::WithDeleted
    } else {
        Scope::Live
    }
}

/// Whether the query holds `name=true`.
fn is_set(query: Option<&str>, name: &str) -> bool {
    let mut pairs = query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    pairs.any(|(key, value)| key == name && value == "true")
}

fn reply(answer: Answer) -> Reply {
    raw_reply(answer.map(|value| value.to_string()))
}

/// The text as the body, without another layer of JSON around it.
fn raw_reply(answer: Result<String, RegistryError>) -> Reply {
    let (status, text) = match answer {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => {
            let status = StatusCode::from_u16(error.status());
            let body = ErrorBody {
                error_code: error.code(),
                message: error.to_string(),
            };
            (
                status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                json!(body).to_string(),
            )
        }
    };
    let mut reply = Response::new(Body::from(text));
    *reply.status_mut() = status;
    let content_type = header::HeaderValue::from_static(CONTENT_TYPE);
    reply
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    reply
}

#[derive(Serialize)]
struct ErrorBody {
    error_code: u32,
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_refused_by_what_is_wrong_with_them() {
        for (body, code) in [
            ("not json", 400),
            (r#"{"schema":"\"int\"""#, 400),
            (r#"{"schema":7}"#, 422),
            (r#"{"schema":"\"int\"","ruleSet":{}}"#, 422),
            (r#"{"schema":"\"int\"","schemaType":"PROTOBUF"}"#, 42201),
            (r#"{"schema":"\"int\"","references":[{"name":"x"}]}"#, 42201),
        ] {
            assert_eq!(
                schema_of(body.as_bytes()).unwrap_err().code(),
                code,
                "{body}"
            );
        }
        let good = br#"{"schema":"\"int\"","schemaType":"AVRO","references":[]}"#;
        assert_eq!(schema_of(good), Ok("\"int\"".to_owned()));
    }

    #[test]
    fn flags_are_read_from_the_query() {
        assert!(is_set(Some("a=1&deleted=true"), "deleted"));
        for query in [
            None,
            Some(""),
            Some("deleted"),
            Some("deleted=false"),
            Some("undeleted=true"),
        ] {
            assert!(!is_set(query, "deleted"), "{query:?}");
        }
    }
}
