//! Arguments, exit codes and messages.

use crate::support::{floodmark, profile};

/// Exit code and standard error of the command with these arguments.
fn outcome(args: &[&str]) -> (i32, String) {
    let output = floodmark().args(args).output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn every_command_has_help_with_an_exit_code_of_zero() {
    for command in [
        "bench",
        "search",
        "curve",
        "generate",
        "calibrate",
        "merge",
        "detect",
        "drain",
        "jobs",
        "score",
        "serve-model",
        "report",
        "validate",
        "explain",
        "replay",
        "collect",
        "broker",
        "topics",
        "schema",
        "completions",
    ] {
        floodmark().args([command, "--help"]).assert().success();
    }
}

#[test]
fn shipped_profiles_are_sound() {
    for name in ["quickstart", "clickstream", "banking", "sensors", "smoke"] {
        floodmark()
            .arg("validate")
            .arg(profile(name))
            .assert()
            .success();
    }
}

#[test]
fn a_bad_profile_ends_with_78_and_all_its_problems_before_a_broker_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.yaml");
    let text = "\
name: bad
duration: 5s
speling: 1
event_time: { speed: 60 }
streams:
  sensors:
    rate: 0/s
    partitions: many
    anomalies:
      - level-shift: { count: 1, duration: 2h }
";
    std::fs::write(&path, text).unwrap();
    // Nothing listens there: if the broker were touched, the code would be 69.
    let (code, errors) = outcome(&["bench", path.to_str().unwrap(), "--broker", "127.0.0.1:1"]);
    assert_eq!(code, 78, "{errors}");
    for expected in [
        "3:1: speling",
        "7:5: streams.sensors.rate: `0/s` offers no load",
        "8:5",
    ] {
        assert!(errors.contains(expected), "{expected} is not in:\n{errors}");
    }
}

#[test]
fn an_anomaly_that_does_not_fit_into_the_run_is_told_with_its_place() {
    let smoke = profile("sensors");
    let set = "streams.sensors.anomalies[0].sensor-spike.duration=100h";
    let (code, errors) = outcome(&["validate", smoke.to_str().unwrap(), "--set", set]);
    assert_eq!(code, 78, "{errors}");
    assert!(errors.contains("streams.sensors.anomalies[0]"), "{errors}");
}

#[test]
fn an_unreachable_broker_ends_with_69_and_the_address_that_was_tried() {
    let smoke = profile("smoke");
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let (code, errors) = outcome(&[
        "bench",
        smoke.to_str().unwrap(),
        "--broker",
        "127.0.0.1:1",
        "--out",
        out.to_str().unwrap(),
    ]);
    assert_eq!(code, 69, "{errors}");
    assert!(errors.contains("127.0.0.1:1"), "{errors}");
}

#[test]
fn a_folder_that_is_not_empty_is_refused_with_2() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("precious"), "x").unwrap();
    let smoke = profile("smoke");
    let (code, errors) = outcome(&[
        "bench",
        smoke.to_str().unwrap(),
        "--out",
        dir.path().to_str().unwrap(),
    ]);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("--force"), "{errors}");
    assert_eq!(
        std::fs::read_to_string(dir.path().join("precious")).unwrap(),
        "x"
    );
}

#[test]
fn unknown_arguments_end_with_2() {
    let (code, errors) = outcome(&["bench", "--sped", "1"]);
    assert_eq!(code, 2, "{errors}");
}

#[test]
fn secrets_of_client_properties_are_in_no_message() {
    let smoke = profile("smoke");
    let (_, errors) = outcome(&[
        "bench",
        smoke.to_str().unwrap(),
        "--broker",
        "127.0.0.1:1",
        "-X",
        "sasl.password=hunter2",
        "--out",
        tempfile::tempdir()
            .unwrap()
            .path()
            .join("r")
            .to_str()
            .unwrap(),
    ]);
    assert!(!errors.contains("hunter2"), "{errors}");
}
