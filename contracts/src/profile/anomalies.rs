//! Anomalies and decoys to inject: `- level-shift: { count: 3, duration: 2m, magnitude: 1.0 }`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{kind::Kind, profile::quantity::EventDuration};

/// An enum of kinds, each with its parameters, and how to take it apart.
macro_rules! kinds_with_parameters {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $kind:ident,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $($(#[$doc])* $kind(RawIncidents),)*
        }

        impl $name {
            /// The kind and its parameters.
            #[must_use]
            pub fn parts(&self) -> (Kind, &RawIncidents) {
                match self {
                    $(Self::$kind(raw) => (Kind::$kind, raw),)*
                }
            }

            /// The parameters, to change them.
            pub fn parameters_mut(&mut self) -> &mut RawIncidents {
                match self {
                    $(Self::$kind(raw) => raw,)*
                }
            }
        }
    };
}

kinds_with_parameters! {
    /// A kind of anomaly with its parameters.
    RawAnomaly {
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
    }
}

kinds_with_parameters! {
    /// A kind of decoy with its parameters: benign, labelled, and a false alarm to alert on.
    RawDecoy {
        /// A crowd that comes to one product and buys it.
        FlashSale,
        /// A customer abroad who logs in with a new phone.
        Traveller,
        /// A planned check that moves a sensor up and down by equal amounts.
        Recalibration,
    }
}

/// How many incidents of a kind, how long and how strong. The anomaly catalogue says what each means
/// for a kind, and which kinds have `ramp_in` and `size`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawIncidents {
    /// Number of incidents, spread over the run after the warm-up. Either this or `prevalence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Share of the kind's entities (users, pages, sensors, groups) that have an incident, above 0, at
    /// most 1; at least one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub prevalence: Option<f64>,
    /// Length of each in event time; each kind has a default of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EventDuration>", example = "2m")]
    pub duration: Option<String>,
    /// Strength, above 0, at most 10; each kind has a default of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 10.0), extend("exclusiveMinimum" = 0))]
    pub magnitude: Option<f64>,
    /// A range of strengths in place of one: each incident draws its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub magnitudes: Option<RawMagnitudes>,
    /// Event time from the origin before which none starts; by default the warm-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EventDuration>", example = "5m")]
    pub start: Option<String>,
    /// Event time over which an incident builds up to its full strength; by default
    /// it is there at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EventDuration>", example = "30s")]
    pub ramp_in: Option<String>,
    /// How many take part in one incident, such as the accounts of a mule's device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// Allows incidents on entities that have another one at the same time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overlap: bool,
}

/// Strengths from which each incident draws its own, evenly on a logarithmic scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMagnitudes {
    /// The weakest, above 0.
    #[schemars(range(max = 10.0), extend("exclusiveMinimum" = 0))]
    pub from: f64,
    /// The strongest, at most 10.
    #[schemars(range(max = 10.0), extend("exclusiveMinimum" = 0))]
    pub to: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_entry_is_that_of_its_kind() {
        for kind in Kind::ALL {
            let json = format!(r#"{{"{kind}":{{"count":2}}}}"#);
            let entry: RawAnomaly = serde_json::from_str(&json).unwrap();
            assert_eq!((entry.parts().0, entry.parts().1.count), (kind, Some(2)));
            assert!(serde_json::from_str::<RawDecoy>(&json).is_err());
        }
        for kind in Kind::DECOYS {
            let json = format!(r#"{{"{kind}":{{"prevalence":0.1}}}}"#);
            let entry: RawDecoy = serde_json::from_str(&json).unwrap();
            assert_eq!(entry.parts().0, kind);
            assert!(serde_json::from_str::<RawAnomaly>(&json).is_err());
        }
    }

    #[test]
    fn what_was_left_out_is_left_out_again() {
        let entry: RawAnomaly = serde_json::from_str(r#"{"bot":{"count":2}}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&entry).unwrap(),
            r#"{"bot":{"count":2}}"#
        );
    }
}
