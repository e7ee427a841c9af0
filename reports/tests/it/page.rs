//! What a reader sees of the page, section by section, as text: rows of tables with bars, names and
//! values with colons. A change of a word or a figure shows in the diff.

use std::collections::BTreeMap;

use floodmark_contracts::{
    audit::{AuditFacts, AuditMode, Difference, DifferenceKind, Differences, StreamAudit},
    resources::{MachineFacts, Waits},
    stream::Stream,
};
use floodmark_reports::html;
use roxmltree::{Document, Node, ParsingOptions};

use crate::runs::{Scored, empty, full, interrupted, invalid};

/// The text of one section.
fn section(run: &Scored, id: &str) -> String {
    let mut out = Vec::new();
    html(&run.input(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let page = Document::parse_with_options(&text, options).unwrap();
    let found = page.descendants().find(|n| n.attribute("id") == Some(id));
    let mut lines = Vec::new();
    blocks(found.unwrap(), &mut lines);
    lines.join("\n")
}

/// One line for each block that a reader takes in at once.
fn blocks(node: Node<'_, '_>, lines: &mut Vec<String>) {
    for child in node.children().filter(Node::is_element) {
        let name = child.tag_name().name();
        match name {
            // What scripts alone show.
            _ if child.has_attribute("hidden") => (),
            "svg" => lines.push(format!("[chart {}]", child.attribute("id").unwrap())),
            "h2" | "h3" => lines.push(format!("# {}", words(child))),
            "p" | "figcaption" | "pre" => lines.push(words(child)),
            "li" if child.descendants().any(|n| n.has_tag_name("summary")) => {
                lines.push(parts(first(child, "summary"), "span", " | "));
                blocks(first(child, "details"), lines);
            }
            "li" => lines.push(format!("- {}", words(child))),
            "tr" => lines.push(cells(child)),
            "div" if is_pair(child) => {
                let [name, value] = ["dt", "dd"].map(|tag| words(first(child, tag)));
                lines.push(format!("{name}: {value}"));
            }
            _ => blocks(child, lines),
        }
    }
}

fn is_pair(node: Node<'_, '_>) -> bool {
    node.children().any(|n| n.has_tag_name("dt"))
}

fn cells(row: Node<'_, '_>) -> String {
    let cells = row.children().filter(Node::is_element).map(words);
    cells.collect::<Vec<_>>().join(" | ")
}

fn parts(node: Node<'_, '_>, tag: &str, between: &str) -> String {
    let parts = node
        .descendants()
        .filter(|n| n.has_tag_name(tag))
        .map(words);
    parts.collect::<Vec<_>>().join(between)
}

fn first<'a, 'b>(node: Node<'a, 'b>, tag: &str) -> Node<'a, 'b> {
    node.descendants().find(|n| n.has_tag_name(tag)).unwrap()
}

/// All text below a node with single spaces; what is set apart on the page is set apart here.
fn words(node: Node<'_, '_>) -> String {
    let mut text = String::new();
    for part in node.descendants() {
        if part.has_tag_name("span") && !text.is_empty() {
            text.push_str(" · ");
        }
        if part.is_text() {
            // Word joiners keep lines together and would be invisible in a snapshot.
            let shown = part.text().unwrap_or_default().replace('\u{2060}', "");
            text.push_str(&shown);
        }
    }
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_verdict_of_a_failed_run_says_what_failed_and_what_to_do() {
    insta::assert_snapshot!(section(&full(), "verdict"), @r#"
    # Verdict
    ✗Gate failed
    1 of 4 gates fails. The measurement can be trusted.
    Recall: 0.903 · 65 of 72 incidents, 95 % 0.81–0.95, at random 0.148
    Precision: 0.867 · 10 false alerts after merging, 95 % 0.77–0.93, at random 0.147
    Acknowledged: 1,100/s · of 1,100/s offered, 1,100/s consumed
    Alert latency, median: 1.85 s · p90 2.70 s
    Detector CPU: 3.03 s · per million events
    # What to do
    - Precision: bot has the most false alerts, 9 after merging. They are listed under “Incidents and alerts”.
    - latency.alert.p99 < 5s cannot hold: its figure is undefined in this run, as there was nothing or too little to measure.
    # Gates
    Condition | Found | Result
    detection.recall >= 0.8 | 0.903 | ✓ holds
    detection.precision >= 0.95 | 0.867 | ✗ fails the run
    latency.alert.p99 < 5s | undefined | ! does not hold, warns only
    throughput.acknowledged >= 0.99 * throughput.offered | 1,100/s | ✓ holds
    # Validity
    The measurement is valid: no check of the harness found a reason against its figures.
    # Warnings
    - Gate latency.alert.p99 < 5s does not hold.
    - 9 false alerts match an incident in time and kind but not in key: is the detector's key the one that the catalogue names?
    # How to reproduce
    floodmark bench profiles/three-streams.yaml --seed 7
    "#);
}

#[test]
fn the_verdict_of_an_invalid_run_leads_with_the_reason() {
    insta::assert_snapshot!(section(&invalid(), "verdict"), @r#"
    # Verdict
    !Invalid
    The measurement cannot be trusted. The figures below say as much about the harness as about the detector.
    Recall: 0.000 · 0 of 1 incidents, 95 % 0.00–0.79, at random 0.000
    Precision: undefined · 0 false alerts after merging
    Acknowledged: 100/s · of 100/s offered, 100/s consumed
    Alert latency, median: undefined · no alert was measured
    Detector CPU: 1,000 s · per million events
    # Validity
    The measurement is invalid:
    generator-late: 12 % of events were sent more than 50 ms late; lower the rate or use more cores. In seconds 3 to 8.
    # Warnings
    - Fewer than 10 labels of sensor-spike (1): read the intervals, not the figures; a longer run or a higher count narrows them.
    # How to reproduce
    floodmark bench profiles/synthetic.yaml --seed 7
    "#);
}

#[test]
fn the_verdict_of_an_interrupted_run_covers_what_was_measured() {
    insta::assert_snapshot!(section(&interrupted(), "verdict"), @r#"
    # Verdict
    ‖Interrupted
    A signal cut the run short. The figures cover what was measured until then.
    Recall: undefined · 0 of 0 incidents
    Precision: undefined · 0 false alerts after merging
    Acknowledged: 400/s · of 400/s offered, 400/s consumed
    Alert latency, median: undefined · no alert was measured
    Detector CPU: 1,000 s · per million events
    # What to do
    - Run it again to the end before comparing it with anything.
    - detection.recall >= 0.5 cannot hold: its figure is undefined in this run, as there was nothing or too little to measure.
    # Gates
    Condition | Found | Result
    detection.recall >= 0.5 | undefined | ✗ fails the run
    # Validity
    The measurement is valid: no check of the harness found a reason against its figures.
    # Warnings
    - No label counts, so recall is undefined.
    # How to reproduce
    floodmark bench profiles/synthetic.yaml --seed 7
    "#);
}

#[test]
fn the_verdict_of_an_empty_run_is_undefined_not_zero() {
    insta::assert_snapshot!(section(&empty(), "verdict"), @r#"
    # Verdict
    ✓Passed
    No gates were set. The measurement can be trusted.
    Recall: undefined · 0 of 0 incidents
    Precision: undefined · 0 false alerts after merging
    Acknowledged: 0/s · of 0/s offered, the detector does not tell what it consumed
    Alert latency, median: undefined · no alert was measured
    Detector CPU: undefined · per million events
    # What to do
    - Set gates in the profile, such as detection.recall >= 0.8, to have the run judged.
    # Validity
    The measurement is valid: no check of the harness found a reason against its figures.
    # Warnings
    - No label counts, so recall is undefined.
    # How to reproduce
    floodmark bench profiles/synthetic.yaml --seed 7
    "#);
}

#[test]
fn rates_stand_by_stream_and_over_all() {
    insta::assert_snapshot!(section(&full(), "throughput"), @r#"
    # Throughput and time line
    Stream | Offered | Sent | Acknowledged | Consumed
    clickstream | 500/s | 500/s | 500/s | 500/s
    banking | 500/s | 500/s | 500/s | 500/s
    sensors | 100/s | 100/s | 100/s | 100/s
    all | 1,100/s | 1,100/s | 1,100/s | 1,100/s
    Events per second of wall time, over the time in which events were due.
    # Phases
    Phase | Seconds | Sent per s | Consumed per s | Lag: mean / max | Alerts | Latency: p50 | p99
    measured | 0 to 600 s | – | – | – | 75 | 1.85 s | –
    drain | 600 to 612 s | – | – | – | 0 | – | –
    Whether there was a steady state is not known: the subject commits no offsets, so that nothing says how far it is.
    [chart timeline]
    Incidents stand where their first and last event were due, alerts where the broker appended them. The latency of alerts is the one that the table of latencies calls alert.
    "#);
}

#[test]
fn without_events_there_are_no_rates() {
    insta::assert_snapshot!(section(&empty(), "throughput"), @r#"
    # Throughput and time line
    Nothing was generated, so there are no rates.
    [chart timeline]
    Incidents stand where their first and last event were due, alerts where the broker appended them. The latency of alerts is the one that the table of latencies calls alert.
    "#);
}

#[test]
fn latencies_stand_with_what_they_mean_and_thin_tails_are_withheld() {
    insta::assert_snapshot!(section(&full(), "latency-section"), @r#"
    # Latency
    [chart latency]
    A curve ends where fewer than ten values are left beyond it (one, up to the 99th percentile).
    Latency | Values | Mean | p50 | p90 | p99 | p99.9 | Max
    send_lateness | 20,400 | 715 µs | 717 µs | 1.14 ms | 1.33 ms | 1.39 ms | 1.41 ms
    acknowledge | 20,400 | 6.46 ms | 6.49 ms | 8.99 ms | 10.3 ms | 10.7 ms | 10.9 ms
    due_to_acknowledged | 0 | – | – | – | – | – | –
    due_to_consumed | 0 | – | – | – | – | – | –
    alert | 75 | 1.82 s | 1.85 s | 2.70 s | – | – | 2.87 s
    alert_from_hand_over | 75 | 1.82 s | 1.85 s | 2.70 s | – | – | 2.87 s
    detect | 65 | 7.33 s | 7.52 s | 9.21 s | – | – | 9.63 s
    “–” is withheld: p90 needs 10 values, p99 100, p99.9 10,000.
    send_lateness: from an event's due time to its hand-over to the client library
    acknowledge: from an event's hand-over to the client library to the broker's acknowledgement
    due_to_acknowledged: from an event's due time to the broker's acknowledgement
    due_to_consumed: from an event's due time, in whole milliseconds, until the subject had it, where the subject tells
    alert: from the wall instant at which event time reaches the alert's end to the broker's append time of the alert: the delay by disorder and the wait for the watermark are in it, the window's own length is not
    alert_from_hand_over: the same as for alerts, less the lateness with which the generator handed over the events that were due then
    detect: from the intended send time of an incident's first affected event to the broker's append time of the first alert that detects it: the window's own length is in it
    # Where the time of alerts goes
    Pipeline and kind | Alerts | Mean of each stage | From due: p50 | p99 | From hand-over: p50 | p99
    all | 75 | On average window 4.67 s, hand-over 0 µs, wait 0 µs, detector 1.82 s, collect 0 µs | 1.85 s | – | 1.85 s | –
    test · bot | 21 | On average window 3.07 s, hand-over 0 µs, wait 0 µs, detector 1.53 s, collect 0 µs | 1.17 s | – | 1.17 s | –
    test · credential-stuffing | 12 | On average window 5.38 s, hand-over 0 µs, wait 0 µs, detector 1.94 s, collect 0 µs | 1.85 s | – | 1.85 s | –
    test · traffic-spike | 12 | On average window 5.38 s, hand-over 0 µs, wait 0 µs, detector 1.94 s, collect 0 µs | 1.85 s | – | 1.85 s | –
    test · account-takeover | 11 | On average window 5.39 s, hand-over 0 µs, wait 0 µs, detector 1.94 s, collect 0 µs | 2.02 s | – | 2.02 s | –
    test · drop-out | 9 | On average window 5.39 s, hand-over 0 µs, wait 0 µs, detector 1.94 s, collect 0 µs | 1.85 s | – | 1.85 s | –
    test · sensor-spike | 9 | On average window 5.44 s, hand-over 0 µs, wait 0 µs, detector 1.98 s, collect 0 µs | 2.02 s | – | 2.02 s | –
    test | 1 | On average window 0 µs, hand-over 0 µs, wait 0 µs, detector 1.00 s, collect 0 µs | 1.00 s | – | 1.00 s | –
    window: the alert's own span of event time, in wall time
    hand-over: from the due time of its last event to that event's hand-over to the client library
    wait: for the watermark and for events out of order, at most the bound of the subject's watermark
    detector: what remains until the broker's append time of the alert: broker, detector, commits
    collect: from the append time to the harness having read it
    From due and from hand-over leave out the window’s own length, which event time takes whatever the detector does. Means of stages add up; percentiles do not.
    "#);
}

#[test]
fn every_score_stands_beside_its_interval_and_chance() {
    insta::assert_snapshot!(section(&full(), "accuracy-section"), @r#"
    # Accuracy
    [chart accuracy]
    An incident is found if at least one alert on one of its keys stands within its tolerance. Precision counts an incident’s repeated alerts once, and merges false alerts that stand close together.
    Kind | Found | Recall | 95 % | at random | Precision | 95 % | at random | F1 | Alerts | False, merged | Delay, median
    all kinds | 65 of 72 | 0.903 | 0.81–0.95 | 0.148 | 0.867 | 0.77–0.93 | 0.147 | 0.884 | 75 | 10 | 5.50 s
    traffic-spike | 12 of 12 | 1.000 | 0.76–1.00 | 0.130 | 1.000 | 0.76–1.00 | 0.135 | 1.000 | 12 | 0 | 5.38 s
    bot | 12 of 12 | 1.000 | 0.76–1.00 | 0.191 | 0.571 | 0.37–0.76 | 0.113 | 0.727 | 21 | 9 | 5.38 s
    credential-stuffing | 12 of 12 | 1.000 | 0.76–1.00 | 0.130 | 1.000 | 0.76–1.00 | 0.135 | 1.000 | 12 | 0 | 5.38 s
    account-takeover | 11 of 12 | 0.917 | 0.65–0.99 | 0.105 | 1.000 | 0.74–1.00 | 0.117 | 0.957 | 11 | 0 | 5.50 s
    sensor-spike | 9 of 12 | 0.750 | 0.47–0.91 | 0.010 | 1.000 | 0.70–1.00 | 0.014 | 0.857 | 9 | 0 | 5.50 s
    drop-out | 9 of 12 | 0.750 | 0.47–0.91 | 0.029 | 1.000 | 0.70–1.00 | 0.039 | 0.857 | 9 | 0 | 5.25 s
    “–” is undefined: there is nothing to divide by. “At random” is what alerts placed at random over keys and event time at the same rate would score. The delay is event time from an incident's start to its first alert, over the incidents found. A wrong kind is a miss of the one kind and a false alarm of the other.
    # Counted in other ways
    Way to count | Precision | at random | Recall | at random | F1 | at random
    One to one: each alert takes one incident | 0.867 | 0.143 | 0.903 | 0.149 | 0.884 | 0.146
    Windows of 1 min per key | 0.867 | 0.073 | 0.774 | 0.063 | 0.818 | 0.067
    Kinds, pooled (micro) | 0.878 | 0.101 | 0.903 | 0.100 | 0.890 | 0.101
    Kinds, mean over kinds (macro) | 0.929 | 0.093 | 0.903 | 0.100 | 0.900 | 0.095
    Range-based (Tatbul et al. 2018) | 1.000 | 0.009 | 0.090 | 0.001 | 0.166 | 0.001
    Affiliation (Huet et al. 2022) | 1.000 | 0.507 | 0.899 | 0.353 | 0.947 | 0.416
    “At random” is the same way of counting over as many alerts placed at random. The last two are means over keys with an incident.
    # Precision over recall
    There is no curve of precision over recall: 66 of 75 alerts carry no score, and a curve of the others would not be the detector’s.
    # Time to detect, and what alerts ask of their readers
    [chart time-to-detect]
    By Kaplan and Meier: an incident that was missed is watched until its tolerance ends, and from then on says nothing. Kinds are watched for different times, so that the estimate may end above the share that was found at all: there, only incidents that are found late were still watched. Delays below 0 are of alerts whose event time lies before the incident’s start.
    Incidents found, event time: half by 5.50 s, nine in ten by 6.75 s; of those found half by 5.50 s
    Incidents found, wall time: half by 7.52 s, nine in ten by 9.62 s; of those found half by 7.52 s
    False alerts for each entity and day: 11.3
    False alerts for each million events: 15.2
    True alerts for each incident found: 1.00
    Alerts on one key in one day, 95th percentile: 1.00
    True alerts that repeat another: 0 %
    Event time with an alert standing: 37.0 %
    False alerts on the noisiest hundredth of keys: 10.0 %
    Most alerts in one hour of event time: 75
    NAB score, standard profile: 90.5 (at random 10.1)
    Shares of all incidents, missed ones among them, by Kaplan and Meier; of those found alone the median flatters.
    # Kinds against kinds
    Incident ↓, alerts say → | traffic-spike | bot | credential-stuffing | account-takeover | sensor-spike | drop-out | none | All
    traffic-spike | 12 |  |  |  |  |  |  | 12
    bot |  | 12 |  |  |  |  |  | 12
    credential-stuffing |  |  | 12 |  |  |  |  | 12
    account-takeover |  |  |  | 11 |  |  | 1 | 12
    sensor-spike |  |  |  |  | 9 |  | 3 | 12
    drop-out |  |  |  |  |  | 9 | 3 | 12
    none: false alarms |  | 9 |  |  |  |  |  | 9
    Framed cells are right; the deeper a shade, the larger the share of its row. “none” as a row are false alarms, as a column incidents that were missed; “unnamed” are those that only alerts without a kind found, “foreign” are kinds that the catalogue does not have.
    Incident | Alerts say | Times
    none | bot | 9
    drop-out | none | 3
    sensor-spike | none | 3
    account-takeover | none | 1
    bot | the same | 12
    credential-stuffing | the same | 12
    traffic-spike | the same | 12
    account-takeover | the same | 11
    drop-out | the same | 9
    sensor-spike | the same | 9
    “none” on the left is a false alarm, on the right an incident that was missed; “unnamed” is one that only alerts without a kind found.
    In the warm-up, left out: 0 incidents, 0 alerts
    Tolerance passes the end of the run, left out: 0 incidents, 0 alerts
    Match only incidents that are left out, ignored: 0 alerts
    Came more than once, counted once: 0 alerts
    False, but right in time and kind on another key: 9 alerts
    Detect more than one incident: 0 alerts
    Share of alerts that are true: 0.867 (at random 0.160)
    "#);
}

#[test]
fn a_run_without_incidents_has_one_row_of_undefined_scores() {
    insta::assert_snapshot!(section(&empty(), "accuracy-section"), @r#"
    # Accuracy
    [chart accuracy]
    An incident is found if at least one alert on one of its keys stands within its tolerance. Precision counts an incident’s repeated alerts once, and merges false alerts that stand close together.
    Kind | Found | Recall | 95 % | at random | Precision | 95 % | at random | F1 | Alerts | False, merged | Delay, median
    all kinds | 0 of 0 | undefined |  | – | undefined |  | – | – | 0 | 0 | –
    “–” is undefined: there is nothing to divide by. “At random” is what alerts placed at random over keys and event time at the same rate would score. The delay is event time from an incident's start to its first alert, over the incidents found. A wrong kind is a miss of the one kind and a false alarm of the other.
    # Precision over recall
    There is no curve of precision over recall: no incident counts, so that there is nothing to recall.
    # Time to detect, and what alerts ask of their readers
    No incident counts, so that there is no time to detect.
    In the warm-up, left out: 0 incidents, 0 alerts
    Tolerance passes the end of the run, left out: 0 incidents, 0 alerts
    Match only incidents that are left out, ignored: 0 alerts
    Came more than once, counted once: 0 alerts
    False, but right in time and kind on another key: 0 alerts
    Detect more than one incident: 0 alerts
    Share of alerts that are true: undefined (at random undefined)
    "#);
}

#[test]
fn missed_incidents_and_false_alerts_open_to_what_is_known() {
    let mut run = full();
    // Two of each show the form.
    run.result.detection.missed.truncate(2);
    let mut kept = 0;
    run.alerts.retain(|alert| {
        kept += u32::from(alert.alert.id.starts_with("false"));
        kept <= 2
    });
    insta::assert_snapshot!(section(&run, "lists"), @r#"
    # Incidents and alerts
    # Missed incidents · 2
    sensor-spike-00 | Kind sensor-spike | Key sensor-spike-0 | Event time 1970-01-01 00:00:39.000Z | Length 9.00 s | In the run 39.00 s
    id: sensor-spike-00
    ends: 1970-01-01 00:00:48.000Z
    detectable from: 1970-01-01 00:00:48.000Z
    affected events: 20
    event ids: e4-0-0, e4-0-1, e4-0-2, e4-0-3, e4-0-4, e4-0-5, e4-0-6, e4-0-7, e4-0-8, e4-0-9, e4-0-10, e4-0-11 and 8 more
    drop-out-01 | Kind drop-out | Key drop-out-1 | Event time 1970-01-01 00:01:29.000Z | Length 9.00 s | In the run 89.00 s
    id: drop-out-01
    ends: 1970-01-01 00:01:38.000Z
    detectable from: 1970-01-01 00:01:38.000Z
    affected events: 20
    event ids: e5-1-0, e5-1-1, e5-1-2, e5-1-3, e5-1-4, e5-1-5, e5-1-6, e5-1-7, e5-1-8, e5-1-9, e5-1-10, e5-1-11 and 8 more
    # False alerts · 2
    false-0 | Kind bot | Key user-0 | Event time 1970-01-01 00:00:31.000Z | Length 0 ms | In the run 32.00 s
    id: false-0
    detector: test
    score: 0.71
    requests: 118
    false-1 | Kind bot | Key user-1 | Event time 1970-01-01 00:01:32.000Z | Length 0 ms | In the run 93.00 s
    id: false-1
    detector: test
    score: 0.71
    requests: 118
    "#);
}

#[test]
fn lists_without_rows_say_so() {
    insta::assert_snapshot!(section(&empty(), "lists"), @r#"
    # Incidents and alerts
    # Missed incidents · 0
    No incident was missed.
    # False alerts · 0
    No alert is false.
    "#);
}

#[test]
fn a_missed_id_that_the_labels_do_not_hold_is_shown_as_such() {
    let mut run = empty();
    run.result
        .detection
        .missed
        .push("of-another-run".to_owned());
    let text = section(&run, "lists");
    assert!(
        text.contains("of-another-run | Kind not among the labels"),
        "{text}"
    );
}

#[test]
fn resources_and_environment_say_what_ran_where() {
    insta::assert_snapshot!(section(&full(), "resources"), @r#"
    # Resources and environment
    Process | CPU time | CPU per million events | Peak memory | Memory grew by | Waited for a processor | Read / M | Written / M | Switches / M | Major faults / M
    generator | 1.50 s | 2.27 s | 64.0 MiB | – | – | – | – | – | –
    subject | 2.00 s | 3.03 s | 64.0 MiB | – | – | – | – | – | –
    broker | 0.400 s | 0.606 s | 64.0 MiB | – | – | – | – | – | –
    # Environment
    floodmark: 0.1.0
    Broker: embedded
    Detector: bundled
    Operating system: Linux 6.1
    Processor: Test CPU
    Processors: 2
    Memory: 8.00 GiB
    Speed of event time: 1 ×
    # Phases, wall time
    setup: -2.0 s to 0.0 s
    generate: 0.0 s to 600.0 s
    drain: 600.0 s to 612.0 s
    "#);
}

#[test]
fn the_machine_and_its_clock_stand_beside_the_processes() {
    let mut run = full();
    run.result.machine = MachineFacts {
        samples: 600,
        sampling_cpu_seconds: Some(1.2),
        sampled_seconds: 600.0,
        waits: BTreeMap::from([(
            "broker".to_owned(),
            Waits {
                looks: 600,
                worst_seconds: 1.5,
                short: vec![3, 4],
                starved: 1,
            },
        )]),
        ..MachineFacts::default()
    };
    run.result.clock.offset_us = Some([-250, 1_500]);
    run.result.clock.drifts = 1;
    let text = section(&run, "resources");
    for line in [
        "Looking at processes took: 0.20 % of a processor",
        "Short of processors: broker: 2 of 600 seconds, up to 1.50 s a second",
        "Broker's clock is ahead by: -0.250 to 1.50 ms",
        "Offset changed: 1 time",
    ] {
        assert!(text.contains(line), "`{line}` is not in {text}");
    }
}

#[test]
fn what_the_topics_held_stands_with_what_is_wrong_and_where() {
    let mut run = full();
    let found = Differences {
        lost: 2,
        ..Differences::default()
    };
    let lost = Difference {
        what: DifferenceKind::Lost,
        topic: "payments".to_owned(),
        partition: 3,
        offset: None,
        slot: Some(17),
        event_id: Some("an-id".to_owned()),
        key: None,
    };
    let stream = StreamAudit {
        expected: 1_000,
        appended: 998,
        compared: 998,
        found,
        examples: vec![lost],
        ..StreamAudit::default()
    };
    run.result.audit = AuditFacts {
        mode: AuditMode::Full,
        streams: BTreeMap::from([(Stream::Banking, stream)]),
        ..AuditFacts::default()
    };
    let text = section(&run, "audit");
    assert!(
        text.contains("banking | 1,000 | 998 | 998 | 0 | 2 | 0 | 0 | 0 | 0"),
        "{text}"
    );
    assert!(
        text.contains("lost: payments[3] slot 17 event an-id"),
        "{text}"
    );
    // Where records were only counted, nothing is said of what they were.
    run.result.audit.mode = AuditMode::Counts;
    run.result.audit.reason = Some("a signal cut the run short".to_owned());
    let text = section(&run, "audit");
    assert!(
        text.contains("banking | 1,000 | 998 | – | 0 | – | – | – | – | –"),
        "{text}"
    );
    assert!(text.contains("A signal cut the run short"), "{text}");
}

#[test]
fn without_processes_nothing_was_measured() {
    let text = section(&empty(), "resources");
    assert!(text.contains("No process was measured."), "{text}");
}

#[test]
fn all_tolerances_are_printed() {
    insta::assert_snapshot!(section(&full(), "method"), @r#"
    # Tolerances
    In event time. The tolerance after an incident's end is fixed per kind, before any detector is tuned.
    # For every kind
    Before an incident's start: 0 ms
    An alert's interval is cut to its last: 5 min
    False alerts of one key and kind count as one if closer than: 1 min
    # After an incident's end
    traffic-spike: 2 min
    bot: 5 min
    click-fraud: 5 min
    impossible-navigation: 5 min
    geo-hop: 5 min
    funnel-drop-off: 2 min
    error-burst: 2 min
    inhuman-speed: 2 min
    cart-abandonment: 2 min
    referrer-spam: 2 min
    credential-stuffing: 2 min
    account-takeover: 5 min
    impossible-travel: 5 min
    machine-speed-input: 2 min
    session-hijack: 5 min
    mule-device: 5 min
    slow-brute-force: 5 min
    replayed-input: 5 min
    bot-then-takeover: 5 min
    sensor-spike: 15 s
    level-shift: 1 min
    drift: 2 min
    stuck-value: 1 min
    noise-burst: 1 min
    drop-out: 1 min
    season-shift: 5 min
    group-failure: 1 min
    "#);
}
