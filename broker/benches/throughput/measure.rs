//! The two measurements.

use std::error::Error;
use std::time::{Duration, Instant};

use crate::broker::Target;
use crate::clients::{self, BareProducer, BatchConsumer};

const RATE_PER_SECOND: u64 = 50_000;
/// How often a paced producer wakes: at every step it sends what is due.
const STEP: Duration = Duration::from_micros(500);
/// How long a consumer gathers records: briefly where they are timed, and otherwise not so briefly that asking
/// is most of its work.
const PACED_WAIT: Duration = Duration::from_millis(1);
const FULL_WAIT: Duration = Duration::from_millis(100);
/// A consumer that has heard nothing for so long will not hear the rest either.
const PATIENCE: Duration = Duration::from_secs(30);
/// Records sent before the paced measurement counts: connections and topics warm up on them.
const WARM_UP: u64 = RATE_PER_SECOND;

/// What the paced measurement found.
pub struct Latency {
    /// Records sent.
    pub offered: u64,
    /// Records received.
    pub received: u64,
    /// Median from the intended send time to the receipt.
    pub p50: Duration,
    /// 99th percentile of the same.
    pub p99: Duration,
    /// The longest of all.
    pub max: Duration,
    /// CPU time of the broker.
    pub cpu: Option<Duration>,
}

/// What the measurement at full speed found.
pub struct Throughput {
    /// Records sent and received.
    pub records: u64,
    /// From the first send to the last acknowledgement.
    pub produced: Duration,
    /// From the first send to the last receipt.
    pub consumed: Duration,
    /// CPU time of the broker.
    pub cpu: Option<Duration>,
}

/// Sends 300-byte records at a fixed rate and times each, from when it was due to its receipt.
pub fn latency(target: &Target, length: Duration, round: u64) -> Result<Latency, Box<dyn Error>> {
    // A topic for each round: a real broker deletes in its own time.
    let topic = &format!("bench-paced-{}-{round}", std::process::id());
    clients::create_topic(&target.bootstrap, topic)?;
    let n_records = WARM_UP + RATE_PER_SECOND * length.as_secs();
    let before = target.cpu()?;
    let start = now();
    let mut micros = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send_paced(target, topic, n_records, start));
        let received = receive_paced(target, topic, n_records, start);
        sender
            .join()
            .map_err(|_| "the sending thread failed")?
            .map_err(|e| e.to_string())?;
        received
    })?;
    let cpu = cpu_since(target, before)?;
    clients::delete_topic(&target.bootstrap, topic)?;
    let received = micros.len() as u64;
    // The consumer sees partitions apart, so the first records received are about the first sent.
    micros.drain(..micros.len().min(WARM_UP as usize));
    micros.sort_unstable();
    let at = |share: f64| {
        let index = (share * micros.len().saturating_sub(1) as f64) as usize;
        Duration::from_micros(micros.get(index).copied().unwrap_or_default())
    };
    Ok(Latency {
        offered: n_records,
        received,
        p50: at(0.5),
        p99: at(0.99),
        max: at(1.0),
        cpu,
    })
}

/// Sends 100-byte records as fast as they are taken, and receives them meanwhile.
pub fn throughput(
    target: &Target,
    n_records: u64,
    round: u64,
) -> Result<Throughput, Box<dyn Error>> {
    let topic = &format!("bench-full-{}-{round}", std::process::id());
    clients::create_topic(&target.bootstrap, topic)?;
    let mut producer = BareProducer::new(&target.bootstrap, topic)?;
    let mut consumer = BatchConsumer::new(&target.bootstrap, topic)?;
    let before = target.cpu()?;
    let start = now();
    let (produced, consumed) = std::thread::scope(|scope| {
        let sender = scope.spawn(move || {
            let payload = [b'x'; 100];
            for n in 0..n_records {
                producer.send(&payload).map_err(|e| e.to_string())?;
                if n % 10_000 == 0 {
                    producer.poll();
                }
            }
            producer.finish().map_err(|e| e.to_string())?;
            Ok::<_, String>(now() - start)
        });
        let mut received = 0;
        let mut last = now();
        while received < n_records && now() - last < PATIENCE {
            let n = consumer.receive(FULL_WAIT, |_| {})?;
            received += n;
            if n > 0 {
                last = now();
            }
        }
        if received < n_records {
            return Err(format!("received `{received}` of `{n_records}` records").into());
        }
        let produced = sender.join().map_err(|_| "the sending thread failed")??;
        Ok::<_, Box<dyn Error>>((produced, last - start))
    })?;
    let cpu = cpu_since(target, before)?;
    clients::delete_topic(&target.bootstrap, topic)?;
    Ok(Throughput {
        records: n_records,
        produced,
        consumed,
        cpu,
    })
}

fn send_paced(
    target: &Target,
    topic: &str,
    n_records: u64,
    start: Instant,
) -> Result<(), rdkafka::error::KafkaError> {
    let mut producer = BareProducer::new(&target.bootstrap, topic)?;
    let mut payload = [b'x'; 300];
    let mut sent = 0;
    // The schedule begins when the producer is there, and is never moved after that.
    let offset = now() - start;
    while sent < n_records {
        let due_now = (now() - start - offset).as_nanos() as u64 * RATE_PER_SECOND / 1_000_000_000;
        while sent < due_now.min(n_records) {
            let due = offset.as_nanos() as u64 + sent * 1_000_000_000 / RATE_PER_SECOND;
            payload[..8].copy_from_slice(&due.to_be_bytes());
            producer.send(&payload)?;
            sent += 1;
        }
        producer.poll();
        pause();
    }
    producer.finish()
}

fn receive_paced(
    target: &Target,
    topic: &str,
    n_records: u64,
    start: Instant,
) -> Result<Vec<u64>, Box<dyn Error>> {
    let mut consumer = BatchConsumer::new(&target.bootstrap, topic)?;
    let mut micros = Vec::with_capacity(n_records as usize);
    let mut last = now();
    while (micros.len() as u64) < n_records && now() - last < PATIENCE {
        let n = consumer.receive(PACED_WAIT, |payload| {
            let due = payload
                .first_chunk()
                .map_or(0, |bytes| u64::from_be_bytes(*bytes));
            let at = (now() - start).as_nanos() as u64;
            micros.push(at.saturating_sub(due) / 1000);
        })?;
        if n > 0 {
            last = now();
        }
    }
    Ok(micros)
}

fn cpu_since(
    target: &Target,
    before: Option<Duration>,
) -> Result<Option<Duration>, Box<dyn Error>> {
    Ok(target
        .cpu()?
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before)))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is about real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is about real time")]
fn pause() {
    std::thread::sleep(STEP);
}
