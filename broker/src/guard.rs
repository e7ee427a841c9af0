//! Checks the shape of a request before `kafka-protocol` decodes it.
//!
//! The decoder reserves memory for as many elements as an array says it has, so four hostile bytes
//! would abort the process. Here a request is walked first, along a table of its fields, without
//! allocating: every length must fit into the bytes that are left, and the elements of all arrays
//! together into a limit. What passes can be decoded with memory in proportion to its bytes.

pub(crate) mod schemas;

use crate::guard::schemas::{Field, Kind, Schema};

/// Elements in all arrays of one request. An element takes up to some hundred bytes decoded.
const MAX_ELEMENTS: usize = 100_000;

/// What is wrong with the bytes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GuardError {
    /// They end before the request does.
    #[error("the request ends in the middle of a field")]
    Truncated,
    /// An array claims more elements than bytes are left, or than are acceptable.
    #[error("an array of `{claimed}` elements")]
    TooMany {
        /// How many it claims.
        claimed: usize,
    },
    /// A length is negative or does not end.
    #[error("a length that makes no sense")]
    BadLength,
}

/// Walks the body of a request. Bytes after its end are left alone, as Kafka does: librdkafka sends
/// three too many when it asks for all topics.
pub(crate) fn check(body: &[u8], schema: &Schema, version: i16) -> Result<(), GuardError> {
    let mut walk = Walk {
        rest: body,
        elements: MAX_ELEMENTS,
        version,
        flexible: schema.is_flexible(version),
    };
    walk.fields(schema.fields)
}

/// Cuts a section of tagged fields off the front of `bytes`.
pub(crate) fn skip_tags(bytes: &[u8]) -> Result<&[u8], GuardError> {
    let mut walk = Walk {
        rest: bytes,
        elements: MAX_ELEMENTS,
        version: 0,
        flexible: true,
    };
    walk.tags()?;
    Ok(walk.rest)
}

struct Walk<'a> {
    rest: &'a [u8],
    /// How many more elements are acceptable.
    elements: usize,
    version: i16,
    flexible: bool,
}

impl Walk<'_> {
    /// The fields of one structure, with its tags.
    fn fields(&mut self, fields: &[Field]) -> Result<(), GuardError> {
        let version = self.version;
        for field in fields.iter().filter(|field| field.is_in(version)) {
            self.field(&field.kind)?;
        }
        if self.flexible { self.tags() } else { Ok(()) }
    }

    fn field(&mut self, kind: &Kind) -> Result<(), GuardError> {
        match kind {
            Kind::Fixed(size) => self.skip(*size),
            Kind::String => {
                let length = if self.flexible {
                    self.compact()?
                } else {
                    self.short()?
                };
                self.skip(length.unwrap_or(0))
            }
            Kind::Bytes => {
                let length = if self.flexible {
                    self.compact()?
                } else {
                    self.long()?
                };
                self.skip(length.unwrap_or(0))
            }
            Kind::Structs(fields) => {
                for _ in 0..self.array()? {
                    self.fields(fields)?;
                }
                Ok(())
            }
            Kind::Array(element) => {
                for _ in 0..self.array()? {
                    self.field(element)?;
                }
                Ok(())
            }
        }
    }

    fn array(&mut self) -> Result<usize, GuardError> {
        let length = if self.flexible {
            self.compact()?
        } else {
            self.long()?
        };
        let claimed = length.unwrap_or(0);
        // Every element has at least a byte.
        if claimed > self.rest.len() || claimed > self.elements {
            return Err(GuardError::TooMany { claimed });
        }
        self.elements -= claimed;
        Ok(claimed)
    }

    fn tags(&mut self) -> Result<(), GuardError> {
        let claimed = self.varint()?;
        if claimed > self.rest.len() || claimed > self.elements {
            return Err(GuardError::TooMany { claimed });
        }
        self.elements -= claimed;
        for _ in 0..claimed {
            self.varint()?;
            let size = self.varint()?;
            self.skip(size)?;
        }
        Ok(())
    }

    /// The length of a string; `None` is null.
    fn short(&mut self) -> Result<Option<usize>, GuardError> {
        let [a, b] = self.take()?;
        length(i32::from(i16::from_be_bytes([a, b])))
    }

    /// The length of an array or of bytes; `None` is null.
    fn long(&mut self) -> Result<Option<usize>, GuardError> {
        length(i32::from_be_bytes(self.take()?))
    }

    /// A length of the flexible versions, which is one more than it says; `None` is null.
    fn compact(&mut self) -> Result<Option<usize>, GuardError> {
        Ok(self.varint()?.checked_sub(1))
    }

    fn varint(&mut self) -> Result<usize, GuardError> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let [byte] = self.take()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // The decoder keeps 32 bits; a value beyond them would mean something else to it.
                let value = u32::try_from(value).map_err(|_| GuardError::BadLength)?;
                return usize::try_from(value).map_err(|_| GuardError::BadLength);
            }
        }
        Err(GuardError::BadLength)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], GuardError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(GuardError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn skip(&mut self, n: usize) -> Result<(), GuardError> {
        self.rest = self.rest.get(n..).ok_or(GuardError::Truncated)?;
        Ok(())
    }
}

fn length(n: i32) -> Result<Option<usize>, GuardError> {
    match n {
        -1 => Ok(None),
        n => usize::try_from(n)
            .map(Some)
            .map_err(|_| GuardError::BadLength),
    }
}

#[cfg(test)]
pub(crate) mod tests;
