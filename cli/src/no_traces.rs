//! Stands in where the program is built without the feature `traces`: whoever asks for spans is told so.

use floodmark_contracts::trace::Tracer;

use crate::{
    args::{Global, TraceArgs},
    exit::Failure,
};

/// No exporter: there is never one.
pub enum Traces {}

impl Traces {
    /// None, or an error if the arguments or the environment name a collector.
    pub fn open(args: &TraceArgs, _: &'static str) -> Result<Option<Self>, Failure> {
        match args.traces.as_deref() {
            None | Some("") => Ok(None),
            Some(url) => {
                let message = format!(
                    "spans cannot be sent to `{url}`: this program was built without the feature `traces`"
                );
                Err(Failure::usage(message))
            }
        }
    }

    /// What makes spans.
    pub fn tracer(&self) -> Tracer {
        match *self {}
    }

    /// Sends what waits.
    pub fn finish(self, _: &Global) {
        match self {}
    }
}
