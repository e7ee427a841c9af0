//! What an event says, without its slot and its time, and how that becomes bytes.

mod own;

use std::net::Ipv4Addr;

use floodmark_contracts::{
    clock::EventTime,
    event::{
        banking::{self, BankingUiEvent},
        clickstream::{self, ClickEvent},
        confluent::{FRAME_LEN, write_frame},
        sensor::SensorReading,
    },
    profile::shape::RawFormat,
    site::Site,
    stream::Stream,
};
use floodmark_kafka::producer::partition_for_key;

use self::own::{BankParts, ClickParts};
use crate::{
    address::{AddressBook, AddressText},
    draw::{below, scramble},
    hex,
    ids::{EventIds, UuidText, random_uuid},
    sensors::SensorTypes,
    shape::{Record, SchemaIds, Shape},
};

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Content {
    Click(Click),
    Bank(Bank),
    Reading(Reading),
}

impl Content {
    /// The user, account or sensor whose event it is; its record key.
    pub(crate) fn entity(&self) -> u32 {
        match self {
            Self::Click(click) => click.user,
            Self::Bank(bank) => bank.user,
            Self::Reading(reading) => reading.sensor,
        }
    }
}

/// Where and when an event stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) slot: u64,
    /// Event time, as the producer's clock says.
    pub(crate) at: EventTime,
    /// True if its id is not the slot's own: a retry under a new id.
    pub(crate) new_id: bool,
}

/// An event of `clickstream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Click {
    pub(crate) user: u32,
    pub(crate) session: u64,
    pub(crate) visitor: Visitor,
    pub(crate) page: u8,
    pub(crate) action: ClickAction,
    pub(crate) origin: Origin,
}

/// Number of small sites that visits come from now and then.
pub(crate) const SMALL_SITES: u16 = 400;

/// Where the visitor was before the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Outside: which site, if any, follows from the session alone.
    Outside,
    /// A page of the site.
    Page(u8),
    /// One of the small sites.
    Site(u16),
}

impl Origin {
    /// The referrer as a browser sends it; empty where it sends none.
    fn referrer(self, site: &Site, session: u64) -> String {
        match self {
            Self::Page(page) => {
                format!(
                    "https://www.shop.example{}",
                    site.pages()[usize::from(page)]
                )
            }
            Self::Site(number) => format!("https://site-{number}.example/"),
            Self::Outside => {
                let bits = scramble(session ^ 0x0fe7_7e75);
                match below(bits, 20) {
                    0..=7 => String::new(),
                    8..=14 => "https://search.example/".to_owned(),
                    15..=16 => "https://social.example/".to_owned(),
                    _ => {
                        let number = below(scramble(bits), u32::from(SMALL_SITES));
                        format!("https://site-{number}.example/")
                    }
                }
            }
        }
    }
}

/// Where a visitor is and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(crate) address: Ipv4Addr,
    pub(crate) country: u8,
    pub(crate) device: DeviceType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceType {
    Desktop,
    Mobile,
    Tablet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClickAction {
    PageView,
    Click,
    Search,
    AddToCart,
    Purchase,
    Error,
}

/// An event of `banking`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bank {
    pub(crate) user: u32,
    pub(crate) session: u64,
    pub(crate) device: u64,
    pub(crate) address: Ipv4Addr,
    pub(crate) action: BankAction,
    pub(crate) latency_ms: i32,
    pub(crate) typed: Typed,
}

/// What was typed, where something was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Drawn for the event alone.
    Anew,
    /// The same, but for what names this payee.
    For(u64),
    /// What was typed before.
    Before(u64),
}

impl Typed {
    /// The hash of what was typed into an event's element, from what was drawn for the event. Its highest two
    /// bits choose the field of a form.
    fn hash(self, action: BankAction, drawn: u64) -> u64 {
        match self {
            Self::Before(bits) => bits,
            Self::For(payee) if action == BankAction::FieldInput => {
                let field = drawn >> 62;
                if NAMES_PAYEE[field as usize] {
                    field << 62 | scramble(payee ^ field) >> 2
                } else {
                    drawn
                }
            }
            Self::Anew | Self::For(_) => drawn,
        }
    }
}

/// The fields of the form for a transfer, and whether what is typed there names the payee.
pub(crate) const FORM: [&str; 4] = ["amount", "iban", "reference", "payee-name"];
const NAMES_PAYEE: [bool; 4] = [false, true, false, true];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BankAction {
    LoginView,
    LoginSuccess,
    LoginFailed,
    BalanceView,
    FieldInput,
    PayeeChange,
    Transfer,
    Logout,
}

/// An event of `sensors`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reading {
    pub(crate) sensor: u32,
    pub(crate) value: f64,
    /// Number of its type.
    pub(crate) sensor_type: u8,
}

impl DeviceType {
    fn name(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
        }
    }
}

impl ClickAction {
    fn name(self) -> &'static str {
        use clickstream::event_type;
        match self {
            Self::PageView => event_type::PAGE_VIEW,
            Self::Click => event_type::CLICK,
            Self::Search => event_type::SEARCH,
            Self::AddToCart => event_type::ADD_TO_CART,
            Self::Purchase => event_type::PURCHASE,
            Self::Error => event_type::ERROR,
        }
    }
}

impl BankAction {
    fn name(self) -> &'static str {
        use banking::event_type;
        match self {
            Self::LoginView => event_type::LOGIN_VIEW,
            Self::LoginSuccess => event_type::LOGIN_SUCCESS,
            Self::LoginFailed => event_type::LOGIN_FAILED,
            Self::BalanceView => event_type::BALANCE_VIEW,
            Self::FieldInput => event_type::FIELD_INPUT,
            Self::PayeeChange => event_type::PAYEE_CHANGE,
            Self::Transfer => event_type::TRANSFER,
            Self::Logout => event_type::LOGOUT,
        }
    }

    /// The element that was used, and whether something was typed into it. `bits` chooses among the
    /// fields of a form.
    fn element(self, bits: u64) -> (&'static str, bool) {
        match self {
            Self::LoginView => ("login-form", false),
            Self::LoginSuccess | Self::LoginFailed => ("login-submit", true),
            Self::BalanceView => ("balance-panel", false),
            Self::FieldInput => (FORM[(bits >> 62) as usize], true),
            Self::PayeeChange => ("payee-save", false),
            Self::Transfer => ("transfer-submit", false),
            Self::Logout => ("logout-button", false),
        }
    }
}

/// Name of an entity of a stream, as events carry it: numbers from 1.
pub(crate) fn entity_name(stream: Stream, number: u32) -> String {
    text(EntityName::new(stream, number).as_bytes()).to_owned()
}

/// Name of an entity without allocation; also the record key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EntityName {
    text: [u8; 24],
    len: usize,
}

impl EntityName {
    pub(crate) fn new(stream: Stream, number: u32) -> Self {
        let prefix: &[u8] = match stream {
            Stream::Clickstream => b"user-",
            Stream::Banking => b"account-",
            Stream::Sensors => b"sensor_",
        };
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(u64::from(number) + 1).as_bytes();
        let mut text = [0; 24];
        // Eight letters and ten digits at most.
        let len = prefix.len() + digits.len();
        text[..prefix.len()].copy_from_slice(prefix);
        text[prefix.len()..len].copy_from_slice(digits);
        Self { text, len }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    pub(crate) fn as_str(&self) -> &str {
        text(self.as_bytes())
    }
}

/// Id of a session from its 64 random bits.
pub(crate) fn session_id(session: u64) -> UuidText {
    let (high, low) = (
        scramble(session ^ 0x5e55_1014),
        scramble(session ^ 0x0b5e_55ed),
    );
    UuidText::new(random_uuid(high, low))
}

/// Fingerprint of a device from its 64 random bits.
pub(crate) fn device_fingerprint(device: u64) -> String {
    String::from_utf8_lossy(&hex::long_digits(device)).into_owned()
}

fn text(bytes: &[u8]) -> &str {
    // Only names that were written here come in, all of them ASCII.
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Turns contents into keys and values.
#[derive(Debug, Clone)]
pub(crate) struct Encoder<'a> {
    pub(crate) ids: EventIds,
    pub(crate) book: &'a AddressBook,
    pub(crate) site: &'static Site,
    /// The shape of the records, where it is not the stream's own.
    pub(crate) shape: Option<&'a Shape>,
    pub(crate) format: RawFormat,
    /// Ids of the Avro schemas at the registry.
    pub(crate) schema_ids: SchemaIds,
    /// True if clicks say where their visitor was before.
    pub(crate) referrer: bool,
    /// The types that readings name, if there are several.
    pub(crate) types: &'a SensorTypes,
}

impl Encoder<'_> {
    /// Replaces `key` and `value` by those of an event.
    pub(crate) fn encode(
        &self,
        content: &Content,
        place: Place,
        key: &mut Vec<u8>,
        value: &mut Vec<u8>,
    ) {
        key.clear();
        value.clear();
        match content {
            Content::Click(click) => {
                let name = EntityName::new(Stream::Clickstream, click.user);
                key.extend_from_slice(name.as_bytes());
                self.click(click, &name, place, key, value);
            }
            Content::Bank(bank) => {
                let name = EntityName::new(Stream::Banking, bank.user);
                key.extend_from_slice(name.as_bytes());
                self.bank(bank, &name, place, key, value);
            }
            Content::Reading(reading) => {
                let name = EntityName::new(Stream::Sensors, reading.sensor);
                key.extend_from_slice(name.as_bytes());
                self.reading(reading, &name, place, key, value);
            }
        }
    }

    fn id(&self, stream: Stream, place: Place) -> u128 {
        if place.new_id {
            self.ids.new_id(stream, place.slot)
        } else {
            self.ids.id(stream, place.slot)
        }
    }

    /// Bytes in front of the body of the records: the frame of Avro.
    pub(crate) fn frame_len(&self) -> usize {
        match self.format {
            RawFormat::Avro => FRAME_LEN,
            RawFormat::Json => 0,
        }
    }

    /// The partition of an event of an entity in `partition`: that, unless the shape has another key.
    pub(crate) fn partition(&self, key: &[u8], slot: u64, own: u32, partitions: u32) -> i32 {
        let Some(shape) = self.shape else {
            return i32::try_from(own).unwrap_or(i32::MAX);
        };
        let without_key = shape.partition(slot, partitions);
        without_key.unwrap_or_else(|| {
            partition_for_key(key, i32::try_from(partitions).unwrap_or(i32::MAX))
        })
    }

    fn click(
        &self,
        click: &Click,
        name: &EntityName,
        place: Place,
        key: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        let id = UuidText::new(self.id(Stream::Clickstream, place));
        let session = session_id(click.session);
        let address = AddressText::new(click.visitor.address);
        let (action, device) = (click.action.name(), click.visitor.device.name());
        let page = self.site.pages()[usize::from(click.page)].as_str();
        let country = self.book.code(click.visitor.country);
        if self.shape.is_none() && !self.referrer {
            let parts = ClickParts {
                id: id.as_bytes(),
                user: name.as_bytes(),
                session: session.as_bytes(),
                action,
                page,
                at: place.at,
                address: address.as_bytes(),
                country,
                device,
            };
            return own::click(&parts, out);
        }
        let event = ClickEvent {
            event_id: id.as_str().into(),
            user_id: name.as_str().into(),
            session_id: session.as_str().into(),
            event_type: action.into(),
            page_url: page.into(),
            timestamp: place.at,
            ip_address: address.as_str().into(),
            country: country.into(),
            device_type: device.into(),
            referrer: self
                .referrer
                .then(|| click.origin.referrer(self.site, click.session).into()),
        };
        match self.shape {
            None => event.encode(out),
            Some(shape) => self.shaped(shape, Record::Click(&event), place, key, out),
        }
    }

    fn bank(
        &self,
        bank: &Bank,
        name: &EntityName,
        place: Place,
        key: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        let slot_id = self.ids.id(Stream::Banking, place.slot);
        let id = if place.new_id {
            self.id(Stream::Banking, place)
        } else {
            slot_id
        };
        // The hash of what was typed says nothing but whether it was typed before, as it does where input is
        // masked; what is drawn must not depend on anything but the event's place.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "half of the id's bits suffice"
        )]
        let drawn = scramble(slot_id as u64 ^ bank.session);
        let typed = bank.typed.hash(bank.action, drawn);
        let (element, has_input) = bank.action.element(typed);
        let (hash, device) = (hex::long_digits(typed), hex::long_digits(bank.device));
        let (id, session) = (UuidText::new(id), session_id(bank.session));
        let address = AddressText::new(bank.address);
        let Some(shape) = self.shape else {
            write_frame(out, self.schema_ids.of(0));
            let parts = BankParts {
                id: id.as_bytes(),
                session: session.as_bytes(),
                user: name.as_bytes(),
                action: bank.action.name(),
                element,
                input_hash: has_input.then_some(&hash),
                at: place.at,
                latency_ms: bank.latency_ms,
                device: &device,
                address: address.as_bytes(),
            };
            return own::bank(&parts, out);
        };
        let event = BankingUiEvent {
            event_id: id.as_str(),
            session_id: session.as_str(),
            user_id: name.as_str(),
            event_type: bank.action.name(),
            element_id: element,
            input_hash: has_input.then(|| text(&hash)),
            timestamp: place.at,
            latency_ms: bank.latency_ms,
            device_fingerprint: text(&device),
            ip_address: address.as_str(),
        };
        self.shaped(shape, Record::Bank(&event), place, key, out);
    }

    fn reading(
        &self,
        reading: &Reading,
        name: &EntityName,
        place: Place,
        key: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        let sensor_type = self.types.name(reading.sensor_type);
        let Some(shape) = self.shape else {
            return own::reading(name.as_bytes(), reading.value, place.at, sensor_type, out);
        };
        let event = SensorReading {
            sensor_id: name.as_str().into(),
            value: reading.value,
            timestamp: place.at,
            sensor_type: sensor_type.map(Into::into),
        };
        self.shaped(shape, Record::Reading(&event), place, key, out);
    }

    /// Writes a record in the shape that the profile asks for, with the key that goes with it.
    fn shaped(
        &self,
        shape: &Shape,
        record: Record<'_>,
        place: Place,
        key: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        shape.write_key(record, key);
        shape.write(record, (place.slot, place.at), self.schema_ids, out);
    }
}
