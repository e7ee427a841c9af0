//! Reading the alert topics while the run goes on.
//!
//! A thread reads from the start of every topic, parses each record as an alert and spills it to
//! `alerts.ndjson` with the broker's append time and the time at which it was seen. Memory does not
//! grow with the number of alerts. What is no alert is counted, with a few examples of why.

mod reader;
mod shape;
mod template;

#[cfg(fuzzing)]
pub use self::reader::alert_in;
pub use self::shape::{AlertShape, Found, Mapping};
pub use self::template::{Origin, Template, TemplateError};

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, EventTime, WallTime},
    record::CollectorFacts,
};
use floodmark_kafka::{Admin, ClientSettings, Error};

use self::reader::Reader;

/// How long the last alerts may take to be read once the run is over.
const LAST_READ: Duration = Duration::from_secs(10);

/// Alerts that whoever watches can see at most, the newest ones.
const RECENT: usize = 8192;

/// How long one question to the cluster may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why alerts could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The alert topics cannot be read.
    #[error("cannot read the alert topics")]
    Cluster(#[source] Error),
    /// Alerts were deleted before they were read.
    #[error(
        "alerts in topic `{topic}`, partition {partition}, were deleted before they were read: {detail}"
    )]
    Lost {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The client's words.
        detail: String,
    },
    /// The file of alerts cannot be written.
    #[error("cannot write `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The reading thread is gone.
    #[error("the thread that reads alerts ended by a panic")]
    Panicked,
}

/// A topic with alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertSource {
    /// Its full name.
    pub topic: String,
    /// What its records look like.
    pub shape: AlertShape,
}

impl AlertSource {
    /// A topic with alerts by our own schema.
    #[must_use]
    pub fn ours(topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            shape: AlertShape::Floodmark,
        }
    }
}

/// What the collecting thread and its owner both look at.
struct Shared {
    alerts: AtomicU64,
    /// Monotonic microseconds at which the last alert was seen; at first, the start.
    last_seen: AtomicI64,
    finishing: AtomicBool,
    /// The newest alerts, taken over once for each batch.
    recent: Mutex<VecDeque<RecentAlert>>,
}

impl Shared {
    fn recent(&self) -> MutexGuard<'_, VecDeque<RecentAlert>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over alerts; the oldest ones make room.
    fn add_recent(&self, more: &mut Vec<RecentAlert>) {
        let mut recent = self.recent();
        recent.extend(more.drain(..));
        let too_many = recent.len().saturating_sub(RECENT);
        recent.drain(..too_many);
    }
}

/// When an alert came, and what it is about, for whoever watches a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentAlert {
    /// When it was seen.
    pub seen_at: WallTime,
    /// When the broker appended it.
    pub appended_at: WallTime,
    /// Event time of its end.
    pub end: EventTime,
}

/// A collector at work.
pub struct Collector {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    thread: Option<JoinHandle<CollectorFacts>>,
}

impl Collector {
    /// Starts reading the topics of `sources`, which exist, into the file at `out`.
    ///
    /// # Errors
    /// If the topics cannot be read or the file cannot be made.
    pub fn start(
        client: &ClientSettings,
        sources: &[AlertSource],
        out: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CollectError> {
        let admin = Admin::new(client, TIMEOUT).map_err(CollectError::Cluster)?;
        let topics: Vec<&str> = sources.iter().map(|source| source.topic.as_str()).collect();
        let partitions = admin.partitions(&topics).map_err(CollectError::Cluster)?;
        let shared = Arc::new(Shared {
            alerts: AtomicU64::new(0),
            last_seen: AtomicI64::new(clock.monotonic_us()),
            finishing: AtomicBool::new(false),
            recent: Mutex::default(),
        });
        let reader = Reader::new(
            client,
            admin,
            sources,
            partitions,
            out,
            Arc::clone(&clock),
            Arc::clone(&shared),
        )?;
        let thread = std::thread::Builder::new()
            .name("collector".to_owned())
            .spawn(move || reader.run())
            .map_err(|source| CollectError::File {
                path: out.to_owned(),
                source,
            })?;
        Ok(Self {
            shared,
            clock,
            thread: Some(thread),
        })
    }

    /// Alerts so far.
    #[must_use]
    pub fn alerts(&self) -> u64 {
        self.shared.alerts.load(Ordering::Relaxed)
    }

    /// The alerts that were seen since an instant and say when they end, as far as they are among the newest.
    #[must_use]
    pub fn recent(&self, since: WallTime) -> Vec<RecentAlert> {
        let recent = self.shared.recent();
        let newest = recent.iter().filter(|alert| alert.seen_at >= since);
        newest.copied().collect()
    }

    /// Wall time since the last alert was seen, or since the start without one.
    #[must_use]
    pub fn quiet_for(&self, clock: &dyn Clock) -> Duration {
        let since = clock.monotonic_us() - self.shared.last_seen.load(Ordering::Relaxed);
        Duration::from_micros(u64::try_from(since).unwrap_or(0))
    }

    /// Reads what is in the topics at this moment, as far as that is done within ten seconds, and ends.
    ///
    /// # Errors
    /// [`CollectError::Panicked`]. What kept alerts from being read or written is in the facts.
    pub fn finish(mut self) -> Result<CollectorFacts, CollectError> {
        let quiet = self.quiet_for(&*self.clock);
        let Some(thread) = self.thread.take() else {
            return Err(CollectError::Panicked);
        };
        self.shared.finishing.store(true, Ordering::Release);
        let mut facts = thread.join().map_err(|_| CollectError::Panicked)?;
        facts.quiet_ms =
            (facts.alerts > 0).then(|| i64::try_from(quiet.as_millis()).unwrap_or(i64::MAX));
        Ok(facts)
    }
}

impl Drop for Collector {
    /// A collector that is given up reads no further.
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.finishing.store(true, Ordering::Release);
            if !thread.join().is_ok_and(|facts| facts.failure.is_none()) {
                tracing::debug!("a collector was given up with an error");
            }
        }
    }
}
