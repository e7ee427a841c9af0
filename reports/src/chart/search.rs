//! The trials of a search: how the interval closes, and how lag grows over the rate.

use floodmark_contracts::search::{SearchResult, TrialFacts, TrialVerdict};

use super::{
    scale::{Scale, nice_ticks},
    svg::{Anchor, Svg},
};
use crate::format::{plural, rate, tick};

const SIZE: [f64; 2] = [960.0, 360.0];

/// Upper and lower edge of the diagrams.
const TOP: f64 = 50.0;
const BOTTOM: f64 = 280.0;

/// Left and right edge of the two diagrams.
const TRIALS: [f64; 2] = [80.0, 470.0];
const GROWTH: [f64; 2] = [560.0, 940.0];

/// Draws both.
pub(crate) fn search(result: &SearchResult) -> String {
    let mut svg = Svg::new("search", SIZE, "Trials of the search", &describe(result));
    let highest = result
        .trials
        .iter()
        .map(|trial| trial.rate)
        .fold(0.0, f64::max);
    let rates = nice_ticks(highest, 5);
    let top = rates.last().copied().unwrap_or(1.0);
    by_trial(&mut svg, result, &rates, top);
    growth(&mut svg, result, &rates, top);
    legend(&mut svg);
    svg.finish()
}

/// The rate of each trial in their order, with the interval that was found.
fn by_trial(svg: &mut Svg, result: &SearchResult, rates: &[f64], top: f64) {
    let [left, right] = TRIALS;
    svg.text(
        "panel-name strong",
        [left, 24.0],
        Anchor::Start,
        "Rates that were tried",
    );
    let y = Scale::new([0.0, top], [BOTTOM, TOP]);
    for at in rates {
        svg.line("grid", [left, y.at(*at)], [right, y.at(*at)]);
        svg.text(
            "tick",
            [left - 8.0, y.at(*at) + 4.0],
            Anchor::End,
            &rate(*at),
        );
    }
    if let Some(low) = result.sustained {
        let high = result.not_sustained.unwrap_or(low);
        let height = (y.at(low) - y.at(high)).max(1.5);
        svg.rect(
            "consumed fill dot",
            [left, y.at(high)],
            [right - left, height],
        );
    }
    let count = result.trials.len();
    let x = Scale::new([0.0, count.max(1) as f64], [left, right]);
    let every = count.div_ceil(20).max(1);
    for (i, trial) in result.trials.iter().enumerate() {
        let at = x.at(i as f64 + 0.5);
        mark(svg, [at, y.at(trial.rate)], trial.verdict);
        if (i + 1) % every == 0 || every == 1 {
            svg.text(
                "tick",
                [at, BOTTOM + 18.0],
                Anchor::Middle,
                &(i + 1).to_string(),
            );
        }
    }
    let below = [f64::midpoint(left, right), BOTTOM + 38.0];
    svg.text("axis-name", below, Anchor::Middle, "trial");
}

/// Growth of lag over the rate, with errors and limit.
fn growth(svg: &mut Svg, result: &SearchResult, rates: &[f64], top: f64) {
    let [left, right] = GROWTH;
    svg.text(
        "panel-name strong",
        [left, 24.0],
        Anchor::Start,
        "Growth of lag, share of the rate",
    );
    let known = || {
        let trials = result.trials.iter();
        trials.filter_map(|trial| Some((trial, trial.figures.lag_growth?)))
    };
    let most = known()
        .map(|(_, growth)| growth)
        .fold(result.limits.lag_growth * 4.0, f64::max);
    let ticks = nice_ticks(most * 100.0, 5);
    let y = Scale::new([0.0, ticks.last().copied().unwrap_or(1.0)], [BOTTOM, TOP]);
    for at in &ticks {
        svg.line("grid", [left, y.at(*at)], [right, y.at(*at)]);
        svg.text(
            "tick",
            [left - 8.0, y.at(*at) + 4.0],
            Anchor::End,
            &format!("{} %", tick(*at)),
        );
    }
    let limit = y.at(result.limits.lag_growth * 100.0);
    svg.line("mark", [left, limit], [right, limit]);
    svg.text("tick", [right, limit - 5.0], Anchor::End, "limit");
    let x = Scale::new([0.0, top], [left, right]);
    for at in rates.iter().step_by(2) {
        svg.text(
            "tick",
            [x.at(*at), BOTTOM + 18.0],
            Anchor::Middle,
            &tick(*at),
        );
    }
    for (trial, growth) in known() {
        let at = x.at(trial.rate);
        let error = trial.figures.lag_growth_error.unwrap_or(0.0);
        let ends = [growth - 2.0 * error, growth + 2.0 * error].map(|end| y.at(end * 100.0));
        svg.line("interval", [at, ends[0]], [at, ends[1]]);
        mark(svg, [at, y.at(growth * 100.0)], trial.verdict);
    }
    let below = [f64::midpoint(left, right), BOTTOM + 38.0];
    svg.text("axis-name", below, Anchor::Middle, "events per second");
}

/// What a trial said is a shape as well as a colour.
fn mark(svg: &mut Svg, at: [f64; 2], verdict: TrialVerdict) {
    match verdict {
        TrialVerdict::Sustained => svg.circle("estimate", at, 5.0),
        TrialVerdict::NotSustained => svg.cross("alert-false", at, 5.0),
        TrialVerdict::Void => svg.circle("alert-left-out", at, 5.0),
    }
}

fn legend(svg: &mut Svg) {
    let y = SIZE[1] - 16.0;
    let mut x = TRIALS[0];
    for (verdict, name) in [
        (TrialVerdict::Sustained, "sustained"),
        (TrialVerdict::NotSustained, "not sustained"),
        (
            TrialVerdict::Void,
            "void: the load was not what was asked for",
        ),
    ] {
        mark(svg, [x, y - 4.0], verdict);
        svg.text("legend", [x + 12.0, y], Anchor::Start, name);
        x += 40.0 + name.len() as f64 * 7.0;
    }
    let text = "bars: two standard errors; band: the interval";
    svg.text("legend", [x, y], Anchor::Start, text);
}

/// The chart in a sentence, for those who listen.
fn describe(result: &SearchResult) -> String {
    let of = |verdict: TrialVerdict| {
        let is = |trial: &&TrialFacts| trial.verdict == verdict;
        result.trials.iter().filter(is).count()
    };
    format!(
        "{}, of which {} sustained the rate, {} did not and {} say nothing. The table below holds each of them.",
        plural(result.trials.len() as u64, "trial"),
        of(TrialVerdict::Sustained),
        of(TrialVerdict::NotSustained),
        of(TrialVerdict::Void)
    )
}
