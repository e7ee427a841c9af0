//! Missed incidents and false alerts, each opening to what is known of it.

use floodmark_contracts::{alert::CollectedAlert, clock::EventTime, key::TypedKey, label::Label};
use floodmark_scoring::matching::Fate;

use crate::{
    ReportInput,
    format::{count, event_time, millis},
    model::Model,
};

/// Rows that a list shows at most; the files beside the report hold all.
const MAX_ROWS: usize = 100;

/// Characters of an id that a row shows; all of it is behind the fold.
const MAX_ID: usize = 26;

/// Event ids that a row names at most.
const MAX_EVENTS: usize = 12;

/// The first rows of a list and how many there are.
pub(super) struct Listing {
    pub(super) title: &'static str,
    /// What is said of an empty list.
    pub(super) none: &'static str,
    /// The file that holds everything.
    pub(super) file: &'static str,
    pub(super) total: String,
    pub(super) rows: Vec<Row>,
    /// Rows that are not shown.
    pub(super) more: usize,
}

/// One incident or alert.
pub(super) struct Row {
    /// The id, cut where it is one that only machines read.
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) keys: Vec<String>,
    /// Start in event time.
    pub(super) from: String,
    /// Length in event time.
    pub(super) length: String,
    /// Seconds of wall time since the start of the run.
    pub(super) at: String,
    /// Names and values behind the fold.
    pub(super) details: Vec<(String, String)>,
}

/// Missed incidents, in the order of the result.
pub(super) fn missed(input: &ReportInput<'_>) -> Listing {
    let missed = &input.result.detection.missed;
    let row = |id: &String| {
        let label = input.labels.iter().find(|label| label.id == *id);
        label.map_or_else(|| unknown(id), incident)
    };
    Listing {
        title: "Missed incidents",
        none: "No incident was missed.",
        file: "labels.ndjson",
        total: count(missed.len() as u64),
        rows: missed.iter().take(MAX_ROWS).map(row).collect(),
        more: missed.len().saturating_sub(MAX_ROWS),
    }
}

/// False alerts, by the time at which they stand.
pub(super) fn false_alerts(input: &ReportInput<'_>, model: &Model) -> Listing {
    let fates = input.alerts.iter().zip(&model.matching.alerts);
    let mut wrong: Vec<&CollectedAlert> = fates
        .filter(|(_, fate)| **fate == Fate::False)
        .map(|(alert, _)| alert)
        .collect();
    wrong.sort_by(|a, b| (a.alert.end, &a.alert.id).cmp(&(b.alert.end, &b.alert.id)));
    Listing {
        title: "False alerts",
        none: "No alert is false.",
        file: "alerts.ndjson",
        total: count(wrong.len() as u64),
        more: wrong.len().saturating_sub(MAX_ROWS),
        rows: wrong
            .into_iter()
            .take(MAX_ROWS)
            .map(|a| alert(input, a))
            .collect(),
    }
}

/// A missed incident with what a detector could have known of it.
fn incident(label: &Label) -> Row {
    let mut details = vec![
        ("id".to_owned(), label.id.clone()),
        ("ends".to_owned(), event_time(label.end)),
        (
            "detectable from".to_owned(),
            event_time(label.detectable_at),
        ),
        (
            "affected events".to_owned(),
            count(label.event_ids.len() as u64),
        ),
    ];
    let shown = label.evidence.iter();
    details.extend(shown.map(|(stream, fields)| (format!("shows in {stream}"), fields.join(", "))));
    details.extend(events(&label.event_ids));
    Row {
        id: short(&label.id),
        kind: label.kind.name().to_owned(),
        keys: keys(&label.keys),
        from: event_time(label.start),
        length: length(label.start, label.end),
        at: seconds(label.first_sent.0),
        details,
    }
}

/// A false alert with what its detector said for it.
fn alert(input: &ReportInput<'_>, collected: &CollectedAlert) -> Row {
    let alert = &collected.alert;
    let mut details = vec![
        ("id".to_owned(), alert.id.clone()),
        ("detector".to_owned(), alert.detector.clone()),
    ];
    if let Some(score) = alert.score {
        details.push(("score".to_owned(), format!("{score}")));
    }
    let evidence = alert
        .evidence
        .iter()
        .map(|(name, value)| (name.clone(), value.to_string()));
    details.extend(evidence);
    details.extend(events(&alert.event_ids));
    Row {
        id: short(&alert.id),
        kind: alert
            .kind
            .clone()
            .unwrap_or_else(|| "none given".to_owned()),
        keys: keys(std::slice::from_ref(&alert.key)),
        from: event_time(alert.start),
        length: length(alert.start, alert.end),
        at: seconds(collected.appended_at.offset_from(input.result.started_at).0),
        details,
    }
}

/// A row for an id that the labels do not hold: the result belongs to other labels.
fn unknown(id: &str) -> Row {
    let not_there = || "not among the labels".to_owned();
    Row {
        id: short(id),
        kind: not_there(),
        keys: Vec::new(),
        from: String::new(),
        length: String::new(),
        at: String::new(),
        details: vec![("id".to_owned(), id.to_owned())],
    }
}

/// Ids of the keys; their types follow from the kind.
fn keys(keys: &[TypedKey]) -> Vec<String> {
    keys.iter().map(|key| key.id.clone()).collect()
}

/// Hashes say nothing to people, and would take the width of three columns.
fn short(id: &str) -> String {
    if id.chars().count() <= MAX_ID {
        return id.to_owned();
    }
    let start: String = id.chars().take(12).collect();
    format!("{start}…")
}

/// The first event ids and how many there are beyond; nothing if none are known.
fn events(ids: &[String]) -> Option<(String, String)> {
    let shown = ids
        .get(..MAX_EVENTS.min(ids.len()))
        .filter(|shown| !shown.is_empty())?;
    let more = ids.len() - shown.len();
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Some((
        "event ids".to_owned(),
        format!("{}{rest}", shown.join(", ")),
    ))
}

/// How long an interval is in event time.
fn length(from: EventTime, until: EventTime) -> String {
    millis(until.since(from) as f64)
}

/// Wall time since the start of the run.
fn seconds(us: i64) -> String {
    format!("{:.2} s", us as f64 / 1e6)
}
