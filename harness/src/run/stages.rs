//! The stages of a run.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, WallTime},
    job::{Connection, GeneratorJob, Pace, Start, WorkerShare, exchange_of},
    profile::shape::RawFormat,
    record::{Ending, GeneratorFacts, ProcessFacts},
    stream::Stream,
};
use floodmark_kafka::{Admin, ClientSettings, admin::Watermarks};

use super::{
    Folders, Generated, Request, RunError, RunEvent, alerts_file,
    disturbed::{self, Led},
    files::{self, read_json, read_series, write_private},
    live,
    lookout::{self, Lookout, Reader},
    progress::Seen,
    several,
    tail::Tail,
    trim::Trimmer,
    under_test,
};
use crate::{
    broker::{BrokerChoice, RunningBroker, StartContext},
    child::{Child, SHOWN_LINES},
    collect::Collector,
    faults::Injector,
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

/// How often the cluster is asked how far the subject is while events are generated: what is told of it each second is
/// then no older than the second.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);

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
    /// The subject's group, and who asks for it.
    pub(super) reader: Arc<Reader>,
    /// Whether the group's offsets tell how far the subject is: not where it has no group, or commits none.
    pub(super) commits: bool,
    pub(super) inputs: BTreeMap<Stream, Vec<String>>,
    /// How far the subject is, and who asks the cluster for that; nobody where it tells nothing.
    pub(super) seen: Seen,
    lookout: Option<Lookout>,
    /// Due time 0, once it is known.
    pub(super) started_at: Option<WallTime>,
    pub(super) processes: Vec<ProcessFacts>,
    /// Monotonic microseconds at which the time limit is reached.
    deadline_us: Option<i64>,
    /// Why the run ends before its time, once it does.
    pub(super) ending: Option<Ending>,
    /// The end of the subject's log, where the subject is why.
    pub(super) subject_lines: Vec<String>,
    /// What was found that does not touch the run.
    pub(super) notices: Vec<String>,
    pub(super) sampler: Sampler,
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

    /// Takes in what the cluster has told of the subject, and asks again if `every` is over or faults want to know.
    /// Waits for nothing.
    ///
    /// # Errors
    /// If the cluster did not answer for so long that the run has no broker any more.
    pub(super) fn look(&mut self, clock: &dyn Clock, every: Duration) -> Result<(), RunError> {
        let Some(lookout) = &mut self.lookout else {
            return Ok(());
        };
        if let Some(answer) = lookout.answer() {
            let for_faults = answer.question.for_faults;
            let is_excused = self.faults.excuses_broker();
            let starts = &self.reader.starts;
            let outcome = self.seen.take(answer, &self.inputs, starts, is_excused);
            let lag = outcome.map_err(RunError::Cluster)?;
            if let Some(lag) = lag.filter(|_| for_faults) {
                self.faults.note_lag(lag.records);
            }
        }
        // One that is away by a fault would not answer.
        if lookout.is_free() && !self.faults.is_broker_away() {
            let now_us = clock.monotonic_us();
            let for_faults = self.faults.wants_lag();
            if for_faults || self.seen.is_due(now_us, every) {
                lookout.ask(self.seen.question(now_us, for_faults));
            }
        }
        Ok(())
    }

    /// Whether the subject had read all that was there at some time after `since_us`, as far as anything tells of it.
    pub(super) fn has_read_all_since(&self, since_us: i64) -> bool {
        !self.commits || self.seen.has_read_all_since(since_us)
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
    let admin = Arc::new(admin);
    let notices = look_for_leftovers(request, &broker, &client, &admin, watch)?;
    watch(RunEvent::Stage(format!(
        "topics: creating them at {}",
        broker.bootstrap()
    )));
    let (topics, reader) = make_topics(request, &broker, &client, &admin)?;
    let clock = Arc::clone(&request.clock);
    let probe =
        Probe::start(&client, &probe::topic_of(&reader.group), clock).map_err(RunError::Probe)?;
    let collector = Collector::start(
        &client,
        &subject.alerts,
        &alerts_file(request),
        Arc::clone(&request.clock),
    )
    .map_err(RunError::Collect)?;
    let lookout = start_lookout(request, &reader)?;
    let mut setup = Setup {
        broker,
        registry,
        client,
        connection,
        topics,
        collector,
        subject: RunningSubject::default(),
        reader,
        commits: subject.commits,
        inputs: request.sound.inputs.clone(),
        seen: Seen::default(),
        lookout,
        started_at: None,
        processes: Vec::new(),
        deadline_us: request
            .sound
            .time_limit
            .map(|limit| begun_us + files::micros(limit)),
        ending: None,
        subject_lines: Vec::new(),
        notices,
        sampler,
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

/// Makes the topics of the run, and what tells how far the subject is in them.
fn make_topics(
    request: &Request<'_>,
    broker: &RunningBroker,
    client: &ClientSettings,
    admin: &Arc<Admin>,
) -> Result<(Lent, Arc<Reader>), RunError> {
    let group = group_of(request);
    // The bundled detector would make it, and nobody would delete it.
    let bundled = request.sound.subject.kind == SubjectKind::Bundled { always: false };
    let exchange = bundled.then(|| exchange_of(&group));
    let wanted = wanted(request, exchange.as_deref(), &probe::topic_of(&group));
    let topics = Topics::create(client, &wanted, broker.is_own()).map_err(RunError::Topics)?;
    let read = names_of(&request.sound.inputs).into_iter();
    let reader = Reader {
        admin: Arc::clone(admin),
        starts: starts(request, admin, &topics)?,
        topics: read.map(str::to_owned).chain(exchange).collect(),
        group,
    };
    Ok((Lent::new(topics, broker.is_own()), Arc::new(reader)))
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

/// Who asks how far the subject is, and makes room; nobody where it does not tell how far it is, so that everything
/// may still be of use.
fn start_lookout(request: &Request<'_>, reader: &Arc<Reader>) -> Result<Option<Lookout>, RunError> {
    let subject = &request.sound.subject;
    let is_unread = subject.kind == SubjectKind::Nothing;
    let trimmer = trimmer(request, &reader.group);
    if !subject.commits && (!is_unread || trimmer.is_none()) {
        return Ok(None);
    }
    let clock = Arc::clone(&request.clock);
    let answers = lookout::answers(Arc::clone(reader), is_unread, trimmer, clock);
    Lookout::start(answers).map(Some).map_err(RunError::Lookout)
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
    let clock = Arc::clone(&request.clock);
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
        setup.look(&*request.clock, LOOK_EVERY)?;
        let now = request.clock.monotonic_us();
        if now - last_sample >= 1_000_000 {
            last_sample = now;
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
