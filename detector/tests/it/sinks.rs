//! Connectors against a real broker: what stands in files after a run, after kills, and while a destination is away.

use std::path::Path;

use floodmark_contracts::{
    profile::detector::{DeliverySection, SinkSection},
    row::{Row, RowKind},
};

use super::{
    exactly_once::{Detector, committed, exact, lag, wait_until, written_so_far},
    *,
};

/// How often the detector is killed.
const KILLS: usize = 5;

/// Asks for rows, and for both kinds of files below the world's folder.
pub(super) fn with_files(world: &mut World) {
    let below = world.folder.path().display().to_string();
    with_files_in(world, &below);
}

/// Asks for rows, and for both kinds of files below a place.
pub(super) fn with_files_in(world: &mut World, place: &str) {
    let folder = |name: &str| format!("{place}/{name}");
    let roll = serde_json::json!({"size": 2000, "age": "30ms"});
    let sinks = serde_json::json!({
        "clicks": {"click-files": {"folder": folder("clicks"), "roll": roll}},
        "rows": {"row-files": {"folder": folder("rows"), "roll": roll}},
    });
    let section = &mut world.job.section;
    section.sinks = serde_json::from_value::<BTreeMap<String, SinkSection>>(sinks).unwrap();
    section.rows.enabled = true;
    section.rows.session_gap = "20s".into();
}

/// All lines of all files below a folder, sorted.
fn lines_below(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // A file that is still being written has no such name.
            assert_eq!(path.extension().unwrap(), "jsonl", "{}", path.display());
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.ends_with('\n'), "half a file: {}", path.display());
            lines.extend(text.lines().map(str::to_owned));
        }
    }
    lines.sort_unstable();
    lines
}

/// The rows of a group's topic, sorted.
pub(super) fn rows_of(world: &World, group: &str) -> Vec<String> {
    let topic = Row::topic_of(group);
    let mut rows = Vec::new();
    for partition in 0..4 {
        let values = committed(world, &topic, partition);
        rows.extend(values.into_iter().map(|v| String::from_utf8(v).unwrap()));
    }
    rows.sort_unstable();
    rows
}

fn visit(id: i64, user: &str, seconds: i64, page: &str) -> Vec<u8> {
    let mut out = Vec::new();
    ClickEvent {
        event_id: format!("e{id}").into(),
        user_id: user.to_owned().into(),
        session_id: "s".into(),
        event_type: "page_view".into(),
        page_url: page.to_owned().into(),
        timestamp: EventTime(START + seconds * 1000),
        ip_address: "192.0.2.1".into(),
        country: "DE".into(),
        device_type: "mobile".into(),
        referrer: None,
    }
    .encode(&mut out);
    out
}

/// Some visits of the `part`th half minute, each user in a partition of its own.
pub(super) fn write_visits(world: &World, part: i64) {
    let events: Vec<(i32, Vec<u8>)> = (0..60)
        .map(|i| {
            let user = i % 6;
            let page = ["/home", "/offers"][usize::from(i % 5 == 0)];
            let seconds = part * 30 + i / 6 * 3;
            let id = part * 60 + i;
            let event = visit(id, &format!("user-{user}"), seconds, page);
            (i32::try_from(user % 2).unwrap(), event)
        })
        .collect();
    world.write("clickstream-events", &events);
}

pub(super) fn write_end(world: &World, part: i64) {
    for partition in 0..2 {
        let end = visit(-1 - i64::from(partition), "end", part * 30 + 3600, "/end");
        world.write("clickstream-events", &[(partition, end)]);
    }
}

#[test]
fn events_and_rows_stand_in_files_when_the_detector_ends() {
    let mut world = World::new(&[Stream::Clickstream]);
    with_files(&mut world);
    for part in 0..4 {
        write_visits(&world, part);
    }
    // Ten minutes and more behind the newest at its end; and no event.
    write_end(&world, 4);
    world.write(
        "clickstream-events",
        &[(0, visit(999, "user-0", 5, "/home"))],
    );
    world.write("clickstream-events", &[(1, b"null".to_vec())]);
    let (facts, _) = world.detect();

    let clicks = lines_below(&world.folder.path().join("clicks"));
    assert_eq!(clicks.len(), 4 * 60 + 2);
    let first = clicks.iter().find(|line| line.contains("\"e61\"")).unwrap();
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    assert_eq!(first["event_timestamp"], "2025-06-10T05:00:30.000Z");
    assert_eq!(first["event_timestamp_start"], "2025-06-10T05:00:00.000Z");
    assert_eq!(first["event_timestamp_end"], "2025-06-10T05:05:00.000Z");
    let of_clicks = facts.sinks["clicks"];
    assert_eq!((of_clicks.read, of_clicks.written), (244, 242));
    assert_eq!((of_clicks.late, of_clicks.invalid), (1, 1));

    let rows = lines_below(&world.folder.path().join("rows"));
    assert_eq!(rows, rows_of(&world, "detector"));
    assert_eq!(facts.rows, rows.len() as u64);
    let rows: Vec<Row> = rows
        .iter()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    let pages = rows.iter().filter(|row| row.kind == RowKind::PageMinute);
    let events = |row: &Row| row.fields.as_ref().unwrap()["events"].as_u64().unwrap();
    assert_eq!(pages.map(events).sum::<u64>(), 4 * 60);
    let visits = rows.iter().filter(|row| row.kind == RowKind::Session);
    assert_eq!(visits.map(events).sum::<u64>(), 4 * 60);
}

#[test]
fn files_hold_each_record_once_though_the_detector_is_killed_again_and_again() {
    let mut world = exact(&[Stream::Clickstream]);
    with_files(&mut world);
    let folder = world.folder.path().to_owned();
    let lines = |name: &str| lines_below(&folder.join(name));
    hold_each_record_once_after_kills(world, &lines, |_, _, _| ());
}

/// Kills the detector again and again, then looks at what its files hold: each click once, and the rows of an
/// undisturbed run. `lines` gives the lines of all files of a sink; `meanwhile` is called once the detector
/// that will be killed next is at work, with the number of kills and the next part to write.
pub(super) fn hold_each_record_once_after_kills(
    world: World,
    lines: &dyn Fn(&str) -> Vec<String>,
    mut meanwhile: impl FnMut(&World, usize, &mut i64),
) {
    let mut part = 0;
    let (mut seen, mut committed_before) = (0, 0);
    for kill in 0..KILLS {
        let detector = Detector::start(&world);
        // Killed while files come, some time after the first new one and the first new commit.
        let mut moves = 0;
        let done = || {
            let (files, now) = (lines("clicks").len(), written_so_far(&world) - lag(&world));
            moves += usize::from(files > seen && now > committed_before);
            (seen, committed_before) = (seen.max(files), committed_before.max(now));
            moves >= 2
        };
        let write = || {
            write_visits(&world, part);
            part += 1;
        };
        wait_until("no file appears", done, write);
        meanwhile(&world, kill, &mut part);
        detector.kill();
    }
    write_end(&world, part);
    world.detect();
    assert_each_record_once(world, lines, part);
}

/// Looks at what files hold of `parts` parts and the end: each click once, and the rows of an undisturbed run.
pub(super) fn assert_each_record_once(
    mut world: World,
    lines: &dyn Fn(&str) -> Vec<String>,
    parts: i64,
) {
    let mut ids: Vec<String> = lines("clicks")
        .iter()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["event_id"].as_str().unwrap().to_owned()
        })
        .collect();
    ids.sort_unstable();
    let mut expected: Vec<String> = (-2..parts * 60).map(|id| format!("e{id}")).collect();
    expected.sort_unstable();
    assert_eq!(ids.len(), expected.len());
    assert!(ids == expected, "as many lines, but other ones");

    let rows = lines("rows");
    assert_eq!(rows, rows_of(&world, "detector"));
    // A detector that reads the same in one go makes the same rows.
    world.job.group = "undisturbed".into();
    world.job.section.delivery = DeliverySection::AtLeastOnce;
    world.job.section.sinks.clear();
    world.detect();
    assert!(rows.len() >= 50, "{}", rows.len());
    assert_eq!(rows, rows_of(&world, "undisturbed"));
}

#[test]
fn a_destination_that_is_away_slows_nothing_and_gets_everything_later() {
    let mut world = World::new(&[Stream::Clickstream]);
    with_files(&mut world);
    // A file where the folder should be: it cannot be made.
    let clicks = world.folder.path().join("clicks");
    std::fs::write(&clicks, "in the way").unwrap();
    for part in 0..3 {
        write_visits(&world, part);
    }
    write_end(&world, 3);
    let (facts, _) = world.detect();
    assert!(facts.sinks["clicks"].failures > 0);
    assert_eq!(facts.sinks["clicks"].written, 0);
    assert_eq!(facts.consumed[&Stream::Clickstream], 182);
    assert!(!lines_below(&world.folder.path().join("rows")).is_empty());

    std::fs::remove_file(&clicks).unwrap();
    let (facts, _) = world.detect();
    assert_eq!(facts.sinks["clicks"].written, 182);
    assert_eq!(lines_below(&clicks).len(), 182);
}
