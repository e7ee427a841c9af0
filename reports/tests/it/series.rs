//! Searches and curves: what a reader is told, and pages that hold together.

use floodmark_contracts::{
    clock::WallTime,
    curve::{Axis, CurvePoint, CurveResult, CurveRun},
    record::Environment,
    result::{Validity, ValidityStatus},
    search::{
        SearchEnd, SearchLimit, SearchLimits, SearchResult, TrialFacts, TrialFigures, TrialVerdict,
    },
};
use floodmark_reports::{
    curve_html, curve_pngs, curve_text, search_html, search_png, search_text, trial_text,
};
use roxmltree::{Document, ParsingOptions};

fn trial(rate: f64, verdict: TrialVerdict, growth: f64, reason: &str) -> TrialFacts {
    TrialFacts {
        rate,
        verdict,
        clear: verdict == TrialVerdict::Sustained,
        reasons: if reason.is_empty() {
            Vec::new()
        } else {
            vec![reason.to_owned()]
        },
        figures: TrialFigures {
            offered: rate,
            consumed: Some(rate * (1.0 - growth)),
            lag_growth: Some(growth),
            lag_growth_error: Some(0.002),
            lag_p99_s: Some(0.25),
            alert_p99_us: None,
            recall: Some(0.95),
            recall_interval: Some([0.76, 0.99]),
        },
        validity: Validity {
            status: ValidityStatus::Valid,
            reasons: Vec::new(),
        },
        folder: "trials/01-20000".to_owned(),
        seconds: 15.2,
    }
}

fn search() -> SearchResult {
    SearchResult {
        schema_version: 1,
        floodmark_version: "0.1.0".to_owned(),
        profile: "throttled".to_owned(),
        seed: 1,
        reproduce: "floodmark search profiles/x.yaml --set 'a=<b>'".to_owned(),
        broker: "embedded".to_owned(),
        subject: "bundled".to_owned(),
        started_at: WallTime(1_749_531_600_000_000),
        seconds: 90.0,
        limits: SearchLimits {
            precision: 0.05,
            lag_growth: 0.01,
            lag_p99_s: 5.0,
            alert_p99_us: None,
            recall: 0.8,
        },
        sustained: Some(39_500.0),
        not_sustained: Some(41_300.0),
        limited_by: Some(SearchLimit::Subject),
        ended: SearchEnd::Found,
        trials: vec![
            trial(20_000.0, TrialVerdict::Sustained, 0.0, ""),
            trial(
                80_000.0,
                TrialVerdict::Void,
                0.3,
                "[generator-late] `sensors`: <late>",
            ),
            trial(
                80_000.0,
                TrialVerdict::NotSustained,
                0.5,
                "lag grows by 50.0 % of the rate",
            ),
        ],
        environment: Environment::default(),
    }
}

fn point(value: f64, detected: u64) -> CurvePoint {
    CurvePoint {
        value,
        runs: vec![CurveRun {
            seed: 1,
            folder: "trials/001-0".to_owned(),
            status: ValidityStatus::Invalid,
            codes: vec!["generator-late".to_owned()],
            alert_p99_us: None,
        }],
        labels: 20,
        detected,
        false_merged: 1,
        recall: Some(detected as f64 / 20.0),
        recall_interval: Some([0.1, 0.9]),
        precision: Some(0.9),
        precision_interval: Some([0.6, 0.98]),
        alert_p99_us: (detected > 0).then_some(250_000),
        alert_p99_range_us: (detected > 0).then_some([200_000, 400_000]),
    }
}

fn curve(points: Vec<CurvePoint>) -> CurveResult {
    CurveResult {
        schema_version: 1,
        floodmark_version: "0.1.0".to_owned(),
        profile: "sensors".to_owned(),
        reproduce: "floodmark curve profiles/sensors.yaml".to_owned(),
        broker: "embedded".to_owned(),
        subject: "bundled".to_owned(),
        started_at: WallTime(0),
        seconds: 90.0,
        speed: 60.0,
        axis: Axis::Lateness,
        points,
        interrupted: false,
        environment: Environment::default(),
    }
}

/// The page as XML, its charts by id, and its text.
fn page(text: &str) -> (Vec<String>, String) {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let page = Document::parse_with_options(text, options)
        .unwrap_or_else(|error| panic!("page is not well formed: {error}"));
    assert!(!page.descendants().any(|node| node.has_tag_name("script")));
    let charts = page
        .descendants()
        .filter(|node| node.tag_name().name() == "svg");
    let charts = charts
        .map(|chart| chart.attribute("id").unwrap().to_owned())
        .collect();
    let words: Vec<&str> = page.descendants().filter_map(|node| node.text()).collect();
    (charts, words.join(" "))
}

fn search_page(result: &SearchResult) -> (Vec<String>, String) {
    let mut out = Vec::new();
    search_html(result, &mut out).unwrap();
    if let Some(dir) = std::env::var_os("FLOODMARK_REPORT_OUT") {
        let name = format!("search-{:?}.html", result.ended);
        std::fs::write(std::path::Path::new(&dir).join(name), &out).unwrap();
    }
    page(&String::from_utf8(out).unwrap())
}

#[test]
fn a_search_is_a_table_and_a_sentence() {
    insta::assert_snapshot!(search_text(&search()), @"
    rate            verdict  lag grows       ±  lag p99  consumed  alerts p99             recall
    20,000/s      sustained     0.00 %  0.20 %  0.250 s  20,000/s           –  0.950 (0.76–0.99)
    80,000/s           void    30.00 %  0.20 %  0.250 s  56,000/s           –  0.950 (0.76–0.99)
    80,000/s  not sustained    50.00 %  0.20 %  0.250 s  40,000/s           –  0.950 (0.76–0.99)

    Sustained: 39,500/s; not sustained: 41,300/s (4.6 % above).
    ");
}

#[test]
fn a_trial_says_in_a_line_what_it_came_to_and_why() {
    let trials = search().trials;
    let lines: Vec<String> = (1..)
        .zip(&trials)
        .map(|(n, trial)| trial_text(n, trial))
        .collect();
    assert_eq!(
        lines,
        [
            "trial 1: 20,000/s sustained: lag grows by 0.00 % ± 0.20 % (15 s)",
            "trial 2: 80,000/s void: [generator-late] `sensors`: <late> (15 s)",
            "trial 3: 80,000/s not sustained: lag grows by 50.0 % of the rate (15 s)",
        ]
    );
}

#[test]
fn each_way_to_end_says_what_is_known_and_what_is_not() {
    for (ended, limit, expected) in [
        (
            SearchEnd::Found,
            Some(SearchLimit::Machine),
            "The limit is this machine",
        ),
        (
            SearchEnd::Found,
            Some(SearchLimit::Profile),
            "The limit is the profile",
        ),
        (
            SearchEnd::Found,
            Some(SearchLimit::Range),
            "No higher rate was to be tried",
        ),
        (SearchEnd::TimeLimit, None, "Allow more with `--limit`"),
        (SearchEnd::Interrupted, None, "Interrupted"),
        (
            SearchEnd::NothingOffered,
            None,
            "nothing is known of the detector",
        ),
    ] {
        let mut result = search();
        (result.ended, result.limited_by) = (ended, limit);
        assert!(search_text(&result).contains(expected), "{ended:?}");
        let (_, words) = search_page(&result);
        assert!(
            words.contains(expected.split('`').next().unwrap().trim()),
            "{ended:?}"
        );
    }
    let mut nothing = search();
    (nothing.sustained, nothing.ended) = (None, SearchEnd::NothingSustained);
    assert!(search_text(&nothing).contains("No rate was sustained; 41,300/s is the lowest"));
    nothing.limited_by = Some(SearchLimit::Machine);
    assert!(search_text(&nothing).contains("No trial says anything of the detector; 41,300/s"));
}

#[test]
fn the_page_of_a_search_holds_its_chart_every_trial_and_its_reasons() {
    let (charts, words) = search_page(&search());
    assert_eq!(charts, ["search"]);
    for expected in [
        "39,500/s",
        "41,300/s",
        "not sustained",
        "generator-late",
        "<late>",
        "a=<b>",
        "at most 5 %",
    ] {
        assert!(words.contains(expected), "{expected}");
    }
}

#[test]
fn a_search_without_a_trial_and_a_curve_without_a_point_have_pages_and_plots() {
    let mut none = search();
    none.trials.clear();
    (none.sustained, none.not_sustained, none.ended) = (None, None, SearchEnd::Interrupted);
    let (charts, words) = search_page(&none);
    assert_eq!(charts, ["search"]);
    assert!(words.contains("Nothing was found."));
    assert!(!search_png(&none).unwrap().1.is_empty());
    let empty = curve(Vec::new());
    let mut out = Vec::new();
    curve_html(&empty, &mut out).unwrap();
    let (charts, words) = page(&String::from_utf8(out).unwrap());
    assert_eq!(charts.len(), 3);
    assert!(words.contains("not measured at any point"));
    assert_eq!(curve_pngs(&empty).unwrap().len(), 3);
}

#[test]
fn a_curve_has_a_chart_for_each_figure_and_leaves_out_what_is_undefined() {
    let result = curve(vec![point(0.0, 0), point(0.05, 10), point(0.2, 15)]);
    let mut out = Vec::new();
    curve_html(&result, &mut out).unwrap();
    if let Some(dir) = std::env::var_os("FLOODMARK_REPORT_OUT") {
        std::fs::write(std::path::Path::new(&dir).join("curve.html"), &out).unwrap();
    }
    let text = String::from_utf8(out).unwrap();
    let (charts, words) = page(&text);
    assert_eq!(charts, ["recall-curve", "precision-curve", "latency-curve"]);
    assert!(words.contains("generator-late") && words.contains("speed 60"));
    let latency = &text[text.find("id=\"latency-curve\"").unwrap()..];
    let latency = &latency[..latency.find("</svg>").unwrap()];
    assert_eq!(
        latency.matches("class=\"estimate\"").count(),
        2,
        "{latency}"
    );
}

#[test]
fn a_curve_is_a_table() {
    insta::assert_snapshot!(curve_text(&curve(vec![point(0.0, 0), point(0.05, 10)])), @"
    lateness  found  recall       95 %  precision       95 %  alerts p99  invalid runs
    0 %        0/20   0.000  0.10–0.90      0.900  0.60–0.98   undefined    1 of 1 run
    5 %       10/20   0.500  0.10–0.90      0.900  0.60–0.98      250 ms    1 of 1 run
    Latencies are those of event time at speed 60: waits for windows are shortened by it.
    ");
}

#[test]
fn plots_show_more_than_ink_on_paper() {
    let plots = curve_pngs(&curve(vec![point(0.0, 5), point(0.2, 15)])).unwrap();
    let names: Vec<&str> = plots.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["recall.png", "precision.png", "alert-latency.png"]);
    for (name, bytes) in plots.into_iter().chain([search_png(&search()).unwrap()]) {
        if let Some(dir) = std::env::var_os("FLOODMARK_REPORT_OUT") {
            std::fs::write(std::path::Path::new(&dir).join(name), &bytes).unwrap();
        }
        let mut reader = ::png::Decoder::new(bytes.as_slice()).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size()];
        reader.next_frame(&mut pixels).unwrap();
        let blue = pixels
            .chunks_exact(3)
            .filter(|dot| *dot == [0, 95, 170])
            .count();
        assert!(blue > 100, "{name}: {blue}");
    }
}
