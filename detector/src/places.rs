//! Where an address is: a GeoIP database in MMDB form.

use std::{borrow::Cow, collections::HashMap, net::IpAddr, path::Path};

use floodmark_contracts::geo::{COUNTRY_MMDB, Country, countries, country};
use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

/// A database that was opened, and each country's nearest neighbour.
pub struct Places {
    reader: Reader<Cow<'static, [u8]>>,
    nearest: HashMap<&'static str, &'static Country>,
}

/// What databases hold for a network: the compact ones a code, the usual ones a country with its code, and those by
/// city where that is.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    country_code: Option<&'a str>,
    #[serde(borrow, default)]
    country: Option<CountryEntry<'a>>,
    #[serde(default)]
    location: Option<Location>,
}

#[derive(Deserialize)]
struct CountryEntry<'a> {
    #[serde(borrow, default)]
    iso_code: Option<&'a str>,
}

#[derive(Deserialize, Clone, Copy)]
struct Location {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

impl Places {
    /// Opens the compiled-in country database.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn compiled_in() -> Result<Self, MaxMindDbError> {
        Self::from_bytes(Cow::Borrowed(COUNTRY_MMDB))
    }

    /// Opens a database in a file, by country or by city.
    ///
    /// # Errors
    /// If it cannot be read, or is no such database.
    pub fn open(path: &Path) -> Result<Self, MaxMindDbError> {
        Self::from_bytes(Cow::Owned(std::fs::read(path)?))
    }

    pub(crate) fn from_bytes(bytes: Cow<'static, [u8]>) -> Result<Self, MaxMindDbError> {
        let nearest = countries()
            .iter()
            .filter_map(|of| Some((of.code, nearest(of)?)))
            .collect();
        Ok(Self {
            reader: Reader::from_source(bytes)?,
            nearest,
        })
    }

    /// The country of an address, if the text is an address and the database has it.
    #[must_use]
    pub fn country(&self, address: &str) -> Option<&'static Country> {
        self.entry(address, |entry| country(entry.code()?))
    }

    /// Where an address is: as exactly as the database tells, the middle of its country otherwise.
    #[must_use]
    pub fn place(&self, address: &str) -> Option<Country> {
        self.entry(address, |entry| {
            let country = country(entry.code()?).copied();
            let Some(Location {
                latitude: Some(latitude),
                longitude: Some(longitude),
            }) = entry.location
            else {
                return country;
            };
            let unknown = Country {
                code: "",
                latitude,
                longitude,
                weight: 0,
            };
            Some(Country {
                latitude,
                longitude,
                ..country.unwrap_or(unknown)
            })
        })
    }

    fn entry<T>(&self, address: &str, take: impl FnOnce(Entry<'_>) -> Option<T>) -> Option<T> {
        let address: IpAddr = address.parse().ok()?;
        let entry: Entry<'_> = self.reader.lookup(address).ok()?.decode().ok()??;
        take(entry)
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

impl Entry<'_> {
    fn code(&self) -> Option<&str> {
        let of_country = self.country.as_ref().and_then(|country| country.iso_code);
        self.country_code.or(of_country)
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

    /// A database with one entry for all of IPv4, as the format's specification lays it out.
    fn database(entry: &[u8]) -> Vec<u8> {
        let text = |text: &str| [&[0x40 | text.len() as u8][..], text.as_bytes()].concat();
        let number = |kind: u8, value: u8| vec![kind << 5 | 1, value];
        // One node whose two records lead to the entry at the start of the data: node count + 16.
        let mut bytes = [[0, 0, 17], [0, 0, 17]].concat();
        bytes.extend([0; 16]);
        bytes.extend(entry);
        bytes.extend(b"\xab\xcd\xefMaxMind.com");
        bytes.push(0xe0 | 9);
        for (name, value) in [
            ("node_count", number(6, 1)),
            ("record_size", number(5, 24)),
            ("ip_version", number(5, 4)),
            ("binary_format_major_version", number(5, 2)),
            ("binary_format_minor_version", number(5, 0)),
            ("database_type", text("Test")),
            ("build_epoch", vec![0x01, 0x02, 1]),
            // No text in no language: a map and an array without anything.
            ("description", vec![0xe0]),
            ("languages", vec![0x00, 0x04]),
        ] {
            bytes.extend(text(name));
            bytes.extend(value);
        }
        bytes
    }

    #[test]
    fn a_database_by_city_in_a_file_tells_where_exactly() {
        let text = |text: &str| [&[0x40 | text.len() as u8][..], text.as_bytes()].concat();
        let double = |value: f64| [&[3 << 5 | 8][..], &value.to_be_bytes()].concat();
        let entry = [
            vec![0xe0 | 2],
            text("country"),
            vec![0xe0 | 1],
            text("iso_code"),
            text("DE"),
            text("location"),
            vec![0xe0 | 2],
            text("latitude"),
            double(53.5),
            text("longitude"),
            double(10.0),
        ]
        .concat();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), database(&entry)).unwrap();
        let places = Places::open(file.path()).unwrap();
        assert_eq!(places.country("8.8.8.8"), country("DE"));
        let hamburg = places.place("8.8.8.8").unwrap();
        assert_eq!((hamburg.code, hamburg.latitude), ("DE", 53.5));
        assert_eq!(places.place("nowhere"), None);
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Places::open(file.path()).is_err());
        assert!(Places::open(Path::new("/nonexistent/x.mmdb")).is_err());
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
