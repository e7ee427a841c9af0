//! Every code that a verdict can hold. `docs/validity.md` says what each means.

use floodmark_contracts::result::GATE_NOT_MET;

/// All codes, in the order of the page.
pub const CODES: &[&str] = &[
    "time-limit",
    "subject-not-ready",
    "subject-died",
    "generator-late",
    "generator-short",
    "rate-error",
    "producer-queue-full",
    "broker-throttled",
    "events-not-acknowledged",
    "events-do-not-reconcile",
    "events-read-again",
    "drain-too-short",
    "alerts-after-drain",
    "alerts-not-understood",
    "alerts-missing",
    "alerts-not-kept",
    "alerts-not-read",
    "alerts-flood",
    "alerts-before-their-time",
    "events-lost",
    "events-doubled",
    "events-reordered",
    "events-altered",
    "events-foreign",
    "processors-short",
    "clock-stepped",
    "clocks-apart",
    "clocks-drift",
    "disk-full",
    GATE_NOT_MET,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes of the page's table, in its order.
    fn documented() -> Vec<&'static str> {
        include_str!("../../../docs/validity.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|(code, _)| code)
            .collect()
    }

    #[test]
    fn the_page_has_every_code_and_no_other() {
        assert_eq!(documented(), CODES);
    }
}
