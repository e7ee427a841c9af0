//! Writes records for the leak test: pairs of one record of an incident and an ordinary one that have the
//! same content, in the same five minutes, and nothing else to do with each other.
//!
//!     cargo run -p floodmark-generator --example leak_records -- PROFILE SEED STREAM OUT
//!
//! Each line is `label content entity_fold incident partition offset position key value`, separated by
//! tabs, with key and value in hexadecimal; the two records of a pair stand one after the other. `content` is
//! what the catalogue says of an incident's events, `incident` that of the pair. Entities are dealt
//! into folds, and both records of a pair are of the same fold, so that whatever is held out has as many
//! records of incidents as ordinary ones.
//!
//! Some entities have thousands of events, some incidents as well. Of each only a few are taken, by lot:
//! what is learnt by heart from one busy user would otherwise weigh more than what all have in common.
#![expect(clippy::print_stderr, reason = "an example tells what it did")]

use std::{
    collections::BTreeMap,
    error::Error,
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
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
    let mut lots = Lots::default();
    let mut offsets: BTreeMap<u32, u64> = BTreeMap::new();
    for (position, event) in (0u64..).zip(events(&plan, stream, Share::WHOLE).into_iter().flatten())
    {
        let offset = offsets.entry(event.lane).or_default();
        lots.add(
            look(stream, &event)?,
            (position, *offset),
            event,
            &incidents,
        );
        *offset += 1;
    }
    let mut file = BufWriter::new(File::create(out)?);
    let (seen, pairs) = (lots.seen, lots.pairs());
    for pair in &pairs {
        for (label, record) in [(1, &pair.of_incident), (0, &pair.ordinary)] {
            writeln!(
                file,
                "{label}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
                pair.content,
                pair.fold,
                pair.incident,
                record.event.partition,
                record.offset,
                record.position,
                hex(&record.event.key),
                hex(&record.event.value)
            )?;
        }
    }
    file.flush()?;
    eprintln!(
        "{stream}: {} ordinary records, {} of incidents, {} pairs",
        seen[0],
        seen[1],
        pairs.len()
    );
    Ok(())
}

/// Records of one entity that are taken from one incident.
const OF_AN_INCIDENT: usize = 10;
/// Ordinary records of one entity that are taken.
const OF_AN_ENTITY: usize = 24;
/// Folds into which entities are dealt.
const FOLDS: u64 = 3;

/// A record with where it stands.
struct Record {
    /// Decides whether it is taken.
    lot: u64,
    offset: u64,
    position: u64,
    event: Event,
}

/// Records that may be taken.
#[derive(Default)]
struct Lots {
    /// Ordinary records and those of incidents, all of them.
    seen: [u64; 2],
    /// By entity, with their contents.
    ordinary: BTreeMap<String, Vec<(String, Record)>>,
    /// By incident and entity, with their contents.
    of_incidents: BTreeMap<(String, String), Vec<(String, Record)>>,
}

struct Pair {
    content: String,
    fold: u64,
    incident: String,
    of_incident: Record,
    ordinary: Record,
}

impl Lots {
    fn add(
        &mut self,
        seen: Seen,
        (position, offset): (u64, u64),
        event: Event,
        incidents: &BTreeMap<String, String>,
    ) {
        // More happens at one time than at another, and no incident begins before the warm-up's end.
        let content = format!("{} @{}", seen.content, event.event_time.0 / 300_000);
        let record = Record {
            lot: hash(&seen.id),
            offset,
            position,
            event,
        };
        if let Some(incident) = incidents.get(&seen.id) {
            self.seen[1] += 1;
            let key = (incident.clone(), seen.entity);
            take(
                self.of_incidents.entry(key).or_default(),
                (content, record),
                OF_AN_INCIDENT,
            );
        } else {
            self.seen[0] += 1;
            take(
                self.ordinary.entry(seen.entity).or_default(),
                (content, record),
                OF_AN_ENTITY,
            );
        }
    }

    /// Records of incidents, each with an ordinary one of the same content and fold; those for which
    /// none is left are left out.
    fn pairs(self) -> Vec<Pair> {
        let mut ordinary: BTreeMap<(String, u64), Vec<Record>> = BTreeMap::new();
        for (entity, records) in self.ordinary {
            let fold = hash(&entity) % FOLDS;
            for (content, record) in records {
                ordinary.entry((content, fold)).or_default().push(record);
            }
        }
        for records in ordinary.values_mut() {
            records.sort_by_key(|record| record.lot);
        }
        let mut of_incidents: Vec<_> = self
            .of_incidents
            .into_iter()
            .flat_map(|((incident, entity), records)| {
                let fold = hash(&entity) % FOLDS;
                records
                    .into_iter()
                    .map(move |(content, record)| (incident.clone(), fold, content, record))
            })
            .collect();
        of_incidents.sort_by_key(|(_, _, _, record)| record.lot);
        let paired =
            of_incidents
                .into_iter()
                .filter_map(|(incident, fold, content, of_incident)| {
                    let ordinary = ordinary.get_mut(&(content.clone(), fold))?.pop()?;
                    Some(Pair {
                        content,
                        fold,
                        incident,
                        of_incident,
                        ordinary,
                    })
                });
        paired.collect()
    }
}

/// Adds a record to those taken, of which those with the lowest lots stay.
fn take(taken: &mut Vec<(String, Record)>, record: (String, Record), most: usize) {
    taken.push(record);
    if taken.len() > most {
        taken.sort_by_key(|(_, record)| record.lot);
        taken.truncate(most);
    }
}

/// A number that has nothing to do with what the text says (SipHash with fixed keys).
fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
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
