//! Which series shows a kind: what is taken from which events, and how it is drawn.

use std::net::IpAddr;

use floodmark_contracts::{
    geo::COUNTRY_MMDB, key::KeyType, kind::Kind, label::Label, stream::Stream,
};
use serde_json::Value;

/// What is taken from an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Sample {
    /// A value at its time.
    Number(f64),
    /// One more.
    One,
    /// A name: something that the event has.
    Name(String),
}

/// How samples are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Numbers as dots.
    Dots,
    /// The mean of the numbers in each span of so many seconds, as a line; 0 for the numbers themselves.
    Line(u32),
    /// How many there are in each span of so many seconds.
    Count(u32),
    /// How many different names there are in each span of so many seconds.
    Different(u32),
    /// How many of the name that the incident's own events have there are in each span of so many seconds.
    CountOfIts(u32),
    /// A row for each name.
    Rows,
    /// A row for each name that the incident's own events have.
    RowsOfIts,
    /// For names that are a session and a page: whether a link of the session's page before led to each of them.
    Steps,
    /// For names that are sessions: seconds since the session's event before, as dots.
    Gaps,
    /// Of two names, how many of the second there are for one of the first, in each span of so many seconds.
    Share(u32, [&'static str; 2]),
}

/// How a kind is shown.
pub struct View {
    /// What the picture shows, with its unit.
    pub title: &'static str,
    /// How it is drawn.
    pub shape: Shape,
    /// Minutes that are shown before and after the incident.
    pub around: f64,
    /// What it takes from an event, if anything.
    pub takes: fn(&Label, Stream, &Value) -> Option<Sample>,
}

/// The view of a kind.
pub fn view(kind: Kind) -> View {
    let (title, shape, around, takes) = match kind.stream() {
        Stream::Clickstream => of_clicks(kind),
        Stream::Banking => of_banking(kind),
        Stream::Sensors => of_sensors(kind),
    };
    View {
        title,
        shape,
        around,
        takes,
    }
}

type Parts = (
    &'static str,
    Shape,
    f64,
    fn(&Label, Stream, &Value) -> Option<Sample>,
);

fn of_clicks(kind: Kind) -> Parts {
    use Shape::{Count, CountOfIts, Gaps, Rows, Share, Steps};
    match kind {
        Kind::TrafficSpike | Kind::FlashSale => (
            "events on the page, each 10 s",
            Count(10),
            6.0,
            |label, _, event| {
                one(is(label, KeyType::Page, event) && text(event, "event_type") != "error")
            },
        ),
        Kind::Bot => (
            "seconds from one event of a session of the user to the next",
            Gaps,
            12.0,
            |label, _, event| name(event, "session_id").filter(|_| is(label, KeyType::User, event)),
        ),
        Kind::ClickFraud => (
            "clicks on the page by the label's users, each 30 s",
            Count(30),
            10.0,
            |label, _, event| {
                let is_click = text(event, "event_type") == "click";
                one(is_click && is(label, KeyType::Page, event) && is(label, KeyType::User, event))
            },
        ),
        Kind::ImpossibleNavigation => ("steps of the user", Steps, 45.0, |label, _, event| {
            let step = format!("{} {}", text(event, "session_id"), text(event, "page_url"));
            is(label, KeyType::User, event).then_some(Sample::Name(step))
        }),
        Kind::GeoHop => (
            "country of the session's events",
            Rows,
            2.0,
            |label, _, event| name(event, "country").filter(|_| is(label, KeyType::Session, event)),
        ),
        Kind::FunnelDropOff => (
            "confirmations for one payment, each 2 min",
            Share(120, ["/checkout/payment", "/confirmation"]),
            20.0,
            |_, _, event| name(event, "page_url"),
        ),
        Kind::ErrorBurst => (
            "errors on the page, each 10 s",
            Count(10),
            6.0,
            |label, _, event| {
                one(is(label, KeyType::Page, event) && text(event, "event_type") == "error")
            },
        ),
        Kind::InhumanSpeed => ("events of the user, each 5 s", Count(5), 4.0, of_user),
        Kind::CartAbandonment => (
            "carts with the product, each 30 s",
            Count(30),
            12.0,
            |label, _, event| {
                one(is(label, KeyType::Page, event) && text(event, "event_type") == "add_to_cart")
            },
        ),
        _ => (
            "visits to the page from the site, each 20 s",
            CountOfIts(20),
            8.0,
            |label, _, event| name(event, "referrer").filter(|_| is(label, KeyType::Page, event)),
        ),
    }
}

fn of_banking(kind: Kind) -> Parts {
    use Shape::{Count, Different, Dots, Rows, RowsOfIts};
    let device: fn(&Label, Stream, &Value) -> Option<Sample> = |label, _, event| {
        name(event, "device_fingerprint").filter(|_| is(label, KeyType::User, event))
    };
    match kind {
        Kind::CredentialStuffing => (
            "accounts that fail from the address, each 30 s",
            Different(30),
            8.0,
            |label, _, event| {
                let fails =
                    text(event, "event_type") == "login_failed" && is(label, KeyType::Ip, event);
                name(event, "user_id").filter(|_| fails)
            },
        ),
        Kind::ImpossibleTravel => (
            "country of the account's events",
            Rows,
            30.0,
            |label, _, event| {
                country(text(event, "ip_address")).filter(|_| is(label, KeyType::User, event))
            },
        ),
        Kind::MachineSpeedInput => (
            "milliseconds between the user's inputs",
            Dots,
            12.0,
            |label, _, event| {
                let latency = event.get("latency_ms")?.as_f64()?;
                is(label, KeyType::User, event).then_some(Sample::Number(latency))
            },
        ),
        Kind::MuleDevice => (
            "accounts that the device visits",
            Rows,
            10.0,
            |label, _, event| name(event, "user_id").filter(|_| is(label, KeyType::Device, event)),
        ),
        Kind::SlowBruteForce => (
            "failed logins of the account, each minute",
            Count(60),
            40.0,
            |label, _, event| {
                one(text(event, "event_type") == "login_failed" && is(label, KeyType::User, event))
            },
        ),
        Kind::ReplayedInput => (
            "inputs of the account by their hash",
            RowsOfIts,
            15.0,
            |label, _, event| name(event, "input_hash").filter(|_| is(label, KeyType::User, event)),
        ),
        Kind::BotThenTakeover => (
            "what comes from the address",
            Rows,
            4.0,
            |label, stream, event| {
                let site = if stream == Stream::Banking {
                    "bank"
                } else {
                    "shop"
                };
                let what = format!("{site}: {}", text(event, "event_type"));
                is(label, KeyType::Ip, event).then_some(Sample::Name(what))
            },
        ),
        Kind::SessionHijack => ("device of the account's events", Rows, 20.0, device),
        _ => ("device of the account's events", Rows, 60.0, device),
    }
}

fn of_sensors(kind: Kind) -> Parts {
    use Shape::{Dots, Line};
    let value: fn(&Label, Stream, &Value) -> Option<Sample> = |label, _, event| {
        let value = event.get("value")?.as_f64()?;
        is(label, KeyType::Sensor, event).then_some(Sample::Number(value))
    };
    let title = "value of the sensor";
    match kind {
        Kind::SensorSpike => (title, Line(0), 3.0, value),
        Kind::LevelShift | Kind::NoiseBurst => (title, Line(0), 5.0, value),
        Kind::Recalibration => (title, Line(0), 3.0, value),
        Kind::StuckValue | Kind::DropOut => (title, Dots, 1.5, value),
        Kind::Drift => ("value of the sensor, means of 10 s", Line(10), 15.0, value),
        Kind::SeasonShift => (
            "value of the sensor, means of a minute",
            Line(60),
            180.0,
            value,
        ),
        _ => (
            "value of the group's eight sensors, means of 5 s",
            Line(5),
            8.0,
            value,
        ),
    }
}

fn of_user(label: &Label, _: Stream, event: &Value) -> Option<Sample> {
    one(is(label, KeyType::User, event))
}

fn one(is_one: bool) -> Option<Sample> {
    is_one.then_some(Sample::One)
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn name(event: &Value, field: &str) -> Option<Sample> {
    Some(Sample::Name(event.get(field)?.as_str()?.to_owned()))
}

/// Whether an event belongs to one of the label's keys of a type.
fn is(label: &Label, key_type: KeyType, event: &Value) -> bool {
    let field = match key_type {
        KeyType::User => "user_id",
        KeyType::Session => "session_id",
        KeyType::Page => "page_url",
        KeyType::Ip => "ip_address",
        KeyType::Device => "device_fingerprint",
        KeyType::Sensor => "sensor_id",
        KeyType::Group => return false,
    };
    let id = text(event, field);
    label
        .keys
        .iter()
        .any(|key| key.key_type == key_type && key.id == id)
}

/// The country of an address, as a detector can look it up.
fn country(address: &str) -> Option<Sample> {
    let reader = maxminddb::Reader::from_source(COUNTRY_MMDB).ok()?;
    let found = reader.lookup(address.parse::<IpAddr>().ok()?).ok()?;
    let code: Option<&str> = found.decode_path(&maxminddb::path!["country_code"]).ok()?;
    Some(Sample::Name(code?.to_owned()))
}
