//! Histories and pairs of detectors.

use floodmark_contracts::history::{
    ChangePoint, DetectorComparison, DetectorFigure, History, SCHEMA_VERSION,
};
use floodmark_reports::{detectors_html, detectors_text, history_html, history_text};

use crate::{
    compared::{history, written},
    sound::{assert_sound, text_of, with_page},
};

fn page(name: &str, history: &History) -> String {
    let text = written(&format!("history-{name}.html"), |out| {
        history_html(history, out)
    });
    assert_sound(name, &text);
    text
}

/// A history that repeats the same results.
fn long(times: u32) -> History {
    let mut long = history(48);
    let metrics = long.metrics.clone();
    long.points = vec![long.points; times as usize].concat();
    for (metric, once) in long.metrics.iter_mut().zip(metrics) {
        metric.values = once.values.repeat(times as usize);
        let changes = (0..times).flat_map(|time| {
            let moved = move |change: &ChangePoint| ChangePoint {
                at: change.at + time * 48,
                ..*change
            };
            once.changes.iter().map(moved).collect::<Vec<_>>()
        });
        metric.changes = changes.collect();
    }
    long
}

/// A history without any result, or without any value.
fn bad_days() -> [(&'static str, History); 3] {
    let mut undefined = history(20);
    for metric in &mut undefined.metrics {
        metric.values.fill(None);
    }
    let mut wild = history(3);
    // A file of somebody else: a change where no result is.
    wild.metrics[0].changes.push(ChangePoint {
        at: 99,
        p: 0.5,
        before: 0.0,
        after: f64::MAX,
    });
    [
        ("none", history(0)),
        ("undefined", undefined),
        ("wild", wild),
    ]
}

#[test]
fn a_text_has_a_line_for_each_watched_metric_and_its_changes() {
    insta::assert_snapshot!(history_text(&history(48)), @r"
    14 metrics over 48 results, 2025-06-15 to 2025-08-01; 3 of them changed.

    cpu.subject.per_million_events  ███▇▇▇▇█▇▇▇▇▇█▇▇██▇▇██▇▇██▇▇▇▇▇▇|▁▂▁▁▁▂▂▂▁▂▂▁▁▁▁▁  2.77 CPU-s per million
      2025-07-17, from `run-032` on: 3.09 CPU-s per million became 2.77 CPU-s per million (−10.4 %, better), p 0.002
    detection.f1                    ▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅  0.910
    detection.precision             ▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅  0.930
    detection.recall                ▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅  0.890
    latency.alert.p99               ▂▁▂▂▁▃▃▂▃▁▂▁▁▂▂▁▂▁▂▂▂▂▂▃|▇█▇▇▇▇█▇▇▇▇▇█▇█▇▇▇█▇███▇  2.33 s
      2025-07-09, from `run-024` on: 2.09 s became 2.35 s (+12.3 %, worse), p 0.002
    throughput.consumed             ▂▆▂·▆▇▂▃▂█▇▃▅▆·█▅▂▄▆▂█▃▁▅·▇▁▁▇▇▃█▃▇▃·▇▇▃▇▇▂▅▂█▄·  undefined
    latency.alert.p50               ▁▁▁▁▂▁▂▂▁▁▂▁▁▂▂▂▁▂▂▁▂▁▁▁|▇█▇█▇███▇█▇█▇▇█▇▇█▇████▇  1.33 s
      2025-07-09, from `run-024` on: 1.20 s became 1.35 s (+12.3 %, worse), p 0.002

    7 other metrics have no change.
    ");
}

#[test]
fn a_long_history_fits_a_terminal() {
    let text = history_text(&long(9));
    for line in text.lines().filter(|line| !line.starts_with("  ")) {
        assert!(line.chars().count() < 130, "{line}");
    }
}

#[test]
fn the_page_leads_with_the_newest_change_and_has_every_metric() {
    let history = history(48);
    let text = page("full", &history);
    with_page(&text, |page| {
        let changes = page
            .descendants()
            .find(|n| n.attribute("id") == Some("changes"));
        let list = changes
            .unwrap()
            .descendants()
            .find(|n| n.has_tag_name("li"));
        let newest = text_of(list.unwrap());
        assert_eq!(
            newest,
            "cpu.subject.per_million_events : 2025-07-17, from  run-032  on: 3.09 CPU-s per million became 2.77 CPU-s per million (−10.4 %, better), p 0.002."
        );
        let shown = text_of(page.root());
        for metric in &history.metrics {
            assert!(shown.contains(&metric.name), "{}", metric.name);
        }
        for point in &history.points {
            assert!(shown.contains(&point.name), "{}", point.name);
        }
        let charts = page
            .descendants()
            .filter(|n| n.attribute("class") == Some("chart"));
        assert_eq!(
            charts.count(),
            6,
            "one for each metric that is gated by default"
        );
    });
}

#[test]
fn changes_are_numbered_and_their_medians_drawn() {
    let text = page("numbered", &history(48));
    with_page(&text, |page| {
        let count = |class: &str| {
            let all = page.descendants();
            all.filter(|n| n.attribute("class") == Some(class)).count()
        };
        assert_eq!(count("change-number"), 2);
        assert_eq!(count("level"), 4, "one on each side of both");
    });
}

#[test]
fn bad_days_have_a_page_and_a_text() {
    for (name, history) in bad_days() {
        let text = page(name, &history);
        for metric in &history.metrics {
            assert!(text.contains(&metric.name), "{name}: {}", metric.name);
        }
        assert!(!history_text(&history).contains("NaN"), "{name}");
    }
}

#[test]
fn many_metrics_over_many_results_stay_small() {
    let mut many = long(11);
    let metric = many.metrics[8].clone();
    for number in 0..300 {
        let mut another = metric.clone();
        another.name = format!("{}.{number}", metric.name);
        many.metrics.push(another);
    }
    page("many", &many);
}

#[test]
fn names_of_results_and_metrics_are_no_markup() {
    let mut broken = history(48);
    for point in &mut broken.points {
        point.name = "<b>`\"\u{1b}\n".to_owned();
    }
    for metric in &mut broken.metrics {
        metric.name = "</title><i>&\u{202e}".to_owned();
    }
    broken.warnings.push("<u>`</u>`".to_owned());
    let text = page("hostile", &broken);
    assert!(!text.contains("<i>") && !text.contains("<u>") && !text.contains("<b>`"));
    let text = history_text(&broken);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
}

fn detectors() -> DetectorComparison {
    let figure = |name: &str, base, cand, difference: f64| DetectorFigure {
        name: name.to_owned(),
        base: Some(base),
        cand: Some(cand),
        difference: Some(difference),
        interval: Some([difference - 0.03, difference + 0.04]),
    };
    DetectorComparison {
        schema_version: SCHEMA_VERSION,
        floodmark_version: "0.1.0".to_owned(),
        labels: 1_072,
        both: 900,
        only_base: 31,
        only_cand: 9,
        neither: 132,
        p: Some(0.000_7),
        figures: vec![
            figure("recall", 0.868, 0.848, -0.02),
            figure("precision", 0.91, 0.935, 0.025),
            figure("f1", 0.889, 0.889, 0.0),
        ],
        seed: 1,
        resamples: 10_000,
    }
}

#[test]
fn two_detectors_are_told_apart_by_what_only_one_of_them_found() {
    insta::assert_snapshot!(detectors_text(&detectors()), @r"
    Of 1,072 labels only the base found 31, only the candidate 9 (McNemar's p under 0.001): the base finds more.

    labels       cand found  cand missed
    base found          900           31
    base missed           9          132

    figure      base   cand  difference              95 %
    recall     0.868  0.848      −0.020  −0.050 to +0.020
    precision  0.910  0.935      +0.025  −0.005 to +0.065
    f1         0.889  0.889       0.000  −0.030 to +0.040
    ");
}

#[test]
fn the_page_of_two_detectors_has_all_figures() {
    let text = written("detectors.html", |out| detectors_html(&detectors(), out));
    assert_sound("detectors", &text);
    with_page(&text, |page| {
        let table = page
            .descendants()
            .find(|n| n.has_tag_name("tbody"))
            .unwrap();
        let cells: Vec<&str> = table
            .descendants()
            .filter(|n| n.has_tag_name("td"))
            .filter_map(|n| n.text())
            .collect();
        assert_eq!(cells, ["900", "31", "9", "132"]);
        let shown = text_of(page.root());
        for figure in ["recall", "precision", "f1", "−0.050 to +0.020"] {
            assert!(shown.contains(figure), "{figure}");
        }
    });
}

#[test]
fn detectors_that_differ_nowhere_say_so() {
    let mut same = detectors();
    (same.only_base, same.only_cand, same.p) = (0, 0, None);
    for figure in &mut same.figures {
        (figure.base, figure.cand) = (None, None);
        (figure.difference, figure.interval) = (None, None);
    }
    let text = detectors_text(&same);
    assert!(
        text.contains("there is none that only one of the two found"),
        "{text}"
    );
    assert!(text.contains("undefined"), "{text}");
    assert_sound(
        "same",
        &written("detectors-same.html", |out| detectors_html(&same, out)),
    );
}
