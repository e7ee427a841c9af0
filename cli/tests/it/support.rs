//! Running the command.

use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// The command, with no setting from the environment of whoever runs the tests.
pub(crate) fn floodmark() -> Command {
    let mut command = Command::cargo_bin("floodmark").unwrap();
    for name in [
        "FLOODMARK_SEED",
        "FLOODMARK_BROKER",
        "FLOODMARK_REGISTRY",
        "FLOODMARK_LOG",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_TRACES_SAMPLER_ARG",
    ] {
        command.env_remove(name);
    }
    // Whoever runs the tests keeps their own calibrations.
    command.env(
        "FLOODMARK_STATE",
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("state"),
    );
    command
}

/// A shipped profile.
pub(crate) fn profile(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../profiles")
        .join(format!("{name}.yaml"))
}
