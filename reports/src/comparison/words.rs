//! A comparison in sentences: what changed, by how much, how sure that is, what to do.

use std::collections::BTreeMap;

use floodmark_contracts::{
    compare::{Comparison, Design, EffectScale, MetricComparison, Verdict},
    result::Direction,
};

use super::{chance, signed};
use crate::format::{metric as figure, number, plural};

/// Metrics that a sentence names before it counts the rest.
const NAMED: usize = 3;

/// A change that differs from its margin by less than this share of it is at the margin.
const AT_MARGIN: f64 = 0.15;

/// More rounds than this are no advice.
const MOST_ROUNDS: f64 = 200.0;

/// A class of the style sheet for a verdict: `good`, `bad` or `warn`.
pub(crate) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regressed | Verdict::Invalid => "bad",
        Verdict::Improved | Verdict::Equivalent => "good",
        Verdict::Inconclusive | Verdict::NotCompared => "warn",
    }
}

/// A share with three digits, such as `4.20 %`.
pub(crate) fn share(share: f64) -> String {
    format!("{} %", number(share * 100.0))
}

/// The gated metrics with one of the verdicts.
fn gated<'a>(comparison: &'a Comparison, wanted: &[Verdict]) -> Vec<&'a MetricComparison> {
    let metrics = comparison.metrics.iter();
    metrics
        .filter(|metric| metric.gated && wanted.contains(&metric.verdict))
        .collect()
}

/// The verdict in a sentence or two; names of metrics are in backticks.
pub(crate) fn sentence(comparison: &Comparison) -> String {
    let n_gated = comparison.metrics.iter().filter(|m| m.gated).count() as u64;
    if n_gated == 0 {
        return "No metric is gated, so that nothing is judged.".to_owned();
    }
    let all = plural(n_gated, "gated metric");
    match comparison.verdict {
        Verdict::Regressed => changed(&gated(comparison, &[Verdict::Regressed]), "worse", &all),
        Verdict::Improved => changed(&gated(comparison, &[Verdict::Improved]), "better", &all),
        Verdict::Equivalent if n_gated == 1 => {
            "The gated metric did not change by its margin or more.".to_owned()
        }
        Verdict::Equivalent => format!("None of {all} changed by its margin or more."),
        Verdict::Inconclusive => {
            let unknown = [
                Verdict::Inconclusive,
                Verdict::NotCompared,
                Verdict::Invalid,
            ];
            let open = gated(comparison, &unknown);
            format!(
                "{} of {all} cannot be told: {}. A regression was neither shown nor ruled out.",
                open.len(),
                names(&open)
            )
        }
        Verdict::Invalid => {
            let void = comparison.rounds.iter().filter(|r| r.void.is_some());
            format!(
                "{} of {} are void, too many for the figures to say anything.",
                void.count(),
                plural(comparison.rounds.len() as u64, "round")
            )
        }
        Verdict::NotCompared => "There is nothing that both sides have.".to_owned(),
    }
}

/// What is worse, or better, by how much and how sure that is.
fn changed(metrics: &[&MetricComparison], how: &str, all: &str) -> String {
    match metrics {
        [] => format!("Something is {how}; the table below says what."),
        [only] => format!("`{}` is {how}: {}, {}.", only.name, by(only), sure(only)),
        several => {
            let listed: Vec<String> = several
                .iter()
                .take(NAMED)
                .map(|metric| format!("`{}` ({})", metric.name, by(metric)))
                .collect();
            format!(
                "{} of {all} are {how}: {}{}.",
                several.len(),
                listed.join(", "),
                rest(several.len())
            )
        }
    }
}

fn names(metrics: &[&MetricComparison]) -> String {
    let listed: Vec<String> = metrics
        .iter()
        .take(NAMED)
        .map(|metric| format!("`{}`", metric.name))
        .collect();
    format!("{}{}", listed.join(", "), rest(metrics.len()))
}

fn rest(n: usize) -> String {
    match n.saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    }
}

/// The change with its sign; what the seed determines with both values.
fn by(metric: &MetricComparison) -> String {
    let Some(effect) = metric.effect else {
        return "by an unknown amount".to_owned();
    };
    match (metric.scale, metric.base_median, metric.cand_median) {
        (EffectScale::Exact, base @ Some(_), cand @ Some(_)) => format!(
            "{} became {}",
            figure(base, &metric.unit),
            figure(cand, &metric.unit)
        ),
        _ => signed(metric, effect),
    }
}

/// How sure a change is.
pub(crate) fn sure(metric: &MetricComparison) -> String {
    if metric.scale == EffectScale::Exact {
        return "and the seed leaves nothing to chance".to_owned();
    }
    let mut parts = Vec::new();
    if let Some([low, high]) = metric.interval {
        let (low, high) = (signed(metric, low), signed(metric, high));
        parts.push(format!("95 % interval {low} to {high}"));
    }
    if let Some(p) = metric.p_adjusted.or(metric.p) {
        parts.push(format!("p {}", chance(p)));
    }
    if let Some(fresh) = &metric.confirmation {
        let not = if fresh.confirmed { "" } else { "not " };
        let rounds = plural(u64::from(fresh.n), "fresh round");
        parts.push(format!("{not}confirmed by {rounds}"));
    }
    if parts.is_empty() {
        return "and how sure that is is not known".to_owned();
    }
    parts.join(", ")
}

/// What to do next, most pressing first; names are in backticks.
pub(crate) fn advice(comparison: &Comparison) -> Vec<String> {
    let mut advice = Vec::new();
    match comparison.verdict {
        Verdict::Regressed => {
            for metric in gated(comparison, &[Verdict::Regressed]).iter().take(NAMED) {
                advice.push(look_at(metric));
            }
        }
        Verdict::Inconclusive => advice.extend(to_settle(comparison)),
        Verdict::Invalid => {
            advice.extend(why_void(comparison));
            advice.push("Mend that, or use a quieter machine, and compare again.".to_owned());
        }
        Verdict::NotCompared => advice.push(
            "Compare runs of one profile, made by versions that measure the same.".to_owned(),
        ),
        Verdict::Improved | Verdict::Equivalent => {}
    }
    if !comparison.advisory.is_empty() {
        advice.push(
            "The verdict is only advisory and must not fail anything, for the reasons below."
                .to_owned(),
        );
    }
    advice
}

/// Where the cause of a regression is to be looked for.
fn look_at(metric: &MetricComparison) -> String {
    let name = &metric.name;
    let family = name.split('.').next().unwrap_or_default();
    let what = match family {
        "detection" => {
            "hold the missed incidents and false alerts of a run of either side against each other"
        }
        "latency" => {
            "see in the reports of a run of either side which stage of an alert's time has grown"
        }
        "throughput" => {
            "see in the time line of a run of the candidate where lag grows, and whether the load came as planned"
        }
        "cpu" | "memory" | "switches" | "run_delay" => {
            "profile the candidate under the same load, and hold the resources of both sides against each other"
        }
        _ => "hold the reports of a run of either side against each other",
    };
    format!("`{name}`: {what}.")
}

/// What would settle the metrics that the rounds do not tell.
fn to_settle(comparison: &Comparison) -> Vec<String> {
    let mut advice = Vec::new();
    let open = gated(comparison, &[Verdict::Inconclusive]);
    let needed = open.iter().filter_map(|metric| rounds_needed(metric));
    let most = needed.fold(0.0, f64::max);
    if comparison.design == Design::StoredRuns {
        advice.push(
            "More runs of either side would tell more; rounds made in pairs on one machine tell most."
                .to_owned(),
        );
    } else if let Some(at_margin) = open.iter().find(|metric| is_at_margin(metric)) {
        advice.push(format!(
            "`{}` changed by about its margin, so that more rounds need not settle on which side of it the change lies: ask \
             whether a change of this size matters, and set the least change that matters below or above it.",
            at_margin.name
        ));
    } else if most > MOST_ROUNDS {
        advice.push(format!(
            "At this noise more than {MOST_ROUNDS} rounds would be needed: free the machine of other work, or measure it \
             over longer runs."
        ));
    } else if most > 0.0 {
        advice.push(format!(
            "Compare again with about {most} rounds from the start: so many would settle {}, if the medians stay where they \
             are. A quieter machine needs fewer.",
            names(&open)
        ));
    } else if !open.is_empty() {
        advice.push("Compare again with more rounds, or on a quieter machine.".to_owned());
    }
    for metric in gated(comparison, &[Verdict::NotCompared])
        .iter()
        .take(NAMED)
    {
        advice.push(format!(
            "`{}` is gated and was not compared ({}): measure it on both sides, or do not gate it.",
            metric.name, metric.reason
        ));
    }
    advice
}

/// Whether the change is so close to the margin that its side of it is not to be had.
fn is_at_margin(metric: &MetricComparison) -> bool {
    let ends = metric.effect.zip(metric.margin);
    ends.is_some_and(|(effect, margin)| {
        margin > 0.0 && (effect.abs() / margin - 1.0).abs() < AT_MARGIN
    })
}

/// Rounds after which the interval would lie inside the margin, or off no change where the median is beyond the margin. Its
/// width goes with one over the root of the rounds; `None` where nothing can be said.
fn rounds_needed(metric: &MetricComparison) -> Option<f64> {
    let (effect, margin) = (metric.effect?, metric.margin?);
    let [low, high] = metric.interval?;
    let half = (high - effect).max(effect - low);
    let room = if effect.abs() < margin {
        margin - effect.abs()
    } else {
        effect.abs()
    };
    let n = f64::from(metric.n);
    let needed = (n * (half / room).powi(2)).ceil();
    (needed.is_finite() && needed > n).then_some(needed)
}

/// How many rounds are void for what reason, most frequent first.
fn why_void(comparison: &Comparison) -> Vec<String> {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for reason in comparison.rounds.iter().filter_map(|r| r.void.as_deref()) {
        *reasons.entry(reason).or_default() += 1;
    }
    let mut reasons: Vec<(&str, u64)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let line = |(reason, n): &(&str, u64)| format!("{}: {reason}.", plural(*n, "void round"));
    reasons.iter().take(NAMED).map(line).collect()
}

/// What a change of the metric means: `worse`, `better`, or only `more` or `less`.
pub(crate) fn meaning(direction: Direction, change: f64) -> &'static str {
    match direction {
        _ if change == 0.0 => "the same",
        Direction::Higher if change > 0.0 => "better",
        Direction::Lower if change < 0.0 => "better",
        Direction::Higher | Direction::Lower => "worse",
        Direction::Neutral if change > 0.0 => "more",
        Direction::Neutral => "less",
    }
}

/// How many metrics that are not gated look worse or better; `None` if there are none.
pub(crate) fn others(comparison: &Comparison) -> Option<String> {
    let others: Vec<&MetricComparison> = comparison.metrics.iter().filter(|m| !m.gated).collect();
    if others.is_empty() {
        return None;
    }
    let of = |verdict: Verdict| -> Vec<&MetricComparison> {
        let all = others.iter().copied();
        all.filter(|metric| metric.verdict == verdict).collect()
    };
    let part = |verdict: Verdict, how: &str| {
        let found = of(verdict);
        match found.len() {
            0 => format!("none looks {how}"),
            1 => format!("1 looks {how} ({})", names(&found)),
            n => format!("{n} look {how} ({})", names(&found)),
        }
    };
    let all = plural(others.len() as u64, "metric");
    let verb = if others.len() == 1 { "is" } else { "are" };
    Some(format!(
        "{all} {verb} not gated and count for nothing: {}, {}.",
        part(Verdict::Regressed, "worse"),
        part(Verdict::Improved, "better")
    ))
}
