//! A profile that may be left out, where a resolved plan stands in for it.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::ProfileArgs;

/// A profile with what overrides it, if one is named. An `Option` would not do: of arguments that are flattened into others the
/// parser does not see whether any is there, and a variable such as `FLOODMARK_BROKER` would count as one.
#[derive(Debug)]
pub struct OptionalProfile(pub Option<ProfileArgs>);

impl FromArgMatches for OptionalProfile {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_there = matches.contains_id("profile");
        let read = is_there.then(|| ProfileArgs::from_arg_matches(matches));
        read.transpose().map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for OptionalProfile {
    fn augment_args(command: Command) -> Command {
        ProfileArgs::augment_args(command).mut_arg("profile", |profile| profile.required(false))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::{Cli, Command};

    /// The profile and the broker of a `generate` with these words behind it.
    fn parsed(words: &[&str]) -> Option<(String, Option<String>)> {
        let words = ["floodmark", "generate"].iter().chain(words);
        let Command::Generate(args) = Cli::try_parse_from(words).unwrap().command else {
            panic!("another command");
        };
        let profile = args.profile.0?;
        Some((profile.profile.display().to_string(), profile.broker))
    }

    #[test]
    fn a_profile_is_there_only_if_it_is_named() {
        let named = parsed(&["p.yaml", "--broker", "h:1"]);
        assert_eq!(named, Some(("p.yaml".to_owned(), Some("h:1".to_owned()))));
        assert_eq!(parsed(&["--job", "job.json"]), None);
        for wrong in [&["generate"][..], &["generate", "p.yaml", "--job", "j"]] {
            let words = ["floodmark"].iter().chain(wrong);
            assert!(Cli::try_parse_from(words).is_err(), "{wrong:?}");
        }
    }
}
