//! The lines of a comparison: every metric with its figures, its verdict and a sentence that says why.

use floodmark_contracts::{
    compare::{Confirmation, EffectScale, MetricComparison, Verdict},
    result::Direction,
};

use super::{
    figures::{Figures, Meaning, RoundFigures, shown, value},
    judge::{Change, Evidence, LEAST_AGREEMENT, verdict},
    look::{Confirmed, Judged, is_relative},
    medians::median,
    paired::Standing,
    plan::Plan,
    spread::{outliers, spread_p},
};

/// A spread is called changed under this p: far from any gate, and of every metric.
const SPREAD_ALPHA: f64 = 0.01;

/// A line for every metric.
pub(crate) fn metrics(
    standing: &Standing,
    rounds: &[RoundFigures],
    plan: &Plan,
) -> Vec<MetricComparison> {
    let lines = standing.judged.iter().zip(&standing.confirmed);
    lines
        .map(|((meaning, judged), confirmed)| {
            let values = |of: fn(&RoundFigures) -> &Figures| -> Vec<Option<f64>> {
                let counting = |r: &&RoundFigures| r.void.is_none();
                let of = |r| {
                    Some(r)
                        .filter(counting)
                        .and_then(|r| value(of(r), &meaning.name))
                };
                rounds.iter().map(of).collect()
            };
            let mut line = empty(meaning, values(|r| &r.base), values(|r| &r.cand));
            match judged {
                Judged::NotCompared(why) => line.reason.clone_from(why),
                Judged::Exact { base, cand } => exact(&mut line, *base, *cand, standing),
                Judged::Weighed {
                    evidence,
                    p_adjusted,
                    change,
                } => {
                    medians_of(&mut line, &standing.rounds);
                    weighed(&mut line, evidence, *p_adjusted, standing);
                    line.verdict = verdict(*change, meaning.direction);
                    line.reason = reason(&line, *change, evidence, plan.alpha_per_look());
                    settle(&mut line, meaning, judged, confirmed.as_ref());
                }
            }
            if standing.is_invalid {
                line.verdict = Verdict::Invalid;
                line.reason = "too many rounds were void".to_owned();
            }
            line
        })
        .collect()
}

/// A line without figures.
pub(crate) fn empty(
    meaning: &Meaning,
    base: Vec<Option<f64>>,
    cand: Vec<Option<f64>>,
) -> MetricComparison {
    MetricComparison {
        name: meaning.name.clone(),
        unit: meaning.unit.clone(),
        direction: meaning.direction,
        gated: meaning.is_gated,
        scale: EffectScale::Relative,
        base,
        cand,
        n: 0,
        base_median: None,
        cand_median: None,
        effect: None,
        interval: None,
        p: None,
        p_adjusted: None,
        margin: None,
        noise_floor: None,
        agree: None,
        outliers: Vec::new(),
        confirmation: None,
        verdict: Verdict::NotCompared,
        reason: String::new(),
    }
}

/// The pairs of the look: number of the round, base, candidate.
fn pairs(line: &MetricComparison, rounds: &[u32]) -> Vec<(u32, f64, f64)> {
    let of = |number: &u32| {
        let at = *number as usize - 1;
        Some((*number, line.base[at]?, line.cand[at]?))
    };
    rounds.iter().filter_map(of).collect()
}

fn medians_of(line: &mut MetricComparison, rounds: &[u32]) {
    let pairs = pairs(line, rounds);
    line.n = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
    line.base_median = median(&pairs.iter().map(|(_, base, _)| *base).collect::<Vec<_>>());
    line.cand_median = median(&pairs.iter().map(|(_, _, cand)| *cand).collect::<Vec<_>>());
}

/// What the seed determines is the same or it is not; no test, and no margin.
fn exact(line: &mut MetricComparison, base: f64, cand: f64, standing: &Standing) {
    medians_of(line, &standing.rounds);
    line.scale = EffectScale::Exact;
    line.effect = Some(cand - base);
    let change = match cand.partial_cmp(&base) {
        Some(std::cmp::Ordering::Greater) => Change::Up,
        Some(std::cmp::Ordering::Less) => Change::Down,
        Some(std::cmp::Ordering::Equal) | None => Change::None,
    };
    line.verdict = verdict(change, line.direction);
    let n = line.n;
    line.reason = match change {
        Change::None => format!("the same in all {n} rounds, as the seed determines"),
        Change::Up | Change::Down | Change::Unclear => {
            format!("{base} became {cand} in all {n} rounds, and the seed leaves nothing to chance")
        }
    };
}

fn weighed(line: &mut MetricComparison, evidence: &Evidence, p_adjusted: f64, standing: &Standing) {
    let scale = evidence.scale;
    line.scale = scale;
    line.effect = Some(shown(evidence.median, scale));
    line.interval = Some(evidence.interval.map(|end| shown(end, scale)));
    line.p = Some(evidence.p);
    line.p_adjusted = line.gated.then_some(p_adjusted);
    line.margin = Some(shown(evidence.margin, scale));
    line.noise_floor = evidence.noise_floor.map(|floor| shown(floor, scale));
    line.agree = Some(evidence.agree);
    let far = outliers(&evidence.differences);
    let numbered = pairs(line, &standing.rounds).into_iter().zip(far);
    line.outliers = numbered
        .filter(|(_, is_far)| *is_far)
        .map(|((number, _, _), _)| number)
        .collect();
}

/// What fresh rounds, or their lack, make of a verdict.
fn settle(
    line: &mut MetricComparison,
    meaning: &Meaning,
    judged: &Judged,
    confirmed: Option<&Confirmed>,
) {
    if line.direction == Direction::Neutral {
        line.verdict = Verdict::NotCompared;
        line.reason = format!("neither way is better; {}", line.reason);
    } else if let Some(fresh) = confirmed {
        line.confirmation = Some(confirmation(fresh));
        let times = if fresh.is_confirmed {
            "confirmed"
        } else {
            "not confirmed"
        };
        line.reason = format!("{}; {times} by {} fresh rounds", line.reason, fresh.n);
        if !fresh.is_confirmed {
            line.verdict = Verdict::Inconclusive;
        }
    } else if judged.is_candidate(meaning) {
        line.verdict = Verdict::Inconclusive;
        line.reason = format!(
            "{}; fresh rounds have not been made to confirm it",
            line.reason
        );
    }
}

fn confirmation(fresh: &Confirmed) -> Confirmation {
    let evidence = fresh.evidence.as_ref();
    Confirmation {
        n: u32::try_from(fresh.n).unwrap_or(u32::MAX),
        effect: evidence.map(|e| shown(e.median, e.scale)),
        interval: evidence.map(|e| e.interval.map(|end| shown(end, e.scale))),
        p_adjusted: evidence.map(|_| fresh.p_adjusted),
        agree: evidence.map(|e| e.agree),
        confirmed: fresh.is_confirmed,
    }
}

/// Why a change counts, or which of the conditions failed.
fn reason(line: &MetricComparison, change: Change, evidence: &Evidence, alpha: f64) -> String {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let amount = |x: f64| {
        let size = shown(x, evidence.scale);
        if is_relative(evidence) {
            percent(size)
        } else {
            format!("{size} {}", line.unit)
        }
    };
    let [low, high] = evidence.interval;
    let p = line.p_adjusted.unwrap_or(evidence.p);
    match change {
        Change::None => format!(
            "the interval is inside the margin of {}",
            amount(evidence.margin)
        ),
        Change::Up | Change::Down => format!(
            "changed by {} with p {p:.4}, beyond the margin of {}, in {} of the rounds",
            amount(evidence.median),
            amount(evidence.margin),
            percent(evidence.agree)
        ),
        Change::Unclear if p > alpha => format!("p {p:.4} is above {alpha}"),
        Change::Unclear if low <= 0.0 && high >= 0.0 => "the interval holds no change".to_owned(),
        Change::Unclear if evidence.median.abs() < evidence.margin => format!(
            "the median change of {} is within the margin of {}, its interval is not",
            amount(evidence.median),
            amount(evidence.margin)
        ),
        Change::Unclear => format!(
            "only {} of the rounds agree; {} are asked for",
            percent(evidence.agree),
            percent(LEAST_AGREEMENT)
        ),
    }
}

/// Over the gated metrics.
pub(crate) fn overall(metrics: &[MetricComparison]) -> Verdict {
    let any = |wanted: &[Verdict]| {
        metrics
            .iter()
            .any(|metric| metric.gated && wanted.contains(&metric.verdict))
    };
    let unknown = [
        Verdict::Inconclusive,
        Verdict::NotCompared,
        Verdict::Invalid,
    ];
    if any(&[Verdict::Regressed]) {
        Verdict::Regressed
    } else if any(&[Verdict::Improved]) {
        Verdict::Improved
    } else if any(&unknown) || !any(&[Verdict::Equivalent]) {
        Verdict::Inconclusive
    } else {
        Verdict::Equivalent
    }
}

/// What a reader should know of the gated metrics.
pub(crate) fn warnings(standing: &Standing, metrics: &[MetricComparison]) -> Vec<String> {
    let mut warnings = missing_gates(metrics);
    for line in metrics.iter().filter(|line| line.gated) {
        if let Some(warning) = spread_warning(line, &standing.rounds) {
            warnings.push(warning);
        }
        if !line.outliers.is_empty() {
            let numbers: Vec<String> = line.outliers.iter().map(u32::to_string).collect();
            let listed = numbers.join(", ");
            warnings.push(format!(
                "`{}`: far from the other rounds, and counted: {listed}",
                line.name
            ));
        }
    }
    warnings
}

/// Gated metrics that were not compared.
pub(crate) fn missing_gates(metrics: &[MetricComparison]) -> Vec<String> {
    metrics
        .iter()
        .filter(|line| line.gated && line.verdict == Verdict::NotCompared)
        .map(|line| {
            format!(
                "`{}` is gated and was not compared: {}",
                line.name, line.reason
            )
        })
        .collect()
}

fn spread_warning(line: &MetricComparison, rounds: &[u32]) -> Option<String> {
    let pairs = pairs(line, rounds);
    let on_scale = |v: f64| {
        if line.scale == EffectScale::Relative {
            v.ln()
        } else {
            v
        }
    };
    let base: Vec<f64> = pairs.iter().map(|(_, base, _)| on_scale(*base)).collect();
    let cand: Vec<f64> = pairs.iter().map(|(_, _, cand)| on_scale(*cand)).collect();
    let p = spread_p(&base, &cand)?;
    (p < SPREAD_ALPHA).then(|| {
        format!(
            "`{}`: the spread over the rounds differs between the sides (p {p:.4})",
            line.name
        )
    })
}
