//! The brokers measured, and the CPU time they take.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use floodmark_broker::{Broker, BrokerConfig};

/// The argument that makes this program the broker.
pub const SERVE: &str = "--serve";

/// Ticks of `/proc/PID/stat` in a second, on every Linux that runs this.
const TICKS_PER_SECOND: f64 = 100.0;

/// A broker to measure.
pub struct Target {
    /// What it is called in the report.
    pub name: &'static str,
    /// Where it answers.
    pub bootstrap: String,
    pid: Option<u32>,
}

/// The embedded broker in a process of its own, which ends with this value.
pub struct EmbeddedProcess {
    child: Child,
    bootstrap: String,
}

impl Target {
    /// The real broker named in the environment, if one is.
    pub fn from_environment() -> Result<Option<Self>, Box<dyn Error>> {
        let Ok(bootstrap) = std::env::var("FLOODMARK_KAFKA") else {
            return Ok(None);
        };
        let pid = match std::env::var("FLOODMARK_KAFKA_PID") {
            Ok(text) => {
                let pid = text.parse();
                Some(pid.map_err(|_| format!("FLOODMARK_KAFKA_PID is `{text}`; use a number"))?)
            }
            Err(_) => None,
        };
        Ok(Some(Self {
            name: "real Kafka",
            bootstrap,
            pid,
        }))
    }

    /// CPU time of the broker's process since it started; `None` if the process is not known.
    pub fn cpu(&self) -> Result<Option<Duration>, Box<dyn Error>> {
        let Some(pid) = self.pid else { return Ok(None) };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold spaces: fields are counted from behind it.
        let fields = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest)
            .unwrap_or_default();
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .flat_map(str::parse::<u64>)
            .sum();
        Ok(Some(Duration::from_secs_f64(
            ticks as f64 / TICKS_PER_SECOND,
        )))
    }
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

    /// This broker as something to measure.
    pub fn target(&self) -> Target {
        Target {
            name: "embedded broker",
            bootstrap: self.bootstrap.clone(),
            pid: Some(self.child.id()),
        }
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
