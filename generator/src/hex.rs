//! Hexadecimal digits, eight at a time: every record of two streams has up to 104 of them.

/// The lower-case digits of a number.
pub(crate) fn digits(number: u32) -> [u8; 8] {
    // Each step moves the upper half of every group of bits apart from the lower, down to four bits a byte.
    let mut spread = u64::from(number);
    spread = (spread << 16 | spread) & 0x0000_ffff_0000_ffff;
    spread = (spread << 8 | spread) & 0x00ff_00ff_00ff_00ff;
    spread = (spread << 4 | spread) & 0x0f0f_0f0f_0f0f_0f0f;
    // Where a digit is ten or more, six carries it into the upper half of its byte.
    let letters = (spread + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    let to_letters = u64::from(b'a' - b'0' - 10);
    (spread + 0x3030_3030_3030_3030 + letters * to_letters).to_be_bytes()
}

/// The sixteen digits of a number.
pub(crate) fn long_digits(number: u64) -> [u8; 16] {
    let mut text = [0; 16];
    text[..8].copy_from_slice(&digits(half(number >> 32)));
    text[8..].copy_from_slice(&digits(half(number)));
    text
}

/// A UUID as text: 8-4-4-4-12 digits.
pub(crate) fn uuid(id: u128) -> [u8; 36] {
    let part = |shift: u32| digits(half((id >> shift) as u64));
    let (first, second, third, fourth) = (part(96), part(64), part(32), part(0));
    let mut text = [b'-'; 36];
    text[..8].copy_from_slice(&first);
    text[9..13].copy_from_slice(&second[..4]);
    text[14..18].copy_from_slice(&second[4..]);
    text[19..23].copy_from_slice(&third[..4]);
    text[24..28].copy_from_slice(&third[4..]);
    text[28..].copy_from_slice(&fourth);
    text
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
fn half(number: u64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// forall number: the digits are those of the standard library and of the crate `uuid`.
        #[test]
        fn digits_are_those_that_others_write(id: u128, number: u64) {
            let text = uuid(id);
            prop_assert_eq!(std::str::from_utf8(&text).unwrap(), uuid::Uuid::from_u128(id).to_string());
            let text = long_digits(number);
            prop_assert_eq!(std::str::from_utf8(&text).unwrap(), format!("{number:016x}"));
        }
    }
}
