//! One measurement: files are read and scored, and every part is timed.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    error::Error,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    time::Instant,
};

use floodmark_contracts::{alert::Alert, label::Label, profile::ScoringSection};
use floodmark_scoring::{parts::Part, score_files_watched};

/// The file of labels in a folder.
pub const LABELS: &str = "labels.ndjson";
/// The file of alerts in a folder.
pub const ALERTS: &str = "alerts.ndjson";

/// Figures by their number and name.
pub type Figures = BTreeMap<String, f64>;

const MIB: f64 = 1024.0 * 1024.0;

/// Reads and scores what is in a folder.
pub fn figures(folder: &Path) -> Result<Figures, Box<dyn Error>> {
    let empty = memory("VmRSS:")?;
    let begun = cpu_seconds();
    let labels: Vec<Label> = read(&folder.join(LABELS), |line| serde_json::from_str(line))?;
    let labels_read = cpu_seconds();
    let alerts: Vec<Alert> = read(&folder.join(ALERTS), |line| serde_json::from_str(line))?;
    let alerts_read = cpu_seconds();
    let held = memory("VmRSS:")?;
    // The peak from here on, not that of reading.
    std::fs::write("/proc/self/clear_refs", "5")?;

    let parts: RefCell<BTreeMap<Part, f64>> = RefCell::default();
    let (start, wall) = (cpu_seconds(), now());
    let last = Cell::new(start);
    let detection = score_files_watched(
        &labels,
        &alerts,
        &ScoringSection::default(),
        None,
        &|part| {
            let at = cpu_seconds();
            *parts.borrow_mut().entry(part).or_default() += at - last.replace(at);
        },
    )?;
    let (cpu, wall) = (cpu_seconds() - start, wall.elapsed().as_secs_f64());
    let state = memory("VmHWM:")? - held;
    let parts = parts.into_inner();
    let of = |part: Part| parts.get(&part).copied().unwrap_or(0.0);
    let n_rows = (labels.len() + alerts.len()) as f64;
    let mut figures = vec![
        ("reading labels, CPU s", labels_read - begun),
        ("reading alerts, CPU s", alerts_read - labels_read),
        (
            "scoring without intervals, CPU s",
            cpu - of(Part::Bootstrap),
        ),
    ];
    figures.extend(Part::ALL.map(|part| (title(part), of(part))));
    figures.extend([
        ("all of scoring, CPU s", cpu),
        ("all of scoring, wall s", wall),
        ("held, MiB", (held - empty) / MIB),
        ("state, MiB", state / MIB),
        ("state, bytes per alert and label", state / n_rows),
        (
            "sum over the result",
            sum(&serde_json::to_string(&detection)?),
        ),
    ]);
    let numbered = figures.into_iter().enumerate();
    Ok(numbered
        .map(|(number, (name, value))| (format!("{number:02} {name}"), value))
        .collect())
}

fn title(part: Part) -> &'static str {
    match part {
        Part::Scope => "- what counts, CPU s",
        Part::Matching => "- matching, CPU s",
        Part::Incidents => "- incidents and baseline, CPU s",
        Part::Levels => "- other levels, CPU s",
        Part::Bootstrap => "intervals (bootstrap), CPU s",
        Part::Sweep => "- threshold sweep, CPU s",
        Part::Rest => "- delays, fatigue, lists, CPU s",
    }
}

/// As the command line reads them.
fn read<T>(
    path: &Path,
    parse: impl Fn(&str) -> serde_json::Result<T>,
) -> Result<Vec<T>, Box<dyn Error>> {
    let lines = BufReader::new(File::open(path)?).lines();
    lines.map(|line| Ok(parse(&line?)?)).collect()
}

/// FNV-1a, cut to what a number of JSON holds exactly.
fn sum(text: &str) -> f64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 12) as f64
}

/// Bytes in a line of this process's status.
fn memory(name: &str) -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: f64 = line
        .unwrap_or_default()
        .trim()
        .trim_end_matches(" kB")
        .parse()?;
    Ok(kib * 1024.0)
}

/// CPU time of this thread so far; Linux counts it in nanoseconds there, a tick behind at most.
fn cpu_seconds() -> f64 {
    let found = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = found
        .split_whitespace()
        .next()
        .and_then(|ns| ns.parse::<f64>().ok());
    ns.unwrap_or(f64::NAN) / 1e9
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}
