//! The stages of a run.

use std::{
    collections::BTreeMap, path::PathBuf, process::Command, sync::atomic::Ordering, time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, WallTime},
    job::{Connection, GeneratorJob, Pace, Start, WorkerShare, exchange_of},
    profile::shape::RawFormat,
    record::{Ending, GeneratorFacts, ProcessFacts, SeriesRow},
    stream::Stream,
};
use floodmark_kafka::{
    Admin, ClientSettings,
    admin::{Lag, Watermarks},
};

use super::{
    Folders, Generated, LagNow, Request, RunError, RunEvent, alerts_file,
    disturbed::{self, Led},
    files::{self, read_json, read_series, write_private},
    group::GroupWatch,
    live,
    misses::Misses,
    several,
    tail::Tail,
    trim::{Trimmer, trim},
    under_test,
};
use crate::{
    audit::start_of,
    broker::{BrokerChoice, RunningBroker, StartContext},
    child::{Child, SHOWN_LINES},
    collect::Collector,
    faults::Injector,
    lag::LagClock,
    leftovers,
    probe::{self, Probe},
    resources::{self, Sampler, Target},
    subject::{RunningSubject, SubjectKind},
    topics::{Lent, TopicSpec, Topics, specs},
};

/// How long a child may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// How long one question to the cluster may take.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A run that is ready to generate.
pub(super) struct Setup {
    pub(super) broker: RunningBroker,
    /// A registry beside a broker that brings none; held so that it lives as long as the run.
    pub(super) registry: Option<RunningBroker>,
    pub(super) client: ClientSettings,
    pub(super) connection: Connection,
    pub(super) topics: Lent,
    pub(super) collector: Collector,
    pub(super) subject: RunningSubject,
    /// Consumer group whose lag is the subject's; none where it has none, or commits no offsets.
    pub(super) lag_group: Option<String>,
    pub(super) group: String,
    pub(super) admin: Admin,
    pub(super) inputs: BTreeMap<Stream, Vec<String>>,
    /// The bundled detector's own topic.
    pub(super) exchange: Option<String>,
    progress: BTreeMap<(WallTime, Stream), Progress>,
    /// The last look at it.
    lag_now: Option<LagNow>,
    /// Due time 0, once it is known.
    pub(super) started_at: Option<WallTime>,
    /// On the embedded broker, unless the records are to be kept.
    trimmer: Option<Trimmer>,
    pub(super) processes: Vec<ProcessFacts>,
    /// Monotonic microseconds at which the time limit is reached.
    deadline_us: Option<i64>,
    /// Why the run ends before its time, once it does.
    pub(super) ending: Option<Ending>,
    /// The end of the subject's log, where the subject is why.
    pub(super) subject_lines: Vec<String>,
    /// What was found that does not touch the run.
    pub(super) notices: Vec<String>,
    /// There is no subject.
    is_unread: bool,
    pub(super) misses: Misses,
    pub(super) sampler: Sampler,
    lag_clock: LagClock,
    group_watch: GroupWatch,
    /// The bounds of the input topics before the first event.
    pub(super) starts: Vec<Watermarks>,
    pub(super) probe: Probe,
    pub(super) faults: Injector,
    /// What the subject is told, with the proxies that stand on its ways.
    pub(super) led: Led,
}

impl Setup {
    /// An error if broker or registry have died.
    pub(super) fn check_services(&mut self) -> Result<(), RunError> {
        self.broker.check().map_err(RunError::Child)?;
        match &mut self.registry {
            Some(registry) => registry.check().map_err(RunError::Child),
            None => Ok(()),
        }
    }

    /// Whether the run must end before its time; why is noted, the first reason stands.
    pub(super) fn must_end(&mut self, request: &Request<'_>) -> Result<bool, RunError> {
        self.check_services()?;
        if self.ending.is_some() {
            return Ok(true);
        }
        let is_over = |deadline| request.clock.monotonic_us() >= deadline;
        if request.stop.load(Ordering::Relaxed) {
            self.ending = Some(Ending::Interrupted);
        } else if self.deadline_us.is_some_and(is_over) {
            self.ending = Some(Ending::TimeLimit);
        } else if let Some(died) = self.subject.died() {
            self.subject_lines = died.lines.lines().map(str::to_owned).collect();
            self.ending = Some(Ending::SubjectDied(died.status));
        }
        Ok(self.ending.is_some())
    }

    /// Why the run ends before its time.
    pub(super) fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// The subject's lag in records over all streams, 0 where nothing tells of it; each stream's is noted for the time
    /// series. None while the broker is away by a fault.
    pub(super) fn sample_lag(&mut self, clock: &dyn Clock) -> Result<Option<u64>, RunError> {
        let Some(group) = self.lag_group.clone() else {
            return Ok(Some(0));
        };
        let Some(lag) = self.lag_of(&group, clock)? else {
            return Ok(None);
        };
        let at = clock.now();
        let mut all = LagNow::default();
        for (stream, topics) in &self.inputs {
            let mut progress = Progress::default();
            for part in lag
                .iter()
                .filter(|part| topics.contains(&part.partition.topic))
            {
                progress.behind += part.records;
                let start = start_of(&self.starts, &part.partition);
                let committed = part.committed.map_or(0, |committed| committed - start);
                progress.committed += u64::try_from(committed).unwrap_or(0);
                let age_s = self.lag_clock.observe(clock.monotonic_us(), part);
                progress.age_s = progress.age_s.max(age_s);
            }
            all.records += progress.behind;
            all.age_s = all.age_s.max(progress.age_s);
            self.progress.insert((at, *stream), progress);
        }
        self.lag_now = Some(all);
        self.trim(clock, &lag)?;
        Ok(Some(all.records))
    }

    /// What the subject had not read at the last look; `None` where nothing tells of it.
    pub(super) fn lag_now(&self) -> Option<LagNow> {
        self.lag_now
    }

    /// What is looked at once a second while events are generated.
    pub(super) fn look(&mut self, clock: &dyn Clock) -> Result<(), RunError> {
        if self.lag_group.is_some() {
            let lag = self.sample_lag(clock)?;
            if lag.is_some() {
                self.watch_group(clock);
            }
            Ok(())
        } else if self.is_unread {
            self.trim_unread(clock)
        } else {
            // Somebody reads, and does not tell how far: everything may still be of use.
            Ok(())
        }
    }

    /// Looks at who has which partitions. What a reader of the time line would like to know is no reason to end a run.
    fn watch_group(&mut self, clock: &dyn Clock) {
        match self.admin.group(&self.group) {
            Ok(Some(group)) => self.group_watch.observe(clock.now(), &group),
            Ok(None) => (),
            Err(error) => tracing::debug!(%error, "the members of the subject's group"),
        }
    }

    /// Makes room where nobody reads: everything is of no more use at once.
    fn trim_unread(&mut self, clock: &dyn Clock) -> Result<(), RunError> {
        if self.trimmer.is_none() {
            return Ok(());
        }
        let group = self.group.clone();
        let Some(mut lag) = self.lag_of(&group, clock)? else {
            return Ok(());
        };
        for part in &mut lag {
            part.committed = Some(part.end);
        }
        self.trim(clock, &lag)
    }

    fn trim(&mut self, clock: &dyn Clock, lag: &[Lag]) -> Result<(), RunError> {
        let Some(trimmer) = &mut self.trimmer else {
            return Ok(());
        };
        let now_us = clock.monotonic_us();
        let outcome = trim(trimmer, &self.admin, now_us, lag);
        let noted = self.misses.note(now_us, outcome);
        noted.map(drop).map_err(RunError::Cluster)
    }

    /// The samples of the subject's progress and of its group as a time series from `start`.
    pub(super) fn progress_series(&self, start: WallTime) -> Vec<SeriesRow> {
        let samples = self
            .progress
            .iter()
            .map(|((at, stream), progress)| (*at, *stream, *progress));
        let mut rows = progress_rows(start, samples);
        rows.extend(self.group_watch.rows(start));
        rows
    }
}

pub(super) fn set_up(
    request: &Request<'_>,
    folders: &Folders,
    watch: &mut dyn FnMut(RunEvent),
) -> Result<Setup, RunError> {
    let choice = &request.sound.broker;
    let subject = &request.sound.subject;
    let begun_us = request.clock.monotonic_us();
    let sampler = start_sampler(request, folders)?;
    watch(RunEvent::Stage(format!("broker: starting `{choice}`")));
    let mut faults = disturbed::injector(request);
    let context = StartContext {
        exe: request.exe,
        dir: &folders.broker,
        clock: &*request.clock,
        proxy: disturbed::before_broker(&mut faults)?,
    };
    let broker = RunningBroker::start(choice, &context).map_err(RunError::Broker)?;
    broker.report(&sampler.roster(), "broker", &folders.broker);
    let (registry, registry_url) = find_registry(request, folders, &broker)?;
    if let Some(registry) = &registry {
        registry.report(&sampler.roster(), "registry", &folders.broker);
    }
    let client = request.client.at(broker.bootstrap());
    let connection = Connection {
        bootstrap: client.bootstrap.clone(),
        properties: client.properties.clone(),
        registry: registry_url,
    };
    let led = disturbed::lead(request, &mut faults, &broker, &connection)?;
    let admin = Admin::new(&client, ADMIN_TIMEOUT).map_err(RunError::Cluster)?;
    let notices = look_for_leftovers(request, &broker, &client, &admin, watch)?;
    watch(RunEvent::Stage(format!(
        "topics: creating them at {}",
        broker.bootstrap()
    )));
    let group = group_of(request);
    // The bundled detector would make it, and nobody would delete it.
    let exchange =
        (subject.kind == SubjectKind::Bundled { always: false }).then(|| exchange_of(&group));
    let probe_topic = probe::topic_of(&group);
    let wanted = wanted(request, exchange.as_deref(), &probe_topic);
    let topics = Topics::create(&client, &wanted, broker.is_own()).map_err(RunError::Topics)?;
    let starts = starts(request, &admin, &topics)?;
    let topics = Lent::new(topics, broker.is_own());
    let clock = std::sync::Arc::clone(&request.clock);
    let probe = Probe::start(&client, &probe_topic, clock).map_err(RunError::Probe)?;
    let collector = Collector::start(
        &client,
        &subject.alerts,
        &alerts_file(request),
        std::sync::Arc::clone(&request.clock),
    )
    .map_err(RunError::Collect)?;
    let mut setup = Setup {
        broker,
        registry,
        client,
        connection,
        topics,
        collector,
        subject: RunningSubject::default(),
        lag_group: subject.commits.then(|| group.clone()),
        admin,
        inputs: request.sound.inputs.clone(),
        exchange,
        progress: BTreeMap::new(),
        lag_now: None,
        started_at: None,
        trimmer: trimmer(request, &group),
        is_unread: subject.kind == SubjectKind::Nothing,
        misses: Misses::default(),
        group,
        processes: Vec::new(),
        deadline_us: request
            .sound
            .time_limit
            .map(|limit| begun_us + files::micros(limit)),
        ending: None,
        subject_lines: Vec::new(),
        notices,
        sampler,
        lag_clock: LagClock::default(),
        group_watch: GroupWatch::default(),
        starts,
        probe,
        faults,
        led,
    };
    setup.name_group();
    if subject.kind != SubjectKind::Nothing {
        watch(RunEvent::Stage(format!(
            "subject: waiting until `{}` is ready",
            subject.name
        )));
        under_test::start(request, folders, &mut setup)?;
    }
    Ok(setup)
}

/// The consumer group of the run's subject.
fn group_of(request: &Request<'_>) -> String {
    match &request.sound.subject.kind {
        SubjectKind::External { group: Some(group) } => group.clone(),
        _ => leftovers::group_of(&request.profile.topic_prefix),
    }
}

/// What runs that crashed have left, on a cluster that is not the run's own and on this machine. Said before topics are
/// made: where theirs are in the way, this is why.
fn look_for_leftovers(
    request: &Request<'_>,
    broker: &RunningBroker,
    client: &ClientSettings,
    admin: &Admin,
    watch: &mut dyn FnMut(RunEvent),
) -> Result<Vec<String>, RunError> {
    let mut notices = Vec::new();
    if !broker.is_own() {
        admin
            .wait_until_reachable(ADMIN_TIMEOUT)
            .map_err(RunError::Cluster)?;
        let prefix = &request.profile.topic_prefix;
        let left = leftovers::on_cluster(client, admin, prefix, &*request.clock);
        notices.extend(
            left.map_err(RunError::Cluster)?
                .iter()
                .map(ToString::to_string),
        );
    }
    notices.extend(
        leftovers::folders(&std::env::temp_dir())
            .iter()
            .map(|folder| {
                format!(
                    "a run that was killed has left the folder `{}`; delete it",
                    folder.display()
                )
            }),
    );
    for notice in &notices {
        watch(RunEvent::Notice(notice.clone()));
    }
    Ok(notices)
}

/// What makes room while the run goes on: on the embedded broker, unless its records are to be kept.
fn trimmer(request: &Request<'_>, group: &str) -> Option<Trimmer> {
    let sound = request.sound;
    let bundled = matches!(sound.subject.kind, SubjectKind::Bundled { .. });
    let section = bundled.then_some(&request.profile.detector);
    let wanted = sound.broker == BrokerChoice::Embedded && !request.keep;
    wanted.then(|| Trimmer::of(group, section))
}

/// The topics of the run: the profile's, the bundled detector's own, and that of the probes.
fn wanted(request: &Request<'_>, exchange: Option<&str>, probe: &str) -> Vec<TopicSpec> {
    let mut wanted = specs(request.profile, request.sound);
    if let Some(name) = exchange {
        let widest = request.profile.streams.iter();
        let widest = widest.map(|(_, section)| section.partitions).max();
        wanted.push(TopicSpec::input(name, widest.unwrap_or(1)));
    }
    wanted.push(TopicSpec::alerts(probe, 1));
    wanted
}

/// The bounds of the inputs that were there before. What was made just now begins at 0, and may not have a leader yet
/// that could say so.
fn starts(
    request: &Request<'_>,
    admin: &Admin,
    topics: &Topics,
) -> Result<Vec<Watermarks>, RunError> {
    let there: Vec<&str> = names_of(&request.sound.inputs)
        .into_iter()
        .filter(|name| !topics.created().iter().any(|made| made == name))
        .collect();
    admin.watermarks(&there).map_err(RunError::Cluster)
}

/// What looks at the processes from the first of them on.
fn start_sampler(request: &Request<'_>, folders: &Folders) -> Result<Sampler, RunError> {
    let looks = folders.generator.join("resources.ndjson");
    let clock = std::sync::Arc::clone(&request.clock);
    let sampler = Sampler::start(resources::EVERY, &looks, clock)?;
    let roster = sampler.roster();
    roster.watch("harness", Target::Process(std::process::id()));
    roster.disk("run", &folders.out);
    Ok(sampler)
}

/// The registry to use, and the process that serves it where the broker brings none.
fn find_registry(
    request: &Request<'_>,
    folders: &Folders,
    broker: &RunningBroker,
) -> Result<(Option<RunningBroker>, Option<String>), RunError> {
    if let Some(url) = request.profile.registry.as_deref().or(broker.registry()) {
        return Ok((None, Some(url.to_owned())));
    }
    let avro = request
        .profile
        .streams
        .iter()
        .find(|(stream, section)| section.encoding(*stream) == RawFormat::Avro);
    let Some((stream, _)) = avro else {
        return Ok((None, None));
    };
    if !broker.is_own() {
        return Err(RunError::NoRegistry {
            stream,
            broker: request.sound.broker.to_string(),
        });
    }
    // A broker that is started for this run alone gets the embedded registry beside it.
    let dir = folders.broker.join("registry");
    files::make_dir(&dir)?;
    let context = StartContext {
        exe: request.exe,
        dir: &dir,
        clock: &*request.clock,
        proxy: None,
    };
    let registry =
        RunningBroker::start(&BrokerChoice::Embedded, &context).map_err(RunError::Broker)?;
    let url = registry.registry().map(str::to_owned);
    Ok((Some(registry), url))
}

pub(super) fn generate(
    request: &Request<'_>,
    folders: &Folders,
    setup: &mut Setup,
    watch: &mut dyn FnMut(RunEvent),
) -> Result<Generated, RunError> {
    watch(RunEvent::Stage(format!(
        "generate: {:?} of events",
        request.sound.duration
    )));
    let job = GeneratorJob {
        section: request.profile.into(),
        connection: disturbed::generator_connection(setup),
        topics: setup.inputs.clone(),
        out: folders.generator.clone(),
        pace: Pace::Schedule,
        worker: WorkerShare::default(),
        threads: 1,
        start: Start::Ready,
        counts: None,
        skews: disturbed::skews(&request.sound.faults),
    };
    // Faults need to know when due time 0 is, and to reach the generator's processes.
    if request.workers > 1 || !request.sound.faults.is_empty() {
        several::generate(request, folders, setup, &job, watch)
    } else {
        by_one(request, folders, setup, job, watch)
    }
}

/// The generator as one process.
fn by_one(
    request: &Request<'_>,
    folders: &Folders,
    setup: &mut Setup,
    mut job: GeneratorJob,
    watch: &mut dyn FnMut(RunEvent),
) -> Result<Generated, RunError> {
    if let Some(metrics) = request.metrics {
        let file = folders.generator.join("counts.json");
        metrics.add(file.clone());
        job.counts = Some(file);
    }
    job.start = Start::Said(start_file(folders));
    let job_file = folders.generator.join("job.json");
    write_private(&job_file, &job)?;
    let mut command = Command::new(request.exe);
    command.args(["generate", "--job"]).arg(&job_file);
    let log = folders.logs.join("generator.log");
    let mut child = Child::spawn("generator", &mut command, &log).map_err(RunError::Child)?;
    let roster = setup.sampler.roster();
    roster.watch("generator", Target::Tree(child.id()));
    let status = watch_generator(request, folders, setup, &mut child, watch)?;
    let facts_file = folders.generator.join("generator.json");
    if !facts_file.exists() {
        return Err(RunError::NoFigures {
            lines: child.last_lines(SHOWN_LINES),
        });
    }
    let mut facts: GeneratorFacts = read_json(&facts_file)?;
    facts.interrupted |= !status.success();
    setup.processes.push(child.resources());
    let series = read_series(&folders.generator.join("generator-series.ndjson"))?;
    Ok(Generated { facts, series })
}

/// Follows the generator to its end, with a sample of the subject's lag each second.
fn watch_generator(
    request: &Request<'_>,
    folders: &Folders,
    setup: &mut Setup,
    child: &mut Child,
    watch: &mut dyn FnMut(RunEvent),
) -> Result<std::process::ExitStatus, RunError> {
    let mut rows = Tail::of(folders.generator.join("generator-series.ndjson"));
    let mut last_sample = request.clock.monotonic_us();
    loop {
        if let Some(status) = child.poll() {
            return Ok(status);
        }
        if setup.must_end(request)?
            && let Some(status) = child.terminate(GRACE, &*request.clock)
        {
            return Ok(status);
        }
        let now = request.clock.monotonic_us();
        if now - last_sample >= 1_000_000 {
            last_sample = now;
            setup.look(&*request.clock)?;
            setup.started_at = setup.started_at.or_else(|| start_said(folders));
            let latest = rows.latest();
            watch(live::progress(request, setup, latest));
        }
        request.clock.sleep(Duration::from_millis(20));
    }
}

/// Where the generator says when due time 0 is.
fn start_file(folders: &Folders) -> PathBuf {
    folders.generator.join("start")
}

/// Due time 0; `None` before the generator has said it.
fn start_said(folders: &Folders) -> Option<WallTime> {
    let text = std::fs::read_to_string(start_file(folders)).ok()?;
    Some(WallTime(text.parse().ok()?))
}

/// The topics of all streams.
pub(super) fn names_of(inputs: &BTreeMap<Stream, Vec<String>>) -> Vec<&str> {
    inputs.values().flatten().map(String::as_str).collect()
}

/// How far the subject is in one stream.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Records that it has not committed.
    behind: u64,
    /// Records that it has.
    committed: u64,
    /// For how long the first of those that it has not has been there, seconds; of the partitions, the most.
    age_s: f64,
}

/// Rows of `lag` and `consumed` (records a second, from what was committed). Of several samples in one
/// second the last stands; what was committed over a gap is spread over its seconds.
fn progress_rows(
    start: WallTime,
    samples: impl Iterator<Item = (WallTime, Stream, Progress)>,
) -> Vec<SeriesRow> {
    let mut by_second = BTreeMap::new();
    for (at, stream, progress) in samples {
        let second = at.offset_from(start).0.div_euclid(1_000_000) + 1;
        by_second.insert((stream, second), progress);
    }
    let mut rows = Vec::new();
    let mut last: BTreeMap<Stream, (i64, u64)> = BTreeMap::new();
    for ((stream, t), progress) in by_second {
        let row = |metric: &str, value| SeriesRow {
            t,
            metric: metric.to_owned(),
            stream: Some(stream),
            value,
            ..SeriesRow::default()
        };
        let (before, committed) = last
            .insert(stream, (t, progress.committed))
            .unwrap_or((t - 1, 0));
        let consumed = progress.committed.saturating_sub(committed);
        rows.push(row("lag", progress.behind as f64));
        rows.push(row("lag_s", progress.age_s));
        let each = consumed as f64 / (t - before) as f64;
        rows.extend((before + 1..=t).map(|t| SeriesRow {
            t,
            ..row("consumed", each)
        }));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumption_is_what_was_committed_from_one_second_to_the_next() {
        let samples = [(0.5, 100), (0.9, 150), (1.4, 400), (3.5, 600)];
        let samples = samples.into_iter().map(|(seconds, committed)| {
            let at = WallTime((seconds * 1e6) as i64);
            (
                at,
                Stream::Sensors,
                Progress {
                    behind: 7,
                    committed,
                    age_s: 0.5,
                },
            )
        });
        let rows = progress_rows(WallTime(0), samples);
        let of = |metric: &str| -> Vec<(i64, f64)> {
            rows.iter()
                .filter(|row| row.metric == metric)
                .map(|row| (row.t, row.value))
                .collect()
        };
        assert_eq!(
            of("consumed"),
            [(1, 150.0), (2, 250.0), (3, 100.0), (4, 100.0)]
        );
        assert_eq!(of("lag"), [(1, 7.0), (2, 7.0), (4, 7.0)]);
        assert_eq!(of("lag_s"), [(1, 0.5), (2, 0.5), (4, 0.5)]);
    }
}
