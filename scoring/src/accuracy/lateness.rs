//! Recall by how late the events of labels came: on time, late but inside the watermark's bound, beyond it.
//!
//! A label is in the class of the latest of its events. Where the bound is not known, the two classes of late labels cannot
//! be told apart, and all of them are `late`.

use std::collections::BTreeMap;

use floodmark_contracts::{
    accuracy::{ClassRecall, Lateness, LatenessClasses},
    kind::Kind,
    label::Label,
};

use crate::{
    confusion::share,
    difficulty::Detected,
    intervals::{CONFIDENCE, wilson},
    scope::Scope,
};

/// How late the events of a label came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    OnTime,
    Late,
    BeyondWatermark,
    Unknown,
}

pub(super) fn score(scope: &Scope<'_>, detected: &Detected, bound_ms: Option<u64>) -> Lateness {
    let mut overall = LatenessClasses::default();
    let mut per_kind: BTreeMap<Kind, LatenessClasses> = BTreeMap::new();
    for (position, label) in scope.kept_labels() {
        let class = class(label, bound_ms);
        let is_detected = detected.overall[position];
        count(&mut overall, class, is_detected);
        let is_detected = detected.of_its_kind[position];
        count(per_kind.entry(label.kind).or_default(), class, is_detected);
    }
    per_kind.values_mut().for_each(divide);
    divide(&mut overall);
    Lateness {
        bound_ms,
        overall,
        per_kind,
    }
}

fn class(label: &Label, bound_ms: Option<u64>) -> Class {
    let n_events = label.event_ids.len() as u64;
    let Some(order) = label.order.filter(|_| n_events > 0) else {
        return Class::Unknown;
    };
    if order.on_time >= n_events {
        Class::OnTime
    } else if bound_ms.is_some_and(|bound_ms| order.behind_ms > bound_ms) {
        Class::BeyondWatermark
    } else {
        Class::Late
    }
}

fn count(classes: &mut LatenessClasses, class: Class, is_detected: bool) {
    let of_class = match class {
        Class::OnTime => &mut classes.on_time,
        Class::Late => &mut classes.late,
        Class::BeyondWatermark => &mut classes.beyond_watermark,
        Class::Unknown => &mut classes.unknown,
    };
    of_class.labels += 1;
    of_class.detected += u64::from(is_detected);
}

/// Works out recalls and intervals from the counts.
fn divide(classes: &mut LatenessClasses) {
    let LatenessClasses {
        on_time,
        late,
        beyond_watermark,
        unknown,
    } = classes;
    for class in [on_time, late, beyond_watermark, unknown] {
        *class = ClassRecall {
            recall: share(class.detected, class.labels),
            interval: wilson(class.detected, class.labels, CONFIDENCE),
            ..*class
        };
    }
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::label::EventOrder;

    use super::*;
    use crate::support::label;

    fn of(n_events: usize, order: Option<(u64, u64)>) -> Label {
        Label {
            event_ids: (0..n_events).map(|number| number.to_string()).collect(),
            order: order.map(|(on_time, behind_ms)| EventOrder { on_time, behind_ms }),
            ..label("L", Kind::SensorSpike, "a", 0, 1)
        }
    }

    #[test]
    fn a_label_is_in_the_class_of_its_latest_event() {
        for (label, bound_ms, expected) in [
            (of(3, Some((3, 0))), Some(0), Class::OnTime),
            (of(3, Some((3, 0))), None, Class::OnTime),
            (of(3, Some((2, 1))), Some(0), Class::BeyondWatermark),
            // What is as late as the bound is not late to the watermark.
            (of(3, Some((2, 4_000))), Some(4_000), Class::Late),
            (of(3, Some((0, 4_001))), Some(4_000), Class::BeyondWatermark),
            (of(3, Some((0, 4_001))), None, Class::Late),
            (of(3, None), Some(4_000), Class::Unknown),
            (of(0, None), None, Class::Unknown),
            (of(0, Some((0, 0))), Some(4_000), Class::Unknown),
        ] {
            assert_eq!(
                class(&label, bound_ms),
                expected,
                "{:?} {bound_ms:?}",
                label.order
            );
        }
    }
}
