//! The detector's page: `/`, `/status.json`, `/metrics`, `/healthz`, `/readyz`.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use floodmark_contracts::{
    clock::{Clock, SystemClock},
    exposition::TEXT_FORMAT,
};
use floodmark_detector::Watch;
use floodmark_generator::serve::{HttpServer, ServeError};
use floodmark_reports::{status_html, status_metrics};

/// What the handlers look at.
type Shown = Arc<Watch>;

/// Starts to serve; port 0 takes a free one. It ends when it is dropped.
pub(super) fn start(listen: SocketAddr, watch: Shown) -> Result<HttpServer, ServeError> {
    let router = Router::new()
        .route("/", get(page))
        .route("/status.json", get(json))
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .with_state(watch);
    HttpServer::start("detector's page", listen, router)
}

async fn page(State(watch): State<Shown>) -> Response {
    match status_html(&watch.status(), SystemClock::new().now()) {
        Ok(page) => Html(page).into_response(),
        Err(error) => failed(&error.to_string()),
    }
}

async fn json(State(watch): State<Shown>) -> Response {
    Json(watch.status()).into_response()
}

async fn metrics(State(watch): State<Shown>) -> Response {
    match status_metrics(&watch.status(), SystemClock::new().now()) {
        Ok(text) => ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(reason) => failed(&reason),
    }
}

async fn health(State(watch): State<Shown>) -> Response {
    answer(watch.status().health(SystemClock::new().now()))
}

async fn readiness(State(watch): State<Shown>) -> Response {
    answer(watch.status().readiness(SystemClock::new().now()))
}

fn answer(found: Result<(), String>) -> Response {
    match found {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

fn failed(reason: &str) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, reason.to_owned()).into_response()
}
