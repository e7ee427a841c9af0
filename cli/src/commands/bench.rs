//! `floodmark bench`: the whole way through.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use floodmark_contracts::{
    clock::{Clock, SystemClock},
    label::Label,
    record::RunRecord,
    result::{RunResult, ValidityStatus},
};
use floodmark_generator::{SinkChoice, metrics::MetricsServer};
use floodmark_harness::run::{Kept, Request, RunError, execute, without_password};
use floodmark_reports::comparison_text;

use crate::{
    args::{BenchArgs, Global, PROPERTIES_VARIABLE, ProfileArgs},
    commands::{
        calibrate, compare, generate::job::check_senders, metrics, report, say, say_marked,
        score::score_and_report, stored::Runs, tell,
    },
    exit::{Exit, Failure},
    load::{self, Loaded},
    output, signals,
    tui::{self, Snapshot, Tui},
    watch::Watcher,
};

/// Runs, scores, reports.
pub fn run(args: &BenchArgs, global: &Global) -> Result<Exit, Failure> {
    if args.tui {
        tui::check_terminal()?;
    }
    let loaded = load::load(&args.profile)?;
    check_senders(&loaded.plan, args.workers, 1)?;
    // Before the run, so that a wrong name costs none.
    let baseline = args.baseline.as_deref().map(Runs::read).transpose()?;
    let sink = SinkChoice::Kafka;
    calibrate::check(&loaded, &sink, args.workers, &args.calibration, global)?;
    let metrics = metrics::start(args.metrics, global)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let stage = tui::Stage::default();
    let stop = match args.tui {
        true => {
            let stage = stage.clone();
            signals::stop_flag_and(move || stage.clear())?
        }
        false => signals::stop_flag()?,
    };
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| default_out(&loaded, &*clock));
    output::claim(&out, args.force)?;
    let (record, kept) = measure(
        args,
        &loaded,
        &out,
        metrics.as_ref(),
        Arc::clone(&clock),
        (&*stop, &stage),
        global,
    )?;
    let result = score_and_report(&out, &record)?;
    output::summary(&out, &result);
    if let Some(baseline) = &baseline {
        beside(baseline, &result, &out)?;
    }
    if let Some(kept) = kept {
        tell(global, &kept_line(&kept));
        kept.hold(&*clock, &stop)?;
    }
    Ok(result.outcome.into())
}

/// Says how the run compares with stored ones. That is advice: one run on a shared machine shows nothing for sure.
fn beside(baseline: &Runs, result: &RunResult, out: &Path) -> Result<(), Failure> {
    if result.validity.status == ValidityStatus::Invalid {
        say("not compared: the measurement is invalid");
        return Ok(());
    }
    let comparison = compare::against(baseline, result, out)?;
    // In a folder of its own: the run may get a `junit.xml` too.
    compare::leave(&out.join("baseline"), &comparison)?;
    report::write_page_again(out, result)?;
    say("");
    say_marked(comparison_text(&comparison).trim_end());
    Ok(())
}

fn measure(
    args: &BenchArgs,
    loaded: &Loaded,
    out: &Path,
    metrics: Option<&MetricsServer>,
    clock: Arc<dyn Clock>,
    (stop, stage): (&AtomicBool, &tui::Stage),
    global: &Global,
) -> Result<(RunRecord, Option<Kept>), Failure> {
    let exe = std::env::current_exe()?;
    let request = Request {
        exe: &exe,
        out,
        profile: &loaded.profile,
        sound: &loaded.sound,
        plan: &loaded.plan,
        client: &loaded.client,
        settings: &loaded.settings,
        clock,
        stop,
        reproduce: reproduce("bench", &args.profile, &[], args.workers),
        version: env!("CARGO_PKG_VERSION"),
        keep: args.keep,
        workers: args.workers,
        metrics,
    };
    let mut watcher = match args.tui {
        true => Watcher::with_tui(
            global,
            Tui::start(
                first_picture(loaded),
                global.log_lines.clone(),
                stage.clone(),
            )?,
        ),
        false => Watcher::new(global),
    };
    let outcome = execute(&request, &mut |event| watcher.see(&event));
    watcher.finish();
    outcome.map_err(|error| {
        // A run that came to nothing leaves no folders behind, but any log that says why.
        let _ = std::fs::remove_dir(out.join("logs")).and_then(|()| std::fs::remove_dir(out));
        Failure::new(exit_of(&error), error)
    })
}

/// What a view of the run shows before anything has happened.
fn first_picture(loaded: &Loaded) -> Snapshot {
    let timeline = loaded.sound.timeline;
    let labels = floodmark_generator::labels(&loaded.plan);
    let begin_s = |label: &Label| timeline.run_micros(label.start).0 as f64 / 1e6;
    Snapshot {
        profile: loaded.profile.name.clone(),
        subject: loaded.sound.subject.name.clone(),
        broker: loaded.sound.broker.to_string(),
        incidents_s: labels.iter().map(begin_s).collect(),
        ..Snapshot::default()
    }
}

/// Where the parts that `--keep` leaves up can be reached.
fn kept_line(kept: &Kept) -> String {
    let registry = kept
        .registry()
        .map_or_else(String::new, |url| format!(", registry {url}"));
    format!(
        "kept up until Ctrl-C: broker {}{registry}",
        kept.bootstrap()
    )
}

pub(super) fn exit_of(error: &RunError) -> Exit {
    match error {
        error if error.is_refusal() => Exit::Usage,
        error if error.is_unreachable() => Exit::Unreachable,
        _ => Exit::Internal,
    }
}

/// `runs/PROFILE-TIME`, with a number behind it where two runs begin in one second.
pub(super) fn default_out(loaded: &Loaded, clock: &dyn Clock) -> PathBuf {
    let now = jiff::Timestamp::from_microsecond(clock.now().0).unwrap_or_default();
    let stamp = now.strftime("%Y%m%dT%H%M%SZ");
    let name = format!("{}-{stamp}", loaded.profile.name);
    let mut path = PathBuf::from("runs").join(&name);
    let mut number = 1;
    while path.exists() {
        number += 1;
        path = PathBuf::from("runs").join(format!("{name}-{number}"));
    }
    path
}

/// The command that makes the run again. Client properties may hold secrets, so their values are left
/// out.
pub(super) fn reproduce(
    command: &str,
    profile: &ProfileArgs,
    sets: &[(String, String)],
    workers: u32,
) -> String {
    let mut words = Vec::new();
    if std::env::var_os(PROPERTIES_VARIABLE).is_some_and(|text| !text.is_empty()) {
        words.push(format!("{PROPERTIES_VARIABLE}=…"));
    }
    words.push(format!("floodmark {command}"));
    words.push(quoted(&profile.profile.display().to_string()));
    if let Some(seed) = profile.seed {
        words.push(format!("--seed {seed}"));
    }
    let registry = profile.registry.as_deref().map(without_password);
    for (name, value) in [
        ("--broker", &profile.broker),
        ("--registry", &registry),
        ("--topic-prefix", &profile.topic_prefix),
    ] {
        if let Some(value) = value {
            words.push(format!("{name} {}", quoted(value)));
        }
    }
    words.extend(profile.sets.iter().map(|set| match set.split_once('=') {
        Some((path, _)) if path.starts_with("client") => format!("--set {path}=…"),
        Some((path, value)) => {
            format!(
                "--set {}",
                quoted(&format!("{path}={}", without_password(value)))
            )
        }
        None => format!("--set {}", quoted(set)),
    }));
    let further = sets.iter();
    words.extend(
        further.map(|(path, value)| format!("--set {}", quoted(&format!("{path}={value}")))),
    );
    if workers != 1 {
        words.push(format!("--workers {workers}"));
    }
    for property in &profile.client.properties {
        let key = property
            .split_once('=')
            .map_or(property.as_str(), |(key, _)| key);
        words.push(format!("-X {key}=…"));
    }
    if let Some(file) = &profile.client.properties_file {
        words.push(format!("-F {}", quoted(&file.display().to_string())));
    }
    words.join(" ")
}

/// The word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_would_take_apart_are_quoted() {
        for (word, expected) in [
            ("streams.sensors.rate=2k/s", "streams.sensors.rate=2k/s"),
            ("gates=[{ require: x }]", "'gates=[{ require: x }]'"),
            ("name=it's", r"'name=it'\''s'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
