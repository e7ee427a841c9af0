//! Environment variables that are arguments of our own, and stay out of child processes.

use std::process::Command;

/// Variables that stand for options of the command line. What they say has reached a child in its plan already; there
/// they would be options that do not go with it. A detector under test would even learn the seed.
pub const ARGUMENT_VARIABLES: [&str; 13] = [
    "FLOODMARK_SEED",
    "FLOODMARK_BROKER",
    "FLOODMARK_REGISTRY",
    "FLOODMARK_TOPIC_PREFIX",
    "FLOODMARK_COMMAND_CONFIG",
    "FLOODMARK_PROPERTIES",
    "FLOODMARK_OUT",
    "FLOODMARK_WORKERS",
    "FLOODMARK_METRICS",
    "FLOODMARK_OVER_RATE",
    "FLOODMARK_BASELINE",
    "FLOODMARK_QUIET",
    "FLOODMARK_COLOR",
];

/// Keeps the variables out, but those that were set for this child.
pub(super) fn keep_out(command: &mut Command) {
    for name in ARGUMENT_VARIABLES {
        if command.get_envs().all(|(set, _)| set != name) {
            command.env_remove(name);
        }
    }
    // What a child says goes to a file, where `CLICOLOR_FORCE` would leave escapes.
    command.env("FLOODMARK_COLOR", "never");
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn what_is_set_for_the_child_stays() {
        let mut command = Command::new("true");
        command.env("FLOODMARK_PROPERTIES", "acks=1");
        keep_out(&mut command);
        let of = |name: &str| {
            let mut all = command.get_envs();
            all.find(|(set, _)| *set == name).map(|(_, value)| value)
        };
        assert_eq!(of("FLOODMARK_PROPERTIES"), Some(Some(OsStr::new("acks=1"))));
        assert_eq!(of("FLOODMARK_SEED"), Some(None));
        assert_eq!(of("FLOODMARK_LOG"), None);
    }
}
