//! The files of a run.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use floodmark_contracts::{
    accuracy::ScoredRow,
    alert::{Alert, CollectedAlert},
    clock::{Timeline, WallTime},
    label::Label,
    record::{GeneratorFacts, RunRecord, SeriesRow},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Folders, Request};
use crate::leftovers::{FOLDER_PREFIX, PROCESS_FILE};

/// A file of a run that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read or written.
    #[error("cannot {attempt} `{}`", path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A line of it is not what it should be.
    #[error("line {line} of `{}` is not valid", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

fn io(attempt: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io {
        attempt,
        path,
        source,
    }
}

/// Whole microseconds of a span; a run is far shorter than 2^63 of them.
pub(crate) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// A temporary folder that goes with the run.
pub(crate) fn work_dir() -> Result<tempfile::TempDir, FileError> {
    let dir = tempfile::Builder::new()
        .prefix(FOLDER_PREFIX)
        .tempdir()
        .map_err(io("make a folder in", &std::env::temp_dir()))?;
    write_text(
        &dir.path().join(PROCESS_FILE),
        &std::process::id().to_string(),
    )?;
    Ok(dir)
}

pub(crate) fn make_dir(path: &Path) -> Result<(), FileError> {
    std::fs::create_dir_all(path).map_err(io("make the folder", path))
}

/// Removes a folder with all that is in it, if it is there.
pub(crate) fn remove_dir(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io("remove the folder", path)(error))
        }
        _ => Ok(()),
    }
}

/// Reads the labels of a run.
///
/// # Errors
/// [`FileError`] with the first line that is no label.
pub fn read_labels(path: &Path) -> Result<Vec<Label>, FileError> {
    read_lines(path)
}

/// Reads the collected alerts of a run.
///
/// # Errors
/// [`FileError`] with the first line that is no collected alert.
pub fn read_alerts(path: &Path) -> Result<Vec<CollectedAlert>, FileError> {
    read_lines(path)
}

/// Reads alerts as a detector wrote them.
///
/// # Errors
/// [`FileError`] with the first line that is no alert.
pub fn read_bare_alerts(path: &Path) -> Result<Vec<Alert>, FileError> {
    read_lines(path)
}

/// Reads what a detector scored of every event.
///
/// # Errors
/// [`FileError`] with the first line that is no scored row.
pub fn read_scored_rows(path: &Path) -> Result<Vec<ScoredRow>, FileError> {
    read_lines(path)
}

/// Reads the figures that the generator left.
///
/// # Errors
/// [`FileError`] if it is something else.
pub fn read_generator_facts(path: &Path) -> Result<GeneratorFacts, FileError> {
    read_json(path)
}

/// Reads the record of a run.
///
/// # Errors
/// [`FileError`] if it is no record.
pub fn read_record(path: &Path) -> Result<RunRecord, FileError> {
    read_json(path)
}

/// Reads a time series.
///
/// # Errors
/// [`FileError`] with the first line that is no row.
pub fn read_series(path: &Path) -> Result<Vec<SeriesRow>, FileError> {
    read_lines(path)
}

/// Reads the collected alerts of a run one by one, however many there are.
pub(crate) fn each_alert(path: &Path, see: impl FnMut(CollectedAlert)) -> Result<(), FileError> {
    each_line(path, see)
}

/// Gives alerts that said no time the event time of their append time, now that the run's start is known.
pub(super) fn settle_times(
    path: &Path,
    start: WallTime,
    timeline: &Timeline,
) -> Result<(), FileError> {
    let settled = path.with_extension("settled");
    let mut out = BufWriter::new(File::create(&settled).map_err(io("write", &settled))?);
    let mut failed = None;
    each_alert(path, |mut collected| {
        if collected.untimed {
            let at = timeline.event_time(collected.appended_at.offset_from(start));
            (collected.alert.start, collected.alert.end) = (at, at);
        }
        let line = serde_json::to_writer(&mut out, &collected).map_err(std::io::Error::from);
        if let Err(error) = line.and_then(|()| out.write_all(b"\n")) {
            failed.get_or_insert(error);
        }
    })?;
    let done = failed.map_or_else(|| out.flush(), Err);
    done.map_err(io("write", &settled))?;
    rename(&settled, path)
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, FileError> {
    let mut all = Vec::new();
    each_line(path, |row| all.push(row))?;
    Ok(all)
}

fn each_line<T: DeserializeOwned>(path: &Path, mut see: impl FnMut(T)) -> Result<(), FileError> {
    let file = File::open(path).map_err(io("read", path))?;
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(io("read", path))?;
        if line.trim().is_empty() {
            continue;
        }
        see(
            serde_json::from_str(&line).map_err(|source| FileError::Line {
                path: path.to_owned(),
                line: index + 1,
                source,
            })?,
        );
    }
    Ok(())
}

pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), FileError> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|error| io("write", path)(std::io::Error::from(error)))?;
    std::fs::write(path, text).map_err(io("write", path))
}

/// Writes a file that may hold secrets, so that only its owner can read it.
pub(crate) fn write_private<T: Serialize>(path: &Path, value: &T) -> Result<(), FileError> {
    let text = serde_json::to_string(value)
        .map_err(|error| io("write", path)(std::io::Error::from(error)))?;
    write_private_text(path, &text)
}

/// The same for a text.
pub(crate) fn write_private_text(path: &Path, text: &str) -> Result<(), FileError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(io("write", path))?;
    file.write_all(text.as_bytes()).map_err(io("write", path))
}

pub(crate) fn write_lines<T: Serialize>(
    path: &Path,
    rows: impl IntoIterator<Item = T>,
) -> Result<(), FileError> {
    let mut out = BufWriter::new(File::create(path).map_err(io("write", path))?);
    for row in rows {
        serde_json::to_writer(&mut out, &row)
            .map_err(|error| io("write", path)(std::io::Error::from(error)))?;
        out.write_all(b"\n").map_err(io("write", path))?;
    }
    out.flush().map_err(io("write", path))
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    let text = std::fs::read(path).map_err(io("read", path))?;
    serde_json::from_slice(&text).map_err(|source| FileError::Line {
        path: path.to_owned(),
        line: 1,
        source,
    })
}

pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    std::fs::write(path, text).map_err(io("write", path))
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    std::fs::rename(from, to).map_err(io("write", to))
}

pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), FileError> {
    std::fs::copy(from, to).map(drop).map_err(io("write", to))
}

/// The URL without the user and password that may stand in front of its host.
#[must_use]
pub fn without_password(url: &str) -> String {
    let (scheme, rest) = url
        .split_once("://")
        .map_or(("", url), |(scheme, rest)| (scheme, rest));
    let host_end = rest.find('/').unwrap_or(rest.len());
    match rest[..host_end].rfind('@') {
        Some(at) => format!("{scheme}://…@{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// Takes user and password out of every URL in a tree.
pub fn hide_passwords(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("://") => *text = without_password(text),
        Value::Array(items) => items.iter_mut().for_each(hide_passwords),
        Value::Object(map) => map.values_mut().for_each(hide_passwords),
        _ => {}
    }
}

/// Leaves the facts in the run's folder; the labels come there now that the subject has ended.
pub(super) fn leave(
    request: &Request<'_>,
    folders: &Folders,
    record: &RunRecord,
    series: impl Iterator<Item = SeriesRow>,
) -> Result<(), FileError> {
    for name in ["labels.ndjson", "enrichment.ndjson"] {
        let (source, target) = (folders.generator.join(name), folders.out.join(name));
        if source.exists() {
            copy(&source, &target)?;
        } else {
            // Nothing was generated: there is no incident, and that is a fact too.
            write_text(&target, "")?;
        }
    }
    write_lines(&folders.out.join("timeseries.ndjson"), series)?;
    // The client's properties may hold secrets; the record has them redacted.
    let mut profile = request.profile.clone();
    profile.client = record.client.clone();
    let path = folders.out.join("profile.json");
    let unfit = |error| io("write", &path)(std::io::Error::from(error));
    let mut profile = serde_json::to_value(&profile).map_err(unfit)?;
    hide_passwords(&mut profile);
    write_json(&path, &profile)?;
    write_json(&folders.out.join("record.json"), record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_left_out() {
        for (url, expected) in [
            ("http://registry:8081", "http://registry:8081"),
            (
                "https://me:secret@registry:8081/apis/v7",
                "https://…@registry:8081/apis/v7",
            ),
            ("http://registry/@odd", "http://registry/@odd"),
        ] {
            assert_eq!(without_password(url), expected);
        }
    }

    #[test]
    fn urls_lose_their_passwords_wherever_they_are() {
        let mut value = serde_json::json!({"a": ["http://u:hunter2@h:1/x"], "b": "no://thing"});
        hide_passwords(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"a": ["http://…@h:1/x"], "b": "no://thing"})
        );
    }

    #[test]
    fn alerts_without_a_time_get_that_of_their_arrival_and_others_keep_theirs() {
        use floodmark_contracts::clock::EventTime;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.ndjson");
        let line = |id: &str, at: i64, untimed: bool| {
            let alert = serde_json::json!({
                "id": id, "detector": "d", "key": { "type": "user", "id": "u" }, "start": at, "end": at,
            });
            serde_json::json!({
                "alert": alert, "topic": "t", "partition": 0, "offset": 0,
                "appended_at": 12_000_000, "seen_at": 12_000_500, "untimed": untimed,
            })
        };
        write_lines(&path, [line("flag", 0, true), line("window", 7_000, false)]).unwrap();
        // Two seconds into a run at speed 60.
        let timeline = Timeline {
            origin: EventTime(1_000_000),
            speed: 60.0,
        };
        settle_times(&path, WallTime(10_000_000), &timeline).unwrap();
        let settled = read_alerts(&path).unwrap();
        let times: Vec<(&str, EventTime, EventTime)> = settled
            .iter()
            .map(|found| (found.alert.id.as_str(), found.alert.start, found.alert.end))
            .collect();
        let arrived = EventTime(1_120_000);
        assert_eq!(
            times,
            [
                ("flag", arrived, arrived),
                ("window", EventTime(7_000), EventTime(7_000))
            ]
        );
    }

    #[test]
    fn a_line_that_is_no_alert_is_told_with_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.ndjson");
        std::fs::write(&path, "\n{}\n").unwrap();
        let error = each_alert(&path, |_| {}).unwrap_err().to_string();
        assert!(error.starts_with("line 2 of"), "{error}");
    }
}
