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

/// The escape that `bytes` begins with: its length and what it means. None if it is broken or half a pair.
pub(crate) fn escape(bytes: &[u8]) -> Option<(usize, char)> {
    let [b'\\', kind, rest @ ..] = bytes else {
        return None;
    };
    let character = match kind {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(rest).map(|(length, character)| (length + 2, character)),
        _ => return None,
    };
    Some((2, character))
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
    let mut pair = char::decode_utf16(units);
    match (pair.next(), pair.next()) {
        (Some(Ok(character)), None) => Some((10, character)),
        _ => None,
    }
}

fn hex(digits: [u8; 4]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some((value << 4) | char::from(*digit).to_digit(16)?))
}

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
