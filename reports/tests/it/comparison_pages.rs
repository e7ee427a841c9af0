//! Pages and plots of comparisons: well formed, complete, and there on bad days too.

use std::collections::BTreeSet;

use floodmark_contracts::compare::Comparison;
use floodmark_reports::{comparison_html, comparison_svg};

use crate::{
    compared::{empty, inconclusive, invalid, many, regressed, stored, undefined, written},
    comparisons,
    sound::{assert_sound, text_of, with_page},
};

/// Every comparison that has a page, by name.
pub fn all() -> Vec<(&'static str, Comparison)> {
    vec![
        ("regressed", regressed()),
        ("inconclusive", inconclusive()),
        ("invalid", invalid()),
        ("stored", stored()),
        ("empty", empty()),
        ("many", many()),
        ("gated", all_gated()),
        ("undefined", undefined()),
        ("mixed", comparisons::comparison()),
    ]
}

/// Many metrics, all of them gated.
fn all_gated() -> Comparison {
    let mut comparison = many();
    for metric in &mut comparison.metrics {
        metric.gated = true;
    }
    comparison
}

fn page(name: &str, comparison: &Comparison) -> String {
    written(&format!("comparison-{name}.html"), |out| {
        comparison_html(comparison, out)
    })
}

#[test]
fn every_comparison_has_a_sound_page_with_each_of_its_metrics() {
    for (name, comparison) in all() {
        let text = page(name, &comparison);
        assert_sound(name, &text);
        with_page(&text, |page| {
            let in_tables: BTreeSet<&str> = page
                .descendants()
                .filter(|n| n.has_tag_name("th"))
                .flat_map(|n| n.children().filter(|n| n.has_tag_name("code")))
                .filter_map(|n| n.text())
                .collect();
            for metric in &comparison.metrics {
                assert!(
                    in_tables.contains(metric.name.as_str()),
                    "{name}: {}",
                    metric.name
                );
            }
        });
    }
}

/// The text of the section with the verdict.
fn verdict(name: &str, comparison: &Comparison) -> String {
    with_page(&page(name, comparison), |page| {
        let section = page
            .descendants()
            .find(|n| n.attribute("id") == Some("verdict"));
        let text = text_of(section.unwrap());
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    })
}

#[test]
fn a_regression_says_what_by_how_much_how_sure_and_what_to_do() {
    insta::assert_snapshot!(verdict("regressed", &regressed()), @r"
    Verdict
    ✗ Regressed
    2 of 6 gated metrics are worse:  detection.recall  (0.890 became 0.863),  latency.alert.p99  (+9.74 %).
    What changed, and what cannot be told
    ✗  detection.recall  is worse: 0.890 became 0.863 (−0.027), and the seed leaves nothing to chance.
    ✗  latency.alert.p99  is worse: 2.09 s became 2.30 s (+9.74 %), 95 % interval +7.47 % to +11.2 %, p 0.006, confirmed by 10 fresh rounds.
    What to do
    detection.recall : hold the missed incidents and false alerts of a run of either side against each other.
    latency.alert.p99 : see in the reports of a run of either side which stage of an alert's time has grown.
    Warnings
    latency.alert.p99 : far from the other rounds, and counted: 5.
    ");
}

#[test]
fn a_change_at_its_margin_asks_whether_it_matters() {
    insta::assert_snapshot!(verdict("inconclusive", &inconclusive()), @r"
    Verdict
    ? Inconclusive
    1 of 6 gated metrics cannot be told:  throughput.consumed . A regression was neither shown nor ruled out.
    What changed, and what cannot be told
    ?  throughput.consumed  inconclusive: −1.91 % (−2.37 % to −1.74 %); the median change of -1.9 % is within the margin of 2.0 %, its interval is not.
    What to do
    throughput.consumed  changed by about its margin, so that more rounds need not settle on which side of it the change lies: ask whether a change of this size matters, and set the least change that matters below or above it.
    Warnings
    latency.alert.p99 : far from the other rounds, and counted: 5.
    ");
}

#[test]
fn what_the_rounds_do_not_tell_asks_for_a_number_of_rounds() {
    let mut open = inconclusive();
    let metric = open
        .metrics
        .iter_mut()
        .find(|m| m.name == "throughput.consumed");
    let metric = metric.unwrap();
    // Half an interval of 2.5 % is to fit into the 1.5 % up to the margin: (2.5 / 1.5)^2 times the rounds.
    (metric.effect, metric.margin) = (Some(0.005), Some(0.02));
    (metric.interval, metric.n) = (Some([-0.02, 0.03]), 20);
    let found = verdict("open", &open);
    assert!(found.contains("about 56 rounds from the start"), "{found}");
    open.metrics.iter_mut().for_each(|metric| metric.n = 100);
    let found = verdict("noisy", &open);
    assert!(found.contains("more than 200 rounds"), "{found}");
}

#[test]
fn void_rounds_are_counted_by_reason() {
    insta::assert_snapshot!(verdict("invalid", &invalid()), @r"
    Verdict
    ! Invalid
    10 of 10 rounds are void, too many for the figures to say anything.
    What to do
    10 void rounds: generator-late.
    Mend that, or use a quieter machine, and compare again.
    ");
}

#[test]
fn runs_that_are_too_few_give_an_advisory_verdict() {
    insta::assert_snapshot!(verdict("stored", &stored()), @r"
    Verdict
    ✓ Improved, only advisory
    cpu.subject.per_million_events  is better: −19.3 %, 95 % interval −19.9 % to −18.4 %, p 0.009.
    What changed, and what cannot be told
    ✓  cpu.subject.per_million_events  is better: 3.08 CPU-s per million became 2.51 CPU-s per million (−19.3 %), 95 % interval −19.9 % to −18.4 %, p 0.009.
    ?  detection.f1  inconclusive: 0 % (0 % to 0 %); p 1.0000 is above 0.05 (5 runs a side tell by the margin alone, if at all).
    ?  detection.precision  inconclusive: 0 % (0 % to 0 %); p 1.0000 is above 0.05 (5 runs a side tell by the margin alone, if at all).
    ?  detection.recall  inconclusive: 0 % (0 % to 0 %); p 1.0000 is above 0.05 (5 runs a side tell by the margin alone, if at all).
    ?  latency.alert.p99  inconclusive: −0.372 % (−1.79 % to +1.04 %); p 1.0000 is above 0.05 (5 runs a side tell by the margin alone, if at all).
    ?  throughput.consumed  inconclusive: −0.213 % (−0.415 % to +0.027 %); p 0.6371 is above 0.05 (5 runs a side tell by the margin alone, if at all).
    What to do
    The verdict is only advisory and must not fail anything, for the reasons below.
    Why it is only advisory
    The candidate has 5 runs; 6 or more are needed.
    ");
}

#[test]
fn nothing_to_compare_says_so() {
    insta::assert_snapshot!(verdict("empty", &empty()), @r"
    Verdict
    ? Inconclusive, only advisory
    No metric is gated, so that nothing is judged.
    What to do
    More runs of either side would tell more; rounds made in pairs on one machine tell most.
    The verdict is only advisory and must not fail anything, for the reasons below.
    Why it is only advisory
    The base has 0 runs; 6 or more are needed.
    The candidate has 0 runs; 6 or more are needed.
    ");
}

/// The texts of a chart in order, and its shapes by class.
fn outline(comparison: &Comparison, name: &str, id: &str) -> String {
    with_page(&page(name, comparison), |page| {
        let chart = page.descendants().find(|n| n.attribute("id") == Some(id));
        let mut shapes = std::collections::BTreeMap::<String, u32>::new();
        let mut lines = Vec::new();
        for node in chart.unwrap().children() {
            match node.tag_name().name() {
                "title" | "desc" | "text" => {
                    lines.push(node.text().unwrap_or_default().to_owned());
                }
                shape => {
                    let class = node.attribute("class").unwrap_or("-");
                    *shapes.entry(format!("{shape} {class}")).or_default() += 1;
                }
            }
        }
        lines.extend(shapes.iter().map(|(shape, n)| format!("{n} {shape}")));
        lines.join("\n")
    })
}

#[test]
fn the_forest_plot_has_a_row_for_each_gated_metric() {
    insta::assert_snapshot!(outline(&regressed(), "regressed", "forest"), @r"
    Changes of the gated metrics
    Changes of 6 metrics with their intervals; worse is to the right. cpu.subject.per_million_events: equivalent, −0.253 %; detection.f1: equivalent, 0.000; detection.precision: equivalent, 0.000; detection.recall: regressed, −0.027; latency.alert.p99: regressed, +9.74 %; throughput.consumed: equivalent, +0.171 %. The table holds the same figures.
    Metric
    ← better
    worse →
    Change
    Verdict
    0
    5 %
    5 %
    10 %
    10 %
    15 %
    15 %
    per cent of the base; a rate that falls is worse
    cpu.subject.per_million_events
    −0.253 %
    ✓ equivalent
    detection.f1
    0.000
    ✓ equivalent
    detection.precision
    0.000
    ✓ equivalent
    detection.recall
    −0.027
    ✗ regressed
    latency.alert.p99
    +9.74 %
    ✗ regressed
    throughput.consumed
    +0.171 %
    ✓ equivalent
    regressed
    improved
    equivalent
    inconclusive
    without a verdict
    margin: changes that do not matter
    95 % interval
    5 circle estimate
    1 circle mark-open
    3 circle mark-paper
    1 circle mark-small
    1 line axis
    12 line grid
    10 line interval
    3 path mark-bad
    1 polygon mark-good
    4 rect margin
    1 rect side-bad
    1 rect side-good
    ");
}

#[test]
fn rounds_show_both_sides_and_mark_void_and_far_ones() {
    insta::assert_snapshot!(outline(&regressed(), "regressed", "rounds-4"), @r"
    Rounds of latency.alert.p99
    22 rounds, 2 of them void; the candidate's value is the higher one in 20 of 20 with both.
    latency.alert.p99
    2.0 s
    2.5 s
    3.0 s
    3.5 s
    4.0 s
    first look
    to confirm
    1
    2
    3
    4
    5
    6
    7
    8
    9
    10
    11
    12
    13
    14
    15
    16
    17
    18
    19
    20
    21
    22
    void
    far from the others
    better
    worse
    candidate
    base
    21 circle estimate
    21 circle mark-open
    2 line axis
    5 line grid
    2 line mark
    1 line pair better
    21 line pair worse
    3 path mark-void
    2 polygon mark-far
    ");
}

#[test]
fn gated_metrics_beyond_those_that_are_drawn_are_counted() {
    let text = page("gated", &all_gated());
    assert!(text.contains("276 more gated metrics are in the table"));
    assert_eq!(text.matches("id=\"rounds-23\"").count(), 1);
    assert!(!text.contains("id=\"rounds-24\""));
}

#[test]
fn stored_runs_stand_side_by_side_and_are_not_joined() {
    let found = outline(&stored(), "stored", "rounds-0");
    assert!(found.contains("base: 8 runs\ncandidate: 5 runs"), "{found}");
    assert!(!found.contains("line pair"), "{found}");
    assert!(found.contains("8 circle mark-open"), "{found}");
    assert!(found.contains("5 circle estimate"), "{found}");
}

#[test]
fn names_of_metrics_and_sides_are_no_markup() {
    let hostile = "<img src=x>`\"'&\u{0}\u{202e}\n</style>]]>";
    let mut broken = regressed();
    broken.metrics[0].reason = hostile.to_owned();
    broken.rounds[2].void = Some(hostile.to_owned());
    broken.warnings.push(hostile.to_owned());
    broken.advisory.push(hostile.to_owned());
    for name in [
        &mut broken.base.name,
        &mut broken.cand.name,
        &mut broken.cand.what,
    ] {
        *name = hostile.to_owned();
    }
    for metric in &mut broken.metrics {
        (metric.name, metric.unit) = (hostile.to_owned(), hostile.to_owned());
    }
    let text = page("hostile", &broken);
    assert_sound("hostile", &text);
    assert!(!text.contains("<img"), "{text}");
    let (_, svg) = comparison_svg(&broken);
    with_page(&svg, |page| {
        assert!(page.descendants().all(|n| n.tag_name().name() != "img"));
    });
}
