//! `floodmark broker`: the embedded broker and registry by themselves.

use std::sync::atomic::Ordering;

use floodmark_broker::{Broker, BrokerConfig, SecondListener};
use floodmark_contracts::clock::{Clock, SystemClock};
use floodmark_harness::broker::Ready;

use crate::{
    args::{BrokerArgs, Global},
    commands::{say, tell},
    exit::{Exit, Failure},
    signals,
};

/// Runs the broker until a signal.
pub fn run(args: &BrokerArgs, global: &Global) -> Result<Exit, Failure> {
    let stop = signals::stop_flag()?;
    let config = BrokerConfig {
        listen: args.listen,
        advertise: args.advertise.as_deref().map(address).transpose()?,
        second: second(args)?,
        memory_cap_bytes: args.memory.saturating_mul(1 << 20),
        auto_create_partitions: args.auto_create,
        registry_listen: Some(args.registry),
        ..BrokerConfig::default()
    };
    tell(
        global,
        "floodmark broker: for benchmarks and tests on one machine, not a place to keep data",
    );
    let broker = Broker::start(config)?;
    let ready = Ready {
        bootstrap: broker.bootstrap(),
        registry: broker.registry_url(),
        second: broker.second().map(|address| address.to_string()),
    };
    say(&format!(
        "broker {} registry {}",
        ready.bootstrap,
        ready.registry.as_deref().unwrap_or("none")
    ));
    if let Some(file) = &args.ready_file {
        ready.write(file)?;
    }
    let clock = SystemClock::new();
    while !stop.load(Ordering::Relaxed) {
        clock.sleep(std::time::Duration::from_millis(50));
    }
    broker.stop();
    Ok(Exit::Pass)
}

/// The second listener; the arguments come together or not at all.
fn second(args: &BrokerArgs) -> Result<Option<SecondListener>, Failure> {
    let advertise = args.second_advertise.as_deref().map(address).transpose()?;
    Ok(args
        .second_listen
        .zip(advertise)
        .map(|(listen, advertise)| SecondListener { listen, advertise }))
}

fn address(text: &str) -> Result<(String, u16), Failure> {
    text.rsplit_once(':')
        .and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)))
        .filter(|(host, _)| !host.is_empty())
        .ok_or_else(|| Failure::usage(format!("`{text}` is not an address; write `HOST:PORT`")))
}
