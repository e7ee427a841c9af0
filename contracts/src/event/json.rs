//! Writing JSON fields without a serializer: the generator's hot path. Module `plain` reads them.

pub mod plain;

use serde::Deserialize;

use super::DecodeError;

/// Reads a record by `serde_json`. All of it has to be text: the parser would pass over other bytes in fields that nobody
/// reads, and who copies the record would copy what is no JSON.
///
/// # Errors
/// [`DecodeError::Json`] with what the parser says.
pub(super) fn parse<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    record: &'static str,
) -> Result<T, DecodeError> {
    let refused = |reason: String| DecodeError::Json { record, reason };
    let text = std::str::from_utf8(bytes).map_err(|error| refused(error.to_string()))?;
    serde_json::from_str(text).map_err(|error| refused(error.to_string()))
}

/// Appends `text` as a JSON string body, escaping what must be escaped.
pub fn escaped(out: &mut Vec<u8>, text: &str) {
    // Nearly every string that we write is plain. Looking at all of its bytes, without leaving at the
    // first that is not, lets the compiler look at sixteen at a time.
    let special = |b: u8| b < 0x20 || b == b'"' || b == b'\\';
    if !text.bytes().fold(false, |found, b| found | special(b)) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            c if u32::from(c) < 0x20 => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Appends `prefix` (such as `,"name":"`), the escaped text and a closing quote.
pub fn text_field(out: &mut Vec<u8>, prefix: &str, text: &str) {
    out.extend_from_slice(prefix.as_bytes());
    escaped(out, text);
    out.push(b'"');
}

/// Appends `prefix` (such as `,"name":`) and an integer.
#[inline]
pub fn integer_field(out: &mut Vec<u8>, prefix: &str, value: i64) {
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `prefix` (such as `,"name":`) and a number. One that is not finite is written as `null`, which
/// no reader accepts: JSON has no other way.
#[inline]
pub fn number_field(out: &mut Vec<u8>, prefix: &str, value: f64) {
    out.extend_from_slice(prefix.as_bytes());
    number(out, value);
}

/// Appends a number as the shortest text that reads back as it. What has two decimals, as readings
/// mostly have, needs no search for it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "below 2^53, where doubles are whole numbers"
)]
fn number(out: &mut Vec<u8>, value: f64) {
    let cents = (value.abs() * 100.0).round();
    if cents != 0.0 && cents < 1e15 && cents / 100.0 == value.abs() {
        let (whole, rest) = (cents as u64 / 100, cents as u64 % 100);
        if value < 0.0 {
            out.push(b'-');
        }
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        let (tenth, hundredth) = (b'0' + (rest / 10) as u8, b'0' + (rest % 10) as u8);
        out.extend_from_slice(&[b'.', tenth, hundredth]);
        if rest % 10 == 0 {
            out.pop();
        }
    } else if value.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// forall numbers, with two decimals or more: the text is the shortest that reads back.
        #[test]
        fn numbers_are_written_as_short_as_can_be(cents in -1_000_000_000i64..1_000_000_000, any: f64) {
            for value in [cents as f64 / 100.0, cents as f64, any, 0.0, -0.0, 1e15, -1e17] {
                let mut out = Vec::new();
                number(&mut out, value);
                let found = String::from_utf8(out).unwrap();
                if value.is_finite() {
                    let mut shortest = ryu::Buffer::new();
                    prop_assert_eq!(found, shortest.format(value));
                } else {
                    prop_assert_eq!(found, "null");
                }
            }
        }
    }

    #[test]
    fn whatever_is_escaped_reads_back() {
        for text in ["plain", "quo\"te", "back\\slash", "line\nbreak", "π \u{1}"] {
            let mut out = vec![b'"'];
            escaped(&mut out, text);
            out.push(b'"');
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
