//! Values as they were said, before anybody asked what they mean, each with its place. All sources become this:
//! files, environment and flags are then read by the same rules.

use std::collections::BTreeMap;
use std::fmt;

use super::place::Place;

/// A value and where it was said.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) raw: Raw,
    pub(crate) place: Place,
    /// Where its key stands; in a file this is another column.
    pub(crate) key: Place,
}

/// Keys in their table.
pub(crate) type Table = BTreeMap<String, Given>;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Raw {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    Date,
    List(Vec<Given>),
    Table(Table),
    /// From an environment variable or a flag, where everything is text: the key decides what it is.
    Words(String),
}

impl Given {
    /// A value whose key stands at the same place.
    pub(crate) fn new(raw: Raw, place: Place) -> Self {
        Self { raw, key: place.clone(), place }
    }
}

/// As what was found, where something else was expected.
impl fmt::Display for Raw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(out, "the text {text:?}"),
            Self::Words(words) => write!(out, "{words:?}"),
            Self::Integer(number) => write!(out, "the number {number}"),
            Self::Float(number) => write!(out, "the number {number}"),
            Self::Flag(flag) => write!(out, "{flag}"),
            Self::Date => out.write_str("a date"),
            Self::List(_) => out.write_str("a list"),
            Self::Table(_) => out.write_str("a table"),
        }
    }
}

/// The value under `path`, if every part but the last is a table.
pub(crate) fn find<'a>(table: &'a Table, path: &str) -> Option<&'a Given> {
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    };
    let given = table.get(head)?;
    match (rest, &given.raw) {
        (None, _) => Some(given),
        (Some(rest), Raw::Table(inner)) => find(inner, rest),
        (Some(_), _) => None,
    }
}
