//! A piece of JSON that was found valid, by its place. It must not know which field it belongs to.

use std::fmt;
use std::ops::Range;

use crate::cursor::Cursor;
use crate::number;
use crate::text::Text;

/// A place in the scanned bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last one.
    pub end: usize,
}

impl Span {
    /// The same as a range, for slicing.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}..{}", self.start, self.end)
    }
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number that a 64-bit float can hold.
    Number,
    /// A text.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A valid value of any kind, whitespace around it left out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    raw: &'a [u8],
    at: usize,
}

impl<'a> Value<'a> {
    pub(crate) fn new(raw: &'a [u8], at: usize) -> Self {
        Self { raw, at }
    }

    /// Where it stands in the scanned bytes.
    pub fn span(&self) -> Span {
        Span { start: self.at, end: self.at + self.raw.len() }
    }

    /// Its bytes.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.raw.first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            _ => Kind::Null,
        }
    }

    /// Its text, if it is one. Reads it again.
    pub fn text(&self) -> Option<Text<'a>> {
        let text = Cursor::new(self.raw).text().ok()?;
        Some(text.moved(self.at))
    }

    /// Whether it is `true` or `false`, if it is one of them.
    pub fn boolean(&self) -> Option<bool> {
        match self.raw {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// Its number without a fraction, clamped to what 64 bits hold, if it is a number.
    pub fn integer(&self) -> Option<i64> {
        (self.kind() == Kind::Number).then(|| number::as_integer(self.raw)).flatten()
    }

    /// Its number, if it is one.
    pub fn float(&self) -> Option<f64> {
        (self.kind() == Kind::Number).then(|| number::as_float(self.raw)).flatten()
    }

    /// Whether it holds nothing: `null`, `""`, an array or an object without content.
    pub fn is_hollow(&self) -> bool {
        match self.raw {
            b"null" | b"\"\"" => true,
            [b'[', inside @ .., b']'] | [b'{', inside @ .., b'}'] => {
                inside.iter().all(u8::is_ascii_whitespace)
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may hold a prompt, and what can be printed ends up in logs.
        write!(out, "{:?}({})", self.kind(), self.span())
    }
}
