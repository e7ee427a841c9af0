//! `floodmark doctor`: what there is on this machine, and what that allows.

use std::path::Path;

use floodmark_contracts::doctor::{Checkup, FindingState};
use floodmark_harness::{
    calibrate::Store,
    doctor::{Wanted, examine},
};
use floodmark_kafka::ClientSettings;

use crate::{
    args::DoctorArgs,
    commands::{noise, say, say_marked},
    exit::{Exit, Failure},
    load::client_of,
};

/// Looks and tells; ends with 69 if something that was asked for does not work.
pub fn run(args: &DoctorArgs) -> Result<Exit, Failure> {
    let client = client(args)?;
    let wanted = Wanted {
        kafka_home: args.kafka_home.as_deref(),
        cluster: client.as_ref(),
        registry: args.registry.as_deref(),
        redis: args.redis.as_deref(),
        out: Path::new("runs"),
        version: env!("CARGO_PKG_VERSION"),
    };
    let checkup = examine(&wanted);
    if args.json {
        say(&serde_json::to_string_pretty(&checkup)?);
    } else {
        say_marked(text(&checkup).trim_end());
        for line in kept() {
            say(&line);
        }
    }
    let is_broken = |state| state == FindingState::Broken;
    Ok(
        match checkup
            .findings
            .iter()
            .any(|finding| is_broken(finding.state))
        {
            true => Exit::Unreachable,
            false => Exit::Pass,
        },
    )
}

/// The settings of a client for the cluster that was named.
fn client(args: &DoctorArgs) -> Result<Option<ClientSettings>, Failure> {
    let broker = args.broker.as_deref();
    let unfit = broker.filter(|broker| !broker.contains(':') || broker.starts_with("kafka-home:"));
    if let Some(broker) = unfit {
        return Err(Failure::usage(format!(
            "`--broker {broker}` is no cluster that runs; write `HOST:PORT`, or `--kafka-home DIR`"
        )));
    }
    client_of(broker, &args.client)
}

fn text(checkup: &Checkup) -> String {
    let machine = &checkup.environment;
    let mut lines = vec![format!(
        "floodmark {} on {}, {}\n",
        checkup.floodmark_version, machine.os, machine.cpu
    )];
    for finding in &checkup.findings {
        let sign = match finding.state {
            FindingState::Good => "ok      ",
            FindingState::Limited => "limited ",
            FindingState::Missing => "missing ",
            FindingState::Broken => "BROKEN  ",
        };
        lines.push(format!("{sign} {:<16} {}", finding.name, finding.found));
        lines.push(format!("         {:<16} {}", "", finding.meaning));
    }
    lines.join("\n")
}

/// What was measured on this machine before.
fn kept() -> Vec<String> {
    let Ok(store) = Store::open(None) else {
        return Vec::new();
    };
    let noise = std::fs::read_dir(noise::folder(&store)).ok();
    let noise = noise.map_or(0, |entries| entries.flatten().count());
    let calibrated = match store.path().is_file() {
        true => "this machine was calibrated",
        false => "this machine was not calibrated yet: `floodmark calibrate`, three seconds",
    };
    let noise = match noise {
        0 => "its noise was not measured: `floodmark aa PROFILE`, before `floodmark ab`".to_owned(),
        n => format!("its noise was measured for {n} of profile, broker and subject"),
    };
    vec![String::new(), format!("{calibrated}; {noise}")]
}
