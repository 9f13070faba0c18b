//! Golden cases: what is in the file, asked of the component, and how the answers differ. The format is that of the
//! SDK's native runner (`plugins/README.md`); the SDK is not used here, since the router must not depend on what
//! plugins are written with.

mod fallback;
mod health;
mod signal;

use std::collections::BTreeMap;
use std::path::Path;

use herdwick_plugin_host::Kind;
use herdwick_plugin_host::check::Asks;
use herdwick_plugin_host::config::SettingValue;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::alone::{Alone, Settings};

/// One case and how it went.
pub(super) struct Tried {
    pub(super) name: String,
    /// What the case shows, in a sentence.
    pub(super) what: String,
    /// How the answers differ; empty when all are as expected.
    pub(super) problems: Vec<String>,
}

/// Runs a case of a plugin of this kind. It asks a plugin that was started for it alone, so that no case sees what
/// another left behind.
pub(super) fn run(kind: Kind, file: &Path, name: String, text: &str) -> Tried {
    let went = match kind {
        Kind::Signal => with::<signal::Case>(file, text, signal::Case::problems),
        Kind::Fallback => with::<fallback::Case>(file, text, fallback::Case::problems),
        Kind::Health => with::<health::Case>(file, text, health::Case::problems),
    };
    match went {
        Ok((what, problems)) => Tried { name, what, problems },
        Err(problem) => Tried { name, what: "cannot be read".to_owned(), problems: vec![problem] },
    }
}

/// What is in front of a case, whatever it asks.
#[derive(Debug, Deserialize)]
struct Head {
    what: String,
    #[serde(default)]
    settings: BTreeMap<String, Value>,
}

type Went = Result<(String, Vec<String>), String>;

fn with<C: DeserializeOwned>(
    file: &Path,
    text: &str,
    problems: impl Fn(&C, &mut Alone) -> Vec<String>,
) -> Went {
    let read = |error: toml::de::Error| error.to_string();
    let head: Head = toml::from_str(text).map_err(read)?;
    let case: C = toml::from_str(text).map_err(read)?;
    let settings: Settings =
        head.settings.into_iter().map(|(key, value)| (key, SettingValue::from(value))).collect();
    let found = match Alone::load(file, settings) {
        Ok(mut plugin) => problems(&case, &mut plugin),
        Err(error) => vec![error.root_cause().to_string()],
    };
    Ok((head.what, found))
}

/// A value of a setting, or of a fact.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    Flag(bool),
    Number(f64),
    Text(String),
    Texts(Vec<String>),
}

impl From<Value> for SettingValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Flag(flag) => Self::Flag(flag),
            Value::Number(number) => Self::Number(number),
            Value::Text(text) => Self::Text(text),
            Value::Texts(texts) => Self::Texts(texts),
        }
    }
}

/// What is known of a candidate, by the names of the columns.
type Readings = BTreeMap<String, Reading>;

/// A number, or `"unknown"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum Reading {
    Number(f64),
    Word(Unknown),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unknown {
    Unknown,
}

/// The number in a row's column; what is not named is unknown.
fn number(readings: Option<&Readings>, column: &str) -> f64 {
    match readings.and_then(|readings| readings.get(column)) {
        Some(Reading::Number(number)) => *number,
        Some(Reading::Word(Unknown::Unknown)) | None => f64::NAN,
    }
}

/// Readings and words that a case gives and the plugin does not ask for.
fn unasked<'a>(
    asks: &Asks,
    rows: impl Iterator<Item = &'a Readings>,
    words: &BTreeMap<String, String>,
) -> Vec<String> {
    let readings = rows.flat_map(|readings| readings.keys());
    let readings = readings.filter(|name| !asks.columns.contains(&Some(name.as_str())));
    let words = words.keys().filter(|name| !asks.words.contains(&name.as_str()));
    let mut problems: Vec<String> =
        readings.map(|name| format!("{name:?} is not among the columns it asks for")).collect();
    problems.extend(words.map(|name| format!("{name:?} is not among the words it asks for")));
    problems.dedup();
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_read() {
        let head: Head =
            toml::from_str("what = 'w'\n[settings]\na = 2\nb = 'x'\nc = true\nd = ['y']").expect("a case");
        let values: Vec<SettingValue> = head.settings.into_values().map(SettingValue::from).collect();
        let text = |text: &str| text.to_owned();
        let (x, y) = (SettingValue::Text(text("x")), SettingValue::Texts(vec![text("y")]));
        assert_eq!(values, [SettingValue::Number(2.0), x, SettingValue::Flag(true), y]);
        let nested: Result<Head, _> = toml::from_str("what = 'w'\n[settings]\na = { b = 1 }");
        assert!(nested.is_err());
    }

    #[test]
    fn mistyped_keys_and_words_are_refused() {
        let signal = |text: &str| toml::from_str::<signal::Case>(text).is_err();
        let fallback = |text: &str| toml::from_str::<fallback::Case>(text).is_err();
        let health = |text: &str| toml::from_str::<health::Case>(text).is_err();
        assert!(signal("what = 'x'\nrow = []"));
        assert!(signal("what = 'x'\n[[rows]]\nname = 'a'\ncost = 'maybe'"));
        assert!(signal("what = 'x'\n[[rows]]\nname = 'a'\nreadings = { 'a.b-ms' = 'unknwon' }\ncost = 0"));
        assert!(fallback("what = 'x'"));
        assert!(fallback("what = 'x'\nstep = { retri = 'a' }"));
        assert!(fallback("what = 'x'\nstep = 'pass'\n[[tried]]\nname = 'a'\nwhy = 'bored'"));
        assert!(health("what = 'x'\nfact = []"));
        assert!(health("what = 'x'\n[[findings]]\ncheck = 'a'\nseverity = 'bad'\nsubject = 'fleet'"));
    }
}
