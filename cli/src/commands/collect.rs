//! `floodmark collect`: real clicks of a site under test, on the topics of generated ones.

use std::{sync::atomic::Ordering, time::Duration};

use floodmark_contracts::{
    clock::{Clock, SystemClock},
    stream::Stream,
};
use floodmark_generator::collect::{CollectError, CollectFigures, CollectServer, CollectSettings};

use crate::{
    args::{CollectArgs, CollectStream, Global},
    commands::{replay::create, say, tell},
    exit::{Exit, Failure},
    load::client_of,
    signals,
};

/// How often the signal is looked at.
const STEP: Duration = Duration::from_millis(50);

/// Runs the collector until a signal, or for as long as was asked.
pub fn run(args: &CollectArgs, global: &Global) -> Result<Exit, Failure> {
    let stop = signals::stop_flag()?;
    let settings = settings(args)?;
    create(&settings.client, &settings.topic, args.partitions)?;
    let server = CollectServer::start(&settings).map_err(failure)?;
    say(&format!("collector {}", server.url()));
    tell(
        global,
        &format!(
            "put this on the pages: <script src=\"{}/snippet.js\" defer></script>",
            server.url()
        ),
    );
    if !settings.listen.ip().is_loopback() {
        tell(
            global,
            "it listens beyond this machine: whoever reaches it and says so can send events",
        );
    }
    let clock = SystemClock::new();
    while !stop.load(Ordering::Relaxed) {
        clock.sleep(STEP);
    }
    let figures = server.stop();
    tell(global, &summary(figures));
    Ok(if figures.failed > 0 {
        Exit::Internal
    } else {
        Exit::Pass
    })
}

fn summary(figures: CollectFigures) -> String {
    format!(
        "{} events accepted, {} delivered, {} given up; requests turned away: {} full, {} down, {} refused",
        figures.accepted,
        figures.delivered,
        figures.failed,
        figures.full,
        figures.down,
        figures.refused
    )
}

fn settings(args: &CollectArgs) -> Result<CollectSettings, Failure> {
    let client = client_of(Some(&args.broker), &args.client)?
        .ok_or_else(|| Failure::usage("no broker is named; pass `--broker HOST:PORT`"))?;
    let stream = match args.stream {
        CollectStream::Clickstream => Stream::Clickstream,
        CollectStream::Banking => Stream::Banking,
    };
    let topic = args.topic.clone();
    Ok(CollectSettings {
        listen: args.listen,
        stream,
        client,
        registry: args.registry.clone(),
        topic: topic.unwrap_or_else(|| stream.default_topic().to_owned()),
        origins: args
            .allow_origin
            .iter()
            .map(|origin| origin_of(origin))
            .collect::<Result<_, _>>()?,
        body_limit: args.max_body,
        queue: args.queue,
        stall: Duration::from_secs(5),
        trust_proxy: args.trust_proxy,
    })
}

/// An origin as browsers send it: scheme, host, and a port that is not the scheme's own.
fn origin_of(text: &str) -> Result<String, Failure> {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let is_origin =
        rest.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', ' ']));
    if text == "*" || is_origin {
        return Ok(text.to_owned());
    }
    Err(Failure::usage(format!(
        "`--allow-origin {text}` is no origin; write one such as `https://shop.example`, without a path, or `*`"
    )))
}

fn failure(error: CollectError) -> Failure {
    let exit = match &error {
        error if error.is_unreachable() => Exit::Unreachable,
        CollectError::NoRegistry | CollectError::Serve(_) => Exit::Usage,
        _ => Exit::Internal,
    };
    Failure::new(exit, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_path() {
        for (text, sound) in [
            ("https://shop.example", true),
            ("http://localhost:8000", true),
            ("*", true),
            ("https://shop.example/", false),
            ("shop.example", false),
            ("https://", false),
        ] {
            assert_eq!(origin_of(text).is_ok(), sound, "{text}");
        }
    }
}
