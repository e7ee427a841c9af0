//! Runs to report on: a full one, and the bad days.

use floodmark_contracts::{
    alert::CollectedAlert,
    clock::{EventTime, RunMicros},
    compare::Comparison,
    fault::{FaultFacts, FaultKind, LagSample},
    kind::Kind,
    label::Label,
    profile::scoring::GateFailure,
    record::SeriesRow,
    result::{RunResult, ValidityReason, ValidityStatus},
    stream::Stream,
};
use floodmark_reports::ReportInput;
use floodmark_scoring::score;

use crate::support::{Run, alert, alert_of, encoded, label};

/// A scored run with everything that a report is made from.
pub struct Scored {
    pub result: RunResult,
    pub labels: Vec<Label>,
    pub alerts: Vec<CollectedAlert>,
    pub series: Vec<SeriesRow>,
    pub comparison: Option<Comparison>,
    pub files: Vec<String>,
}

impl Scored {
    fn of(run: Run, series: Vec<SeriesRow>) -> Self {
        Self {
            result: score(&run.record, &run.labels, &run.alerts, &[]).unwrap(),
            labels: run.labels,
            alerts: run.alerts,
            series,
            comparison: None,
            files: Vec::new(),
        }
    }

    pub fn input(&self) -> ReportInput<'_> {
        ReportInput {
            result: &self.result,
            labels: &self.labels,
            alerts: &self.alerts,
            series: &self.series,
            comparison: self.comparison.as_ref(),
            files: &self.files,
        }
    }
}

/// Three streams, six kinds, some missed, some false, one gate that fails and one that warns.
pub fn full() -> Scored {
    Scored::of(full_run(), series(600))
}

fn full_run() -> Run {
    let mut run = Run::new()
        .gate("detection.recall >= 0.8", GateFailure::Fail)
        .gate("detection.precision >= 0.95", GateFailure::Fail)
        .gate("latency.alert.p99 < 5s", GateFailure::Warn)
        .gate(
            "throughput.acknowledged >= 0.99 * throughput.offered",
            GateFailure::Fail,
        );
    stretch(&mut run, 600);
    run.record.plan.name = "three-streams".to_owned();
    run.record.reproduce = "floodmark bench profiles/three-streams.yaml --seed 7".to_owned();
    let facts = run.record.generator[&Stream::Sensors].clone();
    for (stream, topic) in [
        (Stream::Clickstream, "clickstream-events"),
        (Stream::Banking, "banking-ui-events"),
    ] {
        let mut facts = facts.clone();
        facts.topics = vec![topic.to_owned()];
        facts.due = 300_000;
        (facts.sent, facts.acknowledged) = (facts.due, facts.due - 40);
        run.record
            .subject_facts
            .consumed
            .insert(stream, facts.acknowledged);
        run.record.generator.insert(stream, facts);
    }
    let lateness: Vec<u64> = (0..20_000u64).map(|i| 40 + i * i % 977 + i / 50).collect();
    let facts = run.record.generator.get_mut(&Stream::Sensors).unwrap();
    facts.send_lateness = encoded(&lateness);
    let acknowledge: Vec<u64> = (0..20_000u64)
        .map(|i| 2_000 + i * i % 3_989 + i / 4)
        .collect();
    facts.acknowledge_latency = encoded(&acknowledge);
    let kinds = [
        Kind::TrafficSpike,
        Kind::Bot,
        Kind::CredentialStuffing,
        Kind::AccountTakeover,
        Kind::SensorSpike,
        Kind::DropOut,
    ];
    for (k, kind) in (0i64..).zip(kinds) {
        for i in 0..12i64 {
            let start = 15_000 + i * 44_000 + k * 6_000;
            let key = format!("{}-{i}", kind.name());
            let mut incident = label(&format!("{kind}-{i:02}"), kind, &key, start, start + 9_000);
            incident.event_ids = (0..20).map(|e| format!("e{k}-{i}-{e}")).collect();
            run.labels.push(incident);
            if (i * 7 + k * 3) % 11 > k - 3 {
                let at = start + 4_000 + i * 250;
                let mut found = alert_of(kind, &format!("a-{kind}-{i}"), &key, start, at);
                found.appended_at.0 += i * 170_000;
                run.alerts.push(found);
            }
        }
    }
    for i in 0..9 {
        let at = 31_000 + i * 61_000;
        let mut wrong = alert_of(
            Kind::Bot,
            &format!("false-{i}"),
            &format!("user-{i}"),
            at,
            at,
        );
        wrong.alert.score = Some(0.71);
        wrong
            .alert
            .evidence
            .insert("requests".to_owned(), 118.into());
        run.alerts.push(wrong);
    }
    run.alerts.push(alert("unnamed", "s9", 200_000, 200_000));
    run
}

/// The same with other gates.
pub fn gated(gates: &[(&str, GateFailure)]) -> Scored {
    let mut run = full_run();
    run.record.gates.clear();
    for (require, otherwise) in gates {
        run = run.gate(require, *otherwise);
    }
    Scored::of(run, series(600))
}

/// A run in which nothing happened.
pub fn empty() -> Scored {
    let mut run = Run::new();
    run.record.generator.clear();
    run.record.processes.clear();
    run.record.phases.clear();
    run.record.subject_facts.consumed.clear();
    run.record.plan.duration = "0s".to_owned();
    run.record.event_time_end = EventTime(0);
    Scored::of(run, Vec::new())
}

/// A run whose figures cannot be trusted.
pub fn invalid() -> Scored {
    let mut run = Run::new().labels([label("one", Kind::SensorSpike, "s1", 5_000, 6_000)]);
    run.record.validity.status = ValidityStatus::Invalid;
    run.record.validity.reasons = vec![ValidityReason {
        code: "generator-late".to_owned(),
        status: ValidityStatus::Invalid,
        message: "12 % of events were sent more than 50 ms late; lower the rate or use more cores"
            .to_owned(),
        seconds: (3..9).collect(),
    }];
    Scored::of(run, series(20))
}

/// A run that a signal cut short after five seconds.
pub fn interrupted() -> Scored {
    let mut run = Run::new().gate("detection.recall >= 0.5", GateFailure::Fail);
    run.record.interrupted = true;
    run.record.phases[1].to = RunMicros(5_000_000);
    run.record.phases.truncate(2);
    Scored::of(run, series(5))
}

fn stretch(run: &mut Run, seconds: i64) {
    run.record.plan.duration = format!("{seconds}s");
    run.record.phases[1].to = RunMicros(seconds * 1_000_000);
    run.record.phases[2].from = RunMicros(seconds * 1_000_000);
    run.record.phases[2].to = RunMicros((seconds + 12) * 1_000_000);
    run.record.event_time_end = EventTime(seconds * 1_000 + 330_000);
    let facts = run.record.generator.get_mut(&Stream::Sensors).unwrap();
    facts.due = 60_000;
    (facts.sent, facts.acknowledged) = (60_000, 60_000);
    run.record
        .subject_facts
        .consumed
        .insert(Stream::Sensors, 60_000);
}

fn series(seconds: i64) -> Vec<SeriesRow> {
    let mut rows = Vec::new();
    for t in 1..=seconds {
        let wave = (t as f64 / 40.0).sin() * 20.0;
        let stall = if (seconds / 3..seconds / 3 + 6).contains(&t) {
            400.0
        } else {
            0.0
        };
        for (metric, value) in [
            ("due", 500.0),
            ("sent", 500.0 + wave / 4.0),
            ("acknowledged", 500.0 + wave / 4.0 - stall / 8.0),
            ("consumed", 490.0 + wave - stall),
            ("lag", 30.0 + wave.abs() + stall * 3.0),
            (
                "send_lateness_max_us",
                900.0 + wave.abs() * 60.0 + stall * 40.0,
            ),
        ] {
            for stream in [Stream::Clickstream, Stream::Banking] {
                rows.push(SeriesRow {
                    t,
                    metric: metric.to_owned(),
                    stream: Some(stream),
                    value,
                    ..SeriesRow::default()
                });
            }
        }
    }
    rows
}

/// A full run whose incidents say how hard they are: of the weak ones few are found.
pub fn with_difficulty() -> Scored {
    let mut run = full_run();
    for (number, label) in (0u32..).zip(&mut run.labels) {
        let snr = [0.4, 0.9, 1.5, 3.0, 5.0, 9.0, 20.0, 40.0][number as usize % 8];
        label.snr = Some(snr);
        label.magnitude = Some(if number % 3 == 0 { 0.25 } else { 1.0 });
        if snr < 1.0 && number % 5 != 0 {
            let id = format!("a-{}", label.id.replace("-0", "-"));
            run.alerts.retain(|alert| alert.alert.id != id);
        }
    }
    Scored::of(run, series(600))
}

/// A full run of which every alert has a score; false ones have middling scores.
pub fn with_scores() -> Scored {
    let mut run = full_run();
    for (number, alert) in (0u32..).zip(&mut run.alerts) {
        let score = 0.5 + f64::from(number % 10) / 20.0;
        alert.alert.score.get_or_insert(score);
    }
    Scored::of(run, series(600))
}

/// A run whose detector falls for one of two decoys.
pub fn with_decoys() -> Scored {
    let run = Run::new()
        .labels([
            label("level-shift-1", Kind::LevelShift, "s1", 100_000, 110_000),
            label(
                "recalibration-1",
                Kind::Recalibration,
                "s2",
                100_000,
                110_000,
            ),
            label(
                "recalibration-2",
                Kind::Recalibration,
                "s3",
                200_000,
                210_000,
            ),
        ])
        .alerts([alert_of(Kind::LevelShift, "a", "s2", 105_000, 105_000)]);
    Scored::of(run, Vec::new())
}

/// A run with two faults, of which it recovered from one.
pub fn disturbed() -> Scored {
    let mut run = full_run();
    let fault = |kind, from: i64, until: i64| FaultFacts {
        kind,
        did: format!("{kind}: SIGKILL to process 7 & more"),
        from: RunMicros(from * 1_000_000),
        until: RunMicros(until * 1_000_000),
        problem: None,
    };
    run.record.faults = vec![
        fault(FaultKind::BrokerKill, 100, 105),
        fault(FaultKind::SubjectPause, 596, 598),
    ];
    let sample = |n: i64| LagSample {
        at: RunMicros(n * 200_000),
        records: if (500..560).contains(&n) { 90_000 } else { 3 },
    };
    run.record.lag = (0..3_000).map(sample).collect();
    Scored::of(run, series(600))
}
