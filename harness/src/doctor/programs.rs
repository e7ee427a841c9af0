//! Programs that are optional: each opens a way to run a real broker or subject.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use floodmark_contracts::doctor::{Finding, FindingState};

use super::finding;
use crate::broker::kafka_home;

/// A program, how it is asked for its version, and what it is for.
struct Program {
    name: &'static str,
    ask: &'static [&'static str],
    allows: &'static str,
    else_: &'static str,
}

const PROGRAMS: [Program; 3] = [
    Program {
        name: "java",
        ask: &["-version"],
        allows: "`--broker kafka-home:DIR` can start a real Kafka, and Flink or Spark can be the subject",
        else_: "`--broker kafka-home:DIR` needs it (Java 17); the embedded broker does not",
    },
    Program {
        name: "docker",
        ask: &["version", "--format", "{{.Server.Version}}"],
        allows: "`--broker testcontainers` can start a real Kafka",
        else_: "`--broker testcontainers` needs a Docker that answers; the embedded broker does not",
    },
    Program {
        name: "redis-server",
        ask: &["--version"],
        allows: "a Redis for the detector's look-ups can be started here",
        else_: "look-ups of the detector (`detector.fraud`) need one only if the profile names it",
    },
];

pub(super) fn findings(kafka_home: Option<&Path>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = PROGRAMS.iter().map(look).collect();
    findings.extend(kafka_home.map(jars));
    findings
}

fn look(program: &Program) -> Finding {
    let mut command = Command::new(program.name);
    command.args(program.ask).stdin(Stdio::null());
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success());
    let version = output.map(|output| {
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().next().unwrap_or_default().trim().to_owned()
    });
    match version {
        Some(version) => finding(program.name, FindingState::Good, version, program.allows),
        None => finding(
            program.name,
            FindingState::Missing,
            "not found, or it does not answer",
            program.else_,
        ),
    }
}

/// The jar that tells Kafka's version.
fn jars(home: &Path) -> Finding {
    match kafka_home::version_in(home) {
        Some(version) => finding(
            "Kafka's jars",
            FindingState::Good,
            format!("{version} in {}", home.display()),
            "`--broker kafka-home:DIR` can start it",
        ),
        None => finding(
            "Kafka's jars",
            FindingState::Broken,
            format!("no `kafka_2.13-….jar` in {}/libs", home.display()),
            "name the folder in which Kafka was unpacked, or fetch it: `ci/kafka fetch DIR`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafka_is_known_by_its_jar() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(jars(dir.path()).state, FindingState::Broken);
        std::fs::create_dir(dir.path().join("libs")).unwrap();
        std::fs::write(dir.path().join("libs/kafka_2.13-4.3.1.jar"), "").unwrap();
        let found = jars(dir.path());
        assert_eq!(found.state, FindingState::Good);
        assert!(found.found.starts_with("4.3.1 in "), "{found:?}");
    }

    #[test]
    fn a_program_that_is_not_there_is_missing_and_one_that_is_tells_its_version() {
        let program = |name, ask| Program {
            name,
            ask,
            allows: "yes",
            else_: "no",
        };
        let missing = look(&program("no-such-program-anywhere", &[]));
        assert_eq!(
            (missing.state, missing.meaning.as_str()),
            (FindingState::Missing, "no")
        );
        let found = look(&program("sh", &["-c", "echo 1.2.3"]));
        assert_eq!(
            (found.state, found.found.as_str()),
            (FindingState::Good, "1.2.3")
        );
        assert_eq!(
            look(&program("sh", &["-c", "exit 1"])).state,
            FindingState::Missing
        );
    }
}
