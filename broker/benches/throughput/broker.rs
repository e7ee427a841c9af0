//! The brokers measured, and the CPU time they take.

use std::error::Error;
use std::time::Duration;

use super::embedded::EmbeddedProcess;

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

impl From<&EmbeddedProcess> for Target {
    fn from(process: &EmbeddedProcess) -> Self {
        Self {
            name: "embedded broker",
            bootstrap: process.bootstrap().to_owned(),
            pid: Some(process.as_ref().id()),
        }
    }
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
