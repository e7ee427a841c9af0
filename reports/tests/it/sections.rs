//! Sections that only some reports have: the comparison, the files, and the matrix of kinds.

use std::collections::BTreeMap;

use floodmark_contracts::{
    accuracy::KindPair,
    setting::{Setting, SettingSource},
    stream::Stream,
    subject::SinkFacts,
    trouble::{StreamTroubles, Troubles},
};
use floodmark_reports::{html, summary_md, terminal};
use roxmltree::Node;
use serde_json::{Value, json};

use crate::{
    compared,
    runs::{Scored, empty, full},
    sound::{assert_sound, text_of, with_page, without_script},
};

fn page(run: &Scored) -> String {
    let mut out = Vec::new();
    html(&run.input(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The text of the element with an id; none if it is not there.
fn section(text: &str, id: &str) -> Option<String> {
    with_page(text, |page| {
        let found = page.descendants().find(|n| n.attribute("id") == Some(id));
        found.map(text_of)
    })
}

#[test]
fn a_run_that_was_compared_shows_the_verdict_the_changes_and_the_runs() {
    let mut crowded = compared::many();
    crowded.metrics.truncate(20);
    for metric in &mut crowded.metrics {
        metric.gated = true;
    }
    for (comparison, word) in [
        (compared::regressed(), "Regressed"),
        (compared::inconclusive(), "Inconclusive"),
        (compared::invalid(), "Invalid"),
        (compared::stored(), "stored runs, not in pairs"),
        (compared::empty(), "Inconclusive, only advisory"),
        (crowded, "8 more gated metrics are not drawn"),
    ] {
        let mut run = full();
        let n_gated = comparison
            .metrics
            .iter()
            .filter(|metric| metric.gated)
            .count();
        run.comparison = Some(comparison);
        let text = page(&run);
        let words = section(&text, "comparison").unwrap();
        assert!(words.contains(word), "{word}: {words}");
        let rounds = text
            .matches("class=\"chart\" id=\"comparison-rounds-")
            .count();
        assert_eq!(rounds, n_gated.min(12), "{word}");
        assert_eq!(text.matches("id=\"comparison-forest\"").count(), 1);
        assert!(text.contains("<a href=\"#comparison\">"));
        assert_sound(word, &without_script(&text));
    }
}

#[test]
fn a_run_that_was_not_compared_has_no_such_section() {
    let text = page(&full());
    assert_eq!(section(&text, "comparison"), None);
    assert!(!text.contains("#comparison"));
}

#[test]
fn links_lead_to_the_files_that_are_there_and_to_no_others() {
    let mut run = full();
    assert_eq!(section(&page(&run), "files"), None);
    let there = [
        "labels.ndjson",
        "result.json",
        "logs/subject.log",
        "notes.txt",
        "\"><script>.log",
    ];
    run.files = there.map(str::to_owned).to_vec();
    let text = page(&run);
    let links = with_page(&text, |page| {
        let links = page.descendants().filter(|n| n.has_tag_name("a"));
        let links = links.filter_map(|n| n.attribute("href"));
        let files = links.filter(|link| !link.starts_with('#'));
        files.map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(links, ["result.json", "labels.ndjson", "logs/subject.log"]);
    assert!(!text.contains("notes.txt"));
}

/// The cells of the matrix with their classes; the first row are its columns.
fn matrix(text: &str) -> Vec<Vec<(String, String)>> {
    with_page(text, |page| {
        let is_matrix = |n: &Node<'_, '_>| n.attribute("class") == Some("matrix");
        let table = page.descendants().find(is_matrix);
        let rows = table.into_iter().flat_map(|table| table.descendants());
        let rows = rows.filter(|n| n.has_tag_name("tr"));
        rows.map(|row| {
            let cells = row.children().filter(Node::is_element);
            cells
                .map(|cell| {
                    (
                        text_of(cell),
                        cell.attribute("class").unwrap_or_default().to_owned(),
                    )
                })
                .collect()
        })
        .collect()
    })
}

#[test]
fn the_matrix_of_kinds_adds_up_and_right_ones_are_framed() {
    let run = full();
    let rows = matrix(&page(&run));
    let pairs = &run.result.detection.accuracy.kinds.pairs;
    let actual: std::collections::BTreeSet<&str> =
        pairs.iter().map(|pair| pair.actual.as_str()).collect();
    assert_eq!(rows.len(), actual.len() + 1);
    let sum = |cells: &[(String, String)]| -> u64 {
        cells
            .iter()
            .map(|(text, _)| text.trim().parse().unwrap_or(0))
            .sum()
    };
    let mut all = 0;
    for row in &rows[1..] {
        let (total, cells) = row[1..].split_last().unwrap();
        assert_eq!(sum(cells), sum(std::slice::from_ref(total)), "{row:?}");
        all += sum(cells);
        let shaded =
            |(text, class): &(String, String)| text.trim().is_empty() != class.contains("shade-");
        assert!(cells.iter().all(shaded), "{row:?}");
    }
    assert_eq!(all, pairs.iter().map(|pair| pair.count).sum::<u64>());
    let framed = rows
        .iter()
        .flatten()
        .filter(|(_, class)| class.starts_with("right"));
    let n_kinds = actual.iter().filter(|name| **name != "none").count();
    assert_eq!(framed.count(), n_kinds, "one for each kind of incident");
}

#[test]
fn too_many_names_leave_the_list_and_nothing_leaves_neither() {
    let mut run = full();
    run.result.detection.accuracy.kinds.pairs = (0..20)
        .map(|i| KindPair {
            actual: format!("kind-{i:02}"),
            alerted: "none".to_owned(),
            count: 1,
        })
        .collect();
    let text = page(&run);
    assert!(matrix(&text).is_empty());
    assert!(
        section(&text, "accuracy-section")
            .unwrap()
            .contains("kind-19")
    );
    assert!(!page(&empty()).contains("Kinds against kinds"));
}

/// A run in which everything went wrong that can.
fn troubled() -> Scored {
    let mut run = full();
    let sensors = StreamTroubles {
        malformed: BTreeMap::from([("bad-json".to_owned(), 15), ("truncated".to_owned(), 5)]),
        dead_letters: Some(17),
        late: Some(1_234),
        failed: 0,
        failures: BTreeMap::new(),
    };
    let banking = StreamTroubles {
        malformed: BTreeMap::from([("bad-json".to_owned(), 2)]),
        dead_letters: Some(2),
        late: Some(0),
        failed: 40,
        failures: BTreeMap::from([("MessageTimedOut".to_owned(), 40)]),
    };
    let lake = SinkFacts {
        read: 100,
        written: 99,
        invalid: 1,
        late: 0,
        failures: 3,
    };
    run.result.troubles = Some(Troubles {
        streams: BTreeMap::from([
            (Stream::Clickstream, StreamTroubles::default()),
            (Stream::Banking, banking),
            (Stream::Sensors, sensors),
        ]),
        dead_letters: Some(19),
        garbage: 12,
        garbage_examples: vec!["anomalies[0] offset 3: expected `<` & more".to_owned()],
        reading_ended: None,
        restarts: 2,
        last_failure: Some("poll: broker is gone".to_owned()),
        refused_commits: 1,
        sinks: BTreeMap::from([
            ("lake".to_owned(), lake),
            ("quiet".to_owned(), SinkFacts::default()),
        ]),
        partial: false,
    });
    run.result.subject_lines = vec!["thread 'main' panicked".to_owned()];
    run
}

#[test]
fn what_went_wrong_stands_in_one_section() {
    let text = page(&troubled());
    assert_sound("troubled", &without_script(&text));
    let words = section(&text, "errors").unwrap();
    for shown in [
        "3 not buried",
        "all were buried",
        "1,234",
        "bad-json 17, truncated 5",
        "MessageTimedOut 40",
        "Poll: broker is gone.",
        "3 attempts to write failed and were made again, 1 record was no event or row",
        "anomalies[0] offset 3: expected `<` & more",
        "thread 'main' panicked",
    ] {
        assert!(words.contains(shown), "`{shown}` is not in {words}");
    }
    assert!(!words.contains("clickstream"), "nothing went wrong in it");
    assert!(!words.contains("Sink quiet"), "nor in that");
    // Lines of the log stand there alone, and the verdict leads to them.
    assert_eq!(text.matches("panicked").count(), 1);
    let verdict = section(&text, "verdict").unwrap();
    assert!(verdict.contains("Errors and dead letters"), "{verdict}");
}

#[test]
fn a_run_without_errors_says_so_in_a_sentence_and_only_of_what_it_knows() {
    let mut run = full();
    let words = |run: &Scored| section(&page(run), "errors").unwrap();
    assert!(words(&run).contains("This detector does not tell of dead letters"));
    let troubles = run.result.troubles.as_mut().unwrap();
    troubles.dead_letters = Some(0);
    assert!(words(&run).contains("Nothing went wrong: no dead letters"));
    run.result.troubles.as_mut().unwrap().partial = true;
    let partly = words(&run);
    assert!(
        partly.contains("Nothing is known to have gone wrong") && partly.contains("was killed"),
        "{partly}"
    );
    run.result.troubles = None;
    assert!(words(&run).contains("before errors were gathered"));
    run.result.subject_lines = vec!["the end".to_owned()];
    let shown = words(&run);
    assert!(
        shown.contains("the end") && !shown.contains("Nothing"),
        "{shown}"
    );
}

#[test]
fn texts_say_in_a_line_what_went_wrong_and_nothing_where_nothing_did() {
    let run = troubled();
    let expected = "errors: 22 malformed records sent on purpose, 19 dead letters: 3 not buried; 1,234 late events dropped; \
                    40 failed deliveries; 12 records on the topics of alerts that are no alerts; 2 restarts of the detector; \
                    1 refused commit; sink lake: 3 attempts to write failed and were made again, 1 record was no event or row\n";
    let text = terminal(&run.result);
    assert!(text.contains(expected), "{text}");
    let summary = |run: &Scored| {
        let mut out = Vec::new();
        summary_md(&run.input(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let text = summary(&run);
    assert!(
        text.contains("## Errors and dead letters\n\n- 22 malformed records"),
        "{text}"
    );
    assert!(!terminal(&full().result).contains("errors:"));
    assert!(!summary(&full()).contains("Errors and dead letters"));
}

fn setting(path: &str, value: Value, from: SettingSource, by: &str) -> Setting {
    Setting {
        path: path.to_owned(),
        value,
        from,
        by: by.to_owned(),
    }
}

#[test]
fn settings_stand_with_their_origins_those_from_outside_of_the_profile_first() {
    let mut run = full();
    assert!(!page(&run).contains("aria-label=\"Settings\""));
    run.result.settings = vec![
        setting("duration", json!("20s"), SettingSource::Profile, "a.yaml"),
        setting(
            "seed",
            json!(7),
            SettingSource::Environment,
            "FLOODMARK_SEED",
        ),
        setting(
            "client.sasl.password",
            json!("[redacted]"),
            SettingSource::ClientProperties,
            "client.properties",
        ),
        setting("name", json!("<b>&"), SettingSource::CommandLine, "--set"),
    ];
    let text = page(&run);
    assert_sound("settings", &without_script(&text));
    let rows = with_page(&text, |page| {
        let tables = page.descendants();
        let table = tables.filter(|n| n.attribute("class") == Some("settings"));
        let rows = table.flat_map(|table| table.descendants().filter(|n| n.has_tag_name("tr")));
        let cells = |row: Node<'_, '_>| {
            let cells = row.children().filter(Node::is_element).map(text_of);
            cells.map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
        };
        rows.skip(1).map(cells).collect::<Vec<_>>()
    });
    let expected = [
        ["name", "<b>&", "command line", "--set"],
        ["seed", "7", "environment", "FLOODMARK_SEED"],
        ["duration", "20s", "profile", "a.yaml"],
        [
            "client.sasl.password",
            "[redacted]",
            "client properties",
            "client.properties",
        ],
    ];
    assert_eq!(rows, expected);
}

#[test]
fn of_very_many_settings_the_page_shows_some_and_says_so() {
    let mut run = full();
    let one = |i: u32| setting(&format!("a.b{i}"), json!(i), SettingSource::Profile, "p");
    run.result.settings = (0..500).map(one).collect();
    let text = page(&run);
    assert_eq!(text.matches("<code>a.b").count(), 200);
    assert!(
        section(&text, "verdict")
            .unwrap()
            .contains("300 more are in")
    );
}
