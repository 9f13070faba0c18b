//! Compares `plugin.toml` with what the code declares, so that neither can be changed alone.
//! Must not know: how the router reads a manifest, or what an operator may override.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::file;
use crate::{CONTRACT, Column, Fallback, Health, Setting, Settings, Signal, Value, Word, identity};

/// What fits one line of a list of plugins.
const SUMMARY_CHARS: usize = 120;

/// What the code says of itself.
#[derive(Debug)]
pub(super) struct Declared {
    kind: &'static str,
    columns: Vec<String>,
    words: Vec<String>,
    may_veto: bool,
    settings: Vec<Setting>,
}

impl Declared {
    pub(super) fn of_signal<S: Signal>() -> Declared {
        let settings = asked(S::new);
        Declared { may_veto: S::MAY_VETO, ..Declared::of("signal", S::COLUMNS, S::WORDS, settings) }
    }

    pub(super) fn of_fallback<F: Fallback>() -> Declared {
        Declared::of("fallback", F::COLUMNS, F::WORDS, asked(F::new))
    }

    pub(super) fn of_health<H: Health>() -> Declared {
        Declared::of("health", &[], &[], asked(H::new))
    }

    fn of(kind: &'static str, columns: &[Column], words: &[Word], settings: Vec<Setting>) -> Declared {
        Declared {
            kind,
            columns: columns.iter().map(|column| column.declared()).collect(),
            words: words.iter().map(|word| word.name().to_owned()).collect(),
            may_veto: false,
            settings,
        }
    }
}

/// The settings that a plugin reads when it is made, with their defaults.
fn asked<P>(new: fn(&mut Settings) -> P) -> Vec<Setting> {
    let mut settings = Settings::default();
    new(&mut settings);
    settings.asked().to_vec()
}

/// The file. Keys that only the router uses are read to refuse mistyped ones.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    id: String,
    kind: String,
    version: String,
    contract: String,
    summary: String,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    grants: Vec<String>,
    #[serde(default, rename = "on_fault")]
    _on_fault: OnFault,
    #[serde(default)]
    settings: BTreeMap<String, Described>,
    #[serde(default, rename = "limits")]
    _limits: Limits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnFault {
    #[default]
    Ignore,
    Baseline,
    Reject,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    #[serde(rename = "memory")]
    _memory: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    default: toml::Value,
    unit: String,
    summary: String,
}

/// Everything in which the manifest and the code differ.
pub(super) fn problems(text: &str, declared: &Declared) -> Vec<String> {
    let manifest: Manifest = match toml::from_str(text) {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("plugin.toml: {error}")],
    };
    let mut problems = Vec::new();
    let mut differ = |key: &str, found: &str, wanted: &str| {
        if found != wanted {
            problems.push(format!("plugin.toml: `{key}` is {found}, the code says {wanted}"));
        }
    };
    // The compile-time reader is simpler than TOML; it must have seen the same.
    for (key, found) in [("id", &manifest.id), ("version", &manifest.version), ("summary", &manifest.summary)]
    {
        differ(
            key,
            found,
            identity::text(text, key).unwrap_or("(not on a line of its own before the first table)"),
        );
    }
    differ("kind", &manifest.kind, declared.kind);
    differ("contract", &manifest.contract, CONTRACT);
    differ("columns", &manifest.columns.join(", "), &declared.columns.join(", "));
    differ("words", &manifest.words.join(", "), &declared.words.join(", "));
    let veto = |has: bool| if has { "with veto" } else { "without veto" };
    differ("grants", veto(manifest.grants.iter().any(|grant| grant == "veto")), veto(declared.may_veto));
    if !is_id(&manifest.id) {
        problems.push("plugin.toml: `id` must be 1 to 64 lower-case letters, digits and dashes".to_owned());
    }
    if manifest.summary.chars().count() > SUMMARY_CHARS {
        problems.push(format!("plugin.toml: `summary` is longer than {SUMMARY_CHARS} characters"));
    }
    problems.extend(setting_problems(&manifest.settings, &declared.settings));
    problems
}

/// Whether the router takes this for a plugin's name.
fn is_id(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=64).contains(&id.len()) && id.chars().all(allowed)
}

/// Settings that only one side has, that have another default, or that nobody explains.
fn setting_problems(described: &BTreeMap<String, Described>, asked: &[Setting]) -> Vec<String> {
    let mut problems = Vec::new();
    for (key, setting) in described {
        match asked.iter().find(|asked| asked.key == *key) {
            None => problems.push(format!("plugin.toml: setting `{key}` is not read by the code")),
            Some(asked) if file::setting(&setting.default).as_ref() != Some(&asked.value) => {
                let (found, wanted) = (&setting.default, written(&asked.value));
                problems.push(format!(
                    "plugin.toml: setting `{key}` defaults to {found}, the code says {wanted}"
                ));
            }
            Some(_) => {}
        }
        if setting.unit.is_empty() || setting.summary.is_empty() {
            problems.push(format!("plugin.toml: setting `{key}` needs a unit and a summary"));
        }
    }
    let missing = asked.iter().filter(|asked| !described.contains_key(&asked.key));
    problems.extend(missing.map(|asked| format!("plugin.toml: setting `{}` is not described", asked.key)));
    problems
}

fn written(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Flag(flag) => flag.to_string(),
        Value::Texts(texts) => format!("{texts:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
id = "a"
kind = "signal"
version = "1"
contract = "herdwick:plugin@0.1.0"
summary = "s"
columns = ["?net.rtt-ms"]
[settings.w]
default = 2
unit = "times"
summary = "t"
"#;

    fn check(text: &str, expected: &[&str]) {
        let declared = Declared {
            kind: "signal",
            columns: vec!["?net.rtt-ms".to_owned()],
            words: Vec::new(),
            may_veto: false,
            settings: vec![Setting { key: "w".to_owned(), value: Value::Number(2.0) }],
        };
        assert_eq!(problems(text, &declared), expected, "{text}");
    }

    #[test]
    fn a_manifest_that_agrees_has_no_problems() {
        check(GOOD, &[]);
    }

    #[test]
    fn every_difference_is_named() {
        check(
            &GOOD.replace("default = 2", "default = 3"),
            &["plugin.toml: setting `w` defaults to 3, the code says 2"],
        );
        check(
            &GOOD.replace("settings.w", "settings.v"),
            &[
                "plugin.toml: setting `v` is not read by the code",
                "plugin.toml: setting `w` is not described",
            ],
        );
        check(
            &GOOD.replace("?net", "net").replace("\"signal\"", "\"health\""),
            &[
                "plugin.toml: `kind` is health, the code says signal",
                "plugin.toml: `columns` is net.rtt-ms, the code says ?net.rtt-ms",
            ],
        );
        check(
            &format!("grants = [\"veto\"]\n{GOOD}"),
            &["plugin.toml: `grants` is with veto, the code says without veto"],
        );
    }

    #[test]
    fn what_the_router_would_refuse_or_cut_is_a_problem() {
        let long = "s".repeat(121);
        check(
            &GOOD
                .replace("\"a\"", "\"My Signal\"")
                .replace("summary = \"s\"", &format!("summary = \"{long}\"")),
            &[
                "plugin.toml: `id` must be 1 to 64 lower-case letters, digits and dashes",
                "plugin.toml: `summary` is longer than 120 characters",
            ],
        );
    }

    #[test]
    fn an_id_that_only_a_full_parser_finds_is_refused() {
        check(
            &GOOD.replace("\"a\"", "'a'"),
            &["plugin.toml: `id` is a, the code says (not on a line of its own before the first table)"],
        );
    }
}
