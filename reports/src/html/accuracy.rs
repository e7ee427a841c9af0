//! Accuracy beside the incident level: other ways to count, lateness, time to detect, fatigue, kinds against kinds.

use floodmark_contracts::{
    accuracy::{
        Accuracy, BesideRandom, ClassRecall, Counted, Delays, Fatigue, KindPair, Lateness, Rates,
        TimeToDetect,
    },
    result::Detection,
};

use super::tables::{NOTHING, Pair};
use crate::format::{
    UNDEFINED, count, interval, millis, number, percent, ratio, setting_millis, tick,
};

/// One way to count, with what alerts placed at random get.
pub(super) struct WayRow {
    pub(super) name: String,
    pub(super) precision: String,
    pub(super) random_precision: String,
    pub(super) recall: String,
    pub(super) random_recall: String,
    pub(super) f1: String,
    pub(super) random_f1: String,
}

/// The ways to count, strictest first, then scores as the literature defines them; those that nothing defines are left out.
pub(super) fn ways(detection: &Detection) -> Vec<WayRow> {
    let accuracy = &detection.accuracy;
    let windows = setting_millis(accuracy.windows.size_ms);
    let published = &accuracy.published;
    let rows = [
        counted(
            "One to one: each alert takes one incident",
            &accuracy.one_to_one,
        ),
        counted(
            &format!("Windows of {windows} per key"),
            &accuracy.windows.counted,
        ),
        accuracy
            .events
            .as_ref()
            .and_then(|events| counted("Affected events that alerts list", events)),
        rates(
            "Kinds, pooled (micro)",
            accuracy.kinds.micro,
            accuracy.kinds.random_micro,
        ),
        rates(
            "Kinds, mean over kinds (macro)",
            accuracy.kinds.macro_average,
            accuracy.kinds.random_macro_average,
        ),
        of_literature("Range-based (Tatbul et al. 2018)", &published.range),
        of_literature("Affiliation (Huet et al. 2022)", &published.affiliation),
    ];
    rows.into_iter().flatten().collect()
}

fn counted(name: &str, of: &Counted) -> Option<WayRow> {
    rates(name, of.rates(), of.random)
}

fn of_literature(name: &str, of: &BesideRandom) -> Option<WayRow> {
    rates(name, of.rates(), of.random)
}

fn rates(name: &str, found: Rates, random: Rates) -> Option<WayRow> {
    found.precision.or(found.recall)?;
    Some(WayRow {
        name: name.to_owned(),
        precision: short(found.precision),
        random_precision: short(random.precision),
        recall: short(found.recall),
        random_recall: short(random.recall),
        f1: short(found.f1),
        random_f1: short(random.f1),
    })
}

fn short(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| ratio(Some(value)))
}

/// Recall of one class of lateness.
pub(super) struct LateRow {
    pub(super) class: String,
    pub(super) found: String,
    pub(super) recall: String,
    pub(super) interval: String,
}

/// Recall by how late the events of incidents came; empty where no label says.
pub(super) fn lateness(lateness: &Lateness) -> Vec<LateRow> {
    let classes = &lateness.overall;
    let bound = lateness.bound_ms.and_then(|ms| i64::try_from(ms).ok());
    let (late, beyond) = match bound.map(setting_millis) {
        Some(bound) => (
            format!("Late, by up to {bound}: the watermark waits for it"),
            format!("Beyond the watermark: late by more than {bound}"),
        ),
        None => (
            "Late; how long the watermark waits is not known".to_owned(),
            String::new(),
        ),
    };
    let row = |class: String, of: ClassRecall| LateRow {
        class,
        found: format!("{} of {}", count(of.detected), count(of.labels)),
        recall: short(of.recall),
        interval: of
            .interval
            .map_or_else(|| NOTHING.to_owned(), |_| interval(of.interval)),
    };
    let classes = [
        ("All events on time".to_owned(), classes.on_time),
        (late, classes.late),
        (beyond, classes.beyond_watermark),
        (
            "Not known: no events, or not said".to_owned(),
            classes.unknown,
        ),
    ];
    let says = classes[..3].iter().any(|(_, of)| of.labels > 0);
    let shown = classes.into_iter().filter(|(_, of)| says && of.labels > 0);
    shown.map(|(class, of)| row(class, of)).collect()
}

/// When incidents are found, missed ones among them, and what alerts ask of whoever reads them.
pub(super) fn burden(accuracy: &Accuracy) -> Vec<Pair> {
    let mut pairs = detect(&accuracy.time_to_detect);
    pairs.extend(fatigue(&accuracy.fatigue));
    let thresholds = &accuracy.thresholds;
    if let Some(area) = thresholds.average_precision {
        let random = thresholds.random_average_precision;
        let beside = random.map_or_else(String::new, |random| format!(" (at random {random:.3})"));
        pairs.push(Pair::new("Average precision", format!("{area:.3}{beside}")));
    }
    if let (Some(f1), Some(at)) = (thresholds.oracle_f1, thresholds.oracle_threshold) {
        let text = format!("{f1:.3} at scores from {}", number(at));
        pairs.push(Pair::new(
            "Best F1, by an oracle that knows the labels",
            text,
        ));
    }
    let nab = &accuracy.published;
    if let Some(score) = nab.nab.standard {
        let random = nab.random_nab.standard;
        let beside = random.map_or_else(String::new, |random| format!(" (at random {random:.1})"));
        pairs.push(Pair::new(
            "NAB score, standard profile",
            format!("{score:.1}{beside}"),
        ));
    }
    pairs
}

fn detect(of: &TimeToDetect) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut add = |name: &str, delays: &Delays, shown: &dyn Fn(f64) -> String| {
        if delays.found + delays.censored > 0 {
            let quantile = |at: Option<f64>| at.map_or_else(|| "never".to_owned(), shown);
            let text = format!(
                "half by {}, nine in ten by {}; of those found half by {}",
                quantile(delays.p50),
                quantile(delays.p90),
                delays.found_p50.map_or_else(|| UNDEFINED.to_owned(), shown)
            );
            pairs.push(Pair::new(name, text));
        }
    };
    add("Incidents found, event time", &of.event_ms, &millis);
    add("Incidents found, wall time", &of.wall_ms, &millis);
    if let Some(seen) = &of.events_seen {
        let events = |n: f64| format!("{} {}", tick(n), if n == 1.0 { "event" } else { "events" });
        add(
            "Incidents found, affected events sent",
            &seen.events,
            &events,
        );
    }
    pairs
}

fn fatigue(of: &Fatigue) -> Vec<Pair> {
    let numbers = [
        (
            "False alerts for each entity and day",
            of.false_per_entity_day,
        ),
        (
            "False alerts for each million events",
            of.false_per_million_events,
        ),
        (
            "True alerts for each incident found",
            of.alerts_per_incident,
        ),
        (
            "Alerts on one key in one day, 95th percentile",
            of.alerts_per_key_day_p95,
        ),
    ];
    let shares = [
        ("True alerts that repeat another", of.redundancy),
        ("Event time with an alert standing", of.time_in_alert),
        (
            "False alerts on the noisiest hundredth of keys",
            of.false_share_of_top_keys,
        ),
    ];
    let known = |(name, value): (&str, Option<f64>), shown: fn(f64) -> String| {
        Some(Pair::new(name, shown(value?)))
    };
    let numbers = numbers.into_iter().filter_map(|it| known(it, number));
    let shares = shares.into_iter().filter_map(|it| known(it, percent));
    let hour = (of.worst_hour > 0).then(|| {
        Pair::new(
            "Most alerts in one hour of event time",
            count(of.worst_hour),
        )
    });
    numbers.chain(shares).chain(hour).collect()
}

/// What incidents are against what alerts say, most frequent first. Right ones alone are no news, so they come last.
pub(super) fn confusions(accuracy: &Accuracy) -> Vec<&KindPair> {
    let mut pairs: Vec<&KindPair> = accuracy.kinds.pairs.iter().collect();
    pairs.sort_by_key(|pair| {
        let is_right = pair.actual == pair.alerted;
        (
            is_right,
            std::cmp::Reverse(pair.count),
            &pair.actual,
            &pair.alerted,
        )
    });
    pairs
}
