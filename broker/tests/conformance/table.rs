//! Runs a roster against two parts, ours and the real one, and lays the results side by side.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// One case on both parts: `Err` holds what the failed assertion said.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    embedded: Result<(), String>,
    real: Result<(), String>,
}

/// What stands around the rows.
pub(crate) struct Page {
    pub heading: &'static str,
    /// The name of the real part, for the head of its column.
    pub real: &'static str,
    pub differences: &'static str,
}

impl Row {
    /// The claim is the same for both, so agreeing means that it holds on both.
    fn agrees(&self) -> bool {
        self.embedded.is_ok() && self.real.is_ok()
    }
}

/// Runs every case on both, on several threads: cases wait for timers of groups and transactions more than
/// they compute.
pub(crate) fn run<C: Copy + Sync>(
    cases: &[(&'static str, C)],
    n_workers: usize,
    on_embedded: impl Fn(C) + Sync,
    on_real: impl Fn(C) + Sync,
) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..n_workers {
            scope.spawn(|| {
                while let Some((name, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let embedded = outcome(|| on_embedded(*case));
                    let real = outcome(|| on_real(*case));
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

/// Prints the table, writes it to `file` below `FLOODMARK_CONFORMANCE_TABLES` if that names a folder, and
/// fails where the two parts do not agree.
pub(crate) fn publish(page: &Page, rows: &[Row], file: &str) {
    let text = render(page, rows);
    println!("{text}");
    if let Ok(folder) = std::env::var("FLOODMARK_CONFORMANCE_TABLES") {
        let path = Path::new(&folder).join(file);
        std::fs::write(&path, &text)
            .unwrap_or_else(|e| panic!("writing `{}`: {e}", path.display()));
    }
    let disagreeing: Vec<_> = rows.iter().filter(|row| !row.agrees()).collect();
    assert!(
        disagreeing.is_empty(),
        "the two do not agree:\n{disagreeing:#?}"
    );
}

fn render(page: &Page, rows: &[Row]) -> String {
    let mut text = format!(
        "{}\n\n| area | claim | embedded | {} |\n|---|---|---|---|\n",
        page.heading, page.real
    );
    for row in rows {
        let (area, claim) = row.name.split_once("::").unwrap_or(("", row.name));
        let claim = claim.replace('_', " ");
        let (embedded, real) = (word(&row.embedded), word(&row.real));
        writeln!(text, "| {area} | {claim} | {embedded} | {real} |").unwrap();
    }
    text.push_str(page.differences);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_fails_on_one_side_is_no_agreement() {
        let cases = [("area::both_hold", 0), ("area::one_fails", 1)];
        let rows = run(&cases, 2, |_| {}, |case| assert_eq!(case, 0, "case {case}"));
        assert_eq!(
            rows.iter().map(Row::agrees).collect::<Vec<_>>(),
            [true, false]
        );
        let page = Page {
            heading: "## Test",
            real: "Real",
            differences: "",
        };
        let text = render(&page, &rows);
        assert!(
            text.contains("| area | both hold | holds | holds |"),
            "{text}"
        );
        assert!(
            text.contains("| area | one fails | holds | **fails** |"),
            "{text}"
        );
    }
}
