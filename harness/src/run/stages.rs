//! The stages of a run.

use std::{collections::BTreeMap, process::Command, sync::atomic::Ordering, time::Duration};

use floodmark_contracts::{
    clock::{Clock, WallTime},
    job::{
        Connection, DetectorJob, GeneratorJob, Pace, PagePlace, Start, WorkerShare, exchange_of,
    },
    profile::{SubjectSection, shape::RawFormat},
    record::{GeneratorFacts, ProcessFacts, SeriesRow, SubjectFacts},
    stream::Stream,
};
use floodmark_kafka::{Admin, ClientSettings};

use super::{
    Folders, Generated, Request, RunError, RunEvent, consumed_of,
    files::{self, read_json, read_series, write_lines, write_private},
    several,
    trim::{Trimmer, trim},
};
use crate::{
    broker::{BrokerChoice, RunningBroker, StartContext},
    child::{Child, SHOWN_LINES},
    collect::Collector,
    topics::{Lent, TopicSpec, Topics, specs},
};

/// How long a subject may take until it has its partitions.
const READY_LIMIT: Duration = Duration::from_secs(60);

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
    subject: Option<Child>,
    group: String,
    pub(super) admin: Admin,
    inputs: BTreeMap<Stream, Vec<String>>,
    /// The bundled detector's own topic.
    exchange: Option<String>,
    progress: BTreeMap<(WallTime, Stream), Progress>,
    /// On the embedded broker, unless the records are to be kept.
    trimmer: Option<Trimmer>,
    pub(super) processes: Vec<ProcessFacts>,
}

impl Setup {
    /// An error if a process of the run has died.
    pub(super) fn check_children(&mut self) -> Result<(), RunError> {
        self.broker.check().map_err(RunError::Child)?;
        if let Some(registry) = &mut self.registry {
            registry.check().map_err(RunError::Child)?;
        }
        if let Some(subject) = &mut self.subject {
            subject.check().map_err(RunError::Child)?;
        }
        Ok(())
    }

    /// The subject's lag in records over all streams; each stream's is noted for the time series.
    pub(super) fn sample_lag(&mut self, clock: &dyn Clock) -> Result<u64, RunError> {
        let mut names = names_of(&self.inputs);
        names.extend(self.exchange.as_deref());
        let lag = self
            .admin
            .lag(&self.group, &names)
            .map_err(RunError::Cluster)?;
        let at = clock.now();
        let mut all = 0;
        for (stream, topics) in &self.inputs {
            let mut progress = Progress::default();
            for part in lag
                .iter()
                .filter(|part| topics.contains(&part.partition.topic))
            {
                progress.behind += part.records;
                progress.committed += part.committed.unwrap_or(0).unsigned_abs();
            }
            all += progress.behind;
            self.progress.insert((at, *stream), progress);
        }
        if let Some(trimmer) = &mut self.trimmer {
            trim(trimmer, &self.admin, clock.monotonic_us(), &lag).map_err(RunError::Cluster)?;
        }
        Ok(all)
    }

    /// What is looked at once a second while events are generated.
    pub(super) fn look(&mut self, clock: &dyn Clock) -> Result<(), RunError> {
        if self.subject.is_some() {
            self.sample_lag(clock).map(|_| ())
        } else {
            self.trim_unread(clock)
        }
    }

    /// Makes room where nobody reads: everything is of no more use at once.
    fn trim_unread(&mut self, clock: &dyn Clock) -> Result<(), RunError> {
        let Some(trimmer) = &mut self.trimmer else {
            return Ok(());
        };
        let names = names_of(&self.inputs);
        let mut lag = self
            .admin
            .lag(&self.group, &names)
            .map_err(RunError::Cluster)?;
        for part in &mut lag {
            part.committed = Some(part.end);
        }
        trim(trimmer, &self.admin, clock.monotonic_us(), &lag).map_err(RunError::Cluster)
    }

    /// The samples of the subject's progress as a time series from `start`.
    pub(super) fn progress_series(&self, start: WallTime) -> Vec<SeriesRow> {
        let samples = self
            .progress
            .iter()
            .map(|((at, stream), progress)| (*at, *stream, *progress));
        progress_rows(start, samples)
    }
}

pub(super) fn set_up(
    request: &Request<'_>,
    folders: &Folders,
    watch: &mut dyn FnMut(RunEvent),
) -> Result<Setup, RunError> {
    let choice = &request.sound.broker;
    watch(RunEvent::Stage(format!("broker: starting `{choice}`")));
    let context = StartContext {
        exe: request.exe,
        dir: &folders.broker,
        clock: &*request.clock,
    };
    let broker = RunningBroker::start(choice, &context).map_err(RunError::Broker)?;
    let (registry, registry_url) = find_registry(request, folders, &broker)?;
    let client = request.client.at(broker.bootstrap());
    let connection = Connection {
        bootstrap: client.bootstrap.clone(),
        properties: client.properties.clone(),
        registry: registry_url,
    };
    let admin = Admin::new(&client, ADMIN_TIMEOUT).map_err(RunError::Cluster)?;
    watch(RunEvent::Stage(format!(
        "topics: creating them at {}",
        broker.bootstrap()
    )));
    let group = format!(
        "{}floodmark-{}",
        request.profile.topic_prefix,
        std::process::id()
    );
    let mut wanted = specs(request.profile, request.sound);
    // The bundled detector would make it, and nobody would delete it.
    let exchange =
        (request.profile.subject == SubjectSection::Bundled).then(|| exchange_of(&group));
    if let Some(name) = &exchange {
        let widest = request.profile.streams.iter();
        let widest = widest.map(|(_, section)| section.partitions).max();
        wanted.push(TopicSpec::input(name, widest.unwrap_or(1)));
    }
    let topics = Topics::create(&client, &wanted, broker.is_own()).map_err(RunError::Topics)?;
    let topics = Lent::new(topics, broker.is_own());
    let collector = Collector::start(
        &client,
        &[request.sound.outputs.anomalies.as_str()],
        &request.out.join("alerts.ndjson"),
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
        subject: None,
        group,
        admin,
        inputs: request.sound.inputs.clone(),
        exchange,
        progress: BTreeMap::new(),
        trimmer: (*choice == BrokerChoice::Embedded && !request.keep).then(Trimmer::default),
        processes: Vec::new(),
    };
    if request.profile.subject != SubjectSection::None {
        watch(RunEvent::Stage(
            "subject: waiting for its partitions".to_owned(),
        ));
        start_subject(request, folders, &mut setup)?;
    }
    Ok(setup)
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
    };
    let registry =
        RunningBroker::start(&BrokerChoice::Embedded, &context).map_err(RunError::Broker)?;
    let url = registry.registry().map(str::to_owned);
    Ok((Some(registry), url))
}

fn start_subject(
    request: &Request<'_>,
    folders: &Folders,
    setup: &mut Setup,
) -> Result<(), RunError> {
    let enrichment = folders.subject.join("enrichment.ndjson");
    write_lines(&enrichment, floodmark_generator::enrichment(request.plan))?;
    let outputs = &request.sound.outputs;
    let mut section = request.profile.detector.clone();
    for place in section.places_mut().filter(|place| !place.contains("://")) {
        *place = folders.written.join(&*place).display().to_string();
    }
    let job = DetectorJob {
        section,
        connection: setup.connection.clone(),
        group: setup.group.clone(),
        slot: 0,
        inputs: setup.inputs.clone(),
        anomalies: outputs.anomalies.clone(),
        fraud_flags: outputs.fraud_flags.clone(),
        dead_letters: outputs.dead_letters.clone(),
        enrichment: Some(enrichment),
        facts: Some(folders.subject.join("facts.json")),
        page: Some(PagePlace {
            listen: "127.0.0.1:0".to_owned(),
            url_file: folders.subject.join("page.url"),
        }),
    };
    let job_file = folders.subject.join("job.json");
    write_private(&job_file, &job)?;
    let mut command = Command::new(request.exe);
    command.args(["detect", "--job"]).arg(&job_file);
    if request.profile.subject == SubjectSection::Always {
        command.arg("--always");
    }
    let log = folders.logs.join("subject.log");
    setup.subject = Some(Child::spawn("subject", &mut command, &log).map_err(RunError::Child)?);
    wait_until_ready(request, setup)
}

/// Waits until the subject's group has every input partition.
fn wait_until_ready(request: &Request<'_>, setup: &mut Setup) -> Result<(), RunError> {
    let clock = &*request.clock;
    let wanted: usize = request
        .profile
        .streams
        .iter()
        .map(|(stream, section)| section.partitions as usize * section.topics(stream).len())
        .sum();
    let started = clock.monotonic_us();
    loop {
        setup.check_children()?;
        let inputs = names_of(&setup.inputs);
        let group = setup.admin.group(&setup.group).map_err(RunError::Cluster)?;
        let assigned = group.filter(|group| group.is_stable()).map_or(0, |group| {
            let members = group.members.iter();
            let partitions = members.flat_map(|member| &member.partitions);
            partitions
                .filter(|partition| inputs.contains(&partition.topic.as_str()))
                .count()
        });
        if assigned == wanted || request.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        if clock.monotonic_us() - started > files::micros(READY_LIMIT) {
            let lines = setup
                .subject
                .as_ref()
                .map_or_else(String::new, |s| s.last_lines(SHOWN_LINES));
            return Err(RunError::NotReady {
                assigned,
                wanted,
                waited_s: READY_LIMIT.as_secs(),
                lines,
            });
        }
        clock.sleep(Duration::from_millis(20));
    }
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
        connection: setup.connection.clone(),
        topics: setup.inputs.clone(),
        out: folders.generator.clone(),
        pace: Pace::Schedule,
        worker: WorkerShare::default(),
        threads: 1,
        start: Start::Ready,
        counts: None,
    };
    if request.workers > 1 {
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
    let job_file = folders.generator.join("job.json");
    write_private(&job_file, &job)?;
    let mut command = Command::new(request.exe);
    command.args(["generate", "--job"]).arg(&job_file);
    let log = folders.logs.join("generator.log");
    let mut child = Child::spawn("generator", &mut command, &log).map_err(RunError::Child)?;
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
    let series_file = folders.generator.join("generator-series.ndjson");
    let mut last_sample = request.clock.monotonic_us();
    loop {
        if let Some(status) = child.poll() {
            return Ok(status);
        }
        if request.stop.load(Ordering::Relaxed)
            && let Some(status) = child.terminate(GRACE, &*request.clock)
        {
            return Ok(status);
        }
        setup.check_children()?;
        let now = request.clock.monotonic_us();
        if now - last_sample >= 1_000_000 {
            last_sample = now;
            setup.look(&*request.clock)?;
            watch(progress(request, &series_file, setup));
        }
        request.clock.sleep(Duration::from_millis(20));
    }
}

/// How far the generator has got, from the rows that it has written. A row that is only half there
/// yet is left for the next look.
fn progress(request: &Request<'_>, series_file: &std::path::Path, setup: &Setup) -> RunEvent {
    let text = std::fs::read_to_string(series_file).unwrap_or_default();
    let rows: Vec<SeriesRow> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let second = rows.iter().map(|row| row.t).max().unwrap_or(0);
    let sent: f64 = rows
        .iter()
        .filter(|row| row.t == second && row.metric == "sent")
        .map(|row| row.value)
        .sum();
    RunEvent::Progress {
        second,
        of: request.sound.duration.as_secs_f64(),
        sent: sent as u64,
        alerts: setup.collector.alerts(),
    }
}

/// Ends the subject and takes its figures; what it does not tell is taken from its offsets.
pub(super) fn end_subject(
    request: &Request<'_>,
    folders: &Folders,
    setup: &mut Setup,
) -> Result<Option<SubjectFacts>, RunError> {
    let Some(mut subject) = setup.subject.take() else {
        return Ok(None);
    };
    subject.terminate(GRACE, &*request.clock);
    setup.processes.push(subject.resources());
    let facts_file = folders.subject.join("facts.json");
    if facts_file.exists() {
        return Ok(Some(read_json(&facts_file)?));
    }
    let names = names_of(&setup.inputs);
    let lag = setup
        .admin
        .lag(&setup.group, &names)
        .map_err(RunError::Cluster)?;
    Ok(Some(consumed_of(&lag, &setup.inputs)))
}

/// The topics of all streams.
fn names_of(inputs: &BTreeMap<Stream, Vec<String>>) -> Vec<&str> {
    inputs.values().flatten().map(String::as_str).collect()
}

/// How far the subject is in one stream.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Records that it has not committed.
    behind: u64,
    /// Records that it has.
    committed: u64,
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
        };
        let (before, committed) = last
            .insert(stream, (t, progress.committed))
            .unwrap_or((t - 1, 0));
        let consumed = progress.committed.saturating_sub(committed);
        rows.push(row("lag", progress.behind as f64));
        rows.push(row("consumed", consumed as f64 / (t - before) as f64));
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
        assert_eq!(of("consumed"), [(1, 150.0), (2, 250.0), (4, 100.0)]);
        assert_eq!(of("lag"), [(1, 7.0), (2, 7.0), (4, 7.0)]);
    }
}
