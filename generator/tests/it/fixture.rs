//! Plans and decoded events for the other tests.

use std::collections::BTreeMap;

use floodmark_contracts::{
    clock::EventTime,
    event::{banking::BankingUiEvent, clickstream::ClickEvent, sensor::SensorReading},
    job::GeneratorSection,
    stream::Stream,
};
use floodmark_generator::{Event, Plan, Share, events};

/// A run of three streams with incidents of all kinds, small enough for property tests.
pub const ALL: &str = r#"
name: all
seed: 1
duration: 16s
warm_up: 1s
event_time: { speed: 60, origin: "2025-06-10T05:00:00Z" }
streams:
  clickstream:
    rate: 1500/s
    arrivals: poisson
    partitions: 3
    population: { entities: 1500, skew: 0.8 }
    disorder: { share: 0.3, delay: { exponential: { mean: 500ms, max: 2s } } }
    lateness: { share: 0.01, delay: { uniform: { min: 5s, max: 30s } } }
    anomalies:
      - traffic-spike: { count: 1, magnitude: 1 }
      - bot: { count: 2, magnitude: 1 }
      - impossible-navigation: { count: 2, magnitude: 1 }
      - error-burst: { count: 1, magnitude: 1 }
  banking:
    rate: 600/s
    partitions: 3
    population: { entities: 800, skew: 0.5 }
    disorder: { share: 0.3, delay: { uniform: { min: 0s, max: 2s } } }
    anomalies:
      - credential-stuffing: { count: 1, magnitude: 1 }
      - account-takeover: { count: 2, magnitude: 1 }
      - impossible-travel: { count: 2, duration: 5m, magnitude: 1 }
      - machine-speed-input: { count: 2, magnitude: 1 }
  sensors:
    rate: 600/s
    partitions: 3
    population: { entities: 20 }
    disorder: { share: 0.3, delay: { uniform: { min: 0s, max: 2s } } }
    anomalies:
      - sensor-spike: { count: 2, magnitude: 1 }
      - level-shift: { count: 2, magnitude: 1 }
      - stuck-value: { count: 2, magnitude: 1 }
      - drop-out: { count: 2, magnitude: 1 }
"#;

/// Incidents of the kinds that [`ALL`] does not have, and decoys.
pub const MORE: &str = r#"
name: more
seed: 1
duration: 40s
warm_up: 1s
event_time: { speed: 60, origin: "2025-06-10T05:00:00Z" }
streams:
  clickstream:
    rate: 2500/s
    arrivals: poisson
    partitions: 3
    population: { entities: 1500, skew: 0.8 }
    referrer: true
    disorder: { share: 0.3, delay: { exponential: { mean: 500ms, max: 2s } } }
    anomalies:
      - click-fraud: { count: 2 }
      - geo-hop: { count: 2 }
      - funnel-drop-off: { count: 1, ramp_in: 1m }
      - inhuman-speed: { count: 2 }
      - cart-abandonment: { count: 2 }
      - referrer-spam: { count: 2 }
    decoys:
      - flash-sale: { count: 2 }
  banking:
    rate: 900/s
    partitions: 3
    population: { entities: 2000, skew: 0.5 }
    disorder: { share: 0.3, delay: { uniform: { min: 0s, max: 2s } } }
    anomalies:
      - session-hijack: { count: 2 }
      - mule-device: { count: 2 }
      - slow-brute-force: { count: 2 }
      - replayed-input: { count: 2 }
      - bot-then-takeover: { count: 2 }
    decoys:
      - traveller: { count: 2 }
  sensors:
    rate: 960/s
    partitions: 3
    population: { entities: 32 }
    disorder: { share: 0.3, delay: { uniform: { min: 0s, max: 2s } } }
    anomalies:
      - drift: { count: 2 }
      - noise-burst: { count: 2 }
      - season-shift: { count: 2, duration: 15m }
      - group-failure: { count: 1, ramp_in: 20s }
    decoys:
      - recalibration: { count: 2 }
"#;

/// The section in a YAML text.
pub fn section(yaml: &str) -> GeneratorSection {
    serde_saphyr::from_str(yaml).unwrap()
}

/// A plan of [`ALL`] with this seed.
pub fn all(seed: u64) -> Plan {
    resolved(GeneratorSection {
        seed,
        ..section(ALL)
    })
}

/// A plan of [`MORE`] with this seed.
pub fn more(seed: u64) -> Plan {
    resolved(GeneratorSection {
        seed,
        ..section(MORE)
    })
}

/// A plan of [`ALL`] without incidents.
pub fn calm(seed: u64) -> Plan {
    calm_of(ALL, seed)
}

/// A plan without its incidents and decoys.
pub fn calm_of(yaml: &str, seed: u64) -> Plan {
    let mut section = GeneratorSection {
        seed,
        ..section(yaml)
    };
    let streams = &mut section.streams;
    for stream in [
        &mut streams.clickstream,
        &mut streams.banking,
        &mut streams.sensors,
    ] {
        let stream = stream.as_mut().unwrap();
        stream.anomalies.clear();
        stream.decoys.clear();
    }
    resolved(section)
}

/// The plan of a section that is sound.
pub fn resolved(section: GeneratorSection) -> Plan {
    Plan::resolve(&section).unwrap_or_else(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", texts.join("\n"))
    })
}

/// All events of a stream in the order of their due times.
pub fn all_events(plan: &Plan, stream: Stream) -> Vec<Event> {
    events(plan, stream, Share::WHOLE).unwrap().collect()
}

/// An event of any stream with its texts by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    pub id: String,
    pub at: EventTime,
    pub slot: u64,
    pub fields: BTreeMap<&'static str, String>,
}

/// Decodes an event as a consumer would.
pub fn decode(stream: Stream, event: &Event) -> Decoded {
    let (id, at, fields) = match stream {
        Stream::Clickstream => {
            let e = ClickEvent::decode(&event.value).unwrap();
            let fields = vec![
                ("user", e.user_id.to_string()),
                ("session", e.session_id.to_string()),
                ("type", e.event_type.to_string()),
                ("page", e.page_url.to_string()),
                ("ip", e.ip_address.to_string()),
                ("country", e.country.to_string()),
                ("referrer", e.referrer.unwrap_or_default().to_string()),
            ];
            (e.event_id.to_string(), e.timestamp, fields)
        }
        Stream::Banking => {
            let e = BankingUiEvent::decode_body(event.body()).unwrap();
            let fields = vec![
                ("user", e.user_id.to_owned()),
                ("session", e.session_id.to_owned()),
                ("type", e.event_type.to_owned()),
                ("device", e.device_fingerprint.to_owned()),
                ("ip", e.ip_address.to_owned()),
                ("latency", e.latency_ms.to_string()),
                ("element", e.element_id.to_owned()),
                ("typed", e.input_hash.unwrap_or_default().to_owned()),
            ];
            (e.event_id.to_owned(), e.timestamp, fields)
        }
        Stream::Sensors => {
            let e = SensorReading::decode(&event.value).unwrap();
            let fields = vec![
                ("sensor", e.sensor_id.to_string()),
                ("value", e.value.to_string()),
            ];
            (e.id(), e.timestamp, fields)
        }
    };
    Decoded {
        id,
        at,
        slot: event.slot,
        fields: fields.into_iter().collect(),
    }
}

/// All events of a stream, decoded, in the order of their slots.
pub fn decoded(plan: &Plan, stream: Stream) -> Vec<Decoded> {
    let mut found: Vec<Decoded> = all_events(plan, stream)
        .iter()
        .map(|event| decode(stream, event))
        .collect();
    found.sort_by_key(|event| event.slot);
    found
}

/// Groups events by one of their fields, each group in the order of event time.
pub fn by<'a>(events: &'a [Decoded], field: &str) -> BTreeMap<&'a str, Vec<&'a Decoded>> {
    let mut groups: BTreeMap<&str, Vec<&Decoded>> = BTreeMap::new();
    for event in events {
        groups.entry(&event.fields[field]).or_default().push(event);
    }
    groups
}
