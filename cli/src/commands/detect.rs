//! `floodmark detect`: the bundled detector by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, SystemClock},
    job::{Connection, DetectorJob},
    profile::detector::{ScorerSection, ServiceSection},
};
use floodmark_detector::Progress;
use floodmark_harness::broker::BrokerChoice;
use floodmark_kafka::{Admin, ClientSettings};

use crate::{
    args::{DetectArgs, Global},
    commands::{read_job, tell},
    exit::{Exit, Failure},
    load, signals,
};

/// How long everything must have been read before `--until-end` ends the detector: longer than the
/// idleness of a partition, so that the last windows close.
const SETTLED: Duration = Duration::from_secs(2);

/// Runs the detector until a signal, or until everything is read.
pub fn run(args: &DetectArgs, global: &Global) -> Result<Exit, Failure> {
    let stop = signals::stop_flag()?;
    let job = match (&args.job, &args.profile) {
        (Some(file), _) => read_job(file)?,
        (None, Some(_)) => job_of(args)?,
        (None, None) => return Err(Failure::usage("name a profile, or a job with `--job`")),
    };
    let watcher = args
        .until_end
        .then(|| watch_for_end(&job, Arc::clone(&stop)));
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
    let facts = if args.always {
        floodmark_detector::always::run(&job, &clock, &stop, &mut stdout, &mut progress)
    } else {
        floodmark_detector::run(&job, &clock, &stop, &mut stdout, &mut progress)
    };
    let facts = facts.map_err(|error| {
        let exit = if error.is_unreachable() {
            Exit::Unreachable
        } else {
            Exit::Internal
        };
        Failure::new(exit, error)
    })?;
    if let Some(watcher) = watcher {
        match watcher.join() {
            Ok(result) => result?,
            Err(_) => {
                return Err(Failure::new(
                    Exit::Internal,
                    anyhow::anyhow!("the watcher panicked"),
                ));
            }
        }
    }
    let line = format!(
        "{} alerts, {} dead letters",
        facts.alerts, facts.dead_letters
    );
    tell(global, &line);
    Ok(Exit::Pass)
}

fn job_of(args: &DetectArgs) -> Result<DetectorJob, Failure> {
    let Some(profile_args) = &args.profile else {
        return Err(Failure::usage("name a profile"));
    };
    let loaded = load::load(profile_args)?;
    let BrokerChoice::External(servers) = &loaded.sound.broker else {
        let message = "the detector needs a broker that is running: pass `--broker HOST:PORT`";
        return Err(Failure::usage(message));
    };
    let client = loaded.client.at(servers.as_str());
    let outputs = &loaded.sound.outputs;
    let mut section = loaded.profile.detector.clone();
    if let Some(url) = &args.scorer {
        section.fraud.scorer = ScorerSection::Service(ServiceSection::at(url));
    }
    Ok(DetectorJob {
        section,
        connection: Connection {
            bootstrap: client.bootstrap,
            properties: client.properties,
            registry: loaded.profile.registry.clone(),
        },
        group: format!("{}{}", loaded.profile.topic_prefix, args.group),
        slot: args.slot,
        inputs: loaded.sound.inputs.clone(),
        anomalies: outputs.anomalies.clone(),
        fraud_flags: outputs.fraud_flags.clone(),
        dead_letters: outputs.dead_letters.clone(),
        enrichment: args.enrichment.clone(),
        facts: None,
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
    let mut names: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let mut read_all_at = None;
    while !stop.load(Ordering::Relaxed) {
        // The detector makes it when it starts; the subject `always` needs none.
        if names.len() == inputs.len() && admin.topic(exchange)?.is_some() {
            names.push(exchange);
        }
        let behind: i64 = admin
            .lag(group, &names)?
            .iter()
            .map(|part| part.end - part.committed.unwrap_or(0))
            .sum();
        let now = clock.monotonic_us();
        match read_all_at {
            _ if behind > 0 => read_all_at = None,
            None => read_all_at = Some(now),
            Some(at) if now - at >= SETTLED.as_micros() as i64 => return Ok(()),
            Some(_) => {}
        }
        clock.sleep(Duration::from_millis(100));
    }
    Ok(())
}
