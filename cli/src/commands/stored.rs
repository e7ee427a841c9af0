//! Runs that were made some other time, read from their folders.

use std::path::{Path, PathBuf};

use floodmark_contracts::{
    compare::Side,
    result::{RunResult, ValidityStatus},
};
use floodmark_scoring::compare::{StoredRun, figures_of};

use crate::exit::{Exit, Failure};

/// The runs in one place.
pub(super) struct Runs {
    of: PathBuf,
    /// Those whose figures can be trusted, in the order of their folders' names; at least one.
    pub(super) valid: Vec<RunResult>,
    /// Their folders.
    pub(super) folders: Vec<PathBuf>,
    /// Folders of the others.
    invalid: Vec<PathBuf>,
}

impl Runs {
    /// A run's own folder, or all runs in folders below.
    pub(super) fn read(of: &Path) -> Result<Self, Failure> {
        let mut runs = Self {
            of: of.to_owned(),
            valid: Vec::new(),
            folders: Vec::new(),
            invalid: Vec::new(),
        };
        for folder in folders(of)? {
            let result = read_result(&folder)?;
            if result.validity.status == ValidityStatus::Invalid {
                runs.invalid.push(folder);
            } else {
                runs.valid.push(result);
                runs.folders.push(folder);
            }
        }
        if runs.valid.is_empty() {
            let found = match runs.invalid.len() {
                0 => "no `result.json`, nor have folders in it".to_owned(),
                n => format!("{n} runs, none of which can be trusted"),
            };
            let of = of.display();
            return Err(Failure::usage(format!(
                "`{of}` has {found}; name the folder of a run, or one that holds folders of runs"
            )));
        }
        Ok(runs)
    }

    pub(super) fn stored(&self) -> Vec<StoredRun> {
        self.valid.iter().map(stored).collect()
    }

    pub(super) fn side(&self) -> Side {
        let first = &self.valid[0];
        let name = self.of.file_name().unwrap_or(self.of.as_os_str());
        Side {
            name: name.to_string_lossy().into_owned(),
            what: self.of.display().to_string(),
            floodmark_version: first.floodmark_version.clone(),
            environment: first.environment.clone(),
        }
    }

    /// What is to be said of runs that cannot be trusted.
    pub(super) fn left_out(&self) -> Option<String> {
        let named: Vec<String> = self
            .invalid
            .iter()
            .map(|folder| format!("`{}`", folder.display()))
            .collect();
        (!named.is_empty()).then(|| {
            let n = named.len();
            format!(
                "{n} runs whose measurement is invalid are left out: {}",
                named.join(", ")
            )
        })
    }
}

/// A run as comparisons take it.
pub(super) fn stored(result: &RunResult) -> StoredRun {
    StoredRun {
        figures: figures_of(result),
        environment: result.environment.clone(),
    }
}

/// The result of the run in a folder.
pub(super) fn read_result(folder: &Path) -> Result<RunResult, Failure> {
    let path = folder.join("result.json");
    let unreadable = |error: anyhow::Error| {
        let message = format!("`{}` is no result of a run", path.display());
        Failure::new(Exit::Usage, error.context(message))
    };
    let text = std::fs::read(&path).map_err(|error| unreadable(error.into()))?;
    serde_json::from_slice(&text).map_err(|error| unreadable(error.into()))
}

/// The folders with a result, in the order of their names.
fn folders(of: &Path) -> Result<Vec<PathBuf>, Failure> {
    if of.join("result.json").is_file() {
        return Ok(vec![of.to_owned()]);
    }
    let mut found = below(of)?;
    found.retain(|path| path.join("result.json").is_file());
    Ok(found)
}

/// The folders with a result at any depth, in the order of their names. Nothing is looked for within a run's folder.
pub(super) fn folders_at_any_depth(of: &Path) -> Result<Vec<PathBuf>, Failure> {
    if of.join("result.json").is_file() {
        return Ok(vec![of.to_owned()]);
    }
    let mut found = Vec::new();
    for folder in below(of)? {
        found.extend(folders_at_any_depth(&folder)?);
    }
    Ok(found)
}

/// The folders in a folder, by name. Links are not followed: they could lead in a circle.
fn below(of: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| {
        let message = format!("cannot read the folder `{}`", of.display());
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(message))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(of).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_type().map_err(unreadable)?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
