//! One golden case of a signal: what is in the file, asked of the component, and how the answers differ. The format
//! is that of the SDK's native runner (`plugins/README.md`); the SDK is not used here, since the router must not
//! depend on what plugins are written with.

use std::collections::BTreeMap;

use herdwick_fleet::Words;
use herdwick_plugin_host::check::Asks;
use herdwick_plugin_host::config::SettingValue;
use herdwick_plugin_host::limits;
use serde::Deserialize;

use super::alone::Alone;

/// Relative difference up to which two costs are the same: what another order of additions may bring.
const TOLERANCE: f64 = 1e-9;

/// One file of `cases/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// What the case shows, in a sentence.
    pub(super) what: String,
    #[serde(default)]
    settings: BTreeMap<String, Setting>,
    #[serde(default)]
    words: BTreeMap<String, String>,
    #[serde(default)]
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    #[serde(default)]
    readings: BTreeMap<String, Reading>,
    cost: Expected,
    explain: Option<String>,
}

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

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum Expected {
    Ms(f64),
    Word(Opinion),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Opinion {
    Abstain,
    Veto,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Setting {
    Flag(bool),
    Number(f64),
    Text(String),
    Texts(Vec<String>),
}

impl Case {
    /// Reads a file; the error names line and key.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The settings as a router hands them over.
    pub(super) fn settings(&self) -> BTreeMap<String, SettingValue> {
        let value = |setting: &Setting| match setting.clone() {
            Setting::Flag(flag) => SettingValue::Flag(flag),
            Setting::Number(number) => SettingValue::Number(number),
            Setting::Text(text) => SettingValue::Text(text),
            Setting::Texts(texts) => SettingValue::Texts(texts),
        };
        self.settings.iter().map(|(key, setting)| (key.clone(), value(setting))).collect()
    }

    /// How the plugin's answers differ, one line each; empty when all are as expected.
    pub(super) fn problems(&self, plugin: &Alone) -> Vec<String> {
        let unasked = self.unasked(&plugin.asks);
        if !unasked.is_empty() {
            return unasked;
        }
        let reading =
            |row: usize, column: &str| match self.rows.get(row).and_then(|row| row.readings.get(column)) {
                Some(Reading::Number(number)) => *number,
                Some(Reading::Word(Unknown::Unknown)) | None => f64::NAN,
            };
        let matrix = plugin.matrix(self.rows.len(), reading);
        let word = |name: &str| self.words.get(name).map_or("", String::as_str);
        let words = Words { model: word("model"), endpoint: word("endpoint") };
        let costs = match plugin.cost(&matrix, &words) {
            Ok(costs) => costs,
            Err(fault) => return vec![fault],
        };
        let Some(phrases) = plugin.explain(&matrix, &words) else {
            return vec!["it does not explain itself, one phrase for each candidate".to_owned()];
        };
        let answers = self.rows.iter().zip(costs).zip(phrases);
        let lines: Vec<_> = answers.map(|((row, cost), phrase)| row.line(cost, &phrase)).collect();
        if lines.iter().all(|(right, _)| *right) {
            return Vec::new();
        }
        // All rows, so that a wrong one is seen beside the right ones.
        lines.into_iter().map(|(right, text)| format!("{} {text}", if right { ' ' } else { '!' })).collect()
    }

    /// Readings and words that the case gives and the plugin does not ask for.
    fn unasked(&self, asks: &Asks) -> Vec<String> {
        let readings = self.rows.iter().flat_map(|row| row.readings.keys());
        let readings = readings.filter(|name| !asks.columns.contains(&name.as_str()));
        let words = self.words.keys().filter(|name| !asks.words.contains(&name.as_str()));
        let mut problems: Vec<String> =
            readings.map(|name| format!("{name:?} is not among the columns it asks for")).collect();
        problems.extend(words.map(|name| format!("{name:?} is not among the words it asks for")));
        problems.dedup();
        problems
    }
}

impl Row {
    /// Whether the answer is right, and a line that shows it beside what was expected.
    fn line(&self, cost: f64, phrase: &str) -> (bool, String) {
        let expected = match self.cost {
            // The router cuts what is larger, so no answer can be.
            Expected::Ms(ms) => ms.clamp(-limits::COST_MS, limits::COST_MS),
            Expected::Word(Opinion::Abstain) => f64::NAN,
            Expected::Word(Opinion::Veto) => f64::INFINITY,
        };
        let name = &self.name;
        let mut line = format!("{name}: expected {}, found {} ({phrase})", shown(expected), shown(cost));
        let mut right = is_same(expected, cost);
        if let Some(words) = self.explain.as_deref().filter(|words| *words != phrase) {
            right = false;
            line.push_str(&format!("; expected the words: {words}"));
        }
        (right, line)
    }
}

fn is_same(expected: f64, found: f64) -> bool {
    match expected {
        expected if expected.is_nan() => found.is_nan(),
        f64::INFINITY => found == f64::INFINITY,
        expected => (expected - found).abs() <= TOLERANCE * expected.abs().max(1.0),
    }
}

fn shown(cost: f64) -> String {
    match cost {
        cost if cost.is_nan() => "abstain".to_owned(),
        f64::INFINITY => "veto".to_owned(),
        // All digits: what differs must be seen.
        cost => format!("{cost} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_compared_as_the_router_sees_them() {
        for (expected, found, same) in [
            (3.0, 3.000_000_000_001, true),
            (3.0, 3.1, false),
            (0.0, 1e-10, true),
            (f64::NAN, f64::NAN, true),
            (f64::NAN, 0.0, false),
            (f64::INFINITY, f64::INFINITY, true),
            (f64::INFINITY, 600_000.0, false),
            (1.0, f64::NAN, false),
        ] {
            assert_eq!(is_same(expected, found), same, "{expected} {found}");
        }
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let case = Case::parse(
            "what = 'w'\n[settings]\na = 2\nb = 'x'\nc = true\nd = ['y']\n[[rows]]\nname = 'n'\n\
             readings = { 'a.b-ms' = 1, 'a.c-ms' = 'unknown', 'a.d-ms' = inf }\ncost = 'veto'\n",
        );
        let case = case.expect("a case");
        let texts = SettingValue::Texts(vec!["y".to_owned()]);
        let values: Vec<_> = case.settings().into_values().collect();
        let text = SettingValue::Text("x".to_owned());
        assert_eq!(values, [SettingValue::Number(2.0), text, SettingValue::Flag(true), texts]);
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
