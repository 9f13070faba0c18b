//! The kind of value that is a list of texts, each of which must be something: a host, an origin, a range of addresses.

use std::fmt::Display;

use toml::Value;

use super::kind::{Kind, unexpected, wrong};
use super::place::Problem;
use super::raw::{Given, Raw};

/// A list of texts that are all read alike. In a variable they stand with commas between them.
pub(crate) struct Texts<T: 'static> {
    /// What one looks like, for whoever wrote something that is no text.
    pub(crate) one: &'static str,
    /// Reads one, or says what is wrong with it.
    pub(crate) read: fn(&str) -> Result<T, String>,
}

impl<T: Display> Kind for Texts<T> {
    type Value = Vec<T>;

    fn read(&self, key: &str, given: &Given) -> Result<Vec<T>, Vec<Problem>> {
        let (mut read, mut problems) = (Vec::new(), Vec::new());
        for text in texts(key, given)? {
            let Raw::Text(one) = &text.raw else {
                problems.extend(unexpected(key, &text, self.one));
                continue;
            };
            match (self.read)(one) {
                Ok(value) => read.push(value),
                Err(what) => problems.extend(wrong(key, &text, what)),
            }
        }
        if problems.is_empty() { Ok(read) } else { Err(problems) }
    }

    fn write(&self, value: &Vec<T>) -> Value {
        Value::Array(value.iter().map(|one| Value::String(one.to_string())).collect())
    }
}

/// The values of a list; words are a list with commas.
pub(crate) fn texts(key: &str, given: &Given) -> Result<Vec<Given>, Vec<Problem>> {
    match &given.raw {
        Raw::List(values) => Ok(values.clone()),
        Raw::Words(words) => {
            let texts = words.split(',').map(str::trim).filter(|text| !text.is_empty());
            Ok(texts.map(|text| Given::new(Raw::Text(text.to_owned()), given.place.clone())).collect())
        }
        _ => Err(unexpected(key, given, "a list of texts")),
    }
}
