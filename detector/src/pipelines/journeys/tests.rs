use floodmark_contracts::{
    clock::WallTime, profile::DetectorSection, row::RowKinds, stream::Stream,
};

use super::*;
use crate::{
    Engine, Settings, Subject,
    enrichment::EnrichmentStore,
    pipelines::testing,
    runtime::{Found, Job, Merger, StreamJob, TimeSettings, spill::unbounded},
    settings::Rows,
};

const GAP_MS: i64 = 30_000;

fn click(id: usize, seconds: f64, user: &str, page: &str, what: &str) -> Vec<u8> {
    let mut out = Vec::new();
    ClickEvent {
        event_id: format!("e{id}").into(),
        user_id: user.to_owned().into(),
        session_id: "s".into(),
        event_type: what.to_owned().into(),
        page_url: page.to_owned().into(),
        timestamp: testing::at(seconds),
        ip_address: "192.0.2.1".into(),
        country: if user.len() > 1 { "FR" } else { "DE" }.into(),
        device_type: "mobile".into(),
        referrer: None,
    }
    .encode(&mut out);
    out
}

fn everything() -> Rows {
    Rows {
        kinds: RowKinds::named(&[]),
        gap_ms: GAP_MS,
    }
}

fn job(lateness_ms: i64) -> Job<Journeys> {
    let time = TimeSettings {
        bound_ms: 1000,
        lateness_ms,
        idleness_us: 1,
    };
    Job::new(time, move || Journeys::new(everything(), lateness_ms))
}

/// Feeds events to partitions, then one far ahead to each, and gives all rows.
fn rows(lateness_ms: i64, events: &[(i32, Vec<u8>)]) -> Vec<Row> {
    let rows = Some(everything());
    let mergers = Box::new(move || crate::pipelines::mergers(lateness_ms, None, rows));
    let mut engine = Engine::of_job(
        Stream::Clickstream,
        Box::new(job(lateness_ms)),
        mergers,
        unbounded(),
    );
    for partition in 0..2 {
        engine.assign(Stream::Clickstream, partition, 0);
    }
    let end = click(900, 90_000.0, "end", "/end", "page_view");
    let ends = [(0, end.clone()), (1, end)];
    for (partition, event) in events.iter().chain(&ends) {
        let fed = engine.feed(Stream::Clickstream, *partition, event, 0);
        fed.unwrap();
    }
    let row = |output| match output {
        Output::Row(row) => Some(*row),
        _ => None,
    };
    let outputs = engine.take(WallTime(0));
    outputs.into_iter().filter_map(row).collect()
}

/// Rows of a kind: key, seconds since the quiet hour, revision and one field.
fn short(rows: &[Row], kind: RowKind, field: &str) -> Vec<String> {
    let of_kind = rows.iter().filter(|row| row.kind == kind);
    of_kind
        .map(|row| {
            let seconds = row.start.since(testing::at(0.0)) / 1000;
            let value = row.fields.as_ref().map_or(&Value::Null, |f| &f[field]);
            format!("{} {seconds} r{} {value}", row.key, row.revision)
        })
        .collect()
}

#[test]
fn pages_and_countries_are_counted_over_all_partitions() {
    let found = rows(
        0,
        &[
            (0, click(1, 1.0, "a", "/home", "page_view")),
            (1, click(2, 2.0, "bb", "/home", "error")),
            (0, click(3, 59.9, "a", "/offers", "page_view")),
            (0, click(4, 60.0, "a", "/home", "purchase")),
        ],
    );
    assert_eq!(
        short(&found, RowKind::PageMinute, "events"),
        ["/home 0 r2 2", "/offers 0 r1 1", "/home 60 r1 1"]
    );
    assert_eq!(
        short(&found, RowKind::CountryMinute, "errors"),
        ["DE 0 r2 0", "FR 0 r1 1", "DE 60 r1 0"]
    );
}

#[test]
fn visits_end_with_a_pause_and_are_counted_by_segment() {
    let found = rows(
        0,
        &[
            (0, click(1, 1.0, "a", "/home", "page_view")),
            (1, click(2, 2.0, "bb", "/home", "search")),
            (0, click(3, 20.0, "a", "/offers", "purchase")),
            (0, click(4, 70.0, "a", "/home", "purchase")),
        ],
    );
    assert_eq!(
        short(&found, RowKind::Session, "segment"),
        [
            "a 1 r2 \"buyer\"",
            "a 70 r1 \"buyer\"",
            "bb 2 r1 \"searcher\""
        ]
    );
    assert_eq!(
        short(&found, RowKind::Segment, "visits"),
        ["buyer 0 r2 2", "searcher 0 r1 1"]
    );
}

#[test]
fn a_late_event_corrects_every_row_that_it_belongs_to() {
    let found = rows(
        600_000,
        &[
            (0, click(1, 0.0, "a", "/home", "page_view")),
            (0, click(2, 50.0, "a", "/home", "search")),
            (1, click(3, 400.0, "bb", "/x", "page_view")),
            (0, click(4, 400.0, "c", "/x", "page_view")),
            // Between the two visits of `a`, which become one.
            (0, click(5, 25.0, "a", "/home", "purchase")),
        ],
    );
    assert_eq!(
        short(&found, RowKind::PageMinute, "purchases")[..2],
        ["/home 0 r2 0", "/home 0 r3 1"]
    );
    let visits = short(&found, RowKind::Session, "segment");
    let of_a: Vec<_> = visits.iter().filter(|row| row.starts_with("a ")).collect();
    assert_eq!(
        of_a,
        [
            "a 0 r1 \"passer-by\"",
            "a 50 r1 \"searcher\"",
            "a 50 r3 null",
            "a 0 r3 \"buyer\"",
        ]
    );
    let mut last = BTreeMap::new();
    for row in short(&found, RowKind::Segment, "visits") {
        let (place, value) = row.split_once(" r").unwrap();
        last.insert(
            place.to_owned(),
            value.split_once(' ').unwrap().1.to_owned(),
        );
    }
    assert_eq!(
        last["passer-by 0"], "0",
        "its only visit is another one now"
    );
    assert_eq!(last["searcher 0"], "0");
    assert_eq!(last["buyer 0"], "1");
}

#[test]
fn state_that_was_saved_gives_the_same_rows() {
    let events: Vec<Vec<u8>> = (0..200)
        .map(|i| {
            let user = ["a", "bb", "c"][i % 3];
            click(i, (i * 7 % 190) as f64 * 3.0, user, "/home", "page_view")
        })
        .collect();
    for cut in [0, 1, 57, 120, 199] {
        let (mut straight, mut before, mut after) = (job(60_000), job(60_000), job(60_000));
        let (mut want, mut got) = (Found::default(), Found::default());
        let mut saved = crate::runtime::Writer::default();
        before.assign(0, 0);
        for event in &events[..cut] {
            before.feed(0, event, 0, &mut got).unwrap();
        }
        before.freeze(0).unwrap()(&mut saved).unwrap();
        let bytes = saved.seal(0);
        let mut from = Reader::open(&bytes, 0).unwrap();
        after.load(0, &mut from, 0).unwrap();
        for event in &events[cut..] {
            after.feed(0, event, 0, &mut got).unwrap();
        }
        for event in &events {
            straight.feed(0, event, 0, &mut want).unwrap();
        }
        assert_eq!(got.outputs, want.outputs, "cut at {cut}");
        assert_eq!(got.packets, want.packets, "cut at {cut}");
        assert!(want.outputs.len() + want.packets.len() > 10);
    }
}

#[test]
fn parts_that_were_saved_become_the_same_rows() {
    let window = |start: i64| Window {
        start: EventTime(start),
        end: EventTime(start + 60_000),
    };
    let counts = Counts {
        events: 3,
        ..Counts::default()
    };
    let part = |start, page: &str| RowPart::Page(window(start), page.to_owned(), counts);
    let (mut before, mut after) = (RowMerger::new(0), RowMerger::new(0));
    let mut out = Vec::new();
    before.accept((0, 0), part(0, "/a"), &mut out);
    let mut saved = crate::runtime::Writer::default();
    before.save(&mut saved).unwrap();
    let bytes = saved.seal(0);
    after.load(&mut Reader::open(&bytes, 0).unwrap()).unwrap();
    assert!(after.accept((0, 1), part(0, "/a"), &mut out));
    Merger::advance(&mut after, EventTime(60_000), &mut out);
    let Some(Output::Row(row)) = out.first() else {
        panic!("no row: {out:?}");
    };
    assert_eq!((row.key.as_str(), row.revision, out.len()), ("/a", 6, 1));
    assert!(!after.accept((0, 1), part(0, "/a"), &mut out), "too late");
}

#[test]
fn rows_are_made_only_where_they_are_asked_for() {
    use floodmark_contracts::row::RowKind::{CountryMinute, PageMinute, Segment, Session};
    let made = |enabled: bool, kinds: &[RowKind]| {
        let mut section = DetectorSection::default();
        section.rows.enabled = enabled;
        section.rows.kinds = kinds.to_vec();
        section.allowed_lateness = "1h".into();
        let settings = Settings::validate(&section).unwrap();
        let subject = Subject::Bundled(EnrichmentStore::default());
        let mut engine = Engine::new(&settings, subject, [Stream::Clickstream]).unwrap();
        // The third is late, and corrects whatever there is.
        for (i, seconds) in [0.0, 3000.0, 2.0].into_iter().enumerate() {
            let event = click(i, seconds, "a", "/home", "page_view");
            engine.feed(Stream::Clickstream, 0, &event, 0).unwrap();
        }
        let mut kinds: Vec<RowKind> = engine
            .take(WallTime(0))
            .iter()
            .filter_map(|output| match output {
                Output::Row(row) => Some(row.kind),
                _ => None,
            })
            .collect();
        kinds.sort_unstable();
        kinds
    };
    // Once, and again corrected; from a segment the visit is first taken away.
    let times = |kind: RowKind| if kind == Segment { 3 } else { 2 };
    let corrected = |kinds: &[RowKind]| -> Vec<RowKind> {
        let each = kinds
            .iter()
            .map(|kind| std::iter::repeat_n(*kind, times(*kind)));
        each.flatten().collect()
    };
    assert_eq!(made(false, &[]), []);
    assert_eq!(
        made(true, &[]),
        corrected(&[PageMinute, CountryMinute, Session, Segment])
    );
    for kinds in [
        &[PageMinute][..],
        &[CountryMinute],
        &[Session],
        &[Segment],
        &[PageMinute, Session],
    ] {
        assert_eq!(made(true, kinds), corrected(kinds));
    }
}
