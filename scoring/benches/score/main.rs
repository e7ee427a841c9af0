//! How long scoring takes, part by part, and how much memory.
//!
//! ```text
//! cargo bench -p floodmark-scoring --bench score
//! ```
//!
//! Made-up labels and alerts (`made_up.rs`) are written to files and read and scored by a process of its own for each
//! measurement, in one thread, a quarter, a half and all of them: what grows faster than they do shows. Times are CPU
//! time of that thread, and wall time beside it where both are meant; medians over the rounds. What is held is memory
//! after reading; state is the peak while scoring beyond that. The last line is a sum over the result: two programs
//! that print the same one score alike.
//!
//! `FLOODMARK_BENCH_ROUNDS`, `FLOODMARK_BENCH_ALERTS` and `FLOODMARK_BENCH_LABELS` change how often and how much.

mod made_up;
mod measure;

use std::{
    collections::BTreeMap,
    error::Error,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::Command,
};

use crate::measure::Figures;

/// Set for the process that measures: the folder with the files.
const FOLDER: &str = "FLOODMARK_BENCH_FOLDER";

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes `--bench`, and `--test` under `cargo test`: there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    if let Some(folder) = std::env::var_os(FOLDER) {
        report(&serde_json::to_string(&measure::figures(Path::new(
            &folder,
        ))?)?);
        return Ok(());
    }
    let rounds = setting("FLOODMARK_BENCH_ROUNDS", 5)?;
    let n_alerts = setting("FLOODMARK_BENCH_ALERTS", 1_000_000)?;
    let n_labels = setting("FLOODMARK_BENCH_LABELS", 100_000)?;
    let sizes: Vec<(u64, u64)> = [4, 2, 1]
        .map(|part| (n_alerts / part, n_labels / part))
        .to_vec();
    let folders: Vec<PathBuf> = sizes
        .iter()
        .map(|(n_alerts, n_labels)| write(*n_alerts, *n_labels))
        .collect::<Result<_, _>>()?;
    let load = load_average()?;
    let mut found: Vec<Vec<Figures>> = vec![Vec::new(); sizes.len()];
    for _ in 0..rounds {
        for (folder, found) in folders.iter().zip(&mut found) {
            found.push(in_a_process(folder)?);
        }
    }
    for folder in folders {
        std::fs::remove_dir_all(folder)?;
    }
    report(&format!(
        "{rounds} rounds, one thread, medians, over {} keys; load average before and after: {load}, {}",
        made_up::KEYS,
        load_average()?
    ));
    table(&sizes, &found)
}

/// Writes labels and alerts to a folder of their own.
fn write(n_alerts: u64, n_labels: u64) -> Result<PathBuf, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("score-{n_alerts}"));
    std::fs::create_dir_all(&folder)?;
    let labels = made_up::labels(n_labels);
    let mut out = BufWriter::new(File::create(folder.join(measure::LABELS))?);
    for label in &labels {
        serde_json::to_writer(&mut out, label)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    let mut out = BufWriter::new(File::create(folder.join(measure::ALERTS))?);
    made_up::write_alerts(&labels, n_alerts, &mut out)?;
    out.flush()?;
    Ok(folder)
}

/// Measures in a process of its own: one that has scored before has memory at hand.
fn in_a_process(folder: &Path) -> Result<Figures, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?)
        .arg("--bench")
        .env(FOLDER, folder)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn table(sizes: &[(u64, u64)], found: &[Vec<Figures>]) -> Result<(), Box<dyn Error>> {
    let row =
        |name: &str, cells: Vec<String>| report(&format!("| {name} | {} |", cells.join(" | ")));
    row(
        "alerts / labels",
        sizes
            .iter()
            .map(|(alerts, labels)| format!("{alerts} / {labels}"))
            .collect(),
    );
    row("---", sizes.iter().map(|_| "---:".to_owned()).collect());
    let names: Vec<&String> = found
        .iter()
        .flatten()
        .take(1)
        .flat_map(BTreeMap::keys)
        .collect();
    for name in names {
        let medians = found.iter().map(|rounds| {
            let mut values: Vec<f64> = rounds.iter().map(|of| of[name]).collect();
            values.sort_by(f64::total_cmp);
            let median = values[values.len() / 2];
            let decimals = if median < 1000.0 { 3 } else { 0 };
            format!("{median:.decimals$}")
        });
        // Names are numbered so that they keep their order.
        row(
            name.split_once(' ').map_or(name, |(_, name)| name),
            medians.collect(),
        );
    }
    Ok(())
}

/// That of the last minute: where processors are shared, even CPU time grows with it.
fn load_average() -> Result<String, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

fn setting(name: &str, default: u64) -> Result<u64, Box<dyn Error>> {
    match std::env::var(name) {
        Ok(text) => Ok(text
            .parse()
            .map_err(|_| format!("`{name}` is `{text}`; use a whole number"))?),
        Err(_) => Ok(default),
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark's figures are its output")]
fn report(line: &str) {
    println!("{line}");
}
