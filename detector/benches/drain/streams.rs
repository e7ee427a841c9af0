//! What the readers are given: a topic, filled with readings or with what the generator makes of a profile.

use std::{error::Error, io::Write, path::PathBuf};

use floodmark_broker::{Broker, BrokerConfig};
use floodmark_contracts::{
    event::banking::SCHEMA, job::GeneratorSection, profile::Profile, stream::Stream,
};
use floodmark_generator::{Plan, Share, enrichment, events};
use floodmark_kafka::Registry;
use serde::{Deserialize, Serialize};

use crate::records::{self, Filler, PARTITIONS};

/// A topic that is full, and what a detector has to know of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Inputs {
    /// Where it is.
    pub bootstrap: String,
    /// Its name.
    pub topic: String,
    /// The registry that has the schema of banking events.
    pub registry: Option<String>,
    /// What banking events are enriched with.
    pub enrichment: Option<PathBuf>,
    /// The bound that suits the events.
    pub watermark_bound: String,
    /// For snapshots.
    pub folder: PathBuf,
}

/// Fills a topic; gives it with the mean size of a value, and a registry that has to live as long as it is read.
pub fn fill(
    bootstrap: &str,
    stream: Stream,
    events: u64,
    sensors: u64,
    folder: PathBuf,
) -> Result<(Inputs, f64, Option<Broker>), Box<dyn Error>> {
    let mut inputs = Inputs {
        bootstrap: bootstrap.to_owned(),
        topic: format!("floodmark-drain-{stream}-{}", std::process::id()),
        registry: None,
        enrichment: None,
        watermark_bound: "1s".to_owned(),
        folder,
    };
    if stream == Stream::Sensors {
        let bytes = records::fill(bootstrap, &inputs.topic, events, sensors)?;
        return Ok((inputs, bytes, None));
    }
    inputs.watermark_bound = "5s".to_owned();
    let mut server = None;
    if stream == Stream::Banking {
        let config = BrokerConfig {
            registry_listen: Some(([127, 0, 0, 1], 0).into()),
            ..BrokerConfig::default()
        };
        let broker = Broker::start(config)?;
        let url = broker.registry_url().ok_or("the registry has no address")?;
        let id = Registry::new(&url)?.register("banking-ui-events-value", SCHEMA)?;
        // What events carry that are made without a registry.
        if id != 1 {
            return Err(format!("the first schema has id {id}").into());
        }
        inputs.registry = Some(url);
        server = Some(broker);
    }
    let bytes = generate(&mut inputs, stream, events)?;
    Ok((inputs, bytes, server))
}

/// The first events of the shipped profile, with its duration made long enough.
fn generate(
    inputs: &mut Inputs,
    stream: Stream,
    events_wanted: u64,
) -> Result<f64, Box<dyn Error>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../profiles/{}.yaml", stream.name()));
    let mut profile: Profile = serde_saphyr::from_str(&std::fs::read_to_string(path)?)?;
    // At 2,000 a second and more.
    profile.duration = format!("{}s", events_wanted / 2000 + 60);
    let section = GeneratorSection::from(&profile);
    let plan = Plan::resolve(&section).map_err(|problems| format!("{problems:?}"))?;
    let lines = inputs.folder.join("enrichment.ndjson");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&lines)?);
    for line in enrichment(&plan) {
        serde_json::to_writer(&mut file, &line)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    inputs.enrichment = (stream == Stream::Banking).then_some(lines);
    let mut filler = Filler::new(&inputs.bootstrap, &inputs.topic)?;
    let all = events(&plan, stream, Share::WHOLE).ok_or("the profile has another stream")?;
    for event in all.take(usize::try_from(events_wanted)?) {
        filler.send(&event.key, &event.value, event.partition % PARTITIONS)?;
    }
    filler.finish()
}
