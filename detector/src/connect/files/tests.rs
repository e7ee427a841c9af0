use std::{path::Path as FilePath, time::Duration};

use super::*;

/// Lines of the value itself; `late` is late, `bad` is bad.
struct Plain;

impl Content for Plain {
    fn columns(&self) -> &'static [Column] {
        &[]
    }

    fn take(&mut self, value: &[u8], newest: &mut EventTime, out: &mut Vec<u8>) -> Taken {
        match value {
            b"late" => return Taken::Late,
            b"bad" => return Taken::Invalid,
            _ => {}
        }
        newest.0 = newest.0.max(value.len() as i64);
        out.extend_from_slice(value);
        out.push(b'\n');
        Taken::Kept
    }
}

struct Bench {
    folder: tempfile::TempDir,
    files: Files<Plain>,
    partition: TopicPartition,
}

fn open(folder: &FilePath) -> Files<Plain> {
    let roll = Roll {
        format: FileFormat::JsonLines,
        size: 10,
        age: Duration::from_micros(500),
    };
    Files::open(&Place::Folder(folder.to_owned()), roll, Plain).unwrap()
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            files: open(folder.path()),
            folder,
            partition: TopicPartition::new("t", 0),
        }
    }

    fn take(&mut self, offset: i64, value: &str, now_us: i64) -> Taken {
        let record = Record {
            at: &self.partition,
            offset,
            written_ms: None,
            key: None,
            value: value.as_bytes(),
        };
        self.files.take(&record, now_us)
    }

    /// Starts over, as after a crash.
    fn restart(&mut self, committed: Option<i64>) -> Option<i64> {
        self.files = open(self.folder.path());
        self.files.take_on(&self.partition, committed).unwrap()
    }

    /// Names less the zeros in front, with contents.
    fn found(&self) -> Vec<(String, String)> {
        let folder = self.folder.path().join("t/0");
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut found: Vec<(String, String)> = entries
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                let short = name.replace("-0000000000000000000", "-");
                (short, std::fs::read_to_string(path).unwrap())
            })
            .collect();
        found.sort();
        found
    }
}

#[test]
fn a_file_appears_when_it_is_large_enough_or_old_enough() {
    let mut bench = Bench::new();
    assert_eq!(bench.restart(None), None);
    bench.take(0, "abc", 100);
    bench.take(1, "bad", 150);
    assert!(
        bench
            .files
            .write(Which::Due(599))
            .unwrap()
            .offsets
            .is_empty()
    );
    assert_eq!(bench.found(), []);
    let written = bench.files.write(Which::Due(600)).unwrap();
    assert_eq!((written.records, written.offsets[0].offset), (1, 2));
    bench.take(2, "123456789", 700);
    bench.files.write(Which::Due(700)).unwrap();
    assert_eq!(
        bench.found(),
        [
            ("t-0-0-2-3.jsonl".to_owned(), "abc\n".to_owned()),
            ("t-0-2-3-9.jsonl".to_owned(), "123456789\n".to_owned()),
        ]
    );
}

#[test]
fn the_folder_says_where_to_go_on_and_with_which_watermark() {
    let mut bench = Bench::new();
    bench.restart(None);
    bench.take(5, "abcd", 0);
    bench.files.write(Which::All).unwrap();
    bench.take(6, "lost with the crash", 0);
    assert_eq!(bench.restart(None), Some(6));
    assert_eq!(bench.files.open[&bench.partition].newest, EventTime(4));
    assert_eq!(bench.restart(Some(3)), Some(6), "a commit that was lost");
    assert_eq!(
        bench.restart(Some(9)),
        Some(9),
        "files that were taken away"
    );
}

#[test]
fn records_that_are_dropped_make_no_file() {
    let mut bench = Bench::new();
    bench.restart(None);
    assert_eq!(bench.take(0, "bad", 0), Taken::Invalid);
    assert_eq!(bench.take(1, "late", 0), Taken::Late);
    let written = bench.files.write(Which::All).unwrap();
    assert_eq!((written.records, bench.found().len()), (0, 0));
}

#[test]
fn who_was_thought_dead_writes_nothing_that_its_successor_has() {
    let mut bench = Bench::new();
    bench.restart(None);
    bench.take(0, "abc", 0);
    let mut successor = open(bench.folder.path());
    successor.take_on(&bench.partition, None).unwrap();
    let record = Record {
        at: &bench.partition,
        offset: 0,
        written_ms: None,
        key: None,
        value: b"abc",
    };
    successor.take(&record, 0);
    successor.write(Which::All).unwrap();
    let before = bench.found();
    let error = bench.files.write(Which::All).unwrap_err();
    assert!(error.to_string().contains("t[0] from 0"), "{error}");
    assert!(error.start_over);
    assert_eq!(bench.found(), before);
}

#[test]
fn a_partition_that_was_given_up_is_not_written() {
    let mut bench = Bench::new();
    bench.restart(None);
    bench.take(0, "abc", 0);
    bench.files.give_up(&bench.partition.clone());
    bench.files.write(Which::All).unwrap();
    assert_eq!(bench.found(), []);
}
