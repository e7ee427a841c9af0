//! The engine between a consumer and a producer: one thread, one loop.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_contracts::{
    clock::Clock,
    job::{DetectorJob, facts_files},
    row::Row,
    stream::Stream,
    subject::SubjectFacts,
};
use floodmark_kafka::{
    Admin, Batch, BatchConsumer, ClientSettings, ErrorCode,
    admin::NewTopic,
    consumer::{CommitMode, Event},
    registry::Registry,
};

use crate::{
    connect::{Connectors, Ending, EndsWithScope},
    engine::{Engine, Lane, Subject},
    enrichment::EnrichmentStore,
    exactly_once::{KeepError, Keeper, Snapshots},
    fraud::Stage,
    restarts::insist,
    runtime::Counts,
    schemas::Schemas,
    settings::{Delivery, Settings},
    sink::{DeadLetter, Sink},
    source::Source,
    traces::Traces,
    watch::{Meter, Seen, Turn, Watch},
};

mod error;
mod exactly_once;
mod exchange;

pub use error::DetectError;

/// How long the broker may take to answer at the start.
const PATIENCE: Duration = Duration::from_secs(15);

/// Records taken at once. Outputs leave between batches, so that this bounds how long an alert waits
/// for the records behind its own.
const BATCH: usize = 4096;

/// Longest wait for records: a stop is noticed within it.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// Wall time between reports of progress.
const PROGRESS_EVERY_US: i64 = 1_000_000;

/// Wall time between watermarks that are told whether or not they moved: who has taken a partition of the
/// exchange over, with fresh state, learns within it how far all sources are.
const HEARTBEAT_US: i64 = 1_000_000;

/// Partitions of the topic of rows: so many processes can share a sink's work.
const ROW_PARTITIONS: i32 = 4;

/// Errors of polls in a row that are borne: the client reconnects by itself.
const MOST_POLL_ERRORS: u32 = 10;

/// Pause after a failed poll.
const POLL_PAUSE: Duration = Duration::from_millis(500);

/// What the detector is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The group gave it partitions; this many in all.
    Assigned {
        /// Number of partitions.
        partitions: usize,
    },
    /// How far it is, once a second.
    Position {
        /// Records consumed.
        consumed: u64,
        /// Alerts written.
        alerts: u64,
    },
    /// The first alert has left: handed to the client, or committed where transactions are used.
    FirstAlert,
    /// Every partition has been read to its end. More may come.
    CaughtUp,
}

/// Runs the bundled detector until `stop` is set: then the output is flushed, offsets are committed
/// and the facts are written to where the job says.
///
/// # Errors
/// If the plan is not valid, or the broker, the registry or the enrichment data cannot be used. A
/// broker that goes away for a while is waited for.
pub fn run(
    job: &DetectorJob,
    clock: &dyn Clock,
    stop: &AtomicBool,
    stdout: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<SubjectFacts, DetectError> {
    run_watched(job, &Watch::new(), clock, stop, stdout, progress)
}

/// As [`run`], with its figures in `watch` while it goes on.
///
/// # Errors
/// As [`run`].
pub fn run_watched(
    job: &DetectorJob,
    watch: &Watch,
    clock: &dyn Clock,
    stop: &AtomicBool,
    stdout: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<SubjectFacts, DetectError> {
    let subject = || {
        let enrichment = match &job.enrichment {
            Some(path) => EnrichmentStore::load(path)?,
            None => EnrichmentStore::default(),
        };
        Ok(Subject::Bundled(enrichment))
    };
    run_subject(job, &subject, watch, clock, stop, stdout, progress)
}

/// Makes what is to be run, for every attempt anew.
pub(crate) type NewSubject<'a> = &'a dyn Fn() -> Result<Subject, DetectError>;

pub(crate) fn run_subject(
    job: &DetectorJob,
    subject: NewSubject<'_>,
    watch: &Watch,
    clock: &dyn Clock,
    stop: &AtomicBool,
    stdout: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<SubjectFacts, DetectError> {
    let settings =
        Settings::validate(&job.section).map_err(|problems| DetectError::Settings { problems })?;
    if job.inputs.values().all(Vec::is_empty) {
        return Err(DetectError::NoInput);
    }
    watch.begin(job, &settings, clock.now());
    let mut facts = insist(watch, settings.restarts, clock, stop, || {
        attempt(
            job,
            &settings,
            subject()?,
            watch,
            clock,
            stop,
            stdout,
            progress,
        )
    })?;
    watch.complete(&mut facts);
    if let Some(first) = &job.facts {
        let free = facts_files(first).find(|path| !path.exists());
        let path = &free.unwrap_or_else(|| first.clone());
        let written = serde_json::to_vec_pretty(&facts)
            .map_err(std::io::Error::other)
            .and_then(|json| std::fs::write(path, json));
        written.map_err(|source| DetectError::Facts {
            path: path.clone(),
            source,
        })?;
    }
    Ok(facts)
}

/// One life of the detector, from the first look at the broker to its end.
#[expect(
    clippy::too_many_arguments,
    reason = "what a run is given, passed on as it is"
)]
fn attempt(
    job: &DetectorJob,
    settings: &Settings,
    subject: Subject,
    watch: &Watch,
    clock: &dyn Clock,
    stop: &AtomicBool,
    stdout: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<SubjectFacts, DetectError> {
    let client = ClientSettings {
        bootstrap: job.connection.bootstrap.clone(),
        properties: job.connection.properties.clone(),
    };
    let admin = check_topics(&client, job)?;
    if settings.rows.is_some() {
        make_topic(&admin, &Row::topic_of(&job.group))?;
    }
    let ending = Ending::default();
    std::thread::scope(|scope| {
        let _ends = EndsWithScope(&ending);
        let sinks = &settings.sinks;
        let connectors = Connectors::start(scope, sinks, &client, job, (watch, clock), &ending);
        let mut facts = detect(
            job,
            settings,
            subject,
            (&client, &admin),
            (watch, clock),
            stop,
            (stdout, progress),
        )?;
        facts.sinks = connectors.drain(&ending);
        Ok(facts)
    })
}

/// The detector itself, between its topics.
fn detect(
    job: &DetectorJob,
    settings: &Settings,
    subject: Subject,
    (client, admin): (&ClientSettings, &Admin),
    (watch, clock): (&Watch, &dyn Clock),
    stop: &AtomicBool,
    (stdout, progress): (&mut dyn Write, &mut dyn FnMut(Progress)),
) -> Result<SubjectFacts, DetectError> {
    let registry = job
        .connection
        .registry
        .as_deref()
        .map(Registry::new)
        .transpose();
    let mut engine = Engine::new(settings, subject, job.inputs.keys().copied())?;
    let exchange = exchange::prepare(admin, job, &mut engine)?;
    let exchange = exchange.as_deref();
    let stage = engine
        .lookups()
        .map(|lookups| Stage::open(&settings.fraud, lookups, watch.tracer()))
        .transpose()
        .map_err(|source| DetectError::Fraud { source })?;
    let schemas = Schemas::new(registry.map_err(|source| DetectError::Registry { source })?);
    let commit_every_us = micros(settings.commit_interval);
    let kept = open_snapshots(&settings.delivery, watch)?;
    let source = Source::join(client, job, exchange, settings.read_ahead_kib)?;
    watch.joined(exchange, clock.now());
    let meter = Meter::new(watch, clock)?;
    let traces = watch.tracer().map(Traces::new);
    match kept {
        None => Detector {
            engine,
            schemas,
            sink: Sink::open(client, job, exchange)?
                .scoring(stage)
                .tracing(traces),
            source,
            meter,
            commit_every_us,
            max_ahead_ms: settings.max_ahead_ms,
            next_heartbeat_us: i64::MIN,
            unreadable: 0,
            clock,
            stdout,
            progress,
        }
        .run(stop),
        Some((snapshots, snapshot_every_us)) => {
            // Wall time and process tell this run of the slot from every earlier one.
            let instance = format!("s{}-{:x}-{:x}", job.slot, clock.now().0, std::process::id());
            exactly_once::Exact {
                keeper: Keeper::new(engine, snapshots, settings.of_state(), instance),
                schemas,
                sink: Sink::transactional(client, job, exchange)?
                    .scoring(stage)
                    .tracing(traces),
                source,
                meter,
                max_ahead_ms: settings.max_ahead_ms,
                client: client.clone(),
                group: job.group.clone(),
                lanes: BTreeMap::new(),
                lines: Vec::new(),
                commit_every_us,
                snapshot_every_us,
                next_snapshot_us: i64::MAX,
                snapshots: exactly_once::Writer::default(),
                unreadable: 0,
                clock,
                stdout,
                progress,
            }
            .run(stop)
        }
    }
}

/// The store of snapshots, and how often one is taken, if the detector keeps its state. At the very start a store that does not
/// answer is a wrong address; later it may be away for a while.
fn open_snapshots(
    delivery: &Delivery,
    watch: &Watch,
) -> Result<Option<(Snapshots, i64)>, DetectError> {
    let Delivery::ExactlyOnce {
        snapshots,
        snapshot_interval,
    } = delivery
    else {
        return Ok(None);
    };
    let opened = if watch.has_joined() {
        Snapshots::open_again(snapshots)
    } else {
        Snapshots::open(snapshots)
    };
    let snapshots = opened.map_err(KeepError::from)?;
    Ok(Some((snapshots, micros(*snapshot_interval))))
}

/// Makes the topic if it is not there.
fn make_topic(admin: &Admin, topic: &str) -> Result<(), DetectError> {
    if admin.topic(topic)?.is_some() {
        return Ok(());
    }
    match admin.create_topics(&[NewTopic::new(topic, ROW_PARTITIONS)]) {
        // Another process of the group was quicker.
        Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => Ok(()),
        made => Ok(made?),
    }
}

/// Asks for every topic, so that a wrong name ends the detector at once instead of leaving it waiting
/// for partitions that never come.
fn check_topics(client: &ClientSettings, job: &DetectorJob) -> Result<Admin, DetectError> {
    let admin = Admin::new(client, PATIENCE)?;
    admin.wait_until_reachable(PATIENCE)?;
    let outputs = [
        ("alerts", &job.anomalies),
        ("fraud flags", &job.fraud_flags),
        ("dead letters", &job.dead_letters),
    ];
    let inputs = job
        .inputs
        .iter()
        .flat_map(|(stream, topics)| topics.iter().map(|topic| (stream.name(), topic)));
    for (role, topic) in inputs.chain(outputs) {
        if admin.topic(topic)?.is_none() {
            return Err(DetectError::NoTopic {
                role: role.to_owned(),
                topic: topic.clone(),
            });
        }
    }
    Ok(admin)
}

/// True if everything was read, down to what this process itself has sent through the exchange.
fn is_caught_up(source: &Source, sink: &Sink) -> bool {
    let is_ahead = |(partition, offset)| source.has_ahead(partition, offset);
    source.is_caught_up() && sink.is_settled() && !sink.frames().any(is_ahead)
}

/// Takes note of what the consumer reports beside partitions that come, go or end.
fn note(source: &mut Source, event: &Event) -> Result<(), DetectError> {
    match event {
        Event::DataLost {
            partition,
            resume,
            detail,
        } => {
            tracing::warn!(%partition, detail, "records are gone; going on with those that are there");
            let start = [(partition.clone(), *resume)];
            source.consumer.seek(&start, PATIENCE)?;
        }
        Event::Error {
            partition,
            code,
            detail,
        } => {
            tracing::warn!(?partition, ?code, detail, "the consumer reports an error");
            if matches!(
                code,
                ErrorCode::BrokerTransportFailure | ErrorCode::AllBrokersDown
            ) {
                source.cut_off();
            }
        }
        other => tracing::debug!(?other, "the consumer reports something else"),
    }
    Ok(())
}

fn is_banking(lane: Lane) -> bool {
    matches!(lane, Lane::Input(Stream::Banking, _))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Polls, and bears with failures for a while.
fn poll(
    consumer: &mut BatchConsumer,
    batch: &mut Batch,
    wait: Duration,
    clock: &dyn Clock,
) -> Result<(), DetectError> {
    let mut failures = 0;
    loop {
        match consumer.poll(batch, wait) {
            Ok(()) => return Ok(()),
            Err(error) if !error.is_fatal() && failures < MOST_POLL_ERRORS => {
                failures += 1;
                tracing::warn!(%error, in_a_row = failures, "a poll failed; trying again");
                clock.sleep(POLL_PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What the detector tells of itself at its end.
fn facts_of(
    counts: impl Iterator<Item = (Stream, Counts)>,
    unreadable: u64,
    sink: &Sink,
) -> SubjectFacts {
    let mut facts = SubjectFacts {
        alerts: sink.alerts(),
        dead_letters: sink.letters(),
        rows: sink.rows(),
        ..SubjectFacts::default()
    };
    for (stream, counts) in counts {
        let unseen = if stream == Stream::Banking {
            unreadable
        } else {
            0
        };
        facts.consumed.insert(stream, counts.consumed + unseen);
        facts.late.insert(stream, counts.late);
        facts.unreadable.insert(stream, counts.malformed + unseen);
    }
    facts
}

struct Detector<'a> {
    engine: Engine,
    schemas: Schemas,
    sink: Sink,
    source: Source,
    meter: Meter<'a>,
    commit_every_us: i64,
    next_heartbeat_us: i64,
    max_ahead_ms: i64,
    /// Records whose schema we cannot read; the engine never saw them.
    unreadable: u64,
    clock: &'a dyn Clock,
    stdout: &'a mut dyn Write,
    progress: &'a mut dyn FnMut(Progress),
}

impl Detector<'_> {
    fn run(mut self, stop: &AtomicBool) -> Result<SubjectFacts, DetectError> {
        let worked = self.work(stop);
        // Also after a failure: what was counted goes on being counted after a restart.
        self.show();
        worked?;
        self.finish()
    }

    fn work(&mut self, stop: &AtomicBool) -> Result<(), DetectError> {
        let mut batch = Batch::with_capacity(BATCH);
        let wait = Duration::from_micros(self.commit_every_us.unsigned_abs()).min(LONGEST_WAIT);
        let (mut next_commit, mut next_progress) = (i64::MIN, i64::MIN);
        let (mut caught_up, mut alerted) = (false, false);
        while !stop.load(Ordering::Relaxed) {
            self.meter.turn(Turn::Idle, self.clock);
            poll(&mut self.source.consumer, &mut batch, wait, self.clock)?;
            self.meter.turn(Turn::Busy, self.clock);
            self.feed(&batch)?;
            for event in batch.events() {
                self.handle(event)?;
            }
            let now_us = self.clock.monotonic_us();
            self.engine.tick(now_us);
            self.emit()?;
            if now_us >= next_commit || self.engine.has_parts() {
                self.tell(now_us)?;
            }
            if !std::mem::replace(&mut alerted, self.sink.alerts() > 0) && alerted {
                (self.progress)(Progress::FirstAlert);
            }
            if now_us >= next_commit {
                self.commit(CommitMode::Background)?;
                next_commit = now_us.saturating_add(self.commit_every_us);
            }
            if now_us >= next_progress {
                self.report();
                next_progress = now_us + PROGRESS_EVERY_US;
            }
            if self.meter.is_due(now_us) {
                let engine = &self.engine;
                self.source
                    .hold_back(|lane| engine.watermark(lane), self.max_ahead_ms)?;
                self.show();
            }
            let is_caught_up = is_caught_up(&self.source, &self.sink) && !self.engine.has_parts();
            let was_caught_up = std::mem::replace(&mut caught_up, is_caught_up);
            if caught_up && !was_caught_up {
                (self.progress)(Progress::CaughtUp);
            }
        }
        Ok(())
    }

    fn feed(&mut self, batch: &Batch) -> Result<(), DetectError> {
        let now_us = self.clock.monotonic_us();
        self.meter.received(self.clock);
        if self.source.is_back(batch) {
            self.engine.reconnected(now_us);
        }
        for message in batch.messages() {
            let Some((lane, topic)) = self.source.place_of(&message) else {
                continue;
            };
            self.meter.consumed(lane, &message);
            let value = message.payload().unwrap_or_default();
            let traced = self.sink.traces().and_then(|traces| traces.begin(&message));
            let mut outcome = Ok(());
            if is_banking(lane) {
                outcome = self
                    .schemas
                    .admit(value, self.clock)
                    .map_err(|source| DetectError::Registry { source })?;
                self.unreadable += u64::from(outcome.is_err());
            }
            if outcome.is_ok() {
                outcome = self.engine.feed_lane(lane, value, now_us);
                self.meter.fed(lane, self.engine.n_outputs(), &message);
            }
            if let (Some(taken), Some(traces)) = (traced, self.sink.traces()) {
                let refused = outcome.as_ref().err().map(String::as_str);
                traces.end(taken, (lane, topic), &message, refused);
            }
            if let Err(reason) = outcome {
                let letter = DeadLetter {
                    topic,
                    partition: message.partition(),
                    offset: message.offset(),
                    key: message.key(),
                    value: message.payload(),
                    reason: &reason,
                };
                self.sink.bury(letter, self.clock)?;
            }
            self.source.handled(&message);
        }
        Ok(())
    }

    fn handle(&mut self, event: &Event) -> Result<(), DetectError> {
        let now_us = self.clock.monotonic_us();
        match event {
            Event::Assigned { partitions } => {
                for lane in self.source.assign(partitions) {
                    self.engine.take_on(lane, now_us);
                }
                let partitions = self.source.n_assigned();
                (self.progress)(Progress::Assigned { partitions });
            }
            Event::Revoked { partitions, lost } => {
                self.emit()?;
                if !lost {
                    self.tell(now_us)?;
                    self.commit(CommitMode::Wait)?;
                }
                for lane in self.source.revoke(partitions) {
                    self.engine.give_up(lane);
                }
            }
            Event::EndOfPartition { partition, offset } => {
                if let Some(Lane::Input(stream, lane)) = self.source.reached_end(partition, *offset)
                {
                    self.engine.reached_end(stream, lane);
                }
            }
            Event::Committed { offsets, failure } => self.source.committed(offsets, *failure)?,
            other => note(&mut self.source, other)?,
        }
        Ok(())
    }

    /// Hands the engine's outputs to the producer.
    fn emit(&mut self) -> Result<(), DetectError> {
        self.engine.check()?;
        let outputs = self.engine.take(self.clock.now());
        self.meter.taken();
        if outputs.is_empty() {
            return Ok(());
        }
        self.sink.write(outputs, self.clock, self.stdout)?;
        self.meter.settled(self.clock);
        Ok(())
    }

    /// Sends what is for the exchange: parts, and how far each partition is.
    fn tell(&mut self, now_us: i64) -> Result<(), DetectError> {
        let all = now_us >= self.next_heartbeat_us;
        if all {
            self.next_heartbeat_us = now_us.saturating_add(HEARTBEAT_US);
        }
        let frames = self.engine.take_frames(all);
        self.sink.send_frames(&frames, self.clock)
    }

    /// Commits what was read, after what came of it was acknowledged: at least once.
    fn commit(&mut self, mode: CommitMode) -> Result<(), DetectError> {
        let began_us = self.clock.monotonic_us();
        self.meter.turn(Turn::Blocked, self.clock);
        self.sink.settle(self.clock)?;
        if self.source.commit(mode)? {
            self.meter.committed(began_us, self.clock);
        }
        self.meter.turn(Turn::Busy, self.clock);
        Ok(())
    }

    /// Copies the figures to where they are shown.
    fn show(&mut self) {
        let seen = Seen {
            engine: &self.engine,
            source: &self.source,
            sink: &self.sink,
            unreadable: self.unreadable,
            live: true,
        };
        self.meter.show(&seen, self.clock);
    }

    fn report(&mut self) {
        let consumed = self
            .engine
            .counts()
            .map(|(_, counts)| counts.consumed)
            .sum();
        (self.progress)(Progress::Position {
            consumed,
            alerts: self.sink.alerts(),
        });
    }

    fn finish(mut self) -> Result<SubjectFacts, DetectError> {
        self.meter.ending(self.clock);
        self.emit()?;
        self.tell(self.clock.monotonic_us())?;
        self.commit(CommitMode::Wait)?;
        self.show();
        self.meter.ending(self.clock);
        let facts = facts_of(self.engine.counts(), self.unreadable, &self.sink);
        self.source.consumer.close()?;
        Ok(facts)
    }
}
