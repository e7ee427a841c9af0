//! One side of a comparison: what of it differs from the profile as it stands.

use std::{ffi::OsString, path::PathBuf, process::Command, str::FromStr};

use floodmark_contracts::{
    job::GeneratorSection,
    profile::{Profile, SubjectSection},
};

use crate::{
    args::ProfileArgs,
    commands::bench::reproduce,
    exit::{Exit, Failure},
    load::{self, Loaded},
};

/// A name longer than this says less.
const LONGEST_NAME: usize = 60;

/// What is said of a side on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SideText {
    /// `PATH=VALUE`: a value of the profile.
    Set(String),
    /// `subject:COMMAND`: the words of a detector's command.
    Subject(Vec<String>),
    /// `binary:FILE`: another floodmark.
    Binary(PathBuf),
    /// A file of another profile.
    Profile(PathBuf),
}

impl FromStr for SideText {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        if let Some(command) = text.strip_prefix("subject:") {
            let words = shlex::split(command).filter(|words| !words.is_empty());
            return words.map(Self::Subject).ok_or_else(|| {
                Failure::usage(format!(
                    "`{text}` names no command, or leaves a quote open; write `'subject:./detector --fast'`"
                ))
            });
        }
        if let Some(file) = text.strip_prefix("binary:") {
            return Ok(Self::Binary(PathBuf::from(file)));
        }
        let ending = std::path::Path::new(text).extension();
        if ending.is_some_and(|e| e == "yaml" || e == "yml") {
            return Ok(Self::Profile(PathBuf::from(text)));
        }
        // A value may hold anything, a path of the profile holds no `/`.
        match text.split_once('=') {
            Some((path, _)) if !path.is_empty() && !path.contains(['/', ' ']) => {
                Ok(Self::Set(text.to_owned()))
            }
            _ => Err(Failure::usage(format!(
                "`{text}` is no side; write `PATH=VALUE`, `subject:COMMAND`, `binary:FILE`, or a profile that ends in `.yaml`"
            ))),
        }
    }
}

/// A side that was found sound.
pub(crate) struct Side {
    /// What tells it from the other.
    pub(crate) name: String,
    /// The floodmark that runs it.
    pub(crate) program: PathBuf,
    /// Whether that is this one.
    pub(crate) is_own: bool,
    /// The profile and what overrides it.
    pub(crate) profile: ProfileArgs,
    /// What this floodmark makes of that.
    pub(crate) loaded: Loaded,
}

impl Side {
    /// The profile with what is said of this side.
    ///
    /// # Errors
    /// If a text is no side, or what it comes to is no sound profile.
    pub(crate) fn new(common: &ProfileArgs, texts: &[String]) -> Result<Self, Failure> {
        let mut profile = common.clone();
        let (mut program, mut subject) = (None, None);
        for text in texts {
            match text.parse()? {
                SideText::Set(set) => profile.sets.push(set),
                SideText::Profile(file) => profile.profile = file,
                SideText::Subject(words) => subject = Some(words),
                SideText::Binary(file) => program = Some(file),
            }
        }
        if let Some(words) = subject {
            let mut set = vec![subject_set(&profile, &words)?];
            set.append(&mut profile.sets);
            profile.sets = set;
        }
        let loaded = load::load(&profile)?;
        let name = match texts {
            [] => "as it stands".to_owned(),
            texts => shortened(&texts.join(", ")),
        };
        let side = Self {
            name,
            is_own: program.is_none(),
            program: match program {
                Some(file) => file,
                None => std::env::current_exe()?,
            },
            profile,
            loaded,
        };
        if !side.is_own {
            side.ask_the_other()?;
        }
        Ok(side)
    }

    /// The command that a user would give for one of its runs.
    pub(crate) fn what(&self, workers: u32) -> String {
        let command = reproduce("bench", &self.profile, &[], workers);
        match self.is_own {
            true => command,
            false => command.replacen("floodmark", &self.program.display().to_string(), 1),
        }
    }

    /// Whether both sides send the same events.
    pub(crate) fn sends_the_same_as(&self, other: &Self) -> bool {
        let plan = |side: &Self| {
            let section = GeneratorSection::from(&side.loaded.profile);
            serde_json::to_value(section).ok()
        };
        plan(self) == plan(other)
    }

    /// The arguments that name profile and overrides, for a process of their own.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let args = &self.profile;
        let mut words: Vec<OsString> = vec![args.profile.clone().into()];
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                words.push(name.into());
                words.push(value.into());
            }
        };
        option("--seed", args.seed.map(|seed| seed.to_string()));
        option("--broker", args.broker.clone());
        option("--registry", args.registry.clone());
        for set in &args.sets {
            option("--set", Some(set.clone()));
        }
        for property in &args.client.properties {
            option("-X", Some(property.clone()));
        }
        if let Some(file) = &args.client.properties_file {
            words.push("-F".into());
            words.push(file.into());
        }
        words
    }

    /// Has another floodmark say what is wrong with the profile, before the first round.
    fn ask_the_other(&self) -> Result<(), Failure> {
        let program = self.program.display();
        let cannot = |error: std::io::Error| {
            let message = format!("cannot run `{program}`; is it a floodmark that runs here?");
            Failure::new(Exit::Usage, anyhow::Error::new(error).context(message))
        };
        let mut command = Command::new(&self.program);
        command.arg("validate").args(self.arguments());
        let output = command.output().map_err(cannot)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Failure::usage(format!(
            "`{program}` refuses the profile:\n{}",
            said.trim_end()
        )))
    }
}

/// The command as a value of the profile. What the profile says of its own command stays: how long it may take, where its
/// alerts are.
fn subject_set(profile: &ProfileArgs, words: &[String]) -> Result<String, Failure> {
    let words = serde_json::to_string(words)?;
    let subject = load::load(profile)?.profile.subject;
    Ok(match subject {
        SubjectSection::Command(_) => format!("subject.command.run={words}"),
        _ => format!("subject={{\"command\": {{\"run\": {words}}}}}"),
    })
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    let kept: String = name.chars().take(LONGEST_NAME - 1).collect();
    format!("{kept}…")
}

/// A checksum of all values of a profile that change what a run measures, but for its seed.
pub(crate) fn settings_of(profile: &Profile) -> Result<String, Failure> {
    let mut value = serde_json::to_value(profile)?;
    if let Some(values) = value.as_object_mut() {
        for name in [
            "name",
            "description",
            "seed",
            "broker",
            "registry",
            "topic_prefix",
            "client",
            "gates",
            "search",
        ] {
            values.remove(name);
        }
    }
    Ok(format!(
        "{:08x}",
        crc32c::crc32c(value.to_string().as_bytes())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_told_by_how_it_is_written() {
        let check = |text: &str, expected: SideText| {
            assert_eq!(text.parse::<SideText>().unwrap(), expected, "{text}");
        };
        check(
            "detector.watermark_bound=9s",
            SideText::Set("detector.watermark_bound=9s".to_owned()),
        );
        check(
            "subject={ command: { run: [./a/b.yaml] } }",
            SideText::Set("subject={ command: { run: [./a/b.yaml] } }".to_owned()),
        );
        check(
            "subject:./d --name 'two words'",
            SideText::Subject(["./d", "--name", "two words"].map(str::to_owned).into()),
        );
        check(
            "binary:a=b/floodmark",
            SideText::Binary("a=b/floodmark".into()),
        );
        check(
            "profiles/a=b.yaml",
            SideText::Profile("profiles/a=b.yaml".into()),
        );
        for wrong in ["", "detector", "./x=1", "subject:", "subject:'open"] {
            assert!(wrong.parse::<SideText>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn long_names_are_cut_between_letters() {
        let name = shortened(&"ä".repeat(100));
        assert_eq!((name.chars().count(), name.ends_with('…')), (60, true));
        assert_eq!(shortened("short"), "short");
    }

    #[test]
    fn a_side_is_the_profile_with_what_is_said_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let shipped =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles/smoke.yaml");
        let common = ProfileArgs {
            profile: shipped.clone(),
            seed: Some(7),
            sets: vec!["duration=2s".to_owned()],
            ..ProfileArgs::default()
        };
        let side = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            Side::new(&common, &texts).unwrap()
        };
        let base = side(&[]);
        assert_eq!(base.name, "as it stands");
        assert_eq!(base.loaded.profile.duration, "2s");
        let of = |side: &Side| settings_of(&side.loaded.profile).unwrap();

        let tuned = side(&["detector.watermark_bound=9s"]);
        assert!(tuned.sends_the_same_as(&base) && of(&tuned) != of(&base));
        let longer = side(&["duration=3s"]);
        assert!(!longer.sends_the_same_as(&base));

        let foreign = side(&["subject:./mine --fast"]);
        assert!(foreign.sends_the_same_as(&base));
        let SubjectSection::Command(command) = &foreign.loaded.profile.subject else {
            panic!("{:?}", foreign.loaded.profile.subject);
        };
        assert_eq!(command.run, ["./mine", "--fast"]);

        let text = std::fs::read_to_string(&shipped).unwrap();
        let file = dir.path().join("other.yaml");
        std::fs::write(&file, text.replace("name: smoke", "name: other")).unwrap();
        let other = side(&[file.to_str().unwrap()]);
        assert_eq!(
            (
                other.loaded.profile.name.as_str(),
                other.loaded.profile.seed
            ),
            ("other", 7)
        );
        // A name changes nothing that is measured.
        assert_eq!(of(&other), of(&base));
    }
}
