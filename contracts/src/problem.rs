//! Problems of a profile: all of them at once, each with its place and what would work.

use std::fmt;

/// One thing that is wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the value, such as `streams.sensors.anomalies[1].level-shift.duration`.
    pub path: String,
    /// What was found and what would work; lower case, no full stop.
    pub message: String,
    /// Line and column in the profile, both from 1, where the value stands in a file.
    pub place: Option<(usize, usize)>,
}

impl Problem {
    /// A problem at `path`, without a place yet.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            place: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Collects problems under a path prefix while a section is validated.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
}

impl Problems {
    /// No problems yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a problem.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.found.push(Problem::new(path, message));
    }

    /// Notes the error of `result` at `path`, or gives its value.
    pub fn check<T, E: fmt::Display>(&mut self, path: &str, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| self.add(path, error.to_string()))
            .ok()
    }

    /// Takes over the problems of another collection.
    pub fn extend(&mut self, others: impl IntoIterator<Item = Problem>) {
        self.found.extend(others);
    }

    /// True while nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All that was noted, in the order of noting.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_prints_place_path_and_message() {
        let mut problem = Problem::new("rate", "`0/s` offers no load; use `1/s` or more");
        assert_eq!(
            problem.to_string(),
            "rate: `0/s` offers no load; use `1/s` or more"
        );
        problem.place = Some((3, 7));
        assert_eq!(
            problem.to_string(),
            "3:7: rate: `0/s` offers no load; use `1/s` or more"
        );
    }
}
