//! Writing JSON fields without a serializer: the generator's hot path.

/// Appends `text` as a JSON string body, escaping what must be escaped.
pub fn escaped(out: &mut Vec<u8>, text: &str) {
    // Nearly every string that we write is plain; one pass finds that out faster than a table.
    if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
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
pub fn integer_field(out: &mut Vec<u8>, prefix: &str, value: i64) {
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `prefix` (such as `,"name":`) and a number. One that is not finite is written as `null`, which
/// no reader accepts: JSON has no other way.
pub fn number_field(out: &mut Vec<u8>, prefix: &str, value: f64) {
    out.extend_from_slice(prefix.as_bytes());
    if value.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
