//! A session to be scored, and what is looked up for it.

use floodmark_contracts::{
    clock::EventTime, enrichment::AccountStatus, geo::Country, trace::TraceParent,
};
use serde::{Deserialize, Serialize};

use super::vector::{Feature, Vector};
use crate::places::Places;

/// A session to be scored: everything about it that the log says.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The session.
    pub session_id: String,
    /// The account.
    pub user_id: String,
    /// The device of the event at hand.
    pub device: String,
    /// The event's time.
    pub at: EventTime,
    /// What describes the session; [`Feature::TravelKm`] and [`Feature::TravelSpeed`] are 0 until the
    /// places are looked up.
    pub vector: Vector,
    /// The address of the event at hand.
    pub address: String,
    /// Where the account was last.
    pub stops: Vec<Stop>,
    /// The span of the event at hand, if it is traced.
    pub trace: Option<TraceParent>,
}

/// A place where an account was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The address.
    pub address: String,
    /// When it was seen last.
    pub at: EventTime,
}

/// What is known about a device and an account from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Standing {
    /// Risk of the device, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_risk: Option<f64>,
    /// Status of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<AccountStatus>,
    /// Failed logins on the account that another system has counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_failures: Option<u32>,
}

/// Risk of an ordinary device: what is not known counts as ordinary.
const ORDINARY_RISK: f64 = 0.25;
/// What a device's risk adds to the log of the odds, per unit above the ordinary one.
const RISK_WEIGHT: f64 = 1.0;
/// Failed logins that are nothing unusual, what each further one adds, and the most that they add.
const FAILURES: (u32, f64, f64) = (2, 0.2, 1.0);

impl Standing {
    /// What it adds to the log of the odds. A weight of evidence that is stated, not trained: generated
    /// look-ups are drawn without regard to the labels, so that nothing could be learnt from them.
    #[must_use]
    pub fn log_odds(&self) -> f64 {
        let risk = self.device_risk.unwrap_or(ORDINARY_RISK).clamp(0.0, 1.0);
        let status = match self.status {
            None | Some(AccountStatus::Active) => 0.0,
            Some(AccountStatus::New) => 0.25,
            Some(AccountStatus::Dormant) => 0.5,
            Some(AccountStatus::Locked) => 1.0,
        };
        let (usual, each, most) = FAILURES;
        let failures = self.login_failures.unwrap_or(0).saturating_sub(usual);
        RISK_WEIGHT * (risk - ORDINARY_RISK) + status + (f64::from(failures) * each).min(most)
    }
}

impl Case {
    /// The vector with the journey in it: from the one of the account's last places that explains the
    /// session best. A far session before it is no reason to suspect the customer's own visit after it.
    #[must_use]
    pub fn with_journey(&self, places: &Places) -> Vector {
        let mut vector = self.vector;
        // Nearly all sessions come from where the account was before.
        if self.stops.iter().any(|stop| stop.address == self.address) {
            return vector;
        }
        let Some(here) = places.place(&self.address) else {
            return vector;
        };
        let journeys = self.stops.iter().filter_map(|stop| {
            let there = places.place(&stop.address)?;
            // Roaming, or an error of the database.
            let is_next = |of: &Country, to: &Country| {
                places.nearest(of).is_some_and(|near| near.code == to.code)
            };
            let km = if is_next(&here, &there) || is_next(&there, &here) {
                0.0
            } else {
                there.distance_km(&here).round()
            };
            let hours = self.at.since(stop.at).max(60_000) as f64 / 3_600_000.0;
            Some((km, (km / hours).round()))
        });
        if let Some((km, speed)) = journeys.min_by(|a, b| a.1.total_cmp(&b.1)) {
            vector.set(Feature::TravelKm, km);
            vector.set(Feature::TravelSpeed, speed);
        }
        vector
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::places::tests::address_in;

    /// A case with nothing unusual about it.
    pub(crate) fn usual() -> Case {
        Case {
            session_id: "session-1".to_owned(),
            user_id: "account-1".to_owned(),
            device: "fp-1".to_owned(),
            at: EventTime(1_749_531_600_000),
            vector: Vector::default(),
            address: "192.0.2.1".to_owned(),
            stops: Vec::new(),
            trace: None,
        }
    }

    /// Stops as minutes ago and country; the country of the session; km and km/h.
    fn check(stops: &[(i64, &str)], here: &str, expected: (f32, f32)) {
        let mut case = usual();
        case.address = address_in(here).replace(".1", ".2");
        case.stops = stops
            .iter()
            .map(|(minutes, code)| Stop {
                address: address_in(code),
                at: case.at.plus_ms(-minutes * 60_000),
            })
            .collect();
        let vector = case.with_journey(&Places::compiled_in().unwrap());
        let found = (
            vector.get(Feature::TravelKm),
            vector.get(Feature::TravelSpeed),
        );
        assert_eq!(found, expected, "{stops:?} to {here}");
    }

    #[test]
    fn a_journey_starts_where_it_is_easiest() {
        check(&[], "DE", (0.0, 0.0));
        check(&[(10, "DE")], "DE", (0.0, 0.0));
        check(&[(60, "DE")], "JP", (9136.0, 9136.0));
        check(&[(60, "AU")], "NZ", (0.0, 0.0));
        // The visit from Japan does not make the next one from home a journey back.
        check(&[(60, "DE"), (30, "JP")], "DE", (0.0, 0.0));
    }

    #[test]
    fn what_is_known_moves_the_odds_in_its_direction() {
        let unknown = Standing::default();
        assert_eq!(unknown.log_odds(), 0.0);
        let risky = Standing {
            device_risk: Some(0.9),
            ..unknown
        };
        let trusted = Standing {
            device_risk: Some(0.0),
            ..unknown
        };
        let locked = Standing {
            status: Some(AccountStatus::Locked),
            ..risky
        };
        let tried = Standing {
            login_failures: Some(5),
            ..unknown
        };
        assert!(trusted.log_odds() < 0.0 && risky.log_odds() > 0.5);
        assert!(locked.log_odds() > risky.log_odds());
        assert!((tried.log_odds() - 0.6).abs() < 1e-9);
        let many = Standing {
            login_failures: Some(u32::MAX),
            ..unknown
        };
        assert_eq!(many.log_odds(), 1.0);
    }
}
