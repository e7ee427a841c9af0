//! Which fields of the records give an incident away, by kind. The anomaly catalogue says how.

use floodmark_contracts::{kind::Kind, stream::Stream};

/// What a takeover shows in, alone or after a bot.
const TAKEOVER: &[&str] = &[
    "user_id",
    "device_fingerprint",
    "ip_address",
    "event_type",
    "timestamp",
];

/// Fields by our names, in each stream that a kind touches.
pub(crate) fn evidence(kind: Kind) -> &'static [(Stream, &'static [&'static str])] {
    match kind {
        Kind::TrafficSpike | Kind::FlashSale => {
            &[(Stream::Clickstream, &["page_url", "user_id", "timestamp"])]
        }
        Kind::Bot | Kind::InhumanSpeed => &[(Stream::Clickstream, &["session_id", "timestamp"])],
        Kind::ClickFraud => &[(
            Stream::Clickstream,
            &["user_id", "event_type", "page_url", "timestamp"],
        )],
        Kind::ImpossibleNavigation | Kind::FunnelDropOff => &[(
            Stream::Clickstream,
            &["session_id", "page_url", "timestamp"],
        )],
        Kind::GeoHop => &[(
            Stream::Clickstream,
            &["session_id", "ip_address", "country", "timestamp"],
        )],
        Kind::ErrorBurst | Kind::CartAbandonment => &[(
            Stream::Clickstream,
            &["event_type", "page_url", "timestamp"],
        )],
        Kind::ReferrerSpam => &[(Stream::Clickstream, &["referrer", "page_url", "timestamp"])],
        Kind::CredentialStuffing => &[(
            Stream::Banking,
            &["ip_address", "event_type", "user_id", "timestamp"],
        )],
        Kind::AccountTakeover | Kind::Traveller => &[(Stream::Banking, TAKEOVER)],
        Kind::ImpossibleTravel => &[(Stream::Banking, &["user_id", "ip_address", "timestamp"])],
        Kind::MachineSpeedInput => {
            &[(Stream::Banking, &["session_id", "event_type", "latency_ms"])]
        }
        Kind::SessionHijack => &[(
            Stream::Banking,
            &[
                "session_id",
                "device_fingerprint",
                "ip_address",
                "timestamp",
            ],
        )],
        Kind::MuleDevice => &[(
            Stream::Banking,
            &["device_fingerprint", "user_id", "event_type", "timestamp"],
        )],
        Kind::SlowBruteForce => &[(
            Stream::Banking,
            &["user_id", "event_type", "ip_address", "timestamp"],
        )],
        Kind::ReplayedInput => &[(Stream::Banking, &["session_id", "input_hash", "timestamp"])],
        Kind::BotThenTakeover => &[
            (
                Stream::Clickstream,
                &["ip_address", "session_id", "timestamp"],
            ),
            (Stream::Banking, TAKEOVER),
        ],
        Kind::DropOut => &[(Stream::Sensors, &["sensor_id", "timestamp"])],
        Kind::SensorSpike
        | Kind::LevelShift
        | Kind::Drift
        | Kind::StuckValue
        | Kind::NoiseBurst
        | Kind::SeasonShift
        | Kind::GroupFailure
        | Kind::Recalibration => &[(Stream::Sensors, &["sensor_id", "value", "timestamp"])],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_shows_in_the_stream_it_is_put_into() {
        for kind in Kind::ALL.into_iter().chain(Kind::DECOYS) {
            let shown = evidence(kind);
            assert!(
                shown.iter().any(|(stream, _)| *stream == kind.stream()),
                "{kind}"
            );
            assert!(shown.iter().all(|(_, fields)| fields.len() >= 2), "{kind}");
        }
    }
}
