//! Addresses from real country ranges: the networks of the country database.

use std::net::Ipv4Addr;

use floodmark_contracts::geo::{self, COUNTRY_MMDB, Country};
use maxminddb::Reader;

use crate::{alias::Alias, draw::Draws};

/// Why the country database cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("country database built into the program cannot be read: {0}")]
pub struct AddressError(#[from] maxminddb::MaxMindDbError);

/// The networks of every country.
#[derive(Debug, Clone)]
pub(crate) struct AddressBook {
    countries: Vec<Networks>,
    by_weight: Alias,
}

#[derive(Debug, Clone)]
struct Networks {
    country: &'static Country,
    /// First address and size of each network, in the order of addresses.
    ranges: Vec<(u32, u32)>,
    nearest: usize,
}

impl AddressBook {
    /// Reads the database.
    pub(crate) fn load() -> Result<Self, AddressError> {
        let mut countries: Vec<Networks> = geo::countries()
            .iter()
            .map(|country| Networks {
                country,
                ranges: Vec::new(),
                nearest: nearest(country),
            })
            .collect();
        let reader = Reader::from_source(COUNTRY_MMDB)?;
        for found in reader.networks(maxminddb::WithinOptions::default())? {
            let found = found?;
            let network = found.network()?;
            let code: Option<&str> = found.decode_path(&maxminddb::path!["country_code"])?;
            let entry = countries.iter_mut().find(|c| Some(c.country.code) == code);
            if let (Some(entry), std::net::IpAddr::V4(first)) = (entry, network.ip()) {
                let size = 1u32 << (32 - u32::from(network.prefix()));
                entry.ranges.push((first.to_bits(), size));
            }
        }
        let weights: Vec<f64> = countries
            .iter()
            .map(|c| {
                if c.ranges.is_empty() {
                    0.0
                } else {
                    f64::from(c.country.weight)
                }
            })
            .collect();
        Ok(Self {
            by_weight: Alias::new(&weights),
            countries,
        })
    }

    /// Index of a country, by its weight.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "there are fewer than 256 countries"
    )]
    pub(crate) fn draw_country(&self, draws: &mut Draws) -> u8 {
        self.by_weight.pick(draws.bits()) as u8
    }

    /// An address in a country. Addresses ending in 0 or 255 are left out.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a country has a dozen networks"
    )]
    pub(crate) fn draw_address(&self, country: u8, draws: &mut Draws) -> Ipv4Addr {
        let ranges = &self.countries[usize::from(country)].ranges;
        let (first, size) = ranges[draws.below(ranges.len() as u32) as usize];
        let host = draws.below(size / 256) * 256 + 1 + draws.below(254);
        Ipv4Addr::from_bits(first + host)
    }

    /// The country's code.
    pub(crate) fn code(&self, country: u8) -> &'static str {
        self.countries[usize::from(country)].country.code
    }

    /// The country whose centroid is nearest.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "there are fewer than 256 countries"
    )]
    pub(crate) fn neighbour(&self, country: u8) -> u8 {
        self.countries[usize::from(country)].nearest as u8
    }

    /// A country at least `km` away, by weight; the farthest one if none is.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "there are fewer than 256 countries"
    )]
    pub(crate) fn draw_far_country(&self, from: u8, km: f64, draws: &mut Draws) -> u8 {
        let here = self.countries[usize::from(from)].country;
        let distance = |c: &Networks| here.distance_km(c.country);
        let weights: Vec<f64> = self
            .countries
            .iter()
            .map(|c| {
                if distance(c) >= km {
                    f64::from(c.country.weight)
                } else {
                    0.0
                }
            })
            .collect();
        if weights.iter().any(|w| *w > 0.0) {
            return Alias::new(&weights).pick(draws.bits()) as u8;
        }
        (0..self.countries.len())
            .max_by(|a, b| distance(&self.countries[*a]).total_cmp(&distance(&self.countries[*b])))
            .unwrap_or_default() as u8
    }
}

fn nearest(country: &Country) -> usize {
    let all = geo::countries();
    (0..all.len())
        .filter(|i| all[*i].code != country.code)
        .min_by(|a, b| {
            let km = |i: &usize| country.distance_km(&all[*i]);
            km(a).total_cmp(&km(b))
        })
        .unwrap_or_default()
}

/// An address as text, without allocation.
pub(crate) struct AddressText {
    text: [u8; 16],
    len: usize,
}

impl AddressText {
    pub(crate) fn new(address: Ipv4Addr) -> Self {
        // Each octet is written with the dot behind it, the last one's is left out.
        let (mut text, mut at) = ([0; 16], 0);
        for octet in address.octets() {
            let (digits, len) = OCTETS[usize::from(octet)];
            text[at..at + 4].copy_from_slice(&digits);
            at += len;
        }
        Self { text, len: at - 1 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// Every octet in digits with a dot behind them, and the length of both.
const OCTETS: [([u8; 4], usize); 256] = octets();

const fn octets() -> [([u8; 4], usize); 256] {
    let mut table = [([b'.'; 4], 0); 256];
    let mut octet = 0;
    while octet < 256 {
        let digits = [octet / 100, octet / 10 % 10, octet % 10];
        let mut at = if octet < 10 {
            2
        } else if octet < 100 {
            1
        } else {
            0
        };
        let mut len = 0;
        while at < 3 {
            table[octet].0[len] = b'0' + digits[at] as u8;
            len += 1;
            at += 1;
        }
        table[octet].1 = len + 1;
        octet += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Key, Purpose};

    #[test]
    fn every_address_is_looked_up_in_its_own_country() {
        let book = AddressBook::load().unwrap();
        let reader = Reader::from_source(COUNTRY_MMDB).unwrap();
        let key = Key::root(3).purpose(Purpose::Address);
        for number in 0..5000 {
            let mut draws = key.draws(number);
            let country = book.draw_country(&mut draws);
            let address = book.draw_address(country, &mut draws);
            let found: Option<&str> = reader
                .lookup(address.into())
                .unwrap()
                .decode_path(&maxminddb::path!["country_code"])
                .unwrap();
            assert_eq!(found, Some(book.code(country)), "{address}");
        }
    }

    #[test]
    fn every_country_has_networks_and_a_neighbour() {
        let book = AddressBook::load().unwrap();
        for (index, entry) in book.countries.iter().enumerate() {
            assert!(!entry.ranges.is_empty(), "{}", entry.country.code);
            assert_ne!(entry.nearest, index);
        }
        let index = |code| {
            book.countries
                .iter()
                .position(|c| c.country.code == code)
                .unwrap() as u8
        };
        assert_eq!(book.code(book.neighbour(index("NL"))), "BE");
    }

    #[test]
    fn far_countries_are_far() {
        let book = AddressBook::load().unwrap();
        let key = Key::root(4).purpose(Purpose::Incident);
        for from in 0..book.countries.len() as u8 {
            let far = book.draw_far_country(from, 4000.0, &mut key.draws(u64::from(from)));
            let km = |to: u8| {
                book.countries[usize::from(from)]
                    .country
                    .distance_km(book.countries[usize::from(to)].country)
            };
            assert!(km(far) >= 4000.0);
            let farthest = book.draw_far_country(from, 1e9, &mut key.draws(0));
            assert!((0..book.countries.len() as u8).all(|c| km(c) <= km(farthest)));
        }
    }

    #[test]
    fn text_is_the_dotted_quad() {
        for octet in 0..=255 {
            for address in [
                Ipv4Addr::new(octet, 2, 30, 255),
                Ipv4Addr::new(255, 255, 255, octet),
            ] {
                assert_eq!(AddressText::new(address).as_str(), address.to_string());
            }
        }
    }
}
