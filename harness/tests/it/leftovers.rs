//! What crashed runs have left is found by its silence.

use std::{sync::atomic::AtomicI64, time::Duration};

use floodmark_contracts::clock::{Clock, SystemClock, WallTime};
use floodmark_harness::leftovers::on_cluster;

use crate::cluster::Cluster;

/// A clock that is some time ahead of the machine's.
struct Ahead(SystemClock, AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> WallTime {
        WallTime(self.0.now().0 + self.1.load(std::sync::atomic::Ordering::Relaxed))
    }

    fn monotonic_us(&self) -> i64 {
        self.0.monotonic_us()
    }

    fn sleep(&self, span: Duration) {
        self.0.sleep(span);
    }
}

#[test]
fn topics_of_a_run_that_is_silent_for_a_minute_are_named_and_no_others() {
    let cluster = Cluster::start();
    for topic in [
        "ci.floodmark-11-probe",
        "ci.floodmark-11-exchange",
        "ci.floodmark-12-probe",
        "ci.sensors",
        "floodmark-13-probe",
    ] {
        cluster.make(topic, 1, "LogAppendTime");
    }
    // The twelfth has not said anything yet: it may be about to begin.
    for topic in ["ci.floodmark-11-probe", "ci.sensors", "floodmark-13-probe"] {
        cluster.write(topic, &["sign".to_owned(), "of life".to_owned()]);
    }
    let found = |ahead_s: i64| {
        let clock = Ahead(SystemClock::new(), AtomicI64::new(ahead_s * 1_000_000));
        on_cluster(&cluster.client(), &cluster.admin(), "ci.", &clock).unwrap()
    };
    assert_eq!(found(0), [], "a run that goes on");
    // A topic whose last record could not be read in time is passed over.
    let clock = SystemClock::new();
    let mut all = found(3600);
    while all.is_empty() && clock.monotonic_us() < 60_000_000 {
        all = found(3600);
    }
    let [left] = &all[..] else {
        panic!("one run has left something")
    };
    assert_eq!(
        left.topics,
        ["ci.floodmark-11-probe", "ci.floodmark-11-exchange"]
    );
    let text = left.to_string();
    assert!(
        text.contains("`ci.floodmark-11-probe` and `ci.floodmark-11-exchange`"),
        "{text}"
    );
    assert!(text.contains("floodmark topics delete"), "{text}");
}
