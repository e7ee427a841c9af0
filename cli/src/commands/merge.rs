//! `floodmark merge`: the figures of workers on several machines as those of one run.

use std::path::Path;

use floodmark_harness::{
    run::{read_generator_facts, read_series},
    workers::leave,
};

use crate::{
    args::{Global, MergeArgs},
    commands::{generate::verdict, tell},
    exit::{Exit, Failure},
    output,
};

/// Merges what the workers left, and judges the whole.
pub fn run(args: &MergeArgs, global: &Global) -> Result<Exit, Failure> {
    let mut parts = Vec::new();
    for dir in &args.dirs {
        let facts = read_generator_facts(&dir.join("generator.json"))?;
        parts.push((facts, read_series(&dir.join("generator-series.ndjson"))?));
    }
    let starts = parts.iter().map(|(facts, _)| facts.started_at);
    if let (Some(first), Some(last)) = (starts.clone().min(), starts.max())
        && first != last
    {
        let message = format!(
            "these workers did not start together ({} ms apart), so they are not of one run; merge those with the \
             same `--start-at`",
            (last.0 - first.0) / 1000
        );
        return Err(Failure::usage(message));
    }
    output::claim(&args.out, args.force)?;
    let facts = leave(parts, &args.out)?;
    for name in ["labels.ndjson", "enrichment.ndjson"] {
        if let Some(dir) = args.dirs.iter().find(|dir| dir.join(name).exists()) {
            copy(&dir.join(name), &args.out.join(name))?;
        }
    }
    tell(
        global,
        &format!(
            "figures of {} workers: {}",
            args.dirs.len(),
            args.out.display()
        ),
    );
    Ok(match verdict::give(&facts, &args.out, global)? {
        _ if facts.interrupted => Exit::Interrupted,
        true => Exit::Pass,
        false => Exit::Invalid,
    })
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::copy(from, to).map_err(|error| {
        let message = format!("cannot copy `{}` to `{}`", from.display(), to.display());
        anyhow::Error::new(error).context(message)
    })?;
    Ok(())
}
