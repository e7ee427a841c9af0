//! `floodmark report`: the report of a scored run, written again, and in the formats of others.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use floodmark_contracts::{
    alert::CollectedAlert, compare::Comparison, label::Label, record::SeriesRow, result::RunResult,
};
use floodmark_harness::run::{read_alerts, read_labels, read_series};
use floodmark_reports::{Better, IndexEntry, ReportError, ReportInput};

use crate::{
    args::{ReportArgs, ReportFormat},
    commands::{
        say,
        stored::{folders_at_any_depth, read_result},
    },
    exit::{Exit, Failure},
};

/// Reads `result.json` and writes what is asked for.
pub fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    if args.index {
        return index(args);
    }
    let path = args.dir.join("result.json");
    let text = std::fs::read(&path).map_err(|error| {
        let message = format!(
            "cannot read `{}`; name the folder of a run, or score it first with `floodmark score`",
            path.display()
        );
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(message))
    })?;
    let result: RunResult = serde_json::from_slice(&text).map_err(|error| {
        let message = format!("`{}` is no result of a run", path.display());
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(message))
    })?;
    // JUnit and the like need the result alone, which is all that CI may have kept.
    let facts = if args.format.iter().any(|format| format.needs_the_run()) {
        Facts::read(&args.dir)?
    } else {
        Facts::default()
    };
    let out = args.out.as_deref().unwrap_or(&args.dir);
    std::fs::create_dir_all(out).map_err(|error| cannot_write(out, error))?;
    let keeps_result = args.format.contains(&ReportFormat::Json);
    if keeps_result && is_same(out, &args.dir) {
        say(&format!("left `{}` as it is", path.display()));
    } else if keeps_result {
        put(out, "result.json", &text)?;
        say(&format!("wrote `{}`", out.join("result.json").display()));
    }
    for path in write_all(out, &args.format, &facts, &result)? {
        say(&format!("wrote `{}`", path.display()));
    }
    Ok(Exit::Pass)
}

/// Writes the page of many runs. Links are relative, so that the folder can be moved or served whole.
fn index(args: &ReportArgs) -> Result<Exit, Failure> {
    let mut runs = Vec::new();
    for folder in folders_at_any_depth(&args.dir)? {
        let result = read_result(&folder)?;
        runs.push((folder, result));
    }
    let dir = args.dir.display();
    if runs.is_empty() {
        return Err(Failure::usage(format!(
            "no folder in `{dir}` or below has a `result.json`; name one that holds folders of runs"
        )));
    }
    if args
        .out
        .as_ref()
        .is_some_and(|out| !is_same(out, &args.dir))
    {
        return Err(Failure::usage(format!(
            "the index links to reports below `{dir}`, so it goes there; leave `--out` away"
        )));
    }
    let names: Vec<String> = runs
        .iter()
        .map(|(folder, _)| {
            let below = folder.strip_prefix(&args.dir).unwrap_or(folder);
            let words = below
                .components()
                .map(|word| word.as_os_str().to_string_lossy());
            words.collect::<Vec<_>>().join("/")
        })
        .collect();
    let named = names.iter().zip(&runs);
    let entries: Vec<IndexEntry<'_>> = named
        .map(|(folder, (_, result))| IndexEntry { folder, result })
        .collect();
    let page = rendered(|to| floodmark_reports::index_html(&entries, to))?;
    let path = put(&args.dir, "index.html", &page)?;
    say(&format!("wrote `{}`", path.display()));
    Ok(Exit::Pass)
}

/// What a report shows beside the result.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) labels: Vec<Label>,
    pub(super) alerts: Vec<CollectedAlert>,
    pub(super) series: Vec<SeriesRow>,
    /// With stored runs, if the run was compared with any.
    comparison: Option<Comparison>,
}

impl Facts {
    /// What lies in a run's folder.
    pub(super) fn read(dir: &Path) -> Result<Self, Failure> {
        Ok(Self {
            labels: read_labels(&dir.join("labels.ndjson"))?,
            alerts: read_alerts(&dir.join("alerts.ndjson"))?,
            series: read_series(&dir.join("timeseries.ndjson"))?,
            comparison: read_comparison(dir)?,
        })
    }

    fn input<'a>(&'a self, result: &'a RunResult, files: &'a [String]) -> ReportInput<'a> {
        ReportInput {
            result,
            labels: &self.labels,
            alerts: &self.alerts,
            series: &self.series,
            comparison: self.comparison.as_ref(),
            files,
        }
    }
}

/// What `bench --baseline` leaves in a run's folder, or what somebody put there.
fn read_comparison(dir: &Path) -> Result<Option<Comparison>, Failure> {
    let places = ["baseline/comparison.json", "comparison.json"];
    let Some(path) = places
        .map(|place| dir.join(place))
        .into_iter()
        .find(|path| path.is_file())
    else {
        return Ok(None);
    };
    let comparison = serde_json::from_slice(&std::fs::read(&path)?).map_err(|error| {
        let message = format!(
            "`{}` is no comparison; take it away, or compare again",
            path.display()
        );
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(message))
    })?;
    Ok(Some(comparison))
}

/// The files in a folder and in its folders of logs and of a comparison, as paths from it.
fn beside(out: &Path) -> Result<Vec<String>, Failure> {
    let mut files = Vec::new();
    for below in ["", "baseline/", "logs/"] {
        let folder = out.join(below);
        if !folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.path().is_file() {
                files.push(format!("{below}{}", entry.file_name().to_string_lossy()));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Writes into a run's folder what every run has: `report.html`, `summary.md` and the plots.
pub(super) fn write(dir: &Path, facts: &Facts, result: &RunResult) -> Result<(), Failure> {
    write_all(dir, &ReportFormat::OF_EVERY_RUN, facts, result).map(drop)
}

/// Writes the page again after something came to lie beside it.
pub(super) fn write_page_again(dir: &Path, result: &RunResult) -> Result<(), Failure> {
    write_all(dir, &[ReportFormat::Html], &Facts::read(dir)?, result).map(drop)
}

/// Writes the formats; gives the files in their order.
fn write_all(
    out: &Path,
    formats: &[ReportFormat],
    facts: &Facts,
    result: &RunResult,
) -> Result<Vec<PathBuf>, Failure> {
    let mut written: Vec<(usize, Vec<PathBuf>)> = Vec::new();
    let mut ordered: Vec<(usize, ReportFormat)> = formats.iter().copied().enumerate().collect();
    // The page links to the others, so that they have to be there.
    ordered.sort_by_key(|(_, format)| *format == ReportFormat::Html);
    for (place, format) in ordered {
        let files = match format {
            ReportFormat::Html => beside(out)?,
            _ => Vec::new(),
        };
        let paths = write_one(out, format, &facts.input(result, &files))?;
        written.push((place, paths));
    }
    written.sort_by_key(|(place, _)| *place);
    Ok(written.into_iter().flat_map(|(_, paths)| paths).collect())
}

/// Writes the files of one format and says which.
fn write_one(
    out: &Path,
    format: ReportFormat,
    input: &ReportInput<'_>,
) -> Result<Vec<PathBuf>, Failure> {
    let result = input.result;
    let files: Vec<(&str, Vec<u8>)> = match format {
        ReportFormat::Html => vec![(
            "report.html",
            rendered(|to| floodmark_reports::html(input, to))?,
        )],
        ReportFormat::Md => {
            let text = rendered(|to| floodmark_reports::summary_md(input, to))?;
            vec![("summary.md", text)]
        }
        ReportFormat::Png => floodmark_reports::png(input)?,
        ReportFormat::Svg => {
            let charts = floodmark_reports::svg(input).into_iter();
            charts.map(|(name, svg)| (name, svg.into_bytes())).collect()
        }
        ReportFormat::Junit => vec![(
            "junit.xml",
            rendered(|to| floodmark_reports::junit(result, to))?,
        )],
        ReportFormat::Bmf => vec![(
            "bmf.json",
            rendered(|to| floodmark_reports::bmf(result, to))?,
        )],
        ReportFormat::Gha => {
            let array = |better| rendered(|to| floodmark_reports::gha(result, better, to));
            vec![
                ("gha-smaller.json", array(Better::Smaller)?),
                ("gha-bigger.json", array(Better::Bigger)?),
            ]
        }
        // Its bytes are not rendered; `run` copies them.
        ReportFormat::Json => Vec::new(),
    };
    let write = |(name, bytes): &(&str, Vec<u8>)| put(out, name, bytes);
    files.iter().map(write).collect()
}

/// What a report writes, as bytes: a file is written whole or not at all.
pub(super) fn rendered(
    render: impl FnOnce(&mut dyn Write) -> Result<(), ReportError>,
) -> Result<Vec<u8>, ReportError> {
    let mut bytes = Vec::new();
    render(&mut bytes)?;
    Ok(bytes)
}

fn put(out: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let path = out.join(name);
    std::fs::write(&path, bytes).map_err(|error| cannot_write(&path, error))?;
    Ok(path)
}

fn cannot_write(path: &Path, error: std::io::Error) -> Failure {
    let message = format!("cannot write `{}`", path.display());
    Failure::new(Exit::Internal, anyhow::Error::new(error).context(message))
}

/// Whether two names are of one folder, which copying a file onto itself would empty.
fn is_same(a: &Path, b: &Path) -> bool {
    a == b
        || a.canonicalize()
            .ok()
            .is_some_and(|a| b.canonicalize().ok() == Some(a))
}
