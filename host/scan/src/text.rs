//! A text inside JSON, with its escapes as they were written until somebody wants to read it.

use std::borrow::Cow;
use std::fmt;

use crate::value::Span;

/// A text that was found valid: UTF-8, no control characters, escapes that mean characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    /// What stands between the quotes.
    raw: &'a [u8],
    /// Where the opening quote stands.
    at: usize,
    /// How many bytes shorter it is without escapes; 0 exactly if there are none.
    saved: usize,
}

impl<'a> Text<'a> {
    pub(crate) fn new(raw: &'a [u8], at: usize, saved: usize) -> Self {
        Self { raw, at, saved }
    }

    /// The same, found in a piece that begins at `offset`.
    pub(crate) fn moved(self, offset: usize) -> Self {
        Self { at: self.at + offset, ..self }
    }

    /// Where it stands in the scanned bytes, quotes included.
    pub fn span(&self) -> Span {
        Span { start: self.at, end: self.at + self.raw.len() + 2 }
    }

    /// What stands between the quotes, escapes as they are.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Its length in bytes when read.
    pub fn len(&self) -> usize {
        self.raw.len() - self.saved
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Whether a character is written as an escape.
    pub fn has_escapes(&self) -> bool {
        self.saved > 0
    }

    /// Whether it reads as `other`.
    pub fn is(&self, other: &str) -> bool {
        if self.has_escapes() { self.read() == other } else { self.raw == other.as_bytes() }
    }

    /// What it says; copied only if there are escapes.
    pub fn read(&self) -> Cow<'a, str> {
        if !self.has_escapes() {
            // It was found valid, so nothing is lost; a copy would be made only of what is not UTF-8.
            return String::from_utf8_lossy(self.raw);
        }
        let mut said = String::with_capacity(self.len());
        let mut rest = self.raw;
        while !rest.is_empty() {
            let run = rest.iter().position(|byte| *byte == b'\\').unwrap_or(rest.len());
            let (plain, tail) = rest.split_at_checked(run).unwrap_or((rest, &[]));
            said.push_str(&String::from_utf8_lossy(plain));
            rest = match escape(tail) {
                Some((length, character)) => {
                    said.push(character);
                    tail.get(length..).unwrap_or_default()
                }
                None => &[],
            };
        }
        Cow::Owned(said)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may be a prompt, and what can be printed ends up in logs.
        write!(out, "Text({})", self.span())
    }
}

/// Whether a backslash and this byte are a whole escape.
#[inline]
pub(crate) fn is_short_escape(kind: u8) -> bool {
    short(kind) != 0
}

#[inline]
fn short(kind: u8) -> u8 {
    SHORT.get(usize::from(kind)).copied().unwrap_or(0)
}

/// The escape that `bytes` begins with: its length and what it means. None if it is broken or half a pair.
pub(crate) fn escape(bytes: &[u8]) -> Option<(usize, char)> {
    match bytes {
        [b'\\', b'u', rest @ ..] => unicode(rest).map(|(length, character)| (length + 2, character)),
        [b'\\', kind, ..] if is_short_escape(*kind) => Some((2, char::from(short(*kind)))),
        _ => None,
    }
}

/// What stands behind `\u`: four digits, and for characters beyond U+FFFF a second escape.
fn unicode(bytes: &[u8]) -> Option<(usize, char)> {
    let (digits, rest) = bytes.split_first_chunk()?;
    let first = hex(*digits)?;
    if let Some(character) = char::from_u32(first) {
        return Some((4, character));
    }
    let (digits, _) = rest.strip_prefix(b"\\u")?.split_first_chunk()?;
    let units = [u16::try_from(first).ok()?, u16::try_from(hex(*digits)?).ok()?];
    let character = char::decode_utf16(units).next()?.ok()?;
    Some((10, character))
}

fn hex(digits: [u8; 4]) -> Option<u32> {
    let [a, b, c, d] = digits.map(|digit| DIGITS.get(usize::from(digit)).copied().unwrap_or(NO_DIGIT));
    let valid = (a | b | c | d) != NO_DIGIT;
    valid.then(|| u32::from(a) << 12 | u32::from(b) << 8 | u32::from(c) << 4 | u32::from(d))
}

/// What each byte means behind a backslash; 0 for those that mean nothing or need more.
#[expect(clippy::indexing_slicing, reason = "runs when compiled, where a wrong index is an error")]
static SHORT: [u8; 256] = {
    let mut table = [0; 256];
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table[b'/' as usize] = b'/';
    table[b'b' as usize] = 0x08;
    table[b'f' as usize] = 0x0c;
    table[b'n' as usize] = b'\n';
    table[b'r' as usize] = b'\r';
    table[b't' as usize] = b'\t';
    table
};

/// The value of each byte as a hexadecimal digit. Comparing with ranges instead takes twice as long for text
/// that is all escapes, which is how Python writes everything that is not ASCII.
#[expect(clippy::indexing_slicing, reason = "runs when compiled, where a wrong index is an error")]
static DIGITS: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut value: u8 = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value as usize];
        table[digit as usize] = value;
        table[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    table
};
const NO_DIGIT: u8 = 0xff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_mean_one_character_or_are_refused() {
        let check = |text: &str, expected: Option<(usize, char)>| {
            assert_eq!(escape(text.as_bytes()), expected, "{text}");
        };
        check(r"\nx", Some((2, '\n')));
        check(r#"\""#, Some((2, '"')));
        check(r"\u0041B", Some((6, 'A')));
        check(r"\u00E9", Some((6, 'é')));
        check(r"\u0000", Some((6, '\0')));
        check(r"\ud83d\ude00x", Some((12, '😀')));
        for broken in [
            r"\",
            r"\x",
            r"\u",
            r"\u12",
            r"\u12g4",
            r"\u+123",
            r"\ud83d",
            r"\ud83dx",
            r"\ud83d\n",
            r"\ud83d\u0041",
            r"\ud83d\ud83d",
            r"\ude00\ud83d",
            r"\U0041",
        ] {
            check(broken, None);
        }
    }
}
