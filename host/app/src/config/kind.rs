//! What a kind of value is: read from whatever was said, written as TOML. A kind knows no key, so that two keys
//! of one kind are refused in the same words.

use std::fmt::Display;

use toml::Value;

use super::place::Problem;
use super::raw::{Given, Raw};

/// One kind of value.
pub(crate) trait Kind {
    /// What it is read into.
    type Value;

    /// Reads a value of `key`, or tells everything that is wrong with it.
    fn read(&self, key: &str, given: &Given) -> Result<Self::Value, Vec<Problem>>;

    /// The value as TOML.
    fn write(&self, value: &Self::Value) -> Value;
}

/// The text of a value that must be one.
pub(crate) fn text<'a>(key: &str, given: &'a Given, expected: &str) -> Result<&'a str, Vec<Problem>> {
    match &given.raw {
        Raw::Text(text) | Raw::Words(text) => Ok(text),
        _ => Err(unexpected(key, given, expected)),
    }
}

/// `expected …, found …`.
pub(crate) fn unexpected(key: &str, given: &Given, expected: &str) -> Vec<Problem> {
    wrong(key, given, format!("expected {expected}, found {}", given.raw))
}

/// One problem with a value.
pub(crate) fn wrong(key: &str, given: &Given, what: impl Display) -> Vec<Problem> {
    vec![Problem::of(key, &given.place, what)]
}
