//! Arguments of every command that talks to a cluster.

use std::path::PathBuf;

use clap::Args;

/// The environment variable with properties of the Kafka client, a line each.
pub const PROPERTIES_VARIABLE: &str = "FLOODMARK_PROPERTIES";

/// Properties of the Kafka client.
#[derive(Debug, Clone, Default, Args)]
pub struct ClientArgs {
    /// Set a property of the Kafka client, such as `-X security.protocol=SSL`; the variable FLOODMARK_PROPERTIES takes
    /// several, a line each
    #[arg(short = 'X', long = "property", value_name = "KEY=VALUE")]
    pub properties: Vec<String>,
    /// Read properties of the Kafka client from a file in Java's format, by Java's names or librdkafka's
    #[arg(
        short = 'F',
        long = "command-config",
        value_name = "FILE",
        env = "FLOODMARK_COMMAND_CONFIG"
    )]
    pub properties_file: Option<PathBuf>,
}
