//! The Markdown summary and the table for the terminal.

use floodmark_contracts::{profile::scoring::GateFailure, result::ValidityStatus};
use floodmark_reports::{detection_table, summary_md, terminal};

use crate::runs::{Scored, empty, full, gated, interrupted, invalid, with_decoys, with_difficulty};

fn summary(run: &Scored) -> String {
    let mut out = Vec::new();
    summary_md(&run.input(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_terminal_shows_rates_latencies_scores_and_gates() {
    insta::assert_snapshot!(terminal(&full().result), @r#"
    stream       offered     sent  acknowledged  consumed
    clickstream    500/s    500/s         500/s     500/s
    banking        500/s    500/s         500/s     500/s
    sensors        100/s    100/s         100/s     100/s
    all          1,100/s  1,100/s       1,100/s   1,100/s

    latency                   p50      p90      p99    p99.9      max  values
    send_lateness          717 µs  1.14 ms  1.33 ms  1.39 ms  1.41 ms  20,400
    acknowledge           6.49 ms  8.99 ms  10.3 ms  10.7 ms  10.9 ms  20,400
    due_to_acknowledged         –        –        –        –        –       0
    due_to_consumed             –        –        –        –        –       0
    alert                  1.85 s   2.70 s        –        –   2.87 s      75
    alert_from_hand_over   1.85 s   2.70 s        –        –   2.87 s      75
    detect                 7.52 s   9.21 s        –        –   9.63 s      65

    detection            found  recall       95 %  precision       95 %     F1  false  random R  random P
    all                  65/72   0.903  0.81–0.95      0.867  0.77–0.93  0.884     10     0.148     0.147
    traffic-spike        12/12   1.000  0.76–1.00      1.000  0.76–1.00  1.000      0     0.130     0.135
    bot                  12/12   1.000  0.76–1.00      0.571  0.37–0.76  0.727      9     0.191     0.113
    credential-stuffing  12/12   1.000  0.76–1.00      1.000  0.76–1.00  1.000      0     0.130     0.135
    account-takeover     11/12   0.917  0.65–0.99      1.000  0.74–1.00  0.957      0     0.105     0.117
    sensor-spike          9/12   0.750  0.47–0.91      1.000  0.70–1.00  0.857      0     0.010     0.014
    drop-out              9/12   0.750  0.47–0.91      1.000  0.70–1.00  0.857      0     0.029     0.039

    gate                                                      found  result
    detection.recall >= 0.8                                   0.903   holds
    detection.precision >= 0.95                               0.867   FAILS
    latency.alert.p99 < 5s                                undefined   warns
    throughput.acknowledged >= 0.99 * throughput.offered    1,100/s   holds
    "#);
}

#[test]
fn the_terminal_shows_an_empty_run() {
    insta::assert_snapshot!(terminal(&empty().result), @r#"
    latency               p50  p90  p99  p99.9  max  values
    send_lateness           –    –    –      –    –       0
    acknowledge             –    –    –      –    –       0
    due_to_acknowledged     –    –    –      –    –       0
    due_to_consumed         –    –    –      –    –       0
    alert                   –    –    –      –    –       0
    alert_from_hand_over    –    –    –      –    –       0
    detect                  –    –    –      –    –       0

    detection  found     recall  95 %  precision  95 %         F1  false   random R   random P
    all          0/0  undefined        undefined        undefined      0  undefined  undefined
    "#);
}

#[test]
fn the_summary_of_a_failed_run_says_what_to_do() {
    insta::assert_snapshot!(summary(&full()), @r#"
    # ✗ Gate failed: three-streams. Look first at `detection.precision >= 0.95`: found 0.867.

    1 of 4 gates fails. The measurement can be trusted.

    - Precision: `bot` has the most false alerts, 9 after merging. They are listed under “Incidents and alerts”.
    - `latency.alert.p99 < 5s` cannot hold: its figure is undefined in this run, as there was nothing or too little to measure.

    ## Gates

    | gate | found | result |
    |---|---:|---:|
    | `detection.recall >= 0.8` | 0.903 | ✓ holds |
    | `detection.precision >= 0.95` | 0.867 | ✗ **fails** |
    | `latency.alert.p99 < 5s` | undefined | ! warns |
    | `throughput.acknowledged >= 0.99 * throughput.offered` | 1,100/s | ✓ holds |

    ## Main figures

    | metric | value | 95 % | better |
    |---|---:|---:|---:|
    | `detection.recall` | 0.903 | 0.813–0.952 | higher |
    | `detection.precision` | 0.867 | 0.772–0.926 | higher |
    | `detection.f1` | 0.884 |  | higher |
    | `detection.false_alerts` | 10 |  | lower |
    | `detection.delay` | 5.50 s |  | lower |
    | `throughput.offered` | 1,100/s |  |  |
    | `throughput.consumed` | 1,100/s |  | higher |
    | `latency.alert.p50` | 1.85 s |  | lower |
    | `latency.alert.p99` | undefined |  | lower |
    | `latency.detect.p50` | 7.52 s |  | lower |
    | `cpu.subject.per_million_events` | 3.03 CPU-s per million |  | lower |
    | `memory.subject.peak` | 64.0 MiB |  | lower |

    ## Missed: 7 incidents

    - `sensor-spike-00` sensor-spike on `sensor-spike-0` at 1970-01-01 00:00:39.000Z: 20 events
    - `drop-out-01` drop-out on `drop-out-1` at 1970-01-01 00:01:29.000Z: 20 events
    - `sensor-spike-03` sensor-spike on `sensor-spike-3` at 1970-01-01 00:02:51.000Z: 20 events
    - `account-takeover-05` account-takeover on `account-takeover-5` at 1970-01-01 00:04:13.000Z: 20 events
    - `drop-out-06` drop-out on `drop-out-6` at 1970-01-01 00:05:09.000Z: 20 events
    - and 2 more

    ## Again

    ```sh
    floodmark bench profiles/three-streams.yaml --seed 7
    ```

    Seed 7, broker `embedded`, detector `bundled`, 2025-06-15 15:06:40 UTC, floodmark 0.1.0.

    <details><summary>Detection, latency and throughput in full</summary>

    ## Detection

    | detection | found | recall | 95 % | precision | 95 % | F1 | false | random R | random P |
    |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
    | all | 65/72 | 0.903 | 0.81–0.95 | 0.867 | 0.77–0.93 | 0.884 | 10 | 0.148 | 0.147 |
    | traffic-spike | 12/12 | 1.000 | 0.76–1.00 | 1.000 | 0.76–1.00 | 1.000 | 0 | 0.130 | 0.135 |
    | bot | 12/12 | 1.000 | 0.76–1.00 | 0.571 | 0.37–0.76 | 0.727 | 9 | 0.191 | 0.113 |
    | credential-stuffing | 12/12 | 1.000 | 0.76–1.00 | 1.000 | 0.76–1.00 | 1.000 | 0 | 0.130 | 0.135 |
    | account-takeover | 11/12 | 0.917 | 0.65–0.99 | 1.000 | 0.74–1.00 | 0.957 | 0 | 0.105 | 0.117 |
    | sensor-spike | 9/12 | 0.750 | 0.47–0.91 | 1.000 | 0.70–1.00 | 0.857 | 0 | 0.010 | 0.014 |
    | drop-out | 9/12 | 0.750 | 0.47–0.91 | 1.000 | 0.70–1.00 | 0.857 | 0 | 0.029 | 0.039 |

    Recall and precision with 95 % Wilson intervals; precision counts repeated alerts once. “random” is what alerts placed at random at the same rate would score.

    ## Latency

    | latency | p50 | p90 | p99 | p99.9 | max | values |
    |---|---:|---:|---:|---:|---:|---:|
    | send_lateness | 717 µs | 1.14 ms | 1.33 ms | 1.39 ms | 1.41 ms | 20,400 |
    | acknowledge | 6.49 ms | 8.99 ms | 10.3 ms | 10.7 ms | 10.9 ms | 20,400 |
    | due_to_acknowledged | – | – | – | – | – | 0 |
    | due_to_consumed | – | – | – | – | – | 0 |
    | alert | 1.85 s | 2.70 s | – | – | 2.87 s | 75 |
    | alert_from_hand_over | 1.85 s | 2.70 s | – | – | 2.87 s | 75 |
    | detect | 7.52 s | 9.21 s | – | – | 9.63 s | 65 |

    ## Throughput

    | stream | offered | sent | acknowledged | consumed |
    |---|---:|---:|---:|---:|
    | clickstream | 500/s | 500/s | 500/s | 500/s |
    | banking | 500/s | 500/s | 500/s | 500/s |
    | sensors | 100/s | 100/s | 100/s | 100/s |
    | all | 1,100/s | 1,100/s | 1,100/s | 1,100/s |

    </details>

    ## Warnings

    - Gate `latency.alert.p99 < 5s` does not hold.
    - 9 false alerts match an incident in time and kind but not in key: is the detector's key the one that the catalogue names?
    "#);
}

#[test]
fn the_summary_of_an_invalid_run_leads_with_the_reason() {
    insta::assert_snapshot!(summary(&invalid()), @r#"
    # ! Invalid: synthetic. Do not use its figures: mend the cause and measure again.

    The measurement cannot be trusted. The figures below say as much about the harness as about the detector.

    - `generator-late` (invalid): 12 % of events were sent more than 50 ms late; lower the rate or use more cores.

    ## Main figures

    | metric | value | 95 % | better |
    |---|---:|---:|---:|
    | `detection.recall` | 0.000 | 0.000–0.793 | higher |
    | `detection.precision` | undefined |  | higher |
    | `detection.f1` | undefined |  | higher |
    | `detection.false_alerts` | 0 |  | lower |
    | `detection.delay` | undefined |  | lower |
    | `throughput.offered` | 100/s |  |  |
    | `throughput.consumed` | 100/s |  | higher |
    | `latency.alert.p50` | undefined |  | lower |
    | `latency.alert.p99` | undefined |  | lower |
    | `latency.detect.p50` | undefined |  | lower |
    | `cpu.subject.per_million_events` | 1,000 CPU-s per million |  | lower |
    | `memory.subject.peak` | 64.0 MiB |  | lower |

    ## Missed: 1 incident

    - `one` sensor-spike on `s1` at 1970-01-01 00:00:05.000Z

    ## Again

    ```sh
    floodmark bench profiles/synthetic.yaml --seed 7
    ```

    Seed 7, broker `embedded`, detector `bundled`, 2025-06-15 15:06:40 UTC, floodmark 0.1.0.

    <details><summary>Detection, latency and throughput in full</summary>

    ## Detection

    | detection | found | recall | 95 % | precision | 95 % | F1 | false | random R | random P |
    |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
    | all | 0/1 | 0.000 | 0.00–0.79 | undefined |  | undefined | 0 | 0.000 | undefined |
    | sensor-spike | 0/1 | 0.000 | 0.00–0.79 | undefined |  | undefined | 0 | 0.000 | undefined |

    Recall and precision with 95 % Wilson intervals; precision counts repeated alerts once. “random” is what alerts placed at random at the same rate would score.

    ## Latency

    | latency | p50 | p90 | p99 | p99.9 | max | values |
    |---|---:|---:|---:|---:|---:|---:|
    | send_lateness | 100 µs | 180 µs | 198 µs | – | 200 µs | 200 |
    | acknowledge | 5.00 ms | 9.01 ms | 9.90 ms | – | 10.0 ms | 200 |
    | due_to_acknowledged | – | – | – | – | – | 0 |
    | due_to_consumed | – | – | – | – | – | 0 |
    | alert | – | – | – | – | – | 0 |
    | alert_from_hand_over | – | – | – | – | – | 0 |
    | detect | – | – | – | – | – | 0 |

    ## Throughput

    | stream | offered | sent | acknowledged | consumed |
    |---|---:|---:|---:|---:|
    | sensors | 100/s | 100/s | 100/s | 100/s |

    </details>

    ## Warnings

    - Fewer than 10 labels of sensor-spike (1): read the intervals, not the figures; a longer run or a higher `count` narrows them.
    "#);
}

#[test]
fn the_summary_of_an_interrupted_run_says_so() {
    let text = summary(&interrupted());
    assert!(text.starts_with("# ‖ Interrupted: synthetic"), "{text}");
    assert!(text.contains("Run it again to the end"), "{text}");
    assert!(
        text.contains("its figure is undefined in this run"),
        "{text}"
    );
}

#[test]
fn the_detection_table_stands_alone() {
    let run = full();
    let table = detection_table(&run.result.detection);
    assert!(terminal(&run.result).contains(&table));
    assert_eq!(table.lines().count(), 8);
}

#[test]
fn texts_of_others_are_no_markup_in_the_summary() {
    let mut run = full();
    run.result.profile = "a\n# b <img src=x>".to_owned();
    run.result
        .warnings
        .push("record `<x>` is [no](alert)\n- nor this".to_owned());
    let text = summary(&run);
    assert!(
        text.starts_with("# ✗ Gate failed: a # b \\<img src=x>. Look first at"),
        "{text}"
    );
    assert!(
        text.contains("- Record `<x>` is \\[no\\](alert) - nor this.\n"),
        "{text}"
    );
}

/// Cells of a row: bars that no backslash takes away, less one.
fn cells(row: &str) -> usize {
    let bars = row.replace("\\|", "").matches('|').count();
    bars - 1
}

#[test]
fn no_name_of_others_breaks_a_table_a_span_or_a_block() {
    let mut run = full();
    let hostile = "a|b`c\\|d</details>\n```\n| x |";
    for name in [
        &mut run.result.broker,
        &mut run.result.subject,
        &mut run.result.reproduce,
        &mut run.result.gates[0].gate.require,
        &mut run.labels[0].keys[0].id,
    ] {
        *name = hostile.to_owned();
    }
    run.result.detection.missed = vec![hostile.to_owned(), run.labels[0].id.clone()];
    let text = summary(&run);
    let mut width = None;
    for line in text.lines() {
        if line.starts_with('|') {
            assert_eq!(*width.get_or_insert(cells(line)), cells(line), "{line}");
        } else {
            width = None;
        }
    }
    assert_eq!(
        text.matches("</details>").count(),
        2,
        "one of them in the block:\n{text}"
    );
    assert!(
        text.contains("````sh\na|b`c\\|d</details> ``` | x |\n````\n"),
        "{text}"
    );
    let spans = "<code>a&#124;b&#96;c&#92;&#124;d&#60;&#47;details&#62; &#96;&#96;&#96; &#124; x &#124;</code>";
    assert_eq!(text.matches(spans).count(), 5, "{text}");
}

#[test]
fn the_first_line_says_what_to_do() {
    let mut warned = gated(&[("detection.recall >= 0.99", GateFailure::Warn)]);
    let mut degraded = gated(&[("detection.recall >= 0.8", GateFailure::Fail)]);
    degraded.result.validity.status = ValidityStatus::Degraded;
    warned.result.profile = "x".to_owned();
    for (run, expected) in [
        (
            full(),
            "# ✗ Gate failed: three-streams. Look first at `detection.precision >= 0.95`: found 0.867.",
        ),
        (
            gated(&[]),
            "# ✓ Passed: three-streams. Nothing was asked of it.",
        ),
        (
            gated(&[("detection.recall >= 0.8", GateFailure::Fail)]),
            "# ✓ Passed: three-streams. Nothing to do.",
        ),
        (warned, "# ✓ Passed: x. Look at what warns."),
        (
            degraded,
            "# ✓ Passed: three-streams. Read its figures with the reasons below.",
        ),
        (
            invalid(),
            "# ! Invalid: synthetic. Do not use its figures: mend the cause and measure again.",
        ),
        (
            interrupted(),
            "# ‖ Interrupted: synthetic. Run it again to the end.",
        ),
    ] {
        assert_eq!(summary(&run).lines().next().unwrap(), expected);
    }
}

#[test]
fn a_gate_that_spoils_the_run_does_not_merely_warn() {
    let run = gated(&[
        ("detection.recall >= 0.99", GateFailure::Invalid),
        ("e2e_latency.p50 < 1s", GateFailure::Warn),
    ]);
    let text = summary(&run);
    assert!(
        text.contains("| `detection.recall >= 0.99` | 0.903 | ! **invalid** |"),
        "{text}"
    );
    assert!(
        text.contains("| `e2e_latency.p50 < 1s` | 1.85 s | ! warns |"),
        "{text}"
    );
    assert!(terminal(&run.result).contains("0.903  INVALID"));
}

#[test]
fn the_missed_incidents_that_stand_out_most_come_first() {
    let text = summary(&with_difficulty());
    let missed: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("## Missed"))
        .skip(2)
        .take_while(|line| !line.is_empty())
        .collect();
    assert_eq!(
        missed.len(),
        6,
        "five of them, and how many more: {missed:?}"
    );
    let snr = |line: &&str| -> f64 {
        let (_, snr) = line.split_once("signal to noise ").unwrap();
        snr.parse().unwrap()
    };
    let shown: Vec<f64> = missed[..5].iter().map(snr).collect();
    assert!(shown.is_sorted_by(|a, b| a >= b), "{shown:?}");
    assert!(missed[5].ends_with(" more"));
}

#[test]
fn texts_say_how_often_the_detector_fell_for_decoys() {
    let run = with_decoys();
    let line = "Alerted on 1 of 2 benign look-alikes (recalibration 1/2), with 1 false alert.";
    assert!(summary(&run).contains(line), "{}", summary(&run));
    assert!(terminal(&run.result).contains(line));
    assert!(!terminal(&full().result).contains("look-alike"));
}
