//! Precision over recall, and time to detect: drawn where the result says them, and a sentence where it does not.

use floodmark_contracts::accuracy::{Delays, ThresholdPoint};
use floodmark_reports::{html, svg};
use roxmltree::{Document, Node};

use crate::{
    runs::{Scored, empty, full, with_scores},
    sound::{assert_sound, text_of, with_page, without_script},
};

fn page(run: &Scored) -> String {
    let mut out = Vec::new();
    html(&run.input(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A chart by its id, parsed alone.
fn with_chart<T>(run: &Scored, name: &str, look: impl FnOnce(Node<'_, '_>) -> T) -> Option<T> {
    let charts = svg(&run.input());
    let (_, chart) = charts.iter().find(|(found, _)| *found == name)?;
    Some(look(Document::parse(chart).unwrap().root_element()))
}

/// Corners of the only line of a class that has many.
fn corners(chart: Node<'_, '_>, class: &str) -> Vec<Vec<[f64; 2]>> {
    let lines = chart.descendants().filter(|n| n.has_tag_name("polyline"));
    let lines = lines.filter(|n| n.attribute("class") == Some(class));
    lines
        .map(|line| {
            let points = line.attribute("points").unwrap().split_ascii_whitespace();
            points
                .map(|point| {
                    let (x, y) = point.split_once(',').unwrap();
                    [x.parse().unwrap(), y.parse().unwrap()]
                })
                .collect()
        })
        .collect()
}

#[test]
fn the_area_below_the_drawn_curve_is_the_average_precision() {
    let run = with_scores();
    let expected = run.result.detection.accuracy.thresholds.average_precision;
    let area = with_chart(&run, "precision-recall.svg", |chart| {
        let line = &corners(chart, "series recall")[0];
        // Both axes are shares; the grid says where they end.
        let lines = |n: &Node<'_, '_>| n.attribute("class") == Some("axis");
        let axes: Vec<_> = chart.descendants().filter(lines).collect();
        let at =
            |node: Node<'_, '_>, name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
        let width = at(axes[0], "x2") - at(axes[0], "x1");
        let (top, bottom) = (at(axes[1], "y1"), at(axes[1], "y2"));
        let pieces = line
            .windows(2)
            .map(|ends| (ends[1][0] - ends[0][0]) * (bottom - ends[1][1]));
        pieces.sum::<f64>() / width / (bottom - top)
    });
    let (area, expected) = (area.unwrap(), expected.unwrap());
    assert!((area - expected).abs() < 0.003, "{area} against {expected}");
}

#[test]
fn the_operating_point_is_what_the_tiles_say_and_chance_stands_beside_it() {
    let run = with_scores();
    let overall = &run.result.detection.overall;
    let [recall, precision] = [overall.recall, overall.precision].map(Option::unwrap);
    let texts = with_chart(&run, "precision-recall.svg", |chart| {
        let texts = chart.descendants().filter(|n| n.has_tag_name("text"));
        let texts: Vec<String> = texts.filter_map(|n| n.text()).map(str::to_owned).collect();
        let count = |class: &str| {
            let of = chart.descendants();
            of.filter(|n| n.attribute("class") == Some(class)).count()
        };
        // Each in the diagram and in the legend.
        assert_eq!(
            [
                count("estimate"),
                count("chance"),
                count("mark-open"),
                count("level")
            ],
            [2; 4]
        );
        texts
    });
    let texts = texts.unwrap();
    let says = |start: &str| {
        let found = texts.iter().any(|text| text.starts_with(start));
        assert!(found, "{start}: {texts:?}");
    };
    says(&format!(
        "the detector as it runs: {recall:.3}, {precision:.3}"
    ));
    says("average precision at random: 0.");
    says("at random: recall 0.148");
    says("highest F1: ");
    assert_sound("with-scores", &without_script(&page(&run)));
}

#[test]
fn without_a_score_on_every_alert_a_sentence_says_why_there_is_no_curve() {
    for (run, why) in [
        (full(), "66 of 75 alerts carry no score"),
        (empty(), "no incident counts"),
    ] {
        let text = page(&run);
        assert!(!text.contains("id=\"precision-recall\""));
        with_page(&text, |page| {
            let words = text_of(page.root_element());
            assert!(words.contains("There is no curve of precision over recall"));
            assert!(words.contains(why), "{why}");
        });
        assert!(with_chart(&run, "precision-recall.svg", |_| ()).is_none());
    }
}

#[test]
fn a_curve_of_one_threshold_is_one_step() {
    let mut run = with_scores();
    let thresholds = &mut run.result.detection.accuracy.thresholds;
    thresholds.curve = vec![ThresholdPoint {
        threshold: 0.5,
        precision: 0.5,
        recall: 0.5,
    }];
    let lines = with_chart(&run, "precision-recall.svg", |chart| {
        corners(chart, "series recall")
    });
    assert_eq!(lines.unwrap()[0].len(), 2);
}

#[test]
fn time_to_detect_rises_in_steps_to_the_share_that_is_found() {
    let run = full();
    let time_to_detect = &run.result.detection.accuracy.time_to_detect;
    let lines = with_chart(&run, "time-to-detect.svg", |chart| {
        corners(chart, "series recall")
    });
    let lines = lines.unwrap();
    assert_eq!(lines.len(), 2, "event time and wall time");
    for (line, delays) in lines
        .iter()
        .zip([&time_to_detect.event_ms, &time_to_detect.wall_ms])
    {
        assert_eq!(line.len(), 2 * delays.undetected.len());
        let falls = line.windows(2).any(|ends| ends[1][1] > ends[0][1] + 0.01);
        assert!(!falls, "what was found stays found");
        let steep = line
            .windows(2)
            .all(|ends| ends[0][0] == ends[1][0] || ends[0][1] == ends[1][1]);
        assert!(steep, "steps, and nothing in between");
    }
    let says = with_chart(&run, "time-to-detect.svg", text_of).unwrap();
    assert!(says.contains("65 of 72 found at all"), "{says}");
}

#[test]
fn a_delay_that_is_not_known_in_wall_time_says_so_and_without_incidents_nothing_is_drawn() {
    let mut run = full();
    run.result.detection.accuracy.time_to_detect.wall_ms = Delays::default();
    let says = with_chart(&run, "time-to-detect.svg", text_of).unwrap();
    assert!(says.contains("not known"), "{says}");
    let text = page(&empty());
    assert!(!text.contains("id=\"time-to-detect\""));
    assert!(text.contains("No incident counts, so that there is no time to detect."));
}
