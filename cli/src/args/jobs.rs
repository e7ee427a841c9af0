//! Arguments of `jobs`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with the detectors of this machine.
#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// List those that run, and those that ended and can be resumed
    List(JobsList),
    /// End one: output is flushed, offsets are committed
    Stop(JobsStop),
    /// Start one again with what it was started with, in the background
    Resume(JobsNamed),
    /// Strike one that does not run off the list
    Forget(JobsNamed),
}

/// Arguments of `jobs list`.
#[derive(Debug, Args)]
pub struct JobsList {
    /// Print one JSON object a line, with each detector's whole status
    #[arg(long)]
    pub json: bool,
    /// Folder of the jobs [default: $XDG_STATE_HOME/floodmark]
    #[arg(long, value_name = "DIR", env = "FLOODMARK_STATE")]
    pub state: Option<PathBuf>,
}

/// Arguments of `jobs stop`.
#[derive(Debug, Args)]
pub struct JobsStop {
    /// Its name in the list, or its process id
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Insist on a final snapshot: one that keeps none is refused, and it is an error if none was committed
    #[arg(long)]
    pub snapshot: bool,
    /// Seconds to wait for its end
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub wait: u64,
    /// Folder of the jobs [default: $XDG_STATE_HOME/floodmark]
    #[arg(long, value_name = "DIR", env = "FLOODMARK_STATE")]
    pub state: Option<PathBuf>,
}

/// A job by its name.
#[derive(Debug, Args)]
pub struct JobsNamed {
    /// Its name in the list, or its process id
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Folder of the jobs [default: $XDG_STATE_HOME/floodmark]
    #[arg(long, value_name = "DIR", env = "FLOODMARK_STATE")]
    pub state: Option<PathBuf>,
}
