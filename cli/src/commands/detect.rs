//! `floodmark detect`: the bundled detector by itself.

mod page;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, SystemClock},
    job::{Connection, DetectorJob},
    profile::detector::{DeliverySection, ScorerSection, ServiceSection},
    status::DetectorStatus,
    subject::SubjectFacts,
};
use floodmark_detector::{DetectError, Progress, Watch};
use floodmark_generator::serve::HttpServer;
use floodmark_harness::broker::BrokerChoice;
use floodmark_kafka::{Admin, ClientSettings};

use crate::{
    args::{DetectArgs, Global, PageAddress, ProfileArgs},
    commands::{read_job, tell},
    exit::{Exit, Failure},
    jobs::{self, Ended, Job, Jobs},
    load, signals,
    traces::Traces,
};

/// How long everything must have been read before `--until-end` ends the detector: longer than the
/// idleness of a partition, so that the last windows close.
const SETTLED: Duration = Duration::from_secs(2);

/// The port of the page, unless another is asked for.
const PORT: u16 = 9249;

/// Runs the detector until a signal, or until everything is read.
pub fn run(args: &DetectArgs, global: &Global) -> Result<Exit, Failure> {
    let stop = signals::stop_flag()?;
    let job = match (&args.job, &args.profile.0) {
        (Some(file), _) => read_job(file)?,
        (None, Some(profile)) => {
            let mut job = job_of(profile, &args.group, args.slot, args.enrichment.as_deref())?;
            if let Some(url) = &args.scorer {
                job.section.fraud.scorer = ScorerSection::Service(ServiceSection::at(url));
            }
            job
        }
        (None, None) => return Err(Failure::usage("name a profile, or a job with `--job`")),
    };
    let traces = Traces::open(&args.trace, "floodmark-detector")?;
    let watch = match &traces {
        Some(traces) => Watch::new().tracing(traces.tracer()),
        None => Watch::new(),
    };
    let watch = Arc::new(watch);
    let page = open_page(args, &job, &watch, global)?;
    let url = page.as_ref().map(HttpServer::url);
    // One that ends by itself, or belongs to a run, is not for others to stop or resume.
    let listed =
        (args.job.is_none() && !args.until_end).then(|| Listed::add(args, &job, url, global));
    let result = detect(args, global, &job, &watch, &stop);
    if let Some(listed) = listed.flatten() {
        listed.end(&watch.status(), result.as_ref().err(), global);
    }
    if let Some(traces) = traces {
        traces.finish(global);
    }
    let facts = result?;
    let line = format!(
        "{} alerts, {} dead letters",
        facts.alerts, facts.dead_letters
    );
    tell(global, &line);
    Ok(Exit::Pass)
}

fn detect(
    args: &DetectArgs,
    global: &Global,
    job: &DetectorJob,
    watch: &Watch,
    stop: &Arc<AtomicBool>,
) -> Result<SubjectFacts, Failure> {
    let watcher = args.until_end.then(|| watch_for_end(job, Arc::clone(stop)));
    let clock = SystemClock::new();
    let mut stdout = std::io::stdout().lock();
    // As a part of a run the harness watches the lag; by itself it says how far it is.
    let mut progress = |progress| {
        if let (None, Progress::Position { consumed, alerts }) = (&args.job, progress) {
            tell(
                global,
                &format!("  {consumed} records read, {alerts} alerts"),
            );
        }
    };
    let run = if args.always {
        floodmark_detector::always::run_watched
    } else {
        floodmark_detector::run_watched
    };
    let facts = run(job, watch, &clock, stop, &mut stdout, &mut progress).map_err(failure)?;
    if let Some(watcher) = watcher {
        let ended = watcher.join();
        ended.map_err(|_| anyhow::anyhow!("the watcher panicked"))??;
    }
    Ok(facts)
}

/// Opens the page where the arguments or the job say. The usual port may be taken by another detector, which is no
/// reason to fail; one that was asked for may not.
fn open_page(
    args: &DetectArgs,
    job: &DetectorJob,
    watch: &Arc<Watch>,
    global: &Global,
) -> Result<Option<HttpServer>, Failure> {
    let usage = |error| Failure::new(Exit::Usage, anyhow::Error::from(error));
    let open = |listen| page::start(listen, Arc::clone(watch));
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = match (args.metrics, &job.page) {
        (Some(PageAddress::Off), _) => return Ok(None),
        (Some(PageAddress::At(listen)), _) => open(listen).map_err(usage)?,
        (None, Some(place)) => {
            let listen = place.listen.parse().map_err(|_| {
                let message = format!("`{}` is no address to listen on", place.listen);
                Failure::usage(message)
            })?;
            open(listen).map_err(usage)?
        }
        (None, None) if args.job.is_some() => return Ok(None),
        (None, None) => match open(local(PORT)) {
            Ok(server) => server,
            Err(error) => {
                tell(global, &format!("{error}; taking a free one"));
                open(local(0)).map_err(usage)?
            }
        },
    };
    if let Some(place) = &job.page {
        std::fs::write(&place.url_file, server.url())?;
    } else {
        tell(global, &format!("page {}", server.url()));
    }
    if let Some(PageAddress::At(listen)) = args.metrics
        && !listen.ip().is_loopback()
    {
        let message = "it is shown beyond this machine, to whoever reaches it";
        tell(global, message);
    }
    Ok(Some(server))
}

/// This process in the list of jobs.
struct Listed {
    jobs: Jobs,
    job: Job,
}

impl Listed {
    /// Adds it; without a folder to write to the detector works all the same.
    fn add(
        args: &DetectArgs,
        job: &DetectorJob,
        url: Option<String>,
        global: &Global,
    ) -> Option<Self> {
        match Self::try_add(args, job, url) {
            Ok(listed) => Some(listed),
            Err(error) => {
                tell(
                    global,
                    &format!("`floodmark jobs` will not know of this process: {error}"),
                );
                None
            }
        }
    }

    fn try_add(args: &DetectArgs, job: &DetectorJob, url: Option<String>) -> Result<Self, Failure> {
        let jobs = Jobs::open(args.state.as_deref())?;
        let pid = std::process::id();
        let job = Job {
            id: jobs.id_for(&job.group, job.slot)?,
            pid,
            began: jobs::began(pid).unwrap_or_default(),
            group: job.group.clone(),
            slot: job.slot,
            snapshots: matches!(job.section.delivery, DeliverySection::ExactlyOnce(_)),
            url,
            started_at: SystemClock::new().now(),
            args: std::env::args().skip(1).collect(),
            folder: std::env::current_dir()?,
            ended: None,
        };
        jobs.write(&job)?;
        Ok(Self { jobs, job })
    }

    /// Leaves the last words.
    fn end(mut self, status: &DetectorStatus, failure: Option<&Failure>, global: &Global) {
        self.job.ended = Some(Ended {
            at: SystemClock::new().now(),
            snapshot_at: status.checkpoints.last_snapshot_at,
            alerts: status.written.alerts,
            failure: failure.map(ToString::to_string),
        });
        if let Err(error) = self.jobs.write(&self.job) {
            tell(
                global,
                &format!("the list of jobs will not know how this process ended: {error}"),
            );
        }
    }
}

/// What the end of a detector means to whoever started it.
pub(super) fn failure(error: DetectError) -> Failure {
    let exit = if error.is_unreachable() {
        Exit::Unreachable
    } else {
        Exit::Internal
    };
    Failure::new(exit, error)
}

/// The job of a detector over a profile's topics.
pub(super) fn job_of(
    profile: &ProfileArgs,
    group: &str,
    slot: u32,
    enrichment: Option<&Path>,
) -> Result<DetectorJob, Failure> {
    let loaded = load::load(profile)?;
    let BrokerChoice::External(servers) = &loaded.sound.broker else {
        let message = "the detector needs a broker that is running: pass `--broker HOST:PORT`";
        return Err(Failure::usage(message));
    };
    let client = loaded.client.at(servers.as_str());
    let outputs = &loaded.sound.outputs;
    Ok(DetectorJob {
        section: loaded.profile.detector.clone(),
        connection: Connection {
            bootstrap: client.bootstrap,
            properties: client.properties,
            registry: loaded.profile.registry.clone(),
        },
        group: format!("{}{}", loaded.profile.topic_prefix, group),
        slot,
        inputs: loaded.sound.inputs.clone(),
        anomalies: outputs.anomalies.clone(),
        fraud_flags: outputs.fraud_flags.clone(),
        dead_letters: outputs.dead_letters.clone(),
        enrichment: enrichment.map(Path::to_owned),
        facts: None,
        page: None,
    })
}

/// Sets `stop` once the group has read every topic to its end, and stays so for a while.
fn watch_for_end(
    job: &DetectorJob,
    stop: Arc<AtomicBool>,
) -> std::thread::JoinHandle<Result<(), floodmark_kafka::Error>> {
    let client = ClientSettings {
        bootstrap: job.connection.bootstrap.clone(),
        properties: job.connection.properties.clone(),
    };
    let group = job.group.clone();
    let inputs: Vec<String> = job.inputs.values().flatten().cloned().collect();
    let exchange = job.exchange();
    std::thread::spawn(move || {
        let result = wait_for_end(&client, &group, &inputs, &exchange, &stop);
        stop.store(true, Ordering::Relaxed);
        result
    })
}

fn wait_for_end(
    client: &ClientSettings,
    group: &str,
    inputs: &[String],
    exchange: &str,
    stop: &AtomicBool,
) -> Result<(), floodmark_kafka::Error> {
    let admin = Admin::new(client, Duration::from_secs(10))?;
    let clock = SystemClock::new();
    let names: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let mut read_all_at = None;
    // Where the exchange's partitions ended when the inputs had been read for long enough. Watermarks go on being
    // told through it, so that it may never be read to its end for long.
    let mut goal: Option<Vec<i64>> = None;
    while !stop.load(Ordering::Relaxed) {
        let behind: i64 = admin
            .lag(group, &names)?
            .iter()
            .map(|part| part.end - part.committed.unwrap_or(0))
            .sum();
        let now = clock.monotonic_us();
        match read_all_at {
            _ if behind > 0 => (read_all_at, goal) = (None, None),
            None => read_all_at = Some(now),
            Some(at) if now - at >= SETTLED.as_micros() as i64 => {
                // The detector makes it when it starts; the subject `always` needs none.
                if admin.topic(exchange)?.is_none() {
                    return Ok(());
                }
                let lag = admin.lag(group, &[exchange])?;
                let ends = goal.get_or_insert_with(|| lag.iter().map(|part| part.end).collect());
                let mut come_through = lag.iter().zip(ends.iter());
                if come_through.all(|(part, end)| part.committed.unwrap_or(0) >= *end) {
                    return Ok(());
                }
            }
            Some(_) => {}
        }
        clock.sleep(Duration::from_millis(100));
    }
    Ok(())
}
