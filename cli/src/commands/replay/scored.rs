//! `floodmark replay nab:DIR --score`: the benchmark's rows through the bundled detector, and its score.
//!
//! Broker and detector are processes of their own, as in a run. All rows are in the topic before the detector
//! begins, so that nothing depends on how fast anything is.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use floodmark_contracts::{
    alert::CollectedAlert,
    clock::{Clock, EventTime, SystemClock},
    event::sensor::SensorReading,
    job::{Connection, DetectorJob},
    nab::NabResult,
    profile::{
        DetectorSection,
        detector::{AdaptiveSection, AdaptiveVariant},
    },
    stream::Stream,
    subject::SubjectFacts,
};
use floodmark_generator::replay::{
    Pace, Recording, ReplayJob, ReplaySink, SeriesOptions, SeriesTruth, read_nab, replay,
};
use floodmark_harness::{
    broker::{BrokerChoice, RunningBroker, StartContext},
    child::Child,
    collect::{AlertSource, Collector},
    run::read_alerts,
};
use floodmark_kafka::{Admin, ClientSettings, Producer, ProducerSettings, Record, admin::NewTopic};
use floodmark_scoring::published::nab::{
    Series,
    corpus::{Detected, counted_rows, scores},
};

use super::{failure, series_options, summary};
use crate::{
    args::{Global, ReplayArgs},
    commands::{say, tell},
    exit::{Exit, Failure},
    output, signals,
};

/// Name of the rule that is scored.
const RULE: &str = "adaptive";

/// Where every series begins, unless `--origin` says otherwise: on one topic, series of different years would
/// make each other late.
const ORIGIN: EventTime = EventTime(1_749_513_600_000);

/// Event time behind the last row at which each partition is closed: more than any window or silence.
const CLOSING_MS: i64 = 24 * 3_600_000;

/// How long the cluster may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Topics of the run.
const ALERTS: &str = "anomalies";
const FLAGS: &str = "fraud-flags";
const DEAD_LETTERS: &str = "dead-letters";

/// Replays, detects and scores.
pub fn run(args: &ReplayArgs, global: &Global) -> Result<Exit, Failure> {
    let adaptive = settings(args)?;
    let Some(folder) = args.source.strip_prefix("nab:") else {
        return Err(Failure::usage(format!(
            "`{}` has no windows to score by; `--score` takes `nab:DIR`",
            args.source
        )));
    };
    let options = series_options(args)?;
    let options = SeriesOptions {
        origin: options.origin.or(Some(ORIGIN)),
        ..options
    };
    let recording = read_nab(Path::new(folder), &options).map_err(failure)?;
    let series = recording.series();
    output::claim(&args.out, args.force)?;
    let run = Run {
        args,
        global,
        recording: &recording,
        adaptive: &adaptive,
        stop: signals::stop_flag()?,
        clock: Arc::new(SystemClock::new()),
    };
    let Some((alerts, facts)) = run.detect()? else {
        return Ok(Exit::Interrupted);
    };
    let result = score(&series, &alerts, adaptive, &facts)?;
    let path = args.out.join("nab.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&result)?)?;
    say(floodmark_reports::nab_table(&result).trim_end());
    tell(global, &format!("results: {}", path.display()));
    Ok(Exit::Pass)
}

/// The rule's settings, as a profile would have them.
fn settings(args: &ReplayArgs) -> Result<AdaptiveSection, Failure> {
    let usual = AdaptiveSection::default();
    let section = AdaptiveSection {
        variant: match args.variant.as_str() {
            "light" => AdaptiveVariant::Light,
            "full" => AdaptiveVariant::Full,
            other => {
                return Err(Failure::usage(format!(
                    "`{other}` is no variant of the rule; use `light` or `full`"
                )));
            }
        },
        threshold: args.threshold.unwrap_or(usual.threshold),
        ..usual
    };
    let detector = DetectorSection {
        adaptive: section.clone(),
        ..DetectorSection::default()
    };
    match floodmark_detector::Settings::validate(&detector) {
        Ok(_) => Ok(section),
        Err(problems) => Err(Failure::bad_profile("replay --score", &problems)),
    }
}

/// What a scored replay works with.
struct Run<'a> {
    args: &'a ReplayArgs,
    global: &'a Global,
    recording: &'a Recording,
    adaptive: &'a AdaptiveSection,
    stop: Arc<AtomicBool>,
    clock: Arc<SystemClock>,
}

impl Run<'_> {
    /// The alerts of a detector that has read everything, with its own figures; `None` after a signal.
    fn detect(&self) -> Result<Option<(Vec<CollectedAlert>, SubjectFacts)>, Failure> {
        let exe = std::env::current_exe()?;
        let work = tempfile::Builder::new().prefix("floodmark-").tempdir()?;
        let context = StartContext {
            exe: &exe,
            dir: work.path(),
            clock: &*self.clock,
            proxy: None,
        };
        let broker = RunningBroker::start(&BrokerChoice::Embedded, &context)
            .map_err(|error| Failure::new(Exit::Unreachable, error))?;
        let client = ClientSettings::plain(broker.bootstrap());
        let topic = Stream::Sensors.default_topic();
        let partitions = i32::from(self.args.partitions);
        Admin::new(&client, PATIENCE)?.create_topics(&[
            NewTopic::new(topic, partitions),
            NewTopic::new(ALERTS, 1),
            NewTopic::new(FLAGS, 1),
            NewTopic::new(DEAD_LETTERS, 1),
        ])?;
        if !self.send(&client, topic, partitions)? {
            return Ok(None);
        }
        let clock: Arc<dyn Clock> = Arc::<SystemClock>::clone(&self.clock);
        let alerts = self.args.out.join("alerts.ndjson");
        let collector = Collector::start(&client, &[AlertSource::ours(ALERTS)], &alerts, clock)?;
        let facts_file = work.path().join("facts.json");
        let job = self.job(&client, topic, facts_file.clone());
        let job_file = work.path().join("job.json");
        std::fs::write(&job_file, serde_json::to_vec(&job)?)?;
        let mut command = Command::new(&exe);
        command.args(["detect", "--until-end", "--job"]);
        command.arg(&job_file);
        let log = self.args.out.join("detector.log");
        let mut detector = Child::spawn("detector", &mut command, &log)?;
        if !self.wait(&mut detector)? {
            return Ok(None);
        }
        collector.finish()?;
        broker.stop(&*self.clock);
        let facts = serde_json::from_slice(&std::fs::read(&facts_file)?)?;
        Ok(Some((read_alerts(&alerts)?, facts)))
    }

    /// Puts the rows and what closes their partitions on the topic. False after a signal.
    fn send(&self, client: &ClientSettings, topic: &str, partitions: i32) -> Result<bool, Failure> {
        let sink = ReplaySink::Topic {
            client: client.clone(),
            topic: topic.to_owned(),
        };
        let job = ReplayJob {
            recording: self.recording,
            pace: Pace::Max,
            sink: &sink,
            out: &self.args.out,
            counts: None,
        };
        let facts = replay(&job, &*self.clock, &self.stop, &mut |_| {}).map_err(failure)?;
        summary(self.global, self.recording, &facts, &self.args.out);
        if !facts.interrupted {
            close(client, topic, partitions, self.last())?;
        }
        Ok(!facts.interrupted)
    }

    fn last(&self) -> EventTime {
        let times = self.recording.lanes.iter().flatten();
        EventTime(times.map(|record| record.at_ms).max().unwrap_or(0))
    }

    fn job(&self, client: &ClientSettings, topic: &str, facts: PathBuf) -> DetectorJob {
        DetectorJob {
            section: DetectorSection {
                // Rows out of order are a matter of transport, which the benchmark is not about.
                watermark_bound: format!("{}ms", self.recording.disorder_ms() + 1000),
                adaptive: self.adaptive.clone(),
                ..DetectorSection::default()
            },
            connection: Connection {
                bootstrap: client.bootstrap.clone(),
                properties: BTreeMap::new(),
                registry: None,
            },
            group: "floodmark-replay".to_owned(),
            slot: 0,
            inputs: BTreeMap::from([(Stream::Sensors, vec![topic.to_owned()])]),
            anomalies: ALERTS.to_owned(),
            fraud_flags: FLAGS.to_owned(),
            dead_letters: DEAD_LETTERS.to_owned(),
            enrichment: None,
            facts: Some(facts),
            page: None,
        }
    }

    /// Waits until the detector has read everything. False after a signal.
    fn wait(&self, detector: &mut Child) -> Result<bool, Failure> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                detector.terminate(PATIENCE, &*self.clock);
                return Ok(false);
            }
            if let Some(status) = detector.poll() {
                if !status.success() {
                    detector.check()?;
                }
                return Ok(true);
            }
            self.clock.sleep(Duration::from_millis(20));
        }
    }
}

/// One late reading on each partition, so that no row waits for another.
fn close(
    client: &ClientSettings,
    topic: &str,
    partitions: i32,
    last: EventTime,
) -> Result<(), Failure> {
    let producer = Producer::new(client, &ProducerSettings::default())?;
    let topic = producer.topic(topic)?;
    let mut value = Vec::new();
    SensorReading {
        sensor_id: "closing".into(),
        value: 0.0,
        timestamp: last.plus_ms(CLOSING_MS),
        sensor_type: None,
    }
    .encode(&mut value);
    for partition in 0..partitions {
        producer.send(&Record::new(&topic, &value).partition(partition), 0)?;
    }
    let mut delivered = 0;
    producer.flush(PATIENCE, &mut |report| {
        delivered += i32::from(report.is_delivered());
    })?;
    if delivered < partitions {
        return Err(Failure::new(
            Exit::Internal,
            anyhow::anyhow!("only {delivered} of {partitions} partitions took their last record"),
        ));
    }
    Ok(())
}

fn score(
    series: &[SeriesTruth],
    alerts: &[CollectedAlert],
    settings: AdaptiveSection,
    facts: &SubjectFacts,
) -> Result<NabResult, Failure> {
    let mut not_scored: BTreeMap<String, u64> = BTreeMap::new();
    let mut times: HashMap<&str, Vec<EventTime>> = HashMap::new();
    for CollectedAlert { alert, .. } in alerts {
        if alert.detector == RULE {
            times.entry(&alert.key.id).or_default().push(alert.end);
        } else {
            *not_scored.entry(alert.detector.clone()).or_default() += 1;
        }
    }
    let corpus: Vec<Detected> = series
        .iter()
        .map(|one| Detected {
            name: one.name.clone(),
            series: Series::new(one.times.len(), &one.windows),
            rows: rows_at(one, times.get(one.name.as_str()).map_or(&[], Vec::as_slice)),
        })
        .collect();
    let consumed = facts.consumed.get(&Stream::Sensors).copied().unwrap_or(0);
    let rows: usize = series.iter().map(|one| one.times.len()).sum();
    if consumed < rows as u64 {
        return Err(Failure::new(
            Exit::Invalid,
            anyhow::anyhow!("the detector read {consumed} of {rows} rows; see `detector.log`"),
        ));
    }
    let all: Vec<_> = corpus.iter().map(Detected::summary).collect();
    Ok(NabResult {
        floodmark_version: env!("CARGO_PKG_VERSION").to_owned(),
        settings,
        rule: RULE.to_owned(),
        scores: scores(&corpus),
        rows: counted_rows(&corpus) as u64,
        windows: all.iter().map(|one| one.windows).sum(),
        found: all.iter().map(|one| one.found).sum(),
        alerts: all.iter().map(|one| one.alerts).sum(),
        false_alerts: all.iter().map(|one| one.false_alerts).sum(),
        series: all,
        not_scored,
        late: facts.late.get(&Stream::Sensors).copied().unwrap_or(0),
    })
}

/// The rows that alerts are about: of rows with one time, the first.
fn rows_at(series: &SeriesTruth, alerts: &[EventTime]) -> Vec<usize> {
    let mut rows: HashMap<EventTime, usize> = HashMap::new();
    for (row, at) in series.times.iter().enumerate() {
        rows.entry(*at).or_insert(row);
    }
    alerts
        .iter()
        .filter_map(|at| rows.get(at).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_about_the_first_row_of_its_time_in_the_order_of_the_file() {
        let series = SeriesTruth {
            name: "a/b".to_owned(),
            times: [5, 30, 10, 10, 40].map(EventTime).to_vec(),
            windows: Vec::new(),
        };
        let alerts = [40, 10, 7].map(EventTime);
        assert_eq!(rows_at(&series, &alerts), [4, 2]);
    }
}
