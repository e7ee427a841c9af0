//! Profiles from the command line: one loader for every command, which collects the problems of all
//! the crates that validate a part.

mod client;
mod settings;

use std::path::Path;

use floodmark_contracts::{
    job::GeneratorSection,
    problem::Problem,
    profile::Profile,
    setting::{Setting, SettingSource},
};
use floodmark_detector::Settings;
use floodmark_generator::Plan;
use floodmark_harness::{
    profile::{Sound, Source, check, stated},
    search::Settings as SearchSettings,
};
use floodmark_kafka::ClientSettings;
use serde_json::Value;

pub use self::client::client_of;
use self::{client::Layers, settings::Given};

use crate::{
    args::ProfileArgs,
    exit::{Exit, Failure},
    near,
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
    /// Every setting that somebody made, with where.
    pub settings: Vec<Setting>,
}

/// What runs have in common that each vary one profile.
#[derive(Clone)]
pub struct Basis {
    client: ClientSettings,
    settings: Vec<Setting>,
    /// The profile before it is varied.
    profile: Value,
}

impl Loaded {
    /// What runs that vary this profile have in common.
    pub fn basis(&self) -> Basis {
        Basis {
            client: self.client.clone(),
            settings: self.settings.clone(),
            profile: serde_json::to_value(&self.profile).unwrap_or_default(),
        }
    }
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
    let name = args.profile.display().to_string();
    let layers = Layers::read(&args.client)?;
    let stated = stated(&text);
    let mut given = Vec::new();
    given.extend(address(
        &layers,
        stated.iter().any(|(path, _)| path == "broker"),
    ));
    given.extend(overrides(args)?);
    given.extend(sets.iter().map(|(path, text)| set(path, text.clone())));
    let pairs = given.iter().map(|set| (set.path.clone(), set.text.clone()));
    let source = Source::new(text, pairs.collect());
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
            let by = client_set_by(&given, &name);
            let (client, of_client) =
                layers.with_profile(&profile.client, by).map_err(|error| {
                    Failure::bad_profile(&name, &[Problem::new("client", error.to_string())])
                })?;
            let settings = settings::effective((&name, stated), &given, &profile, of_client);
            Ok(Loaded {
                profile,
                sound,
                plan,
                client,
                settings,
            })
        }
        _ => Err(Failure::bad_profile(&name, &source.locate(problems))),
    }
}

/// What every crate makes of a profile that a program has changed.
///
/// # Errors
/// Everything that is wrong with it now.
pub fn examine(profile: Profile, basis: &Basis) -> Result<Loaded, Vec<Problem>> {
    let mut problems = Vec::new();
    match examined(&profile, &mut problems) {
        (Some(sound), Some(plan)) if problems.is_empty() => {
            let after = serde_json::to_value(&profile).unwrap_or_default();
            Ok(Loaded {
                profile,
                sound,
                plan,
                client: basis.client.clone(),
                settings: settings::varied(&basis.settings, &basis.profile, &after),
            })
        }
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
        let near = match source.kind() {
            std::io::ErrorKind::NotFound => near::profile(path),
            _ => None,
        };
        let hint = near.map_or_else(String::new, |near| {
            format!("; did you mean `{}`?", near.display())
        });
        let message = format!("cannot read the profile `{}`{hint}", path.display());
        Failure::new(
            Exit::BadProfile,
            anyhow::Error::new(source).context(message),
        )
    })
}

/// The cluster's address in client properties, unless something nearer names one.
fn address(layers: &Layers, profile_names_one: bool) -> Option<Given> {
    let (address, from, by) = layers.address(profile_names_one)?;
    Some(Given {
        path: "broker".to_owned(),
        text: quoted(address),
        from,
        by: by.to_owned(),
    })
}

/// A text that must stay a text, whatever YAML would make of it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn set(path: &str, text: String) -> Given {
    Given {
        path: path.to_owned(),
        text,
        from: SettingSource::CommandLine,
        by: "--set".to_owned(),
    }
}

/// Who set the client's properties in the profile.
fn client_set_by<'a>(given: &[Given], profile: &'a str) -> (SettingSource, &'a str) {
    match given.iter().any(|set| set.path == "client") {
        true => (SettingSource::CommandLine, "--set"),
        false => (SettingSource::Profile, profile),
    }
}

/// The arguments that set a value of the profile, as overrides; `--set` comes last and wins.
fn overrides(args: &ProfileArgs) -> Result<Vec<Given>, Failure> {
    let texts = [
        ("seed", args.seed.map(|seed| seed.to_string())),
        ("broker", args.broker.as_deref().map(quoted)),
        ("registry", args.registry.as_deref().map(quoted)),
        ("topic_prefix", args.topic_prefix.as_deref().map(quoted)),
    ];
    let mut all = Vec::new();
    for (path, text) in texts {
        let Some(text) = text else { continue };
        let (is_variable, by) = args.origins.by(path);
        let from = match is_variable {
            true => SettingSource::Environment,
            false => SettingSource::CommandLine,
        };
        all.push(Given {
            path: path.to_owned(),
            text,
            from,
            by: by.to_owned(),
        });
    }
    for words in &args.sets {
        let Some((path, value)) = words.split_once('=') else {
            let message = format!("`--set {words}` has no value; write `--set PATH=VALUE`");
            return Err(Failure::usage(message));
        };
        all.push(set(path, value.to_owned()));
    }
    Ok(all)
}
