//! Comparing runs that were made some other time, and not in pairs.

use floodmark_contracts::{
    compare::{Comparison, Design, EffectScale, MetricComparison, SCHEMA_VERSION, Side, Verdict},
    record::Environment,
    result::Direction,
};

use super::{
    figures::{Figures, Meaning, meanings, scale_of, shown, value},
    holm,
    judge::{Change, size_of, verdict},
    medians::{Medians, median},
    plan::Plan,
    ranks, table,
};
use crate::intervals::CONFIDENCE;

/// The least number of runs a side for a verdict that is more than advice.
pub const MIN_RUNS: usize = 6;

/// Memory sizes differ by a little from one start of a machine to the next.
const MEMORY_SLACK: f64 = 0.01;

/// A stored run.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRun {
    /// Its figures.
    pub figures: Figures,
    /// The machine.
    pub environment: Environment,
}

/// What was found of a metric.
struct Found {
    scale: EffectScale,
    shift: f64,
    interval: Option<[f64; 2]>,
    p: f64,
    margin: f64,
    noise_floor: Option<f64>,
    /// Share of the pairs, one of each side, that differ the way the shift does.
    agree: f64,
    n: usize,
}

/// Compares stored runs: Mann-Whitney, Holm over the gated metrics, the Hodges-Lehmann shift with a bootstrap
/// interval, and the rule of paired rounds on them. One look, so that it has all of alpha, and nothing is
/// confirmed.
///
/// With fewer than [`MIN_RUNS`] a side, or in different environments, the verdict is advisory. Where so
/// few runs could never show anything by p, it goes by the margin alone, and by the sides not
/// overlapping.
#[must_use]
pub fn compare_stored(
    base_runs: &[StoredRun],
    cand_runs: &[StoredRun],
    plan: &Plan,
    (base, cand): (Side, Side),
) -> Comparison {
    let all = base_runs.iter().chain(cand_runs);
    let metrics = meanings(all.map(|run| &run.figures), |name| {
        plan.gated.contains(name)
    });
    let mut medians = Medians::new(plan.resamples, plan.seed);
    let mut lines: Vec<(MetricComparison, Option<Found>)> = metrics
        .iter()
        .map(|meaning| line(meaning, base_runs, cand_runs, plan, &mut medians))
        .collect();
    judge(&mut lines, plan);
    let metrics: Vec<MetricComparison> = lines.into_iter().map(|(line, _)| line).collect();
    Comparison {
        schema_version: SCHEMA_VERSION,
        floodmark_version: env!("CARGO_PKG_VERSION").to_owned(),
        design: Design::StoredRuns,
        base,
        cand,
        alpha: plan.alpha,
        alpha_per_look: plan.alpha,
        seed: plan.seed,
        resamples: plan.resamples,
        rounds: Vec::new(),
        verdict: table::overall(&metrics),
        warnings: table::missing_gates(&metrics),
        metrics,
        advisory: advisory(base_runs, cand_runs),
    }
}

fn line(
    meaning: &Meaning,
    base_runs: &[StoredRun],
    cand_runs: &[StoredRun],
    plan: &Plan,
    medians: &mut Medians,
) -> (MetricComparison, Option<Found>) {
    let values = |runs: &[StoredRun]| -> Vec<Option<f64>> {
        runs.iter()
            .map(|run| value(&run.figures, &meaning.name))
            .collect()
    };
    let mut line = table::empty(meaning, values(base_runs), values(cand_runs));
    let known = |values: &[Option<f64>]| values.iter().flatten().copied().collect::<Vec<f64>>();
    let (base, cand) = (known(&line.base), known(&line.cand));
    line.n = u32::try_from(base.len().min(cand.len())).unwrap_or(u32::MAX);
    (line.base_median, line.cand_median) = (median(&base), median(&cand));
    let found = find(meaning, &base, &cand, plan, medians);
    match found {
        Ok(found) => (line, Some(found)),
        Err(why) => {
            line.reason = why;
            (line, None)
        }
    }
}

fn find(
    meaning: &Meaning,
    base: &[f64],
    cand: &[f64],
    plan: &Plan,
    medians: &mut Medians,
) -> Result<Found, String> {
    let p = ranks::mann_whitney(base, cand).ok_or("undefined in all runs of a side")?;
    let scale = scale_of(base, cand);
    let on_scale = |values: &[f64]| -> Vec<f64> {
        match scale {
            EffectScale::Relative => values.iter().map(|v| v.ln()).collect(),
            EffectScale::Difference | EffectScale::Exact => values.to_vec(),
        }
    };
    let (a, b) = (on_scale(base), on_scale(cand));
    let shift = ranks::shift(&a, &b).ok_or("undefined in all runs of a side")?;
    let least = plan.min_effect_of(&meaning.name);
    let n = a.len().min(b.len());
    let (margin, noise_floor) = if scale == EffectScale::Relative {
        let floor = stored_floor(&meaning.name, n, plan, medians);
        (least.ln_1p().max(2.0 * floor.unwrap_or(0.0)), floor)
    } else {
        let size = size_of(base, cand, &meaning.unit);
        let why = "a value is 0 in most runs, so that no change of it is large";
        (least * size.ok_or(why)?, None)
    };
    let drawn = (plan.resamples, plan.seed);
    Ok(Found {
        scale,
        shift,
        interval: ranks::shift_interval(&a, &b, drawn, CONFIDENCE),
        p,
        margin,
        noise_floor,
        agree: agreement(&a, &b, shift),
        n,
    })
}

/// The noise floor for the runs that there are: fewer runs, a wider margin.
fn stored_floor(name: &str, runs: usize, plan: &Plan, medians: &mut Medians) -> Option<f64> {
    let noise = plan.noise_floor.as_ref()?;
    let metric = noise.metrics.iter().find(|metric| metric.name == name)?;
    let runs = u32::try_from(runs).unwrap_or(u32::MAX);
    super::noise::floor_of(&metric.ln_ratios, runs, medians)
}

fn agreement(a: &[f64], b: &[f64], shift: f64) -> f64 {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| b - a));
    let with = pairs.filter(|d| d.partial_cmp(&0.0) == shift.partial_cmp(&0.0));
    with.count() as f64 / (a.len() * b.len()) as f64
}

/// Holm over the gated metrics, then the rule.
fn judge(lines: &mut [(MetricComparison, Option<Found>)], plan: &Plan) {
    let gated = lines.iter().filter(|(line, _)| line.gated);
    let p: Vec<f64> = gated
        .filter_map(|(_, found)| Some(found.as_ref()?.p))
        .collect();
    let mut adjusted = holm::adjusted(&p).into_iter();
    for (line, found) in lines {
        let Some(found) = found else { continue };
        let p = if line.gated {
            adjusted.next().unwrap_or(1.0)
        } else {
            found.p
        };
        let change = change(found, p, plan.alpha);
        line.scale = found.scale;
        line.effect = Some(shown(found.shift, found.scale));
        line.interval = found
            .interval
            .map(|ends| ends.map(|end| shown(end, found.scale)));
        line.p = Some(found.p);
        line.p_adjusted = line.gated.then_some(p);
        line.margin = Some(shown(found.margin, found.scale));
        line.noise_floor = found.noise_floor.map(|floor| shown(floor, found.scale));
        line.agree = Some(found.agree);
        line.verdict = verdict(change, line.direction);
        line.reason = reason(found, change, p, plan.alpha);
        if line.direction == Direction::Neutral {
            line.verdict = Verdict::NotCompared;
            line.reason = format!("neither way is better; {}", line.reason);
        }
    }
}

/// Too few runs for a p that rejects: advice by the margin, if all runs of one side are beyond all of the
/// other.
fn goes_by_margin(found: &Found) -> bool {
    found.n < MIN_RUNS
}

fn change(found: &Found, p_adjusted: f64, alpha: f64) -> Change {
    let far = found.shift.abs() >= found.margin;
    let way = if found.shift > 0.0 {
        Change::Up
    } else {
        Change::Down
    };
    if goes_by_margin(found) {
        return if far && found.agree == 1.0 {
            way
        } else {
            Change::Unclear
        };
    }
    let Some([low, high]) = found.interval else {
        return Change::Unclear;
    };
    let is_one_sided = low > 0.0 || high < 0.0;
    let agrees = found.agree >= super::judge::LEAST_AGREEMENT;
    if p_adjusted <= alpha && far && is_one_sided && agrees {
        way
    } else if low > -found.margin && high < found.margin {
        Change::None
    } else {
        Change::Unclear
    }
}

fn reason(found: &Found, change: Change, p: f64, alpha: f64) -> String {
    let few = if goes_by_margin(found) {
        format!(
            " ({} runs a side tell by the margin alone, if at all)",
            found.n
        )
    } else {
        String::new()
    };
    match change {
        Change::None => "the interval is inside the margin".to_owned(),
        Change::Up | Change::Down => format!("shifted beyond the margin with p {p:.4}{few}"),
        Change::Unclear if p > alpha => format!("p {p:.4} is above {alpha}{few}"),
        Change::Unclear => format!("neither beyond the margin for sure nor inside it{few}"),
    }
}

fn advisory(base: &[StoredRun], cand: &[StoredRun]) -> Vec<String> {
    let mut advisory = Vec::new();
    for (side, runs) in [("base", base), ("candidate", cand)] {
        if runs.len() < MIN_RUNS {
            let n = runs.len();
            advisory.push(format!(
                "the {side} has {n} runs; {MIN_RUNS} or more are needed"
            ));
        }
    }
    let mut all = base.iter().chain(cand).map(|run| &run.environment);
    if let Some(first) = all.next()
        && let Some(differing) = all
            .map(|other| differing(first, other))
            .find(|d| !d.is_empty())
    {
        let listed = differing.join(", ");
        advisory.push(format!(
            "the runs were made in different environments: {listed}"
        ));
    }
    advisory
}

/// In what two environments differ: `operating system`, `processor`, `processors`, `memory`.
#[must_use]
pub fn differing(one: &Environment, other: &Environment) -> Vec<&'static str> {
    let memory = |e: &Environment| e.memory_bytes as f64;
    let slack = MEMORY_SLACK * memory(one).max(memory(other));
    [
        ("operating system", one.os != other.os),
        ("processor", one.cpu != other.cpu),
        ("processors", one.cpus != other.cpus),
        ("memory", (memory(one) - memory(other)).abs() > slack),
    ]
    .into_iter()
    .filter(|(_, is_different)| *is_different)
    .map(|(what, _)| what)
    .collect()
}
