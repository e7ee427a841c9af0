//! Where settings come from, and that no secret among them stays in a run's folder.

use std::{path::Path, process::Output};

use floodmark_contracts::{
    record::Ending,
    setting::{Setting, SettingSource},
};

use crate::support::{Run, floodmark, profile};

/// What `explain --json` says of the settings, with these options and variables.
fn settings(arguments: &[&str], variables: &[(&str, &str)]) -> Vec<Setting> {
    let output = floodmark()
        .args(["explain", "--json"])
        .arg(profile("smoke"))
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(found["settings"].clone()).unwrap()
}

/// The one setting at a path: its value, where it comes from and by what.
fn one(settings: &[Setting], path: &str) -> (String, SettingSource, String) {
    let at: Vec<&Setting> = settings.iter().filter(|set| set.path == path).collect();
    let [set] = at[..] else {
        panic!("{path}: {at:?}");
    };
    (set.value.to_string(), set.from, set.by.clone())
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_profile() {
    let file = profile("smoke").display().to_string();
    let variable = [("FLOODMARK_SEED", "8"), ("FLOODMARK_TOPIC_PREFIX", "e-")];
    for (arguments, variables, seed, from, by) in [
        (
            &[][..],
            &[][..],
            None,
            SettingSource::Profile,
            file.as_str(),
        ),
        (
            &[],
            &variable,
            Some("8"),
            SettingSource::Environment,
            "FLOODMARK_SEED",
        ),
        (
            &["--seed", "9"],
            &variable,
            Some("9"),
            SettingSource::CommandLine,
            "--seed",
        ),
        (
            &["--seed", "9", "--set", "seed=10"],
            &variable,
            Some("10"),
            SettingSource::CommandLine,
            "--set",
        ),
    ] {
        let found = settings(arguments, variables);
        if let Some(seed) = seed {
            assert_eq!(one(&found, "seed"), (seed.to_owned(), from, by.to_owned()));
            let prefix = one(&found, "topic_prefix");
            assert_eq!(
                (prefix.0.as_str(), prefix.1),
                ("\"e-\"", SettingSource::Environment)
            );
        } else {
            assert_eq!(one(&found, "duration").1, from);
            assert_eq!(one(&found, "duration").2, by);
        }
    }
}

#[test]
fn an_empty_variable_is_none() {
    let found = settings(&[], &[("FLOODMARK_SEED", ""), ("FLOODMARK_BROKER", "")]);
    assert!(
        found.iter().all(|set| set.from == SettingSource::Profile),
        "{found:?}"
    );
}

#[test]
fn the_address_in_client_properties_is_the_cluster_where_nothing_nearer_names_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("client.properties");
    std::fs::write(&file, "bootstrap.servers=far:1\nlinger.ms=3\n").unwrap();
    let file = file.to_str().unwrap();
    let of_file = (SettingSource::ClientProperties, file.to_owned());
    let found = settings(&["-F", file], &[]);
    let (value, from, by) = one(&found, "broker");
    assert_eq!((value.as_str(), (from, by)), ("\"far:1\"", of_file.clone()));
    let (value, from, by) = one(&found, "client.linger.ms");
    assert_eq!((value.as_str(), (from, by)), ("\"3\"", of_file));
    let variables = [
        ("FLOODMARK_COMMAND_CONFIG", file),
        ("FLOODMARK_BROKER", "near:1"),
    ];
    let found = settings(&["-X", "linger.ms=4"], &variables);
    assert_eq!(one(&found, "broker").0, "\"near:1\"");
    let nearest = (SettingSource::CommandLine, "-X".to_owned());
    let (value, from, by) = one(&found, "client.linger.ms");
    assert_eq!((value.as_str(), (from, by)), ("\"4\"", nearest));
}

/// A stream that needs no registry.
const SENSORS: &str = "\
name: settings
duration: 2s
event_time: { speed: 60 }
streams:
  sensors:
    rate: 100/s
    partitions: 2
    population: { entities: 20 }
    anomalies:
      - sensor-spike: { count: 2 }
";

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// Nothing that the command said or left holds a password of these tests.
fn no_password_in(output: &Output, out: &Path) {
    for said in [&output.stdout, &output.stderr] {
        let said = String::from_utf8_lossy(said);
        assert!(!said.contains("hunter"), "{said}");
    }
    let mut all = Vec::new();
    files(out, &mut all);
    assert!(all.len() > 3, "{all:?}");
    for file in all {
        let bytes = std::fs::read(&file).unwrap();
        let leaks = bytes.windows(7).any(|window| window == b"hunter-");
        assert!(!leaks, "{} has a password", file.display());
    }
}

/// A run whose settings come from everywhere, with a password at every place that may have one.
#[test]
fn a_run_tells_where_its_settings_come_from_and_no_password() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("client.properties");
    let login = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                 username=\"alice\" password=\"hunter-file\";";
    std::fs::write(
        &config,
        format!("sasl.mechanism=PLAIN\nsasl.jaas.config={login}\n"),
    )
    .unwrap();
    let out = dir.path().join("run");
    let sensors = dir.path().join("sensors.yaml");
    std::fs::write(&sensors, SENSORS).unwrap();
    let output = floodmark()
        .arg("bench")
        .arg(&sensors)
        .args(["-X", "ssl.keystore.password=hunter-option"])
        .args(["--set", "scoring.merge_gap=5s"])
        .env("FLOODMARK_COMMAND_CONFIG", &config)
        .env(
            "FLOODMARK_PROPERTIES",
            "ssl.key.password=hunter-variable\nlinger.ms=2",
        )
        .env("FLOODMARK_REGISTRY", "http://127.0.0.1:1/")
        .env("FLOODMARK_REGISTRY_USER_INFO", "alice:hunter-info")
        .env("FLOODMARK_SEED", "7")
        .env("FLOODMARK_OUT", &out)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code().unwrap();
    assert!([0, 98, 99].contains(&code), "{code}: {errors}");
    no_password_in(&output, &out);

    let record = Run::record_in(&out);
    // A child that took a variable for an option of its own would have ended at once.
    assert_eq!(record.ending, Ending::Completed);
    assert_eq!(
        record.plan.seed, 7,
        "variables reach the run, and its children all the same"
    );
    let found = &record.settings;
    let secret = |path: &str| one(found, path);
    let redacted = "\"[redacted]\"".to_owned();
    let config = config.display().to_string();
    assert_eq!(
        secret("client.sasl.password"),
        (redacted.clone(), SettingSource::ClientProperties, config)
    );
    assert_eq!(
        secret("client.ssl.key.password"),
        (
            redacted.clone(),
            SettingSource::Environment,
            "FLOODMARK_PROPERTIES".to_owned()
        )
    );
    assert_eq!(
        secret("client.ssl.keystore.password"),
        (redacted, SettingSource::CommandLine, "-X".to_owned())
    );
    assert_eq!(one(found, "registry").0, "\"http://127.0.0.1:1/\"");
    assert_eq!(one(found, "seed").2, "FLOODMARK_SEED");
    assert_eq!(one(found, "scoring.merge_gap").2, "--set");
    assert!(
        record
            .reproduce
            .starts_with("FLOODMARK_PROPERTIES=… floodmark bench")
    );
    assert_eq!(record.client["linger.ms"], "2");
    // The report shows the same, secrets as unreadable as in the record.
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    for row in [
        "<code>client.sasl.password</code></th><td><code>[redacted]</code></td><td>client properties</td>",
        "<code>client.ssl.key.password</code></th><td><code>[redacted]</code></td><td>environment</td>",
        "<code>seed</code></th><td><code>7</code></td><td>environment</td><td><code>FLOODMARK_SEED</code></td>",
    ] {
        assert!(page.contains(row), "`{row}` is not in the report");
    }
}

/// The detector refuses such an address, so that the run comes to nothing; it must say so without the password.
#[test]
fn a_password_in_the_address_of_a_registry_is_refused_and_shown_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let sensors = dir.path().join("sensors.yaml");
    std::fs::write(&sensors, SENSORS).unwrap();
    let output = floodmark()
        .arg("bench")
        .arg(&sensors)
        .arg("--out")
        .arg(&out)
        .args(["--set", "description=http://alice:hunter-set@127.0.0.1:1/"])
        .env("FLOODMARK_REGISTRY", "http://alice:hunter-url@127.0.0.1:1/")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(98));
    no_password_in(&output, &out);
    let record = Run::record_in(&out);
    let shown = "\"http://…@127.0.0.1:1/\"".to_owned();
    assert_eq!(one(&record.settings, "registry").0, shown);
    assert!(
        record
            .subject_lines
            .join("\n")
            .contains("credentials do not belong"),
        "{:?}",
        record.subject_lines
    );
}
