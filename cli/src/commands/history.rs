//! `floodmark history`: metrics over stored runs, and where they changed.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use floodmark_contracts::{
    history::{History, HistoryPoint},
    result::{RunResult, ValidityStatus},
};
use floodmark_reports::{history_html, history_text};
use floodmark_scoring::compare::{changes, figures_of};

use crate::{
    args::HistoryArgs,
    commands::{
        report::rendered,
        say,
        stored::{folders_at_any_depth, read_result},
        trial::write_json,
    },
    exit::{Exit, Failure},
};

/// Seed of the random orders that splits are held against.
const SEED: u64 = 1;

/// Reads the runs, oldest first, and shows how their metrics went.
pub fn run(args: &HistoryArgs) -> Result<Exit, Failure> {
    let (runs, left_out) = read(args)?;
    let named: Vec<_> = runs
        .iter()
        .map(|(folder, result)| {
            let point = HistoryPoint {
                name: folder.display().to_string(),
                started_at: result.started_at,
            };
            (point, figures_of(result))
        })
        .collect();
    let mut history = changes::history(&named, SEED);
    history.warnings.extend(left_out);
    only(&mut history, &args.metric)?;
    if let Some(out) = &args.out {
        leave(out, &history)?;
    }
    if args.json {
        say(&serde_json::to_string_pretty(&history)?);
    } else {
        say(history_text(&history).trim_end());
    }
    Ok(Exit::Pass)
}

/// A run's folder and its result.
type Run = (PathBuf, RunResult);

/// The runs that can be trusted by the time at which they began, and what is to be said of the others.
fn read(args: &HistoryArgs) -> Result<(Vec<Run>, Vec<String>), Failure> {
    let mut folders = BTreeSet::new();
    for dir in &args.dirs {
        folders.extend(folders_at_any_depth(dir)?);
    }
    let mut runs = Vec::new();
    let (mut invalid, mut profiles) = (0, BTreeSet::new());
    for folder in folders {
        let result = read_result(&folder)?;
        if result.validity.status == ValidityStatus::Invalid {
            invalid += 1;
        } else if args.profile.as_ref().is_none_or(|p| *p == result.profile) {
            profiles.insert(result.profile.clone());
            runs.push((folder, result));
        }
    }
    runs.sort_by(|(a, one), (b, other)| (one.started_at, a).cmp(&(other.started_at, b)));
    if profiles.len() > 1 {
        let listed: Vec<String> = profiles.iter().map(|name| format!("`{name}`")).collect();
        return Err(Failure::usage(format!(
            "there are runs of several profiles: {}; name one with `--profile`",
            listed.join(", ")
        )));
    }
    if runs.is_empty() {
        let dirs: Vec<String> = args
            .dirs
            .iter()
            .map(|d| format!("`{}`", d.display()))
            .collect();
        let of = args.profile.as_ref();
        let of = of.map_or_else(String::new, |name| format!(" of the profile `{name}`"));
        return Err(Failure::usage(format!(
            "no run{of} that can be trusted is in {} or below; name a folder that holds folders of runs",
            dirs.join(", ")
        )));
    }
    let left_out =
        (invalid > 0).then(|| format!("{invalid} runs whose measurement is invalid are left out"));
    let machines = runs.iter().map(|(_, result)| &result.environment);
    let first = &runs[0].1.environment;
    let elsewhere = machines.filter(|machine| *machine != first).count();
    let moved = (elsewhere > 0).then(|| {
        format!(
            "{elsewhere} of {} runs were made on another machine or kernel than the first",
            runs.len()
        )
    });
    Ok((runs, left_out.into_iter().chain(moved).collect()))
}

/// Keeps the metrics that were asked for, in the order asked; all of them where none was.
fn only(history: &mut History, wanted: &[String]) -> Result<(), Failure> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut kept = Vec::new();
    for name in wanted {
        let Some(metric) = history.metrics.iter().find(|metric| metric.name == *name) else {
            return Err(Failure::usage(format!(
                "the runs have no metric `{name}`; docs/metrics.md lists them all"
            )));
        };
        kept.push(metric.clone());
    }
    history.metrics = kept;
    Ok(())
}

fn leave(out: &Path, history: &History) -> Result<(), Failure> {
    std::fs::create_dir_all(out).map_err(|error| {
        let message = format!("cannot make the folder `{}`", out.display());
        anyhow::Error::new(error).context(message)
    })?;
    write_json(&out.join("history.json"), history)?;
    let page = rendered(|to| history_html(history, to))?;
    Ok(std::fs::write(out.join("history.html"), page)?)
}
