//! Runs the roster against both brokers and lays the results side by side.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::Case;
use crate::target::{Target, on_embedded};

/// Cases wait for group timers and transactions more than they compute.
const WORKERS: usize = 4;

/// One case on both brokers: `Err` holds what the failed assertion said.
#[derive(Debug)]
pub struct Row {
    name: &'static str,
    embedded: Result<(), String>,
    real: Result<(), String>,
}

impl Row {
    /// The claim is the same for both, so agreeing means that it holds on both.
    pub fn agrees(&self) -> bool {
        self.embedded.is_ok() && self.real.is_ok()
    }
}

/// Runs every case on an embedded broker of its own and on the one at `bootstrap`.
pub fn run(cases: &[(&'static str, Case)], bootstrap: &str) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((name, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let embedded = outcome(|| on_embedded(*case));
                    let real = outcome(|| case(&Target::new(bootstrap)));
                    rows.lock().unwrap().push(Row {
                        name,
                        embedded,
                        real,
                    });
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    let rank = |row: &Row| cases.iter().position(|(name, _)| *name == row.name);
    rows.sort_by_key(rank);
    rows
}

/// The table as a page of the documentation.
pub fn render(rows: &[Row]) -> String {
    let mut text = String::from(PREFACE);
    for row in rows {
        let (area, claim) = row.name.split_once("::").unwrap_or(("", row.name));
        let claim = claim.replace('_', " ");
        let (embedded, real) = (word(&row.embedded), word(&row.real));
        writeln!(text, "| {area} | {claim} | {embedded} | {real} |").unwrap();
    }
    text.push_str(DIFFERENCES);
    text
}

fn outcome(run: impl FnOnce()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "a panic without a message".to_owned())
    })
}

fn word(result: &Result<(), String>) -> &'static str {
    if result.is_ok() { "holds" } else { "**fails**" }
}

const PREFACE: &str = "\
# Conformance of the embedded broker

Generated: `ci/conformance` runs the suite of `broker/tests/conformance` against the embedded broker and against
Apache Kafka 4.3.1 and writes this page. Each line is one claim, checked in the same way on both.

| area | claim | embedded | real Kafka |
|---|---|---|---|
";

const DIFFERENCES: &str = "
## Where the two differ on purpose

| what | embedded | real Kafka 4.3 | why |
|---|---|---|---|
| versions on offer | Produce 3-9, Fetch 4-12, Metadata 0-9, TxnOffsetCommit 0-3, EndTxn 0-3 | later ones as well | what the later versions add (topic ids, transactions of the second kind) is not served, and clients fall back by themselves |
| finalised features | none | `group.version`, `transaction.version`, ... | as above: a client that sees none uses the classic group protocol and the first transaction protocol |
| full memory | producers wait | the disk fills | records are held in memory and are never dropped |
| restart | empty | keeps its data | it is for benchmarks and tests |
";
