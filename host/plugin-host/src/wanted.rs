//! What a plugin asks for before it runs: its `plugin.toml`, from inside the component, and over it the file of
//! that kind beside it. Asking is all it does; what it gets is decided in `load`.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::config::{Grant, OnFault, SettingValue};
use crate::limits;
use crate::manifest::nearest;
use crate::package::Package;
use crate::sandbox::printable;
use crate::section;
use crate::survey;
use crate::world::{Kind, PACKAGE, VERSION};

const KEYS: [&str; 11] = [
    "id", "kind", "version", "contract", "summary", "columns", "words", "grants", "on_fault", "limits",
    "settings",
];
const LIMIT_KEYS: [&str; 1] = ["memory"];
const SETTING_KEYS: [&str; 3] = ["default", "unit", "summary"];

/// What it asks for. The default is what a plugin without a manifest gets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    /// What it will call itself.
    pub(crate) id: Option<String>,
    pub(crate) kind: Option<Kind>,
    /// Between [`limits::MEMORY_BYTES`] and [`limits::MEMORY_MOST_BYTES`].
    pub(crate) memory_bytes: usize,
    pub(crate) grants: BTreeSet<Grant>,
    pub(crate) on_fault: OnFault,
    /// Its settings with their defaults; `None` if it does not say which it has.
    pub(crate) settings: Option<BTreeMap<String, SettingValue>>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            id: None,
            kind: None,
            memory_bytes: limits::MEMORY_BYTES,
            grants: BTreeSet::new(),
            on_fault: OnFault::default(),
            settings: None,
        }
    }
}

/// Reads what a package asks for.
pub(crate) fn read(package: &Package) -> Result<Wanted, Vec<String>> {
    let inside = section::find(&package.bytes).map_err(|problem| vec![problem])?;
    let mut asked = Table::new();
    for (text, place) in [(inside, "manifest"), (package.sidecar.as_deref(), "manifest beside it")] {
        if let Some(text) = text {
            let table: Table = text.parse().map_err(|error: toml::de::Error| {
                vec![format!(
                    "has a {place} that is no TOML: {}",
                    printable(error.message(), limits::ERROR_BYTES)
                )]
            })?;
            overlay(&mut asked, table);
        }
    }
    let mut reader = Reader { problems: Vec::new() };
    let mut wanted = reader.wanted(&asked);
    if inside.is_none() && package.sidecar.is_none() {
        wanted.settings = None;
    }
    if reader.problems.is_empty() { Ok(wanted) } else { Err(reader.problems) }
}

/// Puts `over` on `under`: key by key, also inside tables, so that a file may change one setting.
fn overlay(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => overlay(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// Reads a manifest key by key and keeps all problems.
struct Reader {
    problems: Vec<String>,
}

impl Reader {
    fn wanted(&mut self, asked: &Table) -> Wanted {
        self.keys("", asked, &KEYS);
        for key in ["version", "summary"] {
            self.text(asked, key);
        }
        for key in ["columns", "words"] {
            self.texts(asked, key);
        }
        if let Some(contract) = self.text(asked, "contract") {
            let version = contract.strip_prefix(PACKAGE).and_then(|rest| rest.strip_prefix('@'));
            if !version.is_some_and(survey::is_hosted) {
                self.problem(format!("`contract` is {contract:?}, this router hosts {PACKAGE}@{VERSION}"));
            }
        }
        let kinds = Kind::ALL.map(|kind| (kind.name(), kind));
        let on_faults =
            [("ignore", OnFault::Ignore), ("baseline", OnFault::Baseline), ("reject", OnFault::Reject)];
        let all_grants = Grant::ALL.map(|grant| (grant.name(), grant));
        let mut grants = BTreeSet::new();
        for name in self.texts(asked, "grants") {
            grants.extend(self.one_of("grants", &name, &all_grants));
        }
        let limits = self.table("", asked, "limits");
        self.keys("limits.", &limits, &LIMIT_KEYS);
        Wanted {
            id: self.text(asked, "id"),
            kind: self.text(asked, "kind").and_then(|name| self.one_of("kind", &name, &kinds)),
            memory_bytes: self.memory(&limits),
            grants,
            on_fault: self
                .text(asked, "on_fault")
                .and_then(|name| self.one_of("on_fault", &name, &on_faults))
                .unwrap_or_default(),
            settings: Some(self.settings(asked)),
        }
    }

    fn settings(&mut self, asked: &Table) -> BTreeMap<String, SettingValue> {
        let mut defaults = BTreeMap::new();
        let settings = self.table("", asked, "settings");
        for key in settings.keys() {
            let about = self.table("settings.", &settings, key);
            self.keys(&format!("settings.{key}."), &about, &SETTING_KEYS);
            match about.get("default").map(setting) {
                Some(Some(value)) => {
                    defaults.insert(key.clone(), value);
                }
                Some(None) => self.problem(format!(
                    "`settings.{key}.default` must be a number, a text, true or false, or a list of texts"
                )),
                None => self.problem(format!("`settings.{key}` needs a `default`")),
            }
        }
        defaults
    }

    fn memory(&mut self, limits: &Table) -> usize {
        let Some(text) = self.text(limits, "memory") else {
            return limits::MEMORY_BYTES;
        };
        let bytes = text.strip_suffix(" MiB").and_then(|number| number.parse::<usize>().ok());
        let bytes = bytes.and_then(|mebibytes| mebibytes.checked_mul(1 << 20));
        let possible = limits::MEMORY_BYTES..=limits::MEMORY_MOST_BYTES;
        bytes.filter(|bytes| possible.contains(bytes)).unwrap_or_else(|| {
            let (least, most) = (limits::MEMORY_BYTES >> 20, limits::MEMORY_MOST_BYTES >> 20);
            self.problem(format!(
                "`limits.memory` is {text:?}, it must be \"{least} MiB\" to \"{most} MiB\""
            ));
            limits::MEMORY_BYTES
        })
    }

    /// Refuses keys that nobody reads.
    fn keys(&mut self, within: &str, table: &Table, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let near = nearest(key, known.iter().copied());
            self.problem(format!("`{within}{key}` is no key{near}"));
        }
    }

    fn one_of<T: Copy>(&mut self, key: &str, name: &str, known: &[(&'static str, T)]) -> Option<T> {
        let found = known.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        if found.is_none() {
            let near = nearest(name, known.iter().map(|(name, _)| *name));
            let all = known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            self.problem(format!("`{key}` has {name:?}, which is none of {all}{near}"));
        }
        found
    }

    fn text(&mut self, table: &Table, key: &str) -> Option<String> {
        let value = table.get(key)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.problem(format!("`{key}` must be a text"));
        }
        text
    }

    fn texts(&mut self, table: &Table, key: &str) -> Vec<String> {
        match table.get(key).map(setting) {
            None => Vec::new(),
            Some(Some(SettingValue::Texts(texts))) => texts,
            Some(_) => {
                self.problem(format!("`{key}` must be a list of texts"));
                Vec::new()
            }
        }
    }

    fn table(&mut self, within: &str, table: &Table, key: &str) -> Table {
        match table.get(key) {
            None => Table::new(),
            Some(Value::Table(found)) => found.clone(),
            Some(_) => {
                self.problem(format!("`{within}{key}` must be a table"));
                Table::new()
            }
        }
    }

    /// Whoever wrote the manifest chose the words in it, so they are made printable.
    fn problem(&mut self, problem: String) {
        self.problems.push(format!("in its manifest, {}", printable(&problem, limits::ERROR_BYTES)));
    }
}

/// A value as plugins take them.
fn setting(value: &Value) -> Option<SettingValue> {
    match value {
        Value::String(text) => Some(SettingValue::Text(text.clone())),
        // Whole numbers beyond 2^53 lose digits, as they would in any plugin.
        Value::Integer(number) => Some(SettingValue::Number(*number as f64)),
        Value::Float(number) => Some(SettingValue::Number(*number)),
        Value::Boolean(flag) => Some(SettingValue::Flag(*flag)),
        Value::Array(items) => {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().map(SettingValue::Texts)
        }
        Value::Datetime(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Source;

    const GOOD: &str = r#"
id = "a"
kind = "signal"
version = "0.1.0"
contract = "herdwick:plugin@0.1.0"
summary = "s"
columns = ["?net.rtt-ms"]
words = []
grants = ["veto"]
on_fault = "reject"
[limits]
memory = "64 MiB"
[settings.factor]
default = 2
unit = "times"
summary = "t"
[settings.tags]
default = ["a"]
"#;

    fn read_texts(inside: Option<&str>, beside: Option<&str>) -> Result<Wanted, Vec<String>> {
        let section = inside.map_or_else(String::new, |text| {
            let escaped: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
            format!(r#"(@custom "herdwick:manifest" "{escaped}")"#)
        });
        let bytes = wat::parse_str(format!("(component {section})")).expect("valid text");
        let mut package = Package::new(Source::File("a.wasm".into()), bytes);
        package.sidecar = beside.map(str::to_owned);
        read(&package)
    }

    fn check(inside: &str, problems: &[&str]) {
        let problems: Vec<_> = problems.iter().map(|problem| format!("in its manifest, {problem}")).collect();
        assert_eq!(read_texts(Some(inside), None).err().unwrap_or_default(), problems);
    }

    #[test]
    fn everything_that_is_asked_for_is_read() {
        let wanted = read_texts(Some(GOOD), None).expect("it is good");
        let settings = [
            ("factor".to_owned(), SettingValue::Number(2.0)),
            ("tags".to_owned(), SettingValue::Texts(vec!["a".to_owned()])),
        ];
        assert_eq!(
            wanted,
            Wanted {
                id: Some("a".to_owned()),
                kind: Some(Kind::Signal),
                memory_bytes: 64 << 20,
                grants: BTreeSet::from([Grant::Veto]),
                on_fault: OnFault::Reject,
                settings: Some(BTreeMap::from(settings)),
            }
        );
        assert_eq!(read_texts(None, None), Ok(Wanted::default()));
    }

    #[test]
    fn a_file_beside_it_stands_over_what_is_inside() {
        let beside = "on_fault = \"baseline\"\nlimits.memory = \"128 MiB\"\nsettings.factor.default = 3.5";
        let wanted = read_texts(Some(GOOD), Some(beside)).expect("it is good");
        assert_eq!((wanted.on_fault, wanted.memory_bytes), (OnFault::Baseline, 128 << 20));
        let settings = wanted.settings.expect("they are named");
        assert_eq!(settings.get("factor"), Some(&SettingValue::Number(3.5)));
        assert_eq!((settings.len(), wanted.id.as_deref()), (2, Some("a")));
        let alone = read_texts(None, Some(beside)).expect("it is good");
        assert_eq!((alone.memory_bytes, alone.kind), (128 << 20, None));
    }

    #[test]
    fn what_nobody_reads_is_refused_with_the_nearest_key() {
        check("on_falt = \"reject\"", &["`on_falt` is no key; did you mean \"on_fault\"?"]);
        check("[limits]\nmemroy = \"16 MiB\"", &["`limits.memroy` is no key; did you mean \"memory\"?"]);
        check(
            "[settings.a]\ndefualt = 1",
            &["`settings.a.defualt` is no key; did you mean \"default\"?", "`settings.a` needs a `default`"],
        );
    }

    #[test]
    fn values_that_mean_nothing_are_refused_all_at_once() {
        check(
            "kind = \"signl\"\ncontract = \"herdwick:plugin@0.2.0\"\ngrants = [\"root\"]\nwords = 1\nid = 1",
            &[
                "`words` must be a list of texts",
                "`contract` is \"herdwick:plugin@0.2.0\", this router hosts herdwick:plugin@0.1.0",
                "`grants` has \"root\", which is none of veto, http, content",
                "`id` must be a text",
                "`kind` has \"signl\", which is none of signal, fallback, health; did you mean \"signal\"?",
            ],
        );
        check(
            "limits = 1\nsettings.a = 2",
            &["`limits` must be a table", "`settings.a` must be a table", "`settings.a` needs a `default`"],
        );
        for memory in ["15 MiB", "129 MiB", "64", "64MB", "99999999999999999999 MiB"] {
            check(
                &format!("[limits]\nmemory = \"{memory}\""),
                &[&format!("`limits.memory` is \"{memory}\", it must be \"16 MiB\" to \"128 MiB\"")],
            );
        }
        let problems = read_texts(Some("a = = 1"), None).expect_err("no TOML");
        assert!(problems[0].starts_with("has a manifest that is no TOML: "), "{problems:?}");
    }
}
