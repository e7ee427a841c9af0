//! What a forest plot shows of each metric, turned so that worse is to the right whichever way the metric goes.

use floodmark_contracts::{
    compare::{EffectScale, MetricComparison},
    result::Direction,
};

/// How far the widest line may reach beyond the middle one before it is cut: one wild metric would otherwise press all others
/// into a dot.
const MOST_OF_MIDDLE: f64 = 12.0;

/// A metric's line; shares are of the base, and for metrics that are compared by differences of the larger median (of
/// shares: points).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line<'a> {
    /// The metric, for its name, verdict and texts.
    pub(crate) metric: &'a MetricComparison,
    /// Median change; `None` where there is none, or nothing to hold it against.
    pub(crate) effect: Option<f64>,
    /// Its interval, low end first.
    pub(crate) interval: Option<[f64; 2]>,
    /// The changes that do not matter, low end first.
    pub(crate) margin: Option<[f64; 2]>,
}

/// Lines of the metrics in their order.
pub(crate) fn lines<'a>(metrics: &[&'a MetricComparison]) -> Vec<Line<'a>> {
    metrics.iter().map(|metric| line(metric)).collect()
}

fn line(metric: &MetricComparison) -> Line<'_> {
    let size = size(metric);
    let turn = match metric.direction {
        Direction::Higher => -1.0,
        Direction::Lower | Direction::Neutral => 1.0,
    };
    let turned = |change: f64| {
        let share = match size {
            Some(size) => change / size * turn,
            // No change of nothing is no change.
            None if change == 0.0 => 0.0,
            None => return None,
        };
        share.is_finite().then_some(share)
    };
    let ends = |[low, high]: [f64; 2]| {
        let (low, high) = (turned(low)?, turned(high)?);
        Some([low.min(high), low.max(high)])
    };
    let margin = metric.margin.map(|margin| match metric.scale {
        // Equally far both ways as logarithms.
        EffectScale::Relative => [1.0 / (1.0 + margin) - 1.0, margin],
        EffectScale::Difference | EffectScale::Exact => [-margin, margin],
    });
    Line {
        metric,
        effect: metric.effect.and_then(turned),
        interval: metric.interval.and_then(ends),
        margin: margin.and_then(ends),
    }
}

/// What a change is divided by to be a share.
fn size(metric: &MetricComparison) -> Option<f64> {
    if metric.scale == EffectScale::Relative || metric.unit == "ratio" {
        return Some(1.0);
    }
    let medians = [metric.base_median, metric.cand_median];
    let sizes = medians.into_iter().flatten().map(f64::abs);
    Some(sizes.fold(0.0, f64::max)).filter(|size| *size > 0.0)
}

/// How far an axis for all lines reaches to either side. Longer ones are cut there.
pub(crate) fn reach(lines: &[Line<'_>]) -> f64 {
    let mut reaches: Vec<f64> = lines.iter().map(reach_of).filter(|r| *r > 0.0).collect();
    reaches.sort_by(f64::total_cmp);
    let (Some(widest), Some(middle)) = (
        reaches.last(),
        reaches.get(reaches.len().saturating_sub(1) / 2),
    ) else {
        return 0.05;
    };
    widest.min(MOST_OF_MIDDLE * middle)
}

fn reach_of(line: &Line<'_>) -> f64 {
    let ends = [line.interval, line.margin].into_iter().flatten().flatten();
    ends.chain(line.effect).map(f64::abs).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::compare::Verdict;

    use super::*;

    fn metric(unit: &str, direction: Direction, scale: EffectScale) -> MetricComparison {
        MetricComparison {
            name: "m".to_owned(),
            unit: unit.to_owned(),
            direction,
            gated: true,
            scale,
            base: Vec::new(),
            cand: Vec::new(),
            n: 10,
            base_median: Some(40.0),
            cand_median: Some(-50.0),
            effect: Some(0.1),
            interval: Some([-0.05, 0.2]),
            p: None,
            p_adjusted: None,
            margin: Some(0.25),
            noise_floor: None,
            agree: None,
            outliers: Vec::new(),
            confirmation: None,
            verdict: Verdict::Inconclusive,
            reason: String::new(),
        }
    }

    #[test]
    fn worse_is_to_the_right_whichever_way_a_metric_goes() {
        let lower = metric("us", Direction::Lower, EffectScale::Relative);
        let found = line(&lower);
        assert_eq!(found.effect, Some(0.1));
        assert_eq!(found.interval, Some([-0.05, 0.2]));
        assert_eq!(found.margin.map(|[low, _]| low), Some(1.0 / 1.25 - 1.0));
        let higher = metric("events/s", Direction::Higher, EffectScale::Relative);
        let found = line(&higher);
        assert_eq!(found.effect, Some(-0.1));
        assert_eq!(found.interval, Some([-0.2, 0.05]));
        assert_eq!(found.margin.map(|[low, _]| low), Some(-0.25));
    }

    #[test]
    fn differences_are_shares_of_the_larger_median_and_shares_are_points() {
        let bytes = metric("bytes", Direction::Lower, EffectScale::Difference);
        assert_eq!(line(&bytes).effect, Some(0.1 / 50.0));
        let share = metric("ratio", Direction::Lower, EffectScale::Exact);
        assert_eq!(line(&share).effect, Some(0.1));
        let mut nothing = metric("count", Direction::Lower, EffectScale::Difference);
        (nothing.base_median, nothing.cand_median) = (Some(0.0), Some(0.0));
        assert_eq!(line(&nothing).effect, None, "a share of nothing");
        nothing.effect = Some(0.0);
        assert_eq!(line(&nothing).effect, Some(0.0), "no change of nothing");
    }

    #[test]
    fn one_wild_metric_does_not_press_all_others_into_a_dot() {
        let calm = metric("us", Direction::Lower, EffectScale::Relative);
        let mut wild = calm.clone();
        wild.interval = Some([20.0, 40.0]);
        let found = lines(&[&calm, &calm, &wild]);
        assert_eq!(reach(&found), MOST_OF_MIDDLE * 0.25);
        assert_eq!(reach(&found[..2]), 0.25);
        assert!(reach(&[]) > 0.0);
    }
}
