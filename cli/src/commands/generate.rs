//! `floodmark generate`: the labelled events by themselves.

use std::path::Path;

use floodmark_contracts::{
    clock::{RunMicros, SystemClock},
    job::{Connection, GeneratorJob},
    record::GeneratorFacts,
};
use floodmark_generator::SinkChoice;
use floodmark_harness::{
    broker::BrokerChoice,
    topics::{Topics, inputs},
};

use crate::{
    args::{GenerateArgs, Global},
    commands::{read_job, tell, topics},
    exit::{Exit, Failure},
    load, output, signals,
    watch::Watcher,
};

/// Generates a profile's events, or a resolved plan's.
pub fn run(args: &GenerateArgs, global: &Global) -> Result<Exit, Failure> {
    let sink: SinkChoice = args.sink.parse().map_err(Failure::usage)?;
    let stop = signals::stop_flag()?;
    let (job, verbose) = match (&args.job, &args.profile) {
        (Some(file), _) => (read_job(file)?, false),
        (None, Some(_)) => (job_of(args, &sink)?, true),
        (None, None) => return Err(Failure::usage("name a profile, or a job with `--job`")),
    };
    let clock = SystemClock::new();
    let mut watcher = Watcher::new(global);
    let outcome = floodmark_generator::run(&job, &sink, &clock, &stop, &mut |progress| {
        if verbose {
            let text = format!(
                "{} of {} events sent, {} acknowledged",
                progress.sent, progress.total, progress.acknowledged
            );
            watcher.progress(
                seconds(progress.elapsed) as i64,
                seconds(progress.duration),
                &text,
            );
        }
    })
    .map_err(|error| {
        let exit = if error.is_unreachable() {
            Exit::Unreachable
        } else {
            Exit::Internal
        };
        Failure::new(exit, error)
    });
    let facts = match outcome {
        Err(failure)
            if matches!(sink, SinkChoice::Stdout | SinkChoice::StdoutKeyed)
                && failure.is_closed_reader() =>
        {
            return Ok(Exit::Pass);
        }
        other => other?,
    };
    if verbose {
        watcher.finish();
        summary(global, &facts, &args.out);
    }
    Ok(if facts.interrupted {
        Exit::Interrupted
    } else {
        Exit::Pass
    })
}

fn seconds(at: RunMicros) -> f64 {
    at.0.max(0) as f64 / 1e6
}

fn summary(global: &Global, facts: &GeneratorFacts, out: &Path) {
    for (stream, facts) in &facts.streams {
        let line = format!(
            "{stream}: {} due, {} sent, {} acknowledged, fingerprint {}",
            facts.due, facts.sent, facts.acknowledged, facts.fingerprint
        );
        tell(global, &line);
    }
    let line = format!("labels, enrichment data and figures: {}", out.display());
    tell(global, &line);
}

fn job_of(args: &GenerateArgs, sink: &SinkChoice) -> Result<GeneratorJob, Failure> {
    let Some(profile_args) = &args.profile else {
        return Err(Failure::usage("name a profile"));
    };
    let loaded = load::load(profile_args)?;
    output::claim(&args.out, args.force)?;
    let mut client = loaded.client.clone();
    if matches!(sink, SinkChoice::Kafka) {
        let BrokerChoice::External(servers) = &loaded.sound.broker else {
            let message = "the events need a broker that is running: pass `--broker HOST:PORT`, or \
                           another sink, such as `--sink file:DIR`";
            return Err(Failure::usage(message));
        };
        client = client.at(servers.as_str());
        Topics::create(&client, &inputs(&loaded.profile, &loaded.sound), false)
            .map_err(topics::failure)?;
    }
    Ok(GeneratorJob {
        section: (&loaded.profile).into(),
        connection: Connection {
            bootstrap: client.bootstrap,
            properties: client.properties,
            registry: loaded.profile.registry.clone(),
        },
        topics: loaded.sound.inputs.clone(),
        out: args.out.clone(),
    })
}
