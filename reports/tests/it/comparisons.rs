//! Comparisons of runs: Markdown, JUnit, Bencher's format.

use floodmark_contracts::{
    compare::{
        Comparison, Design, EffectScale, Look, MetricComparison, Round, SCHEMA_VERSION, Side,
        Verdict,
    },
    record::Environment,
    result::Direction,
};
use floodmark_reports::{ReportError, comparison_bmf, comparison_junit, comparison_md};

use crate::ci::assert_fits_the_schemas;

fn side(name: &str) -> Side {
    Side {
        name: name.to_owned(),
        what: format!("floodmark bench bench/profile.yaml --set subject={name}"),
        floodmark_version: "0.1.0".to_owned(),
        environment: Environment {
            os: "Linux 6.1".to_owned(),
            cpu: "Test CPU".to_owned(),
            cpus: 2,
            memory_bytes: 8 << 30,
        },
    }
}

/// A gated metric with a median of either side and a change.
fn metric(
    name: &str,
    unit: &str,
    medians: [Option<f64>; 2],
    effect: Option<f64>,
    verdict: Verdict,
) -> MetricComparison {
    MetricComparison {
        name: name.to_owned(),
        unit: unit.to_owned(),
        direction: Direction::Lower,
        gated: true,
        scale: EffectScale::Relative,
        base: vec![medians[0]; 10],
        cand: vec![medians[1]; 10],
        n: 10,
        base_median: medians[0],
        cand_median: medians[1],
        effect,
        interval: effect.map(|effect| [effect - 0.02, effect + 0.03]),
        p: effect.map(|_| 0.002),
        p_adjusted: effect.map(|effect| if effect > 0.1 { 0.000_4 } else { 0.512 }),
        margin: effect.map(|_| 0.05),
        noise_floor: None,
        agree: effect.map(|_| 0.9),
        outliers: Vec::new(),
        confirmation: None,
        verdict,
        reason: format!("what `{name}` came to"),
    }
}

/// One metric of each verdict.
pub fn comparison() -> Comparison {
    let round = |number| Round {
        number,
        look: if number > 10 {
            Look::Confirmation
        } else {
            Look::First
        },
        base_first: number % 2 == 0,
        void: (number == 3).then(|| "generator-late".to_owned()),
    };
    let mut labels = metric(
        "detection.labels",
        "count",
        [Some(70.0), Some(72.0)],
        Some(2.0),
        Verdict::NotCompared,
    );
    labels.gated = false;
    labels.scale = EffectScale::Exact;
    labels.interval = None;
    Comparison {
        schema_version: SCHEMA_VERSION,
        floodmark_version: "0.1.0".to_owned(),
        design: Design::PairedRounds,
        base: side("main"),
        cand: side("faster"),
        alpha: 0.05,
        alpha_per_look: 0.025,
        seed: 7,
        resamples: 10_000,
        rounds: (1..=20).map(round).collect(),
        metrics: vec![
            metric(
                "latency.alert.p99",
                "us",
                [Some(2.1e6), Some(2.5e6)],
                Some(0.19),
                Verdict::Regressed,
            ),
            metric(
                "cpu.subject.per_million_events",
                "cpu-s/M",
                [Some(3.0), Some(2.9)],
                Some(-0.033),
                Verdict::Equivalent,
            ),
            metric(
                "latency.alert.p50",
                "us",
                [Some(1e6), Some(1e6)],
                Some(0.0),
                Verdict::Inconclusive,
            ),
            metric(
                "throughput.consumed",
                "events/s",
                [None, Some(5.0)],
                None,
                Verdict::Invalid,
            ),
            labels,
        ],
        verdict: Verdict::Regressed,
        advisory: Vec::new(),
        warnings: vec!["the spread of `latency.alert.p50` differs".to_owned()],
    }
}

fn text(write: impl FnOnce(&mut dyn std::io::Write) -> Result<(), ReportError>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_summary_of_a_comparison_leads_with_what_is_worse() {
    insta::assert_snapshot!(text(|out| comparison_md(&comparison(), out)), @r#"
    # ✗ Regressed: faster against main. Look first at `latency.alert.p99`: +19.0 % (+17.0 % to +22.0 %).

    - The spread of `latency.alert.p50` differs.

    | metric | base | cand | change | p | margin | verdict |
    |---|---:|---:|---:|---:|---:|---:|
    | `latency.alert.p99` | 2.10 s | 2.50 s | +19.0 % (+17.0 % to +22.0 %) | under 0.001 | 5.00 % | ✗ regressed |
    | `cpu.subject.per_million_events` | 3.00 CPU-s per million | 2.90 CPU-s per million | −3.30 % (−5.30 % to −0.300 %) | 0.512 | 5.00 % | ✓ equivalent |
    | `latency.alert.p50` | 1.00 s | 1.00 s | 0 % (−2.00 % to +3.00 %) | 0.512 | 5.00 % | ? inconclusive |
    | `throughput.consumed` | undefined | 5.00/s | undefined |  |  | ! invalid |

    - `latency.alert.p99`: What `latency.alert.p99` came to.
    - `latency.alert.p50`: What `latency.alert.p50` came to.
    - `throughput.consumed`: What `throughput.consumed` came to.

    20 paired rounds, 1 of them void, 10 to confirm. Medians; change with its 95 % interval; p after Holm over the gated metrics, held against 0.025.

    - Base: `floodmark bench bench/profile.yaml --set subject=main`, floodmark 0.1.0, Linux 6.1 on Test CPU, 2 processors
    - Candidate: `floodmark bench bench/profile.yaml --set subject=faster`, floodmark 0.1.0, Linux 6.1 on Test CPU, 2 processors

    <details><summary>Not gated: 1 metric</summary>

    | metric | base | cand | change | p | margin | verdict |
    |---|---:|---:|---:|---:|---:|---:|
    | `detection.labels` | 70 | 72 | +2 | under 0.001 | 0.050 | – not compared |

    </details>
    "#);
}

#[test]
fn each_gated_metric_is_a_test_case() {
    let found = text(|out| comparison_junit(&comparison(), out));
    assert_fits_the_schemas(&found);
    insta::assert_snapshot!(found, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="floodmark" tests="4" failures="1" errors="1" time="0.000">
      <testsuite id="0" package="floodmark" name="faster against main" hostname="localhost" skipped="1" tests="4" failures="1" errors="1" time="0.000">
        <properties>
          <property name="base" value="main (floodmark bench bench/profile.yaml --set subject=main)"/>
          <property name="cand" value="faster (floodmark bench bench/profile.yaml --set subject=faster)"/>
          <property name="alpha" value="0.05"/>
          <property name="rounds" value="20"/>
          <property name="floodmark.version" value="0.1.0"/>
        </properties>
        <testcase name="latency.alert.p99" classname="faster against main" time="0.000">
          <failure message="+19.0 % (+17.0 % to +22.0 %): what `latency.alert.p99` came to" type="regressed">+19.0 % (+17.0 % to +22.0 %): what `latency.alert.p99` came to
    faster (floodmark bench bench/profile.yaml --set subject=faster) against main (floodmark bench bench/profile.yaml --set subject=main)</failure>
        </testcase>
        <testcase name="cpu.subject.per_million_events" classname="faster against main" time="0.000">
          <system-out>−3.30 % (−5.30 % to −0.300 %): what `cpu.subject.per_million_events` came to</system-out>
        </testcase>
        <testcase name="latency.alert.p50" classname="faster against main" time="0.000">
          <skipped message="0 % (−2.00 % to +3.00 %): what `latency.alert.p50` came to"/>
        </testcase>
        <testcase name="throughput.consumed" classname="faster against main" time="0.000">
          <error message="undefined: what `throughput.consumed` came to" type="invalid">undefined: what `throughput.consumed` came to
    faster (floodmark bench bench/profile.yaml --set subject=faster) against main (floodmark bench bench/profile.yaml --set subject=main)</error>
        </testcase>
        <system-out>the spread of `latency.alert.p50` differs</system-out>
        <system-err></system-err>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn an_advisory_regression_is_no_failure() {
    let mut advisory = comparison();
    advisory.advisory = vec!["the machines differ".to_owned()];
    let found = text(|out| comparison_junit(&advisory, out));
    assert_fits_the_schemas(&found);
    assert!(!found.contains("<failure"), "{found}");
    assert!(
        found.contains("only advisory: the machines differ</system-out>"),
        "{found}"
    );
    let summary = text(|out| comparison_md(&advisory, out));
    assert!(
        summary.contains("\n- Only advisory: The machines differ.\n"),
        "{summary}"
    );
}

#[test]
fn bencher_gets_a_measure_for_each_known_change() {
    insta::assert_snapshot!(text(|out| comparison_bmf(&comparison(), out)), @r#"
    {
      "faster against main": {
        "latency-alert-p99-change": {
          "value": 0.19,
          "lower_value": 0.17,
          "upper_value": 0.22
        },
        "cpu-subject-per-million-events-change": {
          "value": -0.033,
          "lower_value": -0.053000000000000005,
          "upper_value": -0.0030000000000000027
        },
        "latency-alert-p50-change": {
          "value": 0.0,
          "lower_value": -0.02,
          "upper_value": 0.03
        },
        "detection-labels-difference": {
          "value": 2.0
        }
      }
    }
    "#);
}

#[test]
fn names_of_sides_break_nothing() {
    let hostile = "a|b`\"<c>\u{0}\n]]>";
    let mut broken = comparison();
    for name in [
        &mut broken.base.name,
        &mut broken.cand.what,
        &mut broken.metrics[0].name,
    ] {
        *name = hostile.to_owned();
    }
    assert_fits_the_schemas(&text(|out| comparison_junit(&broken, out)));
    let json: serde_json::Value =
        serde_json::from_str(&text(|out| comparison_bmf(&broken, out))).unwrap();
    assert_eq!(json.as_object().unwrap().len(), 1);
    let summary = text(|out| comparison_md(&broken, out));
    let rows: Vec<&str> = summary
        .lines()
        .filter(|line| line.starts_with("| "))
        .collect();
    assert_eq!(
        rows.len(),
        7,
        "two headers, four gated metrics and one that is not:\n{summary}"
    );
    for row in rows {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 8, "{row}");
    }
}
