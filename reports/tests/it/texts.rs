//! The Markdown summary and the table for the terminal.

use floodmark_reports::{detection_table, summary_md, terminal};

use crate::runs::{Scored, empty, full, interrupted, invalid};

fn summary(run: &Scored) -> String {
    let mut out = Vec::new();
    summary_md(&run.input(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_terminal_shows_rates_latencies_scores_and_gates() {
    insta::assert_snapshot!(terminal(&full().result), @"");
}

#[test]
fn the_terminal_shows_an_empty_run() {
    insta::assert_snapshot!(terminal(&empty().result), @"");
}

#[test]
fn the_summary_of_a_failed_run_says_what_to_do() {
    insta::assert_snapshot!(summary(&full()), @"");
}

#[test]
fn the_summary_of_an_invalid_run_leads_with_the_reason() {
    insta::assert_snapshot!(summary(&invalid()), @"");
}

#[test]
fn the_summary_of_an_interrupted_run_says_so() {
    let text = summary(&interrupted());
    assert!(text.starts_with("# ‖ Interrupted: synthetic"), "{text}");
    assert!(text.contains("Run it again to the end"), "{text}");
    assert!(
        text.contains("its figure is undefined in this run"),
        "{text}"
    );
}

#[test]
fn the_detection_table_stands_alone() {
    let run = full();
    let table = detection_table(&run.result.detection);
    assert!(terminal(&run.result).contains(&table));
    assert_eq!(table.lines().count(), 8);
}
