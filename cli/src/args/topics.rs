//! Arguments of `topics`.

use clap::{Args, Subcommand, ValueEnum};

use super::ProfileArgs;

/// What to do with the topics of a profile.
#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Create those that are missing
    Create(TopicsArgs),
    /// Show them with their number of records
    List(TopicsArgs),
    /// Delete them and what they hold
    Delete(TopicsArgs),
    /// Print what one of them holds, up to its present end
    Read(ReadArgs),
}

/// Arguments of `topics create`, `topics list` and `topics delete`.
#[derive(Debug, Args)]
pub struct TopicsArgs {
    /// The profile and what overrides it
    #[command(flatten)]
    pub profile: ProfileArgs,
}

/// Arguments of `topics read`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark topics read profiles/sensors.yaml --broker localhost:9092 --topic anomalies
  floodmark topics read profiles/banking.yaml --broker localhost:9092 --topic banking-ui-events --format hex")]
pub struct ReadArgs {
    /// Which topic, by its full name
    #[arg(long, value_name = "NAME")]
    pub topic: String,
    /// How a record is shown
    #[arg(long, value_enum, default_value_t = RecordFormat::Value)]
    pub format: RecordFormat,
    /// The profile and what overrides it
    #[command(flatten)]
    pub profile: ProfileArgs,
}

/// How a record is shown.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RecordFormat {
    /// The value as it is, and a line feed.
    Value,
    /// Key, a tab and the value, both in hexadecimal: for values that are not text.
    Hex,
    /// One JSON object: `partition`, `offset`, `timestamp` (milliseconds), `key` and `value` as texts; a value that is no
    /// text is in hexadecimal, as `value_hex`.
    Json,
}
