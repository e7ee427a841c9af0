//! What is drawn as one, so that a run with thousands of incidents and alerts stays small.

use floodmark_scoring::matching::{Fate, LabelFate};

use crate::model::{Band, Lane, Mark};

/// Distances below which two marks are one, pixels of the whole run; the least that gives few enough. The page can be zoomed,
/// so that two marks on one pixel may be told apart yet.
const STEPS: [f64; 5] = [0.05, 0.5, 2.0, 4.0, 8.0];

/// Bars and marks that a time line should not have more of: each takes some two hundred bytes of the page.
const FEW_ENOUGH: usize = 1500;

/// One or more incidents or alerts of one fate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Together<'a> {
    /// Seconds of wall time.
    pub(super) from: f64,
    pub(super) until: f64,
    /// Sets colour and shape.
    pub(super) class: &'static str,
    pub(super) count: usize,
    /// The first one's.
    pub(super) id: &'a str,
}

/// Seconds below which two marks are one, in a time line with so many seconds in a pixel.
pub(super) fn apart(lanes: &[Lane], end: f64, seconds_per_pixel: f64) -> f64 {
    let total = |apart: f64| -> usize {
        let lanes = lanes.iter();
        lanes
            .map(|lane| bands(&lane.bands, end, apart).len() + marks(&lane.marks, apart).len())
            .sum()
    };
    let steps = STEPS.map(|pixels| pixels * seconds_per_pixel);
    let few = steps.into_iter().find(|apart| total(*apart) <= FEW_ENOUGH);
    few.unwrap_or(steps[STEPS.len() - 1])
}

/// Incidents that began until `end`; those of one fate that touch, or nearly do, are one.
pub(super) fn bands(bands: &[Band], end: f64, apart: f64) -> Vec<Together<'_>> {
    let mut merged: Vec<Together<'_>> = Vec::new();
    // Missed ones last, so that nothing lies over them.
    for class in ["band-left-out", "band-found", "band-missed"] {
        let first = merged.len();
        // What an interrupted run never came to is not squeezed in at the edge.
        let shown = |band: &&Band| band.from <= end && band_class(band.fate) == class;
        for band in bands.iter().filter(shown) {
            let until = band.until.min(end);
            match merged[first..].last_mut() {
                Some(last) if band.from <= last.until + apart / 4.0 => {
                    last.until = last.until.max(until);
                    last.count += 1;
                }
                _ => merged.push(Together {
                    from: band.from,
                    until,
                    class,
                    count: 1,
                    id: &band.id,
                }),
            }
        }
    }
    merged
}

/// The class of an incident, which sets fill and border.
fn band_class(fate: LabelFate) -> &'static str {
    match fate {
        LabelFate::Detected => "band-found",
        LabelFate::Missed => "band-missed",
        // Decoys are no incidents; the marks say whether alerts stand on them.
        LabelFate::WarmUp
        | LabelFate::Truncated
        | LabelFate::DecoySpared
        | LabelFate::DecoyAlerted => "band-left-out",
    }
}

/// Alerts, those of one fate that are not apart as one mark where the first of them is.
pub(super) fn marks(marks: &[Mark], apart: f64) -> Vec<Together<'_>> {
    let mut merged: Vec<Together<'_>> = Vec::new();
    // False ones last, for the same reason as with incidents.
    for class in ["alert-left-out", "alert-true", "alert-false"] {
        let first = merged.len();
        for mark in marks.iter().filter(|mark| mark_class(mark.fate) == class) {
            match merged[first..].last_mut() {
                Some(last) if mark.at - last.from < apart => {
                    last.until = mark.at;
                    last.count += 1;
                }
                _ => merged.push(Together {
                    from: mark.at,
                    until: mark.at,
                    class,
                    count: 1,
                    id: &mark.id,
                }),
            }
        }
    }
    merged
}

/// The class of an alert; each has a shape as well.
fn mark_class(fate: Fate) -> &'static str {
    match fate {
        Fate::True => "alert-true",
        Fate::False => "alert-false",
        Fate::Duplicate | Fate::WarmUp | Fate::AfterEnd | Fate::Ignored => "alert-left-out",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(from: f64, until: f64, fate: LabelFate) -> Band {
        let id = format!("i{from}");
        Band {
            from,
            until,
            fate,
            id,
        }
    }

    fn false_alerts(n: u32, every: f64) -> Vec<Mark> {
        let mark = |i| Mark {
            at: f64::from(i) * every,
            fate: Fate::False,
            id: format!("a{i}"),
        };
        (0..n).map(mark).collect()
    }

    #[test]
    fn touching_bands_of_one_fate_are_drawn_once() {
        let found = [
            band(0.0, 5.0, LabelFate::Detected),
            band(4.0, 8.0, LabelFate::Detected),
            band(6.0, 9.0, LabelFate::Missed),
            band(20.0, 21.0, LabelFate::Detected),
            band(101.0, 102.0, LabelFate::Truncated),
        ];
        let merged = bands(&found, 100.0, 2.0);
        let shown: Vec<_> = merged
            .iter()
            .map(|it| (it.from, it.until, it.class, it.count, it.id))
            .collect();
        let expected = [
            (0.0, 8.0, "band-found", 2, "i0"),
            (20.0, 21.0, "band-found", 1, "i20"),
            (6.0, 9.0, "band-missed", 1, "i6"),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn alerts_that_are_not_apart_are_one_mark_that_counts_them() {
        let alerts = false_alerts(1000, 0.001);
        let merged = marks(&alerts, 2.0);
        assert_eq!(merged.len(), 1);
        assert_eq!((merged[0].from, merged[0].count), (0.0, 1000));
        assert!((merged[0].until - 0.999).abs() < 1e-9);
    }

    #[test]
    fn few_marks_stay_apart_and_many_come_together() {
        let lane = |marks| Lane {
            name: String::new(),
            bands: Vec::new(),
            marks,
        };
        let few = [lane(false_alerts(800, 0.1))];
        assert_eq!(apart(&few, 100.0, 1.0), 0.05, "all of them can be told");
        let many = [lane(false_alerts(80_000, 0.001))];
        let apart = apart(&many, 100.0, 1.0);
        assert_eq!(apart, 0.5);
        let n = marks(&many[0].marks, apart).len();
        assert!((150..=160).contains(&n), "{n}");
    }
}
