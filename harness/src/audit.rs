//! What the run's topics hold, against what they should.
//!
//! The plan and its seed give the same bytes again, so every partition's log is known before it is read. After
//! the drain, and before the broker goes, it is read back and compared record by record, several partitions at
//! once, in memory that does not grow with the run. It never fails a run: what could not be done is said.

mod alerts;
mod partition;
mod sequence;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use floodmark_contracts::{
    audit::{AuditFacts, AuditMode, Difference, PartitionAudit, StreamAudit},
    clock::Clock,
    record::StreamFacts,
    stream::Stream,
};
use floodmark_generator::Plan;
use floodmark_kafka::{Admin, ClientSettings, TopicPartition, admin::Watermarks};

pub use self::alerts::{AlertsOf, audit_alerts};
use self::partition::{Outcome, PartitionJob};

/// Events up to which every record is compared unless the profile says otherwise: a run's end waits for it.
pub const COMPARED_BY_DEFAULT: u64 = 5_000_000;

/// Slots that may be walked over all partitions: each partition's log is made by walking the whole plan.
const MOST_WALKED: u64 = 1_000_000_000;

/// Differences of each stream that are kept as examples.
const EXAMPLES: usize = 20;

/// How often progress is told, and a signal looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What an audit of the input topics needs.
pub struct Request<'a> {
    /// What was to be sent.
    pub plan: &'a Plan,
    /// The cluster.
    pub client: &'a ClientSettings,
    /// For questions to it.
    pub admin: &'a Admin,
    /// The topics of each stream.
    pub inputs: &'a BTreeMap<Stream, Vec<String>>,
    /// The bounds of their partitions before the first event.
    pub starts: &'a [Watermarks],
    /// What the generator saw.
    pub generator: &'a BTreeMap<Stream, StreamFacts>,
    /// How the run ended before its time, if it did: then nobody knows where the logs should end.
    pub cut_short: Option<String>,
    /// Processes that sent.
    pub workers: u32,
    /// What the profile asks for.
    pub mode: Option<AuditMode>,
    /// Set by a signal.
    pub stop: &'a AtomicBool,
    /// The clock.
    pub clock: &'a dyn Clock,
}

/// Audits the input topics. `progress` is told of records compared, of how many.
pub fn audit_inputs(request: &Request<'_>, progress: &mut dyn FnMut(u64, u64)) -> AuditFacts {
    let begun = request.clock.monotonic_us();
    let mut facts = AuditFacts::default();
    if request.mode == Some(AuditMode::None) {
        return facts;
    }
    match count(request) {
        Ok(streams) => facts.streams = streams,
        Err(error) => {
            facts.reason = Some(format!("the partitions' ends could not be read: {error}"));
            return facts;
        }
    }
    facts.mode = AuditMode::Counts;
    match obstacle(request, &facts.streams) {
        Obstacle::NotAsked => {}
        Obstacle::Because(reason) => facts.reason = Some(reason),
        Obstacle::None => match compare(request, &mut facts.streams, progress) {
            Ok(()) => facts.mode = AuditMode::Full,
            Err(reason) => facts.reason = Some(reason),
        },
    }
    facts.seconds = (request.clock.monotonic_us() - begun) as f64 / 1e6;
    facts
}

/// Counts what was appended to each partition.
fn count(request: &Request<'_>) -> Result<BTreeMap<Stream, StreamAudit>, floodmark_kafka::Error> {
    let mut streams = BTreeMap::new();
    for (stream, topics) in request.inputs {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let mut audit = StreamAudit::default();
        if let Some(facts) = request.generator.get(stream) {
            audit.expected = facts.acknowledged + facts.closing;
            audit.unacknowledged = facts.sent.saturating_sub(facts.acknowledged);
        }
        for bounds in request.admin.watermarks(&names)? {
            let from = start_of(request.starts, &bounds.partition);
            audit.appended += u64::try_from(bounds.high - from).unwrap_or(0);
            audit.trimmed += u64::try_from(bounds.low - from).unwrap_or(0);
            audit.partitions.push(PartitionAudit {
                topic: bounds.partition.topic,
                partition: bounds.partition.partition,
                from,
                low: bounds.low.max(from),
                high: bounds.high,
                ..PartitionAudit::default()
            });
        }
        streams.insert(*stream, audit);
    }
    Ok(streams)
}

/// A topic that was there before the run and is empty may have had records: its offsets go on.
pub(crate) fn start_of(starts: &[Watermarks], partition: &TopicPartition) -> i64 {
    let bounds = starts.iter().find(|bounds| bounds.partition == *partition);
    bounds.map_or(0, |bounds| bounds.high)
}

/// What keeps records from being compared.
enum Obstacle {
    None,
    /// Nobody asked for it.
    NotAsked,
    /// In words.
    Because(String),
}

fn obstacle(request: &Request<'_>, streams: &BTreeMap<Stream, StreamAudit>) -> Obstacle {
    if request.mode == Some(AuditMode::Counts) {
        return Obstacle::NotAsked;
    }
    if let Some(how) = &request.cut_short {
        return Obstacle::Because(format!("the run was cut short: {how}"));
    }
    let records: u64 = streams.values().map(|audit| audit.appended).sum();
    if request.mode.is_none() && records > COMPARED_BY_DEFAULT {
        return Obstacle::Because(format!(
            "the topics hold {records} records, and more than {COMPARED_BY_DEFAULT} are compared only with \
             `audit: full`"
        ));
    }
    let walked = request.plan.streams().map(|stream| {
        let lanes = u64::from(request.plan.lanes(stream));
        request.plan.slots(stream).saturating_mul(lanes)
    });
    let walked: u64 = walked.fold(0, u64::saturating_add);
    if walked > MOST_WALKED {
        return Obstacle::Because(format!(
            "making every partition's log again takes {walked} steps, more than {MOST_WALKED}; use fewer \
             partitions or a shorter run"
        ));
    }
    let own_key = |stream: &Stream| !request.plan.shares_are_partitions(*stream);
    if request.workers > 1 && request.plan.streams().any(|stream| own_key(&stream)) {
        return Obstacle::Because(
            "several workers write to the same partitions, where the profile asks for another key, and in no \
             certain order"
                .to_owned(),
        );
    }
    let trimmed = streams.values().any(|audit| audit.trimmed > 0);
    if trimmed && request.plan.transactions().is_some() {
        // Offsets count markers as well, so nobody knows which records are missing in front.
        return Obstacle::Because(
            "records were deleted from topics that hold transactions".to_owned(),
        );
    }
    Obstacle::None
}

/// Compares every record, several partitions at once.
fn compare(
    request: &Request<'_>,
    streams: &mut BTreeMap<Stream, StreamAudit>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), String> {
    let jobs = jobs(request, streams);
    let total = jobs.iter().map(PartitionJob::records).sum();
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let given_up = AtomicBool::new(false);
    let outcomes: Mutex<Vec<(usize, Result<Outcome, String>)>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let work = || {
            while let Some((number, job)) = next_job(&jobs, &next) {
                let outcome = job.run(request, &done, &given_up);
                if outcome.is_err() {
                    given_up.store(true, Ordering::Relaxed);
                }
                let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                outcomes.push((number, outcome));
            }
        };
        let workers: Vec<_> = (0..threads.min(jobs.len()))
            .map(|_| scope.spawn(work))
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            if request.stop.load(Ordering::Relaxed) {
                given_up.store(true, Ordering::Relaxed);
            }
            progress(done.load(Ordering::Relaxed), total);
            request.clock.sleep(LOOK_EVERY);
        }
    });
    let mut outcomes = outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(number, _)| *number);
    if outcomes.len() < jobs.len() && outcomes.iter().all(|(_, outcome)| outcome.is_ok()) {
        return Err("a signal came while records were compared".to_owned());
    }
    // Who gave up because of another's failure does not hide it.
    if let Some(number) = outcomes.iter().position(|(_, outcome)| is_failure(outcome)) {
        outcomes.swap(0, number);
    }
    let mut found = Vec::new();
    for (number, outcome) in outcomes {
        found.push((&jobs[number], outcome?));
    }
    for (job, outcome) in found {
        enter(streams, job, outcome);
    }
    Ok(())
}

fn is_failure(outcome: &Result<Outcome, String>) -> bool {
    outcome
        .as_ref()
        .is_err_and(|reason| reason != partition::GIVEN_UP)
}

fn next_job<'a>(jobs: &'a [PartitionJob], next: &AtomicUsize) -> Option<(usize, &'a PartitionJob)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    jobs.get(number).map(|job| (number, job))
}

fn jobs(request: &Request<'_>, streams: &BTreeMap<Stream, StreamAudit>) -> Vec<PartitionJob> {
    let mut jobs = Vec::new();
    for (stream, audit) in streams {
        let topics = &request.inputs[stream];
        let partitions = request.plan.topics(*stream).map_or(1, |(_, each)| each);
        for partition in &audit.partitions {
            let topic = topics.iter().position(|name| *name == partition.topic);
            let Some(topic) = topic.and_then(|index| u32::try_from(index).ok()) else {
                continue;
            };
            jobs.push(PartitionJob {
                stream: *stream,
                lane: topic * partitions + partition.partition.unsigned_abs(),
                bounds: partition.clone(),
            });
        }
    }
    jobs
}

/// Enters what was found in one partition.
fn enter(streams: &mut BTreeMap<Stream, StreamAudit>, job: &PartitionJob, outcome: Outcome) {
    let Some(audit) = streams.get_mut(&job.stream) else {
        return;
    };
    audit.compared += outcome.compared;
    audit.found.add(outcome.found);
    let room = EXAMPLES.saturating_sub(audit.examples.len());
    let examples: Vec<Difference> = outcome.examples.into_iter().take(room).collect();
    audit.examples.extend(examples);
    let of = audit.partitions.iter_mut().find(|partition| {
        partition.topic == job.bounds.topic && partition.partition == job.bounds.partition
    });
    if let Some(partition) = of {
        partition.compared = outcome.compared;
        partition.found = outcome.found;
    }
}
