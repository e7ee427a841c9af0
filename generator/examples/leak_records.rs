//! Writes records for the leak test: what a classifier may look at, which records are of an incident, and
//! which have the same content.
//!
//!     cargo run --release -p floodmark-generator --example leak_records -- PROFILE SEED STREAM OUT
//!
//! Each line is `label content entity incident partition offset position key value`, separated by
//! tabs, with key and value in hexadecimal. `content` is what the catalogue says of an incident's events: records that are
//! compared have the same.
#![expect(clippy::print_stderr, reason = "an example tells what it did")]

use std::{
    collections::BTreeMap,
    error::Error,
    fs::{self, File},
    io::{BufWriter, Write},
};

use floodmark_contracts::{
    event::{banking::BankingUiEvent, clickstream::ClickEvent, sensor::SensorReading},
    job::GeneratorSection,
    profile::Profile,
    stream::Stream,
};
use floodmark_generator::{Event, Plan, Share, events, labels};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [path, seed, stream, out] = &args[..] else {
        return Err("usage: leak_records PROFILE SEED STREAM OUT".into());
    };
    let profile: Profile = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    let mut section = GeneratorSection::from(&profile);
    section.seed = seed.parse()?;
    let stream = Stream::ALL
        .into_iter()
        .find(|known| known.name() == stream)
        .ok_or("no such stream")?;
    // The other streams would only take their time.
    let of_others = &mut section.streams;
    for (other, section) in [
        (Stream::Clickstream, &mut of_others.clickstream),
        (Stream::Banking, &mut of_others.banking),
        (Stream::Sensors, &mut of_others.sensors),
    ] {
        section.take_if(|_| other != stream);
    }
    let plan = Plan::resolve(&section).map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        texts.join("\n")
    })?;
    let mut incidents: BTreeMap<String, String> = BTreeMap::new();
    for label in labels(&plan) {
        for id in label.event_ids {
            incidents.insert(id, label.id.clone());
        }
    }
    let mut offsets: BTreeMap<i32, u64> = BTreeMap::new();
    let mut file = BufWriter::new(File::create(out)?);
    let mut counts = [0u64; 2];
    for (position, event) in (0u64..).zip(events(&plan, stream, Share::WHOLE).into_iter().flatten())
    {
        let seen = look(stream, &event)?;
        let incident = incidents.get(&seen.id);
        let offset = offsets.entry(event.partition).or_default();
        let label = usize::from(incident.is_some());
        counts[label] += 1;
        writeln!(
            file,
            "{label}\t{}\t{}\t{}\t{}\t{offset}\t{position}\t{}\t{}",
            seen.content,
            seen.entity,
            incident.map_or("-", String::as_str),
            event.partition,
            hex(&event.key),
            hex(&event.value)
        )?;
        *offset += 1;
    }
    file.flush()?;
    eprintln!(
        "{stream}: {} ordinary records, {} of incidents",
        counts[0], counts[1]
    );
    Ok(())
}

/// What a record says.
struct Seen {
    id: String,
    entity: String,
    content: String,
}

fn look(stream: Stream, event: &Event) -> Result<Seen, Box<dyn Error>> {
    Ok(match stream {
        Stream::Clickstream => {
            let click = ClickEvent::decode(&event.value)?;
            Seen {
                content: format!("{} {}", click.event_type, click.page_url),
                entity: click.user_id.into_owned(),
                id: click.event_id.into_owned(),
            }
        }
        Stream::Banking => {
            let bank = BankingUiEvent::decode_body(event.body())?;
            Seen {
                // Which field was typed into is drawn; its name's length is content.
                content: format!("{} {}", bank.event_type, bank.element_id),
                entity: bank.user_id.to_owned(),
                id: bank.event_id.to_owned(),
            }
        }
        Stream::Sensors => {
            let reading = SensorReading::decode(&event.value)?;
            Seen {
                // Digits of the value are content: a spike has one more, or a sign.
                content: format!("{}", reading.value.to_string().len()),
                id: reading.id(),
                entity: reading.sensor_id.into_owned(),
            }
        }
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
