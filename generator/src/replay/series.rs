//! Labelled public series as sensor readings: a folder in the layout of the Numenta Anomaly Benchmark, or
//! any CSV file with columns for time, value and label.

mod nab;
mod time;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use floodmark_contracts::{
    clock::EventTime,
    event::sensor::{SensorReading, reading_id},
    key::{KeyType, TypedKey},
    kind::Kind,
    stream::Stream,
};

pub use self::nab::read_nab;
use self::time::parse_time;
use super::{Budget, Recorded, RecordedClock, Recording, ReplayError, Truth, truth::span};

/// How series become readings.
#[derive(Debug, Clone)]
pub struct SeriesOptions {
    /// Kind of the labels: public series seldom say what an anomaly is.
    pub kind: Kind,
    /// Event time at which every series begins; without it, times stay as they are.
    pub origin: Option<EventTime>,
    /// Names of a benchmark's series to leave out, such as `realTweets/Twitter_volume_AAPL`.
    pub except: BTreeSet<String>,
    /// Memory for the records.
    pub memory_mib: usize,
}

/// Which columns of a CSV file to read, by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvSource {
    /// The file.
    pub path: PathBuf,
    /// The column of the time.
    pub time: String,
    /// The column of the value.
    pub value: String,
    /// The column that says whether a row is part of an anomaly: `1` or `true`, against `0`, `false` or
    /// nothing.
    pub label: Option<String>,
    /// The column of the sensor, where one file holds several.
    pub key: Option<String>,
}

/// A row as it stands in a file.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    at_ms: i64,
    value: f64,
    labelled: bool,
}

/// Rows of one sensor in the order of the file, with labelled stretches by event time, both ends inclusive.
#[derive(Debug, Clone)]
struct Series {
    name: String,
    rows: Vec<Row>,
    windows: Vec<(i64, i64)>,
}

/// Reads a CSV file with a header line. Rows that follow each other and are labelled make one label.
///
/// # Errors
/// If the file cannot be read, lacks a column or holds a row that is no reading.
pub fn read_csv(source: &CsvSource, options: &SeriesOptions) -> Result<Recording, ReplayError> {
    let stem = source.path.file_stem().unwrap_or_default();
    let mut series = read_file(source, &stem.to_string_lossy(), options.memory_mib)?;
    for one in &mut series {
        one.windows = stretches(&one.rows);
    }
    recording(&source.path, series, options)
}

/// Labelled rows that follow each other, as spans of time.
fn stretches(rows: &[Row]) -> Vec<(i64, i64)> {
    rows.chunk_by(|a, b| a.labelled == b.labelled)
        .filter(|chunk| chunk[0].labelled)
        .map(|chunk| {
            let times = || chunk.iter().map(|row| row.at_ms);
            (
                times().min().unwrap_or_default(),
                times().max().unwrap_or_default(),
            )
        })
        .collect()
}

/// Places of the columns that are read.
struct Columns<'a> {
    path: &'a Path,
    time: usize,
    value: usize,
    label: Option<usize>,
    key: Option<usize>,
}

impl<'a> Columns<'a> {
    fn find(source: &'a CsvSource, header: &csv::StringRecord) -> Result<Self, ReplayError> {
        let column = |wanted: &str| {
            let found = header.iter().position(|found| found == wanted);
            found.ok_or_else(|| {
                let names: Vec<String> = header.iter().map(|name| format!("`{name}`")).collect();
                let names = names.join(", ");
                ReplayError::Layout {
                    path: source.path.clone(),
                    reason: format!("there is no column `{wanted}`; there are {names}"),
                }
            })
        };
        Ok(Self {
            path: &source.path,
            time: column(&source.time)?,
            value: column(&source.value)?,
            label: source.label.as_deref().map(column).transpose()?,
            key: source.key.as_deref().map(column).transpose()?,
        })
    }

    /// The name of a row's sensor, `own` if the file has no column for it, and the row.
    fn row<'r>(
        &self,
        record: &'r csv::StringRecord,
        own: &'r str,
    ) -> Result<(&'r str, Row), ReplayError> {
        let bad = |reason: String| ReplayError::Line {
            path: self.path.to_owned(),
            line: record.position().map_or(0, csv::Position::line),
            reason,
        };
        let cell = |index: usize| record.get(index).unwrap_or_default();
        let text = cell(self.value);
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
        let value = value.ok_or_else(|| bad(format!("`{text}` is no finite number")))?;
        let at_ms = parse_time(cell(self.time)).map_err(bad)?;
        let label = self.label.map(|index| parse_label(cell(index)));
        let labelled = label.transpose().map_err(bad)?.unwrap_or(false);
        let name = self.key.map_or(own, cell);
        if name.is_empty() {
            return Err(bad("the name of the sensor is empty".to_owned()));
        }
        let row = Row {
            at_ms,
            value,
            labelled,
        };
        Ok((name, row))
    }
}

/// The series of a file, by name if it has a column of names.
fn read_file(
    source: &CsvSource,
    name: &str,
    memory_mib: usize,
) -> Result<Vec<Series>, ReplayError> {
    let failed = |error| csv_error(&source.path, error);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(&source.path)
        .map_err(failed)?;
    let header = reader.headers().map_err(failed)?.clone();
    let columns = Columns::find(source, &header)?;
    // What the rows become takes more room than they do; that is checked again when they are made.
    let mut most = (memory_mib << 20) / size_of::<Recorded>();
    let mut all: BTreeMap<String, Series> = BTreeMap::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(failed)? {
        let (name, row) = columns.row(&record, name)?;
        // Looked up by a borrowed name: a row costs no allocation.
        match all.get_mut(name) {
            Some(series) => series.rows.push(row),
            None => {
                let series = Series {
                    name: name.to_owned(),
                    rows: vec![row],
                    windows: Vec::new(),
                };
                all.insert(name.to_owned(), series);
            }
        }
        most = most.checked_sub(1).ok_or_else(|| ReplayError::TooLarge {
            source_name: source.path.display().to_string(),
            limit_mib: memory_mib,
        })?;
    }
    Ok(all.into_values().collect())
}

fn parse_label(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "0" | "0.0" | "false" | "no" | "normal" => Ok(false),
        "1" | "1.0" | "true" | "yes" | "anomaly" => Ok(true),
        other => Err(format!(
            "`{other}` is no label; use `1` or `true`, `0`, `false` or nothing"
        )),
    }
}

fn csv_error(path: &Path, error: csv::Error) -> ReplayError {
    let line = error.position().map(csv::Position::line);
    let text = error.to_string();
    match (error.into_kind(), line) {
        (csv::ErrorKind::Io(source), _) => ReplayError::Read {
            path: path.to_owned(),
            source,
        },
        (_, Some(line)) => ReplayError::Line {
            path: path.to_owned(),
            line,
            reason: text,
        },
        (_, None) => ReplayError::Layout {
            path: path.to_owned(),
            reason: text,
        },
    }
}

/// Readings and labels of all series, each a lane.
fn recording(
    source: &Path,
    series: Vec<Series>,
    options: &SeriesOptions,
) -> Result<Recording, ReplayError> {
    let name = source.display().to_string();
    let mut budget = Budget::new(&name, options.memory_mib);
    let (mut lanes, mut truth) = (Vec::new(), Vec::new());
    for (lane, mut series) in series.into_iter().enumerate() {
        shift(&mut series, options.origin);
        let mut records = Vec::with_capacity(series.rows.len());
        for row in &series.rows {
            let record = record(&series.name, *row);
            budget.take(&record)?;
            records.push(record);
        }
        truth.extend(truths(&series, lane, options.kind));
        lanes.push(records);
    }
    let span = span(lanes.iter().flatten().map(|record: &Recorded| record.at_ms));
    if span.is_none() {
        return Err(ReplayError::Empty { source_name: name });
    }
    Ok(Recording {
        stream: Stream::Sensors,
        clock: RecordedClock::Event,
        lanes,
        truth,
        span,
        scored: None,
    })
}

/// Moves a series so that its earliest row lies at the origin.
fn shift(series: &mut Series, origin: Option<EventTime>) {
    let earliest = series.rows.iter().map(|row| row.at_ms).min();
    let (Some(origin), Some(earliest)) = (origin, earliest) else {
        return;
    };
    let by = origin.0 - earliest;
    series.rows.iter_mut().for_each(|row| row.at_ms += by);
    for (start, end) in &mut series.windows {
        (*start, *end) = (*start + by, *end + by);
    }
}

fn record(name: &str, row: Row) -> Recorded {
    let mut value = Vec::with_capacity(80);
    SensorReading {
        sensor_id: name.into(),
        value: row.value,
        timestamp: EventTime(row.at_ms),
        sensor_type: None,
    }
    .encode(&mut value);
    Recorded {
        at_ms: row.at_ms,
        key: name.as_bytes().to_vec(),
        value,
        headers: Vec::new(),
        partition: None,
    }
}

fn truths(series: &Series, lane: usize, kind: Kind) -> impl Iterator<Item = Truth> {
    series
        .windows
        .iter()
        .enumerate()
        .map(move |(number, (start, end))| {
            let rows: Vec<usize> = (0..series.rows.len())
                .filter(|row| (*start..=*end).contains(&series.rows[*row].at_ms))
                .collect();
            let id = |row: &usize| reading_id(&series.name, EventTime(series.rows[*row].at_ms));
            Truth::Rows {
                id: format!("{}#{}", series.name, number + 1),
                kind,
                key: TypedKey::new(KeyType::Sensor, series.name.as_str()),
                lane,
                ids: rows.iter().map(id).collect(),
                rows,
                span: (EventTime(*start), EventTime(*end)),
            }
        })
}
