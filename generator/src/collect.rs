//! A small HTTP collector: real clicks of a site under test, on the same topics and in the same shape as
//! generated ones.
//!
//! `GET /snippet.js` serves a script for the site's pages, `POST /events` takes what it sends, `GET /healthz`
//! says whether records get through. What people type is masked in their browser: the script sends a salted
//! hash of it at most, and the collector takes nothing else.
//!
//! It never queues without a bound: when Kafka is slow it answers 429, when nothing gets through any more 503,
//! and the script keeps its events and tries again.

#[cfg(fuzzing)]
pub mod fuzzing;
mod http;
mod message;
mod writer;

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use floodmark_contracts::{event::banking, stream::Stream};
use floodmark_kafka::{Admin, ClientSettings, Registry};

use self::{
    http::{App, router},
    message::Places,
    writer::{Delivering, Writer},
};
use crate::serve::{HttpServer, ServeError};

/// How long the cluster may take to answer at the start.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to collect, where to listen, who may send.
#[derive(Debug, Clone)]
pub struct CollectSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `clickstream` or `banking`.
    pub stream: Stream,
    /// The cluster.
    pub client: ClientSettings,
    /// The schema registry, which banking events need.
    pub registry: Option<String>,
    /// The topic; it must exist.
    pub topic: String,
    /// Origins whose pages may send, such as `https://shop.example`; `*` stands for all. Pages of the
    /// collector's own address always may.
    pub origins: BTreeSet<String>,
    /// Largest body of a request, in bytes.
    pub body_limit: usize,
    /// Records that may wait for the broker.
    pub queue: usize,
    /// How long nothing may get through until the collector says that it is down.
    pub stall: Duration,
    /// Whether the client's address stands in `X-Forwarded-For`, written by a proxy of ours.
    pub trust_proxy: bool,
}

/// Why the collector cannot start.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// It cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The system has no room for another thread.
    #[error("the collector could not start a thread")]
    Thread {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] floodmark_kafka::Error),
    /// The schema registry.
    #[error(transparent)]
    Registry(#[from] floodmark_kafka::registry::RegistryError),
    /// The topic does not exist.
    #[error("topic `{topic}` does not exist; create it first")]
    NoTopic {
        /// The topic.
        topic: String,
    },
    /// Banking events are Avro.
    #[error(
        "banking events are written in Avro and need a schema registry; name one with `--registry`"
    )]
    NoRegistry,
    /// Sensors do not click.
    #[error(
        "the stream `{stream}` is not made by people on a page; use `clickstream` or `banking`"
    )]
    NoClicks {
        /// The stream.
        stream: Stream,
    },
    /// The country database is damaged.
    #[error("the country database built into the program cannot be read: {reason}")]
    Places {
        /// Why.
        reason: String,
    },
}

impl CollectError {
    /// True if a service that is needed did not answer.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Cluster(error) => error.is_unreachable(),
            Self::Registry(error) => error.is_unreachable(),
            _ => false,
        }
    }
}

/// What a collector did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CollectFigures {
    /// Events taken from requests.
    pub accepted: u64,
    /// Events that are in the topic.
    pub delivered: u64,
    /// Events that the client gave up on.
    pub failed: u64,
    /// Requests that were turned away because the queue was full.
    pub full: u64,
    /// Requests that were turned away because nothing got through.
    pub down: u64,
    /// Requests that made no sense, or came from where they may not.
    pub refused: u64,
}

/// A running collector.
pub struct CollectServer {
    server: HttpServer,
    app: Arc<App>,
    delivering: Option<Delivering>,
}

impl CollectServer {
    /// Checks topic and registry, and starts to listen.
    ///
    /// # Errors
    /// If a service does not answer, the topic is missing, or the address cannot be listened on.
    pub fn start(settings: &CollectSettings) -> Result<Self, CollectError> {
        let schema_id = prepare(settings)?;
        let (writer, delivering) = Writer::start(settings)?;
        let places = Places::compiled_in().map_err(|error| CollectError::Places {
            reason: error.to_string(),
        })?;
        let app = Arc::new(App::new(settings, writer, places, schema_id));
        let router = router(Arc::clone(&app), settings.body_limit);
        Ok(Self {
            server: HttpServer::start("collector", settings.listen, router)?,
            app,
            delivering: Some(delivering),
        })
    }

    /// Where it answers: `http://HOST:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What it did so far.
    #[must_use]
    pub fn figures(&self) -> CollectFigures {
        self.app.figures()
    }

    /// Stops listening, ends the requests under way, and writes what was accepted.
    #[must_use]
    pub fn stop(mut self) -> CollectFigures {
        self.end();
        self.figures()
    }

    fn end(&mut self) {
        self.server.end();
        drop(self.delivering.take());
    }
}

impl Drop for CollectServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Checks the topic, and registers the schema where there is one. Gives the schema's id.
fn prepare(settings: &CollectSettings) -> Result<Option<u32>, CollectError> {
    let admin = Admin::new(&settings.client, PATIENCE)?;
    admin.wait_until_reachable(PATIENCE)?;
    if admin.topic(&settings.topic)?.is_none() {
        return Err(CollectError::NoTopic {
            topic: settings.topic.clone(),
        });
    }
    match settings.stream {
        Stream::Clickstream => Ok(None),
        Stream::Banking => {
            let url = settings.registry.as_ref().ok_or(CollectError::NoRegistry)?;
            let subject = format!("{}{}", settings.topic, banking::SUBJECT_SUFFIX);
            let id = Registry::new(url)?.register(&subject, banking::SCHEMA)?;
            Ok(Some(id))
        }
        stream @ Stream::Sensors => Err(CollectError::NoClicks { stream }),
    }
}
