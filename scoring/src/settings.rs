//! The profile's `scoring` section, validated.

use std::collections::BTreeMap;

use floodmark_contracts::{
    kind::Kind,
    problem::{Problem, Problems},
    profile::ScoringSection,
    result::Tolerances,
    units::parse_duration,
};

/// The longest setting: a year of event time, far from any overflow.
const MAX_MS: i64 = 366 * 86_400_000;

/// How alerts are matched with labels, in milliseconds of event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) early_ms: i64,
    pub(crate) max_span_ms: i64,
    pub(crate) merge_gap_ms: i64,
}

impl Settings {
    /// Reads the section, or tells everything that is wrong with it.
    pub(crate) fn read(section: &ScoringSection) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new();
        let early = read_ms(&mut problems, "scoring.early", &section.early, 0);
        let max_span = read_ms(&mut problems, "scoring.max_span", &section.max_span, 0);
        let merge_gap = read_ms(&mut problems, "scoring.merge_gap", &section.merge_gap, 1);
        match (early, max_span, merge_gap) {
            (Some(early_ms), Some(max_span_ms), Some(merge_gap_ms)) => Ok(Self {
                early_ms,
                max_span_ms,
                merge_gap_ms,
            }),
            _ => Err(problems.into_vec()),
        }
    }

    /// What the report prints.
    pub(crate) fn tolerances(&self) -> Tolerances {
        Tolerances {
            early_ms: self.early_ms,
            late_ms: Kind::ALL
                .into_iter()
                .map(|kind| (kind, kind.late_ms()))
                .collect::<BTreeMap<_, _>>(),
            max_span_ms: self.max_span_ms,
            merge_gap_ms: self.merge_gap_ms,
        }
    }
}

impl From<&Tolerances> for Settings {
    fn from(tolerances: &Tolerances) -> Self {
        Self {
            early_ms: tolerances.early_ms,
            max_span_ms: tolerances.max_span_ms,
            merge_gap_ms: tolerances.merge_gap_ms,
        }
    }
}

/// Everything that is wrong with the profile's `scoring` section.
#[must_use]
pub fn validate(section: &ScoringSection) -> Vec<Problem> {
    let mut problems = Settings::read(section).err().unwrap_or_default();
    problems.extend(read_resolution(section).err().unwrap_or_default());
    problems
}

/// Length of a row of the published scores in milliseconds of event time, where the section asks for one.
pub(crate) fn read_resolution(section: &ScoringSection) -> Result<Option<i64>, Vec<Problem>> {
    let Some(text) = &section.resolution else {
        return Ok(None);
    };
    let mut problems = Problems::new();
    let resolution = read_ms(&mut problems, "scoring.resolution", text, 1);
    match resolution {
        Some(_) => Ok(resolution),
        None => Err(problems.into_vec()),
    }
}

fn read_ms(problems: &mut Problems, path: &str, text: &str, least: i64) -> Option<i64> {
    let duration = problems.check(path, parse_duration(text))?;
    let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    if ms < least {
        problems.add(
            path,
            format!("`{text}` is too short; use `{least}ms` or more, such as `60s`"),
        );
        return None;
    }
    if ms > MAX_MS {
        problems.add(path, format!("`{text}` is too long; use `366d` or less"));
        return None;
    }
    Some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_as_documented() {
        let settings = Settings::read(&ScoringSection::default()).unwrap();
        assert_eq!(
            settings,
            Settings {
                early_ms: 0,
                max_span_ms: 300_000,
                merge_gap_ms: 60_000
            }
        );
    }

    #[test]
    fn every_problem_is_told_at_once_with_its_path() {
        let problems = validate(&ScoringSection {
            early: "soon".into(),
            max_span: "9999d".into(),
            merge_gap: "0s".into(),
            resolution: Some("never".into()),
        });
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 4, "{texts:?}");
        assert!(texts[0].starts_with("scoring.early: `soon` is not a duration"));
        assert_eq!(
            texts[1],
            "scoring.max_span: `9999d` is too long; use `366d` or less"
        );
        assert!(texts[2].starts_with("scoring.merge_gap: `0s` is too short"));
        assert!(texts[3].starts_with("scoring.resolution: `never` is not a duration"));
    }
}
