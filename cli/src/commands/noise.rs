//! The noise floors of this user: one file for each profile, broker and subject.

use std::path::{Path, PathBuf};

use floodmark_contracts::{clock::WallTime, compare::NoiseFloor};
use floodmark_harness::{calibrate::Store, environment};
use floodmark_scoring::compare::noise::{Measured, unfit};

use crate::{
    commands::{
        rounds::{Side, settings_of},
        trial::{names, write_json},
    },
    exit::{Exit, Failure},
};

/// The folder below that of the state.
const FOLDER: &str = "noise";

/// What the noise of a side is measured with.
pub(super) fn measured(side: &Side, at: WallTime) -> Result<Measured, Failure> {
    let (broker, subject) = names(&side.loaded);
    Ok(Measured {
        at,
        environment: environment::here(),
        profile: side.loaded.profile.name.clone(),
        settings: settings_of(&side.loaded.profile)?,
        broker,
        subject,
    })
}

/// Keeps a noise floor in place of an older one of the same profile, broker and subject.
pub(super) fn keep(floor: &NoiseFloor, state: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = path(state, &floor.profile, &floor.broker, &floor.subject)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| {
        let message = format!("cannot make the folder `{}`", folder.display());
        anyhow::Error::new(error).context(message)
    })?;
    // Written whole and then named: another comparison may be reading it.
    let half = path.with_extension(format!("{}", std::process::id()));
    write_json(&half, floor)?;
    std::fs::rename(&half, &path)?;
    Ok(path)
}

/// The noise floor for comparisons with `wanted`, or why there is none.
pub(super) fn find(
    named: Option<&Path>,
    wanted: &Measured,
    state: Option<&Path>,
) -> Result<Result<NoiseFloor, String>, Failure> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => match path(state, &wanted.profile, &wanted.broker, &wanted.subject) {
            Ok(path) if path.is_file() => path,
            // Without a home, or a measurement in it, there is none.
            _ => return Ok(Err(NOT_MEASURED.to_owned())),
        },
    };
    let floor = read(&path)?;
    Ok(match unfit(&floor, wanted) {
        None => Ok(floor),
        Some(why) => Err(why),
    })
}

/// When the noise was measured that margins rest on.
pub(super) fn dated(floor: &NoiseFloor) -> String {
    let at = jiff::Timestamp::from_microsecond(floor.measured_at.0).unwrap_or_default();
    format!(
        "margins rest on the noise of {} rounds, measured {}",
        floor.rounds,
        at.strftime("%Y-%m-%d %H:%M UTC")
    )
}

const NOT_MEASURED: &str = "the noise of this machine was not measured, so that a change counts from the least that matters on; \
                            `floodmark aa` measures it";

fn read(path: &Path) -> Result<NoiseFloor, Failure> {
    let unreadable = |error: anyhow::Error| {
        let message = format!(
            "`{}` is no noise floor; measure it again with `floodmark aa`",
            path.display()
        );
        Failure::new(Exit::Usage, error.context(message))
    };
    let text = std::fs::read(path).map_err(|error| unreadable(error.into()))?;
    serde_json::from_slice(&text).map_err(|error| unreadable(error.into()))
}

fn path(
    state: Option<&Path>,
    profile: &str,
    broker: &str,
    subject: &str,
) -> Result<PathBuf, Failure> {
    let store = Store::open(state).map_err(|error| Failure::new(Exit::Usage, error))?;
    let folder = folder(&store);
    let name = [profile, broker, subject].map(file_word).join("-");
    Ok(folder.join(format!("{name}.json")))
}

/// Where noise floors are, beside the calibrations.
pub(super) fn folder(store: &Store) -> PathBuf {
    store.path().with_file_name(FOLDER)
}

/// A name without what a file's name should not hold.
fn file_word(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' || c == '_' {
            c
        } else {
            '_'
        }
    };
    name.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use floodmark_scoring::compare::{Plan, noise::noise_floor};

    use super::*;

    fn wanted() -> Measured {
        Measured {
            at: WallTime(1),
            environment: environment::here(),
            profile: "of/mine".to_owned(),
            settings: "5".to_owned(),
            broker: "embedded".to_owned(),
            subject: "bundled".to_owned(),
        }
    }

    #[test]
    fn what_was_kept_is_found_again_for_the_same_and_for_nothing_else() {
        let state = tempfile::tempdir().unwrap();
        let state = Some(state.path());
        let find = |wanted: &Measured| find(None, wanted, state).unwrap();
        assert!(find(&wanted()).unwrap_err().contains("was not measured"));
        let floor = noise_floor(&[], wanted(), &Plan::default());
        let path = keep(&floor, state).unwrap();
        assert!(path.ends_with("noise/of_mine-embedded-bundled.json"));
        assert!(dated(&floor).ends_with("measured 1970-01-01 00:00 UTC"));
        assert_eq!(find(&wanted()), Ok(floor));
        let mut other = wanted();
        other.settings = "6".to_owned();
        assert!(find(&other).unwrap_err().contains("other settings"));
        other.subject = "mine".to_owned();
        assert!(find(&other).unwrap_err().contains("was not measured"));
    }

    #[test]
    fn a_file_that_is_named_must_be_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("floor.json");
        std::fs::write(&file, "{}").unwrap();
        assert!(find(Some(&file), &wanted(), None).is_err());
    }
}
