//! The format of one golden case: what is in the file and which values are allowed.
//! Must not know: the plugin, or what its answers are.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Setting, Value};

/// One file of `cases/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// What the case shows, in a sentence; it heads the report.
    pub(super) what: String,
    #[serde(default)]
    settings: toml::Table,
    #[serde(default)]
    pub(super) words: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) rows: Vec<Candidate>,
}

/// One candidate of a case: what is known of it and what is expected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Candidate {
    pub(super) name: String,
    #[serde(default)]
    pub(super) readings: Readings,
    pub(super) cost: Expected,
    pub(super) explain: Option<String>,
}

/// What is known of a candidate, by the names of the columns.
pub(super) type Readings = BTreeMap<String, Reading>;

/// A number, or `"unknown"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Reading {
    Number(f64),
    Word(Unknown),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unknown {
    Unknown,
}

impl Reading {
    /// The number that stands in the row.
    pub(super) fn number(self) -> f64 {
        match self {
            Reading::Number(number) => number,
            Reading::Word(Unknown::Unknown) => f64::NAN,
        }
    }
}

/// A number of milliseconds, `"abstain"` or `"veto"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Expected {
    Ms(f64),
    Word(Opinion),
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Opinion {
    Abstain,
    Veto,
}

impl Case {
    /// Reads a file; the error names line and key.
    pub(super) fn parse(text: &str) -> Result<Case, String> {
        let case: Case = toml::from_str(text).map_err(|error| error.to_string())?;
        settings(&case.settings)?;
        Ok(case)
    }

    /// The settings as the router would hand them over.
    pub(super) fn settings(&self) -> Vec<Setting> {
        settings(&self.settings).unwrap_or_default()
    }
}

/// The table of settings as the router would hand it over; an error for a value that no setting has.
pub(super) fn settings(table: &toml::Table) -> Result<Vec<Setting>, String> {
    let setting = |(key, value): (&String, &toml::Value)| match setting(value) {
        Some(value) => Ok(Setting { key: key.clone(), value }),
        None => {
            Err(format!("settings.{key}: a setting is a number, a text, true, false, or a list of texts"))
        }
    };
    table.iter().map(setting).collect()
}

/// A TOML value as a setting, if it can be one.
pub(super) fn setting(value: &toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(text) => Value::Text(text.clone()),
        toml::Value::Integer(number) => Value::Number(*number as f64),
        toml::Value::Float(number) => Value::Number(*number),
        toml::Value::Boolean(flag) => Value::Flag(*flag),
        toml::Value::Array(items) => {
            Value::Texts(items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>()?)
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_words_and_infinities_are_read() {
        let case = Case::parse(
            "what = 'x'\n[[rows]]\nname = 'a'\nreadings = { 'a.b-ms' = 3, 'a.c-ms' = inf, 'a.d-ms' = 'unknown' }\ncost = 'veto'",
        );
        let case = case.unwrap();
        let numbers: Vec<f64> = case.rows[0].readings.values().map(|reading| reading.number()).collect();
        assert_eq!(numbers[..2], [3.0, f64::INFINITY]);
        assert!(numbers[2].is_nan());
        assert!(matches!(case.rows[0].cost, Expected::Word(Opinion::Veto)));
    }

    #[test]
    fn mistyped_keys_and_words_are_refused() {
        for text in [
            "what = 'x'\nrow = []",
            "what = 'x'\n[[rows]]\nname = 'a'\ncost = 'maybe'",
            "what = 'x'\n[[rows]]\nname = 'a'\nreadings = { 'a.b-ms' = 'unknwon' }\ncost = 0",
            "what = 'x'\n[settings]\na = { b = 1 }",
        ] {
            assert!(Case::parse(text).is_err(), "{text}");
        }
    }
}
