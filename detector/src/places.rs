//! Where an address is: a GeoIP database in MMDB form.

use std::{collections::HashMap, net::IpAddr};

use floodmark_contracts::geo::{COUNTRY_MMDB, Country, countries, country};
use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

/// A database that was opened, and each country's nearest neighbour.
pub struct Places {
    reader: Reader<&'static [u8]>,
    nearest: HashMap<&'static str, &'static Country>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    country_code: Option<&'a str>,
}

impl Places {
    /// Opens the compiled-in country database.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn compiled_in() -> Result<Self, MaxMindDbError> {
        let nearest = countries()
            .iter()
            .filter_map(|of| Some((of.code, nearest(of)?)))
            .collect();
        Ok(Self {
            reader: Reader::from_source(COUNTRY_MMDB)?,
            nearest,
        })
    }

    /// The country of an address, if the text is an address and the database has it.
    #[must_use]
    pub fn country(&self, address: &str) -> Option<&'static Country> {
        let address: IpAddr = address.parse().ok()?;
        let entry: Entry<'_> = self.reader.lookup(address).ok()?.decode().ok()??;
        country(entry.country_code?)
    }

    /// The country whose centroid lies nearest to this one's.
    #[must_use]
    pub fn nearest(&self, of: &Country) -> Option<&'static Country> {
        self.nearest.get(of.code).copied()
    }
}

/// A country, saved by its code.
pub(crate) mod by_code {
    use floodmark_contracts::geo::{Country, country};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands fields over by reference"
    )]
    pub(crate) fn serialize<S: Serializer>(
        place: &&'static Country,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        place.code.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<&'static Country, D::Error> {
        let code = String::deserialize(deserializer)?;
        country(&code).ok_or_else(|| D::Error::custom(format!("`{code}` is no country's code")))
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places")
            .field("countries", &self.nearest.len())
            .finish_non_exhaustive()
    }
}

fn nearest(of: &Country) -> Option<&'static Country> {
    countries()
        .iter()
        .filter(|other| other.code != of.code)
        .min_by(|a, b| of.distance_km(a).total_cmp(&of.distance_km(b)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Some address in a country.
    pub(crate) fn address_in(code: &str) -> String {
        let places = Places::compiled_in().unwrap();
        let all = (1..224).flat_map(|a| (0..256).map(move |b| format!("{a}.{b}.0.1")));
        all.into_iter()
            .find(|ip| places.country(ip) == country(code))
            .unwrap()
    }

    #[test]
    fn some_address_of_every_country_is_found_in_it() {
        let places = Places::compiled_in().unwrap();
        let mut found = std::collections::BTreeSet::new();
        for a in 1..224 {
            for b in (0..256).step_by(5) {
                found.extend(
                    places
                        .country(&format!("{a}.{b}.0.1"))
                        .map(|country| country.code),
                );
            }
        }
        assert_eq!(found.len(), countries().len(), "{found:?}");
    }

    #[test]
    fn what_is_no_address_or_nowhere_has_no_country() {
        let places = Places::compiled_in().unwrap();
        for address in ["", "localhost", "127.0.0.1", "10.0.0.1", "::1"] {
            assert_eq!(places.country(address), None, "{address}");
        }
    }

    #[test]
    fn neighbours_are_near() {
        let places = Places::compiled_in().unwrap();
        let austria = places.nearest(country("DE").unwrap()).unwrap();
        assert!(
            austria.distance_km(country("DE").unwrap()) < 800.0,
            "{austria:?}"
        );
    }
}
