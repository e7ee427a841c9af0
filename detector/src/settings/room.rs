//! Where keyed state is held: so much of it in memory, the rest on disk.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use floodmark_contracts::{problem::Problems, profile::detector::StateSection};

use crate::runtime::{Spill, SpillError};

/// With less, states would come and go all the time.
const LEAST_MIB: u32 = 16;

/// More than a machine has.
const MOST_MIB: u32 = 16 * 1024 * 1024;

/// Room for keyed state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    memory_bytes: u64,
    /// The system's folder for temporary files, if none is named.
    folder: Option<PathBuf>,
}

impl Room {
    /// Looks at a section.
    pub(super) fn validate(problems: &mut Problems, section: &StateSection) -> Self {
        let mib = section.memory_mib;
        if !(LEAST_MIB..=MOST_MIB).contains(&mib) {
            problems.add(
                "detector.state.memory_mib",
                format!("`{mib}` is no room for state; use `{LEAST_MIB}` to `{MOST_MIB}`"),
            );
        }
        let folder = section.folder.as_deref();
        if folder.is_some_and(|folder| folder.trim().is_empty() || folder.contains("://")) {
            problems.add(
                "detector.state.folder",
                format!(
                    "`{}` is no folder of this machine; name one, or leave it out for the system's temporary one",
                    folder.unwrap_or_default()
                ),
            );
        }
        Self {
            memory_bytes: u64::from(mib) * 1024 * 1024,
            folder: folder.map(PathBuf::from),
        }
    }

    /// Room for so many bytes, few as they may be.
    #[cfg(test)]
    pub(crate) fn of_bytes(memory_bytes: u64) -> Self {
        Self {
            memory_bytes,
            folder: None,
        }
    }

    /// The room itself. A folder that was named is tried at once.
    pub(crate) fn room(&self) -> Result<Arc<Spill>, SpillError> {
        let Some(folder) = &self.folder else {
            return Ok(Spill::new(self.memory_bytes, &std::env::temp_dir()));
        };
        let spill = Spill::new(self.memory_bytes, Path::new(folder));
        spill.open()?;
        Ok(spill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(memory_mib: u32, folder: Option<&str>, expected: Option<&str>) {
        let section = StateSection {
            memory_mib,
            folder: folder.map(str::to_owned),
        };
        let mut problems = Problems::new();
        Room::validate(&mut problems, &section);
        let found = problems.into_vec();
        assert_eq!(found.len(), usize::from(expected.is_some()), "{found:?}");
        for (problem, expected) in found.iter().zip(expected) {
            assert!(problem.to_string().contains(expected), "{problem}");
        }
    }

    #[test]
    fn room_is_neither_nothing_nor_everything_and_a_folder_is_one() {
        check(1024, None, None);
        check(16, Some("state"), None);
        check(15, None, Some("detector.state.memory_mib: `15`"));
        check(u32::MAX, None, Some("`16`"));
        check(64, Some(" "), Some("detector.state.folder"));
        check(
            64,
            Some("s3://bucket/state"),
            Some("no folder of this machine"),
        );
    }

    #[test]
    fn a_folder_that_is_named_is_tried_at_once() {
        let mut problems = Problems::new();
        let section = |folder: &str| StateSection {
            memory_mib: 64,
            folder: Some(folder.to_owned()),
        };
        let folder = tempfile::tempdir().unwrap();
        let there = section(&folder.path().display().to_string());
        assert!(Room::validate(&mut problems, &there).room().is_ok());
        let missing = section(&folder.path().join("none").display().to_string());
        let error = Room::validate(&mut problems, &missing).room().unwrap_err();
        assert!(error.to_string().contains("none`"), "{error}");
    }
}
