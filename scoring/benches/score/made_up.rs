//! Labels and alerts that nobody meant: many keys, one of them hot, and all that makes matching dear.
//!
//! A tenth of everything is on one key, where some fifteen labels lie over each other at any time; elsewhere labels are
//! long enough to meet now and then. Of the alerts about half fall into a label, several of them into the same one,
//! a few carry the id of the one before, and one in five lists events. All of it follows from the numbers asked for.

use std::{collections::BTreeMap, error::Error, io::Write};

use floodmark_contracts::{
    alert::Alert,
    clock::{EventTime, RunMicros},
    key::{KeyType, TypedKey},
    kind::Kind,
    label::{EventOrder, Label},
};

/// Keys over which labels and alerts are spread; below the number above which no intervals are drawn.
pub const KEYS: u64 = 40_000;

/// When event time begins, and how long it lasts: a week.
const ORIGIN_MS: i64 = 1_749_531_600_000;
const SPAN_MS: u64 = 7 * 86_400_000;

/// The types that first keys have, in turn.
const TYPES: [KeyType; 4] = [KeyType::Sensor, KeyType::User, KeyType::Page, KeyType::Ip];

/// `SplitMix64`: small, and the same on every machine.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// An instant of event time.
    fn instant(&mut self) -> i64 {
        ORIGIN_MS + self.below(SPAN_MS).cast_signed()
    }

    /// The number of a key: every tenth time the hot one.
    fn key(&mut self) -> u64 {
        if self.one_in(10) { 0 } else { self.below(KEYS) }
    }
}

/// The type that the first key with this number has.
fn type_of(number: u64) -> KeyType {
    TYPES[usize::try_from(number).unwrap_or(0) % TYPES.len()]
}

fn key(key_type: KeyType, number: u64) -> TypedKey {
    TypedKey::new(key_type, format!("{key_type:?}-{number:06}").to_lowercase())
}

/// Kinds, decoys among them, whose labels begin with a key of this type.
fn kinds(key_type: KeyType) -> Vec<Kind> {
    let all = Kind::ALL.into_iter().chain(Kind::DECOYS);
    all.filter(|kind| kind.key_types()[0] == key_type).collect()
}

/// So many labels.
pub fn labels(n_labels: u64) -> Vec<Label> {
    let mut draws = Draws(1);
    (0..n_labels).map(|it| label(it, &mut draws)).collect()
}

fn label(number: u64, draws: &mut Draws) -> Label {
    let on = draws.key();
    let kinds = kinds(type_of(on));
    let kind = kinds[usize::try_from(draws.below(kinds.len() as u64)).unwrap_or(0)];
    let start = draws.instant();
    let length = 10_000 + draws.below(1_800_000).cast_signed();
    let n_events = draws.below(24);
    Label {
        id: format!("{kind}-{number:06}"),
        stream: kind.stream(),
        other_streams: Vec::new(),
        kind,
        benign: kind.is_benign(),
        magnitude: Some(1.0 + draws.below(40) as f64 / 4.0),
        snr: (!draws.one_in(5)).then(|| draws.below(160) as f64 / 8.0),
        keys: kind.key_types().iter().map(|of| key(*of, on)).collect(),
        start: EventTime(start),
        end: EventTime(start + length),
        evidence: BTreeMap::new(),
        event_ids: (0..n_events).map(|it| event(number, it)).collect(),
        first_sent: RunMicros((start - ORIGIN_MS) * 1000),
        last_sent: RunMicros((start - ORIGIN_MS + length) * 1000),
        detectable_at: EventTime(start + length / 2),
        event_sent: (0..n_events.cast_signed())
            .map(|it| RunMicros((start - ORIGIN_MS + length * it / 24) * 1000))
            .collect(),
        order: Some(EventOrder {
            on_time: n_events - n_events / 8,
            behind_ms: n_events / 8 * 1000,
        }),
    }
}

fn event(label: u64, number: u64) -> String {
    format!("event-{label:06}-{number:02}")
}

/// Writes so many alerts about the labels as lines of JSON.
pub fn write_alerts(
    labels: &[Label],
    n_alerts: u64,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let mut draws = Draws(2);
    for number in 0..n_alerts {
        serde_json::to_writer(&mut *out, &alert(number, labels, &mut draws))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn alert(number: u64, labels: &[Label], draws: &mut Draws) -> Alert {
    let at = draws.below(labels.len() as u64);
    let about = usize::try_from(at)
        .ok()
        .and_then(|at| labels.get(at))
        .filter(|_| draws.one_in(2));
    let (on, kind, end) = if let Some(label) = about {
        let length = label.end.since(label.start).unsigned_abs();
        let end = label.start.0 + draws.below(length).cast_signed();
        (label.keys[0].clone(), label.kind, end)
    } else {
        let number = draws.key();
        let kinds = kinds(type_of(number));
        let kind = kinds[usize::try_from(draws.below(kinds.len() as u64)).unwrap_or(0)];
        (key(type_of(number), number), kind, draws.instant())
    };
    let said = match draws.below(20) {
        0 => Some("of-its-own".to_owned()),
        1..=3 => None,
        4..=6 => Some(Kind::ALL[usize::try_from(draws.below(27)).unwrap_or(0)].to_string()),
        _ => Some(kind.to_string()),
    };
    let lists = draws.one_in(5);
    Alert {
        // One in fifty is delivered again.
        id: format!(
            "alert-{:07}",
            number - u64::from(number > 0 && draws.one_in(50))
        ),
        detector: "made-up".to_owned(),
        stream: Some(kind.stream()),
        kind: said,
        key: on,
        start: EventTime(end - draws.below(60_000).cast_signed()),
        end: EventTime(end),
        score: Some(draws.below(10_000) as f64 / 1e4 + if about.is_some() { 0.3 } else { 0.0 }),
        event_ids: (0..if lists { 4 } else { 0 })
            .map(|it| event(at, it))
            .collect(),
        emitted_at: None,
        evidence: BTreeMap::from([("value".to_owned(), (draws.below(1000) as f64 / 8.0).into())]),
    }
}
