//! The index of many runs.

use floodmark_contracts::{clock::WallTime, result::RunResult};
use floodmark_reports::{IndexEntry, index_html};

use crate::{
    compared::written,
    runs::{empty, full, interrupted, invalid},
    sound::{assert_sound, text_of, with_page},
};

/// A run of each outcome, and some more of one profile; oldest first.
fn results() -> Vec<RunResult> {
    let mut results = vec![
        full().result,
        empty().result,
        invalid().result,
        interrupted().result,
    ];
    for number in 0..12 {
        let mut run = full().result;
        let recall = run.metrics.get_mut("detection.recall").unwrap();
        recall.value = Some(0.8 + f64::from(number % 5) * 0.02);
        results.push(run);
    }
    for (hour, run) in (0i64..).zip(&mut results) {
        run.started_at = WallTime(run.started_at.0 + hour * 3_600_000_000);
    }
    results
}

fn page(name: &str, entries: &[IndexEntry<'_>]) -> String {
    let text = written(&format!("index-{name}.html"), |out| {
        index_html(entries, out)
    });
    assert_sound(name, &text);
    text
}

#[test]
fn runs_stand_newest_first_and_lead_to_their_reports() {
    let results = results();
    let folders: Vec<String> = (0..results.len()).map(|i| format!("run {i}")).collect();
    let entries: Vec<IndexEntry<'_>> = folders
        .iter()
        .zip(&results)
        .map(|(folder, result)| IndexEntry { folder, result })
        .collect();
    let text = page("full", &entries);
    with_page(&text, |page| {
        let links: Vec<_> = page.descendants().filter(|n| n.has_tag_name("a")).collect();
        let names: Vec<&str> = links.iter().filter_map(|n| n.text()).collect();
        let newest: Vec<&str> = folders.iter().rev().map(String::as_str).collect();
        assert_eq!(names, newest);
        assert_eq!(links[0].attribute("href"), Some("./run%2015/report.html"));
        let rows: Vec<String> = page
            .descendants()
            .filter(|n| n.has_tag_name("tr"))
            .map(|n| text_of(n).split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        insta::assert_snapshot!(rows[13..].join("\n"), @r"
        run 3 2025-06-15 18:06:40 UTC ‖ Interrupted valid – – – – 400/s synthetic bundled embedded
        run 2 2025-06-15 17:06:40 UTC ! Invalid invalid 0.000 – – – 100/s synthetic bundled embedded
        run 1 2025-06-15 16:06:40 UTC ✓ Passed valid – – – – – synthetic bundled embedded
        run 0 2025-06-15 15:06:40 UTC ✗ Gate failed valid 0.903 0.867 0.884 – 1,100/s three-streams bundled embedded
        Figure Trend First Latest
        Recall Trend of Recall 0 of 2 values are known. – –
        Precision Trend of Precision 0 of 2 values are known. – –
        F1 Trend of F1 0 of 2 values are known. – –
        Alerts p99 Trend of Alerts p99 0 of 2 values are known. – –
        Consumed Trend of Consumed 1 of 2 values are known. 400/s 400/s
        Figure Trend First Latest
        Recall Trend of Recall 13 of 13 values are known. 0.903 0.820
        Precision Trend of Precision 13 of 13 values are known. 0.867 0.867
        F1 Trend of F1 13 of 13 values are known. 0.884 0.884
        Alerts p99 Trend of Alerts p99 0 of 13 values are known. – –
        Consumed Trend of Consumed 13 of 13 values are known. 1,100/s 1,100/s
        ");
    });
}

#[test]
fn an_index_of_nothing_says_so() {
    let text = page("none", &[]);
    assert!(text.contains("There are none."), "{text}");
    assert!(!text.contains("Trends"), "{text}");
}

#[test]
fn names_of_folders_and_profiles_are_no_markup_and_lead_nowhere_else() {
    let mut run = full().result;
    run.profile = "<b>&\u{202e}".to_owned();
    run.subject = "\"><i>".to_owned();
    run.metrics.clear();
    let entry = IndexEntry {
        folder: "javascript:alert(1)//\"><u>",
        result: &run,
    };
    let text = page("hostile", &[entry, entry]);
    assert!(!text.contains("<b>&") && !text.contains("<i>") && !text.contains("<u>"));
    assert!(!text.contains("href=\"javascript"), "{text}");
}
