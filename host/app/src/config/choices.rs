//! Kinds of values of which there are only a few: switches, choices between names, grants.

use herdwick_plugin_host::config::Grant;
use toml::Value;

use super::kind::{Kind, text, unexpected, wrong};
use super::lists::texts;
use super::nearest;
use super::place::Problem;
use super::raw::{Given, Raw};

/// True or false.
pub(crate) struct Switch;

/// One of several names.
pub(crate) struct Choice<T: 'static> {
    pub(crate) names: &'static [(&'static str, T)],
}

/// Rights of a plugin.
pub(crate) struct Grants;

impl Kind for Switch {
    type Value = bool;

    fn read(&self, key: &str, given: &Given) -> Result<bool, Vec<Problem>> {
        match &given.raw {
            Raw::Flag(flag) => Ok(*flag),
            Raw::Words(words) if words == "true" => Ok(true),
            Raw::Words(words) if words == "false" => Ok(false),
            _ => Err(unexpected(key, given, "true or false")),
        }
    }

    fn write(&self, value: &bool) -> Value {
        Value::Boolean(*value)
    }
}

impl<T: Copy + PartialEq> Kind for Choice<T> {
    type Value = T;

    fn read(&self, key: &str, given: &Given) -> Result<T, Vec<Problem>> {
        let names = || self.names.iter().map(|(name, _)| *name);
        let text = text(key, given, &one_of(names()))?;
        let found = self.names.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            wrong(key, given, format!("{text:?} is not {}{}", one_of(names()), nearest::hint(text, names())))
        })
    }

    fn write(&self, value: &T) -> Value {
        let name = self.names.iter().find(|(_, have)| have == value).map(|(name, _)| *name);
        Value::String(name.unwrap_or_default().to_owned())
    }
}

impl Kind for Grants {
    type Value = Vec<Grant>;

    fn read(&self, key: &str, given: &Given) -> Result<Vec<Grant>, Vec<Problem>> {
        let names = || Grant::ALL.into_iter().map(Grant::name);
        let mut problems = Vec::new();
        let mut grants = Vec::new();
        for text in texts(key, given)? {
            let Raw::Text(name) = &text.raw else {
                problems.extend(unexpected(key, &text, &one_of(names())));
                continue;
            };
            match Grant::ALL.into_iter().find(|grant| grant.name() == name) {
                Some(grant) => grants.push(grant),
                None => {
                    let hint = nearest::hint(name, names());
                    problems.extend(wrong(key, &text, format!("{name:?} is not {}{hint}", one_of(names()))));
                }
            }
        }
        grants.sort_unstable();
        grants.dedup();
        if problems.is_empty() { Ok(grants) } else { Err(problems) }
    }

    fn write(&self, value: &Vec<Grant>) -> Value {
        Value::Array(value.iter().map(|grant| Value::String(grant.name().to_owned())).collect())
    }
}

/// `"a", "b" or "c"`.
fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("{name:?}")).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
