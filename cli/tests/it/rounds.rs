//! `ab`, `aa`, `bench --baseline` and `history`, with real runs on the embedded broker.
//!
//! How busy the machine is decides how rounds come out, so what is asserted is what no noise hides, and what does not
//! depend on it: which runs are made, what is left behind, what is refused.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock as _, SystemClock},
    compare::{Comparison, Look, NoiseFloor, Verdict},
    history::{DetectorComparison, History},
    result::RunResult,
};
use serde::de::DeserializeOwned;

use crate::support::{Run, floodmark, profile};

/// A profile of a second for a detector that is not ours.
fn sensors(dir: &Path) -> PathBuf {
    let file = dir.join("profile.yaml");
    let text = format!(
        "name: rounds
seed: 5
duration: 1s
drain: 2s
event_time: {{ speed: 60 }}
streams:
  sensors:
    rate: 1k/s
    partitions: 2
    population: {{ entities: 20 }}
    anomalies:
      - sensor-spike: {{ count: 12, magnitude: 8 }}
subject: {{ command: {{ run: ['{}'], name: foreign, watermark_bound: 5s }} }}
",
        detector().display()
    );
    std::fs::write(&file, text).unwrap();
    file
}

fn detector() -> PathBuf {
    let program = assert_cmd::cargo::cargo_bin("floodmark");
    program.parent().unwrap().join("examples/foreign_detector")
}

fn read<T: DeserializeOwned>(file: &Path) -> T {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// The exit code and what was printed to standard error.
fn ended(command: &mut assert_cmd::Command) -> (i32, String) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), errors)
}

#[test]
fn a_detector_that_uses_twice_the_cpu_time_regresses_and_fresh_rounds_say_so_too() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let program = assert_cmd::cargo::cargo_bin("floodmark");
    let cand = format!("subject:'{}' --busy 1", detector().display());
    let (code, errors) = ended(
        floodmark()
            .arg("ab")
            .arg(sensors(dir.path()))
            // Another build may be a side; here it is the same one.
            .args(["--base", &format!("binary:{}", program.display())])
            .args(["--cand", &cand, "--rounds", "6", "--further-rounds", "0"])
            .args(["--gate", "cpu.subject.per_million_events", "--out"])
            .arg(&out),
    );
    let comparison: Comparison = read(&out.join("comparison.json"));
    if comparison.verdict == Verdict::Invalid {
        // The machine was too busy for too many runs.
        assert_eq!(code, 98, "{errors}");
        return;
    }
    assert_eq!(
        (code, comparison.verdict),
        (100, Verdict::Regressed),
        "{errors}"
    );
    let other = program.display().to_string();
    assert!(
        comparison.base.what.starts_with(&other),
        "{}",
        comparison.base.what
    );
    let cpu = &comparison.metrics[0];
    assert!(cpu.gated && cpu.effect.unwrap() > 0.5, "{cpu:?}");
    assert!(cpu.confirmation.unwrap().confirmed);
    let counted = |look| {
        let rounds = comparison.rounds.iter();
        rounds
            .filter(|round| round.look == look && round.void.is_none())
            .count()
    };
    assert_eq!((counted(Look::First), counted(Look::Confirmation)), (6, 6));
    assert_ne!(
        comparison.rounds[0].base_first,
        comparison.rounds[1].base_first
    );
    // Each run is a whole one, and of what it was said to be. A void round may lack its second side.
    let mut counted = comparison
        .rounds
        .iter()
        .filter(|round| round.void.is_none());
    let first = counted.next().unwrap().number;
    let last = counted.next_back().unwrap().number;
    for (role, busy) in [("base", false), ("cand", true)] {
        let run: RunResult = read(&out.join(role).join(format!("{first:02}/result.json")));
        assert_eq!(run.reproduce.contains("--busy"), busy, "{}", run.reproduce);
        let report = format!("{last:02}/report.html");
        assert!(out.join(role).join(report).is_file());
    }
    // What the profile says of its own command stays with another one.
    let plan = out.join(format!("cand/{first:02}/record.json"));
    let plan = std::fs::read_to_string(plan).unwrap();
    assert!(
        plan.contains("\"watermark_bound_ms\": 5000")
            || plan.contains("\"watermark_bound_ms\":5000")
    );
    // The busy detector finds what the other finds.
    let detectors: DetectorComparison = read(&out.join("detectors.json"));
    assert!(detectors.both > 0);
    assert_eq!(detectors.only_base + detectors.only_cand, 0);
}

#[test]
fn ctrl_c_ends_the_rounds_with_130_and_keeps_those_that_were_made() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut rounds = std::process::Command::new(env!("CARGO_BIN_EXE_floodmark"))
        .args([
            "--quiet", "ab", "--base", "seed=5", "--cand", "seed=5", "--rounds", "6",
        ])
        .args([
            "--further-rounds",
            "0",
            "--gate",
            "detection.recall",
            "--out",
        ])
        .arg(&out)
        .arg(sensors(dir.path()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let clock = SystemClock::new();
    let written = out.join("comparison.json");
    while !written.is_file() {
        assert_eq!(rounds.try_wait().unwrap(), None, "it ended by itself");
        assert!(clock.monotonic_us() < 120_000_000, "no round was made");
        clock.sleep(Duration::from_millis(20));
    }
    let pid = rounds.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(rounds.wait().unwrap().code(), Some(130));
    let comparison: Comparison = read(&written);
    assert!(
        (1..6).contains(&comparison.rounds.len()),
        "{:?}",
        comparison.rounds
    );
    // What there is of it can be looked at.
    assert!(out.join("comparison.html").is_file());
}

#[test]
fn a_detector_held_against_itself_is_no_worse_and_the_noise_of_the_machine_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (state, out) = (dir.path().join("state"), dir.path().join("aa"));
    let profile = sensors(dir.path());
    let (code, errors) = ended(
        floodmark()
            .args(["aa", "--rounds", "6", "--gate", "detection.recall", "--out"])
            .arg(&out)
            .arg("--state")
            .arg(&state)
            .arg(&profile),
    );
    let comparison: Comparison = read(&out.join("comparison.json"));
    if comparison.verdict == Verdict::Invalid {
        assert_eq!(code, 98, "{errors}");
        return;
    }
    assert_eq!(code, 0, "{errors}");
    let floor: NoiseFloor = read(&out.join("noise-floor.json"));
    assert_eq!(
        (floor.profile.as_str(), floor.subject.as_str()),
        ("rounds", "foreign")
    );
    let kept = state.join("noise/rounds-embedded-foreign.json");
    assert_eq!(read::<NoiseFloor>(&kept), floor);
    let cpu = "cpu.subject.per_million_events";
    let noise = floor
        .metrics
        .iter()
        .find(|metric| metric.name == cpu)
        .unwrap();
    assert!(noise.detectable.unwrap() >= 0.02, "{noise:?}");
}

#[test]
fn what_could_never_tell_is_refused_before_the_first_run() {
    let dir = tempfile::tempdir().unwrap();
    let profile = sensors(dir.path());
    let check = |args: &[&str], code: i32, expected: &str| {
        let out = dir.path().join("out");
        let (found, errors) = ended(
            floodmark()
                .arg("ab")
                .arg(&profile)
                .args(args)
                .arg("--out")
                .arg(&out),
        );
        assert_eq!(found, code, "{args:?}: {errors}");
        assert!(errors.contains(expected), "{args:?}: {errors}");
        assert!(!out.exists());
    };
    let side = ["--cand", "drain=3s"];
    let with = |more: &[&'static str]| [&side[..], more].concat();
    check(&with(&["--rounds", "5"]), 2, "too few for any test");
    check(
        &with(&["--rounds", "6", "--gate", "detection.f1"]),
        2,
        "use `7` rounds or more",
    );
    check(&with(&["--gate", "detection.f2"]), 2, "is not known");
    check(
        &with(&["--gate", "detection.alerts"]),
        2,
        "better neither way",
    );
    check(&["--cand", "drain"], 2, "is no side");
    check(&["--cand", "drain=soon"], 78, "drain");
    check(
        &["--cand", "binary:/nowhere/floodmark"],
        2,
        "cannot run `/nowhere/floodmark`",
    );
    check(&["--cand", "binary:/bin/false"], 2, "refuses the profile");
    check(&["--cand", "nowhere.yaml"], 78, "cannot read the profile");
    check(
        &with(&["--noise-floor", "/nowhere.json"]),
        2,
        "is no noise floor",
    );
}

#[test]
fn a_run_is_shown_beside_stored_ones_and_their_history_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("runs");
    let profile = profile("smoke");
    let bench = |name: &str, more: &[&str]| {
        let mut command = floodmark();
        command
            .args(["bench", "--quiet", "--set", "duration=2s"])
            .arg(&profile);
        command.arg("--out").arg(runs.join(name)).args(more);
        command.output().unwrap()
    };
    let first = bench("first", &[]);
    assert!([0, 98].contains(&first.status.code().unwrap()));
    if first.status.code() == Some(98) {
        return;
    }
    let baseline = runs.display().to_string();
    let second = bench("second", &["--baseline", &baseline]);
    let printed = String::from_utf8_lossy(&second.stdout).into_owned();
    if second.status.code() == Some(98) {
        assert!(printed.contains("not compared"), "{printed}");
        return;
    }
    assert_eq!(second.status.code(), Some(0));
    let comparison: Comparison = read(&runs.join("second/baseline/comparison.json"));
    let page = std::fs::read_to_string(runs.join("second/report.html")).unwrap();
    assert!(
        page.contains("id=\"comparison-forest\"")
            && page.contains("href=\"baseline/comparison.html\"")
    );
    assert!(!comparison.advisory.is_empty());
    assert_eq!(comparison.metrics[0].base.len(), 1);

    let output = floodmark()
        .args(["history", "--json", "--metric", "throughput.consumed"])
        .arg(dir.path())
        .output()
        .unwrap();
    let history: History = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> = history
        .points
        .iter()
        .map(|point| point.name.as_str())
        .collect();
    assert_eq!(names.len(), 2);
    assert!(
        names[0].ends_with("first") && names[1].ends_with("second"),
        "{names:?}"
    );
    assert_eq!(history.metrics.len(), 1);
    assert!(history.metrics[0].values.iter().all(Option::is_some));

    let (code, errors) = ended(
        floodmark()
            .args(["history", "--profile", "none"])
            .arg(&runs),
    );
    assert_eq!(code, 2);
    assert!(errors.contains("of the profile `none`"), "{errors}");
    let refused = bench("third", &["--baseline", "/nowhere"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!runs.join("third").exists());
}

#[test]
fn two_runs_of_the_same_events_are_compared_label_by_label() {
    let bundled = Run::of_file(&profile("smoke"), &["--set", "duration=3s"]);
    let blind = Run::of_file(
        &profile("smoke"),
        &["--set", "duration=3s", "--set", "subject=none"],
    );
    if bundled.code == 98 || blind.code == 98 {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let output = floodmark()
        .arg("compare")
        .args([&bundled.dir, &blind.dir])
        .arg("--out")
        .arg(out.path())
        .output()
        .unwrap();
    // One run a side is advice.
    assert_eq!(output.status.code(), Some(0));
    let detectors: DetectorComparison = read(&out.path().join("detectors.json"));
    assert_eq!((detectors.both, detectors.only_cand), (0, 0));
    let found = bundled.result().detection.overall.detected;
    assert!(found > 0);
    assert_eq!(detectors.only_base, found);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("McNemar"), "{printed}");
}
