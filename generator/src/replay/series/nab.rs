//! The layout of the Numenta Anomaly Benchmark: `data/CATEGORY/NAME.csv` with the columns `timestamp` and
//! `value`, and `combined_windows.json` (in the folder itself or in `labels/`), which names for each file
//! its windows, both ends inclusive.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    CsvSource, Recording, ReplayError, Series, SeriesOptions, parse_time, read_file, recording,
};

/// Where the windows may stand.
const WINDOWS: [&str; 2] = ["combined_windows.json", "labels/combined_windows.json"];

/// Reads all series of a folder, in the order of their names. A sensor is named after its file, without
/// the ending: `realKnownCause/machine_temperature_system_failure`.
///
/// # Errors
/// If the folder is laid out otherwise, or a file and its windows do not have each other.
pub fn read_nab(folder: &Path, options: &SeriesOptions) -> Result<Recording, ReplayError> {
    let (windows_path, mut windows) = read_windows(folder)?;
    let mut all: Vec<Series> = Vec::new();
    let mut except = options.except.clone();
    for name in files(&folder.join("data"))? {
        let path = folder.join("data").join(&name);
        let Some(spans) = windows.remove(&name) else {
            return Err(ReplayError::Layout {
                path: windows_path,
                reason: format!(
                    "there is no entry for `{name}`; add one, `[]` if it has no window"
                ),
            });
        };
        if except.remove(name.trim_end_matches(".csv")) {
            continue;
        }
        let source = CsvSource {
            path,
            time: "timestamp".to_owned(),
            value: "value".to_owned(),
            label: None,
            key: None,
        };
        let sensor = name.trim_end_matches(".csv");
        for mut series in read_file(&source, sensor, options.memory_mib)? {
            series.windows = spans
                .iter()
                .map(|(start, end)| Ok((parse_time(start)?, parse_time(end)?)))
                .collect::<Result<_, String>>()
                .map_err(|reason| ReplayError::Layout {
                    path: windows_path.clone(),
                    reason: format!("windows of `{name}`: {reason}"),
                })?;
            all.push(series);
        }
    }
    if let Some(name) = windows.keys().next() {
        return Err(ReplayError::Layout {
            path: windows_path,
            reason: format!("there are windows for `{name}`, and no such file in `data`"),
        });
    }
    // A name that leaves nothing out is a typing error, and the series that was meant would be in.
    if let Some(name) = except.first() {
        return Err(ReplayError::Layout {
            path: folder.join("data"),
            reason: format!("there is no series `{name}` to leave out; write `CATEGORY/NAME`"),
        });
    }
    recording(folder, all, options)
}

type Windows = BTreeMap<String, Vec<(String, String)>>;

fn read_windows(folder: &Path) -> Result<(PathBuf, Windows), ReplayError> {
    let candidates = WINDOWS.map(|name| folder.join(name));
    let Some(path) = candidates.into_iter().find(|path| path.exists()) else {
        return Err(ReplayError::Layout {
            path: folder.to_owned(),
            reason: format!(
                "there is neither `{}` nor `{}`, so this is not the layout of the benchmark",
                WINDOWS[0], WINDOWS[1]
            ),
        });
    };
    let text = std::fs::read(&path).map_err(|source| ReplayError::Read {
        path: path.clone(),
        source,
    })?;
    match serde_json::from_slice(&text) {
        Ok(windows) => Ok((path, windows)),
        Err(error) => Err(ReplayError::Layout {
            path,
            reason: format!("these are no windows by file: {error}"),
        }),
    }
}

/// The names `CATEGORY/NAME.csv` below a folder, sorted.
fn files(data: &Path) -> Result<Vec<String>, ReplayError> {
    let read = |path: &Path| {
        let names = || {
            let mut names = Vec::new();
            for entry in std::fs::read_dir(path)? {
                let entry = entry?;
                names.push((
                    entry.file_name().to_string_lossy().into_owned(),
                    entry.file_type()?.is_dir(),
                ));
            }
            Ok(names)
        };
        names().map_err(|source| ReplayError::Read {
            path: path.to_owned(),
            source,
        })
    };
    let mut found = Vec::new();
    for (category, is_folder) in read(data)? {
        if !is_folder {
            continue;
        }
        for (name, is_folder) in read(&data.join(&category))? {
            if !is_folder && name.ends_with(".csv") {
                found.push(format!("{category}/{name}"));
            }
        }
    }
    found.sort();
    Ok(found)
}
