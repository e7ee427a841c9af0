//! Where calibrations are kept.

use std::path::{Path, PathBuf};

use floodmark_contracts::calibration::{Calibration, Calibrations};

use super::machine;

/// The folder of calibrations below the user's folder of state.
const FOLDER: &str = "floodmark";
/// The file in it.
const FILE: &str = "calibration.json";

/// Why calibrations cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no place for them.
    #[error(
        "there is no folder for calibrations: set `FLOODMARK_STATE`, `XDG_STATE_HOME` or `HOME`"
    )]
    NoFolder,
    /// The file cannot be read or written.
    #[error("cannot {attempt} the calibrations in `{}`", path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("`{}` holds no calibrations; delete it and calibrate again", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// The calibrations of this user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    path: PathBuf,
}

impl Store {
    /// The store in `folder`, or else in the user's folder of state: `$XDG_STATE_HOME/floodmark`, by default
    /// `~/.local/state/floodmark`.
    ///
    /// # Errors
    /// [`StoreError::NoFolder`].
    pub fn open(folder: Option<&Path>) -> Result<Self, StoreError> {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let state = || {
            let home = || var("HOME").map(|home| PathBuf::from(home).join(".local/state"));
            let state = var("XDG_STATE_HOME").map(PathBuf::from).or_else(home)?;
            Some(state.join(FOLDER))
        };
        let folder = folder.map(Path::to_owned).or_else(state);
        let folder = folder.ok_or(StoreError::NoFolder)?;
        Ok(Self {
            path: folder.join(FILE),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// This machine's calibration for a sink; none if it was never measured.
    ///
    /// # Errors
    /// If the file is there and cannot be used.
    pub fn find(&self, sink: &str) -> Result<Option<Calibration>, StoreError> {
        let machine = machine();
        let all = self.read()?.entries;
        Ok(all
            .into_iter()
            .find(|entry| entry.machine == machine && entry.sink == sink))
    }

    /// Keeps calibrations in place of older ones of the same machine and sink. Streams that were measured
    /// before and not now stay as they were.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn keep(&self, new: &[Calibration]) -> Result<(), StoreError> {
        let mut all = self.read()?;
        for calibration in new {
            let mut calibration = calibration.clone();
            let same = |entry: &&Calibration| {
                entry.machine == calibration.machine && entry.sink == calibration.sink
            };
            if let Some(old) = all.entries.iter().find(same) {
                for (stream, rate) in &old.streams {
                    if !calibration.streams.contains_key(stream) {
                        calibration.streams.insert(*stream, *rate);
                        // Nobody has seen all of these at once: the smaller share is the safe one.
                        calibration.together = calibration.together.min(old.together);
                    }
                }
            }
            all.entries.retain(|entry| {
                (&entry.machine, &entry.sink) != (&calibration.machine, &calibration.sink)
            });
            all.entries.push(calibration);
        }
        let write = || {
            if let Some(folder) = self.path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let text = serde_json::to_vec_pretty(&all)?;
            // Written whole and then named: another run may be reading it.
            let half = self.path.with_extension(format!("{}", std::process::id()));
            std::fs::write(&half, text)?;
            std::fs::rename(&half, &self.path)
        };
        write().map_err(|source| StoreError::Io {
            attempt: "keep",
            path: self.path.clone(),
            source,
        })
    }

    fn read(&self) -> Result<Calibrations, StoreError> {
        match std::fs::read(&self.path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|source| StoreError::Bad {
                path: self.path.clone(),
                source,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Calibrations::default())
            }
            Err(source) => Err(StoreError::Io {
                attempt: "read",
                path: self.path.clone(),
                source,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use floodmark_contracts::{clock::WallTime, stream::Stream};

    use super::*;

    fn calibration(sink: &str, streams: &[(Stream, f64)], together: f64) -> Calibration {
        Calibration {
            machine: machine(),
            sink: sink.to_owned(),
            at: WallTime(1),
            floodmark_version: "0".to_owned(),
            streams: streams.iter().copied().collect(),
            together,
        }
    }

    #[test]
    fn the_newest_of_a_machine_and_sink_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(&dir.path().join("new"))).unwrap();
        assert_eq!(store.find("null").unwrap(), None);
        let other = Calibration {
            machine: "another".to_owned(),
            ..calibration("null", &[(Stream::Sensors, 1.0)], 1.0)
        };
        let embedded = calibration("embedded", &[(Stream::Sensors, 3.0)], 1.0);
        store.keep(&[other, embedded.clone()]).unwrap();
        store
            .keep(&[calibration("null", &[(Stream::Sensors, 5.0)], 1.0)])
            .unwrap();
        store
            .keep(&[calibration("null", &[(Stream::Sensors, 7.0)], 1.0)])
            .unwrap();
        let rate = |sink| store.find(sink).unwrap().unwrap().streams[&Stream::Sensors];
        assert_eq!((rate("null"), rate("embedded")), (7.0, 3.0));
        assert_eq!(store.read().unwrap().entries.len(), 3);
    }

    #[test]
    fn streams_that_were_measured_before_stay() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        let both = [(Stream::Sensors, 5.0), (Stream::Banking, 6.0)];
        store.keep(&[calibration("null", &both, 1.8)]).unwrap();
        store
            .keep(&[calibration("null", &[(Stream::Sensors, 9.0)], 1.0)])
            .unwrap();
        let found = store.find("null").unwrap().unwrap();
        let expected = BTreeMap::from([(Stream::Sensors, 9.0), (Stream::Banking, 6.0)]);
        assert_eq!((found.streams, found.together), (expected, 1.0));
    }

    #[test]
    fn a_file_of_something_else_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        std::fs::write(store.path(), "[]").unwrap();
        let error = store.find("null").unwrap_err().to_string();
        assert!(
            error.contains("calibration.json") && error.contains("calibrate again"),
            "{error}"
        );
    }
}
