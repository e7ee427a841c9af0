use std::time::Duration;

use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use futures_util::TryStreamExt as _;
use iceberg::{io::FileIO, table::StaticTable};

use super::*;
use crate::{
    connect::{
        Destination as _, Record, Taken, Which,
        files::{Content, Files},
    },
    settings::Roll,
};
use floodmark_contracts::profile::detector::sinks::FileFormat;

/// Lines of the value itself, with these columns.
#[derive(Clone, Copy)]
struct Events(&'static [Column]);

const COLUMNS: &[Column] = &[Column("id", Holds::Text), Column("at", Holds::Instant)];

impl Content for Events {
    fn columns(&self) -> &'static [Column] {
        self.0
    }

    fn take(&mut self, value: &[u8], newest: &mut EventTime, out: &mut Vec<u8>) -> Taken {
        newest.0 = newest.0.max(7);
        out.extend_from_slice(value);
        out.push(b'\n');
        Taken::Kept
    }
}

/// A member of a group that writes into a table.
struct Member {
    files: Files<Events>,
    topic: &'static str,
}

impl Member {
    fn new(folder: &std::path::Path, columns: &'static [Column]) -> Self {
        let roll = Roll {
            format: FileFormat::Iceberg,
            size: 1 << 20,
            age: Duration::from_micros(500),
        };
        let place = Place::Folder(folder.to_owned());
        Self {
            files: Files::open(&place, roll, Events(columns)).unwrap(),
            topic: "t",
        }
    }

    fn take_on(&mut self, partition: i32) -> Option<i64> {
        let partition = TopicPartition::new(self.topic, partition);
        self.files.take_on(&partition, None).unwrap()
    }

    fn take(&mut self, partition: i32, offset: i64, at: &str) {
        let line = format!(r#"{{"id":"{partition}.{offset}","at":"2025-06-{at}Z"}}"#);
        let record = Record {
            at: &TopicPartition::new(self.topic, partition),
            offset,
            written_ms: None,
            key: None,
            value: line.as_bytes(),
        };
        assert_eq!(self.files.take(&record, 0), Taken::Kept);
    }

    fn write(&mut self) -> std::result::Result<u64, SinkError> {
        Ok(self.files.write(Which::All)?.records)
    }
}

fn metadata(folder: &std::path::Path, version: u64) -> std::path::PathBuf {
    folder.join(format!("metadata/v{version}.metadata.json"))
}

/// The ids in each file of a version of the table, by the days of its files. Found with the library's own file
/// system and scan, not with ours.
fn found(folder: &std::path::Path, version: u64) -> Vec<(String, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tasks: Vec<iceberg::scan::FileScanTask> = runtime.block_on(async {
        let file = format!("file://{}", metadata(folder, version).display());
        let name = TableIdent::from_strs(["a", "b"]).unwrap();
        let table = StaticTable::from_metadata_file(&file, name, FileIO::new_with_fs());
        let scan = table.await.unwrap().scan().build().unwrap();
        let files = scan.plan_files().await.unwrap();
        files.try_collect().await.unwrap()
    });
    let mut found: Vec<(String, String)> = tasks
        .iter()
        .map(|task| {
            let path = task.data_file_path.strip_prefix("file://").unwrap();
            let day = path.split('/').rev().nth(1).unwrap().to_owned();
            let file = std::fs::File::open(path).unwrap();
            assert_eq!(file.metadata().unwrap().len(), task.file_size_in_bytes);
            let reader = SerializedFileReader::new(file).unwrap();
            let rows = reader.get_row_iter(None).unwrap();
            let ids: Vec<String> = rows
                .map(|row| row.unwrap().get_column_iter().next().unwrap().1.to_string())
                .collect();
            (day, ids.join(" ").replace('"', ""))
        })
        .collect();
    found.sort();
    found
}

fn all(folder: &std::path::Path, version: u64) -> String {
    let found = found(folder, version);
    let mut ids: Vec<&str> = found.iter().flat_map(|(_, ids)| ids.split(' ')).collect();
    ids.sort_unstable();
    ids.join(" ")
}

#[test]
fn one_commit_adds_what_all_partitions_have_in_files_by_day() {
    let folder = tempfile::tempdir().unwrap();
    let mut member = Member::new(folder.path(), COLUMNS);
    assert_eq!((member.take_on(0), member.take_on(1)), (None, None));
    member.take(0, 0, "10T23:59:59.999");
    member.take(0, 1, "11T00:00:00.000");
    member.take(1, 5, "11T12:00:00.000");
    assert_eq!(member.write().unwrap(), 3);
    let by_day = |day: &str, ids: &str| (format!("at_day=2025-06-{day}"), ids.to_owned());
    assert_eq!(
        found(folder.path(), 2),
        [
            by_day("10", "0.0"),
            by_day("11", "0.1"),
            by_day("11", "1.5")
        ]
    );
    let hint = std::fs::read_to_string(folder.path().join("metadata/version-hint.text"));
    assert_eq!(hint.unwrap(), "2");
    assert_eq!(member.write().unwrap(), 0);
    assert!(!metadata(folder.path(), 3).exists(), "a commit of nothing");
}

#[test]
fn the_table_says_where_to_go_on_and_with_which_watermark() {
    let folder = tempfile::tempdir().unwrap();
    let mut member = Member::new(folder.path(), COLUMNS);
    member.take_on(0);
    member.take(0, 4, "10T00:00:00.000");
    member.write().unwrap();
    member.take(0, 5, "10T00:00:00.000");
    // It crashes; and the hint was lost before.
    std::fs::remove_file(folder.path().join("metadata/version-hint.text")).unwrap();
    let mut member = Member::new(folder.path(), COLUMNS);
    assert_eq!((member.take_on(0), member.take_on(1)), (Some(5), None));
    let open = &member.files.open[&TopicPartition::new("t", 0)];
    assert_eq!(open.newest, EventTime(7));
    member.take(0, 5, "10T00:00:00.000");
    member.write().unwrap();
    assert_eq!(all(folder.path(), 3), "0.4 0.5");
}

#[test]
fn who_was_thought_dead_adds_nothing_that_its_successor_has() {
    let folder = tempfile::tempdir().unwrap();
    let [mut dead, mut successor] = [(); 2].map(|()| Member::new(folder.path(), COLUMNS));
    for member in [&mut dead, &mut successor] {
        member.take_on(0);
        member.take(0, 0, "10T00:00:00.000");
    }
    successor.take(0, 1, "10T00:00:00.000");
    successor.write().unwrap();
    let error = dead.write().unwrap_err();
    assert!(
        error.start_over && error.to_string().contains("t[0] from 0"),
        "{error}"
    );
    assert!(!metadata(folder.path(), 3).exists());
    assert_eq!(all(folder.path(), 2), "0.0 0.1");
}

#[test]
fn members_with_partitions_of_their_own_commit_on_top_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut writers = Vec::new();
    for partition in 0..4 {
        let folder = folder.path().to_owned();
        writers.push(std::thread::spawn(move || {
            let mut member = Member::new(&folder, COLUMNS);
            member.take_on(partition);
            for offset in 0..5 {
                member.take(partition, offset, "10T00:00:00.000");
                member.write().unwrap();
            }
        }));
    }
    for writer in writers {
        writer.join().unwrap();
    }
    let expected: Vec<String> = (0..4)
        .flat_map(|partition| (0..5).map(move |offset| format!("{partition}.{offset}")))
        .collect();
    // The first version is empty, and each commit makes one.
    assert_eq!(all(folder.path(), 21), expected.join(" "));
}

#[test]
fn a_table_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut member = Member::new(folder.path(), COLUMNS);
    member.take_on(0);
    member.take(0, 0, "10T00:00:00.000");
    member.write().unwrap();
    for (columns, expected) in [
        (
            &[Column("at", Holds::Instant), Column("id", Holds::Whole)][..],
            "`id` of the type `long`",
        ),
        (
            &[Column("at", Holds::Instant), Column("key", Holds::Text)][..],
            "`key` of the type",
        ),
        (&[Column("id", Holds::Text)][..], "is an instant"),
    ] {
        let mut other = Member::new(folder.path(), columns);
        other.take_on(1);
        other.take(1, 0, "10T00:00:00.000");
        let error = crate::restarts::chain(&other.write().unwrap_err());
        assert!(error.contains(expected), "{error}");
    }
    assert!(!metadata(folder.path(), 3).exists());
}

#[test]
fn a_mark_that_cannot_be_read_stops_the_sink_rather_than_adding_everything_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut member = Member::new(folder.path(), COLUMNS);
    member.take_on(0);
    member.take(0, 0, "10T00:00:00.000");
    member.write().unwrap();
    let file = metadata(folder.path(), 2);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"1,7\""), "{text}");
    std::fs::write(&file, text.replace("\"1,7\"", "\"1\"")).unwrap();
    let mut member = Member::new(folder.path(), COLUMNS);
    let partition = TopicPartition::new("t", 0);
    let error = member.files.take_on(&partition, None).unwrap_err();
    let error = crate::restarts::chain(&error);
    assert!(error.contains("`floodmark.t.0` is `1`"), "{error}");
}
