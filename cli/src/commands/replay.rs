//! `floodmark replay`: what was recorded elsewhere, sent again with its labels.

mod scored;

use std::{collections::BTreeSet, path::Path};

use floodmark_contracts::{
    clock::{EventTime, SystemClock},
    kind::Kind,
    record::GeneratorFacts,
    stream::Stream,
};
use floodmark_generator::replay::{
    CsvSource, LineSource, Pace, Recording, ReplayError, ReplayJob, ReplaySink, SeriesOptions,
    TopicSource, read_csv, read_lines, read_nab, read_topic, replay,
};
use floodmark_harness::run::{read_generator_facts, read_labels};
use floodmark_kafka::{Admin, ClientSettings, admin::NewTopic};

use crate::{
    args::{Global, ReplayArgs},
    commands::{
        metrics::{self, OwnPage},
        tell,
    },
    exit::{Exit, Failure},
    load::client_of,
    output, signals,
    watch::Watcher,
};

/// How long the cluster may take to answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Reads a recording and sends it again.
pub fn run(args: &ReplayArgs, global: &Global) -> Result<Exit, Failure> {
    if args.score {
        return scored::run(args, global);
    }
    let pace: Pace = args.pace.parse().map_err(Failure::usage)?;
    let stop = signals::stop_flag()?;
    let clock = SystemClock::new();
    let client = client_of(args.broker.as_deref(), &args.client)?;
    let mut recording = read(args, &client, &clock)?;
    if let Some(truth) = &args.labels {
        recording = with_truth(recording, truth)?;
    }
    let sink = sink(args, &recording, client)?;
    output::claim(&args.out, args.force)?;
    let metrics = metrics::start(args.metrics, global)?;
    let page = metrics.as_ref().map(OwnPage::on).transpose()?;
    let job = ReplayJob {
        recording: &recording,
        pace,
        sink: &sink,
        out: &args.out,
        counts: page.as_ref().map(OwnPage::file),
    };
    let mut watcher = Watcher::new(global);
    let facts = replay(&job, &clock, &stop, &mut |progress| {
        let text = format!("{} of {} records sent", progress.sent, progress.total);
        let seconds = progress.elapsed.0 / 1_000_000;
        watcher.progress(seconds, progress.duration.0 as f64 / 1e6, &text);
    })
    .map_err(failure);
    let facts = match facts {
        Err(failure) if matches!(sink, ReplaySink::Stdout) && failure.is_closed_reader() => {
            return Ok(Exit::Pass);
        }
        other => other?,
    };
    watcher.finish();
    summary(global, &recording, &facts, &args.out);
    Ok(if facts.interrupted {
        Exit::Interrupted
    } else {
        Exit::Pass
    })
}

fn summary(global: &Global, recording: &Recording, facts: &GeneratorFacts, out: &Path) {
    for (stream, facts) in &facts.streams {
        let line = format!(
            "{stream}: {} due, {} sent, {} acknowledged, {} labels, fingerprint {}",
            facts.due,
            facts.sent,
            facts.acknowledged,
            recording.label_count(),
            facts.fingerprint
        );
        tell(global, &line);
    }
    tell(global, &format!("labels and figures: {}", out.display()));
}

fn failure(error: ReplayError) -> Failure {
    let exit = if error.is_unreachable() {
        Exit::Unreachable
    } else if error.is_about_the_source() {
        Exit::Usage
    } else {
        Exit::Internal
    };
    Failure::new(exit, error)
}

fn read(
    args: &ReplayArgs,
    client: &Option<ClientSettings>,
    clock: &SystemClock,
) -> Result<Recording, Failure> {
    let Some((form, name)) = args
        .source
        .split_once(':')
        .filter(|(_, name)| !name.is_empty())
    else {
        return Err(Failure::usage(unknown_source(&args.source)));
    };
    let path = Path::new(name);
    let recording = match form {
        "nab" => read_nab(path, &series_options(args)?),
        "csv" => {
            let source = CsvSource {
                path: path.to_owned(),
                time: args.time.clone().unwrap_or_else(|| "timestamp".to_owned()),
                value: args.value.clone(),
                label: args.label.clone(),
                key: args.key.clone(),
            };
            read_csv(&source, &series_options(args)?)
        }
        "file" => {
            let stream = stream(args, path.file_stem().and_then(|stem| stem.to_str()))?;
            let entity = match stream {
                Stream::Clickstream | Stream::Banking => "user_id",
                Stream::Sensors => "sensor_id",
            };
            read_lines(&LineSource {
                path: path.to_owned(),
                stream,
                time: args.time.clone().unwrap_or_else(|| "timestamp".to_owned()),
                key: args.key.clone().unwrap_or_else(|| entity.to_owned()),
                memory_mib: args.memory,
            })
        }
        "topic" => {
            let Some(client) = client.clone() else {
                return Err(Failure::usage(
                    "a topic needs a cluster; pass `--broker HOST:PORT`",
                ));
            };
            let source = TopicSource {
                client,
                topic: name.to_owned(),
                stream: stream(args, Some(name))?,
                memory_mib: args.memory,
            };
            read_topic(&source, clock)
        }
        _ => return Err(Failure::usage(unknown_source(&args.source))),
    };
    recording.map_err(failure)
}

fn unknown_source(found: &str) -> String {
    format!(
        "`{found}` is nothing to replay; use `nab:DIR`, `csv:FILE`, `file:FILE` or `topic:NAME`"
    )
}

fn series_options(args: &ReplayArgs) -> Result<SeriesOptions, Failure> {
    let kind = Kind::from_name(&args.kind).ok_or_else(|| {
        let all: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        Failure::usage(format!(
            "`{}` is no kind of anomaly; use one of {}",
            args.kind,
            all.join(", ")
        ))
    })?;
    let origin = args.origin.as_deref().map(|text| {
        text.parse::<jiff::Timestamp>()
            .map(|at| EventTime(at.as_millisecond()))
            .map_err(|_| {
                Failure::usage(format!(
                    "`{text}` is no instant; write one such as `2025-06-10T05:00:00Z`"
                ))
            })
    });
    let except = match &args.except {
        None => BTreeSet::new(),
        Some(file) => names(file)?,
    };
    Ok(SeriesOptions {
        kind,
        origin: origin.transpose()?,
        except,
        memory_mib: args.memory,
    })
}

/// The names in a file, one a line; what follows a `#` is a remark.
fn names(file: &Path) -> Result<BTreeSet<String>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let message = format!("cannot read the names in `{}`", file.display());
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(message))
    })?;
    let lines = text.lines().filter_map(|line| line.split('#').next());
    let names = lines.map(|name| name.trim().trim_end_matches(".csv").to_owned());
    Ok(names.filter(|name| !name.is_empty()).collect())
}

/// The stream that was named, or else the one whose name or topic the source's name is.
fn stream(args: &ReplayArgs, name: Option<&str>) -> Result<Stream, Failure> {
    let name = args.stream.as_deref().or(name).unwrap_or_default();
    let matching =
        |stream: &Stream| stream.name() == name || name.ends_with(stream.default_topic());
    Stream::ALL.into_iter().find(matching).ok_or_else(|| {
        Failure::usage(format!(
            "`{name}` does not say which stream this is; pass `--stream` with `clickstream`, `banking` or `sensors`"
        ))
    })
}

/// Lays labels over a recording: a file of them, or the folder that `generate` or `replay` left.
fn with_truth(recording: Recording, truth: &Path) -> Result<Recording, Failure> {
    let stream = recording.stream;
    let (file, scored) = if truth.is_dir() {
        let facts = read_generator_facts(&truth.join("generator.json"))?;
        (truth.join("labels.ndjson"), Some(facts.scored))
    } else {
        (truth.to_owned(), None)
    };
    let labels = read_labels(&file)?
        .into_iter()
        .filter(|label| label.stream == stream)
        .collect();
    let recording = recording.with_labels(labels);
    Ok(match scored {
        Some(scored) => recording.with_scored(scored),
        None => recording,
    })
}

fn sink(
    args: &ReplayArgs,
    recording: &Recording,
    client: Option<ClientSettings>,
) -> Result<ReplaySink, Failure> {
    match args.sink.split_once(':') {
        None if args.sink == "null" => Ok(ReplaySink::Null),
        None if args.sink == "stdout" => Ok(ReplaySink::Stdout),
        Some(("file", folder)) if !folder.is_empty() => Ok(ReplaySink::Files(folder.into())),
        None if args.sink == "kafka" => {
            let Some(client) = client else {
                return Err(Failure::usage(
                    "the records need a broker that is running: pass `--broker HOST:PORT`, or another sink, \
                     such as `--sink file:DIR`",
                ));
            };
            let topic = args.topic.clone();
            let topic = topic.unwrap_or_else(|| recording.stream.default_topic().to_owned());
            if args.source == format!("topic:{topic}") {
                return Err(Failure::usage(format!(
                    "topic `{topic}` would be replayed onto itself; name another with `--topic`"
                )));
            }
            create(&client, &topic, args.partitions)?;
            Ok(ReplaySink::Topic { client, topic })
        }
        _ => Err(Failure::usage(format!(
            "`{}` is no sink for a replay; use `kafka`, `null`, `stdout` or `file:DIR`",
            args.sink
        ))),
    }
}

/// Makes the topic if it is missing.
pub fn create(client: &ClientSettings, topic: &str, partitions: u16) -> Result<(), Failure> {
    let unreachable = |error| Failure::new(Exit::Unreachable, error);
    let admin = Admin::new(client, PATIENCE)?;
    admin.wait_until_reachable(PATIENCE).map_err(unreachable)?;
    if admin.topic(topic)?.is_none() {
        admin.create_topics(&[NewTopic::new(topic, i32::from(partitions))])?;
    }
    Ok(())
}
