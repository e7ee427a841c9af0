//! What CI reads: JUnit, Bencher's format, arrays for github-action-benchmark, charts as files.

use floodmark_contracts::{
    profile::scoring::GateFailure,
    result::{Direction, ValidityReason, ValidityStatus},
};
use floodmark_reports::{Better, ReportError, bmf, gha, junit, svg};
use roxmltree::{Document, Node};
use serde_json::Value;

use crate::runs::{
    Scored, disturbed, empty, full, gated, interrupted, invalid, with_decoys, with_difficulty,
};

/// Text that breaks out of whatever it is put into, if anything can.
const HOSTILE: &str = "a]]></testsuite>\"'`|<b>&amp;\u{0}\u{1b}[2J\u{fffe}\u{202e}\n  é😀\\";

fn text(write: impl FnOnce(&mut dyn std::io::Write) -> Result<(), ReportError>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn junit_of(run: &Scored) -> String {
    text(|out| junit(&run.result, out))
}

fn hostile() -> Scored {
    let mut run = full();
    let result = &mut run.result;
    for name in [
        &mut result.profile,
        &mut result.subject,
        &mut result.broker,
        &mut result.reproduce,
        &mut result.floodmark_version,
        &mut result.gates[1].gate.require,
    ] {
        *name = HOSTILE.to_owned();
    }
    result.subject_lines = vec![HOSTILE.to_owned()];
    result.validity.status = ValidityStatus::Degraded;
    result.validity.reasons = vec![reason(ValidityStatus::Degraded, HOSTILE)];
    run
}

fn reason(status: ValidityStatus, message: &str) -> ValidityReason {
    ValidityReason {
        code: "rate-error".to_owned(),
        status,
        message: message.to_owned(),
        seconds: Vec::new(),
    }
}

fn every_run() -> [Scored; 8] {
    [
        full(),
        empty(),
        invalid(),
        interrupted(),
        disturbed(),
        with_decoys(),
        with_difficulty(),
        hostile(),
    ]
}

#[test]
fn the_run_is_a_suite_of_its_validity_and_its_gates() {
    insta::assert_snapshot!(junit_of(&full()), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="floodmark" tests="5" failures="1" errors="0" time="614.000">
      <testsuite id="0" package="floodmark" name="three-streams/bundled" timestamp="2025-06-15T15:06:40" hostname="localhost" skipped="0" tests="5" failures="1" errors="0" time="614.000">
        <properties>
          <property name="profile" value="three-streams"/>
          <property name="seed" value="7"/>
          <property name="subject" value="bundled"/>
          <property name="broker" value="embedded"/>
          <property name="floodmark.version" value="0.1.0"/>
          <property name="reproduce" value="floodmark bench profiles/three-streams.yaml --seed 7"/>
        </properties>
        <testcase name="validity" classname="three-streams/bundled" time="614.000"/>
        <testcase name="detection.recall &gt;= 0.8" classname="three-streams/bundled" time="0.000"/>
        <testcase name="detection.precision &gt;= 0.95" classname="three-streams/bundled" time="0.000">
          <failure message="`detection.precision` is 0.867 (95 %: 0.772 to 0.926); the gate wants `detection.precision &gt;= 0.95`" type="gate-failed">`detection.precision` is 0.867 (95 %: 0.772 to 0.926); the gate wants `detection.precision &gt;= 0.95`
    again: floodmark bench profiles/three-streams.yaml --seed 7</failure>
        </testcase>
        <testcase name="latency.alert.p99 &lt; 5s" classname="three-streams/bundled" time="0.000">
          <system-out>warning: `latency.alert.p99` is undefined in this run, as there was nothing or too little to measure; the gate wants `latency.alert.p99 &lt; 5s`</system-out>
        </testcase>
        <testcase name="throughput.acknowledged &gt;= 0.99 * throughput.offered" classname="three-streams/bundled" time="0.000"/>
        <system-out>1 of 4 gates fails. The measurement can be trusted.
    Precision: `bot` has the most false alerts, 9 after merging. They are listed under “Incidents and alerts”.
    `latency.alert.p99 &lt; 5s` cannot hold: its figure is undefined in this run, as there was nothing or too little to measure.</system-out>
        <system-err></system-err>
      </testsuite>
    </testsuites>
    "#);
}

/// An attribute that has to be there.
fn required<'a>(node: Node<'a, '_>, name: &str) -> &'a str {
    let tag = node.tag_name().name();
    node.attribute(name)
        .unwrap_or_else(|| panic!("`{tag}` has no `{name}`"))
}

/// A name without spaces at its ends or side by side: `xs:token`, and not empty.
fn assert_token(name: &str) {
    let words: Vec<&str> = name.split_whitespace().collect();
    assert_eq!(words.join(" "), name);
    assert!(!name.is_empty());
}

fn assert_seconds(node: Node<'_, '_>) -> f64 {
    let seconds: f64 = required(node, "time").parse().unwrap();
    assert!(seconds >= 0.0 && seconds.is_finite());
    seconds
}

/// Counts of test cases, of failures and of errors, as the element says.
fn counts(node: Node<'_, '_>) -> [usize; 3] {
    ["tests", "failures", "errors"].map(|name| required(node, name).parse().unwrap())
}

/// Names of the elements in an element.
fn tags<'a>(node: Node<'a, '_>) -> Vec<&'a str> {
    let elements = node.children().filter(Node::is_element);
    elements.map(|child| child.tag_name().name()).collect()
}

/// The rules of the schemas of Ant and of Jenkins' xUnit plugin, as far as both have them.
pub fn assert_fits_the_schemas(text: &str) {
    let page = Document::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let root = page.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    assert_eq!(tags(root), ["testsuite"]);
    let suite = root.first_element_child().unwrap();
    for name in ["name", "hostname", "package"] {
        assert_token(required(suite, name));
    }
    assert_eq!(required(suite, "id"), "0");
    // A comparison does not know when it was made.
    if let Some(timestamp) = suite.attribute("timestamp") {
        let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
        let shape: String = timestamp.chars().map(digits).collect();
        assert_eq!(shape, "0000-00-00T00:00:00");
    }
    let tags = tags(suite);
    let cases = tags.len() - 3;
    assert_eq!(tags[0], "properties");
    assert!(tags[1..=cases].iter().all(|tag| *tag == "testcase"));
    assert_eq!(tags[cases + 1..], ["system-out", "system-err"]);
    for property in suite.first_element_child().unwrap().children() {
        if property.is_element() {
            assert_token(required(property, "name"));
            required(property, "value");
        }
    }
    let found = assert_cases(suite);
    let skipped = suite.descendants().filter(|n| n.has_tag_name("skipped"));
    assert_eq!(required(suite, "skipped"), skipped.count().to_string());
    assert_eq!(counts(suite), found);
    assert_eq!(counts(root), found);
    assert_eq!(required(root, "time"), required(suite, "time"));
}

/// The rules for test cases; how many there are, and how many of them fail and err.
fn assert_cases(suite: Node<'_, '_>) -> [usize; 3] {
    let (mut found, mut seconds) = ([0; 3], 0.0);
    for case in suite.children().filter(|n| n.has_tag_name("testcase")) {
        assert_token(required(case, "name"));
        assert_token(required(case, "classname"));
        seconds += assert_seconds(case);
        found[0] += 1;
        match tags(case)[..] {
            [] | ["system-out"] | ["skipped"] => {}
            ["failure"] => found[1] += 1,
            ["error"] => found[2] += 1,
            ref other => panic!("{other:?} in a test case"),
        }
        for verdict in case
            .children()
            .filter(|n| n.has_tag_name("failure") || n.has_tag_name("error"))
        {
            assert!(!required(verdict, "message").is_empty());
            assert_token(required(verdict, "type"));
            assert!(verdict.text().is_some_and(|text| text.contains('\n')));
        }
    }
    assert!((seconds - assert_seconds(suite)).abs() < 0.01);
    found
}

#[test]
fn junit_of_every_run_fits_the_schemas() {
    for run in every_run() {
        let text = junit_of(&run);
        assert_fits_the_schemas(&text);
        assert!(text.contains(" timestamp="), "{text}");
    }
}

#[test]
fn hostile_texts_stay_values_in_junit() {
    let text = junit_of(&hostile());
    let page = Document::parse(&text).unwrap();
    let shown = "a]]></testsuite>\"'`|<b>&amp;\u{fffd}\u{fffd}[2J\u{fffd}\u{fffd}   é😀\\";
    let values: Vec<&str> = page
        .descendants()
        .filter(|node| node.has_tag_name("property"))
        .map(|node| node.attribute("value").unwrap())
        .collect();
    let version = shown;
    assert_eq!(values, [shown, "7", shown, shown, version, shown]);
    let gate = page
        .descendants()
        .find(|node| node.has_tag_name("failure"))
        .unwrap();
    assert!(gate.attribute("message").unwrap().contains(shown));
}

/// What becomes of each test case: its name, the element in it, and what that says.
fn cases(run: &Scored) -> Vec<String> {
    let text = junit_of(run);
    assert_fits_the_schemas(&text);
    let page = Document::parse(&text).unwrap();
    let cases = page.descendants().filter(|n| n.has_tag_name("testcase"));
    cases
        .map(|case| {
            let name = case.attribute("name").unwrap();
            let Some(inner) = case.first_element_child() else {
                return format!("{name}: passed");
            };
            let says = inner.attribute("message").or(inner.text()).unwrap();
            format!("{name}: {}: {says}", inner.tag_name().name())
        })
        .collect()
}

#[test]
fn each_gate_is_what_its_profile_makes_of_it() {
    let run = gated(&[
        ("detection.recall >= 0.8", GateFailure::Fail),
        ("detection.recall >= 0.99", GateFailure::Fail),
        ("detection.recall >= 0.98", GateFailure::Warn),
        ("detection.recall >= 0.97", GateFailure::Invalid),
        ("e2e_latency.p99 < 5s", GateFailure::Fail),
        (
            "latency.alert.max < latency.detect.p99.9",
            GateFailure::Fail,
        ),
        ("latency.alert.p99 < 6s", GateFailure::Warn),
    ]);
    insta::assert_snapshot!(cases(&run).join("\n"), @r#"
    validity: error: the measurement cannot be trusted: [gate-not-met] the measurement was to meet `detection.recall >= 0.97`, and 0.9027777777777778 was found
    detection.recall >= 0.8: passed
    detection.recall >= 0.99: failure: `detection.recall` is 0.903 (95 %: 0.813 to 0.952); the gate wants `detection.recall >= 0.99`
    detection.recall >= 0.98: system-out: warning: `detection.recall` is 0.903 (95 %: 0.813 to 0.952); the gate wants `detection.recall >= 0.98`
    detection.recall >= 0.97: error: `detection.recall` is 0.903 (95 %: 0.813 to 0.952); the gate wants `detection.recall >= 0.97`
    e2e_latency.p99 < 5s: error: `latency.alert.p99` is undefined in this run, as there was nothing or too little to measure; the gate wants `e2e_latency.p99 < 5s`
    latency.alert.max < latency.detect.p99.9: error: `latency.detect.p99.9` is undefined in this run, as there was nothing or too little to measure; the gate wants `latency.alert.max < latency.detect.p99.9`
    latency.alert.p99 < 6s: system-out: warning: `latency.alert.p99` is undefined in this run, as there was nothing or too little to measure; the gate wants `latency.alert.p99 < 6s`
    "#);
}

#[test]
fn validity_is_a_test_case_that_errs_where_nothing_can_be_said() {
    let mut degraded = gated(&[]);
    degraded.result.validity.status = ValidityStatus::Degraded;
    degraded.result.validity.reasons = vec![
        reason(ValidityStatus::Degraded, "one"),
        reason(ValidityStatus::Degraded, "two"),
    ];
    let found =
        [gated(&[]), degraded, invalid(), interrupted()].map(|run| cases(&run).swap_remove(0));
    insta::assert_snapshot!(found.join("\n"), @r#"
    validity: passed
    validity: system-out: the measurement can be trusted less than usual
    [rate-error] one
    [rate-error] two
    validity: error: the measurement cannot be trusted: [generator-late] 12 % of events were sent more than 50 ms late; lower the rate or use more cores
    validity: error: a signal cut the run short; run it again to the end
    "#);
}

/// The full run with only these metrics.
fn with_metrics(names: &[&str]) -> Scored {
    let mut run = full();
    run.result
        .metrics
        .retain(|name, _| names.contains(&name.as_str()));
    assert_eq!(run.result.metrics.len(), names.len());
    run
}

const FEW: [&str; 5] = [
    "detection.labels",
    "detection.recall",
    "latency.alert.p99",
    "latency.send_lateness.p99.9",
    "throughput.consumed",
];

#[test]
fn bencher_gets_a_measure_for_each_defined_metric_with_its_interval() {
    let run = with_metrics(&FEW);
    insta::assert_snapshot!(text(|out| bmf(&run.result, out)), @r#"
    {
      "three-streams/bundled": {
        "detection-labels": {
          "value": 72.0
        },
        "detection-recall": {
          "value": 0.9027777777777778,
          "lower_value": 0.8126495420487315,
          "upper_value": 0.9521036800263442
        },
        "latency-send-lateness-p99-9": {
          "value": 1391.0
        },
        "throughput-consumed": {
          "value": 1099.8666666666668
        }
      }
    }
    "#);
}

#[test]
fn the_action_gets_an_array_for_each_direction() {
    let run = with_metrics(&FEW);
    insta::assert_snapshot!(text(|out| gha(&run.result, Better::Smaller, out)), @r#"
    [
      {
        "name": "three-streams/bundled: latency.send_lateness.p99.9",
        "unit": "us",
        "value": 1391.0,
        "extra": "seed 7, broker embedded, floodmark 0.1.0; floodmark bench profiles/three-streams.yaml --seed 7"
      }
    ]
    "#);
    insta::assert_snapshot!(text(|out| gha(&run.result, Better::Bigger, out)), @r#"
    [
      {
        "name": "three-streams/bundled: detection.recall",
        "unit": "ratio",
        "value": 0.9027777777777778,
        "range": "0.813 to 0.952",
        "extra": "seed 7, broker embedded, floodmark 0.1.0; floodmark bench profiles/three-streams.yaml --seed 7"
      },
      {
        "name": "three-streams/bundled: throughput.consumed",
        "unit": "events/s",
        "value": 1099.8666666666668,
        "extra": "seed 7, broker embedded, floodmark 0.1.0; floodmark bench profiles/three-streams.yaml --seed 7"
      }
    ]
    "#);
}

#[test]
fn no_defined_metric_is_lost_and_none_is_told_twice() {
    for run in every_run() {
        let metrics = run.result.metrics.values();
        let defined: Vec<_> = metrics.filter(|metric| metric.value.is_some()).collect();
        let with = |direction| {
            let wanted = defined
                .iter()
                .filter(|metric| metric.direction == direction);
            wanted.count()
        };
        let measures: Value = serde_json::from_str(&text(|out| bmf(&run.result, out))).unwrap();
        let benchmarks = measures.as_object().unwrap();
        assert_eq!(benchmarks.len(), 1);
        let measures = benchmarks.values().next().unwrap().as_object().unwrap();
        assert_eq!(measures.len(), defined.len());
        for (better, direction) in [
            (Better::Smaller, Direction::Lower),
            (Better::Bigger, Direction::Higher),
        ] {
            let array: Value =
                serde_json::from_str(&text(|out| gha(&run.result, better, out))).unwrap();
            let entries = array.as_array().unwrap();
            assert_eq!(entries.len(), with(direction));
            for entry in entries {
                assert!(entry["name"].is_string() && entry["unit"].is_string());
                assert!(entry["value"].is_number() && entry["extra"].is_string());
            }
        }
    }
}

#[test]
fn charts_stand_alone() {
    for run in every_run() {
        let charts = svg(&run.input());
        let names: Vec<&str> = charts.iter().map(|(name, _)| *name).collect();
        assert_eq!(names[..3], ["timeline.svg", "latency.svg", "accuracy.svg"]);
        for (name, text) in charts {
            let page = Document::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(
                tags(page.root_element())[..4],
                ["title", "desc", "style", "rect"]
            );
            let outside = text.replace("http://www.w3.org/2000/svg", "");
            for forbidden in ["http", "var(", "<script", "@import"] {
                assert!(!outside.contains(forbidden), "{name}: {forbidden}");
            }
        }
    }
    let with = svg(&with_difficulty().input());
    assert_eq!(with.last().unwrap().0, "difficulty.svg");
}
