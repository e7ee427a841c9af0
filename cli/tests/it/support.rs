//! Running the command.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use assert_cmd::Command;
use floodmark_contracts::{
    alert::{Alert, CollectedAlert},
    record::RunRecord,
    result::{RunResult, ValidityReason},
};

/// Variables of others that change what the command does.
const OTHERS: [&str; 5] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_TRACES_SAMPLER_ARG",
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
];

/// The command, with no setting from the environment of whoever runs the tests.
pub(crate) fn floodmark() -> Command {
    let mut command = Command::cargo_bin("floodmark").unwrap();
    for (name, _) in std::env::vars_os() {
        let is_ours = name
            .to_str()
            .is_some_and(|name| name.starts_with("FLOODMARK_"));
        if is_ours || OTHERS.iter().any(|other| name == *other) {
            command.env_remove(name);
        }
    }
    // Whoever runs the tests keeps their own calibrations.
    command.env(
        "FLOODMARK_STATE",
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("state"),
    );
    command
}

/// Another program, or this one as it is, in the environment of [`floodmark`].
pub(crate) fn program(name: impl AsRef<OsStr>) -> std::process::Command {
    let mut command = std::process::Command::new(name);
    for (name, value) in floodmark().get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// A stored result that can be compared, whatever the machine was doing meanwhile: its run is valid.
pub(crate) fn result_of_a_quiet_machine(file: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(file).unwrap();
    let mut result: serde_json::Value = serde_json::from_str(&text).unwrap();
    result["validity"] = serde_json::json!({ "status": "valid", "reasons": [] });
    result
}

/// A shipped profile.
pub(crate) fn profile(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../profiles")
        .join(format!("{name}.yaml"))
}

/// A finished run.
pub(crate) struct Run {
    /// Its folder.
    pub(crate) dir: PathBuf,
    /// How the command ended.
    pub(crate) code: i32,
    _temporary: tempfile::TempDir,
}

impl Run {
    /// A run of a profile. A machine that is too busy for the figures (98) and a gate (99) are no failures here: what
    /// tests assert does not depend on how busy the machine is.
    pub(crate) fn of_file(profile: &Path, arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("run");
        let output = floodmark()
            .args(["bench", "--quiet"])
            .arg(profile)
            .arg("--out")
            .arg(&dir)
            .args(arguments)
            .output()
            .unwrap();
        let code = output.status.code().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!([0, 98, 99].contains(&code), "exit code {code}\n{errors}");
        Self {
            dir,
            code,
            _temporary: temporary,
        }
    }

    /// A run of a profile that is written out in the test.
    pub(crate) fn of_text(profile: &str) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("profile.yaml");
        std::fs::write(&file, profile).unwrap();
        Self::of_file(&file, &[])
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub(crate) fn record(&self) -> RunRecord {
        Self::record_in(&self.dir)
    }

    /// The record in the folder of a run.
    pub(crate) fn record_in(dir: &Path) -> RunRecord {
        let text = std::fs::read(dir.join("record.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    pub(crate) fn result(&self) -> RunResult {
        serde_json::from_str(&self.text("result.json")).unwrap()
    }

    pub(crate) fn alerts(&self) -> Vec<Alert> {
        let alert = |line: &str| serde_json::from_str::<CollectedAlert>(line).unwrap().alert;
        self.text("alerts.ndjson").lines().map(alert).collect()
    }
    /// The reason with this code, which also stands in the report.
    pub(crate) fn reason(&self, code: &str) -> ValidityReason {
        let reasons = self.result().validity.reasons;
        let found = reasons.iter().find(|reason| reason.code == code);
        let found = found.unwrap_or_else(|| panic!("no `{code}` among {reasons:?}"));
        assert!(
            self.text("report.html").contains(code),
            "{code} is not in the report"
        );
        found.clone()
    }

    /// Whether there is a reason with this code.
    pub(crate) fn has(&self, code: &str) -> bool {
        let reasons = self.result().validity.reasons;
        reasons.iter().any(|reason| reason.code == code)
    }
}
