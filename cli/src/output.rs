//! Folders of results and what is printed at the end of a run.

use std::path::Path;

use floodmark_contracts::result::{Outcome, RunResult};

use crate::{
    commands::{say, say_marked},
    exit::Failure,
};

/// Makes the folder, or refuses one that holds something already.
pub fn claim(out: &Path, force: bool) -> Result<(), Failure> {
    let occupied = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !force {
        let message = format!(
            "the folder `{}` is not empty; name another with `--out`, or write into it with `--force`",
            out.display()
        );
        return Err(Failure::usage(message));
    }
    std::fs::create_dir_all(out).map_err(|error| {
        let message = format!("cannot make the folder `{}`", out.display());
        anyhow::Error::new(error).context(message)
    })?;
    Ok(())
}

/// The short table, the verdict and the folder.
pub fn summary(out: &Path, result: &RunResult) {
    say_marked(floodmark_reports::terminal(result).trim_end());
    for reason in &result.validity.reasons {
        say_marked(
            &format!("{:?} [{}]: {}", reason.status, reason.code, reason.message).to_lowercase(),
        );
    }
    say_marked(&format!("verdict: {}", verdict(result)));
    say(&format!("results: {}", out.display()));
}

fn verdict(result: &RunResult) -> &'static str {
    match result.outcome {
        Outcome::Passed if result.gates.is_empty() => "PASSED (no gates)",
        Outcome::Passed => "PASSED",
        Outcome::GateFailed => "GATE FAILED",
        Outcome::Invalid => "INVALID: the measurement cannot be trusted",
        Outcome::Interrupted => "INTERRUPTED: what was measured until then is in the folder",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_holds_something_is_refused_unless_forced() {
        let dir = tempfile::tempdir().unwrap();
        assert!(claim(&dir.path().join("new/run"), false).is_ok());
        assert!(claim(dir.path(), false).is_err());
        assert!(claim(dir.path(), true).is_ok());
    }
}
