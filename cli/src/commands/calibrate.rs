//! `floodmark calibrate`, and how a load is held against it.

use floodmark_contracts::{
    calibration::Calibration, clock::SystemClock, job::GeneratorSection, profile::Profile,
    stream::Stream,
};
use floodmark_generator::{Plan, SinkChoice};
use floodmark_harness::{
    broker::BrokerChoice,
    calibrate::{CalibrateError, Fit, NULL, Request, Store, StoreError, calibrate, endless, fit},
    profile::check as check_profile,
};
use floodmark_kafka::ClientSettings;

use crate::{
    args::{CalibrateArgs, CalibrationArgs, Global, ProfileArgs},
    commands::{say, tell},
    exit::{Exit, Failure},
    load::{self, Loaded},
};

/// What is measured where no profile is named: all streams, as in the shipped profiles.
const STANDARD: &str = "
name: calibrate
duration: 1h
streams:
  clickstream: { rate: 1k/s, population: { entities: 10000, skew: 0.9 } }
  banking: { rate: 1k/s, population: { entities: 10000, skew: 0.5 } }
  sensors: { rate: 1k/s, population: { entities: 10000 } }
";

/// Events per second from which on a load is worth three seconds of measuring: what is below it, any
/// machine sends.
const WORTH_MEASURING: f64 = 20_000.0;

/// Measures, prints and keeps what was found.
pub fn run(args: &CalibrateArgs, global: &Global) -> Result<Exit, Failure> {
    let store = open(args.state.as_deref())?;
    let loaded = load(args)?;
    let found = measure(&loaded.profile, &loaded.client)?;
    store.keep(&found).map_err(Failure::from)?;
    if args.json {
        say(&serde_json::to_string_pretty(&found)?);
    } else {
        for calibration in &found {
            for line in lines(calibration) {
                say(&line);
            }
        }
    }
    tell(global, &format!("kept in {}", store.path().display()));
    Ok(Exit::Pass)
}

/// Refuses a load above what this machine was found to send. A load that is worth it and was never
/// measured is measured first, where that touches nobody else's broker.
pub(super) fn check(
    loaded: &Loaded,
    sink: &SinkChoice,
    senders: u32,
    args: &CalibrationArgs,
    global: &Global,
) -> Result<(), Failure> {
    if args.over_rate {
        return Ok(());
    }
    let store = match Store::open(args.state.as_deref()) {
        Ok(store) => store,
        // Without a home there is nothing to hold the load against.
        Err(StoreError::NoFolder) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let broker = loaded.sound.broker.to_string();
    // Whatever the sink, nothing goes out faster than it is made.
    let mut sinks = vec![NULL];
    if matches!(sink, SinkChoice::Kafka) {
        sinks.push(&broker);
    }
    let worth_it = busiest(&loaded.plan) > WORTH_MEASURING;
    let is_ours = *sink != SinkChoice::Kafka || loaded.sound.broker == BrokerChoice::Embedded;
    let missing = |store: &Store| -> Result<bool, StoreError> {
        for sink in &sinks {
            let found = store.find(sink)?;
            if found.is_none_or(|found| fit(&loaded.plan, &found, senders).is_none()) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    if worth_it && is_ours && missing(&store)? {
        tell(
            global,
            "calibrate: this machine was not measured yet; that takes three seconds, once",
        );
        let mut profile = loaded.profile.clone();
        profile.broker = BrokerChoice::Embedded.to_string();
        profile.registry = None;
        store.keep(&measure(&profile, &loaded.client)?)?;
    }
    for sink in sinks {
        let Some(calibration) = store.find(sink)? else {
            continue;
        };
        match fit(&loaded.plan, &calibration, senders) {
            Some(fit) if !fit.fits() => return Err(refusal(&fit, &calibration)),
            _ => {}
        }
    }
    Ok(())
}

fn refusal(fit: &Fit, calibration: &Calibration) -> Failure {
    let where_to = match calibration.sink.as_str() {
        NULL => "even into nothing".to_owned(),
        broker => format!("into broker `{broker}`"),
    };
    let message = format!(
        "the plan has up to {} events/s, and this machine was found to send {} of them {where_to} (measured {}); \
         lower the rate, measure again with `floodmark calibrate`, or pass `--over-rate` to try it all the same",
        rate(fit.busiest),
        rate(fit.possible),
        date(calibration)
    );
    Failure::new(Exit::BadProfile, anyhow::anyhow!("{message}"))
}

/// Events of all streams in the plan's busiest second.
fn busiest(plan: &Plan) -> f64 {
    let seconds = (plan.duration().0 + 999_999) / 1_000_000;
    (0..seconds)
        .map(|second| plan.streams().map(|s| plan.expected_in(s, second)).sum())
        .fold(0.0, f64::max)
}

fn open(state: Option<&std::path::Path>) -> Result<Store, Failure> {
    Store::open(state).map_err(|error| Failure::new(Exit::Usage, error))
}

/// The profile that is named, or the standard one.
fn load(args: &CalibrateArgs) -> Result<Loaded, Failure> {
    let profile_args = ProfileArgs {
        profile: args.profile.clone().unwrap_or_else(|| "calibrate".into()),
        broker: args.broker.clone(),
        registry: args.registry.clone(),
        sets: args.sets.clone(),
        client: args.client.clone(),
        ..ProfileArgs::default()
    };
    match &args.profile {
        Some(_) => load::load(&profile_args),
        None => load::load_text(STANDARD.to_owned(), &profile_args, &[]),
    }
}

fn measure(profile: &Profile, client: &ClientSettings) -> Result<Vec<Calibration>, Failure> {
    let profile = endless(profile);
    let unsound = |problems: Vec<_>| Failure::bad_profile(&profile.name, &problems);
    let sound = check_profile(&profile).map_err(unsound)?;
    Plan::resolve(&GeneratorSection::from(&profile)).map_err(unsound)?;
    let exe = std::env::current_exe()?;
    let clock = SystemClock::new();
    let request = Request {
        exe: &exe,
        profile: &profile,
        sound: &sound,
        client,
        clock: &clock,
        version: env!("CARGO_PKG_VERSION"),
    };
    calibrate(&request).map_err(|error: CalibrateError| {
        let exit = if error.is_unreachable() {
            Exit::Unreachable
        } else {
            Exit::Internal
        };
        Failure::new(exit, error)
    })
}

fn lines(calibration: &Calibration) -> Vec<String> {
    let to = match calibration.sink.as_str() {
        NULL => "into nothing".to_owned(),
        broker => format!("into broker `{broker}`"),
    };
    let mut lines: Vec<String> = Stream::ALL
        .into_iter()
        .filter_map(|stream| Some((stream, calibration.streams.get(&stream)?)))
        .map(|(stream, found)| format!("{stream} {to}: {} events/s", rate(*found)))
        .collect();
    if calibration.streams.len() > 1 {
        lines.push(format!(
            "all at once {to}: {:.2} times what one stream alone takes",
            calibration.together
        ));
    }
    lines
}

/// A rate with its thousands apart.
fn rate(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn date(calibration: &Calibration) -> String {
    jiff::Timestamp::from_microsecond(calibration.at.0).map_or_else(
        |_| "at an unknown time".to_owned(),
        |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_grouped_by_thousands() {
        for (value, expected) in [(7.4, "7"), (1234.0, "1,234"), (2_500_000.0, "2,500,000")] {
            assert_eq!(rate(value), expected);
        }
    }
}
