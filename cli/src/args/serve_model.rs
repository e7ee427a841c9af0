//! Arguments of `serve-model`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

/// Arguments of `serve-model`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark serve-model                                      at http://127.0.0.1:8686/score
  floodmark serve-model --listen 127.0.0.1:0 --model my.json
  floodmark detect profiles/banking.yaml --broker localhost:9092 --scorer http://127.0.0.1:8686/score")]
pub struct ServeModelArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8686")]
    pub listen: SocketAddr,
    /// A model as `just train` writes it, in place of the compiled-in one
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
}
