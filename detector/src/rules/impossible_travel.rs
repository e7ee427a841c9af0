//! One device of a user active from two far-apart countries within an impossible time.
//!
//! ```text
//! distance(centroids) > 2500 km   and   distance / time > 900 km/h   and not neighbours
//! ```
//! The place of an account's device is where it was seen last in an ordinary way. A session that is found
//! does not move it, so that the customer's next visit from home is no journey back. Another device in
//! another country is no journey: whose it is, the rules for takeovers and mules ask.

use floodmark_contracts::{clock::EventTime, geo::Country, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, two_decimals},
    runtime::heap_of,
};

/// Centroids closer than this are left alone: GeoIP data errs by a neighbour, and large countries
/// have their people far from their middle.
const LEAST_KM: f64 = 2_500.0;

/// Speed of an airliner.
const FASTEST_KM_PER_HOUR: f64 = 900.0;

/// Devices remembered per account; the one that was used longest ago goes.
const DEVICES: usize = 4;

/// State of the rule for one account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ImpossibleTravel {
    /// The devices, last used last.
    places: Vec<Place>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Place {
    /// The device's hash.
    device: u64,
    /// Where it is.
    #[serde(with = "crate::places::by_code")]
    country: &'static Country,
    /// When it was seen there last.
    seen: EventTime,
}

impl ImpossibleTravel {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        heap_of(&self.places)
    }

    /// Takes an event of `device` from `country`; a finding if it cannot have got there. The caller
    /// keeps it to one per session. `nearest` tells a country's nearest neighbour.
    pub fn event(
        &mut self,
        at: EventTime,
        device: u64,
        country: &'static Country,
        nearest: impl Fn(&Country) -> Option<&'static Country>,
        event_id: &str,
    ) -> Option<Finding> {
        let Some(index) = self.places.iter().position(|place| place.device == device) else {
            if self.places.len() >= DEVICES {
                self.places.remove(0);
            }
            self.places.push(Place {
                device,
                country,
                seen: at,
            });
            return None;
        };
        self.places[index..].rotate_left(1);
        let Place {
            country: place,
            seen,
            ..
        } = self.places.last_mut()?;
        if place.code == country.code {
            *seen = at.max(*seen);
            return None;
        }
        let km = place.distance_km(country);
        let hours = at.since(*seen).max(0) as f64 / 3_600_000.0;
        let neighbours = [(*place, country), (country, *place)]
            .iter()
            .any(|(from, to)| nearest(from).is_some_and(|near| near.code == to.code));
        if km < LEAST_KM || neighbours {
            // Roaming, or an error of the data. The account's place stays where it was.
            return None;
        }
        if km <= FASTEST_KM_PER_HOUR * hours {
            (*place, *seen) = (country, at);
            return None;
        }
        Some(
            Finding::at("travel", Kind::ImpossibleTravel, at)
                .score(1.0 - LEAST_KM / (2.0 * km))
                .event(event_id)
                .evidence("from", place.code)
                .evidence("to", country.code)
                .evidence("km", km.round())
                .evidence("hours", two_decimals(hours)),
        )
    }
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::geo::country;

    use super::*;

    /// Visits as minute and country; the minutes found.
    fn check(visits: &[(i64, &str)], expected: &[i64]) {
        let mut rule = ImpossibleTravel::default();
        let nearest = |of: &Country| {
            country(match of.code {
                "AU" => "NZ",
                _ => "FR",
            })
        };
        let found: Vec<i64> = visits
            .iter()
            .filter(|(minute, code)| {
                let at = EventTime(minute * 60_000);
                rule.event(at, 1, country(code).unwrap(), nearest, "e")
                    .is_some()
            })
            .map(|(minute, _)| *minute)
            .collect();
        assert_eq!(found, expected, "{visits:?}");
    }

    #[test]
    fn another_device_far_away_did_not_travel_and_does_not_move_the_first() {
        let mut rule = ImpossibleTravel::default();
        let mut event = |minute: i64, device, code| {
            let at = EventTime(minute * 60_000);
            let found = rule.event(at, device, country(code).unwrap(), |_| None, "e");
            found.is_some()
        };
        assert!(!event(0, 1, "DE") && !event(5, 2, "JP") && !event(10, 1, "DE"));
        assert!(event(15, 1, "JP"), "the device from Germany");
        for device in 10..100 {
            event(20, device, "DE");
        }
        assert_eq!(rule.places.len(), DEVICES);
    }

    #[test]
    fn a_far_country_minutes_later_is_impossible() {
        check(&[(0, "DE"), (5, "JP")], &[5]);
    }

    #[test]
    fn the_customer_at_home_again_is_not() {
        check(
            &[(0, "DE"), (5, "JP"), (6, "JP"), (9, "DE"), (12, "DE")],
            &[5, 6],
        );
    }

    #[test]
    fn neighbours_and_long_flights_are_possible() {
        check(&[(0, "DE"), (5, "FR"), (6, "DE")], &[]);
        check(&[(0, "DE"), (60 * 14, "JP"), (60 * 15, "JP")], &[]);
    }

    #[test]
    fn the_nearest_neighbour_counts_however_far() {
        check(&[(0, "AU"), (5, "NZ"), (6, "AU")], &[]);
    }
}
