//! The Markdown summary and the table for the terminal.

use floodmark_reports::{detection_table, summary_md, terminal};

use crate::runs::{Scored, empty, full, interrupted, invalid, with_decoys};

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
    # ✗ Gate failed: three-streams

    1 of 4 gates fails. The measurement can be trusted.

    - Precision: `bot` has the most false alerts, 9 after merging. They are listed under “Incidents and alerts”.
    - `latency.alert.p99 < 5s` cannot hold: its figure is undefined in this run, as there was nothing or too little to measure.

    Seed 7, broker `embedded`, detector `bundled`, 2025-06-15 15:06:40 UTC. Again: `floodmark bench profiles/three-streams.yaml --seed 7`

    ## Gates

    - ✓ `detection.recall >= 0.8` holds: 0.903
    - ✗ `detection.precision >= 0.95` **fails**: 0.867
    - ! `latency.alert.p99 < 5s` warns: undefined
    - ✓ `throughput.acknowledged >= 0.99 * throughput.offered` holds: 1,100/s

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

    ## Missed: 7 incidents

    - `sensor-spike-00` sensor-spike on `sensor-spike-0` at 1970-01-01 00:00:39.000Z
    - `drop-out-01` drop-out on `drop-out-1` at 1970-01-01 00:01:29.000Z
    - `sensor-spike-03` sensor-spike on `sensor-spike-3` at 1970-01-01 00:02:51.000Z
    - `account-takeover-05` account-takeover on `account-takeover-5` at 1970-01-01 00:04:13.000Z
    - `drop-out-06` drop-out on `drop-out-6` at 1970-01-01 00:05:09.000Z
    - `drop-out-09` drop-out on `drop-out-9` at 1970-01-01 00:07:21.000Z
    - `sensor-spike-11` sensor-spike on `sensor-spike-11` at 1970-01-01 00:08:43.000Z

    ## Warnings

    - Gate `latency.alert.p99 < 5s` does not hold.
    - 9 false alerts match an incident in time and kind but not in key: is the detector's key the one that the catalogue names?
    "#);
}

#[test]
fn the_summary_of_an_invalid_run_leads_with_the_reason() {
    insta::assert_snapshot!(summary(&invalid()), @r#"
    # ! Invalid: synthetic

    The measurement cannot be trusted. The figures below say as much about the harness as about the detector.

    - 12 % of events were sent more than 50 ms late; lower the rate or use more cores.

    Seed 7, broker `embedded`, detector `bundled`, 2025-06-15 15:06:40 UTC. Again: `floodmark bench profiles/synthetic.yaml --seed 7`

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

    ## Missed: 1 incident

    - `one` sensor-spike on `s1` at 1970-01-01 00:00:05.000Z

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
        text.starts_with("# ✗ Gate failed: a # b \\<img src=x>\n"),
        "{text}"
    );
    assert!(
        text.contains("- Record `<x>` is \\[no\\](alert) - nor this.\n"),
        "{text}"
    );
}

#[test]
fn texts_say_how_often_the_detector_fell_for_decoys() {
    let run = with_decoys();
    let line = "Alerted on 1 of 2 benign look-alikes (recalibration 1/2), with 1 false alert.";
    assert!(summary(&run).contains(line), "{}", summary(&run));
    assert!(terminal(&run.result).contains(line));
    assert!(!terminal(&full().result).contains("look-alike"));
}
