//! From the arguments to what the generator is told.

use floodmark_contracts::{
    clock::WallTime,
    job::{Connection, GeneratorJob, Pace, Start, WorkerShare},
    units::{parse_duration, parse_rate},
};
use floodmark_generator::{Plan, SinkChoice};
use floodmark_harness::{
    broker::BrokerChoice,
    topics::{Topics, inputs},
};

use crate::{
    args::{GenerateArgs, Global, LoadArgs, ProfileArgs},
    commands::{calibrate, topics},
    exit::Failure,
    load::{self, Loaded},
    output,
};

/// What is to be generated, and by how many processes.
pub(super) struct Asked {
    pub(super) job: GeneratorJob,
    pub(super) plan: Plan,
    pub(super) workers: u32,
}

/// What the arguments ask for. Topics are made where events go to a cluster.
pub(super) fn of(
    profile: &ProfileArgs,
    args: &GenerateArgs,
    sink: &SinkChoice,
    global: &Global,
) -> Result<Asked, Failure> {
    let worker = worker_share(&args.load)?;
    let start = start(&args.load)?;
    let loaded = load_profile(profile, &args.load)?;
    check_workers(&loaded, &args.load, sink)?;
    let pace = pace(&args.load);
    if pace == Pace::Schedule {
        let senders = args.load.workers.saturating_mul(args.load.threads);
        calibrate::check(&loaded, sink, senders, &args.load.calibration, global)?;
    }
    output::claim(&args.out, args.force)?;
    let mut client = loaded.client.clone();
    if matches!(sink, SinkChoice::Kafka) {
        let BrokerChoice::External(servers) = &loaded.sound.broker else {
            let message = "the events need a broker that is running: pass `--broker HOST:PORT`, or \
                           another sink, such as `--sink file:DIR`";
            return Err(Failure::usage(message));
        };
        client = client.at(servers.as_str());
        Topics::create(
            &client,
            &inputs(&loaded.profile, &loaded.sound),
            args.append,
        )
        .map_err(topics::failure)?;
    }
    let job = GeneratorJob {
        section: (&loaded.profile).into(),
        connection: Connection {
            bootstrap: client.bootstrap,
            properties: client.properties,
            registry: loaded.profile.registry.clone(),
        },
        topics: loaded.sound.inputs.clone(),
        out: args.out.clone(),
        pace,
        worker,
        threads: args.load.threads,
        start,
        counts: None,
        skews: Vec::new(),
    };
    Ok(Asked {
        job,
        plan: loaded.plan,
        workers: args.load.workers,
    })
}

fn pace(load: &LoadArgs) -> Pace {
    match load.rate.as_deref() {
        Some("max") => Pace::Max,
        _ => Pace::Schedule,
    }
}

/// The profile with the load that the arguments ask for. What they change depends on what the profile
/// says, so it is read first without them.
fn load_profile(profile: &ProfileArgs, load: &LoadArgs) -> Result<Loaded, Failure> {
    let mut sets = Vec::new();
    if let Some(duration) = &load.duration {
        parse_duration(duration).map_err(Failure::usage)?;
        sets.push(("duration".to_owned(), duration.clone()));
    }
    if let Some(rate) = load.rate.as_deref().filter(|rate| *rate != "max") {
        let rate = parse_rate(rate).map_err(Failure::usage)?;
        sets.extend(shared_rates(&load::load(profile)?, rate)?);
    }
    if let Some(count) = load.count {
        sets.push(duration_of(profile, &sets, count)?);
    }
    load::load_with(profile, &sets)
}

/// Each stream's share of `total` events per second, in the proportions of the profile.
fn shared_rates(loaded: &Loaded, total: f64) -> Result<Vec<(String, String)>, Failure> {
    let mut rates = Vec::new();
    for (stream, section) in loaded.profile.streams.iter() {
        let Some(rate) = &section.rate else {
            let message = format!(
                "stream `{stream}` has `phases`, which one rate cannot replace; change them in the profile, or \
                 leave `--rate` out"
            );
            return Err(Failure::usage(message));
        };
        rates.push((stream, parse_rate(rate).map_err(Failure::usage)?));
    }
    let sum: f64 = rates.iter().map(|(_, rate)| rate).sum();
    Ok(rates
        .into_iter()
        .map(|(stream, rate)| {
            let share = format!("{:.6}", total * rate / sum);
            let share = share.trim_end_matches('0').trim_end_matches('.');
            (format!("streams.{stream}.rate"), format!("{share}/s"))
        })
        .collect())
}

/// The duration in which `count` slots arrive.
fn duration_of(
    profile: &ProfileArgs,
    sets: &[(String, String)],
    count: u64,
) -> Result<(String, String), Failure> {
    if count == 0 {
        return Err(Failure::usage("`--count 0` sends nothing; use 1 or more"));
    }
    let mut sets = sets.to_vec();
    // A run that is long enough is guessed from the mean rate; a Poisson process may need a second guess.
    for _ in 0..8 {
        let loaded = load::load_with(profile, &sets)?;
        let plan = &loaded.plan;
        if let Some(ns) = plan.duration_of_slots(count) {
            let us = format!("{}.{:03}us", ns / 1000, ns % 1000);
            return Ok(("duration".to_owned(), us));
        }
        let slots: u64 = plan.streams().map(|stream| plan.slots(stream)).sum();
        let seconds = plan.duration().0 as f64 / 1e6;
        let longer = seconds * (count as f64 / slots.max(1) as f64) * 1.05 + 1.0;
        sets.push(("duration".to_owned(), format!("{longer:.3}s")));
    }
    let message = format!("no run with `--count {count}` events was found; use `--for` instead");
    Err(Failure::usage(message))
}

fn check_workers(loaded: &Loaded, load: &LoadArgs, sink: &SinkChoice) -> Result<(), Failure> {
    if load.workers > 1 && sink.is_stdout() {
        let message = "the lines of several workers would run into one another; use `--sink file:DIR`, or one \
                       worker";
        return Err(Failure::usage(message));
    }
    check_senders(&loaded.plan, load.workers, load.threads)
}

/// Refuses senders that would have nothing to do.
pub(in crate::commands) fn check_senders(
    plan: &Plan,
    workers: u32,
    threads: u32,
) -> Result<(), Failure> {
    if workers == 0 || threads == 0 {
        return Err(Failure::usage(
            "nothing is sent by 0 workers or threads; use 1 or more",
        ));
    }
    let lanes = plan.streams().map(|stream| plan.lanes(stream));
    let partitions = lanes.max().unwrap_or(1);
    let senders = workers.saturating_mul(threads);
    if senders > partitions {
        let message = format!(
            "{senders} senders ({workers} workers with {threads} threads for each stream) share whole partitions, \
             and no stream has more than {partitions}; use fewer, or raise `partitions`"
        );
        return Err(Failure::usage(message));
    }
    Ok(())
}

fn worker_share(load: &LoadArgs) -> Result<WorkerShare, Failure> {
    let Some(text) = &load.worker_index else {
        return Ok(WorkerShare::default());
    };
    let share = text.split_once('/').and_then(|(index, of)| {
        let (index, of) = (index.parse().ok()?, of.parse().ok()?);
        (index < of).then_some(WorkerShare { index, of })
    });
    share.ok_or_else(|| {
        let message =
            format!("`{text}` is no worker; write `0/4` for the first of four, `3/4` for the last");
        Failure::usage(message)
    })
}

fn start(load: &LoadArgs) -> Result<Start, Failure> {
    let Some(text) = &load.start_at else {
        return Ok(Start::Ready);
    };
    let at: jiff::Timestamp = text.parse().map_err(|_| {
        Failure::usage(format!(
            "`{text}` is no instant in RFC 3339; write it like `2025-06-10T05:00:00Z`"
        ))
    })?;
    Ok(Start::At(WallTime(at.as_microsecond())))
}
