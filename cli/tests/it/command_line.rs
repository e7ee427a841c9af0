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
        "compare",
        "ab",
        "aa",
        "history",
        "init",
        "doctor",
        "man",
    ] {
        floodmark().args([command, "--help"]).assert().success();
    }
}

#[test]
fn the_version_names_the_commit_and_the_client_library() {
    let output = floodmark().arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with(concat!(
            "floodmark ",
            env!("CARGO_PKG_VERSION"),
            " (commit "
        )),
        "{text}"
    );
    let library = text.split("librdkafka ").nth(1).unwrap_or_default();
    assert!(library.starts_with(|c: char| c.is_ascii_digit()), "{text}");
    let short = floodmark().arg("-V").output().unwrap();
    let short = String::from_utf8(short.stdout).unwrap();
    assert_eq!(
        short.trim_end(),
        concat!("floodmark ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_first_profile_is_written_once_and_runs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.yaml");
    let file = file.to_str().unwrap();
    assert_eq!(outcome(&["init", file, "--quiet"]), (0, String::new()));
    let before = std::fs::read_to_string(file).unwrap();
    let (code, errors) = outcome(&["init", file, "--streams", "banking"]);
    assert_eq!(code, 2);
    assert!(errors.contains("there already"), "{errors}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), before);
    assert_eq!(outcome(&["validate", file]).0, 0);
    let (code, errors) = outcome(&["init", "-", "--streams", "clicks"]);
    assert_eq!(code, 2);
    assert!(
        errors.contains("there are `clickstream`, `banking` and `sensors`"),
        "{errors}"
    );
}

#[test]
fn doctor_tells_what_is_there_and_ends_with_69_for_what_does_not_answer() {
    let output = floodmark().args(["doctor", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let checkup: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> = checkup["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["name"].as_str().unwrap())
        .collect();
    for expected in ["processors", "memory", "open files", "java", "docker"] {
        assert!(names.contains(&expected), "{names:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().to_str().unwrap();
    let output = floodmark()
        .args(["doctor", "--broker", "127.0.0.1:1", "--kafka-home", home])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("BROKEN").count(), 2, "{text}");
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    assert_eq!(outcome(&["man", "--write", folder]).0, 0);
    for name in ["floodmark", "floodmark-bench", "floodmark-topics-list"] {
        let page = std::fs::read_to_string(dir.path().join(format!("{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {name}")), "{page}");
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

#[test]
fn a_slip_is_answered_with_what_was_meant() {
    let smoke = profile("smoke");
    let smoke = smoke.to_str().unwrap();
    let missing = smoke.replace("smoke.yaml", "smoek.yaml");
    for (words, code, expected) in [
        (&["benhc"][..], 2, "'bench'"),
        (&["report", "x", "--format", "htlm"], 2, "'html'"),
        (&["bench", "--sede", "1"], 2, "'--seed'"),
        (&["schema", "profle"], 2, "did you mean `profile`?"),
        (&["bench", &missing], 78, "smoke.yaml`?"),
        (
            &["validate", smoke, "--set", "steams.x=1"],
            78,
            "did you mean `streams`?",
        ),
        (
            &["validate", smoke, "--set", "streams.sensors.rat=1"],
            78,
            "did you mean `rate`?",
        ),
        (
            &["validate", smoke, "-X", "liger.ms=1"],
            2,
            "did you mean `linger.ms`?",
        ),
        (
            &["validate", smoke, "--set", "subject=bundeld"],
            78,
            "`bundled`",
        ),
    ] {
        let (found, errors) = outcome(words);
        assert_eq!(found, code, "{words:?}: {errors}");
        assert!(errors.contains(expected), "{words:?}: {errors}");
    }
}

#[test]
fn a_view_without_a_terminal_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let smoke = profile("smoke");
    let words = [
        "bench",
        smoke.to_str().unwrap(),
        "--tui",
        "--out",
        out.to_str().unwrap(),
    ];
    let (code, errors) = outcome(&words);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("needs a terminal"), "{errors}");
    assert!(!out.exists());
}
