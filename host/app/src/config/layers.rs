//! All sources on top of each other. A key is asked for once: every source that says something about it is
//! checked, the strongest one counts, and where it stands is remembered. What nobody asked for is unknown, so no
//! list of keys can be out of step with the code.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::Kind;
use super::nearest;
use super::place::{Place, Problem};
use super::planned;
use super::raw::{Given, Raw, Table, find};

/// One setting as it holds, for people.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) value: toml::Value,
    pub(crate) source: Place,
}

/// The sources, strongest first, and what was found out about them.
pub(crate) struct Layers {
    tables: Vec<Table>,
    known: BTreeSet<String>,
    /// Tables whose keys are free.
    sections: BTreeSet<String>,
    /// Keys of which the problem is told already.
    refused: BTreeSet<String>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) rows: Vec<Row>,
}

impl Layers {
    /// Nothing is known yet.
    pub(crate) fn new(tables: Vec<Table>) -> Self {
        Self {
            tables,
            known: BTreeSet::new(),
            sections: BTreeSet::new(),
            refused: BTreeSet::new(),
            problems: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// The value of a key, or what holds when nobody says anything.
    pub(crate) fn take<K: Kind>(&mut self, key: &str, kind: &K, default: K::Value) -> K::Value {
        let (value, source) = self.strongest(key, kind).unwrap_or((default, Place::Default));
        self.rows.push(Row { key: key.to_owned(), value: kind.write(&value), source });
        value
    }

    /// The value of a key whose silence means something of its own.
    pub(crate) fn take_said<K: Kind>(&mut self, key: &str, kind: &K) -> Option<K::Value> {
        let (value, source) = self.strongest(key, kind)?;
        self.rows.push(Row { key: key.to_owned(), value: kind.write(&value), source });
        Some(value)
    }

    /// What stands in a table whose keys are free: names with the places of their keys.
    pub(crate) fn names_in(&mut self, section: &str) -> BTreeMap<String, Vec<Given>> {
        self.sections.insert(section.to_owned());
        let mut names: BTreeMap<String, Vec<Given>> = BTreeMap::new();
        for table in &self.tables {
            if let Some(Given { raw: Raw::Table(inner), .. }) = find(table, section) {
                for (name, given) in inner {
                    names.entry(name.clone()).or_default().push(given.clone());
                }
            }
        }
        names
    }

    /// Refuses a key that was found by [`Layers::names_in`], wherever it stands.
    pub(crate) fn refuse(&mut self, key: String, found: &[Given], what: &str) {
        self.problems.extend(found.iter().map(|given| Problem::new(given.key.clone(), what)));
        self.refused.insert(key);
    }

    /// Refuses what nobody asked for. In the environment it is only told, as a warning: a variable may be meant
    /// for another version.
    pub(crate) fn strangers(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        for table in &self.tables {
            self.find_strangers(table, "", &mut found);
        }
        let mut warnings = Vec::new();
        for (key, given) in found {
            match &given.key {
                Place::Variable(name) if !planned::is_key(&key) => warnings.push(self.variable(name, &key)),
                place => self.problems.push(Problem::new(place.clone(), self.stranger(&key, &given))),
            }
        }
        warnings
    }

    /// A warning about a variable that says nothing to us.
    pub(crate) fn variable(&self, name: &str, key: &str) -> String {
        let known: Vec<_> = self.known.iter().map(String::as_str).collect();
        let near = nearest::key(key, &known);
        let near = near.map(|key| key.to_uppercase().replace('.', "__").replace('-', "_"));
        let hint = near.map(|key| format!("; did you mean HERDWICK_{key}?")).unwrap_or_default();
        format!("the variable {name} means nothing here and is ignored{hint}")
    }

    fn strongest<K: Kind>(&mut self, key: &str, kind: &K) -> Option<(K::Value, Place)> {
        self.known.insert(key.to_owned());
        let mut strongest = None;
        for given in self.tables.iter().filter_map(|table| find(table, key)) {
            match kind.read(key, given) {
                Ok(value) => strongest = strongest.or_else(|| Some((value, given.place.clone()))),
                Err(problems) => self.problems.extend(problems),
            }
        }
        strongest
    }

    fn find_strangers(&self, table: &Table, section: &str, found: &mut Vec<(String, Given)>) {
        for (name, given) in table {
            let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            if self.refused.contains(&key) {
                continue;
            }
            // In quotes a dot is part of a name, and no name of ours has one.
            if name.contains('.') {
                found.push((format!("{name:?}"), given.clone()));
                continue;
            }
            match &given.raw {
                _ if self.known.contains(&key) => {}
                Raw::Table(inner) if self.is_section(&key) => self.find_strangers(inner, &key, found),
                _ => found.push((key, given.clone())),
            }
        }
    }

    fn is_section(&self, key: &str) -> bool {
        let inside = format!("{key}.");
        self.sections.contains(key) || self.known.iter().any(|known| known.starts_with(&inside))
    }

    fn stranger(&self, key: &str, given: &Given) -> String {
        if planned::is_key(key) {
            return format!("{key:?} is {}", planned::NOT_YET);
        }
        if key.starts_with('"') {
            return format!("unknown key {key}; a dot between two names stands outside quotes");
        }
        if self.is_section(key) {
            return format!("{key}: expected a table, found {}", given.raw);
        }
        nearest::unknown(key, &self.keys_and_sections())
    }

    /// Everything that may be written before a `=` or between brackets.
    fn keys_and_sections(&self) -> Vec<&str> {
        let mut all = BTreeSet::new();
        for key in self.known.iter().chain(&self.sections) {
            all.insert(key.as_str());
            all.extend(key.match_indices('.').filter_map(|(dot, _)| key.get(..dot)));
        }
        all.into_iter().collect()
    }
}
