//! `floodmark generate`: the labelled events by themselves.

pub(super) mod job;
pub(super) mod verdict;

use std::{
    ops::ControlFlow,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use floodmark_contracts::{
    clock::{Clock, RunMicros, SystemClock},
    record::GeneratorFacts,
    trace::Tracer,
};
use floodmark_generator::{GenerateError, Progress, SinkChoice, metrics::MetricsServer};
use floodmark_harness::workers;

use self::job::Asked;
use crate::{
    args::{GenerateArgs, Global},
    commands::{
        metrics::{self, OwnPage},
        read_job, tell,
    },
    exit::{Exit, Failure},
    signals,
    traces::Traces,
    watch::Watcher,
};

/// Where the environment names a collector of OpenTelemetry.
const COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Generates a profile's events, or a resolved plan's.
pub fn run(args: &GenerateArgs, global: &Global) -> Result<Exit, Failure> {
    let sink: SinkChoice = args.sink.parse().map_err(Failure::usage)?;
    let stop = signals::stop_flag()?;
    let clock = SystemClock::new();
    match (&args.job, &args.profile.0) {
        (Some(file), _) => {
            let job = read_job(file)?;
            let traces = open_traces(args, &sink)?;
            let tracer = traces.as_ref().map(Traces::tracer);
            let run = floodmark_generator::run_traced;
            let facts = run(&job, &sink, tracer.as_ref(), &clock, &stop, &mut |_| {});
            if let Some(traces) = traces {
                traces.finish(global);
            }
            Ok(exit_of(&facts.map_err(failure)?))
        }
        (None, Some(profile)) => {
            let metrics = metrics::start(args.metrics, global)?;
            let asked = job::of(profile, args, &sink, global)?;
            let traces = open_traces(args, &sink)?;
            let tracer = traces.as_ref().map(Traces::tracer);
            let outcome = send(
                asked,
                &sink,
                tracer.as_ref(),
                (&clock, &stop),
                metrics.as_ref(),
                global,
            );
            if let Some(traces) = traces {
                traces.finish(global);
            }
            let facts = match outcome {
                Err(failure) if sink.is_stdout() && failure.is_closed_reader() => {
                    return Ok(Exit::Pass);
                }
                other => other?,
            };
            summary(global, &facts, &args.out);
            // Files and lines are the same whenever they were written; what reads them has no clock of ours.
            let valid = match sink {
                SinkChoice::Kafka | SinkChoice::Null => verdict::give(&facts, &args.out, global)?,
                _ => true,
            };
            Ok(match exit_of(&facts) {
                Exit::Pass if !valid => Exit::Invalid,
                exit => exit,
            })
        }
        (None, None) => Err(Failure::usage("name a profile, or a job with `--job`")),
    }
}

/// Sends the events, by this process or by several.
fn send(
    asked: Asked,
    sink: &SinkChoice,
    tracer: Option<&Tracer>,
    (clock, stop): (&dyn Clock, &AtomicBool),
    metrics: Option<&MetricsServer>,
    global: &Global,
) -> Result<GeneratorFacts, Failure> {
    let mut watcher = Watcher::new(global);
    let mut pulse = Pulse::default();
    let mut show = |progress: Progress| {
        let text = pulse.text(&progress);
        let (second, of) = (seconds(progress.elapsed) as i64, seconds(progress.duration));
        watcher.progress(second, of, &text);
    };
    let Asked {
        mut job,
        plan,
        workers: count,
    } = asked;
    let facts = if count > 1 {
        let exe = std::env::current_exe()?;
        let request = workers::Request {
            exe: &exe,
            job: &job,
            plan: &plan,
            sink,
            count,
            clock,
            stop: &|| stop.load(Ordering::Relaxed),
            logs: None,
            metrics,
            roster: None,
            paused: None,
        };
        let mut show = |progress| {
            show(progress);
            ControlFlow::Continue(())
        };
        let outcome = workers::generate(&request, &mut show);
        outcome.map(|(facts, _)| facts).map_err(Failure::from)
    } else {
        let page = metrics.map(OwnPage::on).transpose()?;
        job.counts = page.as_ref().map(|page| page.file().to_owned());
        let run = floodmark_generator::run_traced;
        run(&job, sink, tracer, clock, stop, &mut show).map_err(failure)
    };
    watcher.finish();
    facts
}

/// What traces records, where they go to a cluster. Workers learn of a collector from the environment.
fn open_traces(args: &GenerateArgs, sink: &SinkChoice) -> Result<Option<Traces>, Failure> {
    let several = args.load.workers > 1;
    if several && args.trace.traces.is_some() && std::env::var_os(COLLECTOR).is_none() {
        let message = format!(
            "`--traces` does not reach the processes of `--workers`; set {COLLECTOR} in its place, and OTEL_TRACES_SAMPLER_ARG \
             in place of `--trace-share`"
        );
        return Err(Failure::usage(message));
    }
    if several || !matches!(sink, SinkChoice::Kafka) {
        return Ok(None);
    }
    Traces::open(&args.trace, "floodmark-generator")
}

fn failure(error: GenerateError) -> Failure {
    let exit = match error {
        _ if error.is_unreachable() => Exit::Unreachable,
        _ if error.is_refusal() => Exit::Usage,
        _ => Exit::Internal,
    };
    Failure::new(exit, error)
}

fn exit_of(facts: &GeneratorFacts) -> Exit {
    if facts.interrupted {
        Exit::Interrupted
    } else {
        Exit::Pass
    }
}

/// What has happened since the last report of progress.
#[derive(Default)]
struct Pulse {
    last: Progress,
}

impl Pulse {
    fn text(&mut self, progress: &Progress) -> String {
        let span = seconds(progress.elapsed) - seconds(self.last.elapsed);
        let rate = (progress.sent - self.last.sent.min(progress.sent)) as f64 / span.max(1e-3);
        let mut text = format!(
            "{} of {} events sent, {rate:.0}/s, {} acknowledged, up to {:.1} ms late",
            progress.sent,
            progress.total,
            progress.acknowledged,
            progress.lateness_max_us as f64 / 1000.0
        );
        for (count, what) in [
            (progress.failed, "failed"),
            (progress.queue_full, "times the queue was full"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        self.last = *progress;
        text
    }
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
