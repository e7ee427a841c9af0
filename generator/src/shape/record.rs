//! Records by their fields, whatever their stream.

use floodmark_contracts::{
    event::{banking::BankingUiEvent, clickstream::ClickEvent, sensor::SensorReading},
    profile::streams::StreamSection,
    stream::Stream,
};

/// An event in the stream's own record.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Record<'a> {
    Click(&'a ClickEvent<'a>),
    Bank(&'a BankingUiEvent<'a>),
    Reading(&'a SensorReading<'a>),
}

/// One of our fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    EventId,
    UserId,
    SessionId,
    EventType,
    PageUrl,
    ElementId,
    InputHash,
    Timestamp,
    LatencyMs,
    DeviceFingerprint,
    IpAddress,
    Country,
    DeviceType,
    Referrer,
    SensorId,
    Value,
    SensorType,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Datum<'a> {
    Text(&'a str),
    Nullable(Option<&'a str>),
    Long(i64),
    Double(f64),
}

/// Without the last one, unless the stream is asked for it.
const CLICKSTREAM: [(&str, Source); 10] = [
    ("event_id", Source::EventId),
    ("user_id", Source::UserId),
    ("session_id", Source::SessionId),
    ("event_type", Source::EventType),
    ("page_url", Source::PageUrl),
    ("timestamp", Source::Timestamp),
    ("ip_address", Source::IpAddress),
    ("country", Source::Country),
    ("device_type", Source::DeviceType),
    ("referrer", Source::Referrer),
];

const BANKING: [(&str, Source); 10] = [
    ("event_id", Source::EventId),
    ("session_id", Source::SessionId),
    ("user_id", Source::UserId),
    ("event_type", Source::EventType),
    ("element_id", Source::ElementId),
    ("input_hash", Source::InputHash),
    ("timestamp", Source::Timestamp),
    ("latency_ms", Source::LatencyMs),
    ("device_fingerprint", Source::DeviceFingerprint),
    ("ip_address", Source::IpAddress),
];

/// Without the last one, unless there are types of sensors.
const SENSORS: [(&str, Source); 4] = [
    ("sensor_id", Source::SensorId),
    ("value", Source::Value),
    ("timestamp", Source::Timestamp),
    ("sensor_type", Source::SensorType),
];

/// Our fields of a stream with this section, in the order in which they are written.
pub(crate) fn fields(stream: Stream, section: &StreamSection) -> &'static [(&'static str, Source)] {
    match stream {
        Stream::Clickstream if section.referrer => &CLICKSTREAM,
        Stream::Clickstream => &CLICKSTREAM[..CLICKSTREAM.len() - 1],
        Stream::Banking => &BANKING,
        Stream::Sensors if section.population.types.is_empty() => &SENSORS[..SENSORS.len() - 1],
        Stream::Sensors => &SENSORS,
    }
}

/// The field with this name, if it is one of ours.
pub(crate) fn field(ours: &[(&'static str, Source)], name: &str) -> Option<Source> {
    let found = ours.iter().find(|(known, _)| *known == name);
    found.map(|(_, source)| *source)
}

/// Names of fields, as messages list them.
pub(crate) fn listed<'a>(ours: impl Iterator<Item = &'a (&'static str, Source)>) -> String {
    let names: Vec<String> = ours.map(|(name, _)| format!("`{name}`")).collect();
    names.join(", ")
}

impl Source {
    /// Our name of the field.
    pub(crate) fn name(self) -> &'static str {
        let all = CLICKSTREAM.iter().chain(&BANKING).chain(&SENSORS);
        let mut all = all.filter(|(_, source)| *source == self);
        all.next().map_or("", |(name, _)| *name)
    }

    /// The field that names a stream's entity, which is the key by default.
    pub(crate) fn entity(stream: Stream) -> Self {
        match stream {
            Stream::Clickstream | Stream::Banking => Self::UserId,
            Stream::Sensors => Self::SensorId,
        }
    }

    /// True if the field always holds a text.
    pub(crate) fn is_text(self) -> bool {
        !matches!(
            self,
            Self::InputHash
                | Self::Timestamp
                | Self::LatencyMs
                | Self::Value
                | Self::Referrer
                | Self::SensorType
        )
    }
}

impl<'a> Record<'a> {
    /// What a field holds. A field that the record does not have is null; no plan asks for one.
    pub(crate) fn datum(self, source: Source) -> Datum<'a> {
        match self {
            Self::Click(event) => click(event, source),
            Self::Bank(event) => bank(event, source),
            Self::Reading(event) => match source {
                Source::SensorId => Datum::Text(&event.sensor_id),
                Source::Value => Datum::Double(event.value),
                Source::Timestamp => Datum::Long(event.timestamp.0),
                Source::SensorType => Datum::Nullable(event.sensor_type.as_deref()),
                _ => Datum::Nullable(None),
            },
        }
    }
}

fn click<'a>(event: &'a ClickEvent<'a>, source: Source) -> Datum<'a> {
    Datum::Text(match source {
        Source::EventId => &event.event_id,
        Source::UserId => &event.user_id,
        Source::SessionId => &event.session_id,
        Source::EventType => &event.event_type,
        Source::PageUrl => &event.page_url,
        Source::IpAddress => &event.ip_address,
        Source::Country => &event.country,
        Source::DeviceType => &event.device_type,
        Source::Referrer => return Datum::Nullable(event.referrer.as_deref()),
        Source::Timestamp => return Datum::Long(event.timestamp.0),
        _ => return Datum::Nullable(None),
    })
}

fn bank<'a>(event: &BankingUiEvent<'a>, source: Source) -> Datum<'a> {
    Datum::Text(match source {
        Source::EventId => event.event_id,
        Source::UserId => event.user_id,
        Source::SessionId => event.session_id,
        Source::EventType => event.event_type,
        Source::ElementId => event.element_id,
        Source::DeviceFingerprint => event.device_fingerprint,
        Source::IpAddress => event.ip_address,
        Source::InputHash => return Datum::Nullable(event.input_hash),
        Source::Timestamp => return Datum::Long(event.timestamp.0),
        Source::LatencyMs => return Datum::Long(i64::from(event.latency_ms)),
        _ => return Datum::Nullable(None),
    })
}
