//! Profiles: from text to a profile that is known to be sound.
//!
//! Reading is pure: no files, no sockets. It reports every problem at once. One loader serves
//! `bench`, `generate`, `detect` and `validate`. Each crate validates its own section; whoever holds
//! them all (the command line) collects the problems and asks [`Source::locate`] for their places.

mod checks;
mod overrides;
mod places;
mod shape;

use floodmark_contracts::{problem::Problem, profile::Profile, setting::leaves};
use serde_json::Value;

pub use self::checks::{Outputs, Sound, check};
use self::places::Places;

/// The text of a profile with the settings that override it.
#[derive(Debug, Clone)]
pub struct Source {
    text: String,
    overrides: Vec<(String, String)>,
}

/// What could be read of a profile.
#[derive(Debug)]
pub struct Reading {
    /// The profile, if enough of it has the right shape. Where `problems` is not empty it holds
    /// stand-ins for what could not be read, so that the sound parts can be checked further; it must
    /// not be run then.
    pub profile: Option<Profile>,
    /// What is wrong with its shape.
    pub problems: Vec<Problem>,
}

/// Every value that stands in the text of a profile, by its path and as it is written; a list is one value. Empty where the
/// text is no YAML, which [`Source::read`] tells.
#[must_use]
pub fn stated(text: &str) -> Vec<(String, Value)> {
    let tree: Value = serde_saphyr::from_str(text).unwrap_or_default();
    leaves(&tree)
}

impl Source {
    /// A profile's text, with overrides `path=value` (such as `seed=7`) that are applied in order.
    #[must_use]
    pub fn new(text: String, overrides: Vec<(String, String)>) -> Self {
        Self { text, overrides }
    }

    /// Reads the profile: syntax, overrides, shape.
    #[must_use]
    pub fn read(&self) -> Reading {
        let mut tree: Value = match serde_saphyr::from_str(&self.text) {
            Ok(tree) => tree,
            Err(error) => {
                return Reading {
                    profile: None,
                    problems: vec![syntax(&error)],
                };
            }
        };
        let mut problems = Vec::new();
        for (path, text) in &self.overrides {
            if let Err(problem) = overrides::apply(&mut tree, path, text) {
                problems.push(problem);
            }
        }
        problems.extend(shape::check_and_mend(&mut tree));
        let profile = match serde_json::from_value(tree) {
            Ok(profile) => Some(profile),
            Err(error) => {
                // The schema and the types are derived from one source, so this is a value that only
                // the type knows to be wrong; where the shape is broken already it is no news.
                if problems.is_empty() {
                    problems.push(Problem::new("", error.to_string()));
                }
                None
            }
        };
        Reading { profile, problems }
    }

    /// Gives each problem its line and column, sorts them by place and drops repetitions of a path.
    /// Problems of overridden values have no place.
    #[must_use]
    pub fn locate(&self, problems: Vec<Problem>) -> Vec<Problem> {
        let places = Places::of(&self.text);
        let mut located: Vec<Problem> = Vec::new();
        for mut problem in problems {
            if located
                .iter()
                .any(|seen| !seen.path.is_empty() && seen.path == problem.path)
            {
                continue;
            }
            let overridden = self.overrides.iter().any(|(path, _)| *path == problem.path);
            if problem.place.is_none() && !overridden {
                problem.place = places.find(&problem.path);
            }
            located.push(problem);
        }
        located.sort_by_key(|problem| problem.place.unwrap_or((usize::MAX, 0)));
        located
    }
}

fn syntax(error: &serde_saphyr::Error) -> Problem {
    let text = error.to_string();
    // The parser's text may go on with a snippet of the source; its first line says it all.
    // It repeats the place in front, which the problem has in a field of its own.
    let first = text
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    let first = match first.split_once(": ") {
        Some((place, rest)) if place.starts_with("line ") => rest,
        _ => first,
    };
    let mut problem = Problem::new("", format!("this is not YAML: {first}"));
    problem.place = error.location().map(|at| {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        (number(at.line()), number(at.column()))
    });
    problem
}

#[cfg(test)]
mod tests;
