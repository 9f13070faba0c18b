//! A case of a signal: readings in, costs out.

use std::collections::BTreeMap;

use herdwick_fleet::Words;
use herdwick_plugin_host::check::as_shown;
use herdwick_plugin_host::limits;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Readings, number, unasked};
use crate::cli::plugins::alone::Alone;

/// Relative difference up to which two costs are the same: what another order of additions may bring.
const TOLERANCE: f64 = 1e-9;

/// What a file of `cases/` says besides its head.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    #[serde(rename = "what")]
    _what: IgnoredAny,
    #[serde(default, rename = "settings")]
    _settings: IgnoredAny,
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
    readings: Readings,
    cost: Expected,
    explain: Option<String>,
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

impl Case {
    /// How the plugin's answers differ, one line each; empty when all are as expected.
    pub(super) fn problems(&self, plugin: &mut Alone) -> Vec<String> {
        let unasked = unasked(&plugin.asks, self.rows.iter().map(|row| &row.readings), &self.words);
        if !unasked.is_empty() {
            return unasked;
        }
        let readings = |row: usize| self.rows.get(row).map(|row| &row.readings);
        let matrix = plugin.matrix(self.rows.len(), |row, column| number(readings(row), column));
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
        let words = self.explain.as_deref().map(|words| as_shown(words, limits::PHRASE_BYTES));
        if let Some(words) = words.filter(|words| words != phrase) {
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
}
