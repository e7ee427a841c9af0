//! Affiliation precision and recall.
//!
//! Huet et al., *Local evaluation of time series anomaly detection algorithms*, KDD 2022. Time is cut into
//! zones at the midpoints between true spans. In a zone `E` with the true span `J` and the predicted
//! time `I` in it, against a point `X` drawn uniformly from `E`:
//! ```text
//! precision = mean over x in I of P(dist(X, J) >= dist(x, J))
//! recall    = mean over y in J of P(|X - y| >= dist(y, I))
//! ```
//! Overall, precision is the mean over zones that have a prediction, recall the mean over all zones.
//! Both integrands are linear between known points, so the integrals are exact. Spans are half open.

use crate::any_overlap::Span;

/// The figures of one true span's zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zone {
    /// `None` where nothing is predicted in the zone.
    pub precision: Option<f64>,
    /// 0 where nothing is predicted in the zone.
    pub recall: f64,
}

/// The mean distances behind one zone's figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distances {
    /// Of predicted time from the true span; `None` where nothing is predicted in the zone.
    pub predicted: Option<f64>,
    /// Of true time from predicted time; infinite where nothing is predicted.
    pub truth: f64,
}

/// Mean over the zones that have a prediction; `None` if none has.
#[must_use]
pub fn precision(zones: &[Zone]) -> Option<f64> {
    let defined: Vec<f64> = zones.iter().filter_map(|zone| zone.precision).collect();
    (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
}

/// Mean over all zones; `None` if there are none.
#[must_use]
pub fn recall(zones: &[Zone]) -> Option<f64> {
    let sum: f64 = zones.iter().map(|zone| zone.recall).sum();
    (!zones.is_empty()).then(|| sum / zones.len() as f64)
}

/// One zone for each true span. Spans, predicted ones as well, are sorted and disjoint, none is empty, all lie in `range`; a
/// point prediction has to be given the length of a row.
#[must_use]
pub fn zones(truth: &[Span], predicted: &[Span], range: Span) -> Vec<Zone> {
    in_each_zone(truth, predicted, range, |zone, stops| Zone {
        precision: zone.over_predicted(stops, &|x| further_from_truth(zone.span, zone.truth, x)),
        recall: zone
            .over_truth(stops, &|y| {
                further_from_point(zone.span, y, zone.to_predicted(y))
            })
            .unwrap_or(0.0),
    })
}

/// The same of distances.
#[must_use]
pub fn distances(truth: &[Span], predicted: &[Span], range: Span) -> Vec<Distances> {
    in_each_zone(truth, predicted, range, |zone, stops| Distances {
        predicted: zone.over_predicted(stops, &|x| distance(x, zone.truth)),
        truth: zone
            .over_truth(stops, &|y| zone.to_predicted(y))
            .unwrap_or(f64::INFINITY),
    })
}

fn in_each_zone<T>(
    truth: &[Span],
    predicted: &[Span],
    range: Span,
    judge: impl Fn(&Inside<'_>, &mut Stops) -> T,
) -> Vec<T> {
    let border = |left: &Span, right: &Span| f64::midpoint(left[1], right[0]);
    let mut inside: Vec<Span> = Vec::new();
    let mut stops = Stops::new();
    let judge = |(i, span): (usize, &Span)| {
        let before = i.checked_sub(1).and_then(|i| truth.get(i));
        let from = before.map_or(range[0], |before| border(before, span));
        let until = truth
            .get(i + 1)
            .map_or(range[1], |after| border(span, after));
        let first = predicted.partition_point(|span| span[1] <= from);
        let touching = predicted[first..].iter().take_while(|it| it[0] < until);
        let cut = touching.map(|[start, end]| [start.max(from), end.min(until)]);
        inside.clear();
        inside.extend(cut.filter(|[start, end]| start < end));
        let zone = Inside {
            span: [from, until],
            truth: *span,
            predicted: &inside,
        };
        judge(&zone, &mut stops)
    };
    truth.iter().enumerate().map(judge).collect()
}

/// Where a function bends and where it ends; kept from one integral to the next, of which there are many.
type Stops = Vec<f64>;

/// What lies in a zone.
struct Inside<'a> {
    span: Span,
    truth: Span,
    predicted: &'a [Span],
}

impl Inside<'_> {
    /// The mean of a value over predicted time.
    fn over_predicted(&self, stops: &mut Stops, value: &dyn Fn(f64) -> f64) -> Option<f64> {
        let length: f64 = self.predicted.iter().map(|[from, to]| to - from).sum();
        let corners = precision_corners(self.span, self.truth);
        let parts = self.predicted.iter();
        let sum: f64 = parts
            .map(|span| integral(*span, corners.into_iter(), stops, value))
            .sum();
        (!self.predicted.is_empty()).then(|| sum / length)
    }

    /// The mean of a value over true time, if anything is predicted.
    fn over_truth(&self, stops: &mut Stops, value: &dyn Fn(f64) -> f64) -> Option<f64> {
        if self.predicted.is_empty() {
            return None;
        }
        let corners = recall_corners(self.span, self.predicted);
        let length = self.truth[1] - self.truth[0];
        Some(integral(self.truth, corners, stops, value) / length)
    }

    /// How far predicted time is from an instant.
    fn to_predicted(&self, y: f64) -> f64 {
        let after = self.predicted.partition_point(|span| span[0] <= y);
        let around = after.saturating_sub(1)..self.predicted.len().min(after + 1);
        let distances = self.predicted[around].iter().map(|span| distance(y, *span));
        distances.fold(f64::INFINITY, f64::min)
    }
}

/// `P(dist(X, J) >= dist(x, J))`.
fn further_from_truth(zone: Span, truth: Span, x: f64) -> f64 {
    let from = distance(x, truth);
    if from <= 0.0 {
        return 1.0;
    }
    let left = (truth[0] - zone[0] - from).max(0.0);
    let right = (zone[1] - truth[1] - from).max(0.0);
    (left + right) / (zone[1] - zone[0])
}

/// `P(|X - y| >= d)`.
fn further_from_point(zone: Span, y: f64, d: f64) -> f64 {
    let left = (y - d - zone[0]).max(0.0);
    let right = (zone[1] - y - d).max(0.0);
    (left + right) / (zone[1] - zone[0])
}

/// Where the integrand of precision bends: at the true span, and where its shorter side of the zone
/// ends, on both sides.
fn precision_corners(zone: Span, truth: Span) -> [f64; 4] {
    let shorter = (truth[0] - zone[0]).min(zone[1] - truth[1]);
    [truth[0], truth[1], truth[0] - shorter, truth[1] + shorter]
}

/// Where the integrand of recall bends: at the ends of predicted spans, half way between two of them,
/// and half way from each to an end of the zone, where the ball around `y` leaves the zone.
fn recall_corners(zone: Span, predicted: &[Span]) -> impl Iterator<Item = f64> {
    let ends = predicted.iter().flatten();
    let around = ends.flat_map(move |end| {
        let [before, after] = zone.map(|border| f64::midpoint(*end, border));
        [*end, before, after]
    });
    let between = predicted.windows(2);
    around.chain(between.map(|pair| f64::midpoint(pair[0][1], pair[1][0])))
}

/// The integral of a function that is linear between the corners.
fn integral(
    [from, until]: Span,
    corners: impl Iterator<Item = f64>,
    stops: &mut Stops,
    value: &dyn Fn(f64) -> f64,
) -> f64 {
    stops.clear();
    stops.extend(corners.filter(|corner| from < *corner && *corner < until));
    stops.extend([from, until]);
    stops.sort_unstable_by(f64::total_cmp);
    stops
        .windows(2)
        .map(|ends| (ends[1] - ends[0]) * value(f64::midpoint(ends[0], ends[1])))
        .sum()
}

fn distance(x: f64, [from, until]: Span) -> f64 {
    (from - x).max(x - until).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_itself_is_perfect() {
        let truth = [[10.0, 20.0], [50.0, 51.0]];
        let zones = zones(&truth, &truth, [0.0, 100.0]);
        assert_eq!((precision(&zones), recall(&zones)), (Some(1.0), Some(1.0)));
    }

    #[test]
    fn nearer_is_better_and_nothing_is_undefined() {
        let at = |from: f64| zones(&[[10.0, 20.0]], &[[from, from + 1.0]], [0.0, 100.0]);
        let [near, far] = [at(22.0), at(60.0)];
        assert!(precision(&near) > precision(&far) && recall(&near) > recall(&far));
        let silent = zones(&[[10.0, 20.0]], &[], [0.0, 100.0]);
        assert_eq!((precision(&silent), recall(&silent)), (None, Some(0.0)));
        assert_eq!(recall(&[]), None);
    }
}
