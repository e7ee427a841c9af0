//! The model as a service: `floodmark serve-model`.

use std::{
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    routing::{get, post},
};
use tokio::{net::TcpListener, runtime::Builder, sync::oneshot};

use super::{
    model::Model,
    service::{ScoreAnswer, ScoreRequest},
};

/// The largest request that is read, in bytes.
const LARGEST_REQUEST: usize = 8 << 20;

/// Why the model cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is in use, or not one of this machine.
    #[error("the scorer could not listen on `{listen}`; use a free port, or port `0`")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The system has no room for another thread.
    #[error("the scorer could not start a thread")]
    Thread(#[source] std::io::Error),
}

/// A running service. Dropping it stops it, requests under way included.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ModelServer {
    /// Serves a model: `POST /score` and `GET /healthz`. Port 0 takes a free one.
    ///
    /// # Errors
    /// If nobody can listen there.
    pub fn start(listen: SocketAddr, model: Model) -> Result<Self, ServeError> {
        let refused = |source| ServeError::Listen { listen, source };
        let socket = std::net::TcpListener::bind(listen).map_err(refused)?;
        socket.set_nonblocking(true).map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ServeError::Thread)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(socket).map_err(refused)?
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let router = router(model);
        let serve = async move {
            tokio::select! {
                served = async { axum::serve(listener, router).await } => {
                    if let Err(error) = served {
                        tracing::error!(%error, "the scorer stopped serving");
                    }
                }
                _ = stopped => {}
            }
        };
        let thread = thread::Builder::new()
            .name("scorer".to_owned())
            .spawn(move || runtime.block_on(serve))
            .map_err(ServeError::Thread)?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it takes sessions.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/score", self.address)
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the scorer's thread had panicked");
        }
    }
}

fn router(model: Model) -> Router {
    Router::new()
        .route("/score", post(answer))
        .route("/healthz", get(|| async { "ok\n" }))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .with_state(Arc::new(model))
}

async fn answer(
    State(model): State<Arc<Model>>,
    Json(request): Json<ScoreRequest>,
) -> Json<ScoreAnswer> {
    Json(request.answer(&model))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(server: &ModelServer, body: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let mut response = agent
            .post(server.url())
            .content_type("application/json")
            .send(body)
            .unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), text)
    }

    #[test]
    fn sessions_are_scored_and_rubbish_is_refused() {
        let model = Model::compiled_in().unwrap();
        let server = ModelServer::start(([127, 0, 0, 1], 0).into(), model).unwrap();
        assert_eq!(
            post(&server, r#"{"sessions":[]}"#),
            (200, r#"{"scores":[]}"#.into())
        );
        let one = r#"{"sessions":[{"session_id":"s","user_id":"u","at":1,"features":{"quick-inputs":12,"inputs":12,"mean-latency":8}}]}"#;
        let (code, text) = post(&server, one);
        let answer: ScoreAnswer = serde_json::from_str(&text).unwrap();
        assert_eq!((code, answer.scores.len()), (200, 1));
        assert!(answer.scores[0] > 0.5, "{text}");
        assert_eq!(post(&server, "rubbish").0, 400);
        assert_eq!(post(&server, r#"{"sessions":[{"age":3}]}"#).0, 422);
        let taken = ModelServer::start(server.address(), Model::compiled_in().unwrap());
        assert!(taken.unwrap_err().to_string().contains("free port"));
    }
}
