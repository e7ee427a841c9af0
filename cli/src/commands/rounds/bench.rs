//! One run of a side, in a process of its own.

use std::{
    path::Path,
    process::{Command, ExitStatus},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_contracts::{
    clock::Clock,
    profile::SubjectSection,
    result::{RunResult, ValidityStatus},
};
use floodmark_harness::child::Child;

use super::side::Side;
use crate::{
    args::{PROPERTIES_VARIABLE, RoundsArgs},
    commands::stored::read_result,
    exit::{Exit, Failure},
};

/// How often is looked whether a run has ended.
const LOOKS: Duration = Duration::from_millis(50);

/// How long a run may take to end in order once it is told to.
const GRACE: Duration = Duration::from_secs(20);

/// Lines of its log that an error shows.
const SHOWN_LINES: usize = 12;

/// What became of a run.
pub(super) enum Ran {
    /// It can be trusted.
    Counts(Box<RunResult>),
    /// Why it cannot, or why there is nothing.
    Void(String),
    /// A signal cut it short.
    Interrupted,
}

/// A run to be made.
pub(super) struct Bench<'a> {
    pub(super) side: &'a Side,
    /// Put in front of topics and group, behind the profile's own prefix.
    pub(super) prefix: &'a str,
    /// Its folder.
    pub(super) out: &'a Path,
    pub(super) args: &'a RoundsArgs,
    pub(super) clock: &'a dyn Clock,
    pub(super) stop: &'a AtomicBool,
}

impl Bench<'_> {
    /// Runs it to its end; `tick` is told the seconds so far.
    ///
    /// # Errors
    /// If it cannot be started, or refuses its arguments: then no further round would do better.
    pub(super) fn run(&self, tick: &mut dyn FnMut(f64)) -> Result<Ran, Failure> {
        std::fs::create_dir_all(self.out)?;
        let log = self.out.join("bench.log");
        let mut child = Child::spawn("bench", &mut self.command(), &log)?;
        let begun_us = self.clock.monotonic_us();
        let status = loop {
            if let Some(status) = child.poll() {
                break status;
            }
            if self.stop.load(Ordering::Relaxed) {
                child.terminate(GRACE, self.clock);
                return Ok(Ran::Interrupted);
            }
            tick((self.clock.monotonic_us() - begun_us) as f64 / 1e6);
            self.clock.sleep(LOOKS);
        };
        self.judge(status, &child.last_lines(SHOWN_LINES))
    }

    fn judge(&self, status: ExitStatus, lines: &str) -> Result<Ran, Failure> {
        let ended = |exit: Exit| status.code() == Some(exit as i32);
        if [Exit::Pass, Exit::GateFailed, Exit::Invalid]
            .into_iter()
            .any(ended)
        {
            let result = read_result(self.out)?;
            let why = distrust(&result);
            return Ok(why.map_or_else(|| Ran::Counts(Box::new(result)), Ran::Void));
        }
        if ended(Exit::Interrupted) {
            return Ok(Ran::Interrupted);
        }
        // Whatever refuses its arguments once does so again.
        let refusal = [Exit::Usage, Exit::BadProfile]
            .into_iter()
            .find(|exit| ended(*exit));
        if let Some(exit) = refusal {
            let what = self.side.what(self.args.workers);
            return Err(Failure::new(
                exit,
                anyhow::anyhow!("`{what}` was refused:\n{lines}"),
            ));
        }
        let last = lines.lines().last().unwrap_or_default();
        Ok(Ran::Void(format!("ended with {status}: {last}")))
    }

    fn command(&self) -> Command {
        let (side, args) = (self.side, self.args);
        let mut command = Command::new(&side.program);
        command
            .args(["bench", "--quiet", "--force"])
            .args(side.arguments());
        // A detector that is running already knows its topics by name.
        let profile = &side.loaded.profile;
        let own = &profile.topic_prefix;
        let prefix = match profile.subject {
            SubjectSection::External(_) => own.clone(),
            _ => format!("{own}{}", self.prefix),
        };
        command.arg("--topic-prefix").arg(prefix);
        command.arg("--out").arg(self.out);
        command.arg("--workers").arg(args.workers.to_string());
        if args.calibration.over_rate {
            command.arg("--over-rate");
        }
        if let Some(state) = &args.calibration.state {
            command.arg("--state").arg(state);
        }
        // It may hold secrets, which arguments show to everybody on this machine.
        if let Some(properties) = std::env::var_os(PROPERTIES_VARIABLE) {
            command.env(PROPERTIES_VARIABLE, properties);
        }
        command
    }
}

/// Why the figures of a run cannot be trusted, if so.
fn distrust(result: &RunResult) -> Option<String> {
    if result.validity.status != ValidityStatus::Invalid {
        return None;
    }
    let invalid = result.validity.reasons.iter();
    let codes: Vec<&str> = invalid
        .filter(|reason| reason.status == ValidityStatus::Invalid)
        .map(|reason| reason.code.as_str())
        .collect();
    Some(format!("invalid ({})", codes.join(", ")))
}
