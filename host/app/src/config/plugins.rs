//! `[plugins]`: what the operator says about plugins, as the plugin host takes it. Which plugins there are is
//! not known here: a name that nobody has is the plugin host's to report.

use std::collections::BTreeMap;

use herdwick_plugin_host::config::{Mode, OnFault, PluginConfig, PluginsConfig, SettingValue};
use herdwick_plugin_host::limits;
use toml::Value;

use super::choices::{Choice, Grants, Switch};
use super::kind::{Kind, unexpected};
use super::layers::Layers;
use super::measures::Weight;
use super::place::Problem;
use super::raw::{Given, Raw};

const SECTION: &str = "plugins";
/// The one key of the section that is no plugin.
const AUTO_ENABLE: &str = "auto_enable";

const MODES: Choice<Mode> = Choice { names: &[("live", Mode::Live), ("shadow", Mode::Shadow)] };
const ON_FAULT: Choice<OnFault> = Choice {
    names: &[("ignore", OnFault::Ignore), ("baseline", OnFault::Baseline), ("reject", OnFault::Reject)],
};

/// Reads the section.
pub(crate) fn read(layers: &mut Layers) -> PluginsConfig {
    let default = PluginsConfig::default();
    let auto_enable = layers.take(&format!("{SECTION}.{AUTO_ENABLE}"), &Switch, default.auto_enable);
    let mut plugins = BTreeMap::new();
    for (name, found) in layers.names_in(SECTION) {
        if name == AUTO_ENABLE || !found.iter().any(|given| matches!(given.raw, Raw::Table(_))) {
            continue;
        }
        let key = format!("{SECTION}.{name}");
        if is_plugin_name(&name) {
            plugins.insert(name, plugin(layers, &key));
        } else {
            let most = limits::NAME_BYTES;
            let what = format!(
                "{name:?} is no plugin's name, which is 1 to {most} lower-case letters, digits and dashes"
            );
            layers.refuse(key, &found, &what);
        }
    }
    PluginsConfig { auto_enable, plugins }
}

fn plugin(layers: &mut Layers, key: &str) -> PluginConfig {
    let default = PluginConfig::default();
    let of = |name: &str| format!("{key}.{name}");
    PluginConfig {
        enabled: layers.take_said(&of("enabled"), &Switch),
        weight: layers.take(&of("weight"), &Weight, default.weight),
        mode: layers.take(&of("mode"), &MODES, default.mode),
        on_fault: layers.take_said(&of("on_fault"), &ON_FAULT),
        grants: layers.take(&of("grants"), &Grants, default.grants),
        settings: settings(layers, &of("settings")),
    }
}

/// Settings are taken one by one: an override of one leaves the others as the file says.
fn settings(layers: &mut Layers, section: &str) -> BTreeMap<String, SettingValue> {
    let mut settings = BTreeMap::new();
    for (name, found) in layers.names_in(section) {
        let key = format!("{section}.{name}");
        if !is_setting_name(&name) {
            let what =
                format!("{name:?} is no setting's name, which is letters, digits, dashes and underscores");
            layers.refuse(key, &found, &what);
        } else if let Some(value) = layers.take_said(&key, &Setting) {
            settings.insert(name, value);
        }
    }
    settings
}

/// A plugin's own setting: only the plugin knows what it should be.
struct Setting;

impl Kind for Setting {
    type Value = SettingValue;

    fn read(&self, key: &str, given: &Given) -> Result<SettingValue, Vec<Problem>> {
        let expected = "a number, a text, true or false, or a list of texts";
        match &given.raw {
            Raw::Text(text) => Ok(SettingValue::Text(text.clone())),
            Raw::Integer(number) => Ok(SettingValue::Number(*number as f64)),
            Raw::Float(number) if number.is_finite() => Ok(SettingValue::Number(*number)),
            Raw::Flag(flag) => Ok(SettingValue::Flag(*flag)),
            Raw::Words(words) => Ok(guessed(words)),
            Raw::List(list) => {
                let text = |item: &Given| match &item.raw {
                    Raw::Text(text) => Ok(text.clone()),
                    _ => Err(unexpected(key, item, "a text")),
                };
                list.iter().map(text).collect::<Result<_, _>>().map(SettingValue::Texts)
            }
            Raw::Float(_) | Raw::Date | Raw::Table(_) => Err(unexpected(key, given, expected)),
        }
    }

    fn write(&self, value: &SettingValue) -> Value {
        match value {
            SettingValue::Number(number) => Value::Float(*number),
            SettingValue::Text(text) => Value::String(text.clone()),
            SettingValue::Flag(flag) => Value::Boolean(*flag),
            SettingValue::Texts(texts) => Value::Array(texts.iter().cloned().map(Value::String).collect()),
        }
    }
}

/// What a word of the environment is, as TOML would read it without quotes.
fn guessed(words: &str) -> SettingValue {
    match (words, words.parse::<f64>()) {
        ("true", _) => SettingValue::Flag(true),
        ("false", _) => SettingValue::Flag(false),
        (_, Ok(number)) if number.is_finite() => SettingValue::Number(number),
        _ => SettingValue::Text(words.to_owned()),
    }
}

fn is_plugin_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=limits::NAME_BYTES).contains(&name.len()) && name.chars().all(allowed)
}

fn is_setting_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty() && name.chars().all(allowed)
}
