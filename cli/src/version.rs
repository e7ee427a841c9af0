//! What `-V` and `--version` say.

use std::sync::LazyLock;

static LONG: LazyLock<String> = LazyLock::new(|| {
    let commit = match env!("FLOODMARK_BUILT_OF") {
        "" => "an unknown commit",
        commit => commit,
    };
    format!(
        "{} (commit {commit}, librdkafka {})",
        short(),
        floodmark_kafka::librdkafka_version()
    )
});

/// The version alone.
pub fn short() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The version with what it was built of.
pub fn long() -> &'static str {
    &LONG
}
