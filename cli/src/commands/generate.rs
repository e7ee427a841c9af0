//! `floodmark generate`: the labelled events by themselves.

use std::path::Path;

use floodmark_contracts::{
    clock::SystemClock,
    job::{Connection, GeneratorJob},
    record::GeneratorFacts,
};
use floodmark_generator::SinkChoice;
use floodmark_harness::{
    broker::BrokerChoice,
    topics::{Topics, inputs},
};

use crate::{
    args::GenerateArgs,
    commands::tell,
    exit::{Exit, Failure},
    load, output, signals,
};

/// Generates a profile's events, or a resolved plan's.
pub fn run(args: &GenerateArgs) -> Result<Exit, Failure> {
    let sink: SinkChoice = args.sink.parse().map_err(Failure::usage)?;
    let stop = signals::stop_flag()?;
    let (job, verbose) = match (&args.job, &args.profile) {
        (Some(file), _) => (read_job(file)?, false),
        (None, Some(_)) => (job_of(args, &sink)?, true),
        (None, None) => return Err(Failure::usage("name a profile, or a job with `--job`")),
    };
    let clock = SystemClock::new();
    let facts = floodmark_generator::run(&job, &sink, &clock, &stop, &mut |progress| {
        if verbose {
            tell(&format!("  {progress}"));
        }
    })
    .map_err(|error| {
        let exit = if error.is_unreachable() {
            Exit::Unreachable
        } else {
            Exit::Internal
        };
        Failure::new(exit, error)
    })?;
    if verbose {
        summary(&facts, &args.out);
    }
    Ok(if facts.interrupted {
        Exit::Interrupted
    } else {
        Exit::Pass
    })
}

fn summary(facts: &GeneratorFacts, out: &Path) {
    for (stream, facts) in &facts.streams {
        tell(&format!(
            "{stream}: {} due, {} sent, {} acknowledged, fingerprint {}",
            facts.due, facts.sent, facts.acknowledged, facts.fingerprint
        ));
    }
    tell(&format!(
        "labels, enrichment data and figures: {}",
        out.display()
    ));
}

fn read_job(file: &Path) -> Result<GeneratorJob, Failure> {
    let text = std::fs::read(file).map_err(|error| {
        let message = format!("cannot read the job `{}`", file.display());
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(message))
    })?;
    Ok(serde_json::from_slice(&text)?)
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
        Topics::create(&client, &inputs(&loaded.profile, &loaded.sound), false).map_err(
            |error| {
                let exit = if error.is_unreachable() {
                    Exit::Unreachable
                } else {
                    Exit::Internal
                };
                Failure::new(exit, error)
            },
        )?;
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
