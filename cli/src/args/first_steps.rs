//! Arguments of `init`, `doctor` and `man`.

use std::path::PathBuf;

use clap::Args;
use floodmark_contracts::stream::Stream;

use super::ClientArgs;

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark init                                                   profile.yaml, for the bundled detector
  floodmark init mine.yaml --streams sensors --subject 'python3 detector.py'
  floodmark init - --streams clickstream,banking | less            look first")]
pub struct InitArgs {
    /// Where it goes; `-` is standard output
    #[arg(value_name = "FILE", default_value = "profile.yaml")]
    pub file: PathBuf,
    /// Streams, with commas between: `clickstream`, `banking`, `sensors`
    #[arg(long, value_name = "STREAM", value_delimiter = ',', default_value = "sensors", value_parser = stream)]
    pub streams: Vec<Stream>,
    /// The command of your detector, with quotes as a shell has them [default: the bundled detector]
    #[arg(long, value_name = "COMMAND")]
    pub subject: Option<String>,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
}

fn stream(text: &str) -> Result<Stream, String> {
    let found = Stream::ALL
        .into_iter()
        .find(|stream| stream.to_string() == text);
    found.ok_or_else(|| {
        "no such stream; there are `clickstream`, `banking` and `sensors`".to_owned()
    })
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark doctor
  floodmark doctor --broker kafka1:9092 -F client.properties --registry http://registry:8081
  floodmark doctor --kafka-home target/parts/kafka-4.3.1 --redis localhost:6379

Ends with 69 if something that was asked for does not answer. It starts and changes nothing.")]
pub struct DoctorArgs {
    /// Whether a cluster answers, `HOST:PORT,…`
    #[arg(long, value_name = "BROKER", env = "FLOODMARK_BROKER")]
    pub broker: Option<String>,
    /// Whether a schema registry answers
    #[arg(
        long,
        value_name = "URL",
        env = "FLOODMARK_REGISTRY",
        hide_env_values = true
    )]
    pub registry: Option<String>,
    /// Whether a Redis answers
    #[arg(long, value_name = "HOST:PORT")]
    pub redis: Option<String>,
    /// Whether Kafka's jars are in this folder
    #[arg(long, value_name = "DIR")]
    pub kafka_home: Option<PathBuf>,
    /// Properties of the Kafka client
    #[command(flatten)]
    pub client: ClientArgs,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark man | man -l -
  floodmark man --write ~/.local/share/man/man1            a page for each command: man floodmark-bench")]
pub struct ManArgs {
    /// Write a page for each command into this folder
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
}
