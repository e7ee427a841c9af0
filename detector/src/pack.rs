//! Several texts in one allocation: events wait in memory by the hundred thousand.

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
