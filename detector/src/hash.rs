//! FNV-1a, for ids that must come out the same in every process and version.
//!
//! ```text
//! h = offset;  for each byte b:  h = (h xor b) * prime      (modulo 2^128)
//! ```
//! Not for hash tables, which keys from outside could attack, and no protection against forgery.

const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// A hash being built from parts.
#[derive(Debug, Clone, Copy)]
pub struct Fnv(u128);

impl Fnv {
    /// The hash of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self(OFFSET)
    }

    /// The hash with a text more. Its length goes in too, so that `ab`, `c` differs from `a`, `bc`.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.number(i64::try_from(text.len()).unwrap_or(i64::MAX))
            .bytes(text.as_bytes())
    }

    /// The hash with a number more.
    #[must_use]
    pub fn number(self, number: i64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// The hash in hexadecimal.
    #[must_use]
    pub fn hex(self) -> String {
        format!("{:032x}", self.0)
    }

    /// The hash folded to 64 bits.
    #[must_use]
    pub fn short(self) -> u64 {
        (self.0 ^ (self.0 >> 64)) as u64
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(PRIME);
        }
        self
    }
}

impl Default for Fnv {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values_come_out() {
        for (text, hash) in [
            ("", "6c62272e07bb014262b821756295c58d"),
            ("a", "d228cb696f1a8caf78912b704e4a8964"),
            ("foobar", "343e1662793c64bf6f0d3597ba446f18"),
        ] {
            assert_eq!(Fnv::new().bytes(text.as_bytes()).hex(), hash, "{text:?}");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(
            Fnv::new().text("ab").text("c").hex(),
            Fnv::new().text("a").text("bc").hex()
        );
    }
}
