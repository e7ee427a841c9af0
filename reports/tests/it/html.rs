//! The HTML report: well formed, complete, self-contained, and there on bad days too.

use floodmark_contracts::{kind::Kind, stream::Stream};
use floodmark_reports::html;
use roxmltree::{Document, ParsingOptions};

use crate::runs::{Scored, disturbed, empty, full, interrupted, invalid};

fn render(run: &Scored) -> String {
    let mut out = Vec::new();
    html(&run.input(), &mut out).unwrap();
    // To look at: FLOODMARK_REPORT_OUT=/tmp/x cargo test -p floodmark-reports -- html
    if let Some(dir) = std::env::var_os("FLOODMARK_REPORT_OUT") {
        let name = format!("{}-{:?}.html", run.result.profile, run.result.outcome);
        std::fs::write(std::path::Path::new(&dir).join(name), &out).unwrap();
    }
    String::from_utf8(out).unwrap()
}

/// Parses the page as XML, which HTML need not be, but ours is: no unclosed element hides in it.
fn with_page(run: &Scored, check: impl FnOnce(&Document<'_>)) {
    let text = render(run);
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let page = Document::parse_with_options(&text, options)
        .unwrap_or_else(|error| panic!("page is not well formed: {error}"));
    check(&page);
}

fn text_of(page: &Document<'_>) -> String {
    page.descendants()
        .filter_map(|node| node.text())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn every_run_gives_a_page_with_a_verdict_and_its_charts() {
    // Three, and time to detect where an incident counts.
    for (run, word, n_charts) in [
        (full(), "Gate failed", 4),
        (empty(), "Passed", 3),
        (invalid(), "Invalid", 4),
        (interrupted(), "Interrupted", 3),
    ] {
        with_page(&run, |page| {
            assert!(text_of(page).contains(word), "{word}");
            let charts: Vec<_> = page
                .descendants()
                .filter(|n| n.has_tag_name(("http://www.w3.org/2000/svg", "svg")))
                .collect();
            assert_eq!(charts.len(), n_charts, "{word}");
            for chart in charts {
                let names: Vec<&str> = chart
                    .children()
                    .map(|n| n.tag_name().name())
                    .take(2)
                    .collect();
                assert_eq!(names, ["title", "desc"], "{word}");
            }
        });
    }
}

#[test]
fn the_page_fetches_nothing_and_needs_no_script() {
    let text = render(&full());
    let without_names = text.replace("http://www.w3.org/2000/svg", "");
    for forbidden in [
        "http://",
        "https://",
        "@import",
        "onload",
        "onclick",
        "javascript:",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "import(",
        "eval(",
        "innerHTML",
        "Storage",
    ] {
        assert!(!without_names.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn ids_are_unique_and_every_link_leads_somewhere() {
    with_page(&full(), |page| {
        let mut ids: Vec<&str> = page
            .descendants()
            .filter_map(|n| n.attribute("id"))
            .collect();
        for link in page.descendants().filter_map(|n| n.attribute("href")) {
            if let Some(target) = link.strip_prefix('#') {
                assert!(ids.contains(&target), "{link}");
            }
        }
        for labelled in page
            .descendants()
            .filter_map(|n| n.attribute("aria-labelledby"))
        {
            assert!(
                labelled.split(' ').all(|id| ids.contains(&id)),
                "{labelled}"
            );
        }
        let n = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), n, "an id is there twice");
    });
}

#[test]
fn tables_have_headers_and_rows_of_one_width() {
    with_page(&full(), |page| {
        assert_eq!(page.root_element().attribute("lang"), Some("en"));
        let tables: Vec<_> = page
            .descendants()
            .filter(|n| n.has_tag_name("table"))
            .collect();
        assert_eq!(tables.len(), 10);
        for table in tables {
            let rows: Vec<_> = table
                .descendants()
                .filter(|n| n.has_tag_name("tr"))
                .collect();
            let cells = |row: &roxmltree::Node<'_, '_>| {
                row.children()
                    .filter(|n| n.has_tag_name("td") || n.has_tag_name("th"))
                    .count()
            };
            assert!(rows.iter().all(|row| cells(row) == cells(&rows[0])));
            let scoped = |n: &roxmltree::Node<'_, '_>| n.has_attribute("scope");
            assert!(
                table
                    .descendants()
                    .filter(|n| n.has_tag_name("th"))
                    .all(|n| scoped(&n))
            );
        }
    });
}

#[test]
fn missed_incidents_and_false_alerts_are_listed_with_what_is_known() {
    let run = full();
    with_page(&run, |page| {
        let text = text_of(page);
        assert!(!run.result.detection.missed.is_empty());
        for id in &run.result.detection.missed {
            assert!(text.contains(id.as_str()), "{id}");
        }
        assert!(text.contains("false-3") && text.contains("requests") && text.contains("118"));
        let lists: Vec<_> = page
            .descendants()
            .filter(|n| n.attribute("class") == Some("list"))
            .collect();
        let rows = |i: usize| lists[i].children().filter(|n| n.has_tag_name("li")).count();
        let detection = &run.result.detection;
        assert_eq!(
            [rows(0), rows(1)],
            [detection.missed.len(), detection.false_alerts.len()]
        );
    });
}

#[test]
fn ids_that_only_machines_read_are_cut_in_the_row_and_whole_behind_it() {
    let mut run = full();
    let id = "c15a5209ddf9c9a5ef9cd7bc42e4e303";
    let wrong = run.alerts.iter_mut().find(|a| a.alert.id == "false-3");
    wrong.unwrap().alert.id = id.to_owned();
    let text = render(&run);
    assert!(text.contains("<code>c15a5209ddf9…</code>"));
    assert!(text.contains(&format!("<dt>id</dt><dd>{id}</dd>")));
}

#[test]
fn values_in_backticks_are_shown_as_code() {
    let mut run = full();
    run.result
        .warnings
        .push("a higher `count < 5` helps".to_owned());
    let text = render(&run);
    assert!(text.contains("<li>A higher <code>count &lt; 5</code> helps.</li>"));
}

#[test]
fn what_is_undefined_says_so_and_no_chance_stands_alone() {
    with_page(&empty(), |page| {
        let text = text_of(page);
        assert!(text.contains("undefined") && !text.contains("NaN"));
        assert!(text.contains("no time series was recorded"));
        assert!(text.contains("no incidents and no alerts"));
        assert!(!text.contains("at\u{a0}random"));
    });
    with_page(&full(), |page| {
        assert!(text_of(page).contains("at\u{a0}random"));
    });
}

#[test]
fn the_time_line_tells_found_from_missed_and_true_from_false_by_shape() {
    let run = full();
    with_page(&run, |page| {
        let count = |class: &str| {
            let is = |n: &roxmltree::Node<'_, '_>| n.attribute("class") == Some(class);
            page.descendants().filter(is).count() as u64
        };
        let overall = &run.result.detection.overall;
        // One of each stands in the legend.
        assert_eq!(count("band-missed") - 1, overall.labels - overall.detected);
        assert_eq!(count("band-found") - 1, overall.detected);
        assert_eq!(
            count("alert-false") - 1,
            overall.alerts - overall.true_alerts
        );
        assert_eq!(
            count("estimate") - 1,
            2 * 7,
            "recall and precision of six kinds and of all"
        );
    });
}

#[test]
fn names_from_outside_cannot_break_out_of_their_place() {
    let mut run = full();
    let evil = "</td><script>alert(1)</script>\"&\u{1b}[2J\u{0}\u{202e}";
    run.result.profile = evil.to_owned();
    run.result.reproduce = evil.to_owned();
    run.result.subject = evil.to_owned();
    run.result.broker = evil.to_owned();
    run.result.warnings.push(format!("`{evil}` and {evil}"));
    for label in &mut run.labels {
        label.keys[0].id = evil.to_owned();
    }
    for alert in &mut run.alerts {
        alert.alert.detector = evil.to_owned();
        alert.alert.kind = Some(evil.to_owned());
        alert.alert.evidence.insert(evil.to_owned(), evil.into());
    }
    let text = render(&run);
    assert_eq!(text.matches("<script").count(), 1, "ours alone");
    assert!(!text.contains("<script>alert"));
    assert!(!text.contains(['\u{1b}', '\u{0}', '\u{202e}']));
    with_page(&run, |page| {
        assert!(text_of(page).contains("<script>alert(1)"))
    });
}

#[test]
fn a_long_run_with_thousands_of_incidents_stays_small() {
    let mut run = full();
    for i in 0..20_000i64 {
        let mut more = run.labels[0].clone();
        more.id = format!("more-{i}");
        more.first_sent.0 = i * 30_000;
        more.last_sent.0 = more.first_sent.0 + 10_000;
        more.kind = Kind::ALL[(i % 12).unsigned_abs() as usize];
        run.labels.push(more);
        let mut wrong = run.alerts[0].clone();
        wrong.alert.id = format!("wrong-{i}");
        wrong.alert.key.id = "nobody".to_owned();
        wrong.appended_at.0 = run.result.started_at.0 + i * 30_000;
        run.alerts.push(wrong);
    }
    let size = render(&run).len();
    assert!(size < 1_000_000, "{size} bytes");
}

#[test]
fn disorder_is_shown_beside_what_was_asked_and_only_where_there_is_any() {
    let mut run = full();
    let quiet = render(&run);
    assert!(!quiet.contains("Behind the watermark"));
    let disorder = run.result.disorder.get_mut(&Stream::Sensors).unwrap();
    disorder.late.asked = Some(0.01);
    disorder.late.found = 0.0123;
    disorder.beyond_watermark = Some(0.005);
    disorder.malformed = 17;
    with_page(&run, |page| {
        let text = text_of(page);
        for shown in ["Behind the watermark", "1.2 % (1.0 %)", "0.50 %"] {
            assert!(text.contains(shown), "{shown}");
        }
    });
    // Malformed records stand with the errors, against the dead letters.
    run.result.disorder = full().result.disorder;
    let disorder = run.result.disorder.get_mut(&Stream::Sensors).unwrap();
    disorder.malformed = 17;
    assert!(!render(&run).contains("Behind the watermark"));
}

#[test]
fn faults_are_shaded_on_the_time_line_and_told_with_their_recovery() {
    let quiet = render(&full());
    assert!(!quiet.contains("class=\"fault\"") && !quiet.contains("Recovery"));
    let run = disturbed();
    // One of them stands in the legend.
    assert_eq!(render(&run).matches("class=\"fault\"").count(), 2 + 1);
    with_page(&run, |page| {
        let text = text_of(page);
        for shown in [
            "broker-kill",
            "100 to 105 s",
            "7.00 s",
            "undefined",
            "not within",
            "90,000",
            "SIGKILL to process 7 & more",
        ] {
            assert!(text.contains(shown), "{shown}");
        }
    });
}
