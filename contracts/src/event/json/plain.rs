//! Reading plain JSON objects without a parser's generality: the detector's hot path.
//!
//! Plain is an object of texts without escapes and of numbers of up to fifteen digits without an
//! exponent: what producers of events write nearly always. [`Plain`] reads these, and says `None` to
//! everything else, valid or not; then `serde_json` has the last word. So this may refuse what it
//! likes, but what it takes must be what `serde_json` would take: a property that tests hold to.
//! Why not another parser is in `docs/adr/0020-speed.md`.

/// Digits of a number that a double holds exactly, whatever they are.
const MOST_DIGITS: usize = 15;

/// Powers of ten up to that many digits, all exact: so that a quotient is rounded once, which is what
/// the nearest double means.
const POWERS: [f64; MOST_DIGITS + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// A walk over the fields of a plain object.
#[derive(Debug)]
pub struct Plain<'a> {
    text: &'a str,
    at: usize,
    first: bool,
}

impl<'a> Plain<'a> {
    /// Enters an object; `None` if the bytes do not start one or are no text.
    #[must_use]
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut this = Self {
            text,
            at: 0,
            first: true,
        };
        this.expect(b'{')?;
        Some(this)
    }

    /// Passes over `start`, the comma, the name and the colon of a field, if it comes next exactly so; the
    /// field's value has to be taken next. A guess that is right saves looking for the name's end.
    #[inline]
    pub fn guess(&mut self, start: &str) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let right = rest.starts_with(start.as_bytes());
        if right {
            self.at += start.len();
            self.first = false;
        }
        right
    }

    /// The name of the next field, whose value has to be taken next. `Some(None)` behind the last
    /// field, if nothing follows the object; `None` if it is not plain.
    pub fn name(&mut self) -> Option<Option<&'a str>> {
        let first = std::mem::replace(&mut self.first, false);
        match self.peek()? {
            b'}' if !first => {
                self.at += 1;
                return self.only_space().then_some(None);
            }
            b',' if !first => self.at += 1,
            b'"' if first => {}
            _ => return None,
        }
        let name = self.text()?;
        self.expect(b':')?;
        Some(Some(name))
    }

    /// A text without escapes.
    #[inline]
    pub fn text(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let bytes = self.text.as_bytes();
        let end = self.at + special(bytes.get(self.at..)?)?;
        if bytes.get(end) != Some(&b'"') {
            return None;
        }
        let text = self.text.get(self.at..end)?;
        self.at = end + 1;
        Some(text)
    }

    /// A whole number.
    pub fn integer(&mut self) -> Option<i64> {
        let digits = self.digits()?;
        // The digits are at most fifteen. A minus zero is a double to serde_json.
        if digits.decimals.is_some() || (digits.negative && digits.value == 0) {
            return None;
        }
        let value = i64::try_from(digits.value).ok()?;
        Some(if digits.negative { -value } else { value })
    }

    /// A number.
    pub fn number(&mut self) -> Option<f64> {
        let digits = self.digits()?;
        let whole = digits.value as f64;
        let value = match digits.decimals {
            None => whole,
            Some(decimals) => whole / POWERS.get(decimals)?,
        };
        Some(if digits.negative { -value } else { value })
    }

    /// Passes over a value that nobody wants.
    pub fn skip(&mut self) -> Option<()> {
        if self.peek()? == b'"' {
            self.text().map(drop)
        } else {
            self.digits().map(drop)
        }
    }

    fn digits(&mut self) -> Option<Digits> {
        let negative = self.peek()? == b'-';
        self.at += usize::from(negative);
        let start = self.at;
        let mut value = self.run_of_digits(0);
        let whole = self.at - start;
        let leading_zero = whole > 1 && self.text.as_bytes().get(start) == Some(&b'0');
        let mut decimals = None;
        if self.text.as_bytes().get(self.at) == Some(&b'.') {
            self.at += 1;
            let from = self.at;
            value = self.run_of_digits(value);
            decimals = Some(self.at - from);
        }
        let all = whole + decimals.unwrap_or(0);
        if whole == 0 || leading_zero || decimals == Some(0) || all > MOST_DIGITS {
            return None;
        }
        // What may come behind a value; an exponent may not.
        if !matches!(self.peek()?, b',' | b'}') {
            return None;
        }
        Some(Digits {
            negative,
            value,
            decimals,
        })
    }

    /// Appends the digits that come next to `value`; too many wrap around, and are refused later.
    fn run_of_digits(&mut self, mut value: u64) -> u64 {
        let bytes = self.text.as_bytes();
        while let Some(digit) = bytes.get(self.at).map(|byte| byte.wrapping_sub(b'0'))
            && digit < 10
        {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
        value
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !is_space(byte) {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn only_space(&self) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        rest.iter().all(|byte| is_space(*byte))
    }
}

/// Takes note of a field's value; `None` if the field was there before, which JSON lets readers decide
/// on, and ours refuse.
pub fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// Digits of a number, without their point.
struct Digits {
    negative: bool,
    value: u64,
    decimals: Option<usize>,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Place of the first byte that ends a plain text: a quote, a backslash or a control character.
///
/// ```text
/// for a byte b:   (b - n) & !b & 0x80   is set if b < n, for n up to 0x80
/// ```
/// Eight bytes are looked at in one number. A borrow runs into higher bytes only from one that is
/// found, so that the lowest one found is right.
fn special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES * 0x80;
    let below = |word: u64, n: u64| word.wrapping_sub(ONES * n) & !word;
    let (words, rest) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let found = (quote | backslash | below(word, 0x20)) & HIGH;
        if found != 0 {
            return Some(i * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let is_special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    Some(bytes.len() - rest.len() + rest.iter().position(is_special)?)
}

#[cfg(test)]
mod tests;
