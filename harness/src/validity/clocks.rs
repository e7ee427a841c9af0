//! Whether the clocks that latencies are between agree.

use floodmark_contracts::{
    probe::ClockFacts,
    result::{ValidityReason, ValidityStatus},
};

use super::reason;

/// Offset of the broker's clock that latencies may hold, microseconds: what send lateness may be, too.
const TOLERATED_US: i64 = 2_000;

/// What speaks against the figures in the clocks of generator and broker.
pub(super) fn judge(clock: &ClockFacts) -> Vec<ValidityReason> {
    [clocks_apart(clock), clocks_drift(clock)]
        .into_iter()
        .flatten()
        .collect()
}

/// The broker stamps alerts with its own clock: latencies are wrong by as much as that is off.
fn clocks_apart(clock: &ClockFacts) -> Option<ValidityReason> {
    let [low, high] = clock.offset_us?;
    // Only what the bounds rule out is held against the run: 0 is as good as anything in between.
    let least = if low > 0 { low } else { high.min(0) };
    (least.abs() > TOLERATED_US).then(|| {
        reason(
            "clocks-apart",
            ValidityStatus::Degraded,
            format!(
                "the broker's clock is {:.1} to {:.1} ms ahead of this machine's, and latencies up to its append time \
                 are too long by as much; run NTP or PTP on both",
                low as f64 / 1000.0,
                high as f64 / 1000.0
            ),
        )
    })
}

/// One of the clocks was set, or runs away from the other.
fn clocks_drift(clock: &ClockFacts) -> Option<ValidityReason> {
    (clock.drifts > 0).then(|| {
        reason(
            "clocks-drift",
            ValidityStatus::Degraded,
            format!(
                "the offset between the broker's clock and this machine's changed {} times during the run, so that \
                 latencies of its parts cannot be compared; let NTP slew both clocks",
                clock.drifts
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(offset_us: Option<[i64; 2]>, drifts: u64, expected: &[&str]) {
        let facts = ClockFacts {
            offset_us,
            drifts,
            ..ClockFacts::default()
        };
        let found = judge(&facts);
        let codes: Vec<&str> = found.iter().map(|reason| reason.code.as_str()).collect();
        assert_eq!(codes, expected, "{offset_us:?}");
    }

    #[test]
    fn an_offset_counts_only_as_far_as_it_is_certain() {
        check(None, 0, &[]);
        check(Some([-300, 700]), 0, &[]);
        check(Some([-9_000, 9_000]), 0, &[]);
        check(Some([1_500, 9_000]), 0, &[]);
        check(Some([2_500, 3_000]), 0, &["clocks-apart"]);
        check(Some([-70_300, -70_100]), 0, &["clocks-apart"]);
    }

    #[test]
    fn clocks_that_move_apart_are_told() {
        check(Some([-300, 700]), 1, &["clocks-drift"]);
    }
}
