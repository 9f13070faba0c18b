//! The environment as the program sees it, taken once: tests hand in their own, on any platform.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::place::{Place, Problem};
use super::raw::{Given, Raw, Table};

/// What the names of our variables begin with.
const PREFIX: &str = "HERDWICK_";
/// Parts of a name are nested by this.
const NESTING: &str = "__";

/// Variables that say something, but no key of the configuration: the folders, and what other commands read.
const NO_KEYS: [&str; 6] = ["CACHE_DIR", "CONFIG", "CONFIG_DIR", "LOG", "ROUTER", "STATE_DIR"];

/// Which system's customs hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    /// Also every other Unix but macOS.
    Linux,
    MacOs,
    Windows,
}

impl Platform {
    /// The one that this program was built for.
    pub(crate) fn here() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Linux
        }
    }
}

/// The environment.
#[derive(Clone, Debug)]
pub(crate) struct Env {
    pub(crate) platform: Platform,
    variables: BTreeMap<String, OsString>,
}

impl Env {
    /// The environment of this process.
    pub(crate) fn of_process() -> Self {
        Self::new(Platform::here(), std::env::vars_os())
    }

    /// An environment of these variables.
    pub(crate) fn new(platform: Platform, variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let variables = variables.map(|(name, value)| (name.to_string_lossy().into_owned(), value)).collect();
        Self { platform, variables }
    }

    /// The value of a variable; an empty one is as good as none.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(name).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Variables that say something and whose names begin like this.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let named =
            self.variables.iter().filter(|(name, value)| name.starts_with(prefix) && !value.is_empty());
        named.map(|(name, _)| name.clone()).collect()
    }

    /// Everything that our variables say about the configuration.
    pub(crate) fn said(&self) -> Said {
        let mut said = Said::default();
        // Longer names come first, so that a variable for a table cannot take the place of its keys.
        for (name, value) in self.variables.iter().rev() {
            let Some(key) = name.strip_prefix(PREFIX).filter(|key| !NO_KEYS.contains(key)) else {
                continue;
            };
            let place = Place::Variable(name.clone());
            match value.to_str() {
                Some("") => {}
                Some(value) => {
                    let given = Given::new(Raw::Words(value.to_owned()), place);
                    let path = path(key);
                    if path.iter().any(String::is_empty) || !insert(&mut said.table, &path, given) {
                        said.strange.push(name.clone());
                    }
                }
                None => said.problems.push(Problem::new(place, "its value is not UTF-8")),
            }
        }
        said
    }
}

/// What variables say.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) table: Table,
    /// Variables that cannot be keys.
    pub(crate) strange: Vec<String>,
    pub(crate) problems: Vec<Problem>,
}

/// `LIMITS__BODY` → `limits`, `body`. The name of a plugin has dashes, which the name of a variable cannot have.
fn path(key: &str) -> Vec<String> {
    let mut parts: Vec<String> = key.split(NESTING).map(str::to_ascii_lowercase).collect();
    if let [section, plugin, _, ..] = parts.as_mut_slice()
        && section == "plugins"
    {
        *plugin = plugin.replace('_', "-");
    }
    parts
}

/// Puts a value into tables that are made on the way. False if its place is taken already.
fn insert(table: &mut Table, path: &[String], given: Given) -> bool {
    match path {
        [] => false,
        [last] => !table.contains_key(last) && table.insert(last.clone(), given).is_none(),
        [head, rest @ ..] => {
            let place = given.place.clone();
            let inner =
                table.entry(head.clone()).or_insert_with(|| Given::new(Raw::Table(Table::new()), place));
            match &mut inner.raw {
                Raw::Table(inner) => insert(inner, rest, given),
                _ => false,
            }
        }
    }
}

#[cfg(test)]
impl Env {
    /// A made-up environment.
    pub(crate) fn of(platform: Platform, variables: &[(&str, &str)]) -> Self {
        Self::new(platform, variables.iter().map(|(name, value)| (name.into(), value.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::find;
    use super::*;

    #[test]
    fn a_name_says_which_key_is_meant() {
        for (name, key) in [
            ("HERDWICK_LISTEN", "listen"),
            ("HERDWICK_LIMITS__HEADER_TIMEOUT", "limits.header_timeout"),
            ("HERDWICK_PLUGINS__AUTO_ENABLE", "plugins.auto_enable"),
            ("HERDWICK_PLUGINS__QUEUE_DEPTH__ON_FAULT", "plugins.queue-depth.on_fault"),
            ("HERDWICK_PLUGINS__A_B__SETTINGS__C_D", "plugins.a-b.settings.c_d"),
        ] {
            let said = Env::of(Platform::Linux, &[(name, "x")]).said();
            let found = find(&said.table, key).unwrap_or_else(|| panic!("{name} is not {key}: {said:?}"));
            assert_eq!(found.place, Place::Variable(name.to_owned()));
        }
    }

    #[test]
    fn variables_that_are_no_keys_are_told_apart() {
        let said = Env::of(
            Platform::Linux,
            &[
                ("HERDWICK_LOG", "debug"),
                ("HERDWICK_CONFIG_DIR", "/x"),
                ("HERDWICK_LISTEN", ""),
                ("HERDWICK_LIMITS", "1"),
                ("HERDWICK_LIMITS__BODY", "1 MiB"),
                ("HERDWICK_", "1"),
                ("HERDWICK___A", "1"),
                ("OTHER", "1"),
            ],
        )
        .said();
        assert_eq!(said.strange, ["HERDWICK___A", "HERDWICK_LIMITS", "HERDWICK_"]);
        assert!(find(&said.table, "limits.body").is_some() && find(&said.table, "listen").is_none());
        assert!(said.problems.is_empty());
    }
}
