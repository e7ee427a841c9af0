//! `floodmark serve-model`: the fraud model as a service.

use std::{sync::atomic::Ordering, time::Duration};

use anyhow::Context;
use floodmark_contracts::clock::{Clock, SystemClock};
use floodmark_detector::fraud::{Model, ModelServer};

use crate::{
    args::{Global, ServeModelArgs},
    commands::{say, tell},
    exit::{Exit, Failure},
    signals,
};

/// How often the signal is looked at.
const STEP: Duration = Duration::from_millis(50);

/// Scores sessions until a signal.
pub fn run(args: &ServeModelArgs, global: &Global) -> Result<Exit, Failure> {
    let stop = signals::stop_flag()?;
    let model = model(args).map_err(|error| Failure::new(Exit::Usage, error))?;
    let server = ModelServer::start(args.listen, model)
        .map_err(|error| Failure::new(Exit::Usage, anyhow::Error::from(error)))?;
    say(&format!("scorer {}", server.url()));
    if !args.listen.ip().is_loopback() {
        tell(
            global,
            "it listens beyond this machine: whoever reaches it can ask for scores",
        );
    }
    let clock = SystemClock::new();
    while !stop.load(Ordering::Relaxed) {
        clock.sleep(STEP);
    }
    Ok(Exit::Pass)
}

fn model(args: &ServeModelArgs) -> anyhow::Result<Model> {
    let Some(path) = &args.model else {
        return Ok(Model::compiled_in()?);
    };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the model `{}`", path.display()))?;
    Model::parse(&text).with_context(|| format!("cannot use the model `{}`", path.display()))
}
