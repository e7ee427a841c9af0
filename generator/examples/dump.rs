//! Writes a profile's events, labels and enrichment data to files, as fast as they can be made:
//!
//!     cargo run -p floodmark-generator --example dump -- profiles/quickstart.yaml 7 /tmp/out
//!
//! One file of JSON lines for each stream, in the order in which the events would be sent; Avro records
//! are decoded. The closing events come last.
#![expect(clippy::print_stderr, reason = "an example tells what it did")]

use std::{
    error::Error,
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use floodmark_contracts::{
    event::{banking::BankingUiEvent, confluent::FRAME_LEN},
    job::GeneratorSection,
    profile::Profile,
    stream::Stream,
};
use floodmark_generator::{
    Event, Plan, SchemaIds, Share, closing_events, enrichment, events, labels,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(seed), Some(out)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: dump PROFILE SEED DIRECTORY".into());
    };
    let profile: Profile = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    let mut section = GeneratorSection::from(&profile);
    section.seed = seed.parse()?;
    let plan = Plan::resolve(&section).map_err(|problems| {
        problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    })?;
    let out = Path::new(&out);
    fs::create_dir_all(out)?;
    lines(&out.join("labels.ndjson"), labels(&plan).iter())?;
    lines(&out.join("enrichment.ndjson"), enrichment(&plan))?;
    for stream in plan.streams() {
        let mut file = BufWriter::new(File::create(out.join(format!("{stream}.ndjson")))?);
        let mut count = 0u64;
        let closing = closing_events(&plan, stream, SchemaIds::default());
        for event in events(&plan, stream, Share::WHOLE)
            .into_iter()
            .flatten()
            .chain(closing)
        {
            write_event(&mut file, stream, &event)?;
            count += 1;
        }
        file.flush()?;
        eprintln!("{stream}: {count} events");
    }
    Ok(())
}

fn lines<T: serde::Serialize>(
    path: &Path,
    values: impl Iterator<Item = T>,
) -> Result<(), Box<dyn Error>> {
    let mut file = BufWriter::new(File::create(path)?);
    for value in values {
        serde_json::to_writer(&mut file, &value)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

fn write_event(file: &mut impl Write, stream: Stream, event: &Event) -> Result<(), Box<dyn Error>> {
    if stream == Stream::Banking {
        let body = event.value.get(FRAME_LEN..).unwrap_or_default();
        serde_json::to_writer(&mut *file, &BankingUiEvent::decode_body(body)?)?;
    } else {
        file.write_all(&event.value)?;
    }
    Ok(file.write_all(b"\n")?)
}
