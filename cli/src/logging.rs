//! Log lines, to standard error.

use tracing_subscriber::EnvFilter;

use crate::{
    args::{Global, LogFormat},
    colour,
};

/// Installs the subscriber. A filter that cannot be read falls back to warnings.
pub fn install(global: &Global) {
    let level = if global.quiet {
        "error"
    } else {
        global.log.as_str()
    };
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match global.log_format {
        LogFormat::Text => builder.with_ansi(colour::on_stderr()).init(),
        LogFormat::Json => builder.json().init(),
    }
}
