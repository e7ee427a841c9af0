//! Texts fetched from memory before they are needed.
//!
//! A million alerts hold their ids and keys in pieces all over the heap. Read one at a time between other work, each is
//! waited for; asked for together, the waits lie over each other. What is touched is only the first byte of each.

use std::hint::black_box;

/// How many alerts are touched ahead: their texts and what belongs to them stay in the first cache until they are read.
pub(crate) const STEP: usize = 32;

/// Brings pairs of numbers near.
pub(crate) fn touch_all<'a>(numbers: impl Iterator<Item = (&'a u32, &'a u32)>) {
    black_box(numbers.fold(0, |sum, (one, other)| sum ^ one ^ other));
}

/// Brings the starts of texts near.
pub(crate) fn touch<'a>(texts: impl Iterator<Item = &'a str>) {
    let first = texts.map(|text| text.as_bytes().first().copied().unwrap_or(0));
    black_box(first.fold(0, u8::wrapping_add));
}
