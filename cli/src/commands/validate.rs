//! `floodmark validate`: everything that is wrong with a profile.

use crate::{
    args::ValidateArgs,
    commands::say,
    exit::{Exit, Failure},
    load::load,
};

/// Loads the profile as `bench` would, touches no broker, and says what it found.
pub fn run(args: &ValidateArgs) -> Result<Exit, Failure> {
    let loaded = load(&args.profile)?;
    let labels = floodmark_generator::labels(&loaded.plan).len();
    say(&format!(
        "profile `{}` is sound: {}, {:?}, {labels} labelled incidents, broker `{}`",
        args.profile.profile.display(),
        match loaded.sound.inputs.len() {
            1 => "1 stream".to_owned(),
            n => format!("{n} streams"),
        },
        loaded.sound.duration,
        loaded.sound.broker,
    ));
    Ok(Exit::Pass)
}
