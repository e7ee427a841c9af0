//! The broker under test, and the one clock of the suite.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use floodmark_broker::{Broker, BrokerConfig};

/// How long anything may take before a case fails: generous, as nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

static NEXT_NAME: AtomicU32 = AtomicU32::new(0);

/// A broker under test. Names that cases ask it for are unique, so that cases can share one broker.
pub(crate) struct Target {
    bootstrap: String,
}

impl Target {
    pub(crate) fn new(bootstrap: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
        }
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A name for a topic, a group or a transactional id that nothing else has used on this broker.
    pub(crate) fn unique(&self, what: &str) -> String {
        let n = NEXT_NAME.fetch_add(1, Ordering::Relaxed);
        format!("{what}-{}-{n}", std::process::id())
    }
}

/// Runs a case against an embedded broker of its own.
pub(crate) fn on_embedded(case: fn(&Target)) {
    let broker = Broker::start(BrokerConfig::default()).expect("the embedded broker starts");
    case(&Target::new(&broker.bootstrap()));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the suite's only clock: it bounds waiting for real brokers"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Repeats `attempt`, with a short pause in between, until it gives a value.
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    poll_until(what, || {
        attempt().or_else(|| {
            pause(Duration::from_millis(10));
            None
        })
    })
}

/// Like [`eventually`], for an attempt that blocks for a while by itself, as a client's poll does.
pub(crate) fn poll_until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = now();
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "paces polling with a deadline; nothing is synchronised by it"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
