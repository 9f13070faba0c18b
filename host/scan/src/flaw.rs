//! Why a text is refused, in words for whoever wrote it. Names keys and positions, never what stands in a value:
//! that may be a prompt.

use std::error::Error;
use std::fmt;

use crate::{MAX_DEPTH, MAX_KEY_BYTES, MAX_KEYS};

/// The first thing that is wrong with a text. Every `at` counts bytes from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing but whitespace.
    Empty,
    /// The grammar is broken, or a number or text cannot be held.
    NotJson {
        /// Where.
        at: usize,
        /// What is expected or forbidden there.
        what: &'static str,
    },
    /// The bytes are not UTF-8.
    Utf8 {
        /// The first byte that belongs to no character.
        at: usize,
    },
    /// Valid JSON of another kind.
    NotObject,
    /// Arrays and objects are nested deeper than [`MAX_DEPTH`].
    TooDeep {
        /// The bracket that opens one level too many.
        at: usize,
    },
    /// One object holds more than [`MAX_KEYS`] keys.
    TooManyKeys {
        /// The key that is one too many.
        at: usize,
    },
    /// A key is longer than [`MAX_KEY_BYTES`].
    LongKey {
        /// Its opening quote.
        at: usize,
    },
    /// Something follows the object.
    Trailing {
        /// Its first byte.
        at: usize,
    },
    /// A key stands twice, so readers disagree on which one counts.
    Duplicate {
        /// The key, without escapes.
        key: String,
        /// Where it stands for the second time.
        at: usize,
    },
    /// A key that some readers take for another one.
    Twin {
        /// The key, without escapes.
        key: String,
        /// What it is taken for.
        known: String,
        /// Its opening quote.
        at: usize,
    },
    /// A field holds something that readers refuse or interpret.
    Type {
        /// The field.
        key: &'static str,
        /// What it may hold.
        expected: &'static str,
        /// Where its value begins.
        at: usize,
    },
}

impl Flaw {
    /// Whether it is JSON to some readers and they understand it differently, rather than broken for all.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Duplicate { .. } | Self::Twin { .. } | Self::Trailing { .. })
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("it is empty"),
            Self::NotJson { at, what } => write!(out, "{what} at byte {at}"),
            Self::Utf8 { at } => write!(out, "it is not UTF-8 at byte {at}"),
            Self::NotObject => out.write_str("it must be an object"),
            Self::TooDeep { at } => {
                write!(out, "it is nested deeper than {MAX_DEPTH} levels at byte {at}")
            }
            Self::TooManyKeys { at } => {
                write!(out, "an object has more than {MAX_KEYS} keys at byte {at}")
            }
            Self::LongKey { at } => {
                write!(out, "a key is longer than {MAX_KEY_BYTES} bytes at byte {at}")
            }
            Self::Trailing { at } => write!(out, "something follows the object at byte {at}"),
            Self::Duplicate { key, at } => write!(out, "the key {key:?} stands twice, again at byte {at}"),
            Self::Twin { key, known, at } if key == known => {
                write!(out, "the key {key:?} is written with escapes at byte {at}")
            }
            Self::Twin { key, known, at } => {
                write!(out, "the key {key:?} reads as {known:?} to some at byte {at}")
            }
            Self::Type { key, expected, at } => write!(out, "{key:?} must be {expected} at byte {at}"),
        }
    }
}

impl Error for Flaw {}
