//! Looks in a file, and out of it again as rows of the time series.
//!
//! The run's start is known only when the generator has begun, so the file holds wall time.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use floodmark_contracts::{clock::WallTime, record::SeriesRow, resources::Usage};
use serde::{Deserialize, Serialize};

use crate::run::FileError;

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Look {
    at: WallTime,
    /// None for the machine.
    process: Option<String>,
    values: BTreeMap<String, f64>,
}

/// The file while it is written.
pub(super) struct Spill {
    out: BufWriter<File>,
    path: PathBuf,
}

impl Spill {
    pub(super) fn create(path: &Path) -> Result<Self, FileError> {
        let out = File::create(path).map_err(error("write", path))?;
        Ok(Self {
            out: BufWriter::new(out),
            path: path.to_owned(),
        })
    }

    /// What a role used between two looks that were `span` seconds apart.
    pub(super) fn process(
        &mut self,
        at: WallTime,
        role: &str,
        before: &Usage,
        now: &Usage,
        span: f64,
    ) -> Result<(), FileError> {
        self.line(&Look {
            at,
            process: Some(role.to_owned()),
            values: values(before, now, span),
        })
    }

    pub(super) fn machine(
        &mut self,
        at: WallTime,
        values: BTreeMap<String, f64>,
    ) -> Result<(), FileError> {
        self.line(&Look {
            at,
            process: None,
            values,
        })?;
        // Whoever looks at a run that goes on sees whole looks.
        self.out.flush().map_err(error("write", &self.path))
    }

    fn line(&mut self, look: &Look) -> Result<(), FileError> {
        serde_json::to_writer(&mut self.out, look)
            .map_err(std::io::Error::from)
            .and_then(|()| self.out.write_all(b"\n"))
            .map_err(error("write", &self.path))
    }

    pub(super) fn finish(mut self) -> Result<PathBuf, FileError> {
        self.out.flush().map_err(error("write", &self.path))?;
        Ok(self.path)
    }
}

/// The rows of a file of looks, from the run's first second on.
pub(super) fn read(
    path: &Path,
    start: WallTime,
) -> Result<impl Iterator<Item = SeriesRow> + use<>, FileError> {
    let file = File::open(path).map_err(error("read", path))?;
    let looks = BufReader::new(file)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Look>(&line).ok());
    Ok(looks.flat_map(move |look| rows(look, start)))
}

fn rows(look: Look, start: WallTime) -> impl Iterator<Item = SeriesRow> {
    let t = second(look.at, start);
    let process = look.process;
    let rows = look
        .values
        .into_iter()
        .map(move |(metric, value)| SeriesRow {
            t,
            metric,
            process: process.clone(),
            value,
            ..SeriesRow::default()
        });
    rows.filter(|row| row.t >= 1)
}

/// The second of the run whose end is nearest: a look is a little late or early, and the next one is not in
/// the same second for that.
pub(super) fn second(at: WallTime, start: WallTime) -> i64 {
    (at.offset_from(start).0 + 500_000).div_euclid(1_000_000)
}

fn values(before: &Usage, now: &Usage, span: f64) -> BTreeMap<String, f64> {
    let seconds = |of: fn(&Usage) -> Option<f64>| Some((of(now)? - of(before)?).max(0.0) / span);
    let counts = |of: fn(&Usage) -> Option<u64>| {
        Some(of(now)?.saturating_sub(of(before).unwrap_or(0)) as f64 / span)
    };
    let values = [
        ("cpu_user_s", seconds(|u| u.user_seconds)),
        ("cpu_system_s", seconds(|u| u.system_seconds)),
        ("run_delay_s", seconds(|u| u.run_delay_seconds)),
        ("rss_bytes", now.rss_bytes.map(|bytes| bytes as f64)),
        ("threads", now.threads.map(|threads| threads as f64)),
        ("read_bytes", counts(|u| u.read_bytes)),
        ("written_bytes", counts(|u| u.written_bytes)),
        ("switches_voluntary", counts(|u| u.voluntary_switches)),
        ("switches_involuntary", counts(|u| u.involuntary_switches)),
        ("faults_minor", counts(|u| u.minor_faults)),
        ("faults_major", counts(|u| u.major_faults)),
    ];
    // Milliseconds and single bytes are fine enough, and a long run's file is half as long.
    let rounded = |value: f64| (value * 1e4).round() / 1e4;
    values
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), rounded(value?))))
        .collect()
}

fn error(attempt: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io {
        attempt,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_back_as_what_was_used_in_a_second() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("looks");
        let usage = |user, rss, written| Usage {
            user_seconds: Some(user),
            rss_bytes: Some(rss),
            written_bytes: written,
            ..Usage::default()
        };
        let mut spill = Spill::create(&path).unwrap();
        let (before, now) = (usage(1.0, 500, Some(10)), usage(2.0, 300, Some(50)));
        let look = |spill: &mut Spill, at| spill.process(at, "broker", &before, &now, 2.0);
        look(&mut spill, WallTime(1_400_000)).unwrap();
        look(&mut spill, WallTime(4_600_000)).unwrap();
        let machine = BTreeMap::from([("steal_s".to_owned(), 0.25)]);
        spill.machine(WallTime(4_600_000), machine).unwrap();
        let path = spill.finish().unwrap();
        let rows: Vec<String> = read(&path, WallTime(1_500_000))
            .unwrap()
            .map(|row| {
                let process = row.process.as_deref().unwrap_or("-");
                format!("{} {process} {} {}", row.t, row.metric, row.value)
            })
            .collect();
        assert_eq!(
            rows,
            [
                "3 broker cpu_user_s 0.5",
                "3 broker rss_bytes 300",
                "3 broker written_bytes 20",
                "3 - steal_s 0.25"
            ]
        );
    }
}
