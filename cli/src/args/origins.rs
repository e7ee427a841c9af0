//! Which arguments came from the environment.

use std::collections::BTreeSet;

use clap::{ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};

/// Arguments of a profile that the environment may give, by the names of their fields, with their options and variables.
pub const VARIABLES: [(&str, &str, &str); 4] = [
    ("seed", "--seed", "FLOODMARK_SEED"),
    ("broker", "--broker", "FLOODMARK_BROKER"),
    ("registry", "--registry", "FLOODMARK_REGISTRY"),
    ("topic_prefix", "--topic-prefix", "FLOODMARK_TOPIC_PREFIX"),
];

/// Which arguments of a profile the environment gave. It takes no arguments of its own: it looks where those of the struct
/// that it is flattened into came from. It must be the first field there, since fields take their values away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    from_environment: BTreeSet<&'static str>,
}

impl Origins {
    /// What set the argument of that field: its option or its variable.
    pub fn by(&self, field: &str) -> (bool, &'static str) {
        let is_variable = self.from_environment.contains(field);
        let known = VARIABLES.iter().find(|(name, ..)| *name == field);
        let by = known.map_or("the command line", |(_, option, variable)| {
            if is_variable { variable } else { option }
        });
        (is_variable, by)
    }
}

impl FromArgMatches for Origins {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_variable =
            |name: &&str| matches.value_source(name) == Some(ValueSource::EnvVariable);
        let fields = VARIABLES.iter().map(|(name, ..)| *name);
        Ok(Self {
            from_environment: fields.filter(is_variable).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Origins {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}
