//! The embedded broker: floodmark's own program as a child process, nothing to install.

use std::{path::Path, process::Command, time::Duration};

use serde::{Deserialize, Serialize};

use super::{BrokerError, Holder, RunningBroker, START_LIMIT, StartContext};
use crate::child::Child;

const CHOICE: &str = "embedded";

/// What `floodmark broker --ready-file FILE` writes once it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Bootstrap servers.
    pub bootstrap: String,
    /// URL of the schema registry.
    pub registry: Option<String>,
    /// Where its second listener takes connections.
    #[serde(default)]
    pub second: Option<String>,
}

impl Ready {
    /// Writes the file in one step: a reader sees all of it or nothing.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let half = path.with_extension("half");
        std::fs::write(&half, serde_json::to_vec(self)?)?;
        std::fs::rename(half, path)
    }
}

pub(super) fn start(context: &StartContext<'_>) -> Result<RunningBroker, BrokerError> {
    let ready_file = context.dir.join("broker-ready.json");
    let log = context.dir.join("broker.log");
    let mut command = Command::new(context.exe);
    command
        .args(["broker", "--listen", "127.0.0.1:0", "--ready-file"])
        .arg(&ready_file);
    if let Some(proxy) = context.proxy {
        command.args(["--second-listen", "127.0.0.1:0", "--second-advertise"]);
        command.arg(proxy.to_string());
    }
    let failed = |source| BrokerError::Process {
        choice: CHOICE.to_owned(),
        source,
    };
    let mut child = Child::spawn("broker", &mut command, &log).map_err(failed)?;
    let started = context.clock.monotonic_us();
    loop {
        if let Ok(text) = std::fs::read(&ready_file) {
            let ready: Ready =
                serde_json::from_slice(&text).map_err(|error| BrokerError::File {
                    choice: CHOICE.to_owned(),
                    path: ready_file.clone(),
                    source: error.into(),
                })?;
            return Ok(RunningBroker {
                kind: CHOICE,
                bootstrap: ready.bootstrap,
                registry: ready.registry,
                behind_proxy: ready.second,
                holder: Holder::Process(Box::new(child)),
            });
        }
        child.check().map_err(failed)?;
        if context.clock.monotonic_us() - started > START_LIMIT.as_micros() as i64 {
            return Err(BrokerError::Unreachable {
                choice: CHOICE.to_owned(),
                address: "127.0.0.1".to_owned(),
                waited: START_LIMIT,
                remedy: format!("see `{}`", log.display()),
            });
        }
        context.clock.sleep(Duration::from_millis(2));
    }
}
