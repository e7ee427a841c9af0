//! Fuzz targets for every decoder of bytes from outside, in one program: `ci/fuzz` builds and runs it.
//!
//! The environment says what it does, as libFuzzer has the command line to itself:
//!
//! | variable | what |
//! | --- | --- |
//! | `FUZZ_LIST` | prints the names of all targets, and ends |
//! | `FUZZ_TARGET` | the target that inputs go to |
//! | `FUZZ_SEEDS` | writes the target's seeds to this folder, and hostile inputs to `hostile/` in it, and ends |
//!
//! Why it is built so is in `docs/adr/0022-fuzzing.md`.

#![no_main]

mod hostile;
mod limits;
mod seeds;
mod targets;

use std::{path::Path, sync::OnceLock};

use crate::targets::{ALL, Target};

#[global_allocator]
static ALLOCATOR: limits::Counting = limits::Counting;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: { prepare(); },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            limits::bounded(target.any_mib << 20, data.len(), || (target.run)(data));
        }
    }
);

/// Does what the environment says.
fn prepare() {
    if std::env::var_os("FUZZ_LIST").is_some() {
        ALL.iter().for_each(|target| println!("{}", target.name));
        std::process::exit(0);
    }
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let Some(target) = ALL.iter().find(|target| target.name == name) else {
        eprintln!("error: `FUZZ_TARGET` is `{name}`; set `FUZZ_LIST` to see the targets");
        std::process::exit(2);
    };
    if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
        let folder = Path::new(&folder);
        write(folder, (target.seeds)());
        write(&folder.join("hostile"), hostile::inputs());
        std::process::exit(0);
    }
    let _ = TARGET.set(target);
}

fn write(folder: &Path, inputs: Vec<Vec<u8>>) {
    let made = std::fs::create_dir_all(folder);
    let written = (0..).zip(inputs).try_for_each(|(number, input)| {
        std::fs::write(folder.join(format!("seed-{number:03}")), input)
    });
    if let Err(error) = made.and(written) {
        eprintln!(
            "error: seeds cannot be written to `{}`: {error}",
            folder.display()
        );
        std::process::exit(2);
    }
}
