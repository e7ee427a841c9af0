//! Comparisons and noise floors in a terminal.

use floodmark_reports::{comparison_text, noise_floor_text};

use crate::compared::{empty, floor, inconclusive, invalid, many, regressed, stored, undefined};

#[test]
fn the_verdict_comes_first_then_each_gated_metric() {
    insta::assert_snapshot!(comparison_text(&regressed()), @r"
    ✗ Regressed: faster against main. 2 of 6 gated metrics are worse: `detection.recall` (0.890 became 0.863), `latency.alert.p99` (+9.74 %).

    metric                                            base                    cand                    change (95 %)      p       verdict
    cpu.subject.per_million_events  3.09 CPU-s per million  3.09 CPU-s per million  −0.253 % (−0.546 % to +0.239 %)  0.629  ✓ equivalent
    detection.f1                                     0.910                   0.910                            0.000      –  ✓ equivalent
    detection.precision                              0.930                   0.930                            0.000      –  ✓ equivalent
    detection.recall                                 0.890                   0.863                           −0.027      –   ✗ REGRESSED
    latency.alert.p99                               2.09 s                  2.30 s     +9.74 % (+7.47 % to +11.2 %)  0.006   ✗ REGRESSED
    throughput.consumed                           49,742/s                49,896/s  +0.171 % (−0.182 % to +0.595 %)  0.449  ✓ equivalent

    8 metrics are not gated and count for nothing: none looks worse, 1 looks better (`memory.subject.peak`).
    `detection.recall`: hold the missed incidents and false alerts of a run of either side against each other.
    `latency.alert.p99`: see in the reports of a run of either side which stage of an alert's time has grown.
    Warning: `latency.alert.p99`: far from the other rounds, and counted: 5.
    ");
}

#[test]
fn what_is_not_known_says_what_would_tell() {
    insta::assert_snapshot!(comparison_text(&inconclusive()), @r"
    ? Inconclusive: faster against main. 1 of 6 gated metrics cannot be told: `throughput.consumed`. A regression was neither shown nor ruled out.

    metric                                            base                    cand                    change (95 %)            p         verdict
    cpu.subject.per_million_events  3.09 CPU-s per million  3.10 CPU-s per million  +0.024 % (−0.303 % to +0.357 %)        0.813    ✓ equivalent
    detection.f1                                     0.910                   0.910                            0.000            –    ✓ equivalent
    detection.precision                              0.930                   0.930                            0.000            –    ✓ equivalent
    detection.recall                                 0.890                   0.890                            0.000            –    ✓ equivalent
    latency.alert.p99                               2.10 s                  2.10 s  −0.276 % (−0.974 % to +0.766 %)        0.813    ✓ equivalent
    throughput.consumed                           49,840/s                48,887/s     −1.91 % (−2.37 % to −1.74 %)  under 0.001  ? inconclusive

    8 metrics are not gated and count for nothing: none looks worse, none looks better.
    `throughput.consumed` changed by about its margin, so that more rounds need not settle on which side of it the change lies: ask whether a change of this size matters, and set the least change that matters below or above it.
    Warning: `latency.alert.p99`: far from the other rounds, and counted: 5.
    ");
}

#[test]
fn stored_runs_say_why_they_are_only_advisory() {
    insta::assert_snapshot!(comparison_text(&stored()), @r"
    ✓ Improved (advisory): faster against main. `cpu.subject.per_million_events` is better: −19.3 %, 95 % interval −19.9 % to −18.4 %, p 0.009.

    metric                                            base                    cand                    change (95 %)      p         verdict
    cpu.subject.per_million_events  3.08 CPU-s per million  2.51 CPU-s per million     −19.3 % (−19.9 % to −18.4 %)  0.009      ✓ improved
    detection.f1                                     0.910                   0.910                 0 % (0 % to 0 %)  1.000  ? inconclusive
    detection.precision                              0.930                   0.930                 0 % (0 % to 0 %)  1.000  ? inconclusive
    detection.recall                                 0.890                   0.890                 0 % (0 % to 0 %)  1.000  ? inconclusive
    latency.alert.p99                               2.10 s                  2.08 s    −0.372 % (−1.79 % to +1.04 %)  1.000  ? inconclusive
    throughput.consumed                           49,778/s                49,685/s  −0.213 % (−0.415 % to +0.027 %)  0.637  ? inconclusive

    8 metrics are not gated and count for nothing: none looks worse, none looks better.
    The verdict is only advisory and must not fail anything, for the reasons below.
    Only advisory: The candidate has 5 runs; 6 or more are needed.
    ");
}

#[test]
fn bad_days_have_a_text_too() {
    insta::assert_snapshot!(comparison_text(&invalid()), @r"
    ! Invalid: faster against main. 10 of 10 rounds are void, too many for the figures to say anything.

    metric                               base       cand  change (95 %)  p    verdict
    cpu.subject.per_million_events  undefined  undefined      undefined  –  ! invalid
    detection.f1                    undefined  undefined      undefined  –  ! invalid
    detection.precision             undefined  undefined      undefined  –  ! invalid
    detection.recall                undefined  undefined      undefined  –  ! invalid
    latency.alert.p99               undefined  undefined      undefined  –  ! invalid
    throughput.consumed             undefined  undefined      undefined  –  ! invalid

    8 metrics are not gated and count for nothing: none looks worse, none looks better.
    10 void rounds: generator-late.
    Mend that, or use a quieter machine, and compare again.
    ");
    insta::assert_snapshot!(comparison_text(&empty()), @r"
    ? Inconclusive (advisory): faster against main. No metric is gated, so that nothing is judged.

    More runs of either side would tell more; rounds made in pairs on one machine tell most.
    The verdict is only advisory and must not fail anything, for the reasons below.
    Only advisory: The base has 0 runs; 6 or more are needed.
    Only advisory: The candidate has 0 runs; 6 or more are needed.
    ");
    let nothing = comparison_text(&undefined());
    assert!(!nothing.contains("NaN"), "{nothing}");
    for metric in undefined().metrics.iter().filter(|metric| metric.gated) {
        assert!(nothing.contains(&metric.name), "{nothing}");
    }
}

#[test]
fn a_text_stays_short_however_many_metrics_there_are() {
    let text = comparison_text(&many());
    assert!(text.lines().count() < 30, "{text}");
    assert!(text.contains("294 metrics are not gated"), "{text}");
}

#[test]
fn names_move_no_cursor_and_break_no_line() {
    let mut broken = regressed();
    broken.cand.name = "a\u{1b}[2J\nb".to_owned();
    broken.metrics[0].name = "c\r\nd\u{202e}".to_owned();
    broken.warnings = vec!["e\u{7}\nf".to_owned()];
    let text = comparison_text(&broken);
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}'),
        "{text}"
    );
    assert!(
        text.starts_with("✗ Regressed: a\u{fffd}[2J b against main."),
        "{text}"
    );
}

#[test]
fn noise_lists_gated_metrics_first_and_the_sharpest_of_them_at_the_top() {
    insta::assert_snapshot!(noise_floor_text(&floor()), @r"
    Noise of smoke with bundled: 20 rounds, measured 2025-06-15 15:06:40 UTC on Linux 6.1, Test CPU, 2 processors.
    Floors and smallest changes are those of comparisons of 10 rounds.

    metric                                           gated  rounds       sd  noise floor  smallest change
    detection.f1                                       yes      20      0 %          0 %           2.00 %
    detection.precision                                yes      20      0 %          0 %           2.00 %
    detection.recall                                   yes      20      0 %          0 %           2.00 %
    throughput.consumed                                yes      20  0.434 %      0.241 %           2.22 %
    cpu.subject.per_million_events                     yes      20  0.844 %      0.265 %           2.44 %
    latency.alert.p99                                  yes      20   1.60 %      0.681 %           2.83 %
    throughput.offered                                          20  0.008 %      0.003 %           2.00 %
    memory.subject.peak                                         20  0.662 %      0.266 %           2.34 %
    latency.alert.p50                                           20  0.929 %      0.435 %           2.48 %
    latency.acknowledge.p99                                     20   13.3 %       4.29 %           19.0 %
    switches.subject.involuntary_per_million_events             20   16.4 %       7.81 %           26.3 %

    3 more metrics did not vary, or say nothing here; `noise-floor.json` has them all.
    ");
}

#[test]
fn a_metric_that_no_round_has_is_not_listed_as_one_that_gates() {
    let mut floor = floor();
    for metric in &mut floor.metrics {
        if metric.name == "latency.alert.p99" {
            metric.ln_ratios.fill(None);
            (metric.sd, metric.floor, metric.detectable) = (None, None, None);
        }
    }
    let text = noise_floor_text(&floor);
    let rows = text
        .lines()
        .filter(|line| line.starts_with("latency.alert.p99"));
    assert_eq!(rows.count(), 0, "{text}");
    let expected = "`latency.alert.p99` is undefined in every round and gates nothing here.\n";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("3 more metrics did not vary"), "{text}");
}

#[test]
fn noise_that_nobody_measured_says_so() {
    let mut nothing = floor();
    nothing.metrics.clear();
    nothing.warnings = vec!["0 rounds say little".to_owned()];
    insta::assert_snapshot!(noise_floor_text(&nothing), @r"
    Noise of smoke with bundled: 20 rounds, measured 2025-06-15 15:06:40 UTC on Linux 6.1, Test CPU, 2 processors.
    Floors and smallest changes are those of comparisons of 10 rounds.

    No metric was measured.

    Warning: 0 rounds say little.
    ");
}
