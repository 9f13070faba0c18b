//! A plugin's own settings on their way into it: the manifest's defaults, and over them what the operator says.

use std::collections::BTreeMap;

use crate::config::SettingValue;
use crate::manifest::nearest;
use crate::world::{Setting, Value};

/// The settings to hand over, in the order of their names. A plugin that says which it has is given no other; one
/// that does not is given what there is, and says itself what it makes of it.
pub(crate) fn merged(
    defaults: Option<&BTreeMap<String, SettingValue>>,
    given: &BTreeMap<String, SettingValue>,
) -> Result<Vec<Setting>, Vec<String>> {
    let mut problems = Vec::new();
    let mut all: BTreeMap<&str, &SettingValue> = BTreeMap::new();
    for (key, value) in defaults.into_iter().flatten() {
        all.insert(key, value);
    }
    for (key, value) in given {
        let replaced = all.insert(key, value);
        if let (Some(defaults), None) = (defaults, replaced) {
            let near = nearest(key, defaults.keys().map(String::as_str));
            problems.push(format!("has no setting {key:?}{near}"));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(all.into_iter().map(|(key, value)| Setting { key: key.to_owned(), value: lower(value) }).collect())
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

    fn map(pairs: &[(&str, f64)]) -> BTreeMap<String, SettingValue> {
        pairs.iter().map(|(key, number)| ((*key).to_owned(), SettingValue::Number(*number))).collect()
    }

    #[test]
    fn what_the_operator_says_stands_over_the_default() {
        let check = |defaults: Option<&[(&str, f64)]>, given: &[(&str, f64)], wanted: &[(&str, f64)]| {
            let merged = merged(defaults.map(map).as_ref(), &map(given)).expect("all are known");
            let found: Vec<_> = merged.into_iter().map(|one| (one.key, lift(one.value))).collect();
            assert_eq!(found, map(wanted).into_iter().collect::<Vec<_>>());
        };
        check(Some(&[("b", 1.0), ("a", 2.0)]), &[("b", 3.0)], &[("a", 2.0), ("b", 3.0)]);
        check(None, &[("c", 4.0)], &[("c", 4.0)]);
    }

    #[test]
    fn a_setting_that_it_does_not_have_is_refused_with_the_nearest() {
        let problems = merged(Some(&map(&[("factor", 1.0)])), &map(&[("facter", 2.0)])).err();
        assert_eq!(problems, Some(vec!["has no setting \"facter\"; did you mean \"factor\"?".to_owned()]));
    }
}
