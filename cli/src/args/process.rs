//! The arguments of this process, from its command line and its environment.

use std::ffi::OsStr;

use clap::{CommandFactory, FromArgMatches};

use super::Cli;

impl Cli {
    /// The arguments of this process. A variable that is empty counts as not set, as CI leaves those that it does not know.
    pub fn of_process() -> Self {
        let matches = without_empty_variables(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let kept = |argument: clap::Arg| match argument.get_env().is_some_and(is_empty) {
        true => argument.env(None::<&'static str>),
        false => argument,
    };
    command
        .mut_args(kept)
        .mut_subcommands(without_empty_variables)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use floodmark_harness::child::ARGUMENT_VARIABLES;

    use super::*;
    use crate::args::PROPERTIES_VARIABLE;

    /// The variables of a command and of those below it.
    fn variables(command: &clap::Command, found: &mut BTreeSet<String>) {
        let named = command
            .get_arguments()
            .filter_map(|argument| argument.get_env());
        found.extend(named.map(|name| name.to_string_lossy().into_owned()));
        for below in command.get_subcommands() {
            variables(below, found);
        }
    }

    #[test]
    fn every_variable_is_documented_and_kept_out_of_children_unless_they_need_it() {
        let mut found = BTreeSet::from([PROPERTIES_VARIABLE.to_owned()]);
        variables(&Cli::command(), &mut found);
        // How log lines look and where jobs and calibrations are is the same for children.
        let shared = ["FLOODMARK_LOG", "FLOODMARK_LOG_FORMAT", "FLOODMARK_STATE"];
        let collector = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER_ARG"];
        let known = ARGUMENT_VARIABLES
            .into_iter()
            .chain(shared)
            .chain(collector);
        assert_eq!(found, known.map(str::to_owned).collect());
        let page = include_str!("../../../docs/configuration.md");
        for name in found {
            assert!(page.contains(&format!("| `{name}` |")), "{name}");
        }
    }
}
