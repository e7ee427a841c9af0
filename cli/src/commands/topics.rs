//! `floodmark topics`: the topics of a profile on a cluster.

use std::{
    collections::BTreeMap,
    io::{BufWriter, Write},
    time::Duration,
};

use floodmark_contracts::clock::{Clock, SystemClock};
use floodmark_harness::{
    broker::BrokerChoice,
    topics::{Topics, specs},
};
use floodmark_kafka::{
    Admin, Batch, BatchConsumer, ClientSettings, ConsumerSettings, consumer::StartOffset,
};

use crate::{
    args::{RecordFormat, TopicsAction, TopicsArgs},
    commands::say,
    exit::{Exit, Failure},
    load,
};

/// How long one question to the cluster may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Creates, lists or deletes them.
pub fn run(args: &TopicsArgs) -> Result<Exit, Failure> {
    let loaded = load::load(&args.profile)?;
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
    let cluster = admin.cluster()?;
    let wanted = specs(&loaded.profile, &loaded.sound);
    match args.action {
        TopicsAction::Create => {
            let topics = Topics::create(&client, &wanted, false)?;
            say(&format!("created {} topics", topics.created().len()));
        }
        TopicsAction::List => {
            for spec in &wanted {
                if !cluster.topics.iter().any(|topic| topic.name == spec.name) {
                    say(&format!("{} missing", spec.name));
                    continue;
                }
                let bounds = admin.watermarks(&[spec.name.as_str()])?;
                let records: i64 = bounds.iter().map(|part| part.high - part.low).sum();
                say(&format!(
                    "{} {} partitions {records} records",
                    spec.name,
                    bounds.len()
                ));
            }
        }
        TopicsAction::Delete => {
            let present: Vec<&str> = wanted
                .iter()
                .map(|spec| spec.name.as_str())
                .filter(|name| cluster.topics.iter().any(|topic| topic.name == *name))
                .collect();
            admin.delete_topics(&present)?;
            say(&format!("deleted {} topics", present.len()));
        }
        TopicsAction::Read => {
            let Some(topic) = &args.topic else {
                return Err(Failure::usage(
                    "say which topic to read, with `--topic NAME`",
                ));
            };
            let mut out = BufWriter::new(std::io::stdout().lock());
            read(&client, &admin, topic, args.format, &mut out)?;
            out.flush()?;
        }
    }
    Ok(Exit::Pass)
}

/// Writes every record of `topic` up to its present end.
fn read(
    client: &ClientSettings,
    admin: &Admin,
    topic: &str,
    format: RecordFormat,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut left: BTreeMap<i32, i64> = BTreeMap::new();
    let mut start = Vec::new();
    for bounds in admin.watermarks(&[topic])? {
        if bounds.low < bounds.high {
            left.insert(bounds.partition.partition, bounds.high);
            start.push((bounds.partition, StartOffset::Beginning));
        }
    }
    if start.is_empty() {
        return Ok(());
    }
    let mut consumer = BatchConsumer::new(client, &ConsumerSettings::default())?;
    consumer.assign(&start, TIMEOUT)?;
    let mut batch = Batch::with_capacity(10_000);
    let clock = SystemClock::new();
    let mut last_progress = clock.monotonic_us();
    while !left.is_empty() {
        consumer.poll(&mut batch, Duration::from_millis(100))?;
        for message in batch.messages() {
            show(format, message.key(), message.payload(), out)?;
            if left
                .get(&message.partition())
                .is_some_and(|end| message.offset() + 1 >= *end)
            {
                left.remove(&message.partition());
            }
        }
        if !batch.is_empty() {
            last_progress = clock.monotonic_us();
        } else if clock.monotonic_us() - last_progress > 30_000_000 {
            let message = format!(
                "topic `{topic}` gave no record for 30 s before its end; {} partitions are not read",
                left.len()
            );
            return Err(Failure::new(Exit::Unreachable, anyhow::anyhow!(message)));
        }
        batch.clear();
    }
    consumer.close()?;
    Ok(())
}

fn show(
    format: RecordFormat,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    match format {
        RecordFormat::Value => out.write_all(value.unwrap_or_default())?,
        RecordFormat::Hex => {
            for byte in key.unwrap_or_default() {
                write!(out, "{byte:02x}")?;
            }
            out.write_all(b"\t")?;
            for byte in value.unwrap_or_default() {
                write!(out, "{byte:02x}")?;
            }
        }
    }
    out.write_all(b"\n")
}
