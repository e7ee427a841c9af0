//! Exit codes, in one place, and the errors that lead to them.

use std::process::ExitCode;

use floodmark_contracts::{problem::Problem, result::Outcome};

use crate::colour;

/// What the process ends with. The numbers are documented in `docs/exit-codes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Pass = 0,
    /// A fault of floodmark itself, or of the machine.
    Internal = 1,
    /// The arguments do not fit. The parser of the arguments ends with this number by itself.
    Usage = 2,
    /// A broker or a service cannot be reached.
    Unreachable = 69,
    /// The profile is bad.
    BadProfile = 78,
    /// Time ran out before what was asked for was known.
    Inconclusive = 97,
    /// The measurement cannot be trusted.
    Invalid = 98,
    /// A gate failed.
    GateFailed = 99,
    /// A comparison found a regression.
    Regressed = 100,
    /// A signal cut the run short.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Pass,
            Outcome::GateFailed => Self::GateFailed,
            Outcome::Invalid => Self::Invalid,
            Outcome::Interrupted => Self::Interrupted,
        }
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// A failure that ends with `exit`.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
        }
    }

    /// Arguments that do not fit.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self::new(Exit::Usage, anyhow::anyhow!("{message}"))
    }

    /// A bad profile, with everything that is wrong with it.
    pub fn bad_profile(name: &str, problems: &[Problem]) -> Self {
        let count = match problems.len() {
            1 => "1 problem".to_owned(),
            n => format!("{n} problems"),
        };
        let lines: Vec<String> = problems.iter().map(|p| format!("  {p}")).collect();
        let message = format!("profile `{name}` has {count}\n{}", lines.join("\n"));
        Self::new(Exit::BadProfile, anyhow::anyhow!("{message}"))
    }

    /// Whether whoever read standard output has gone away, as `head` does when it has enough. Ask only
    /// where nothing else could be a broken pipe, such as a socket.
    pub fn is_closed_reader(&self) -> bool {
        self.error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
            .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// Prints the chain of causes and gives the exit code.
    #[expect(
        clippy::print_stderr,
        reason = "the command line is what talks to people"
    )]
    pub fn report(&self) -> Exit {
        match colour::on_stderr() {
            true => eprintln!("{} {}", colour::painted("error:"), self.error),
            false => eprintln!("error: {}", self.error),
        }
        for cause in self.error.chain().skip(1) {
            eprintln!("  because: {cause}");
        }
        self.exit
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(Exit::Internal, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_documented_number() {
        for (outcome, code) in [
            (Outcome::Passed, 0),
            (Outcome::Invalid, 98),
            (Outcome::GateFailed, 99),
            (Outcome::Interrupted, 130),
        ] {
            assert_eq!(Exit::from(outcome) as u8, code);
        }
    }

    #[test]
    fn the_documented_numbers_are_the_ones_in_use() {
        let page = include_str!("../../docs/exit-codes.md");
        for exit in [
            Exit::Pass,
            Exit::Internal,
            Exit::Usage,
            Exit::Unreachable,
            Exit::BadProfile,
            Exit::Inconclusive,
            Exit::Invalid,
            Exit::GateFailed,
            Exit::Regressed,
            Exit::Interrupted,
        ] {
            assert!(page.contains(&format!("| {} |", exit as u8)), "{exit:?}");
        }
    }
}
