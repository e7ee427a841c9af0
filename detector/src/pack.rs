//! Several texts in one allocation: events wait in memory by the hundred thousand.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// `N` texts, each shorter than 64 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed<const N: usize> {
    text: Box<str>,
    ends: [u16; N],
}

impl<const N: usize> Packed<N> {
    /// Packs `parts`; `None` if together they are longer than 64 KiB.
    #[must_use]
    pub fn new(parts: [&str; N]) -> Option<Self> {
        let mut text = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        let mut ends = [0; N];
        for (part, end) in parts.iter().zip(&mut ends) {
            text.push_str(part);
            *end = u16::try_from(text.len()).ok()?;
        }
        Some(Self {
            text: text.into_boxed_str(),
            ends,
        })
    }

    /// The text at `index`; empty if there is none.
    #[must_use]
    pub fn get(&self, index: usize) -> &str {
        let Some(end) = self.ends.get(index) else {
            return "";
        };
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[usize::from(start)..usize::from(*end)]
    }
}

impl<const N: usize> Serialize for Packed<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&*self.text, &self.ends[..]).serialize(serializer)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Packed<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (text, ends) = <(Box<str>, Vec<u16>)>::deserialize(deserializer)?;
        let inside = |end: &u16| text.is_char_boundary(usize::from(*end));
        let ends: [u16; N] = ends
            .try_into()
            .map_err(|_| D::Error::custom("another number of texts"))?;
        if !ends.is_sorted() || !ends.iter().all(inside) {
            return Err(D::Error::custom("texts that end outside of their text"));
        }
        Ok(Self { text, ends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back() {
        let packed = Packed::new(["user-1", "", "π"]).unwrap();
        assert_eq!(
            [packed.get(0), packed.get(1), packed.get(2), packed.get(3)],
            ["user-1", "", "π", ""]
        );
    }

    #[test]
    fn huge_texts_are_refused() {
        assert!(Packed::new([&"x".repeat(65_535)]).is_some());
        assert!(Packed::new([&"x".repeat(65_535), "y"]).is_none());
    }
}
