//! The time line as its script finds it, and what is there of it without the script.

use floodmark_contracts::record::SeriesRow;
use floodmark_reports::html;
use roxmltree::{Document, Node, ParsingOptions};

use crate::runs::{Scored, disturbed, empty, full, interrupted};

/// Renders the run and looks at its page.
fn with_page<T>(run: &Scored, look: impl FnOnce(&Document<'_>) -> T) -> T {
    let mut out = Vec::new();
    html(&run.input(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    look(&Document::parse_with_options(&text, options).unwrap())
}

/// The element with an id.
fn by_id<'a>(page: &'a Document<'_>, id: &str) -> Node<'a, 'a> {
    let found = page.descendants().find(|n| n.attribute("id") == Some(id));
    found.unwrap_or_else(|| panic!("nothing has the id {id}"))
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

/// The title of a group.
fn title<'a>(group: Node<'a, 'a>) -> &'a str {
    let title = group.children().find(|n| n.has_tag_name("title"));
    title.and_then(|n| n.text()).unwrap_or_default()
}

/// Two of the run's seconds with rebalances, one of them with two.
fn rebalanced() -> Scored {
    let mut run = full();
    for (t, metric, value) in [
        (199, "rebalances", 0.0),
        (200, "rebalances", 1.0),
        (400, "rebalances", 2.0),
        (400, "members", 3.0),
    ] {
        run.series.push(SeriesRow {
            t,
            metric: metric.to_owned(),
            value,
            ..SeriesRow::default()
        });
    }
    run
}

#[test]
fn every_bar_and_mark_has_a_title_and_says_its_time() {
    let run = full();
    with_page(&run, |page| {
        let time = by_id(page, "timeline-time");
        let shapes = |class: &str| -> Vec<Node<'_, '_>> {
            let of = time.descendants();
            of.filter(|n| n.attribute("class") == Some(class)).collect()
        };
        for (class, data, word) in [
            ("band-found", "data-span", "incident found"),
            ("band-missed", "data-span", "incident missed"),
            ("alert-true", "data-at", "true alert"),
            ("alert-false", "data-at", "false alert"),
        ] {
            let shapes = shapes(class);
            assert!(!shapes.is_empty(), "{class}");
            for shape in shapes {
                let group = shape.parent().unwrap();
                assert!(group.has_attribute(data), "{class}");
                assert!(title(group).contains(word), "{}", title(group));
            }
        }
        let missed = shapes("band-missed");
        let named = |id: &String| {
            let mut titles = missed.iter().map(|shape| title(shape.parent().unwrap()));
            titles.any(|title| title.contains(id.as_str()))
        };
        assert!(run.result.detection.missed.iter().all(named));
    });
}

#[test]
fn what_stands_at_a_time_is_drawn_where_that_time_is() {
    for run in [full(), empty(), interrupted(), disturbed(), rebalanced()] {
        with_page(&run, |page| {
            let time = by_id(page, "timeline-time");
            let [left, right, end] =
                ["data-left", "data-right", "data-end"].map(|name| number(time, name));
            let x = |t: f64| left + t / end * (right - left);
            for group in time.descendants().filter(|n| n.has_attribute("data-span")) {
                let span = group.attribute("data-span").unwrap();
                let [from, until, least] = span
                    .split(' ')
                    .map(|word| word.parse::<f64>().unwrap())
                    .collect::<Vec<_>>()[..]
                else {
                    panic!("{span}");
                };
                let rect = group.children().find(|n| n.has_tag_name("rect")).unwrap();
                assert!((number(rect, "x") - x(from)).abs() < 0.1, "{span}");
                let width = (x(until) - x(from)).max(least);
                assert!((number(rect, "width") - width).abs() < 0.1, "{span}");
            }
            for group in time.descendants().filter(|n| n.has_attribute("data-at")) {
                let at = x(number(group, "data-at"));
                for line in group.children().filter(|n| n.has_tag_name("line")) {
                    assert!((number(line, "x1") - at).abs() < 0.1);
                }
                for dot in group.children().filter(|n| n.has_tag_name("circle")) {
                    assert!((number(dot, "cx") - at).abs() < 0.1);
                }
            }
        });
    }
}

#[test]
fn lines_are_cut_at_the_edges_of_the_diagrams() {
    with_page(&full(), |page| {
        let clip = by_id(page, "timeline-clip");
        let rect = clip.first_element_child().unwrap();
        let time = by_id(page, "timeline-time");
        assert_eq!(number(rect, "x"), number(time, "data-left"));
        let right = number(rect, "x") + number(rect, "width");
        assert_eq!(right, number(time, "data-right"));
        let lines = time.descendants().filter(|n| n.has_tag_name("polyline"));
        let groups: Vec<_> = lines.map(|line| line.parent().unwrap()).collect();
        assert!(!groups.is_empty());
        for group in groups {
            assert_eq!(group.attribute("clip-path"), Some("url(#timeline-clip)"));
            assert!(group.has_attribute("data-points"));
        }
    });
}

#[test]
fn the_controls_are_hidden_until_the_script_shows_them_and_speak() {
    with_page(&full(), |page| {
        let controls = by_id(page, "timeline-controls");
        assert!(controls.has_attribute("hidden") && controls.has_attribute("aria-label"));
        let buttons = controls.children().filter(|n| n.has_tag_name("button"));
        let values: Vec<&str> = buttons
            .map(|button| {
                assert!(!button.text().unwrap().is_empty());
                assert_eq!(button.attribute("type"), Some("button"));
                button.attribute("value").unwrap()
            })
            .collect();
        assert_eq!(values, ["in", "out", "earlier", "later", "whole"]);
        let speaks = |n: &Node<'_, '_>| n.attribute("aria-live") == Some("polite");
        assert_eq!(controls.children().filter(speaks).count(), 1);
    });
}

#[test]
fn the_script_is_small_and_knows_the_page() {
    with_page(&full(), |page| {
        let scripts: Vec<_> = page
            .descendants()
            .filter(|n| n.has_tag_name("script"))
            .collect();
        assert_eq!(scripts.len(), 1);
        assert_eq!(scripts[0].attributes().len(), 0, "it is inline");
        let script = scripts[0].text().unwrap();
        assert!(script.len() < 8_000, "{} bytes", script.len());
        for id in [
            "timeline",
            "timeline-time",
            "timeline-controls",
            "timeline-grid",
            "timeline-ticks",
        ] {
            assert!(script.contains(&format!("\"{id}\"")), "{id}");
            by_id(page, id);
        }
    });
}

#[test]
fn rebalances_are_lines_with_diamonds_and_say_when_they_were_seen() {
    with_page(&rebalanced(), |page| {
        let is_line = |n: &Node<'_, '_>| n.attribute("class") == Some("rebalance");
        let time = by_id(page, "timeline-time");
        let groups: Vec<_> = time
            .descendants()
            .filter(is_line)
            .map(|n| n.parent().unwrap())
            .collect();
        let titles: Vec<&str> = groups.iter().map(|group| title(*group)).collect();
        let expected = [
            "a rebalance of the detector's group seen at 200 s",
            "2 rebalances of the detector's group seen at 400 s",
        ];
        assert_eq!(titles, expected);
        for group in groups {
            let has_diamond = |n: Node<'_, '_>| n.attribute("class") == Some("rebalance-mark");
            assert!(group.children().any(has_diamond));
        }
        let chart = by_id(page, "timeline");
        let mut texts = chart.descendants().filter_map(|n| n.text());
        assert!(
            texts.any(|text| text.starts_with("rebalance of the detector's group, looked for"))
        );
    });
    with_page(&full(), |page| {
        let named = |n: Node<'_, '_>| n.text().is_some_and(|text| text.contains("ebalance"));
        assert!(!by_id(page, "timeline").descendants().any(named));
    });
}

#[test]
fn the_latency_of_alerts_stands_at_the_second_in_which_they_came() {
    let run = full();
    with_page(&run, |page| {
        let time = by_id(page, "timeline-time");
        let [left, right, end] =
            ["data-left", "data-right", "data-end"].map(|name| number(time, name));
        let dots = time
            .descendants()
            .filter(|n| n.attribute("class") == Some("sent dot"));
        let mut at: Vec<i64> = dots
            .map(|dot| ((number(dot, "cx") - left) / (right - left) * end).round() as i64)
            .collect();
        at.sort_unstable();
        let appended = run.alerts.iter().map(|alert| {
            let since = alert.appended_at.offset_from(run.result.started_at).0;
            since.div_euclid(1_000_000) + 1
        });
        let mut expected: Vec<i64> = appended.collect();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(at, expected);
    });
    let mut old = full();
    old.result.event_time_origin = None;
    with_page(&old, |page| {
        let named = |n: Node<'_, '_>| n.text() == Some("latency of alerts, highest in a second");
        assert!(
            !by_id(page, "timeline").descendants().any(named),
            "not known"
        );
    });
}
