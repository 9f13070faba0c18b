//! A node as a table of a file.

use std::collections::BTreeMap;

use herdwick_fleet::Origin;

use super::super::kind::{Kind as _, text, unexpected, wrong};
use super::super::measures::Count;
use super::super::nearest;
use super::super::place::Problem;
use super::super::planned::{self, NOT_YET};
use super::super::raw::{Given, Raw, Table};
use super::{MOST_SLOTS, Node, checked_name, is_name, no_name};

/// What a node may say.
const KEYS: [&str; 5] = ["nodes.kind", "nodes.labels", "nodes.name", "nodes.slots", "nodes.url"];
/// The one kind of node that this version speaks to.
const OLLAMA: &str = "ollama";

/// Reads it.
pub(super) fn read(given: &Given, table: &Table) -> Result<Node, Vec<Problem>> {
    let mut fields = Fields { table, problems: strangers(table) };
    let origin = fields.read("nodes.url", url);
    let name = fields.read("nodes.name", |key, given| {
        checked_name(text(key, given, "a text")?).map_err(|what| wrong(key, given, what))
    });
    let slots =
        fields.read("nodes.slots", |key, given| Count { least: 1, most: MOST_SLOTS }.read(key, given));
    let labels = fields.read("nodes.labels", labels).unwrap_or_default();
    // There is one kind, so nothing is done with it but to check it.
    fields.read("nodes.kind", kind);
    if !table.contains_key("url") {
        let what = "a node needs its url, like \"http://192.168.1.20:11434\"";
        fields.problems.extend(wrong("nodes", given, what));
    }
    match origin {
        Some(origin) if fields.problems.is_empty() => {
            let name = name.unwrap_or_else(|| origin.host.clone());
            Ok(Node { name, origin, slots, labels, is_assumed: false })
        }
        _ => Err(fields.problems),
    }
}

/// A table of which the fields are read one by one.
struct Fields<'a> {
    table: &'a Table,
    problems: Vec<Problem>,
}

impl Fields<'_> {
    /// A field that is there and good.
    fn read<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str, &Given) -> Result<T, Vec<Problem>>,
    ) -> Option<T> {
        let given = self.table.get(nearest::parts(key).1)?;
        read(key, given).map_err(|found| self.problems.extend(found)).ok()
    }
}

fn strangers(table: &Table) -> Vec<Problem> {
    let keys = table.iter().map(|(name, given)| (format!("nodes.{name}"), given));
    let unknown = keys.filter(|(key, _)| !KEYS.contains(&key.as_str()));
    let told = unknown.map(|(key, given)| {
        let what = if planned::is_key(&key) {
            format!("{key:?} is {NOT_YET}")
        } else {
            nearest::unknown(&key, &KEYS)
        };
        Problem::new(given.key.clone(), what)
    });
    told.collect()
}

fn url(key: &str, given: &Given) -> Result<Origin, Vec<Problem>> {
    let text = text(key, given, "a url like \"http://192.168.1.20:11434\"")?;
    Origin::parse(text).map_err(|error| wrong(key, given, error))
}

fn kind(key: &str, given: &Given) -> Result<(), Vec<Problem>> {
    match text(key, given, "\"ollama\"")? {
        OLLAMA => Ok(()),
        kind if planned::is_node_kind(kind) => {
            Err(wrong(key, given, format!("{kind:?} is {NOT_YET}, only \"ollama\" is")))
        }
        kind => Err(wrong(key, given, format!("{kind:?} is not \"ollama\""))),
    }
}

fn labels(key: &str, given: &Given) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    let Raw::Table(table) = &given.raw else {
        return Err(unexpected(key, given, "a table of texts like { room = \"office\" }"));
    };
    let mut problems = Vec::new();
    let mut labels = BTreeMap::new();
    for (name, given) in table {
        let label = format!("{key}.{name}");
        match text(&label, given, "a text") {
            Err(found) => problems.extend(found),
            Ok(_) if !is_name(name) => problems.push(Problem::new(given.key.clone(), no_name("label", name))),
            Ok(text) => {
                labels.insert(name.clone(), text.to_owned());
            }
        }
    }
    if problems.is_empty() { Ok(labels) } else { Err(problems) }
}
