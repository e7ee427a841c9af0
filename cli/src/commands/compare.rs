//! `floodmark compare`: runs that were made some other time, one side against the other.

use std::path::{Path, PathBuf};

use floodmark_contracts::{
    compare::{Comparison, Side, Verdict},
    result::{RunResult, ValidityStatus},
};
use floodmark_reports::{comparison_bmf, comparison_junit, comparison_md};
use floodmark_scoring::compare::{Plan, StoredRun, compare_stored, default_gates, figures_of};

use crate::{
    args::CompareArgs,
    commands::{report::rendered, say, trial::write_json},
    exit::{Exit, Failure},
};

/// Reads the runs of both sides and says what differs.
pub fn run(args: &CompareArgs) -> Result<Exit, Failure> {
    let (base, cand) = (Runs::read(&args.base)?, Runs::read(&args.cand)?);
    let seeds = same_plan(&base, &cand)?;
    let plan = plan(args, &base, &cand)?;
    let sides = (base.side(), cand.side());
    let mut comparison = compare_stored(&base.stored(), &cand.stored(), &plan, sides);
    comparison.advisory.extend(seeds);
    comparison.warnings.extend(base.left_out());
    comparison.warnings.extend(cand.left_out());
    if let Some(out) = &args.out {
        leave(out, &comparison)?;
    }
    if args.json {
        say(&serde_json::to_string_pretty(&comparison)?);
    } else {
        let text = rendered(|to| comparison_md(&comparison, to))?;
        say(String::from_utf8_lossy(&text).trim_end());
    }
    Ok(exit_of(&comparison))
}

/// The runs of one side.
struct Runs {
    of: PathBuf,
    valid: Vec<RunResult>,
    /// Folders of runs whose figures cannot be trusted.
    invalid: Vec<PathBuf>,
}

impl Runs {
    /// A run's own folder, or all runs in folders below.
    fn read(of: &Path) -> Result<Self, Failure> {
        let mut runs = Self {
            of: of.to_owned(),
            valid: Vec::new(),
            invalid: Vec::new(),
        };
        for folder in folders(of)? {
            let path = folder.join("result.json");
            let unreadable = |error: anyhow::Error| {
                let message = format!("`{}` is no result of a run", path.display());
                Failure::new(Exit::Usage, error.context(message))
            };
            let text = std::fs::read(&path).map_err(|error| unreadable(error.into()))?;
            let result: RunResult =
                serde_json::from_slice(&text).map_err(|error| unreadable(error.into()))?;
            if result.validity.status == ValidityStatus::Invalid {
                runs.invalid.push(folder);
            } else {
                runs.valid.push(result);
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

    fn stored(&self) -> Vec<StoredRun> {
        let run = |result: &RunResult| StoredRun {
            figures: figures_of(result),
            environment: result.environment.clone(),
        };
        self.valid.iter().map(run).collect()
    }

    fn side(&self) -> Side {
        let first = &self.valid[0];
        let name = self.of.file_name().unwrap_or(self.of.as_os_str());
        Side {
            name: name.to_string_lossy().into_owned(),
            what: self.of.display().to_string(),
            floodmark_version: first.floodmark_version.clone(),
            environment: first.environment.clone(),
        }
    }

    fn left_out(&self) -> Option<String> {
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

/// The folders with a result, in the order of their names.
fn folders(of: &Path) -> Result<Vec<PathBuf>, Failure> {
    if of.join("result.json").is_file() {
        return Ok(vec![of.to_owned()]);
    }
    let entries = std::fs::read_dir(of).map_err(|error| {
        let message = format!("cannot read the folder `{}`", of.display());
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(message))
    })?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("result.json").is_file())
        .collect();
    found.sort();
    Ok(found)
}

/// Refuses runs of different profiles; gives what is to be said of different seeds.
fn same_plan(base: &Runs, cand: &Runs) -> Result<Option<String>, Failure> {
    let all = || base.valid.iter().chain(&cand.valid);
    let first = &base.valid[0];
    if let Some(other) = all().find(|run| run.profile != first.profile) {
        return Err(Failure::usage(format!(
            "runs of `{}` and of `{}` cannot be compared; compare runs of one profile",
            first.profile, other.profile
        )));
    }
    let same_seed = all().all(|run| run.seed == first.seed);
    Ok((!same_seed).then(|| {
        "not all runs have the same seed, so that some of the differences are the events'"
            .to_owned()
    }))
}

fn plan(args: &CompareArgs, base: &Runs, cand: &Runs) -> Result<Plan, Failure> {
    let (base, cand) = (&base.valid[0].metrics, &cand.valid[0].metrics);
    let unknown = args.gate.iter().find(|name| !base.contains_key(*name));
    if let Some(name) = unknown {
        return Err(Failure::usage(format!(
            "the runs have no metric `{name}`; docs/metrics.md lists them all"
        )));
    }
    let gated = match args.gate.is_empty() {
        true => default_gates(base, cand),
        false => args.gate.iter().cloned().collect(),
    };
    if !(args.min_effect > 0.0 && args.min_effect < 1.0) {
        return Err(Failure::usage(format!(
            "`--min-effect {}` is no share above 0 and under 1; use one such as 0.02",
            args.min_effect
        )));
    }
    Ok(Plan {
        gated,
        min_effect: args.min_effect,
        ..Plan::default()
    })
}

fn leave(out: &Path, comparison: &Comparison) -> Result<(), Failure> {
    std::fs::create_dir_all(out).map_err(|error| {
        let message = format!("cannot make the folder `{}`", out.display());
        anyhow::Error::new(error).context(message)
    })?;
    write_json(&out.join("comparison.json"), comparison)?;
    let texts = [
        (
            "comparison.md",
            rendered(|to| comparison_md(comparison, to))?,
        ),
        (
            "junit.xml",
            rendered(|to| comparison_junit(comparison, to))?,
        ),
        ("bmf.json", rendered(|to| comparison_bmf(comparison, to))?),
    ];
    for (name, bytes) in texts {
        std::fs::write(out.join(name), bytes)?;
    }
    Ok(())
}

/// A verdict that is advice only stops nobody.
fn exit_of(comparison: &Comparison) -> Exit {
    match comparison.verdict {
        Verdict::Regressed if comparison.advisory.is_empty() => Exit::Regressed,
        Verdict::Invalid => Exit::Invalid,
        _ => Exit::Pass,
    }
}
