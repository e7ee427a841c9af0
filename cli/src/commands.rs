//! One module per command.

pub(crate) mod aa;
pub(crate) mod ab;
pub(crate) mod bench;
pub(crate) mod broker;
pub(crate) mod calibrate;
pub(crate) mod collect;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod curve;
pub(crate) mod detect;
pub(crate) mod doctor;
pub(crate) mod drain;
pub(crate) mod explain;
pub(crate) mod generate;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod jobs;
pub(crate) mod man;
pub(crate) mod merge;
pub(crate) mod metrics;
mod noise;
pub(crate) mod replay;
pub(crate) mod report;
mod rounds;
pub(crate) mod schema;
pub(crate) mod score;
pub(crate) mod search;
pub(crate) mod serve_model;
mod stored;
pub(crate) mod topics;
mod trial;
pub(crate) mod validate;

use std::{io::Write, path::Path};

use serde::de::DeserializeOwned;

use crate::{
    args::Global,
    colour,
    exit::{Exit, Failure},
};

/// Reads the resolved plan of a child process.
pub fn read_job<T: DeserializeOwned>(file: &Path) -> Result<T, Failure> {
    let text = std::fs::read(file).map_err(|error| {
        let message = format!("cannot read the job `{}`", file.display());
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(message))
    })?;
    Ok(serde_json::from_slice(&text)?)
}

/// Prints a line of a command's result.
pub fn say(line: &str) {
    // A reader that has gone away (`| head`) is no reason to fail.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// The same, with the words that say how things stand in colour where that is wanted.
pub fn say_marked(text: &str) {
    match colour::on_stdout() {
        true => say(&colour::painted(text)),
        false => say(text),
    }
}

/// Prints a line of what is going on, unless only the result is wanted.
pub fn tell(global: &Global, line: &str) {
    if !global.quiet {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}
