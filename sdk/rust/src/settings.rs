//! The settings of a plugin: each with a type, a default and a range; every problem is reported at once.
//! Must not know: where an operator wrote them, or which plugin reads them.

mod duration;
mod nearest;

use std::ops::RangeInclusive;

pub use herdwick_sdk_contract_signal::herdwick::plugin::types::{Setting, Value};

use crate::phrase;

/// Reads settings one by one. A reading method always answers, with the default when there is a problem;
/// the SDK refuses the configuration afterwards, with all problems.
///
/// ```
/// use herdwick_sdk::{Setting, Settings, Value};
///
/// let given = vec![Setting { key: "wieght".into(), value: Value::Number(2.0) }];
/// let mut settings = Settings::new(given);
/// let weight = settings.number("weight", 1.0, 0.0..=10.0);
/// assert_eq!(weight, 1.0);
/// assert_eq!(settings.finish(), Err(vec!["`wieght` is not a setting; the nearest is `weight`".into()]));
/// ```
#[derive(Debug, Default)]
pub struct Settings {
    given: Vec<Setting>,
    asked: Vec<Setting>,
    problems: Vec<String>,
}

impl Settings {
    /// The settings an operator gave; whatever is not among them has its default.
    pub fn new(given: Vec<Setting>) -> Settings {
        Settings { given, asked: Vec::new(), problems: Vec::new() }
    }

    /// A number within `range`.
    pub fn number(&mut self, key: &'static str, default: f64, range: RangeInclusive<f64>) -> f64 {
        let Some(value) = self.take(key, Value::Number(default)) else {
            return default;
        };
        let Value::Number(number) = value else {
            return self.wrong(key, "a number", &value, default);
        };
        self.within(key, number, &range, phrase::number).unwrap_or(default)
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, key: &'static str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let Some(value) = self.take(key, Value::Number(f64::from(default))) else {
            return default;
        };
        let number = match value {
            Value::Number(number) if number == number.trunc() => number,
            other => return self.wrong(key, "a whole number", &other, default),
        };
        let range = f64::from(*range.start())..=f64::from(*range.end());
        self.within(key, number, &range, phrase::number).map_or(default, |number| number as u32)
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str, default: bool) -> bool {
        match self.take(key, Value::Flag(default)) {
            None => default,
            Some(Value::Flag(flag)) => flag,
            Some(other) => self.wrong(key, "true or false", &other, default),
        }
    }

    /// A text.
    pub fn text(&mut self, key: &'static str, default: &str) -> String {
        match self.take(key, Value::Text(default.to_owned())) {
            None => default.to_owned(),
            Some(Value::Text(text)) => text,
            Some(other) => self.wrong(key, "a text", &other, default.to_owned()),
        }
    }

    /// One of the texts in `choices`; answers its place there.
    pub fn choice(&mut self, key: &'static str, default: usize, choices: &[&str]) -> usize {
        let text = self.text(key, choices.get(default).copied().unwrap_or_default());
        choices.iter().position(|choice| *choice == text).unwrap_or_else(|| {
            self.problem(format!("`{key}`: \"{text}\" is not one of \"{}\"", choices.join("\", \"")));
            default
        })
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &'static str, default: &[&str]) -> Vec<String> {
        let default: Vec<String> = default.iter().map(|text| (*text).to_owned()).collect();
        match self.take(key, Value::Texts(default.clone())) {
            None => default,
            Some(Value::Texts(texts)) => texts,
            Some(other) => self.wrong(key, "a list of texts", &other, default),
        }
    }

    /// A duration such as `"1.5s"`, within `range`; takes and answers milliseconds where a number is meant.
    pub fn duration_ms(
        &mut self,
        key: &'static str,
        default: &'static str,
        range: RangeInclusive<f64>,
    ) -> f64 {
        let fallback = duration::parse_ms(default).unwrap_or(f64::NAN);
        let Some(value) = self.take(key, Value::Text(default.to_owned())) else {
            return fallback;
        };
        let ms = match &value {
            Value::Text(text) => duration::parse_ms(text),
            _ => None,
        };
        match ms {
            Some(ms) => self.within(key, ms, &range, phrase::ms).unwrap_or(fallback),
            None => {
                self.wrong(key, "a duration such as \"250ms\", \"1.5s\", \"2m\" or \"1h\"", &value, fallback)
            }
        }
    }

    /// A problem that only the plugin can see, such as two settings that exclude each other.
    pub fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    /// Every setting asked for so far, with its default.
    pub fn asked(&self) -> &[Setting] {
        &self.asked
    }

    /// All problems, those with keys that nobody asked for among them.
    pub fn finish(self) -> Result<(), Vec<String>> {
        let mut problems = self.problems;
        for setting in &self.given {
            let known = self.asked.iter().map(|asked| asked.key.as_str());
            problems.push(match nearest::nearest(&setting.key, known) {
                Some(near) => format!("`{}` is not a setting; the nearest is `{near}`", setting.key),
                None => format!("`{}` is not a setting; this plugin has none", setting.key),
            });
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Removes the value given for `key`, so that what is left at the end is unknown.
    fn take(&mut self, key: &'static str, default: Value) -> Option<Value> {
        self.asked.push(Setting { key: key.to_owned(), value: default });
        let place = self.given.iter().position(|setting| setting.key == key)?;
        Some(self.given.remove(place).value)
    }

    /// `number` when it lies in `range`, else a problem.
    fn within(
        &mut self,
        key: &str,
        number: f64,
        range: &RangeInclusive<f64>,
        show: fn(f64) -> String,
    ) -> Option<f64> {
        if range.contains(&number) {
            return Some(number);
        }
        let (min, max) = (show(*range.start()), show(*range.end()));
        self.problem(format!("`{key}`: {} is outside {min} to {max}", show(number)));
        None
    }

    fn wrong<T>(&mut self, key: &str, wanted: &str, found: &Value, default: T) -> T {
        let found = match found {
            Value::Number(number) => phrase::number(*number),
            Value::Text(text) => format!("\"{text}\""),
            Value::Flag(flag) => flag.to_string(),
            Value::Texts(_) => "a list".to_owned(),
        };
        self.problem(format!("`{key}`: expected {wanted}, found {found}"));
        default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, Value)]) -> Settings {
        Settings::new(
            pairs.iter().map(|(key, value)| Setting { key: (*key).into(), value: value.clone() }).collect(),
        )
    }

    #[test]
    fn defaults_hold_where_nothing_is_given() {
        let mut settings = given(&[]);
        assert_eq!(settings.number("a", 0.5, 0.0..=1.0), 0.5);
        assert_eq!(settings.integer("b", 3, 1..=9), 3);
        assert!(settings.flag("c", true));
        assert_eq!(settings.text("d", "x"), "x");
        assert_eq!(settings.choice("e", 1, &["off", "on"]), 1);
        assert_eq!(settings.texts("f", &["p", "q"]), ["p", "q"]);
        assert_eq!(settings.duration_ms("g", "1.5s", 0.0..=1e6), 1500.0);
        assert_eq!(settings.asked().len(), 7);
        assert_eq!(settings.finish(), Ok(()));
    }

    #[test]
    fn given_values_replace_defaults() {
        let mut settings = given(&[
            ("a", Value::Number(0.25)),
            ("c", Value::Flag(false)),
            ("e", Value::Text("off".into())),
            ("g", Value::Text("2m".into())),
        ]);
        assert_eq!(settings.number("a", 0.5, 0.0..=1.0), 0.25);
        assert!(!settings.flag("c", true));
        assert_eq!(settings.choice("e", 1, &["off", "on"]), 0);
        assert_eq!(settings.duration_ms("g", "1.5s", 0.0..=1e6), 120_000.0);
        assert_eq!(settings.finish(), Ok(()));
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let mut settings = given(&[
            ("weight", Value::Number(12.0)),
            ("slots", Value::Number(1.5)),
            ("mode", Value::Text("maybe".into())),
            ("hold", Value::Text("soon".into())),
            ("strict", Value::Number(1.0)),
            ("strickt", Value::Flag(true)),
        ]);
        assert_eq!(settings.number("weight", 1.0, 0.0..=10.0), 1.0);
        assert_eq!(settings.integer("slots", 2, 1..=9), 2);
        assert_eq!(settings.choice("mode", 0, &["off", "on"]), 0);
        assert_eq!(settings.duration_ms("hold", "1s", 0.0..=1e6), 1000.0);
        assert!(!settings.flag("strict", false));
        let expected = [
            "`weight`: 12 is outside 0 to 10",
            "`slots`: expected a whole number, found 1.5",
            "`mode`: \"maybe\" is not one of \"off\", \"on\"",
            "`hold`: expected a duration such as \"250ms\", \"1.5s\", \"2m\" or \"1h\", found \"soon\"",
            "`strict`: expected true or false, found 1",
            "`strickt` is not a setting; the nearest is `strict`",
        ];
        assert_eq!(settings.finish().unwrap_err(), expected);
    }

    #[test]
    fn a_number_that_is_not_one_is_outside_every_range() {
        let mut settings = given(&[("a", Value::Number(f64::NAN))]);
        settings.number("a", 0.5, 0.0..=1.0);
        assert_eq!(settings.finish().unwrap_err(), ["`a`: unknown is outside 0 to 1"]);
    }
}
