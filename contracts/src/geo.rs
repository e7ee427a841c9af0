//! Countries: a compact GeoIP database and where countries lie.
//!
//! The addresses in generated events are drawn from [`COUNTRY_MMDB`](crate::geo::COUNTRY_MMDB), so look-ups in it agree with the
//! events. `contracts/data/country/README.md` says where the data comes from.

use std::sync::LazyLock;

/// A GeoIP database in MMDB form: IPv4 networks to `{"country_code": "DE"}`.
pub static COUNTRY_MMDB: &[u8] = include_bytes!("../data/country/country.mmdb");

static COUNTRIES_CSV: &str = include_str!("../data/country/countries.csv");

/// A country of the database.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Country {
    /// ISO 3166-1 alpha-2.
    pub code: &'static str,
    /// Latitude of an approximate centroid, degrees north.
    pub latitude: f64,
    /// Longitude of an approximate centroid, degrees east.
    pub longitude: f64,
    /// Relative number of visitors that come from it.
    pub weight: u32,
}

impl Country {
    /// Great-circle distance between the centroids, in kilometres.
    ///
    /// Haversine on a sphere of 6371 km: `2 r asin(sqrt(sin²(Δφ/2) + cos φ1 cos φ2 sin²(Δλ/2)))`.
    #[must_use]
    pub fn distance_km(&self, other: &Self) -> f64 {
        let (phi1, phi2) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_dphi = (phi2 - phi1) / 2.0;
        let half_dlambda = (other.longitude - self.longitude).to_radians() / 2.0;
        let a = half_dphi.sin().powi(2) + phi1.cos() * phi2.cos() * half_dlambda.sin().powi(2);
        2.0 * 6371.0 * a.sqrt().min(1.0).asin()
    }
}

/// Every country of the database, in the order of their codes.
#[must_use]
pub fn countries() -> &'static [Country] {
    static COUNTRIES: LazyLock<Vec<Country>> =
        LazyLock::new(|| COUNTRIES_CSV.lines().skip(1).filter_map(parse).collect());
    &COUNTRIES
}

/// The country with this code, if the database has it.
#[must_use]
pub fn country(code: &str) -> Option<&'static Country> {
    let all = countries();
    all.binary_search_by(|c| c.code.cmp(code))
        .ok()
        .and_then(|at| all.get(at))
}

fn parse(line: &'static str) -> Option<Country> {
    let mut fields = line.split(',');
    Some(Country {
        code: fields.next()?,
        latitude: fields.next()?.parse().ok()?,
        longitude: fields.next()?.parse().ok()?,
        weight: fields.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_country() {
        assert_eq!(countries().len(), COUNTRIES_CSV.lines().count() - 1);
        assert!(countries().is_sorted_by(|a, b| a.code < b.code));
        assert_eq!(country("DE").unwrap().weight, 10);
        assert_eq!(country("XX"), None);
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        let km = |a: &str, b: &str| country(a).unwrap().distance_km(country(b).unwrap());
        assert_eq!(km("DE", "DE"), 0.0);
        assert!(
            (600.0..900.0).contains(&km("DE", "FR")),
            "{}",
            km("DE", "FR")
        );
        assert!(
            (8500.0..9500.0).contains(&km("DE", "JP")),
            "{}",
            km("DE", "JP")
        );
        assert!((km("US", "AU") - km("AU", "US")).abs() < 1e-9);
    }
}
