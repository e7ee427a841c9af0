//! The Confluent wire format: a zero byte, the schema id in four bytes, then the Avro body.

use super::DecodeError;

/// Bytes in front of the body.
pub const FRAME_LEN: usize = 5;

/// Appends the frame for `schema_id` to `out`.
#[inline]
pub fn write_frame(out: &mut Vec<u8>, schema_id: u32) {
    out.push(0);
    out.extend_from_slice(&schema_id.to_be_bytes());
}

/// Splits a value into its schema id and its body.
///
/// # Errors
/// [`DecodeError::Frame`] if there is no frame.
pub fn split_frame(value: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    match value {
        [0, a, b, c, d, body @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), body)),
        _ => Err(DecodeError::Frame { found: value.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_splits_into_what_was_written() {
        let mut out = Vec::new();
        write_frame(&mut out, 7);
        out.push(9);
        assert_eq!(split_frame(&out).unwrap(), (7, &[9][..]));
        for bad in [&[][..], &[0, 0, 0, 1], &[1, 0, 0, 0, 1, 2]] {
            assert_eq!(
                split_frame(bad),
                Err(DecodeError::Frame { found: bad.len() })
            );
        }
    }
}
