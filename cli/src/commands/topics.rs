//! `floodmark topics`: the topics of a profile on a cluster.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{BufWriter, Write},
    time::Duration,
};

use floodmark_contracts::clock::{Clock, SystemClock};
use floodmark_harness::{
    broker::BrokerChoice,
    leftovers::{Leftover, on_cluster},
    topics::{TopicSpec, Topics, TopicsError, specs},
};
use floodmark_kafka::{
    Admin, Batch, BatchConsumer, ClientSettings, ConsumerSettings,
    consumer::{Event, Message, StartOffset},
};
use serde::Serialize;

use crate::{
    args::{ProfileArgs, RecordFormat, TopicsCommand},
    commands::say,
    exit::{Exit, Failure},
    load,
};

/// How long one question to the cluster may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a poll waits for records.
const POLL: Duration = Duration::from_millis(100);

/// How long a topic may give nothing before its end.
const SILENCE: Duration = Duration::from_secs(30);

/// Creates, lists, deletes or reads them.
pub fn run(command: &TopicsCommand) -> Result<Exit, Failure> {
    match command {
        TopicsCommand::Create(args) => Cluster::of(&args.profile)?.create()?,
        TopicsCommand::List(args) => Cluster::of(&args.profile)?.list()?,
        TopicsCommand::Delete(args) => Cluster::of(&args.profile)?.delete()?,
        TopicsCommand::Read(args) => {
            let cluster = Cluster::of(&args.profile)?;
            let mut out = BufWriter::new(std::io::stdout().lock());
            let outcome = cluster.read(&args.topic, args.format, &mut out);
            match outcome.and_then(|()| Ok(out.flush()?)) {
                Err(failure) if failure.is_closed_reader() => {}
                other => other?,
            }
        }
    }
    Ok(Exit::Pass)
}

/// A failure to make topics ready, with the exit code that fits.
pub fn failure(error: TopicsError) -> Failure {
    let exit = match &error {
        error if error.is_refusal() => Exit::Usage,
        error if error.is_unreachable() => Exit::Unreachable,
        _ => Exit::Internal,
    };
    Failure::new(exit, error)
}

/// A cluster that answers, and the topics that a profile wants on it.
struct Cluster {
    client: ClientSettings,
    admin: Admin,
    wanted: Vec<TopicSpec>,
    /// Begins the names of a run's own topics.
    prefix: String,
}

impl Cluster {
    fn of(args: &ProfileArgs) -> Result<Self, Failure> {
        let loaded = load::load(args)?;
        let BrokerChoice::External(servers) = &loaded.sound.broker else {
            let message = format!(
                "`{}` is started for one run and has no topics to look at; pass `--broker HOST:PORT`",
                loaded.sound.broker
            );
            return Err(Failure::usage(message));
        };
        let client = loaded.client.at(servers.as_str());
        let admin = Admin::new(&client, TIMEOUT)?;
        let unreachable = |error| Failure::new(Exit::Unreachable, error);
        admin.wait_until_reachable(TIMEOUT).map_err(unreachable)?;
        let wanted = specs(&loaded.profile, &loaded.sound);
        Ok(Self {
            client,
            admin,
            wanted,
            prefix: loaded.profile.topic_prefix,
        })
    }

    fn create(&self) -> Result<(), Failure> {
        let topics = Topics::create(&self.client, &self.wanted, true).map_err(failure)?;
        say(&format!("created {} topics", topics.created().len()));
        Ok(())
    }

    fn list(&self) -> Result<(), Failure> {
        for spec in &self.wanted {
            if self.admin.topic(&spec.name)?.is_none() {
                say(&format!("{} missing", spec.name));
                continue;
            }
            let bounds = self.admin.watermarks(&[spec.name.as_str()])?;
            let records: i64 = bounds.iter().map(|part| part.high - part.low).sum();
            say(&format!(
                "{} {} partitions {records} records",
                spec.name,
                bounds.len()
            ));
        }
        for leftover in self.leftovers()? {
            say(&leftover.to_string());
        }
        Ok(())
    }

    fn delete(&self) -> Result<(), Failure> {
        let mut present = Vec::new();
        for spec in &self.wanted {
            if self.admin.topic(&spec.name)?.is_some() {
                present.push(spec.name.as_str());
            }
        }
        let leftovers = self.leftovers()?;
        let left = leftovers.iter().flat_map(|leftover| &leftover.topics);
        present.extend(left.map(String::as_str));
        self.admin.delete_topics(&present)?;
        say(&format!("deleted {} topics", present.len()));
        Ok(())
    }

    /// What crashed runs with the profile's prefix have left.
    fn leftovers(&self) -> Result<Vec<Leftover>, Failure> {
        let clock = SystemClock::new();
        Ok(on_cluster(&self.client, &self.admin, &self.prefix, &clock)?)
    }

    /// Writes every record of `topic` up to its present end.
    fn read(&self, topic: &str, format: RecordFormat, out: &mut dyn Write) -> Result<(), Failure> {
        let mut left: BTreeMap<i32, i64> = BTreeMap::new();
        let mut start = Vec::new();
        for bounds in self.admin.watermarks(&[topic])? {
            if bounds.low < bounds.high {
                left.insert(bounds.partition.partition, bounds.high);
                start.push((bounds.partition, StartOffset::Beginning));
            }
        }
        if start.is_empty() {
            return Ok(());
        }
        // The last offset of a partition may belong to a transaction's marker, which is no record:
        // its end is what the client reports, not a record with a number.
        let settings = ConsumerSettings {
            report_ends: true,
            ..ConsumerSettings::default()
        };
        let mut consumer = BatchConsumer::new(&self.client, &settings)?;
        consumer.assign(&start, TIMEOUT)?;
        let mut batch = Batch::with_capacity(10_000);
        let clock = SystemClock::new();
        let mut last_progress = clock.monotonic_us();
        while !left.is_empty() {
            consumer.poll(&mut batch, POLL)?;
            for message in batch.messages() {
                show(format, &message, out)?;
            }
            for event in batch.events() {
                if let Event::EndOfPartition { partition, offset } = event
                    && left
                        .get(&partition.partition)
                        .is_some_and(|end| offset >= end)
                {
                    left.remove(&partition.partition);
                }
            }
            if !batch.is_empty() {
                last_progress = clock.monotonic_us();
            } else if clock.monotonic_us() - last_progress > SILENCE.as_micros() as i64 {
                let message = format!(
                    "topic `{topic}` gave no record for {SILENCE:?} before its end; {} partitions are \
                     not read",
                    left.len()
                );
                return Err(Failure::new(Exit::Unreachable, anyhow::anyhow!(message)));
            }
            batch.clear();
        }
        consumer.close()?;
        Ok(())
    }
}

fn show(format: RecordFormat, message: &Message<'_>, out: &mut dyn Write) -> std::io::Result<()> {
    let value = message.payload();
    match format {
        RecordFormat::Value => out.write_all(value.unwrap_or_default())?,
        RecordFormat::Hex => {
            hex(message.key().unwrap_or_default(), out)?;
            out.write_all(b"\t")?;
            hex(value.unwrap_or_default(), out)?;
        }
        RecordFormat::Json => serde_json::to_writer(&mut *out, &Shown::of(message))?,
    }
    out.write_all(b"\n")
}

fn hex(bytes: &[u8], out: &mut dyn Write) -> std::io::Result<()> {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

/// A record as one JSON object.
#[derive(Serialize)]
struct Shown<'a> {
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key: Option<Cow<'a, str>>,
    /// `null` for a tombstone; not there if it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
}

impl<'a> Shown<'a> {
    fn of(message: &Message<'a>) -> Self {
        let (value, value_hex) = match message.payload().map(str::from_utf8) {
            None => (Some(None), None),
            Some(Ok(text)) => (Some(Some(text)), None),
            Some(Err(_)) => {
                let bytes = message.payload().unwrap_or_default();
                let digits = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                (None, Some(digits))
            }
        };
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().map(|time| time.millis),
            key: message.key().map(String::from_utf8_lossy),
            value,
            value_hex,
        }
    }
}
