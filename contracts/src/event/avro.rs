//! Writing Avro's primitive types without a library: the generator's hot path.

/// Appends an `int` or a `long`: Avro's variable-length zigzag encoding.
#[inline]
#[expect(clippy::cast_sign_loss, reason = "zigzag works on the bits")]
pub fn write_long(out: &mut Vec<u8>, value: i64) {
    let mut bits = ((value << 1) ^ (value >> 63)) as u64;
    while bits >= 0x80 {
        out.push((bits & 0x7f) as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}

/// Appends a `string`.
#[inline]
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    write_bytes(out, text.as_bytes());
}

/// Appends a `bytes`, or a `string` of which the bytes are known to be UTF-8.
#[inline]
pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_long(out, i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    out.extend_from_slice(bytes);
}

/// Appends a `double`.
pub fn write_double(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use apache_avro::{Schema, reader::datum::GenericDatumReader, types::Value};
    use proptest::prelude::*;

    use super::*;

    fn read(schema: &str, bytes: &[u8]) -> Value {
        let schema = Schema::parse_str(schema).unwrap();
        let reader = GenericDatumReader::builder(&schema).build().unwrap();
        reader.read_value(&mut &*bytes).unwrap()
    }

    proptest! {
        /// forall values: an independent reader reads what is written.
        #[test]
        fn primitives_read_back(long: i64, double: f64, text: String) {
            let mut out = Vec::new();
            write_long(&mut out, long);
            prop_assert_eq!(read(r#""long""#, &out), Value::Long(long));
            out.clear();
            write_double(&mut out, double);
            prop_assert_eq!(read(r#""double""#, &out), Value::Double(double));
            out.clear();
            write_text(&mut out, &text);
            prop_assert_eq!(read(r#""string""#, &out), Value::String(text));
        }
    }
}
