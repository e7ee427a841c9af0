//! Arguments. Help texts teach; names are those of the tools people know.

mod client;
mod compare;
#[cfg(test)]
mod documented;
mod first_steps;
mod generate;
mod jobs;
mod optional_profile;
mod origins;
mod process;
mod profiles;
mod report;
mod rounds;
mod search;
mod serve_model;
mod topics;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::FalseyValueParser};

pub use self::{
    client::{ClientArgs, PROPERTIES_VARIABLE},
    compare::{CompareArgs, HistoryArgs, MarginArgs},
    first_steps::{DoctorArgs, InitArgs, ManArgs},
    generate::{CalibrationArgs, GenerateArgs, LoadArgs, TraceArgs},
    jobs::{JobsCommand, JobsList, JobsNamed, JobsStop},
    optional_profile::OptionalProfile,
    origins::Origins,
    profiles::{CompletionsArgs, ExplainArgs, SchemaArgs, ValidateArgs},
    report::{ReportArgs, ReportFormat},
    rounds::{AaArgs, AbArgs, RoundsArgs},
    search::{CurveArgs, SearchArgs, SeriesArgs},
    serve_model::ServeModelArgs,
    topics::{RecordFormat, TopicsCommand},
};

use crate::logging::LogLines;

/// Benchmarks streaming anomaly detection on Kafka, end to end: is the detector right, fast, and still
/// so after the last commit?
#[derive(Debug, Parser)]
#[command(
    name = "floodmark",
    version = crate::version::short(),
    long_version = crate::version::long(),
    propagate_version = true,
    max_term_width = 100
)]
#[command(after_help = "Examples:
  floodmark bench profiles/quickstart.yaml            everything on this machine, nothing to install
  floodmark bench profiles/clickstream.yaml --broker localhost:9092 --topic-prefix try1-
  floodmark validate profiles/quickstart.yaml         is the profile sound?

Exit codes: 0 pass, 1 internal error, 2 usage, 69 unreachable, 78 bad profile, 98 measurement invalid,
99 gate failed, 100 regressed, 130 interrupted (docs/exit-codes.md).")]
pub struct Cli {
    /// Arguments of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Arguments of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Say nothing but the result
    #[arg(
        long,
        short,
        global = true,
        env = "FLOODMARK_QUIET",
        value_parser = FalseyValueParser::new(),
        help_heading = "What is printed"
    )]
    pub quiet: bool,
    /// Whether words such as `FAILS` are coloured: under `auto` on a terminal, unless `NO_COLOR` or `CLICOLOR_FORCE` say otherwise
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t = ColourWhen::Auto,
        env = crate::colour::VARIABLE,
        help_heading = "What is printed"
    )]
    pub color: ColourWhen,
    /// How log lines look
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = LogFormat::Text,
        env = "FLOODMARK_LOG_FORMAT",
        help_heading = "What is printed"
    )]
    pub log_format: LogFormat,
    /// Which log lines to show, such as `info` or `floodmark_broker=debug`
    #[arg(
        long,
        global = true,
        default_value = "warn",
        env = "FLOODMARK_LOG",
        help_heading = "What is printed"
    )]
    pub log: String,
    /// Where log lines go
    #[arg(skip)]
    pub log_lines: LogLines,
}

/// When there is colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColourWhen {
    /// On a terminal, as far as the environment does not say otherwise.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Generate, detect, score and report: the whole way through
    Bench(BenchArgs),
    /// Find the highest rate that a detector sustains with its accuracy intact
    Search(SearchArgs),
    /// Recall, precision and latency over rate, lateness or difficulty
    Curve(CurveArgs),
    /// Generate the labelled events of a profile
    Generate(GenerateArgs),
    /// Measure how much this machine can send, so that no run asks it for more
    Calibrate(CalibrateArgs),
    /// Put the figures of workers on several machines together
    Merge(MergeArgs),
    /// Run the bundled detector
    Detect(DetectArgs),
    /// Run the bundled detector over topics that are full already, and say what that cost
    Drain(DrainArgs),
    /// Serve the fraud model over HTTP, for `detect --scorer`
    ServeModel(ServeModelArgs),
    /// List, stop and resume the detectors that run on this machine
    #[command(
        subcommand,
        after_help = "Examples:
  floodmark jobs list      those that run, and those that can be resumed
  floodmark jobs stop --snapshot floodmark-detector-0
  floodmark jobs resume floodmark-detector-0      as it was started, in the background
  floodmark jobs forget floodmark-detector-0"
    )]
    Jobs(JobsCommand),
    /// Score a run, or alerts and labels that other tools wrote
    Score(ScoreArgs),
    /// Write the report of a scored run again, also as JUnit and in the formats of benchmark services
    Report(ReportArgs),
    /// Compare stored runs, one folder of them against another
    Compare(CompareArgs),
    /// Run two detectors, settings or builds in turn, and say which is worse and how sure that is
    Ab(AbArgs),
    /// Run the same against itself: how much this machine's runs differ, and what change it can show
    Aa(AaArgs),
    /// Show how metrics went over many stored runs, and where they changed
    History(HistoryArgs),
    /// Write a commented profile to begin with
    Init(InitArgs),
    /// Say what there is on this machine, and what that allows
    Doctor(DoctorArgs),
    /// Check a profile and say everything that is wrong with it
    Validate(ValidateArgs),
    /// Say what a profile would send (events, labels, bytes), what it asks of the run, and who set what; nothing is sent
    Explain(ExplainArgs),
    /// Send a captured topic, a file of events or a labelled public series again, at another pace
    Replay(ReplayArgs),
    /// Put real clicks of a site under test on the topics, over HTTP
    Collect(CollectArgs),
    /// Run the embedded broker and schema registry (for benchmarks and tests, not to keep data)
    Broker(BrokerArgs),
    /// Create, list, delete or read the topics of a profile
    #[command(
        subcommand,
        after_help = "Examples:
  floodmark topics create profiles/sensors.yaml --broker localhost:9092
  floodmark topics list profiles/sensors.yaml --broker localhost:9092      with the number of records in each
  floodmark topics read profiles/sensors.yaml --broker localhost:9092 --topic anomalies
  floodmark topics delete profiles/sensors.yaml --broker localhost:9092      and all that they hold"
    )]
    Topics(TopicsCommand),
    /// Print or write the JSON Schemas of everything that others read or write, or the reference of profiles
    Schema(SchemaArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Print or write manual pages
    Man(ManArgs),
}

/// A profile with what overrides it.
#[derive(Debug, Clone, Default, Args)]
pub struct ProfileArgs {
    /// Which of the arguments came from the environment
    #[command(flatten)]
    pub origins: Origins,
    /// The profile, a YAML file
    #[arg(value_name = "PROFILE")]
    pub profile: PathBuf,
    /// Seed of everything that is drawn, in place of the profile's
    #[arg(long, value_name = "N", env = "FLOODMARK_SEED")]
    pub seed: Option<u64>,
    /// `embedded`, `kafka-home:DIR`, `testcontainers` or `HOST:PORT,…`
    #[arg(long, value_name = "BROKER", env = "FLOODMARK_BROKER")]
    pub broker: Option<String>,
    /// URL of a schema registry, such as `http://localhost:8081`
    #[arg(
        long,
        value_name = "URL",
        env = "FLOODMARK_REGISTRY",
        hide_env_values = true
    )]
    pub registry: Option<String>,
    /// Put in front of every topic and group name
    #[arg(long, value_name = "PREFIX", env = "FLOODMARK_TOPIC_PREFIX")]
    pub topic_prefix: Option<String>,
    /// Set any value of the profile, such as `--set streams.sensors.rate=5k/s`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub sets: Vec<String>,
    /// Properties of the Kafka client
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark bench profiles/quickstart.yaml
  floodmark bench profiles/smoke.yaml --seed 7 --out runs/seven --set streams.sensors.rate=2k/s
  floodmark bench profiles/smoke.yaml --broker kafka-home:target/parts/kafka-4.3.1
  floodmark bench profiles/smoke.yaml --baseline runs/main    beside stored runs of the same profile
  floodmark bench profiles/smoke.yaml --set subject=none      checks the checker: recall must be 0")]
pub struct BenchArgs {
    /// The profile and what overrides it
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// Where the results go [default: runs/PROFILE-TIME]
    #[arg(long, value_name = "DIR", env = "FLOODMARK_OUT")]
    pub out: Option<PathBuf>,
    /// Leave broker and topics up after the run, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Show the run over the whole terminal while it goes on: load, lateness, lag and alerts, second by second
    #[arg(long)]
    pub tui: bool,
    /// Show what the generator has sent so far to Prometheus, at `http://HOST:PORT/metrics`; a PORT alone is
    /// one of loopback, port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", value_parser = metrics_address, env = "FLOODMARK_METRICS")]
    pub metrics: Option<SocketAddr>,
    /// Processes that generate the events, each with whole partitions; their figures are put together
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        env = "FLOODMARK_WORKERS",
        help_heading = "Load"
    )]
    pub workers: u32,
    /// How the load is held against what this machine can send
    #[command(flatten)]
    pub calibration: CalibrationArgs,
    /// Write into a folder that is not empty
    #[arg(long)]
    pub force: bool,
    /// Compare with stored runs: the folder of one, or one with folders of runs. One run is advice, and changes no exit code
    #[arg(long, value_name = "DIR", env = "FLOODMARK_BASELINE")]
    pub baseline: Option<PathBuf>,
}

/// Arguments of `merge`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark merge worker-0 worker-1 worker-2 worker-3 --out whole")]
pub struct MergeArgs {
    /// The folders that the workers left
    #[arg(value_name = "DIR", required = true)]
    pub dirs: Vec<PathBuf>,
    /// Where the whole goes
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write into a folder that is not empty
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `calibrate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark calibrate                                      all streams, to nothing and to the embedded broker
  floodmark calibrate profiles/banking.yaml --broker localhost:9092

It takes under three seconds. `bench` and `generate` refuse loads above what was found, unless `--over-rate`
says otherwise.")]
pub struct CalibrateArgs {
    /// The profile whose streams are measured [default: all three streams]
    #[arg(value_name = "PROFILE")]
    pub profile: Option<PathBuf>,
    /// `embedded`, `kafka-home:DIR`, `testcontainers` or `HOST:PORT,…`
    #[arg(long, value_name = "BROKER", env = "FLOODMARK_BROKER")]
    pub broker: Option<String>,
    /// URL of a schema registry, such as `http://localhost:8081`
    #[arg(
        long,
        value_name = "URL",
        env = "FLOODMARK_REGISTRY",
        hide_env_values = true
    )]
    pub registry: Option<String>,
    /// Set any value of the profile, such as `--set streams.sensors.population.entities=100000`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub sets: Vec<String>,
    /// Properties of the Kafka client
    #[command(flatten)]
    pub client: ClientArgs,
    /// Folder of the calibrations [default: $XDG_STATE_HOME/floodmark]
    #[arg(long, value_name = "DIR", env = "FLOODMARK_STATE")]
    pub state: Option<PathBuf>,
    /// Print the calibrations as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `detect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark detect profiles/sensors.yaml --broker localhost:9092
  floodmark detect profiles/sensors.yaml --broker localhost:9092 --enrichment truth/enrichment.ndjson")]
pub struct DetectArgs {
    /// The profile and what overrides it
    #[command(flatten)]
    pub profile: OptionalProfile,
    /// A resolved plan in place of a profile; `bench` uses it
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "profile",
        required_unless_present = "profile"
    )]
    pub job: Option<PathBuf>,
    /// Alert on every key in every minute instead: checks the checker
    #[arg(long)]
    pub always: bool,
    /// Enrichment data to look up, as `generate` writes it
    #[arg(long, value_name = "FILE", conflicts_with = "job")]
    pub enrichment: Option<PathBuf>,
    /// Let a service score banking sessions, such as `http://127.0.0.1:8686/score`
    #[arg(long, value_name = "URL", conflicts_with = "job")]
    pub scorer: Option<String>,
    /// Consumer group
    #[arg(
        long,
        value_name = "NAME",
        default_value = "floodmark-detector",
        conflicts_with = "job"
    )]
    pub group: String,
    /// Which of the group's processes this is; each has a number of its own, from 0
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "job")]
    pub slot: u32,
    /// End once every topic is read to its end, in place of waiting for more
    #[arg(long)]
    pub until_end: bool,
    /// Where its status page is, with `/metrics` for Prometheus, `/healthz` and `/readyz`: a PORT of loopback, an
    /// address, or `off` [default: 9249, or a free port if that is taken]
    #[arg(long, value_name = "HOST:PORT", value_parser = page_address)]
    pub metrics: Option<PageAddress>,
    /// Folder by which `floodmark jobs` finds this process [default: $XDG_STATE_HOME/floodmark]
    #[arg(long, value_name = "DIR", env = "FLOODMARK_STATE")]
    pub state: Option<PathBuf>,
    /// Traces of single events
    #[command(flatten)]
    pub trace: TraceArgs,
}

/// Where a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageAddress {
    /// Nowhere.
    Off,
    /// There.
    At(SocketAddr),
}

/// Arguments of `drain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark generate profiles/sensors.yaml --broker localhost:9092 --rate max
  floodmark drain profiles/sensors.yaml --broker localhost:9092 --json

Every call reads everything: the group is a new one, unless `--group` names it. Alerts go to the topics of
the profile, as those of `detect` do.")]
pub struct DrainArgs {
    /// The profile and what overrides it
    #[command(flatten)]
    pub profile: OptionalProfile,
    /// A resolved plan in place of a profile
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "profile",
        required_unless_present = "profile"
    )]
    pub job: Option<PathBuf>,
    /// Enrichment data to look up, as `generate` writes it
    #[arg(long, value_name = "FILE", conflicts_with = "job")]
    pub enrichment: Option<PathBuf>,
    /// Consumer group [default: a new one]
    #[arg(long, value_name = "NAME", conflicts_with = "job")]
    pub group: Option<String>,
    /// Which of the group's processes this is; each has a number of its own, from 0
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "job")]
    pub slot: u32,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `score`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark score runs/quickstart-20250610T050000Z     score a run again, from its facts
  floodmark score --alerts alerts.ndjson --truth generated --json
  floodmark score --scores scores.ndjson --truth generated      a score for every event: VUS, AP, ROC AUC, NAB
  floodmark score --alerts main.ndjson --against branch.ndjson --truth generated      label by label (McNemar)")]
pub struct ScoreArgs {
    /// The folder of a run
    #[arg(value_name = "DIR", required_unless_present_any = ["alerts", "scores"])]
    pub dir: Option<PathBuf>,
    /// Alerts, one JSON object a line, as the topic `anomalies` holds them
    #[arg(long, value_name = "FILE", requires = "truth", conflicts_with = "dir")]
    pub alerts: Option<PathBuf>,
    /// The folder that `generate` left, or a file of labels, one JSON object a line
    ///
    /// The folder says where warm-up and run end. With a file alone, everything is scored: alerts after
    /// the last event, such as a drop-out on every sensor, count as false.
    #[arg(long, value_name = "PATH", conflicts_with = "dir")]
    pub truth: Option<PathBuf>,
    /// The score of every event, one JSON object a line: `{"key":{"type":"sensor","id":"s1"},"time":1749531600000,"score":0.3}`
    #[arg(
        long,
        value_name = "FILE",
        requires = "truth",
        conflicts_with_all = ["dir", "alerts"]
    )]
    pub scores: Option<PathBuf>,
    /// Alerts of another detector on the same events: says which labels only one of the two found
    #[arg(long, value_name = "FILE", requires = "alerts")]
    pub against: Option<PathBuf>,
    /// Print the scores as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark replay nab:nab --pace 5k/s --broker localhost:9092 --out truth
  floodmark replay csv:pump.csv --time t --value pressure --label anomaly --pace 60x --sink stdout
  floodmark replay file:events/clickstream.ndjson --labels generated --pace 10x --broker localhost:9092
  floodmark replay topic:clickstream-events --broker localhost:9092 --topic again --labels generated
  floodmark replay nab:nab --score                     the bundled detector's score, with nothing to install

`floodmark score --alerts alerts.ndjson --truth truth` scores a detector on it.")]
pub struct ReplayArgs {
    /// What to replay: `nab:DIR`, `csv:FILE`, `file:FILE` (one JSON event a line) or `topic:NAME`
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// Send the series through the bundled detector, and print its score as the Numenta Anomaly Benchmark has it
    ///
    /// Broker and detector are started for it. `nab.json` in the folder of `--out` has the figures.
    #[arg(
        long,
        conflicts_with_all = ["pace", "sink", "metrics", "labels", "stream", "broker", "topic"],
        help_heading = "Score"
    )]
    pub score: bool,
    /// Variant of the rule that is scored: `light` or `full`
    #[arg(
        long,
        value_name = "VARIANT",
        default_value = "light",
        requires = "score",
        help_heading = "Score"
    )]
    pub variant: String,
    /// Its threshold, one for all series [default: the detector's]
    #[arg(long, value_name = "RANK", requires = "score", help_heading = "Score")]
    pub threshold: Option<f64>,
    /// How fast: `as-was`, a factor such as `60x`, a rate such as `5k/s`, or `max`
    #[arg(long, value_name = "PACE", default_value = "as-was")]
    pub pace: String,
    /// Where the records go: `kafka`, `null`, `stdout` or `file:DIR`
    #[arg(long, value_name = "SINK", default_value = "kafka")]
    pub sink: String,
    /// Where labels and figures go
    #[arg(long, value_name = "DIR", default_value = "replayed")]
    pub out: PathBuf,
    /// Show what has been sent so far to Prometheus, at `http://HOST:PORT/metrics`; a PORT alone is one of
    /// loopback, port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", value_parser = metrics_address)]
    pub metrics: Option<SocketAddr>,
    /// Write into a folder that is not empty
    #[arg(long)]
    pub force: bool,
    /// Labels to lay over the records: a file of them, or the folder that `generate` left
    #[arg(long, value_name = "PATH")]
    pub labels: Option<PathBuf>,
    /// The stream of a file or topic, where its name does not say
    #[arg(long, value_name = "STREAM")]
    pub stream: Option<String>,
    /// Column or field of the time [default: timestamp]
    #[arg(long, value_name = "NAME", help_heading = "What stands where")]
    pub time: Option<String>,
    /// Column of the value
    #[arg(
        long,
        value_name = "NAME",
        default_value = "value",
        help_heading = "What stands where"
    )]
    pub value: String,
    /// Column that is `1` or `true` for rows of an anomaly
    #[arg(long, value_name = "NAME", help_heading = "What stands where")]
    pub label: Option<String>,
    /// Column of the sensor, or field that is the record's key
    #[arg(long, value_name = "NAME", help_heading = "What stands where")]
    pub key: Option<String>,
    /// Kind that the labels of public series are given
    #[arg(
        long,
        value_name = "KIND",
        default_value = "level-shift",
        help_heading = "What stands where"
    )]
    pub kind: String,
    /// File of the names of a benchmark's series to leave out, one a line
    #[arg(long, value_name = "FILE", help_heading = "What stands where")]
    pub except: Option<PathBuf>,
    /// Event time at which every series begins [default: as in the file]
    #[arg(long, value_name = "INSTANT", help_heading = "What stands where")]
    pub origin: Option<String>,
    /// Memory for the records, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub memory: usize,
    /// The cluster: `HOST:PORT,…`
    #[arg(
        long,
        value_name = "SERVERS",
        env = "FLOODMARK_BROKER",
        help_heading = "Kafka"
    )]
    pub broker: Option<String>,
    /// The topic to write to [default: the stream's]
    #[arg(long, value_name = "NAME", help_heading = "Kafka")]
    pub topic: Option<String>,
    /// Partitions of the topic, if it has to be made
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = "Kafka")]
    pub partitions: u16,
    /// Properties of the Kafka client
    #[command(flatten, next_help_heading = "Kafka")]
    pub client: ClientArgs,
}

/// Arguments of `collect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark collect --broker localhost:9092 --allow-origin http://localhost:3000
  floodmark collect --broker localhost:9092 --registry http://localhost:8081 --stream banking

It serves `/snippet.js` for the site's pages. What people type never leaves their browser.")]
pub struct CollectArgs {
    /// The cluster: `HOST:PORT,…`
    #[arg(long, value_name = "SERVERS", env = "FLOODMARK_BROKER")]
    pub broker: String,
    /// URL of a schema registry, which banking events need
    #[arg(
        long,
        value_name = "URL",
        env = "FLOODMARK_REGISTRY",
        hide_env_values = true
    )]
    pub registry: Option<String>,
    /// What the site's pages are
    #[arg(long, value_enum, default_value_t = CollectStream::Clickstream)]
    pub stream: CollectStream,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8088")]
    pub listen: SocketAddr,
    /// Origin whose pages may send, such as `https://shop.example`; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,
    /// The topic to write to [default: the stream's]
    #[arg(long, value_name = "NAME")]
    pub topic: Option<String>,
    /// Partitions of the topic, if it has to be made
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub partitions: u16,
    /// Largest body of a request, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 10)]
    pub max_body: usize,
    /// Events that may wait for the broker; beyond them clients are told to try later
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub queue: usize,
    /// Take the client's address from `X-Forwarded-For`: only behind a proxy that writes it
    #[arg(long)]
    pub trust_proxy: bool,
    /// Properties of the Kafka client
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What a site's pages are.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CollectStream {
    /// Those of a shop or a magazine.
    Clickstream,
    /// Those of a bank.
    Banking,
}

/// Arguments of `broker`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark broker                                       on free ports of loopback, which it prints
  floodmark broker --listen 127.0.0.1:9092 --registry 127.0.0.1:8081

It keeps everything in memory and forgets it when it ends.")]
pub struct BrokerArgs {
    /// Address to listen at; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Address that clients are told to come to [default: where it listens]
    #[arg(long, value_name = "HOST:PORT")]
    pub advertise: Option<String>,
    /// A second address to listen at, for clients that come through a proxy
    #[arg(long, value_name = "HOST:PORT", requires = "second_advertise")]
    pub second_listen: Option<SocketAddr>,
    /// Address that the clients of the second one are told to come to: the proxy's
    #[arg(long, value_name = "HOST:PORT", requires = "second_listen")]
    pub second_advertise: Option<String>,
    /// Address of the schema registry; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    pub registry: SocketAddr,
    /// Memory for records, in MiB; at the limit producers wait, nothing is dropped
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    pub memory: usize,
    /// Create topics that a client asks for, with this many partitions [default: do not]
    #[arg(long, value_name = "PARTITIONS")]
    pub auto_create: Option<i32>,
    /// Write a JSON file with the addresses once it answers
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

/// Where a page is, or that there is none.
fn page_address(text: &str) -> Result<PageAddress, String> {
    if text == "off" {
        return Ok(PageAddress::Off);
    }
    metrics_address(text).map(PageAddress::At)
}

/// An address to listen on. Nothing listens beyond this machine unless a host is named.
fn metrics_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse()
        .map_err(|_| "write a port such as `9249`, or an address such as `0.0.0.0:9249`".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn metrics_are_shown_to_this_machine_alone_unless_a_host_is_named() {
        for (text, expected) in [
            ("9249", Some("127.0.0.1:9249")),
            ("0", Some("127.0.0.1:0")),
            ("0.0.0.0:9249", Some("0.0.0.0:9249")),
            ("[::1]:1", Some("[::1]:1")),
            ("localhost", None),
            ("70000", None),
        ] {
            let found = metrics_address(text)
                .ok()
                .map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
