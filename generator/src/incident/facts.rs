//! What is fixed about each kind: defaults and what its parameters may be. Each kind's module has its
//! own, and the anomaly catalogue says the same.

use floodmark_contracts::kind::Kind;

use super::{across, banking, clickstream, sensors};

/// What is fixed about a kind of incident.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Facts {
    /// Number of the family of its draws; must never change.
    pub(crate) family: u64,
    /// Length by default, in milliseconds of event time; 0 for a single reading.
    pub(crate) length_ms: i64,
    /// What the magnitude does to the length.
    pub(crate) scaling: Scaling,
    /// Magnitude by default: frozen, see `docs/adr/0008-difficulty.md`.
    pub(crate) magnitude: f64,
    /// True if it can build up slowly.
    pub(crate) ramps: bool,
    /// How many take part, where that can be chosen.
    pub(crate) size: Option<Size>,
    /// What it happens to.
    pub(crate) happens_to: HappensTo,
}

/// What a magnitude does to the length of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scaling {
    None,
    Longer,
    Shorter,
}

/// How many take part in an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) default: u32,
    pub(crate) least: u32,
    pub(crate) most: u32,
}

/// What an incident happens to: what prevalence is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HappensTo {
    /// Users or accounts.
    Users,
    /// This many pages of the site.
    Pages(u32),
    Sensors,
    /// Groups of sensors.
    Groups,
}

impl Facts {
    /// The facts of a kind that happens to users and has nothing special about it.
    pub(super) const fn new(family: u64, length_ms: i64) -> Self {
        Self {
            family,
            length_ms,
            scaling: Scaling::None,
            magnitude: 1.0,
            ramps: false,
            size: None,
            happens_to: HappensTo::Users,
        }
    }

    pub(super) const fn magnitude(self, magnitude: f64) -> Self {
        Self { magnitude, ..self }
    }

    pub(super) const fn scaling(self, scaling: Scaling) -> Self {
        Self { scaling, ..self }
    }

    pub(super) const fn on(self, happens_to: HappensTo) -> Self {
        Self { happens_to, ..self }
    }

    pub(super) const fn ramps(self) -> Self {
        Self {
            ramps: true,
            ..self
        }
    }

    pub(super) const fn size(self, default: u32, least: u32, most: u32) -> Self {
        let size = Size {
            default,
            least,
            most,
        };
        Self {
            size: Some(size),
            ..self
        }
    }

    /// Length at a magnitude of what was asked for.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by a thousand times the longest duration"
    )]
    pub(crate) fn scaled_ms(&self, asked_ms: i64, magnitude: f64) -> i64 {
        match self.scaling {
            Scaling::None => asked_ms,
            Scaling::Longer => (asked_ms as f64 * magnitude) as i64,
            Scaling::Shorter => (asked_ms as f64 / magnitude) as i64,
        }
    }
}

/// The facts of a kind.
pub(crate) fn facts(kind: Kind) -> Facts {
    match kind {
        Kind::TrafficSpike => clickstream::traffic_spike::FACTS,
        Kind::Bot => clickstream::bot::FACTS,
        Kind::ClickFraud => clickstream::click_fraud::FACTS,
        Kind::ImpossibleNavigation => clickstream::impossible_navigation::FACTS,
        Kind::GeoHop => clickstream::geo_hop::FACTS,
        Kind::FunnelDropOff => clickstream::funnel_drop_off::FACTS,
        Kind::ErrorBurst => clickstream::error_burst::FACTS,
        Kind::InhumanSpeed => clickstream::inhuman_speed::FACTS,
        Kind::CartAbandonment => clickstream::cart_abandonment::FACTS,
        Kind::ReferrerSpam => clickstream::referrer_spam::FACTS,
        Kind::FlashSale => clickstream::flash_sale::FACTS,
        Kind::CredentialStuffing => banking::credential_stuffing::FACTS,
        Kind::AccountTakeover => banking::account_takeover::FACTS,
        Kind::ImpossibleTravel => banking::impossible_travel::FACTS,
        Kind::MachineSpeedInput => banking::machine_speed_input::FACTS,
        Kind::SessionHijack => banking::session_hijack::FACTS,
        Kind::MuleDevice => banking::mule_device::FACTS,
        Kind::SlowBruteForce => banking::slow_brute_force::FACTS,
        Kind::ReplayedInput => banking::replayed_input::FACTS,
        Kind::Traveller => banking::traveller::FACTS,
        Kind::BotThenTakeover => across::FACTS,
        Kind::SensorSpike => sensors::spike::FACTS,
        Kind::LevelShift => sensors::level_shift::FACTS,
        Kind::Drift => sensors::drift::FACTS,
        Kind::StuckValue => sensors::stuck_value::FACTS,
        Kind::NoiseBurst => sensors::noise_burst::FACTS,
        Kind::DropOut => sensors::drop_out::FACTS,
        Kind::SeasonShift => sensors::season_shift::FACTS,
        Kind::GroupFailure => sensors::group_failure::FACTS,
        Kind::Recalibration => sensors::recalibration::FACTS,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn every() -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().chain(Kind::DECOYS)
    }

    #[test]
    fn no_two_kinds_share_their_draws() {
        let families: BTreeSet<u64> = every().map(|kind| facts(kind).family).collect();
        assert_eq!(families.len(), every().count());
    }

    #[test]
    fn the_catalogue_states_every_default() {
        let catalogue = include_str!("../../../docs/anomalies.md");
        for kind in every() {
            let facts = facts(kind);
            let length = match facts.length_ms {
                0 => "one reading".to_owned(),
                ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
                ms => format!("{}s", ms / 1000),
            };
            let start = format!("| `{kind}` |");
            let row = catalogue
                .lines()
                .find(|line| line.starts_with(&start))
                .unwrap_or_else(|| panic!("no row of `{kind}`"));
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            assert_eq!(cells[3], length, "{kind}");
            assert_eq!(cells[4], facts.magnitude.to_string(), "{kind}");
            let ramps = if facts.ramps { "yes" } else { "" };
            assert_eq!(cells[6], ramps, "{kind}");
            let size = facts.size.map_or(String::new(), |s| s.default.to_string());
            assert_eq!(cells[7], size, "{kind}");
            assert_eq!(cells[8], format!("{} s", kind.late_ms() / 1000), "{kind}");
        }
    }
}
