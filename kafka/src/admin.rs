//! Topics, watermarks, groups and lag, each call waiting for its answer.

mod event;
mod groups;
mod offsets;
mod topics;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::Mutex;
use std::time::Duration;

use rdkafka_sys as sys;

use crate::consumer::BatchConsumer;
use crate::error::{Error, ErrorCode};
use crate::native::{Client, Deadline, Kind, code_of, code_text, lossy, millis};
use crate::settings::{ClientSettings, Options};

pub use groups::{GroupDescription, GroupMember};
pub use offsets::{Lag, Watermarks};
pub use topics::{NewTopic, TopicDescription};

/// An admin client.
pub struct Admin {
    client: Client,
    timeout: Duration,
    settings: ClientSettings,
    /// By the name of a group, who reads its offsets. None of them joins.
    members: Mutex<BTreeMap<String, BatchConsumer>>,
}

/// What to ask metadata for.
enum Scope<'a> {
    AllTopics,
    Topic(&'a str),
}

/// The cluster as the broker that answered sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The brokers' addresses as they advertise them.
    pub brokers: Vec<String>,
    /// The topics, internal ones included, in the order of their names.
    pub topics: Vec<TopicDescription>,
}

impl Admin {
    /// Makes an admin client whose calls wait up to `timeout` each. Nothing is sent yet.
    ///
    /// # Errors
    /// If options are unknown or belong to us.
    pub fn new(client: &ClientSettings, timeout: Duration) -> Result<Self, Error> {
        let mut options = Options::new(client);
        // Looking a topic up by its name must never make one.
        options.fixed("allow.auto.create.topics", "false")?;
        // Waiting for a broker that is just starting should not take longer than the broker.
        options.value("reconnect.backoff.max.ms", None, "250")?;
        options.value("socket.nagle.disable", None, "true")?;
        Ok(Self {
            client: Client::new(Kind::Admin, &options.finish())?,
            timeout,
            settings: client.clone(),
            members: Mutex::default(),
        })
    }

    /// How long each call may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Waits until a broker answers, for as long as `patience`, and returns the cluster's id.
    ///
    /// # Errors
    /// [`Error::Unreachable`] with the addresses and the last connection error if none does; at once where the
    /// credentials are refused or the broker's certificate is not trusted.
    pub fn wait_until_reachable(&self, patience: Duration) -> Result<String, Error> {
        let deadline = Deadline::after(patience);
        loop {
            // librdkafka connects and asks for the brokers by itself; the id comes with the answer.
            // In slices, so that connection errors are served meanwhile.
            let slice = deadline
                .left()
                .clamp(Duration::from_millis(1), Duration::from_millis(200));
            // SAFETY: a live client; the text is ours, copied and freed.
            unsafe {
                let id = sys::rd_kafka_clusterid(self.client.ptr(), millis(slice));
                if !id.is_null() {
                    let text = lossy(id);
                    sys::rd_kafka_mem_free(self.client.ptr(), id.cast());
                    return Ok(text);
                }
            }
            self.client.serve(Duration::ZERO);
            if deadline.is_over() || self.client.callbacks().turned_away() {
                return Err(self.nobody_answered(patience.saturating_sub(deadline.left())));
            }
            // The wait above ends early if metadata changes without an id in it.
            self.pause(deadline.left().min(Duration::from_millis(10)));
        }
    }

    /// However the last attempt was cut off: nobody answered in all that time.
    fn nobody_answered(&self, waited: Duration) -> Error {
        let code = ErrorCode::OperationTimedOut;
        let silence = "nothing was said on the connection".to_owned();
        match self.client.error_with("connect", code, silence, waited) {
            Error::TimedOut {
                attempt,
                waited,
                detail,
            } => Error::Unreachable {
                attempt,
                waited,
                detail,
                bootstrap: self.client.bootstrap().to_owned(),
            },
            other => other,
        }
    }

    /// The cluster with all its topics.
    ///
    /// # Errors
    /// If no broker answers in time.
    pub fn cluster(&self) -> Result<Cluster, Error> {
        self.metadata(&Scope::AllTopics, self.timeout)
            .map_err(|(code, detail)| {
                self.client
                    .error_with("read the cluster's metadata", code, detail, self.timeout)
            })
    }

    /// A wait that keeps callbacks served, so that connection errors are known when it is over.
    fn pause(&self, time: Duration) {
        let deadline = Deadline::after(time);
        while !deadline.is_over() {
            self.client.serve(deadline.left());
        }
    }

    /// Metadata of the brokers, and of what `scope` says.
    fn metadata(
        &self,
        scope: &Scope<'_>,
        timeout: Duration,
    ) -> Result<Cluster, (ErrorCode, String)> {
        let mut metadata = std::ptr::null();
        // SAFETY: a live client; topic handle and, on success, the metadata are ours and freed.
        unsafe {
            let topic = match scope {
                Scope::Topic(name) => self.topic_handle(name)?,
                Scope::AllTopics => std::ptr::null_mut(),
            };
            let code = sys::rd_kafka_metadata(
                self.client.ptr(),
                i32::from(matches!(scope, Scope::AllTopics)),
                topic,
                &raw mut metadata,
                millis(timeout),
            );
            if !topic.is_null() {
                sys::rd_kafka_topic_destroy(topic);
            }
            if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err((code_of(code), code_text(code)));
            }
            let cluster = cluster_of(&*metadata);
            sys::rd_kafka_metadata_destroy(metadata);
            Ok(cluster)
        }
    }

    fn topic_handle(&self, name: &str) -> Result<*mut sys::rd_kafka_topic_t, (ErrorCode, String)> {
        let bad = |reason: &str| (ErrorCode::InvalidTopic, reason.to_owned());
        let native = CString::new(name).map_err(|_| bad("a name cannot hold a zero byte"))?;
        // SAFETY: a live client and a terminated string; no configuration means the defaults.
        let topic = unsafe {
            sys::rd_kafka_topic_new(self.client.ptr(), native.as_ptr(), std::ptr::null_mut())
        };
        if topic.is_null() {
            Err(bad("the name is not a valid topic name"))
        } else {
            Ok(topic)
        }
    }
}

/// # Safety
/// `metadata` must come from librdkafka.
unsafe fn cluster_of(metadata: &sys::rd_kafka_metadata_t) -> Cluster {
    // SAFETY: arrays with their lengths, and terminated strings.
    unsafe {
        let brokers = event::slice(metadata.brokers, metadata.broker_cnt)
            .iter()
            .map(|broker| format!("{}:{}", lossy(broker.host), broker.port))
            .collect();
        let mut topics: Vec<TopicDescription> = event::slice(metadata.topics, metadata.topic_cnt)
            .iter()
            .map(|topic| {
                let partitions = event::slice(topic.partitions, topic.partition_cnt);
                let failure = (topic.err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR)
                    .then(|| code_of(topic.err));
                TopicDescription {
                    name: lossy(topic.topic),
                    partitions: topic.partition_cnt,
                    leaderless: partitions.iter().filter(|one| one.leader < 0).count(),
                    failure,
                }
            })
            .collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Cluster { brokers, topics }
    }
}
