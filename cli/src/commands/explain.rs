//! `floodmark explain`: what a profile would send and what it asks of the run, without running it, and who set what.

use std::{collections::BTreeMap, fmt::Write as _};

use floodmark_contracts::{
    kind::Kind,
    profile::{FaultSection, GateSection, scoring::GateFailure},
    setting::{Setting, SettingSource},
};
use floodmark_generator::{Explanation, explain, explain::StreamExplanation};
use serde::Serialize;
use serde_json::Value;

use crate::{
    args::ExplainArgs,
    commands::say,
    exit::{Exit, Failure},
    load::load,
};

/// Prints the resolved plan in numbers.
pub fn run(args: &ExplainArgs) -> Result<Exit, Failure> {
    let loaded = load(&args.profile)?;
    let found = Explained {
        plan: explain(&loaded.plan),
        settings: &loaded.settings,
        faults: &loaded.profile.faults,
        gates: &loaded.profile.gates,
    };
    if args.json {
        say(&serde_json::to_string_pretty(&found)?);
    } else {
        say(text(&found)?.trim_end());
    }
    Ok(Exit::Pass)
}

/// A profile in numbers, with what is asked of the run and who set what.
#[derive(Serialize)]
struct Explained<'a> {
    #[serde(flatten)]
    plan: Explanation,
    /// Every setting that is not left at its default.
    settings: &'a [Setting],
    /// What is broken on purpose.
    faults: &'a [FaultSection],
    /// What the run must meet.
    gates: &'a [GateSection],
}

fn text(all: &Explained<'_>) -> Result<String, Failure> {
    let found = &all.plan;
    let mut out = String::new();
    let origin = jiff::Timestamp::from_millisecond(found.timeline.origin.0)?;
    let end = jiff::Timestamp::from_millisecond(found.event_time_end.0)?;
    writeln!(
        out,
        "profile `{}`, seed {}: {} s of wall time, {} s more for delayed events",
        found.name, found.seed, found.duration_s, found.longest_delay_s
    )?;
    writeln!(
        out,
        "event time {origin} to {end}, {} s a second",
        found.timeline.speed
    )?;
    let slots: u64 = found.streams.iter().map(|stream| stream.slots).sum();
    let bytes: f64 = found.streams.iter().map(|stream| stream.bytes.total).sum();
    writeln!(out, "{slots} events, about {}", size(bytes))?;
    for stream in &found.streams {
        out.push('\n');
        describe(&mut out, stream)?;
    }
    out.push('\n');
    asked(&mut out, all)?;
    out.push_str(&set_by(all.settings));
    Ok(out)
}

/// What is broken on purpose, and what the run must meet.
fn asked(out: &mut String, all: &Explained<'_>) -> Result<(), Failure> {
    let faults: Vec<String> = all.faults.iter().map(json).collect::<Result<_, _>>()?;
    let gates = all.gates.iter().map(|gate| match gate.otherwise {
        GateFailure::Fail => gate.require.clone(),
        GateFailure::Warn => format!("{} (warns)", gate.require),
        GateFailure::Invalid => format!("{} (else invalid)", gate.require),
    });
    listed(out, "faults", &faults)?;
    listed(out, "gates", &gates.collect::<Vec<_>>())
}

/// Items below each other, behind their name.
fn listed(out: &mut String, name: &str, items: &[String]) -> Result<(), Failure> {
    if items.is_empty() {
        writeln!(out, "{name:<13} none")?;
    }
    for (index, item) in items.iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        writeln!(out, "{name:<13} {item}")?;
    }
    Ok(())
}

/// Who set what, the nearest to the command line last: of the profile the number, as everybody can read it.
fn set_by(settings: &[Setting]) -> String {
    let of_profile = |set: &&Setting| set.from == SettingSource::Profile;
    let mut lines = Vec::new();
    if let Some(first) = settings.iter().find(of_profile) {
        let count = settings.iter().filter(of_profile).count();
        lines.push(format!("set by        {}: {count} values", first.by));
    }
    let mut others: Vec<&Setting> = settings.iter().filter(|set| !of_profile(set)).collect();
    others.sort_by_key(|set| set.from);
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    lines.extend(others.iter().map(|set| {
        format!(
            "              {}: {} = {}",
            set.by,
            set.path,
            shown(&set.value)
        )
    }));
    lines.join("\n")
}

fn describe(out: &mut String, stream: &StreamExplanation) -> Result<(), Failure> {
    let (noun, each) = match stream.topics.len() {
        1 => ("topic", ""),
        _ => ("topics", " each"),
    };
    writeln!(
        out,
        "{}: {noun} `{}`, {} partitions{each}, keyed by `{}`",
        stream.stream,
        stream.topics.join("`, `"),
        stream.partitions,
        stream.key
    )?;
    writeln!(
        out,
        "  events      {} ({:.1}/s) of {} entities, {} records",
        stream.slots, stream.mean_rate, stream.entities, stream.records
    )?;
    writeln!(
        out,
        "  bytes       {:.0} a key, {:.0} a value, about {} in all",
        stream.bytes.key,
        stream.bytes.value,
        size(stream.bytes.total)
    )?;
    writeln!(
        out,
        "  records     {}, {} {} of the schema: {}",
        json(&stream.format)?.trim_matches('"'),
        stream.versions,
        if stream.versions == 1 {
            "version"
        } else {
            "versions"
        },
        stream.fields.join(", ")
    )?;
    writeln!(
        out,
        "  labels      {} ({} events, decoys included)",
        counts(&stream.labels),
        stream.labelled_events
    )?;
    writeln!(out, "  decoys      {}", counts(&stream.decoys))?;
    for (name, value) in &stream.asked {
        writeln!(out, "  {name:<11} {}", json(value)?)?;
    }
    Ok(())
}

fn counts(by_kind: &BTreeMap<Kind, usize>) -> String {
    let all: Vec<String> = by_kind
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    if all.is_empty() {
        return "none".to_owned();
    }
    all.join(", ")
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string(value)?)
}

fn size(bytes: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_the_unit_that_people_would_choose() {
        for (bytes, text) in [
            (0.0, "0.0 B"),
            (999.0, "999.0 B"),
            (1500.0, "1.5 kB"),
            (2.5e9, "2.5 GB"),
            (1e16, "10000.0 TB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
