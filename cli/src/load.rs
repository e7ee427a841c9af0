//! Profiles from the command line: one loader for every command, which collects the problems of all
//! the crates that validate a part.

use std::path::Path;

use floodmark_contracts::{job::GeneratorSection, problem::Problem, profile::Profile};
use floodmark_detector::Settings;
use floodmark_generator::Plan;
use floodmark_harness::{
    profile::{Sound, Source, check},
    search::Settings as SearchSettings,
};
use floodmark_kafka::{
    ClientSettings,
    settings::{Builder, SettingsError},
};

use crate::{
    args::ProfileArgs,
    exit::{Exit, Failure},
};

/// A profile that every crate has found sound.
pub struct Loaded {
    /// The profile with its overrides.
    pub profile: Profile,
    /// What the harness makes of it.
    pub sound: Sound,
    /// What the generator makes of it.
    pub plan: Plan,
    /// Properties of every Kafka client of the run.
    pub client: ClientSettings,
}

/// Loads and validates the profile that the arguments name.
pub fn load(args: &ProfileArgs) -> Result<Loaded, Failure> {
    load_with(args, &[])
}

/// The same with further values of the profile, as `--set` would set them.
pub fn load_with(args: &ProfileArgs, sets: &[(String, String)]) -> Result<Loaded, Failure> {
    load_text(read(&args.profile)?, args, sets)
}

/// The same for a profile's text, which is not read from the file that the arguments name.
pub fn load_text(
    text: String,
    args: &ProfileArgs,
    sets: &[(String, String)],
) -> Result<Loaded, Failure> {
    let mut all = overrides(args)?;
    all.extend_from_slice(sets);
    let source = Source::new(text, all);
    let reading = source.read();
    let mut problems = reading.problems;
    let mut parts = None;
    if let Some(mut profile) = reading.profile {
        let folder = args.profile.parent().unwrap_or(Path::new("."));
        let traces = floodmark_generator::read_traces(&mut profile.streams, folder);
        keep(traces, &mut problems);
        let (sound, plan) = examined(&profile, &mut problems);
        parts = Some((profile, sound, plan));
    }
    match parts {
        Some((profile, Some(sound), Some(plan))) if problems.is_empty() => {
            let client = client_settings(args, &profile)?;
            Ok(Loaded {
                profile,
                sound,
                plan,
                client,
            })
        }
        _ => {
            let name = args.profile.display().to_string();
            Err(Failure::bad_profile(&name, &source.locate(problems)))
        }
    }
}

/// What every crate makes of a profile that a program has changed.
///
/// # Errors
/// Everything that is wrong with it now.
pub fn examine(profile: Profile, client: ClientSettings) -> Result<Loaded, Vec<Problem>> {
    let mut problems = Vec::new();
    match examined(&profile, &mut problems) {
        (Some(sound), Some(plan)) if problems.is_empty() => Ok(Loaded {
            profile,
            sound,
            plan,
            client,
        }),
        _ => Err(problems),
    }
}

/// Asks each crate about its own part.
fn examined(profile: &Profile, problems: &mut Vec<Problem>) -> (Option<Sound>, Option<Plan>) {
    let sound = keep(check(profile), problems);
    let plan = keep(Plan::resolve(&GeneratorSection::from(profile)), problems);
    keep(Settings::validate(&profile.detector), problems);
    let speed = profile.event_time.speed;
    problems.extend(floodmark_scoring::gates::validate(&profile.gates, speed));
    keep(SearchSettings::read(&profile.search, speed), problems);
    (sound, plan)
}

fn keep<T>(result: Result<T, Vec<Problem>>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|found| problems.extend(found)).ok()
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| {
        let message = format!("cannot read the profile `{}`", path.display());
        Failure::new(
            Exit::BadProfile,
            anyhow::Error::new(source).context(message),
        )
    })
}

/// The arguments that set a value of the profile, as overrides; `--set` comes last and wins.
fn overrides(args: &ProfileArgs) -> Result<Vec<(String, String)>, Failure> {
    // A text from the command line must stay a text, whatever YAML would make of it.
    let quoted = |text: &String| serde_json::Value::from(text.as_str()).to_string();
    let mut all = Vec::new();
    if let Some(seed) = args.seed {
        all.push(("seed".to_owned(), seed.to_string()));
    }
    for (path, value) in [
        ("broker", &args.broker),
        ("registry", &args.registry),
        ("topic_prefix", &args.topic_prefix),
    ] {
        if let Some(value) = value {
            all.push((path.to_owned(), quoted(value)));
        }
    }
    for set in &args.sets {
        let Some((path, value)) = set.split_once('=') else {
            let message = format!("`--set {set}` has no value; write `--set PATH=VALUE`");
            return Err(Failure::usage(message));
        };
        all.push((path.to_owned(), value.to_owned()));
    }
    Ok(all)
}

/// Client properties; what is nearer to the command line wins: `-X`, then the profile, then the file.
/// The cluster's address is not known yet.
fn client_settings(args: &ProfileArgs, profile: &Profile) -> Result<ClientSettings, Failure> {
    let usage = |error: SettingsError| Failure::new(Exit::Usage, error);
    let mut builder = ClientSettings::builder(UNKNOWN_CLUSTER);
    if let Some(file) = &args.properties_file {
        builder = builder.file(file).map_err(usage)?;
    }
    let pairs: Vec<String> = profile
        .client
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    let of_profile = |error: SettingsError| {
        let name = args.profile.display().to_string();
        Failure::bad_profile(&name, &[Problem::new("client", error.to_string())])
    };
    let mut settings = builder
        .overrides(&pairs)
        .and_then(Builder::build)
        .map_err(of_profile)?;
    let nearest = ClientSettings::builder(UNKNOWN_CLUSTER)
        .overrides(&args.properties)
        .and_then(Builder::build)
        .map_err(usage)?;
    settings.properties.extend(nearest.properties);
    Ok(settings)
}

/// Stands in for the address until the broker is up; nothing connects to it.
const UNKNOWN_CLUSTER: &str = "127.0.0.1:1";
