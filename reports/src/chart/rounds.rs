//! The rounds of one metric as they were made: both sides of each, joined; or the runs of either side where they are stored ones.

use floodmark_contracts::{
    compare::{Comparison, Design, Look, MetricComparison},
    result::Direction,
};

use super::{
    axis::ValueAxis,
    forest::shortened,
    scale::Scale,
    svg::{Anchor, Svg},
};
use crate::format::plural;

const SIZE: [f64; 2] = [960.0, 228.0];
const LEFT: f64 = 96.0;
const RIGHT: f64 = 946.0;
const TOP: f64 = 42.0;
const BOTTOM: f64 = 176.0;

/// Numbers below the rounds that have room side by side.
const NUMBERED: usize = 30;

/// Width in which the name of a look has room.
const LOOK_NAME: f64 = 76.0;

/// Characters of a name that have room beside the legend.
const NAME: usize = 56;

/// Draws the values of the metric; `id` is unique in the page.
pub(crate) fn rounds(id: &str, comparison: &Comparison, metric: &MetricComparison) -> String {
    let title = format!("Rounds of {}", metric.name);
    let mut svg = Svg::new(id, SIZE, &title, &describe(comparison, metric));
    let name = shortened(&metric.name, NAME);
    svg.text("panel-name strong", [0.0, 20.0], Anchor::Start, &name);
    let values = metric.base.iter().chain(&metric.cand).flatten().copied();
    let axis = ValueAxis::new(&metric.unit, values, 4);
    let y = Scale::new(axis.range(), [BOTTOM, TOP]);
    for (at, name) in axis.ticks() {
        svg.line("grid", [LEFT, y.at(at)], [RIGHT, y.at(at)]);
        svg.text("tick", [LEFT - 8.0, y.at(at) + 4.0], Anchor::End, &name);
    }
    svg.line("axis", [LEFT, BOTTOM], [RIGHT, BOTTOM]);
    match comparison.design {
        Design::PairedRounds => paired(&mut svg, comparison, metric, &y),
        Design::StoredRuns => stored(&mut svg, metric, &y),
    }
    if metric.base.iter().chain(&metric.cand).all(Option::is_none) {
        let middle = [f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM)];
        svg.text("note", middle, Anchor::Middle, "undefined in all of them");
    }
    svg.finish()
}

/// Each round with both sides, joined by a line that says which way it went.
fn paired(svg: &mut Svg, comparison: &Comparison, metric: &MetricComparison, y: &Scale) {
    let count = comparison.rounds.len().max(1);
    let x = Scale::new([0.0, count as f64], [LEFT, RIGHT]);
    looks(svg, comparison, &x);
    let every = count.div_ceil(NUMBERED).max(1);
    for (i, round) in comparison.rounds.iter().enumerate() {
        let at = x.at(i as f64 + 0.5);
        if i % every == 0 {
            let below = [at, BOTTOM + 16.0];
            svg.text("tick", below, Anchor::Middle, &round.number.to_string());
        }
        if round.void.is_some() {
            svg.line("mark", [at, TOP], [at, BOTTOM]);
            svg.cross("mark-void", [at, f64::midpoint(TOP, BOTTOM)], 5.0);
            continue;
        }
        let value = |values: &[Option<f64>]| values.get(i).copied().flatten();
        let (base, cand) = (value(&metric.base), value(&metric.cand));
        if let (Some(base), Some(cand)) = (base, cand) {
            let class = way(metric.direction, base, cand);
            svg.line(class, [at, y.at(base)], [at, y.at(cand)]);
        }
        marks(svg, at, [base, cand], y);
        if let Some(value) = cand.or(base)
            && metric.outliers.contains(&round.number)
        {
            svg.diamond("mark-far", [at, y.at(value)], 11.0);
        }
    }
    let is_void = comparison.rounds.iter().any(|round| round.void.is_some());
    legend(svg, metric, is_void);
}

/// Classes whose colour and dash say what the round did.
fn way(direction: Direction, base: f64, cand: f64) -> &'static str {
    let is_up = cand > base;
    match direction {
        Direction::Neutral => "pair",
        _ if cand == base => "pair",
        Direction::Lower if is_up => "pair worse",
        Direction::Higher if !is_up => "pair worse",
        Direction::Lower | Direction::Higher => "pair better",
    }
}

/// Both sides of a round, where they are known.
fn marks(svg: &mut Svg, at: f64, [base, cand]: [Option<f64>; 2], y: &Scale) {
    if let Some(base) = base {
        svg.circle("mark-open", [at, y.at(base)], 4.0);
    }
    if let Some(cand) = cand {
        svg.circle("estimate", [at, y.at(cand)], 4.5);
    }
}

/// Where one look ends and the next begins, and what each is.
fn looks(svg: &mut Svg, comparison: &Comparison, x: &Scale) {
    let rounds = &comparison.rounds;
    let mut from = 0;
    while let Some(first) = rounds.get(from) {
        let same = rounds[from..]
            .iter()
            .take_while(|round| round.look == first.look);
        let until = from + same.count();
        let ends = [from, until].map(|end| x.at(end as f64));
        if from > 0 {
            svg.line("axis", [ends[0], TOP], [ends[0], BOTTOM + 38.0]);
        }
        if ends[1] - ends[0] >= LOOK_NAME {
            let middle = [f64::midpoint(ends[0], ends[1]), BOTTOM + 36.0];
            svg.text("axis-name", middle, Anchor::Middle, look_name(first.look));
        }
        from = until;
    }
}

/// What rounds were made for, in a word or two.
pub(crate) fn look_name(look: Look) -> &'static str {
    match look {
        Look::First => "first look",
        Look::Second => "further look",
        Look::Confirmation => "to confirm",
    }
}

/// The runs of either side in a half of their own, with their medians.
fn stored(svg: &mut Svg, metric: &MetricComparison, y: &Scale) {
    let middle = f64::midpoint(LEFT, RIGHT);
    let sides = [
        ("base", &metric.base, metric.base_median, [LEFT, middle]),
        (
            "candidate",
            &metric.cand,
            metric.cand_median,
            [middle, RIGHT],
        ),
    ];
    for (number, (name, values, median, [left, right])) in sides.into_iter().enumerate() {
        let x = Scale::new([0.0, values.len().max(1) as f64], [left, right]);
        if let Some(median) = median {
            let level = y.at(median);
            svg.line("mark", [left + 4.0, level], [right - 4.0, level]);
        }
        for (i, value) in values.iter().enumerate() {
            let at = x.at(i as f64 + 0.5);
            match number {
                0 => marks(svg, at, [*value, None], y),
                _ => marks(svg, at, [None, *value], y),
            }
        }
        let text = format!("{name}: {}", plural(values.len() as u64, "run"));
        let below = [f64::midpoint(left, right), BOTTOM + 18.0];
        svg.text("axis-name", below, Anchor::Middle, &text);
    }
    svg.line("axis", [middle, TOP], [middle, BOTTOM]);
    let y = 20.0;
    svg.line("mark", [RIGHT - 80.0, y - 4.0], [RIGHT - 54.0, y - 4.0]);
    svg.text("legend", [RIGHT - 46.0, y], Anchor::Start, "median");
}

/// Marks by name, from right to left, those that are there.
fn legend(svg: &mut Svg, metric: &MetricComparison, is_void: bool) {
    let y = 20.0;
    let mut x = RIGHT;
    let mut place = |name: &str| {
        x -= name.len() as f64 * 6.6 + 40.0;
        [x + 10.0, y - 4.0]
    };
    let mut names = Vec::new();
    if is_void {
        let name = "void";
        let at = place(name);
        svg.cross("mark-void", at, 5.0);
        names.push((at, name));
    }
    if !metric.outliers.is_empty() {
        let name = "far from the others";
        let at = place(name);
        svg.diamond("mark-far", at, 8.0);
        names.push((at, name));
    }
    if metric.direction != Direction::Neutral {
        for (class, name) in [("pair better", "better"), ("pair worse", "worse")] {
            let at = place(name);
            svg.line(class, [at[0] - 16.0, at[1]], [at[0] + 5.0, at[1]]);
            names.push((at, name));
        }
    }
    let name = "candidate";
    let at = place(name);
    svg.circle("estimate", at, 4.5);
    names.push((at, name));
    let at = place("base");
    svg.circle("mark-open", at, 4.0);
    names.push((at, "base"));
    for ([x, _], name) in names {
        svg.text("legend", [x + 11.0, y], Anchor::Start, name);
    }
}

/// The chart in a sentence, for those who listen.
fn describe(comparison: &Comparison, metric: &MetricComparison) -> String {
    if comparison.design == Design::StoredRuns {
        return format!(
            "{} of the base and {} of the candidate.",
            plural(metric.base.len() as u64, "run"),
            plural(metric.cand.len() as u64, "run")
        );
    }
    let both: Vec<(f64, f64)> = metric
        .base
        .iter()
        .zip(&metric.cand)
        .filter_map(|(base, cand)| base.zip(*cand))
        .collect();
    let up = both.iter().filter(|(base, cand)| cand > base).count();
    let void = comparison
        .rounds
        .iter()
        .filter(|round| round.void.is_some());
    format!(
        "{}, {} of them void; the candidate's value is the higher one in {up} of {} with both.",
        plural(comparison.rounds.len() as u64, "round"),
        void.count(),
        both.len()
    )
}
