//! Fields that a profile adds, and those that further versions of a schema have.

use std::io::Write as _;

use floodmark_contracts::{
    clock::EventTime,
    event::{avro, json},
    profile::shape::{RawAdded, RawId, RawTime},
};
use serde_json::{Value, json};

use crate::{
    draw::Draws,
    ids::{UuidText, random_uuid},
};

/// How an added field is filled, compiled.
#[derive(Debug, Clone)]
pub(super) enum Added {
    /// Bytes that never change, in both encodings, and the Avro type.
    Constant {
        json: Vec<u8>,
        avro: Vec<u8>,
        avro_type: &'static str,
    },
    Choice(Vec<String>),
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Uuid,
    Hex,
    Iso,
    Micros,
    /// One of these texts or, once in eight times, nothing: the field of a further version.
    Optional(&'static [&'static str]),
}

impl Added {
    /// Compiles what a profile says of a field.
    ///
    /// # Errors
    /// Why it makes no sense, and what would.
    pub(super) fn resolve(raw: &RawAdded) -> Result<Self, String> {
        match raw {
            RawAdded::Constant(value) => constant(value),
            RawAdded::Choice(texts) if texts.is_empty() => {
                Err("no text to choose from; name one or more".to_owned())
            }
            RawAdded::Choice(texts) => Ok(Self::Choice(texts.clone())),
            RawAdded::Integer(bounds) if bounds.min > bounds.max => Err(format!(
                "`{}` to `{}` is empty; let `min` be at most `max`",
                bounds.min, bounds.max
            )),
            RawAdded::Integer(bounds) => Ok(Self::Integer {
                min: bounds.min,
                max: bounds.max,
            }),
            RawAdded::Number(bounds)
                if !(bounds.max - bounds.min).is_finite() || bounds.min >= bounds.max =>
            {
                Err(format!(
                    "`{}` to `{}` is no range of numbers; let `min` be less than `max`",
                    bounds.min, bounds.max
                ))
            }
            RawAdded::Number(bounds) => Ok(Self::Number {
                min: bounds.min,
                max: bounds.max,
            }),
            RawAdded::Id(RawId::Uuid) => Ok(Self::Uuid),
            RawAdded::Id(RawId::Hex) => Ok(Self::Hex),
            RawAdded::Time(RawTime::Iso) => Ok(Self::Iso),
            RawAdded::Time(RawTime::Micros) => Ok(Self::Micros),
        }
    }

    /// The field's type in an Avro schema.
    pub(super) fn avro_type(&self) -> Value {
        match self {
            Self::Constant { avro_type, .. } => json!(avro_type),
            Self::Choice(_) | Self::Hex | Self::Iso => json!("string"),
            Self::Uuid => json!({"type": "string", "logicalType": "uuid"}),
            Self::Integer { .. } => json!("long"),
            Self::Number { .. } => json!("double"),
            Self::Micros => json!({"type": "long", "logicalType": "timestamp-micros"}),
            Self::Optional(_) => json!(["null", "string"]),
        }
    }

    /// True if a record need not have it.
    pub(super) fn is_optional(&self) -> bool {
        matches!(self, Self::Optional(_))
    }

    /// Appends prefix and value; nothing for an optional field without a value.
    pub(super) fn write_json(
        &self,
        draws: &mut Draws,
        at: EventTime,
        prefix: &[u8],
        out: &mut Vec<u8>,
    ) {
        if let Self::Optional(texts) = self {
            if let Some(text) = optional(texts, draws) {
                out.extend_from_slice(prefix);
                json::text_field(out, "\"", text);
            }
            return;
        }
        out.extend_from_slice(prefix);
        match self {
            Self::Constant { json, .. } => out.extend_from_slice(json),
            Self::Integer { .. } | Self::Micros => {
                json::integer_field(out, "", self.whole(draws, at));
            }
            Self::Number { min, max } => json::number_field(out, "", number(*min, *max, draws)),
            _ => self.with_text(draws, at, |text| json::text_field(out, "\"", text)),
        }
    }

    /// Appends the value.
    pub(super) fn write_avro(&self, draws: &mut Draws, at: EventTime, out: &mut Vec<u8>) {
        match self {
            Self::Constant { avro, .. } => out.extend_from_slice(avro),
            Self::Integer { .. } | Self::Micros => avro::write_long(out, self.whole(draws, at)),
            Self::Number { min, max } => avro::write_double(out, number(*min, *max, draws)),
            Self::Optional(texts) => match optional(texts, draws) {
                None => avro::write_long(out, 0),
                Some(text) => {
                    avro::write_long(out, 1);
                    avro::write_text(out, text);
                }
            },
            _ => self.with_text(draws, at, |text| avro::write_text(out, text)),
        }
    }

    fn whole(&self, draws: &mut Draws, at: EventTime) -> i64 {
        match self {
            Self::Integer { min, max } => integer(*min, *max, draws),
            _ => at.0.saturating_mul(1000),
        }
    }

    /// Hands the field's text on, from a buffer of the stack where it has to be made.
    fn with_text(&self, draws: &mut Draws, at: EventTime, write: impl FnOnce(&str)) {
        match self {
            Self::Choice(texts) => {
                let count = u32::try_from(texts.len()).unwrap_or(u32::MAX);
                write(&texts[draws.below(count) as usize]);
            }
            Self::Uuid => {
                let (high, low) = (draws.bits(), draws.bits());
                write(UuidText::new(random_uuid(high, low)).as_str());
            }
            Self::Hex => {
                let mut text = [0u8; 16];
                let _ = write!(&mut text[..], "{:016x}", draws.bits());
                write(std::str::from_utf8(&text).unwrap_or_default());
            }
            _ => write(IsoText::new(at).as_str()),
        }
    }
}

/// An instant in RFC 3339 with milliseconds, without allocation.
struct IsoText {
    text: [u8; 40],
    len: usize,
}

impl IsoText {
    fn new(at: EventTime) -> Self {
        let mut text = [0u8; 40];
        let instant = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
        let mut left = &mut text[..];
        // 40 bytes hold any year that a timestamp can have.
        let _ = write!(left, "{instant:.3}");
        let len = 40 - left.len();
        Self { text, len }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }
}

fn constant(value: &Value) -> Result<Added, String> {
    let mut bytes = Vec::new();
    let avro_type = match value {
        Value::String(text) => {
            avro::write_text(&mut bytes, text);
            "string"
        }
        Value::Bool(flag) => {
            bytes.push(u8::from(*flag));
            "boolean"
        }
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => {
                avro::write_long(&mut bytes, whole);
                "long"
            }
            (None, Some(number)) => {
                avro::write_double(&mut bytes, number);
                "double"
            }
            (None, None) => return Err(format!("`{number}` is too large a number")),
        },
        other => {
            return Err(format!(
                "`{other}` is no constant; use a text, a number, `true` or `false`"
            ));
        }
    };
    Ok(Added::Constant {
        json: value.to_string().into_bytes(),
        avro: bytes,
        avro_type,
    })
}

fn optional(texts: &'static [&'static str], draws: &mut Draws) -> Option<&'static str> {
    let drawn = draws.bits();
    // The lowest bits decide whether, the highest which.
    let count = u32::try_from(texts.len()).unwrap_or(u32::MAX);
    (drawn & 7 != 0).then(|| texts[crate::draw::below(drawn, count) as usize])
}

/// A whole number between two bounds, both inclusive. Their distance may be larger than an `i64`.
#[expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the arithmetic is modulo 2^64, and the result lies between the bounds"
)]
fn integer(min: i64, max: i64, draws: &mut Draws) -> i64 {
    let count = u128::from((max as u64).wrapping_sub(min as u64)) + 1;
    let drawn = (u128::from(draws.bits()) * count) >> 64;
    (min as u64).wrapping_add(drawn as u64) as i64
}

fn number(min: f64, max: f64, draws: &mut Draws) -> f64 {
    draws.between(min, max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Key, Purpose};

    fn draws(number: u64) -> Draws {
        Key::root(1).purpose(Purpose::Shape).draws(number)
    }

    #[test]
    fn whole_numbers_reach_both_bounds_and_none_beyond() {
        let found: Vec<i64> = (0..1000).map(|i| integer(-2, 2, &mut draws(i))).collect();
        assert_eq!(found.iter().min(), Some(&-2));
        assert_eq!(found.iter().max(), Some(&2));
        let widest: Vec<i64> = (0..100)
            .map(|i| integer(i64::MIN, i64::MAX, &mut draws(i)))
            .collect();
        assert!(widest.iter().any(|n| *n < -1 << 60) && widest.iter().any(|n| *n > 1 << 60));
        assert_eq!(integer(7, 7, &mut draws(1)), 7);
    }

    #[test]
    fn constants_keep_their_type() {
        for (value, json, avro_type) in [
            (json!("a\"b"), r#""a\"b""#, "string"),
            (json!(7), "7", "long"),
            (json!(0.5), "0.5", "double"),
            (json!(true), "true", "boolean"),
        ] {
            let Ok(Added::Constant {
                json: found,
                avro_type: kind,
                ..
            }) = constant(&value)
            else {
                panic!("{value}")
            };
            assert_eq!((found.as_slice(), kind), (json.as_bytes(), avro_type));
        }
        for value in [json!(null), json!([1]), json!({"a": 1})] {
            assert!(
                constant(&value).unwrap_err().contains("use a text"),
                "{value}"
            );
        }
    }

    #[test]
    fn an_instant_is_written_with_milliseconds() {
        let text = IsoText::new(EventTime(1_749_531_840_007));
        assert_eq!(text.as_str(), "2025-06-10T05:04:00.007Z");
    }
}
