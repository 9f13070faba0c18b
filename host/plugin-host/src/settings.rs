//! A plugin's own settings on their way into it: the manifest's defaults, and over them what the operator says.

use std::collections::BTreeMap;

use crate::config::SettingValue;
use crate::world::{Setting, Value};

/// The settings to hand over, in the order of their names.
pub(crate) fn merged(
    defaults: &BTreeMap<String, SettingValue>,
    given: &BTreeMap<String, SettingValue>,
) -> Vec<Setting> {
    let mut all: BTreeMap<&str, &SettingValue> = BTreeMap::new();
    for (key, value) in defaults.iter().chain(given) {
        all.insert(key, value);
    }
    all.into_iter().map(|(key, value)| Setting { key: key.to_owned(), value: lower(value) }).collect()
}

/// As the contract spells it.
pub(crate) fn lower(value: &SettingValue) -> Value {
    match value {
        SettingValue::Number(number) => Value::Number(*number),
        SettingValue::Text(text) => Value::Text(text.clone()),
        SettingValue::Flag(flag) => Value::Flag(*flag),
        SettingValue::Texts(texts) => Value::Texts(texts.clone()),
    }
}

/// As the host spells it.
pub(crate) fn lift(value: Value) -> SettingValue {
    match value {
        Value::Number(number) => SettingValue::Number(number),
        Value::Text(text) => SettingValue::Text(text),
        Value::Flag(flag) => SettingValue::Flag(flag),
        Value::Texts(texts) => SettingValue::Texts(texts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_says_stands_over_the_default() {
        let map = |pairs: &[(&str, f64)]| {
            pairs.iter().map(|(key, number)| ((*key).to_owned(), SettingValue::Number(*number))).collect()
        };
        let merged = merged(&map(&[("b", 1.0), ("a", 2.0)]), &map(&[("b", 3.0), ("c", 4.0)]));
        let found: Vec<_> = merged.into_iter().map(|setting| (setting.key, lift(setting.value))).collect();
        let wanted: BTreeMap<String, SettingValue> = map(&[("a", 2.0), ("b", 3.0), ("c", 4.0)]);
        assert_eq!(found, wanted.into_iter().collect::<Vec<_>>());
    }
}
