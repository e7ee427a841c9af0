//! Sections that only some reports have: the comparison, the files, and the matrix of kinds.

use floodmark_contracts::accuracy::KindPair;
use floodmark_reports::html;
use roxmltree::Node;

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
