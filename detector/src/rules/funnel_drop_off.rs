//! Visits that reach the payment page and do not go on.
//!
//! ```text
//! over three minutes:  payments >= 1.15 * expected
//!                      (r * payments - confirmations) / root(payments) >= 2.5,  and in the last of them >= 1
//! ```
//! r is the usual number of confirmations for each visit to the payment page. When more people pay, more are
//! confirmed; here they try, and try again. Minutes are learnt three minutes later, if nothing was found in
//! between.

use std::collections::VecDeque;

use floodmark_contracts::{clock::EventTime, kind::Kind};
use serde::{Deserialize, Serialize};

use super::usual_share::UsualShare;
use crate::{
    finding::{Finding, two_decimals},
    runtime::Window,
};

/// The page that is watched, and the page behind it.
pub const PAYMENT: &str = "/checkout/payment";
/// The page that shows that a payment went through.
pub const CONFIRMATION: &str = "/confirmation";

/// Minutes looked at: a visit takes half a minute from one page to the other, and a minute holds few.
const MINUTES: usize = 3;

/// Payments, as a multiple of the expected ones.
const MORE: f64 = 1.15;

/// Deviations of a Poisson count of payments by which confirmations fall short: chance makes 1.9 of it now and
/// then, and three once in a day.
const DEVIATIONS: f64 = 2.5;

/// The same of the last minute: when it is over, it is in the three minutes for two more.
const STILL_DEVIATIONS: f64 = 1.0;

/// Payments in the minutes: fewer show nothing.
const LEAST_PAYMENTS: f64 = 30.0;

/// What is usual, and the last minutes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FunnelDropOff {
    payments: UsualShare,
    confirmations: UsualShare,
    recent: VecDeque<Minute>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Minute {
    start: EventTime,
    payments: f64,
    confirmations: f64,
    total: f64,
    /// Something was found in it.
    surprising: bool,
}

impl FunnelDropOff {
    /// Takes a whole minute: visits to the two pages, among `total` events of all pages.
    pub fn minute(
        &mut self,
        window: Window,
        payments: u32,
        confirmations: u32,
        total: f64,
    ) -> Option<Finding> {
        if self.recent.len() >= MINUTES
            && let Some(oldest) = self.recent.pop_front()
        {
            self.learn(oldest);
        }
        self.recent.push_back(Minute {
            start: window.start,
            payments: f64::from(payments),
            confirmations: f64::from(confirmations),
            total,
            surprising: false,
        });
        let finding = self.judge(window)?;
        for minute in &mut self.recent {
            minute.surprising = true;
        }
        Some(finding)
    }

    fn learn(&mut self, minute: Minute) {
        let Minute {
            payments,
            confirmations,
            total,
            ..
        } = minute;
        if minute.surprising {
            self.payments.surprising(payments, total);
            self.confirmations.surprising(confirmations, total);
        } else {
            self.payments.ordinary(payments, total);
            self.confirmations.ordinary(confirmations, total);
        }
    }

    fn judge(&self, window: Window) -> Option<Finding> {
        let sum = |of: fn(&Minute) -> f64| self.recent.iter().map(of).sum::<f64>();
        let total = sum(|minute| minute.total);
        let payments = sum(|minute| minute.payments);
        let confirmations = sum(|minute| minute.confirmations);
        let usual_payments = self.payments.expected(total)?;
        let ratio = (self.confirmations.expected(total)? / usual_payments.max(1.0)).clamp(0.1, 0.9);
        let missing = ratio * payments - confirmations;
        let deviations = missing / payments.max(1.0).sqrt();
        let last = self.recent.back()?;
        let still = (ratio * last.payments - last.confirmations) / last.payments.max(1.0).sqrt();
        let begins = self.recent.front()?.start;
        let whole = self.recent.len() == MINUTES
            && window.end.since(begins) == MINUTES as i64 * window.end.since(window.start);
        if !whole
            || payments < LEAST_PAYMENTS.max(MORE * usual_payments)
            || deviations < DEVIATIONS
            || still < STILL_DEVIATIONS
        {
            return None;
        }
        Some(
            Finding::between(
                "payment-funnel",
                Kind::FunnelDropOff,
                window.start,
                window.end,
            )
            .score(1.0 - DEVIATIONS / (2.0 * deviations))
            .evidence("payments", payments)
            .evidence("confirmations", confirmations)
            .evidence("usual_ratio", two_decimals(ratio)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{super::page_counts::tests::minute, *};

    /// Minutes as payments and confirmations, after fifteen ordinary ones; which of them alert.
    fn check(minutes: &[(u32, u32)], expected: &[i64]) {
        let mut rule = FunnelDropOff::default();
        for at in 0..15 {
            let found = rule.minute(minute(at), 44 + at.unsigned_abs() as u32 % 5, 30, 4000.0);
            assert_eq!(found, None);
        }
        let found: Vec<i64> = (0..)
            .zip(minutes)
            .filter(|(at, (payments, confirmations))| {
                let found = rule.minute(minute(15 + at), *payments, *confirmations, 4000.0);
                found.is_some()
            })
            .map(|(at, _)| at)
            .collect();
        assert_eq!(found, expected, "{minutes:?}");
    }

    #[test]
    fn payments_that_go_nowhere_alert() {
        check(&[(80, 31), (84, 28), (79, 33)], &[1, 2]);
    }

    #[test]
    fn the_minute_after_does_not_alert() {
        check(&[(80, 31), (84, 28), (46, 30)], &[1]);
    }

    #[test]
    fn a_sale_and_an_ordinary_hour_do_not() {
        check(&[(80, 55), (84, 60), (79, 58)], &[]);
        check(&[(38, 22), (52, 38), (47, 27), (44, 36)], &[]);
    }

    #[test]
    fn a_night_with_few_visitors_does_not() {
        let mut rule = FunnelDropOff::default();
        for at in 0..60 {
            assert_eq!(rule.minute(minute(at), 2, 0, 200.0), None);
        }
    }
}
