//! Records by their fields, whatever their stream.

use floodmark_contracts::{
    event::{banking::BankingUiEvent, clickstream::ClickEvent, sensor::SensorReading},
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
    SensorId,
    Value,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Datum<'a> {
    Text(&'a str),
    Nullable(Option<&'a str>),
    Long(i64),
    Double(f64),
}

const CLICKSTREAM: [(&str, Source); 9] = [
    ("event_id", Source::EventId),
    ("user_id", Source::UserId),
    ("session_id", Source::SessionId),
    ("event_type", Source::EventType),
    ("page_url", Source::PageUrl),
    ("timestamp", Source::Timestamp),
    ("ip_address", Source::IpAddress),
    ("country", Source::Country),
    ("device_type", Source::DeviceType),
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

const SENSORS: [(&str, Source); 3] = [
    ("sensor_id", Source::SensorId),
    ("value", Source::Value),
    ("timestamp", Source::Timestamp),
];

/// Our fields of a stream, in the order in which they are written.
pub(crate) fn fields(stream: Stream) -> &'static [(&'static str, Source)] {
    match stream {
        Stream::Clickstream => &CLICKSTREAM,
        Stream::Banking => &BANKING,
        Stream::Sensors => &SENSORS,
    }
}

/// The field of a stream with this name of ours.
pub(crate) fn field(stream: Stream, name: &str) -> Option<Source> {
    let found = fields(stream).iter().find(|(ours, _)| *ours == name);
    found.map(|(_, source)| *source)
}

impl Source {
    /// The field of a stream with this name of ours.
    pub(crate) fn named(stream: Stream, name: &str) -> Option<Self> {
        field(stream, name)
    }

    /// Our names of a stream's fields, in their order.
    pub(crate) fn names(stream: Stream) -> impl Iterator<Item = &'static str> {
        fields(stream).iter().map(|(name, _)| *name)
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
            Self::InputHash | Self::Timestamp | Self::LatencyMs | Self::Value
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
