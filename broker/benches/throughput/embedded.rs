//! The embedded broker, in a process of its own. Also a part of the generator's benches.

use std::{
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
};

use floodmark_broker::{Broker, BrokerConfig};

/// The argument that makes this program the broker.
pub const SERVE: &str = "--serve";

/// The embedded broker in a process of its own, which ends with this value.
pub struct EmbeddedProcess {
    child: Child,
    bootstrap: String,
}

impl EmbeddedProcess {
    /// Starts this program again as a broker.
    pub fn start() -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut bootstrap = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut bootstrap)?;
        }
        Ok(Self {
            child,
            bootstrap: bootstrap.trim().to_owned(),
        })
    }

    /// Where it answers.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

impl AsRef<Child> for EmbeddedProcess {
    fn as_ref(&self) -> &Child {
        &self.child
    }
}

impl Drop for EmbeddedProcess {
    fn drop(&mut self) {
        // The end of its input tells it to end.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Runs as the broker: says where it listens, and ends with its input.
pub fn serve() -> Result<(), Box<dyn Error>> {
    let config = BrokerConfig {
        memory_cap_bytes: 6 << 30,
        ..BrokerConfig::default()
    };
    let broker = Broker::start(config)?;
    writeln!(std::io::stdout(), "{}", broker.bootstrap())?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    broker.stop();
    Ok(())
}
