//! State as bytes: what a snapshot holds.
//!
//! ```text
//! magic "fmdk" | version u16 | settings u64 | body length u64 | crc32c of the body u32 | body (postcard)
//! ```
//! All numbers are little-endian. The body is read only after its length and its checksum are right,
//! so that a torn or foreign object is refused and never half read. `settings` is a hash of whatever
//! decides what state means; state of other settings is refused too.

use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};

/// First bytes of every snapshot.
const MAGIC: [u8; 4] = *b"fmdk";

/// Goes up with every change of what any rule or window keeps.
const VERSION: u16 = 8;

/// Bytes before the body.
const HEADER: usize = 4 + 2 + 8 + 8 + 4;

/// Why saved state cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SavedError {
    /// It does not start like a snapshot.
    #[error("the {found} bytes are no snapshot; expected at least {HEADER} that start with `fmdk`")]
    NoSnapshot {
        /// Bytes that were there.
        found: usize,
    },
    /// Another version of the detector made it.
    #[error(
        "the snapshot has format {found}, this detector reads format {VERSION}; resume it with the \
         version that made it, or start with a new group"
    )]
    Version {
        /// The snapshot's format.
        found: u16,
    },
    /// The watermark's bound, the lateness, a window or the adaptive rule was another one.
    #[error(
        "the snapshot was made with another `watermark_bound`, `allowed_lateness`, `sensor_window`, \
         `sensor_rules`, `adaptive`, `robust_z` or `group_distance`; \
         resume with the same ones, or start with a new group"
    )]
    Settings,
    /// Bytes are missing or were changed.
    #[error("the snapshot is damaged: {what}")]
    Damaged {
        /// What does not fit.
        what: String,
    },
    /// A value cannot be written.
    #[error("state cannot be written as bytes: {reason}")]
    Write {
        /// The encoder's reason.
        reason: String,
    },
}

/// Collects state.
#[derive(Debug)]
pub struct Writer {
    /// The body behind room for the header.
    bytes: Vec<u8>,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            bytes: vec![0; HEADER],
        }
    }
}

/// State as it was at one moment, to be encoded later, on any thread.
pub type Frozen = Box<dyn FnOnce(&mut Writer) -> Result<(), SavedError> + Send>;

impl Writer {
    /// Adds a value.
    ///
    /// # Errors
    /// If the value cannot be encoded.
    pub fn put(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), SavedError> {
        let bytes = std::mem::take(&mut self.bytes);
        self.bytes = postcard::to_extend(value, bytes).map_err(|error| SavedError::Write {
            reason: error.to_string(),
        })?;
        Ok(())
    }

    /// Adds what another one has collected.
    pub fn append(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes[HEADER..]);
    }

    /// What was collected, to be added elsewhere.
    #[must_use]
    pub fn frozen(self) -> Frozen {
        Box::new(move |to| {
            to.append(&self);
            Ok(())
        })
    }

    /// The snapshot, under the hash of its settings.
    #[must_use]
    pub fn seal(mut self, settings: u64) -> Vec<u8> {
        let (header, body) = self.bytes.split_at_mut(HEADER);
        let length = (body.len() as u64).to_le_bytes();
        let checksum = crc32c::crc32c(body).to_le_bytes();
        let parts: [&[u8]; 5] = [
            &MAGIC,
            &VERSION.to_le_bytes(),
            &settings.to_le_bytes(),
            &length,
            &checksum,
        ];
        header.copy_from_slice(&parts.concat());
        self.bytes
    }
}

/// Gives state back, in the order in which it was put.
#[derive(Debug)]
pub struct Reader<'a> {
    body: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Opens a snapshot that was sealed under these settings.
    ///
    /// # Errors
    /// If the bytes are no snapshot, are damaged, or are one of another version or other settings.
    pub fn open(sealed: &'a [u8], settings: u64) -> Result<Self, SavedError> {
        let no_snapshot = SavedError::NoSnapshot {
            found: sealed.len(),
        };
        let Some((header, body)) = sealed.split_at_checked(HEADER) else {
            return Err(no_snapshot);
        };
        let Some(rest) = header.strip_prefix(&MAGIC) else {
            return Err(no_snapshot);
        };
        let number = |from: usize, len: usize| {
            let bytes = rest.iter().skip(from).take(len).rev();
            bytes.fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte))
        };
        let version = u16::try_from(number(0, 2)).unwrap_or(u16::MAX);
        if version != VERSION {
            return Err(SavedError::Version { found: version });
        }
        if number(10, 8) != body.len() as u64 {
            let what = format!("{} bytes where {} belong", body.len(), number(10, 8));
            return Err(SavedError::Damaged { what });
        }
        if number(18, 4) != u64::from(crc32c::crc32c(body)) {
            let what = "its checksum is another one".to_owned();
            return Err(SavedError::Damaged { what });
        }
        if number(2, 8) != settings {
            return Err(SavedError::Settings);
        }
        Ok(Self { body })
    }

    /// A body without its header.
    #[cfg(fuzzing)]
    pub fn of_body(body: &'a [u8]) -> Self {
        Self { body }
    }

    /// Takes the next value.
    ///
    /// # Errors
    /// If the bytes are none of its kind.
    pub fn get<T: DeserializeOwned>(&mut self) -> Result<T, SavedError> {
        let (value, rest) =
            postcard::take_from_bytes(self.body).map_err(|error| SavedError::Damaged {
                what: error.to_string(),
            })?;
        self.body = rest;
        Ok(value)
    }

    /// Takes the next value to where `seed` puts it.
    ///
    /// # Errors
    /// If the bytes are none of its kind.
    pub fn get_into<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value, SavedError> {
        let damaged = |error: postcard::Error| SavedError::Damaged {
            what: error.to_string(),
        };
        let mut values = postcard::Deserializer::from_bytes(self.body);
        let value = seed.deserialize(&mut values).map_err(damaged)?;
        self.body = values.finalize().map_err(damaged)?;
        Ok(value)
    }

    /// Ends reading.
    ///
    /// # Errors
    /// If values are left over.
    pub fn end(self) -> Result<(), SavedError> {
        if self.body.is_empty() {
            return Ok(());
        }
        let what = format!("{} bytes are left over", self.body.len());
        Err(SavedError::Damaged { what })
    }
}

/// State that can be saved, beside settings that cannot.
pub trait Saved {
    /// The state as it is now, to be added later and on any thread: what is large is shared in place of being encoded at once,
    /// so that nothing waits for it.
    ///
    /// # Errors
    /// If a value cannot be encoded.
    fn freeze(&mut self) -> Result<Frozen, SavedError>;

    /// Adds the state.
    ///
    /// # Errors
    /// If a value cannot be encoded.
    #[cfg(test)]
    fn save(&mut self, to: &mut Writer) -> Result<(), SavedError> {
        self.freeze()?(to)
    }

    /// Takes the state over, in place of what was there.
    ///
    /// # Errors
    /// If the bytes are none of its kind.
    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError>;
}

/// A value as it is now, encoded at once: for what is small.
///
/// # Errors
/// If it cannot be encoded.
pub fn encoded(value: &(impl Serialize + ?Sized)) -> Result<Frozen, SavedError> {
    let mut now = Writer::default();
    now.put(value)?;
    Ok(now.frozen())
}

/// A value that was taken for it, encoded later.
pub fn later(value: impl Serialize + Send + 'static) -> Frozen {
    Box::new(move |to| to.put(&value))
}

/// One after the other.
#[must_use]
pub fn together<const N: usize>(parts: [Frozen; N]) -> Frozen {
    Box::new(move |to| parts.into_iter().try_for_each(|part| part(to)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealed(values: &[(u32, String)]) -> Vec<u8> {
        let mut writer = Writer::default();
        for value in values {
            writer.put(value).unwrap();
        }
        writer.seal(7)
    }

    #[test]
    fn values_come_back_in_order_and_none_is_left_over() {
        let bytes = sealed(&[(1, "a".into()), (2, "b".into())]);
        let mut reader = Reader::open(&bytes, 7).unwrap();
        assert_eq!(reader.get::<(u32, String)>().unwrap(), (1, "a".to_owned()));
        assert_eq!(reader.get::<(u32, String)>().unwrap(), (2, "b".to_owned()));
        reader.end().unwrap();
        let mut reader = Reader::open(&bytes, 7).unwrap();
        reader.get::<(u32, String)>().unwrap();
        let error = reader.end().unwrap_err().to_string();
        assert!(error.contains("3 bytes are left over"), "{error}");
    }

    #[test]
    fn another_version_and_other_settings_say_what_helps() {
        let mut bytes = sealed(&[(1, "a".into())]);
        assert_eq!(Reader::open(&bytes, 8).unwrap_err(), SavedError::Settings);
        bytes[4] += 1;
        let error = Reader::open(&bytes, 7).unwrap_err().to_string();
        let next = format!("format {}", VERSION + 1);
        assert!(error.contains(&next), "{error}");
    }

    proptest! {
        /// forall snapshots: one changed bit or a missing end is refused.
        #[test]
        fn damage_is_never_read(place in any::<prop::sample::Index>(), bit in 0..8u32, cut in any::<prop::sample::Index>()) {
            let whole = sealed(&[(1, "a".into()), (3, "some longer text".into())]);
            let mut flipped = whole.clone();
            flipped[place.index(whole.len())] ^= 1 << bit;
            prop_assert!(Reader::open(&flipped, 7).is_err());
            prop_assert!(Reader::open(&whole[..cut.index(whole.len())], 7).is_err());
        }
    }
}
