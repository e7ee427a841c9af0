//! The kinds of anomaly, and of decoys: names, streams, keys and matching tolerance.
//!
//! The tolerance of a kind is fixed here, before any detector is tuned, and printed in every report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{key::KeyType, stream::Stream};

/// A kind of injected anomaly, or of injected decoy: an event that looks like one and is benign.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Far more visits to one page than its usual share.
    TrafficSpike,
    /// One user that requests pages at a regular, fast beat.
    Bot,
    /// A few users that click on one page again and again.
    ClickFraud,
    /// A session that moves between pages which no link connects.
    ImpossibleNavigation,
    /// A session that goes on from another country.
    GeoHop,
    /// Visits that end at the payment page, where usually half go on.
    FunnelDropOff,
    /// Many error events on one page.
    ErrorBurst,
    /// A session whose pages follow each other faster than anyone reads.
    InhumanSpeed,
    /// A wave of visits that fill a cart with one product and leave.
    CartAbandonment,
    /// Visits to one page whose referrer is a site to be advertised.
    ReferrerSpam,
    /// Many failed logins over many accounts from one IP address.
    CredentialStuffing,
    /// A login from an unknown device and address, then a payee change and a transfer.
    AccountTakeover,
    /// One user active from two far-apart countries within an impossible time.
    ImpossibleTravel,
    /// A session whose inputs come at a speed that no person types at.
    MachineSpeedInput,
    /// A session that goes on from another device and address.
    SessionHijack,
    /// One device that moves money on many accounts.
    MuleDevice,
    /// Failed logins on one account, few a minute, each from another address.
    SlowBruteForce,
    /// Sessions whose inputs have the hashes of an earlier session's.
    ReplayedInput,
    /// One address that scrapes the web site and then takes over an account at the bank.
    BotThenTakeover,
    /// Single readings far from the sensor's level.
    SensorSpike,
    /// The sensor's level moves and stays moved.
    LevelShift,
    /// The sensor's level moves away at a steady rate.
    Drift,
    /// The sensor repeats one value exactly.
    StuckValue,
    /// The sensor's noise grows.
    NoiseBurst,
    /// The sensor stops sending.
    DropOut,
    /// The sensor's hourly season slowly moves out of step.
    SeasonShift,
    /// All sensors of a group are off by the same small amount.
    GroupFailure,
    /// Benign: a crowd that comes to one product and buys it.
    FlashSale,
    /// Benign: a customer abroad who logs in with a new phone.
    Traveller,
    /// Benign: a planned check that moves a sensor up and down by equal amounts.
    Recalibration,
}

/// What is fixed about a kind.
struct Facts {
    name: &'static str,
    stream: Stream,
    key_types: &'static [KeyType],
    late_s: i64,
}

impl Kind {
    /// Every kind of anomaly, in the order in which files and tables list them.
    pub const ALL: [Self; 27] = [
        Self::TrafficSpike,
        Self::Bot,
        Self::ClickFraud,
        Self::ImpossibleNavigation,
        Self::GeoHop,
        Self::FunnelDropOff,
        Self::ErrorBurst,
        Self::InhumanSpeed,
        Self::CartAbandonment,
        Self::ReferrerSpam,
        Self::CredentialStuffing,
        Self::AccountTakeover,
        Self::ImpossibleTravel,
        Self::MachineSpeedInput,
        Self::SessionHijack,
        Self::MuleDevice,
        Self::SlowBruteForce,
        Self::ReplayedInput,
        Self::BotThenTakeover,
        Self::SensorSpike,
        Self::LevelShift,
        Self::Drift,
        Self::StuckValue,
        Self::NoiseBurst,
        Self::DropOut,
        Self::SeasonShift,
        Self::GroupFailure,
    ];

    /// Every kind of decoy: benign, labelled, and never counted among the incidents.
    pub const DECOYS: [Self; 3] = [Self::FlashSale, Self::Traveller, Self::Recalibration];

    /// The name used in profiles, labels and alerts.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The kind of anomaly with this [`name`](Self::name), if there is one. A decoy's is none: an alert
    /// that names it says nothing that could be right.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// True for a decoy, which a detector should leave alone.
    #[must_use]
    pub fn is_benign(self) -> bool {
        Self::DECOYS.contains(&self)
    }

    /// The stream in which this kind is injected; the one whose profile section asks for it, if it
    /// extends over two.
    #[must_use]
    pub fn stream(self) -> Stream {
        self.facts().stream
    }

    /// The stream over which an incident extends besides [`stream`](Self::stream).
    #[must_use]
    pub fn other_stream(self) -> Option<Stream> {
        (self == Self::BotThenTakeover).then_some(Stream::Clickstream)
    }

    /// Types of the keys that a label of this kind lists; an alert has one of them.
    #[must_use]
    pub fn key_types(self) -> &'static [KeyType] {
        self.facts().key_types
    }

    /// How long after the label's end an alert still counts as its detection, in milliseconds of
    /// event time: the longest window that a reasonable detector of the kind works with.
    #[must_use]
    pub fn late_ms(self) -> i64 {
        self.facts().late_s * 1000
    }

    fn facts(self) -> Facts {
        use KeyType::{Device, Group, Ip, Page, Sensor, Session, User};
        use Stream::{Banking, Clickstream, Sensors};
        let (name, stream, key_types, late_s): (_, _, &[KeyType], _) = match self {
            Self::TrafficSpike => ("traffic-spike", Clickstream, &[Page], 120),
            Self::Bot => ("bot", Clickstream, &[User, Session], 300),
            Self::ClickFraud => ("click-fraud", Clickstream, &[Page, User, Session], 300),
            Self::ImpossibleNavigation => {
                ("impossible-navigation", Clickstream, &[User, Session], 300)
            }
            Self::GeoHop => ("geo-hop", Clickstream, &[User, Session], 300),
            Self::FunnelDropOff => ("funnel-drop-off", Clickstream, &[Page], 120),
            Self::ErrorBurst => ("error-burst", Clickstream, &[Page], 120),
            Self::InhumanSpeed => ("inhuman-speed", Clickstream, &[User, Session], 120),
            Self::CartAbandonment => ("cart-abandonment", Clickstream, &[Page], 120),
            Self::ReferrerSpam => ("referrer-spam", Clickstream, &[Page], 120),
            Self::CredentialStuffing => ("credential-stuffing", Banking, &[Ip], 120),
            Self::AccountTakeover => ("account-takeover", Banking, &[User, Session, Device], 300),
            Self::ImpossibleTravel => ("impossible-travel", Banking, &[User, Session], 300),
            Self::MachineSpeedInput => ("machine-speed-input", Banking, &[User, Session], 120),
            Self::SessionHijack => ("session-hijack", Banking, &[User, Session, Device], 300),
            Self::MuleDevice => ("mule-device", Banking, &[Device, Ip], 300),
            Self::SlowBruteForce => ("slow-brute-force", Banking, &[User], 300),
            Self::ReplayedInput => ("replayed-input", Banking, &[User, Session], 300),
            Self::BotThenTakeover => (
                "bot-then-takeover",
                Banking,
                &[Ip, User, Session, Device],
                300,
            ),
            Self::SensorSpike => ("sensor-spike", Sensors, &[Sensor], 15),
            Self::LevelShift => ("level-shift", Sensors, &[Sensor], 60),
            Self::Drift => ("drift", Sensors, &[Sensor], 120),
            Self::StuckValue => ("stuck-value", Sensors, &[Sensor], 60),
            Self::NoiseBurst => ("noise-burst", Sensors, &[Sensor], 60),
            Self::DropOut => ("drop-out", Sensors, &[Sensor], 60),
            Self::SeasonShift => ("season-shift", Sensors, &[Sensor], 300),
            Self::GroupFailure => ("group-failure", Sensors, &[Group, Sensor], 60),
            Self::FlashSale => ("flash-sale", Clickstream, &[Page], 120),
            Self::Traveller => ("traveller", Banking, &[User, Session, Device], 300),
            Self::Recalibration => ("recalibration", Sensors, &[Sensor], 60),
        };
        Facts {
            name,
            stream,
            key_types,
            late_s,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_name_that_serde_writes() {
        for kind in Kind::ALL.into_iter().chain(Kind::DECOYS) {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn anomalies_are_found_by_name_and_decoys_are_not() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
            assert!(!kind.is_benign());
        }
        for decoy in Kind::DECOYS {
            assert_eq!(Kind::from_name(decoy.name()), None);
            assert!(decoy.is_benign());
        }
        assert_eq!(Kind::from_name("spike"), None);
    }

    #[test]
    fn each_stream_has_at_least_eight_kinds_and_a_decoy() {
        for stream in Stream::ALL {
            let of_stream = |kinds: &[Kind]| kinds.iter().filter(|k| k.stream() == stream).count();
            assert!(of_stream(&Kind::ALL) >= 8, "{stream}");
            assert_eq!(of_stream(&Kind::DECOYS), 1, "{stream}");
        }
    }
}
