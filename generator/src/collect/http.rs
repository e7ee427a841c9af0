//! The collector over HTTP.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, USER_AGENT},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use floodmark_contracts::{
    clock::{Clock, SystemClock},
    stream::Stream,
};
use serde_json::json;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{
    CollectFigures, CollectSettings,
    message::{Context, Message, Places},
    writer::{Busy, Writer},
};

/// The script for the site's pages.
const SNIPPET: &str = include_str!("snippet.js");
/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER_S: &str = "1";

/// What all requests share.
pub(super) struct App {
    stream: Stream,
    schema_id: Option<u32>,
    origins: Origins,
    trust_proxy: bool,
    writer: Writer,
    places: Places,
    clock: SystemClock,
    full: AtomicU64,
    down: AtomicU64,
    refused: AtomicU64,
}

/// Whose pages may send.
#[derive(Debug, Clone)]
struct Origins(BTreeSet<String>);

impl App {
    pub(super) fn new(
        settings: &CollectSettings,
        writer: Writer,
        places: Places,
        schema_id: Option<u32>,
    ) -> Self {
        Self {
            stream: settings.stream,
            schema_id,
            origins: Origins(settings.origins.clone()),
            trust_proxy: settings.trust_proxy,
            writer,
            places,
            clock: SystemClock::new(),
            full: AtomicU64::new(0),
            down: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    pub(super) fn figures(&self) -> CollectFigures {
        let (accepted, delivered, failed) = self.writer.counts();
        CollectFigures {
            accepted,
            delivered,
            failed,
            full: self.full.load(Ordering::Relaxed),
            down: self.down.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn refuse(&self, status: StatusCode, reason: &str) -> Response {
        self.refused.fetch_add(1, Ordering::Relaxed);
        answer(status, &json!({ "error": reason }))
    }

    /// Who sent a request.
    fn address(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        let forwarded = headers.get("x-forwarded-for").filter(|_| self.trust_proxy);
        forwarded
            .and_then(|value| value.to_str().ok()?.split(',').next()?.trim().parse().ok())
            .unwrap_or(peer.ip())
    }
}

impl Origins {
    /// True if a page of `origin` may send to the collector at `host`.
    fn allow(&self, origin: &str, host: Option<&str>) -> bool {
        let own = origin.split_once("://").map(|(_, rest)| rest);
        self.0.contains("*") || self.0.contains(origin) || own.is_some() && own == host
    }
}

/// All paths.
pub(super) fn router(app: Arc<App>, body_limit: usize) -> Router {
    let origins = app.origins.clone();
    // Pages of the collector's own address need no permission of this kind, so its host is not asked for.
    let allowed = AllowOrigin::predicate(move |origin: &HeaderValue, _| {
        origin
            .to_str()
            .is_ok_and(|origin| origins.allow(origin, None))
    });
    let cors = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::POST])
        .allow_headers([CONTENT_TYPE]);
    Router::new()
        .route("/snippet.js", get(snippet))
        .route("/events", post(events))
        .route("/healthz", get(health))
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(cors)
        .with_state(app)
}

/// The script, told which stream it is for.
async fn snippet(State(app): State<Arc<App>>) -> Response {
    let script = SNIPPET.replace("%STREAM%", app.stream.name());
    let headers = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (CACHE_CONTROL, "max-age=300"),
    ];
    (headers, script).into_response()
}

/// Whether events get through, for whoever watches over the collector.
async fn health(State(app): State<Arc<App>>) -> Response {
    if app.writer.is_down() {
        let reason = json!({ "error": "the broker takes no events" });
        return answer(StatusCode::SERVICE_UNAVAILABLE, &reason);
    }
    answer(StatusCode::OK, &json!({ "status": "ok" }))
}

/// Takes all events of a message, or none.
async fn events(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    // A page can send plain text to any address without asking first, so the browser's own check is not
    // enough: it only keeps the page from reading the answer.
    if let Some(origin) = text(ORIGIN)
        && !app.origins.allow(origin, text(HOST))
    {
        let reason = format!("pages of `{origin}` may not send here; see `--allow-origin`");
        return app.refuse(StatusCode::FORBIDDEN, &reason);
    }
    let message = match Message::read(&body) {
        Ok(message) => message,
        Err(reason) => return app.refuse(StatusCode::BAD_REQUEST, &reason),
    };
    let context = Context {
        stream: app.stream,
        schema_id: app.schema_id,
        received_ms: app.clock.now().as_millis(),
        address: app.address(peer, &headers),
        user_agent: text(USER_AGENT).unwrap_or_default(),
    };
    let records = message.encode(context, &app.places);
    match app.writer.write(&records) {
        Ok(()) => answer(StatusCode::ACCEPTED, &json!({ "accepted": records.len() })),
        Err(Busy::Full) => {
            app.full.fetch_add(1, Ordering::Relaxed);
            later(
                StatusCode::TOO_MANY_REQUESTS,
                "too many events wait for the broker",
            )
        }
        Err(Busy::Down) => {
            app.down.fetch_add(1, Ordering::Relaxed);
            later(
                StatusCode::SERVICE_UNAVAILABLE,
                "the broker takes no events",
            )
        }
    }
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json")];
    (status, headers, body.to_string()).into_response()
}

fn later(status: StatusCode, reason: &str) -> Response {
    let mut response = answer(status, &json!({ "error": reason }));
    let after = HeaderValue::from_static(RETRY_AFTER_S);
    response.headers_mut().insert(RETRY_AFTER, after);
    response
}
