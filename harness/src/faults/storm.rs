//! A rebalance storm: a member that joins the subject's group and leaves it, again and again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use floodmark_contracts::clock::Clock;
use floodmark_kafka::{
    Batch, BatchConsumer, ClientSettings, ConsumerSettings, Error, consumer::Event,
};

/// How long one poll waits: the time within which an end is noticed.
const POLL: Duration = Duration::from_millis(20);

/// The group that is disturbed.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// How to reach its broker.
    pub(crate) client: ClientSettings,
    /// Its name.
    pub(crate) name: String,
    /// What its members subscribe to.
    pub(crate) topics: Vec<String>,
}

/// A storm that goes on until it is ended.
pub(super) struct Storm {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Counts>>,
}

/// What a storm did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Times that the member joined.
    pub(super) joined: u32,
    /// Times that it was given partitions.
    pub(super) assigned: u32,
}

impl Storm {
    /// Begins to join once in `every`, for half of that time.
    pub(super) fn begin(
        group: Group,
        every: Duration,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = Builder::new()
            .name("rebalance-storm".to_owned())
            .spawn(move || {
                let mut counts = Counts::default();
                while !told.load(Ordering::Relaxed) {
                    let begun = clock.monotonic_us();
                    if let Err(error) = join_once(&group, every / 2, &*clock, &told, &mut counts) {
                        tracing::debug!(%error, "the member of a rebalance storm");
                    }
                    while left_us(begun, every, &*clock) > 0 && !told.load(Ordering::Relaxed) {
                        clock.sleep(POLL);
                    }
                }
                counts
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Ends it; the member has left when this returns.
    pub(super) fn end(mut self) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take();
        thread
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the thread of a rebalance storm had failed");
        }
    }
}

fn left_us(begun_us: i64, span: Duration, clock: &dyn Clock) -> i64 {
    begun_us + span.as_micros() as i64 - clock.monotonic_us()
}

fn join_once(
    group: &Group,
    stay: Duration,
    clock: &dyn Clock,
    stop: &AtomicBool,
    counts: &mut Counts,
) -> Result<(), Error> {
    let settings = ConsumerSettings {
        // It reads nothing that it could help.
        queue_kib: Some(1),
        ..ConsumerSettings::in_group(&group.name)
    };
    let mut consumer = BatchConsumer::new(&group.client, &settings)?;
    let topics: Vec<&str> = group.topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics)?;
    counts.joined += 1;
    let begun = clock.monotonic_us();
    let mut batch = Batch::with_capacity(64);
    let mut is_assigned = false;
    while left_us(begun, stay, clock) > 0 && !stop.load(Ordering::Relaxed) {
        consumer.poll(&mut batch, POLL)?;
        for event in batch.events() {
            if let Event::Assigned { partitions } = event
                && !partitions.is_empty()
            {
                counts.assigned += u32::from(!is_assigned);
                is_assigned = true;
            }
        }
    }
    consumer.close()
}
