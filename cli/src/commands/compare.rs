//! `floodmark compare`: runs that were made some other time, one side against the other.

use std::{collections::BTreeMap, path::Path};

use floodmark_contracts::{
    compare::{Comparison, Verdict},
    history::DetectorComparison,
    result::{Metric, RunResult},
};
use floodmark_harness::run::{read_alerts, read_labels};
use floodmark_reports::{
    comparison_bmf, comparison_html, comparison_junit, comparison_md, comparison_png,
    comparison_svg, comparison_text, detectors_html, detectors_text,
};
use floodmark_scoring::compare::{
    Plan, compare_stored, default_gates,
    detectors::{Outcomes, compare_detectors, outcome},
};

use crate::{
    args::{CompareArgs, MarginArgs},
    commands::{
        report::rendered,
        say, say_marked,
        stored::{Runs, read_result, stored},
        trial::write_json,
    },
    exit::{Exit, Failure},
};

/// Reads the runs of both sides and says what differs.
pub fn run(args: &CompareArgs) -> Result<Exit, Failure> {
    let (base, cand) = (Runs::read(&args.base)?, Runs::read(&args.cand)?);
    let seeds = same_plan(base.valid.iter().chain(&cand.valid))?;
    let plan = plan(&args.margin, &base.valid[0].metrics, &cand.valid[0].metrics)?;
    let sides = (base.side(), cand.side());
    let mut comparison = compare_stored(&base.stored(), &cand.stored(), &plan, sides);
    comparison.advisory.extend(seeds);
    comparison.warnings.extend(base.left_out());
    comparison.warnings.extend(cand.left_out());
    let detectors = match (&base.folders[..], &cand.folders[..]) {
        ([base], [cand]) => paired_by_label(base, cand)?,
        _ => None,
    };
    if let Some(out) = &args.out {
        leave(out, &comparison)?;
        if let Some(detectors) = &detectors {
            leave_detectors(out, detectors)?;
        }
    }
    if args.json {
        say(&serde_json::to_string_pretty(&comparison)?);
    } else {
        say_marked(comparison_text(&comparison).trim_end());
        if let Some(detectors) = detectors {
            say("");
            say(detectors_text(&detectors).trim_end());
        }
    }
    Ok(exit_of(&comparison))
}

/// A run that has just ended beside stored ones. One run is advice, whatever it comes to.
pub(super) fn against(
    baseline: &Runs,
    result: &RunResult,
    folder: &Path,
) -> Result<Comparison, Failure> {
    let seeds = same_plan(baseline.valid.iter().chain([result]))?;
    let margin = MarginArgs::default();
    let plan = plan(&margin, &baseline.valid[0].metrics, &result.metrics)?;
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    let cand = floodmark_contracts::compare::Side {
        name: name.to_string_lossy().into_owned(),
        what: folder.display().to_string(),
        floodmark_version: result.floodmark_version.clone(),
        environment: result.environment.clone(),
    };
    let sides = (baseline.side(), cand);
    let mut comparison = compare_stored(&baseline.stored(), &[stored(result)], &plan, sides);
    comparison.advisory.extend(seeds);
    comparison.warnings.extend(baseline.left_out());
    Ok(comparison)
}

/// Two runs label by label; `None` if they do not have the same labels, or are not there whole.
pub(super) fn paired_by_label(
    base: &Path,
    cand: &Path,
) -> Result<Option<DetectorComparison>, Failure> {
    let facts = ["labels.ndjson", "alerts.ndjson"];
    if [base, cand]
        .iter()
        .any(|folder| facts.iter().any(|name| !folder.join(name).is_file()))
    {
        return Ok(None);
    }
    let of = |folder: &Path| -> Result<_, Failure> {
        let result = read_result(folder)?;
        let labels = read_labels(&folder.join("labels.ndjson"))?;
        let alerts = read_alerts(&folder.join("alerts.ndjson"))?;
        Ok((outcome(&result.detection, &labels, &alerts), labels))
    };
    let ((base, base_labels), (cand, cand_labels)) = (of(base)?, of(cand)?);
    // Ids alone would be the same for other events.
    if base_labels != cand_labels {
        return Ok(None);
    }
    let outcomes = Outcomes::paired(&base, &cand);
    Ok(outcomes.map(|outcomes| compare_detectors(&outcomes, &Plan::default())))
}

/// Refuses runs of different profiles; gives what is to be said of different seeds.
fn same_plan<'a>(all: impl Iterator<Item = &'a RunResult>) -> Result<Option<String>, Failure> {
    let all: Vec<&RunResult> = all.collect();
    let first = all[0];
    if let Some(other) = all.iter().find(|run| run.profile != first.profile) {
        return Err(Failure::usage(format!(
            "runs of `{}` and of `{}` cannot be compared; compare runs of one profile",
            first.profile, other.profile
        )));
    }
    let same_seed = all.iter().all(|run| run.seed == first.seed);
    Ok((!same_seed).then(|| {
        "not all runs have the same seed, so that some of the differences are the events'"
            .to_owned()
    }))
}

fn plan(
    margin: &MarginArgs,
    base: &BTreeMap<String, Metric>,
    cand: &BTreeMap<String, Metric>,
) -> Result<Plan, Failure> {
    let unknown = margin.gate.iter().find(|name| !base.contains_key(*name));
    if let Some(name) = unknown {
        return Err(Failure::usage(format!(
            "the runs have no metric `{name}`; docs/metrics.md lists them all"
        )));
    }
    let gated = match margin.gate.is_empty() {
        true => default_gates(base, cand),
        false => margin.gate.iter().cloned().collect(),
    };
    if !(margin.min_effect > 0.0 && margin.min_effect < 1.0) {
        return Err(Failure::usage(format!(
            "`--min-effect {}` is no share above 0 and under 1; use one such as 0.02",
            margin.min_effect
        )));
    }
    Ok(Plan {
        gated,
        min_effect: margin.min_effect,
        ..Plan::default()
    })
}

/// Writes a comparison into a folder in every format.
pub(super) fn leave(out: &Path, comparison: &Comparison) -> Result<(), Failure> {
    std::fs::create_dir_all(out).map_err(|error| {
        let message = format!("cannot make the folder `{}`", out.display());
        anyhow::Error::new(error).context(message)
    })?;
    write_json(&out.join("comparison.json"), comparison)?;
    let (svg_name, svg) = comparison_svg(comparison);
    let files = [
        (
            "comparison.md",
            rendered(|to| comparison_md(comparison, to))?,
        ),
        (
            "comparison.html",
            rendered(|to| comparison_html(comparison, to))?,
        ),
        (svg_name, svg.into_bytes()),
        comparison_png(comparison)?,
        (
            "junit.xml",
            rendered(|to| comparison_junit(comparison, to))?,
        ),
        ("bmf.json", rendered(|to| comparison_bmf(comparison, to))?),
    ];
    for (name, bytes) in files {
        std::fs::write(out.join(name), bytes)?;
    }
    Ok(())
}

/// Writes what two detectors found of the same labels.
pub(super) fn leave_detectors(out: &Path, detectors: &DetectorComparison) -> Result<(), Failure> {
    write_json(&out.join("detectors.json"), detectors)?;
    let page = rendered(|to| detectors_html(detectors, to))?;
    Ok(std::fs::write(out.join("detectors.html"), page)?)
}

/// A verdict that is advice only stops nobody.
pub(super) fn exit_of(comparison: &Comparison) -> Exit {
    match comparison.verdict {
        Verdict::Regressed if comparison.advisory.is_empty() => Exit::Regressed,
        Verdict::Invalid => Exit::Invalid,
        _ => Exit::Pass,
    }
}
