//! How far the broker's clock is from ours, from small records that are sent all the time.
//!
//! ```text
//! sent <= append - offset <= acknowledged     append: the broker's time, cut to whole milliseconds
//! append - acknowledged <= offset < append + 1 ms - sent
//! ```
//!
//! Each record bounds the offset; what all of them allow is narrower than what one does. Between two records the bounds
//! are widened by what two quartzes may have moved against each other meanwhile. Where they contradict each other, a clock has moved.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use floodmark_contracts::{
    clock::Clock,
    histogram::{EncodedHistogram, empty, record},
    probe::ClockFacts,
};
use floodmark_kafka::{
    Batch, BatchConsumer, ClientSettings, ConsumerSettings, Delivery, Error, Producer,
    ProducerSettings, Record, TopicPartition,
    consumer::StartOffset,
    producer::{Outcome, Topic},
};
use hdrhistogram::Histogram;

use crate::run::files::micros;

/// Time from one record to the next.
const EVERY: Duration = Duration::from_millis(100);

/// How long is waited for an acknowledgement before other things are looked at.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long the partition's start may take to be found.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Records that may be on their way at once: a broker that stands still is not sent more.
const MOST_UNDERWAY: usize = 64;

/// How fast two clocks may move against each other before they count as having moved: what two quartzes differ by that
/// nothing corrects. NTP slews faster only where something was wrong.
const SLEW: f64 = 20e-6;

/// The append time's resolution, microseconds.
const MILLI: i64 = 1000;

/// Why the clocks are not compared.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The client could not be made.
    #[error("cannot compare the broker's clock with ours on topic `{topic}`")]
    Cluster {
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        source: Error,
    },
    /// The thread could not be started.
    #[error("cannot start the thread that compares clocks")]
    Thread(#[source] std::io::Error),
}

/// A comparison at work.
pub struct Probe {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<ClockFacts>>,
}

impl Probe {
    /// Starts sending to the first partition of `topic`, which exists and whose records the broker stamps.
    ///
    /// # Errors
    /// If the topic cannot be used.
    pub fn start(
        client: &ClientSettings,
        topic: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProbeError> {
        let failed = |source| ProbeError::Cluster {
            topic: topic.to_owned(),
            source,
        };
        let sender = Sender::new(client, topic, clock).map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("probe".to_owned())
            .spawn(move || sender.run(&seen))
            .map_err(ProbeError::Thread)?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Ends, with what was found.
    #[must_use]
    pub fn finish(mut self) -> ClockFacts {
        self.stop.store(true, Ordering::Relaxed);
        let facts = self.thread.take().map(JoinHandle::join);
        facts.and_then(Result::ok).unwrap_or_default()
    }
}

impl Drop for Probe {
    /// A comparison that is given up sends no more.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::debug!("the thread that compares clocks ended by a panic");
        }
    }
}

/// The thread's own state.
struct Sender {
    producer: Producer,
    topic: Topic,
    consumer: BatchConsumer,
    clock: Arc<dyn Clock>,
    underway: BTreeMap<u64, Underway>,
    findings: Findings,
    sent: u64,
    failures: u64,
}

/// What is known of a record so far, in our wall time.
#[derive(Debug, Clone, Copy, Default)]
struct Underway {
    sent: i64,
    acknowledged: Option<i64>,
    /// The broker's time, and when the record was read.
    seen: Option<(i64, i64)>,
}

impl Sender {
    fn new(client: &ClientSettings, topic: &str, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let mut at_once = client.clone();
        // Waiting for more records to send would only widen the bounds.
        at_once
            .properties
            .insert("linger.ms".to_owned(), "0".to_owned());
        let producer = Producer::new(&at_once, &ProducerSettings::default())?;
        let handle = producer.topic(topic)?;
        let mut consumer = BatchConsumer::new(client, &ConsumerSettings::default())?;
        let place = (TopicPartition::new(topic, 0), StartOffset::Beginning);
        consumer.assign(&[place], TIMEOUT)?;
        Ok(Self {
            producer,
            topic: handle,
            consumer,
            clock,
            underway: BTreeMap::new(),
            findings: Findings::default(),
            sent: 0,
            failures: 0,
        })
    }

    fn run(mut self, stop: &AtomicBool) -> ClockFacts {
        let mut batch = Batch::with_capacity(MOST_UNDERWAY);
        let mut next = self.clock.monotonic_us();
        while !stop.load(Ordering::Relaxed) {
            self.send();
            self.take_reports();
            next = (next + micros(EVERY)).max(self.clock.monotonic_us());
            // Reading is all that is left to do until then: a record is seen when it comes.
            loop {
                let left = next - self.clock.monotonic_us();
                let Ok(left @ 1..) = u64::try_from(left) else {
                    break;
                };
                self.read(&mut batch, Duration::from_micros(left));
                self.settle();
            }
        }
        let (sent, failures) = (self.sent, self.failures);
        self.findings.facts(sent, failures)
    }

    fn send(&mut self) {
        if self.underway.len() >= MOST_UNDERWAY {
            // The oldest will not tell anything that a newer one could not.
            self.underway.pop_first();
        }
        let number = self.sent;
        let payload = number.to_be_bytes();
        let record = Record::new(&self.topic, &payload).partition(0);
        let sent = self.clock.now().0;
        match self.producer.send(&record, number) {
            Ok(()) => {
                let underway = Underway {
                    sent,
                    ..Underway::default()
                };
                self.underway.insert(number, underway);
                self.sent += 1;
            }
            Err(_) => self.failures += 1,
        }
    }

    /// Waits a little for the acknowledgement: the poll returns with it.
    fn take_reports(&mut self) {
        let (underway, failures) = (&mut self.underway, &mut self.failures);
        let clock = &*self.clock;
        let mut report = |delivery: Delivery| match delivery.outcome {
            Outcome::Delivered { .. } => {
                if let Some(of) = underway.get_mut(&delivery.tag) {
                    of.acknowledged = Some(clock.now().0);
                }
            }
            Outcome::Failed { .. } => {
                underway.remove(&delivery.tag);
                *failures += 1;
            }
        };
        self.producer.poll(PATIENCE, &mut report);
    }

    fn read(&mut self, batch: &mut Batch, patience: Duration) {
        if let Err(error) = self.consumer.poll(batch, patience) {
            tracing::debug!(%error, "reading back what compares clocks");
            self.failures += 1;
            // Some errors come at once, and would come again as fast.
            self.clock.sleep(patience);
            return;
        }
        let now = self.clock.now().0;
        for message in batch.messages() {
            let number = message.payload().and_then(|bytes| bytes.try_into().ok());
            let Some(number) = number.map(u64::from_be_bytes) else {
                continue;
            };
            if let (Some(of), Some(stamp)) = (self.underway.get_mut(&number), message.timestamp()) {
                of.seen = Some((stamp.millis.saturating_mul(MILLI), now));
            }
        }
    }

    /// Takes what is known of records that have come the whole way.
    fn settle(&mut self) {
        let findings = &mut self.findings;
        self.underway.retain(|_, of| {
            let (Some(acknowledged), Some((appended, seen))) = (of.acknowledged, of.seen) else {
                return true;
            };
            findings.take(of.sent, appended, acknowledged, seen);
            false
        });
    }
}

/// What records tell: arithmetic without clock or broker.
struct Findings {
    told: u64,
    /// What all records since the last contradiction allow.
    bounds: Option<(i64, i64)>,
    /// When the last record was acknowledged.
    at: i64,
    /// What was allowed before, all together.
    before: Option<(i64, i64)>,
    drifts: u64,
    to_append: Option<Histogram<u64>>,
    to_seen: Option<Histogram<u64>>,
    negative: u64,
}

impl Default for Findings {
    fn default() -> Self {
        Self {
            told: 0,
            bounds: None,
            at: i64::MAX,
            before: None,
            drifts: 0,
            to_append: empty().ok(),
            to_seen: empty().ok(),
            negative: 0,
        }
    }
}

impl Findings {
    /// One record: all in our time but `appended`, which is the broker's, cut to milliseconds.
    fn take(&mut self, sent: i64, appended: i64, acknowledged: i64, seen: i64) {
        self.told += 1;
        self.slew(acknowledged);
        self.narrow(appended - acknowledged, appended + MILLI - sent);
        let appended = appended + MILLI / 2 - self.correction();
        let (to_append, to_seen) = (appended - sent, seen - appended);
        self.negative += u64::from(to_append < -MILLI) + u64::from(to_seen < -MILLI);
        for (histogram, latency) in [
            (&mut self.to_append, to_append),
            (&mut self.to_seen, to_seen),
        ] {
            if let Some(histogram) = histogram {
                // What is beyond the histogram's range says nothing about a clock.
                let _ = record(histogram, u64::try_from(latency).unwrap_or(0));
            }
        }
    }

    /// Clocks that are kept in step move against each other slowly, and no further than that is what was known undone.
    fn slew(&mut self, at: i64) {
        let slewed = (at.saturating_sub(self.at).max(0) as f64 * SLEW).ceil() as i64;
        self.at = at;
        if let Some((low, high)) = &mut self.bounds {
            (*low, *high) = (*low - slewed, *high + slewed);
        }
    }

    fn narrow(&mut self, low: i64, high: i64) {
        let (known_low, known_high) = self.bounds.unwrap_or((i64::MIN, i64::MAX));
        let both = (known_low.max(low), known_high.min(high));
        if both.0 <= both.1 {
            self.bounds = Some(both);
            return;
        }
        self.drifts += 1;
        self.before = self.allowed();
        self.bounds = Some((low, high));
    }

    /// All that the offset may have been.
    fn allowed(&self) -> Option<(i64, i64)> {
        let around = |(a, b): (i64, i64), (c, d): (i64, i64)| (a.min(c), b.max(d));
        match (self.before, self.bounds) {
            (Some(before), Some(now)) => Some(around(before, now)),
            (before, now) => before.or(now),
        }
    }

    /// What is taken for the offset: nothing, as on one machine, unless the records rule that out.
    fn correction(&self) -> i64 {
        match self.bounds {
            Some((low, high)) if low > 0 || high < 0 => low + (high - low) / 2,
            _ => 0,
        }
    }

    fn facts(self, sent: u64, failures: u64) -> ClockFacts {
        let encoded = |histogram: &Option<Histogram<u64>>| {
            let encoded = histogram.as_ref().map(EncodedHistogram::of);
            encoded.and_then(Result::ok).unwrap_or_default()
        };
        ClockFacts {
            sent,
            told: self.told,
            failures,
            offset_us: self.allowed().map(|(low, high)| [low, high]),
            drifts: self.drifts,
            to_append: encoded(&self.to_append),
            to_seen: encoded(&self.to_seen),
            negative: self.negative,
        }
    }
}

/// The name of a run's topic for this, beside its consumer group's.
#[must_use]
pub fn topic_of(group: &str) -> String {
    format!("{group}-probe")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of (sent, on the way to the broker, on the way back) by a broker whose clock is ahead by `offset`.
    fn told(records: &[(i64, i64, i64)], offset: impl Fn(i64) -> i64) -> ClockFacts {
        let mut findings = Findings::default();
        for (sent, there, back) in records {
            let at = sent + there;
            let stamp = (at + offset(*sent)).div_euclid(MILLI) * MILLI;
            findings.take(*sent, stamp, at + back, at + back + 100);
        }
        findings.facts(records.len() as u64, 0)
    }

    /// Every 100 ms and a bit, so that all parts of a millisecond are met.
    fn steady(count: i64) -> Vec<(i64, i64, i64)> {
        (0..count).map(|n| (n * 100_037, 400, 300)).collect()
    }

    #[test]
    fn many_records_bound_the_offset_closer_than_one() {
        for offset in [0, 5_000, -70_250] {
            let [one, many] = [1, 500].map(|n| told(&steady(n), |_| offset).offset_us.unwrap());
            for [low, high] in [one, many] {
                assert!(
                    low <= offset && offset <= high,
                    "{low}..{high} for {offset}"
                );
            }
            assert!(
                many[1] - many[0] < 900,
                "{many:?}: the way there and back is 700"
            );
            assert!(many[1] - many[0] < one[1] - one[0]);
        }
    }

    #[test]
    fn a_clock_that_moves_widens_the_bounds_and_is_told() {
        let moved = told(&steady(200), |at| if at < 10_000_000 { 0 } else { 20_000 });
        assert_eq!(moved.drifts, 1);
        let [low, high] = moved.offset_us.unwrap();
        assert!(low <= 0 && high >= 20_000, "{low}..{high}");
    }

    #[test]
    fn clocks_that_wander_slowly_are_followed_and_not_told() {
        // 10 ms in an hour: 2.8 ppm.
        let wandering = told(&steady(36_000), |at| at / 360_000);
        assert_eq!(wandering.drifts, 0);
        let [low, high] = wandering.offset_us.unwrap();
        assert!(
            low <= 10_000 && 10_000 <= high && high - low < 1_200,
            "{low}..{high}"
        );
    }

    #[test]
    fn latencies_are_freed_of_an_offset_that_is_known() {
        let ahead = told(&steady(300), |_| 40_000);
        let p50 =
            |histogram: &EncodedHistogram| histogram.decoded().unwrap().value_at_quantile(0.5);
        assert!(
            p50(&ahead.to_append).abs_diff(400) < 700,
            "{}",
            p50(&ahead.to_append)
        );
        assert!(
            p50(&ahead.to_seen).abs_diff(400) < 700,
            "{}",
            p50(&ahead.to_seen)
        );
        assert_eq!((ahead.negative, ahead.told), (0, 300));
    }

    #[test]
    fn what_is_negative_is_counted_and_not_hidden() {
        let mut findings = Findings::default();
        findings.take(0, 0, 700, 800);
        // Our own clock was set back by 10 ms while the record was on its way to us.
        findings.take(1_000_000, 1_000_000, 1_000_700, 990_800);
        let facts = findings.facts(2, 0);
        assert_eq!((facts.negative, facts.told), (1, 2));
        assert_eq!(facts.to_seen.decoded().unwrap().min(), 0);
    }

    #[test]
    fn without_a_record_nothing_is_known() {
        let facts = Findings::default().facts(3, 3);
        assert_eq!((facts.offset_us, facts.told, facts.failures), (None, 0, 3));
    }
}
