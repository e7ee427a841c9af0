//! The charts of the page: their texts, and how many shapes of each class they hold.

use std::collections::BTreeMap;

use floodmark_reports::html;
use roxmltree::{Document, Node, ParsingOptions};

use crate::runs::{Scored, empty, full, interrupted, with_difficulty};

/// Renders the run and looks at one of its charts.
fn with_chart<T>(run: &Scored, id: &str, look: impl FnOnce(Node<'_, '_>) -> T) -> T {
    let mut out = Vec::new();
    html(&run.input(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let page = Document::parse_with_options(&text, options).unwrap();
    let chart = page.descendants().find(|n| n.attribute("id") == Some(id));
    look(chart.unwrap())
}

/// Everything in a chart, in groups or not, but what only others refer to.
fn shapes_of<'a, 'b>(chart: Node<'a, 'b>) -> impl Iterator<Item = Node<'a, 'b>> {
    let shapes = chart.descendants().skip(1).filter(Node::is_element);
    shapes.filter(|n| {
        !n.ancestors()
            .skip(1)
            .any(|above| above.has_tag_name("defs"))
    })
}

/// The description, the texts in order, and the shapes by class.
fn outline(run: &Scored, id: &str) -> String {
    with_chart(run, id, |chart| {
        let text = |n: Node<'_, '_>| n.text().unwrap_or_default().to_owned();
        let mut shapes: BTreeMap<String, u32> = BTreeMap::new();
        let mut lines = Vec::new();
        for node in shapes_of(chart) {
            match node.tag_name().name() {
                "title" | "desc" if node.parent() == Some(chart) => lines.push(text(node)),
                // Those of groups have tests of their own.
                "title" | "g" => (),
                "text" => lines.push(format!("  {}", text(node))),
                name => {
                    let class = node.attribute("class").unwrap_or("-");
                    *shapes.entry(format!("{name} {class}")).or_default() += 1;
                }
            }
        }
        lines.extend(shapes.iter().map(|(shape, n)| format!("{n} {shape}")));
        lines.join("\n")
    })
}

#[test]
fn the_time_line_holds_rates_lag_lateness_and_a_lane_per_kind() {
    insta::assert_snapshot!(outline(&full(), "timeline"), @r#"
    Time line of the run
    Rates, lag and latencies over 612 seconds of wall time; below, 72 incidents by kind, 65 of them found, and 75 alerts, 10 of them false. The tables of this report hold the same figures.
      offered
      sent
      acknowledged
      consumed
      0
      500
      1,000
      1,500
      events per second
      0
      2,000
      4,000
      lag, records
      0 µs
      2.00 s
      4.00 s
      latency of alerts, highest in a second
      0 µs
      10.0 ms
      20.0 ms
      send lateness, highest
      incidents and alerts
      traffic-spike
      bot
      credential-stuffing
      account-takeover
      sensor-spike
      drop-out
      other alerts
      last event due
      0 s
      100 s
      200 s
      300 s
      400 s
      500 s
      600 s
      wall time since the start of the run
      incident found
      missed
      not scored
      true alert
      false alert
      alert not scored
    1 circle alert-left-out
    72 circle sent dot
    2 defs -
    5 line axis
    27 line grid
    1 line mark
    1 line series acked
    1 line series consumed
    1 line series offered
    1 line series sent
    11 path alert-false
    66 polygon alert-true
    1 polygon lag fill
    1 polygon lateness fill
    1 polyline series acked
    1 polyline series consumed
    1 polyline series lag
    1 polyline series lateness
    1 polyline series offered
    1 polyline series sent
    66 rect band-found
    1 rect band-left-out
    8 rect band-missed
    "#);
}

#[test]
fn the_time_line_of_an_empty_run_says_what_is_missing() {
    insta::assert_snapshot!(outline(&empty(), "timeline"), @r#"
    Time line of the run
    Rates, lag and latencies over 1.00 seconds of wall time; below, 0 incidents by kind, 0 of them found, and 0 alerts, 0 of them false. The tables of this report hold the same figures.
      0
      0.500
      1.00
      events per second
      no time series was recorded
      incidents and alerts
      no incidents and no alerts
      0 s
      0.200 s
      0.400 s
      0.600 s
      0.800 s
      1 s
      wall time since the start of the run
      incident found
      missed
      not scored
      true alert
      false alert
      alert not scored
    1 circle alert-left-out
    2 defs -
    2 line axis
    9 line grid
    1 path alert-false
    1 polygon alert-true
    1 rect band-found
    1 rect band-left-out
    1 rect band-missed
    "#);
}

#[test]
fn the_percentile_curves_name_the_shares_that_people_ask_for() {
    insta::assert_snapshot!(outline(&full(), "latency"), @r#"
    Latency percentiles
    Medians: send_lateness 717 µs, acknowledge 6.49 ms, alert 1.85 s, detect 7.52 s. The table below holds the percentiles.
      1 µs
      10 µs
      100 µs
      1 ms
      10 ms
      100 ms
      1 s
      10 s
      0 %
      50 %
      90 %
      99 %
      99.9 %
      share of values that are at most this slow
      send_lateness
      acknowledge
      alert
      detect
    1 line axis
    13 line grid
    1 line series acked
    1 line series base
    1 line series consumed
    1 line series sent
    1 polyline series acked
    1 polyline series base
    1 polyline series consumed
    1 polyline series sent
    "#);
}

#[test]
fn curves_without_values_are_named_as_such() {
    insta::assert_snapshot!(outline(&empty(), "latency"), @r#"
    Latency percentiles
    No latency was measured.
      1 ms
      10 ms
      100 ms
      1 s
      0 %
      50 %
      90 %
      share of values that are at most this slow
      send_lateness (no values)
      acknowledge (no values)
      alert (no values)
      detect (no values)
      no latency was measured
    1 line axis
    7 line grid
    1 line series acked
    1 line series base
    1 line series consumed
    1 line series sent
    "#);
}

#[test]
fn recall_and_precision_stand_side_by_side_per_kind() {
    insta::assert_snapshot!(outline(&full(), "accuracy"), @r#"
    Recall and precision per kind
    Over all kinds: recall 0.903, precision 0.867, over 72 incidents. The table below holds each kind.
      Recall
      0
      0
      0.25
      0.25
      0.5
      0.5
      0.75
      0.75
      1
      1
      Precision
      0
      0
      0.25
      0.25
      0.5
      0.5
      0.75
      0.75
      1
      1
      all kinds
      traffic-spike
      bot
      credential-stuffing
      account-takeover
      sensor-spike
      drop-out
      value with its 95 % interval
      alerts placed at random at the same rate
    15 circle estimate
    1 line axis
    10 line grid
    43 line interval
    15 polygon chance
    "#);
}

/// Numbers of an attribute such as `points`.
fn numbers(text: &str) -> Vec<f64> {
    text.split([' ', ','])
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().unwrap())
        .collect()
}

#[test]
fn every_shape_stands_inside_of_its_chart() {
    for run in [full(), empty(), interrupted()] {
        for id in ["timeline", "latency", "accuracy"] {
            with_chart(&run, id, |chart| {
                let view = numbers(chart.attribute("viewBox").unwrap());
                let inside = |value: f64, size: f64| (0.0..=size).contains(&value);
                for node in shapes_of(chart) {
                    for (name, size) in [
                        ("x", view[2]),
                        ("x1", view[2]),
                        ("x2", view[2]),
                        ("cx", view[2]),
                        ("y", view[3]),
                        ("y1", view[3]),
                        ("y2", view[3]),
                        ("cy", view[3]),
                    ] {
                        if let Some(value) = node.attribute(name) {
                            assert!(inside(value.parse().unwrap(), size), "{id}: {node:?}");
                        }
                    }
                    let points = numbers(node.attribute("points").unwrap_or_default());
                    for point in points.chunks(2) {
                        let inside = inside(point[0], view[2]) && inside(point[1], view[3]);
                        assert!(inside, "{id}: {point:?} of {node:?}");
                    }
                }
            });
        }
    }
}

#[test]
fn what_an_interrupted_run_never_came_to_is_not_drawn() {
    let mut run = interrupted();
    let drawn = |run: &Scored| {
        with_chart(run, "timeline", |chart| {
            let left_out = |n: &Node<'_, '_>| n.attribute("class") == Some("band-left-out");
            chart.descendants().filter(left_out).count()
        })
    };
    let legend_only = drawn(&run);
    for (i, seconds) in [(0, 2), (1, 3_000)] {
        let mut label = full().labels[i].clone();
        label.first_sent.0 = seconds * 1_000_000;
        label.last_sent.0 = label.first_sent.0 + 500_000;
        (label.start.0, label.end.0) = (i64::MAX / 4, i64::MAX / 4);
        run.labels.push(label);
    }
    assert_eq!(drawn(&run), legend_only + 1);
}

#[test]
fn recall_over_difficulty_has_a_column_for_each_range() {
    insta::assert_snapshot!(outline(&with_difficulty(), "difficulty"), @r#"
    Recall over difficulty
    By signal to noise, recall is 0.222 over 9 incidents at 0.25–0.5 and 1.000 over 9 incidents at 32–64. The table below holds each range and kind.
      Recall over signal to noise
      0
      0.25
      0.5
      0.75
      1
      0.25–0.5
      9
      0.5–1
      9
      1–2
      9
      2–4
      9
      4–8
      9
      8–16
      9
      16–32
      9
      32–64
      9
      Recall over magnitude
      0
      0.25
      0.5
      0.75
      1
      0.25–0.5
      24
      1–2
      48
      recall with its 95 % interval; above, the number of incidents; below, the range
    11 circle estimate
    10 line grid
    31 line interval
    2 polyline series recall
    "#);
}

#[test]
fn where_no_incident_says_how_hard_it_is_there_is_no_such_chart() {
    for run in [full(), empty()] {
        let mut out = Vec::new();
        html(&run.input(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains("Recall over difficulty"));
    }
}
