//! Runs that are broken on purpose, on the embedded broker.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use floodmark_contracts::{
    fault::{FaultKind, FaultScores},
    record::{Ending, RunRecord},
    result::{Outcome, RunResult},
};

use crate::support::{Run, floodmark, profile};

/// Twelve seconds of twenty sensors, with a spike in each second; the fault and the delivery follow.
const PROFILE: &str = r#"
name: disturbed
seed: 5
duration: 12s
warm_up: 500ms
drain: 30s
event_time: { speed: 60, origin: "2025-06-10T05:00:00Z" }
client: { session.timeout.ms: "2000" }
streams:
  sensors:
    rate: 600/s
    partitions: 2
    population: { entities: 20 }
    anomalies:
      - sensor-spike: { count: 12, magnitude: 3 }
      - stuck-value: { count: 2, duration: 1m, magnitude: 1 }
"#;

/// What a crash interrupts is kept exact, so that alerts can be compared one by one.
const EXACTLY: &str = "detector: { watermark_bound: 4s, idleness: 1h, delivery: { exactly-once: { snapshots: s, snapshot_interval: 2s } } }";

/// What a run left behind.
struct Disturbed {
    record: RunRecord,
    result: RunResult,
    /// Ids of alerts.
    alerts: BTreeSet<String>,
    report: String,
}

impl Disturbed {
    /// Runs the profile with `more` at its end.
    fn of(more: &str) -> Self {
        let run = Run::of_text(&format!("{PROFILE}{more}\n"));
        let record = run.record();
        let log = run.text("logs/subject.log");
        assert_eq!(record.ending, Ending::Completed, "{log}");
        Self {
            record,
            result: run.result(),
            alerts: run.alerts().into_iter().map(|alert| alert.id).collect(),
            report: run.text("report.html"),
        }
    }

    fn fault(&self) -> &FaultScores {
        let [fault] = &self.result.faults[..] else {
            panic!("one fault: {:?}", self.result.faults);
        };
        fault
    }

    /// Codes of what speaks against the figures.
    fn codes(&self) -> Vec<&str> {
        let reasons = self.result.validity.reasons.iter();
        reasons.map(|reason| reason.code.as_str()).collect()
    }

    /// Wall seconds from begin to end of the fault.
    fn took(&self) -> f64 {
        let facts = &self.fault().facts;
        (facts.until.0 - facts.from.0) as f64 / 1e6
    }
}

#[test]
fn a_detector_that_is_killed_loses_and_repeats_no_alert() {
    let whole = Disturbed::of(EXACTLY);
    let killed = Disturbed::of(&format!(
        "{EXACTLY}\nfaults: [ {{ subject-kill: {{ at: 4s, for: 1s }} }} ]"
    ));
    assert!(whole.alerts.len() >= 10, "{}", whole.alerts.len());
    assert_eq!(killed.alerts, whole.alerts);
    let overall = |run: &Disturbed| run.result.detection.overall.recall;
    assert_eq!(overall(&killed), overall(&whole));
    assert_eq!(killed.result.detection.duplicates, 0);
    assert!(
        !killed.codes().contains(&"events-do-not-reconcile"),
        "{:?}",
        killed.codes()
    );

    let fault = killed.fault();
    assert_eq!(fault.facts.kind, FaultKind::SubjectKill);
    assert!(
        fault.facts.did.starts_with("SIGKILL to process"),
        "{}",
        fault.facts.did
    );
    assert!(
        fault.facts.did.contains("started again as"),
        "{}",
        fault.facts.did
    );
    assert_eq!(fault.facts.problem, None);
    assert!(killed.took() >= 1.0);
    let [before, after] = [fault.before.lag_max, fault.after.lag_max].map(Option::unwrap);
    // Nobody reads for a second and the session's timeout.
    assert!(after >= 600, "{before}, {after}");
    let labels = [&fault.before, &fault.during, &fault.after].map(|span| span.labels);
    assert!(labels[0] > 0 && labels[2] > 0, "{labels:?}");
    assert!(killed.report.contains("subject-kill") && killed.report.contains("class=\"fault\""));
    assert!(whole.record.faults.is_empty() && whole.record.lag.is_empty());
    // What was killed told nothing of itself, and what the other one wrote is not all that was written.
    assert!(killed.record.subject_facts.partial && !whole.record.subject_facts.partial);
    assert_eq!(killed.result.audit.alerts.written, None);
    let told = |run: &Disturbed| {
        run.result
            .warnings
            .iter()
            .any(|w| w.contains("told nothing of itself"))
    };
    assert!(told(&killed) && !told(&whole));
}

#[test]
fn a_detector_that_is_restarted_tells_the_figures_of_both_its_processes() {
    let run = Disturbed::of(
        "detector: { watermark_bound: 4s }\nfaults: [ { subject-restart: { at: 5s, for: 3s } } ]",
    );
    assert!(run.fault().facts.did.starts_with("SIGTERM to process"));
    let alerts = &run.result.audit.alerts;
    assert!(alerts.collected >= 8, "{alerts:?}");
    assert_eq!(alerts.written, Some(alerts.collected));
    assert!(!run.record.subject_facts.partial);
}

#[test]
fn a_detector_that_is_cut_off_goes_on_where_it_was() {
    let run = Disturbed::of(
        "detector: { watermark_bound: 4s }\nfaults: [ { network-cut: { at: 4s, for: 2s } } ]",
    );
    let fault = run.fault();
    assert_eq!(fault.facts.kind, FaultKind::NetworkCut);
    assert!(
        fault.facts.did.starts_with("cut off from `127.0.0.1:"),
        "{}",
        fault.facts.did
    );
    // 600 events a second for two seconds; the harness itself is not cut off, and sees them waiting.
    let during = fault.during.lag_max.unwrap();
    assert!(during >= 600, "{during}");
    assert_eq!(run.result.detection.overall.recall, Some(1.0));
    assert!(
        !run.codes().contains(&"events-do-not-reconcile"),
        "{:?}",
        run.codes()
    );
}

#[test]
fn partitions_that_are_shared_out_again_and_again_lose_and_repeat_no_alert() {
    let run = Disturbed::of(&format!(
        "{EXACTLY}\nfaults: [ {{ rebalance-storm: {{ at: 4s, for: 4s, every: 1s }} }} ]"
    ));
    let fault = run.fault();
    assert_eq!(fault.facts.kind, FaultKind::RebalanceStorm);
    assert_eq!(fault.facts.problem, None);
    let did = &fault.facts.did;
    assert!(did.contains("a member joins every 1s"), "{did}");
    assert!(!did.contains("joined 0 times"), "{did}");
    assert_eq!(run.result.detection.overall.recall, Some(1.0));
    assert_eq!(run.result.detection.duplicates, 0);
}

#[test]
fn a_stalled_generator_is_invalid_and_shows_in_latencies_from_the_due_time() {
    let run = Disturbed::of(
        "detector: { watermark_bound: 4s }\nfaults: [ { generator-pause: { at: 4s, for: 2s } } ]",
    );
    assert_eq!(run.result.outcome, Outcome::Invalid);
    let reasons = run.result.validity.reasons.iter();
    let late = reasons
        .clone()
        .find(|reason| reason.code == "generator-late");
    let late = late.unwrap_or_else(|| panic!("{:?}", run.codes()));
    assert!(
        late.seconds.iter().any(|second| (5..=8).contains(second)),
        "{:?}",
        late.seconds
    );
    let at = |name: &str, which: &str| run.result.latency[name].percentiles[which];
    let late = at("send_lateness", "p99");
    assert!(late >= 1_000_000, "{late}");
    // If the pause counted, an eighth of the events would have waited for longer; what was on its way did.
    let acknowledged = at("acknowledge", "p90");
    assert!(acknowledged < 500_000, "{acknowledged}");
    assert_eq!(run.fault().facts.kind, FaultKind::GeneratorPause);
    assert!(run.took() >= 2.0);
}

#[test]
fn every_shipped_fault_is_sound_or_says_what_it_needs() {
    for kind in FaultKind::ALL {
        let file = profile(&format!("faults/{kind}"));
        validate(&file, &[]).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let embedded = validate(&file, &["--broker", "embedded"]);
        let needs_real = matches!(kind, FaultKind::BrokerKill | FaultKind::BrokerRestart);
        match embedded {
            Err(error) if needs_real => {
                assert!(error.contains("in memory and would lose it"), "{error}");
                assert!(error.contains("kafka-home:DIR"), "{error}");
            }
            Ok(()) if !needs_real => {}
            other => panic!("{kind}: {other:?}"),
        }
    }
}

fn validate(file: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = floodmark()
        .arg("validate")
        .arg(PathBuf::from(file))
        .args(arguments)
        .output()
        .unwrap();
    match output.status.code() {
        Some(0) => Ok(()),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
