//! Trains the fraud model on generated data, judges it on other data, and writes model and card:
//!
//!     cargo run -p floodmark-detector --example train
//!     cargo run -p floodmark-detector --example train -- --check
//!
//! The same sources give the same bytes on every machine. With `--check` nothing is written, and it fails
//! where what stands in the repository differs.
#![expect(clippy::print_stderr, reason = "an example tells what it did")]

mod card;
mod data;
mod figures;

use std::{error::Error, ops::RangeInclusive, path::Path};

use floodmark_detector::fraud::{
    Model,
    boost::{Row, Training, train},
};

use crate::data::Session;

/// Seeds that the model learns from, and seeds that it is judged on.
const LEARN: RangeInclusive<u64> = 7001..=7006;
const JUDGE: RangeInclusive<u64> = 8001..=8003;
/// Seeds of the shipped profile, whose mix of kinds and magnitudes is another one.
const SHIPPED: RangeInclusive<u64> = 8101..=8102;

/// From the crate's folder.
const PROFILE: &str = "model/train.yaml";
const SHIPPED_PROFILE: &str = "../profiles/banking.yaml";
const MODEL: &str = "model/fraud.json";
const CARD: &str = "../docs/fraud-model.md";

fn main() -> Result<(), Box<dyn Error>> {
    let check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => {
            return Err(format!("`{other}` is unknown; use `--check`, or nothing").into());
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let learn = sessions(&root.join(PROFILE), LEARN)?;
    let rows: Vec<Row> = learn
        .iter()
        .flat_map(|session| session.cases.iter())
        .map(|case| Row {
            vector: case.vector,
            is_fraud: case.is_fraud,
        })
        .collect();
    eprintln!(
        "{} sessions, {} rows to learn from",
        learn.len(),
        rows.len()
    );
    let how = Training::default();
    let text = train(&rows, &how).to_text()?;
    // What is judged is what was written.
    let model = Model::parse(&text)?;
    let card = card::Card {
        learn: (LEARN, &learn),
        judge: (JUDGE, &sessions(&root.join(PROFILE), JUDGE)?),
        shipped: (SHIPPED, &sessions(&root.join(SHIPPED_PROFILE), SHIPPED)?),
        rows: rows.len(),
        how,
        model: &model,
    }
    .to_string();
    for (name, made) in [(MODEL, &text), (CARD, &card)] {
        let path = root.join(name);
        if !check {
            std::fs::write(&path, made)?;
            eprintln!("wrote {name}");
        } else if std::fs::read_to_string(&path)? != *made {
            return Err(format!("`{name}` is not what training gives; run `just train`").into());
        }
    }
    Ok(())
}

fn sessions(profile: &Path, seeds: RangeInclusive<u64>) -> Result<Vec<Session>, Box<dyn Error>> {
    let mut all = Vec::new();
    for seed in seeds {
        all.extend(data::sessions(profile, seed)?);
        eprintln!("seed {seed}: {} sessions so far", all.len());
    }
    Ok(all)
}
