//! One user active from two far-apart countries within an impossible time.
//!
//! ```text
//! distance(centroids) > 2500 km   and   distance / time > 900 km/h   and not neighbours
//! ```
//! The place of an account is where it was seen last in an ordinary way. A session that is found
//! does not move it, so that the customer's next visit from home is no journey back.

use floodmark_contracts::{clock::EventTime, geo::Country, kind::Kind};
use serde::{Deserialize, Serialize};

use crate::finding::{Finding, two_decimals};

/// Centroids closer than this are left alone: GeoIP data errs by a neighbour, and large countries
/// have their people far from their middle.
const LEAST_KM: f64 = 2_500.0;

/// Speed of an airliner.
const FASTEST_KM_PER_HOUR: f64 = 900.0;

/// State of the rule for one account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ImpossibleTravel {
    #[serde(with = "crate::places::by_code")]
    place: Option<(&'static Country, EventTime)>,
}

impl ImpossibleTravel {
    /// Takes an event from `country`; a finding if the account cannot have got there. The caller
    /// keeps it to one per session. `nearest` tells a country's nearest neighbour.
    pub fn event(
        &mut self,
        at: EventTime,
        country: &'static Country,
        nearest: impl Fn(&Country) -> Option<&'static Country>,
        event_id: &str,
    ) -> Option<Finding> {
        let Some((place, seen)) = self.place else {
            self.place = Some((country, at));
            return None;
        };
        if place.code == country.code {
            self.place = Some((place, at.max(seen)));
            return None;
        }
        let km = place.distance_km(country);
        let hours = at.since(seen).max(0) as f64 / 3_600_000.0;
        let neighbours = [(place, country), (country, place)]
            .iter()
            .any(|(from, to)| nearest(from).is_some_and(|near| near.code == to.code));
        if km < LEAST_KM || neighbours {
            // Roaming, or an error of the data. The account's place stays where it was.
            return None;
        }
        if km <= FASTEST_KM_PER_HOUR * hours {
            self.place = Some((country, at));
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
                rule.event(at, country(code).unwrap(), nearest, "e")
                    .is_some()
            })
            .map(|(minute, _)| *minute)
            .collect();
        assert_eq!(found, expected, "{visits:?}");
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
