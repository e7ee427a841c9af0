//! `floodmark init`: a commented profile to begin with.

use std::{fmt::Write as _, io::Write as _, path::Path};

use floodmark_contracts::stream::Stream;

use crate::{
    args::{Global, InitArgs},
    commands::{say, tell},
    exit::{Exit, Failure},
};

const PROFILE: &str = include_str!("../../templates/init.yaml");

/// The subject where none is named.
const BUNDLED: &str = "
# The detector under test. `bundled` is floodmark's own; for yours see docs/bring-your-own-detector.md:
#   subject: { command: { run: [python3, detector.py], ready_within: 60s, watermark_bound: 4s } }
subject: bundled
detector:
  watermark_bound: 4s             # more than the longest disorder
";

/// Writes the profile, or prints it.
pub fn run(args: &InitArgs, global: &Global) -> Result<Exit, Failure> {
    let text = profile(&args.file, &args.streams, args.subject.as_deref())?;
    if args.file.as_os_str() == "-" {
        say(text.trim_end());
        return Ok(Exit::Pass);
    }
    let file = args.file.display();
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    // Asked in one step with writing, so that no profile that just came is lost.
    match args.force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    let mut out = options
        .open(&args.file)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::usage(format!(
                "`{file}` is there already; name another file, or write over it with `--force`"
            )),
            _ => Failure::new(
                Exit::Usage,
                anyhow::Error::new(error).context(format!("cannot write `{file}`")),
            ),
        })?;
    out.write_all(text.as_bytes())?;
    tell(
        global,
        &format!("wrote `{file}`; next: floodmark bench {file}"),
    );
    Ok(Exit::Pass)
}

/// The text of a profile for some streams and a detector.
fn profile(file: &Path, streams: &[Stream], subject: Option<&str>) -> Result<String, Failure> {
    let mut sections = String::new();
    for stream in Stream::ALL
        .into_iter()
        .filter(|stream| streams.contains(stream))
    {
        sections.push_str(match stream {
            Stream::Clickstream => include_str!("../../templates/clickstream.yaml"),
            Stream::Banking => include_str!("../../templates/banking.yaml"),
            Stream::Sensors => include_str!("../../templates/sensors.yaml"),
        });
    }
    let subject = subject.map_or_else(|| Ok(BUNDLED.to_owned()), command)?;
    let stem = match file.file_stem() {
        Some(stem) if file.as_os_str() != "-" => stem.to_string_lossy().into_owned(),
        _ => "profile".to_owned(),
    };
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = stem.chars().map(plain).collect();
    let shown = match file.as_os_str() == "-" {
        true => "profile.yaml".to_owned(),
        false => file.display().to_string(),
    };
    Ok(PROFILE
        .replace("@FILE@", &shown)
        .replace("@NAME@", name.trim_matches('-'))
        .replace("@STREAMS@\n", &sections)
        .replace("@SUBJECT@", subject.trim_end()))
}

/// The section of a detector's command.
fn command(text: &str) -> Result<String, Failure> {
    let words = shlex::split(text).filter(|words| !words.is_empty());
    let Some(words) = words else {
        return Err(Failure::usage(format!(
            "`--subject {text}` names no command, or leaves a quote open"
        )));
    };
    let mut section = "
# The detector under test: a program that learns from environment variables where everything is, and writes alerts to a topic.
# docs/bring-your-own-detector.md has the variables, the shape of alerts, and a whole detector in thirty lines.
subject:
  command:
"
    .to_owned();
    writeln!(section, "    run: {}", serde_json::to_string(&words)?)?;
    section.push_str(
        "    ready_within: 60s             # how long it may take until it has its partitions
    watermark_bound: 4s           # event time that it waits for stragglers, so that this is not held against it
",
    );
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{args::ProfileArgs, load};

    #[test]
    fn what_it_writes_is_sound_for_any_streams_and_subject() {
        let all = Stream::ALL;
        for streams in [&all[..], &all[..1], &all[1..2], &all[2..]] {
            for subject in [None, Some("python3 'my detector.py' --fast")] {
                let file = Path::new("My bench.yaml");
                let text = profile(file, streams, subject).unwrap();
                assert!(!text.contains('@'), "{text}");
                let args = ProfileArgs {
                    profile: file.to_owned(),
                    ..ProfileArgs::default()
                };
                let loaded = load::load_text(text, &args, &[]).map_err(|e| e.to_string());
                let loaded = loaded.unwrap();
                assert_eq!(loaded.profile.name, "my-bench");
                let found: Vec<Stream> = loaded.plan.streams().collect();
                assert_eq!(found, streams);
                let name = if subject.is_some() {
                    "python3"
                } else {
                    "bundled"
                };
                assert_eq!(loaded.profile.subject.name(), name);
            }
        }
    }
}
