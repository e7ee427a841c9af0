//! From accepted events to the topic, with a bound on what waits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use floodmark_contracts::clock::{Clock, SystemClock};
use floodmark_kafka::{Producer, ProducerSettings, Record, producer::Topic};

use super::{CollectError, CollectSettings, message::Encoded};

/// How long one look at reports waits.
const POLL: Duration = Duration::from_millis(20);
/// How long what is accepted may take after a stop.
const FLUSH: Duration = Duration::from_secs(10);
/// How long the broker may take for a record until it is given up.
const DELIVERY: Duration = Duration::from_secs(60);

/// Why a batch is not taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    /// Too much waits for the broker.
    Full,
    /// Nothing has got through for a while.
    Down,
}

/// Writes to the topic.
pub(super) struct Writer {
    shared: Arc<Shared>,
    topic: Topic,
    limit: usize,
}

struct Shared {
    producer: Producer,
    stopping: AtomicBool,
    stalled: AtomicBool,
    accepted: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
}

/// The thread that takes reports. Dropping it flushes and ends it.
pub(super) struct Delivering {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(settings: &CollectSettings) -> Result<(Self, Delivering), CollectError> {
        let producer_settings = ProducerSettings {
            delivery_timeout: Some(DELIVERY),
            ..ProducerSettings::default()
        };
        let producer = Producer::new(&settings.client, &producer_settings)?;
        let topic = producer.topic(&settings.topic)?;
        let shared = Arc::new(Shared {
            producer,
            stopping: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        let stall_us = i64::try_from(settings.stall.as_micros()).unwrap_or(i64::MAX);
        let taker = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("collector-delivery".to_owned())
            .spawn(move || taker.take_reports(stall_us))
            .map_err(|source| CollectError::Thread { source })?;
        let delivering = Delivering {
            shared: Arc::clone(&shared),
            thread: Some(thread),
        };
        let writer = Self {
            shared,
            topic,
            limit: settings.queue,
        };
        Ok((writer, delivering))
    }

    /// Takes all of a batch, or nothing. Called from one thread, so no other batch comes in between.
    pub(super) fn write(&self, records: &[Encoded]) -> Result<(), Busy> {
        let shared = &self.shared;
        if shared.stalled.load(Ordering::Relaxed) {
            return Err(Busy::Down);
        }
        if shared.producer.in_flight() + records.len() > self.limit {
            return Err(Busy::Full);
        }
        for encoded in records {
            let record = Record::new(&self.topic, &encoded.value)
                .key(&encoded.key)
                .timestamp_ms(encoded.at_ms);
            shared.accepted.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = shared.producer.send(&record, 0) {
                // The bounds above leave room, so this is a broker's or a record's fault.
                tracing::warn!(%error, "an event was not taken");
                shared.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// True if nothing has got through for a while.
    pub(super) fn is_down(&self) -> bool {
        self.shared.stalled.load(Ordering::Relaxed)
    }

    /// Events accepted, delivered and given up.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let shared = &self.shared;
        (
            read(&shared.accepted),
            read(&shared.delivered),
            read(&shared.failed),
        )
    }
}

impl Shared {
    fn take_reports(&self, stall_us: i64) {
        let clock = SystemClock::new();
        let mut good_us = clock.monotonic_us();
        while !self.stopping.load(Ordering::Acquire) {
            let before = self.delivered.load(Ordering::Relaxed);
            // A producer without records comes back at once.
            self.producer
                .poll(POLL, &mut |delivery| self.count(delivery.is_delivered()));
            let now_us = clock.monotonic_us();
            let waiting = self.producer.in_flight() > 0;
            if !waiting || self.delivered.load(Ordering::Relaxed) > before {
                good_us = now_us;
            }
            self.stalled
                .store(waiting && now_us - good_us > stall_us, Ordering::Relaxed);
        }
        let flushed = self
            .producer
            .flush(FLUSH, &mut |delivery| self.count(delivery.is_delivered()));
        if let Err(error) = flushed {
            tracing::warn!(%error, "accepted events were not written");
            self.producer
                .purge(&mut |delivery| self.count(delivery.is_delivered()));
        }
    }

    fn count(&self, delivered: bool) {
        let count = if delivered {
            &self.delivered
        } else {
            &self.failed
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Delivering {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the collector's deliveries had panicked");
        }
    }
}
