//! The numbers that describe a session.

use serde::{Deserialize, Serialize};

/// A number that describes a session at one point of it.
///
/// How long a session lasts, how many events it has and how long ago the last one was are left out on
/// purpose: they tell generated frauds apart very well, by how incidents are laid out in time, and nothing
/// of that would hold at a bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Sessions of the account before this one, 50 at most.
    EarlierSessions,
    /// 1 if the account has a history and the session's first device is not in it.
    NewDevice,
    /// 1 if the account has a history and the session's first address is not in it.
    NewAddress,
    /// Events of the session from another device than its first.
    OtherDevice,
    /// Events of the session from another address than its first.
    OtherAddress,
    /// Changes of payees in the session.
    PayeeChanges,
    /// Transfers in the session.
    Transfers,
    /// Inputs into fields in the session.
    Inputs,
    /// Inputs that name a payee whom the account never paid.
    StrangePayees,
    /// Inputs that name a payee whom the account paid before.
    KnownPayees,
    /// Inputs whose hash an earlier session of the account has, where hashes should differ.
    RepeatedInputs,
    /// Inputs faster than 40 ms, but for the login's.
    QuickInputs,
    /// Geometric mean of the session's latencies in milliseconds, but for the login's; -1 without any.
    MeanLatency,
    /// How far that mean is from the account's own, in spreads of the difference; 0 without a history.
    RhythmShift,
    /// Failed logins on the account in the last quarter of an hour, whoever made them.
    FailedLately,
    /// Sessions of the account that began in the last hour, this one left out.
    SessionsLately,
    /// Kilometres to the nearest of the account's last places.
    TravelKm,
    /// Speed in km/h at which the account would have got here from that place.
    TravelSpeed,
}

impl Feature {
    /// All of them, in the order of a vector.
    pub const ALL: [Self; 18] = [
        Self::EarlierSessions,
        Self::NewDevice,
        Self::NewAddress,
        Self::OtherDevice,
        Self::OtherAddress,
        Self::PayeeChanges,
        Self::Transfers,
        Self::Inputs,
        Self::StrangePayees,
        Self::KnownPayees,
        Self::RepeatedInputs,
        Self::QuickInputs,
        Self::MeanLatency,
        Self::RhythmShift,
        Self::FailedLately,
        Self::SessionsLately,
        Self::TravelKm,
        Self::TravelSpeed,
    ];

    /// The name in models, requests and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EarlierSessions => "earlier-sessions",
            Self::NewDevice => "new-device",
            Self::NewAddress => "new-address",
            Self::OtherDevice => "other-device",
            Self::OtherAddress => "other-address",
            Self::PayeeChanges => "payee-changes",
            Self::Transfers => "transfers",
            Self::Inputs => "inputs",
            Self::StrangePayees => "strange-payees",
            Self::KnownPayees => "known-payees",
            Self::RepeatedInputs => "repeated-inputs",
            Self::QuickInputs => "quick-inputs",
            Self::MeanLatency => "mean-latency",
            Self::RhythmShift => "rhythm-shift",
            Self::FailedLately => "failed-lately",
            Self::SessionsLately => "sessions-lately",
            Self::TravelKm => "travel-km",
            Self::TravelSpeed => "travel-speed",
        }
    }
}

/// A value for each [`Feature`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vector([f32; Feature::ALL.len()]);

impl Vector {
    /// A vector from the values, in the order of [`Feature::ALL`].
    #[must_use]
    pub fn new(values: [f32; Feature::ALL.len()]) -> Self {
        Self(values)
    }

    /// The value of a feature.
    #[must_use]
    pub fn get(&self, feature: Feature) -> f32 {
        self.0[feature as usize]
    }

    /// Sets the value of a feature.
    #[expect(clippy::cast_possible_truncation, reason = "few digits suffice")]
    pub fn set(&mut self, feature: Feature, value: impl Into<f64>) {
        self.0[feature as usize] = value.into() as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_stand_in_their_order_under_the_names_that_serde_writes() {
        for (place, feature) in Feature::ALL.into_iter().enumerate() {
            assert_eq!(feature as usize, place);
            assert_eq!(serde_json::to_value(feature).unwrap(), feature.name());
        }
    }

    #[test]
    fn a_vector_gives_back_what_was_set() {
        let mut vector = Vector::default();
        vector.set(Feature::Transfers, 2);
        vector.set(Feature::TravelSpeed, 917.5);
        assert_eq!(vector.get(Feature::Transfers), 2.0);
        assert_eq!(vector.get(Feature::TravelSpeed), 917.5);
        assert_eq!(vector.get(Feature::Inputs), 0.0);
    }
}
