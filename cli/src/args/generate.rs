//! Arguments of `generate`, of which other commands share some.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, builder::FalseyValueParser};

use super::{OptionalProfile, metrics_address};

/// Arguments of `generate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark generate profiles/sensors.yaml --sink file:events      NDJSON files with the labels beside them
  floodmark generate profiles/sensors.yaml --broker localhost:9092 --out truth
  floodmark generate profiles/banking.yaml --sink avro:events      Avro object container files
  floodmark generate profiles/sensors.yaml --sink stdout:keyed | kcat -P -b localhost:9092 -t t -K '\t'
  floodmark generate profiles/clickstream.yaml --sink null --rate max --threads 2
  floodmark generate profiles/clickstream.yaml --broker localhost:9092 --rate 200k/s --workers 4
  floodmark generate profiles/banking.yaml --broker localhost:9092 --metrics 9249
  floodmark generate profiles/sensors.yaml --sink stdout | head")]
pub struct GenerateArgs {
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
    /// Where the events go
    #[arg(
        long,
        value_name = "SINK",
        default_value = "kafka",
        help = "`kafka`, `null`, `stdout`, `stdout:keyed`, `file:DIR` or `avro:DIR`"
    )]
    pub sink: String,
    /// How the load differs from the profile's
    #[command(flatten)]
    pub load: LoadArgs,
    /// Show what has been sent so far to Prometheus, at `http://HOST:PORT/metrics`; a PORT alone is one of
    /// loopback, port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", value_parser = metrics_address, conflicts_with = "job")]
    pub metrics: Option<SocketAddr>,
    /// Where labels, enrichment data and figures go
    #[arg(
        long,
        value_name = "DIR",
        default_value = "generated",
        conflicts_with = "job"
    )]
    pub out: PathBuf,
    /// Write into a folder that is not empty
    #[arg(long, conflicts_with = "job")]
    pub force: bool,
    /// Add to topics that hold records already, in place of refusing them
    #[arg(long)]
    pub append: bool,
    /// Traces of single events
    #[command(flatten)]
    pub trace: TraceArgs,
}

/// Traces of single events.
#[derive(Debug, Args)]
#[command(next_help_heading = "Traces")]
pub struct TraceArgs {
    /// Send spans to this collector of OpenTelemetry, over OTLP/HTTP, such as `http://127.0.0.1:4318`: generated records whose
    /// key is sampled carry a `traceparent`, and the detector follows every record that does
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub traces: Option<String>,
    /// The share of keys whose records are traced, from 0 to 1: the same ones in every run
    #[arg(
        long,
        value_name = "SHARE",
        env = "OTEL_TRACES_SAMPLER_ARG",
        default_value_t = 0.001,
        value_parser = share_of_keys
    )]
    pub trace_share: f64,
}

fn share_of_keys(text: &str) -> Result<f64, String> {
    let share = text.parse().ok();
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("`{text}` is no share; write a number from 0 to 1"))
}

/// How much is generated, how fast, and by how many.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArgs {
    /// Events per second of all streams together, such as `50k/s`, shared as in the profile; or `max`: the
    /// profile's events as fast as the sink takes them
    #[arg(long, value_name = "RATE", conflicts_with = "job")]
    pub rate: Option<String>,
    /// How long, such as `60s`, in place of the profile's `duration`
    #[arg(
        long = "for",
        value_name = "DURATION",
        conflicts_with_all = ["job", "count"]
    )]
    pub duration: Option<String>,
    /// How many events: the run ends with the one that makes up the number, over all streams together
    #[arg(long, value_name = "N", conflicts_with = "job")]
    pub count: Option<u64>,
    /// Processes on this machine, each with whole partitions; their figures are put together
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "job")]
    pub workers: u32,
    /// Threads for each stream in each process, each with whole partitions
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "job")]
    pub threads: u32,
    /// Be one of several workers that others start, such as `0/4`: the first of four
    #[arg(
        long,
        value_name = "I/N",
        requires = "start_at",
        conflicts_with_all = ["job", "workers"]
    )]
    pub worker_index: Option<String>,
    /// When the first event is due, in RFC 3339: the same for all workers
    #[arg(
        long,
        value_name = "TIME",
        conflicts_with_all = ["job", "workers"]
    )]
    pub start_at: Option<String>,
    /// How the load is held against what this machine can send
    #[command(flatten)]
    pub calibration: CalibrationArgs,
}

/// How a load is held against what this machine was found to send.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct CalibrationArgs {
    /// Send even if this machine was found to be slower than that
    #[arg(long, env = "FLOODMARK_OVER_RATE", value_parser = FalseyValueParser::new())]
    pub over_rate: bool,
    /// Folder of the calibrations [default: $XDG_STATE_HOME/floodmark]
    #[arg(long, value_name = "DIR", env = "FLOODMARK_STATE")]
    pub state: Option<PathBuf>,
}
