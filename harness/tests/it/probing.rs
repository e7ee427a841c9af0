//! The broker's clock against ours, over a real connection.

use std::{sync::Arc, time::Duration};

use floodmark_contracts::{
    clock::{Clock, SystemClock, WallTime},
    probe::ClockFacts,
};
use floodmark_harness::probe::Probe;

use crate::cluster::{Cluster, PATIENCE};

/// A machine whose wall clock is off.
struct Off {
    clock: SystemClock,
    by_us: i64,
}

impl Clock for Off {
    fn now(&self) -> WallTime {
        WallTime(self.clock.now().0 + self.by_us)
    }

    fn monotonic_us(&self) -> i64 {
        self.clock.monotonic_us()
    }

    fn sleep(&self, span: Duration) {
        self.clock.sleep(span);
    }
}

/// What is found out in some records by a machine whose clock is off.
fn probed(by_us: i64) -> ClockFacts {
    let cluster = Cluster::start();
    cluster.make("probe", 1, "LogAppendTime");
    let clock = SystemClock::new();
    let off = Arc::new(Off { clock, by_us });
    let probe = Probe::start(&cluster.client(), "probe", off).unwrap();
    let admin = cluster.admin();
    let end = clock.monotonic_us() + PATIENCE.as_micros() as i64;
    while admin.watermarks(&["probe"]).unwrap()[0].high < 30 {
        assert!(clock.monotonic_us() < end, "no records came");
        clock.sleep(Duration::from_millis(10));
    }
    probe.finish()
}

#[test]
fn on_one_machine_the_clocks_agree() {
    let facts = probed(0);
    assert!(facts.told >= 3 && facts.told <= facts.sent, "{facts:?}");
    let [low, high] = facts.offset_us.unwrap();
    assert!(low <= 0 && 0 <= high, "{low}..{high}");
    assert_eq!((facts.drifts, facts.negative), (0, 0));
    let append = facts.to_append.decoded().unwrap();
    assert_eq!(append.len(), facts.told);
}

#[test]
fn a_machine_whose_clock_is_off_is_found_out_by_how_much() {
    let hour = 3_600_000_000;
    let facts = probed(-hour);
    let [low, high] = facts.offset_us.unwrap();
    assert!(low <= hour && hour <= high, "{low}..{high}");
    // The hour is not taken for a latency.
    let append = facts.to_append.decoded().unwrap();
    assert!(append.max() < 60_000_000, "{}", append.max());
}
