//! The list of machines without an agent: `[[nodes]]` in files, one word for each on the command line and in the
//! environment.

mod spec;
mod table;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};

use herdwick_fleet::Origin;
use herdwick_fleet::node::is_name;
use toml::Value;

use super::env::Env;
use super::kind::{Kind, unexpected, wrong};
use super::place::{Place, Problem};
use super::raw::{Given, Raw};

/// Where a server on this machine is reached.
const LOOPBACK: &str = "127.0.0.1";
/// More slots than this are a typing mistake.
pub(crate) const MOST_SLOTS: u32 = 1_024;

/// One machine without an agent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) origin: Origin,
    /// Requests that each of its models takes at once; `None` = nobody said, so that its machine may.
    pub(crate) slots: Option<u32>,
    /// Whatever the operator calls it by.
    pub(crate) labels: BTreeMap<String, String>,
    /// Nobody named it; it may be there.
    pub(crate) is_assumed: bool,
}

impl Node {
    /// The Ollama that runs here, as far as one runs: who names no node has this one. Where it listens, and how much
    /// it does at once, its own variables say, if they are set for us too.
    pub(crate) fn this_machine(env: &Env, router: SocketAddr) -> Self {
        let text = |name| env.get(name).and_then(OsStr::to_str);
        let told = text("OLLAMA_HOST").and_then(|host| Origin::parse(host).ok()).map(reachable);
        // Clients are told by the same variable where we are. Nobody asks himself.
        let told = told.filter(|origin| origin.port != router.port());
        let here = || Origin { host: LOOPBACK.to_owned(), port: Origin::DEFAULT_PORT };
        let slots = text("OLLAMA_NUM_PARALLEL").and_then(|slots| slots.parse().ok());
        let slots = slots.filter(|slots| (1..=MOST_SLOTS).contains(slots));
        let (name, labels) = ("local".to_owned(), BTreeMap::new());
        Self { name, origin: told.unwrap_or_else(here), slots, labels, is_assumed: true }
    }
}

/// Nobody can connect to a wildcard, on which a server may well listen.
fn reachable(origin: Origin) -> Origin {
    let is_wildcard = origin.host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    if is_wildcard { Origin { host: LOOPBACK.to_owned(), ..origin } } else { origin }
}

/// The list as a kind of value.
pub(crate) struct Nodes;

impl Kind for Nodes {
    type Value = Vec<Node>;

    fn read(&self, key: &str, given: &Given) -> Result<Vec<Node>, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut nodes: Vec<Node> = Vec::new();
        for said in said(key, given)? {
            let node = match &said.raw {
                Raw::Words(words) => spec::read(words).map_err(|why| vec![spoken(&said.place, words, &why)]),
                Raw::Table(table) => table::read(&said, table),
                _ => Err(unexpected(key, &said, "a table, written [[nodes]]")),
            };
            let unique = node.and_then(|node| match twice(&node, &nodes) {
                None => Ok(node),
                Some(what) => Err(match &said.raw {
                    Raw::Words(words) => vec![spoken(&said.place, words, &what)],
                    _ => wrong(key, &said, what),
                }),
            });
            match unique {
                Ok(node) => nodes.push(node),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(nodes) } else { Err(problems) }
    }

    fn write(&self, nodes: &Vec<Node>) -> Value {
        let table = |node: &Node| {
            let mut table = toml::Table::new();
            table.insert("url".to_owned(), Value::String(node.origin.to_string()));
            table.insert("name".to_owned(), Value::String(node.name.clone()));
            if let Some(slots) = node.slots {
                table.insert("slots".to_owned(), Value::Integer(i64::from(slots)));
            }
            if !node.labels.is_empty() {
                let label = |(name, text): (&String, &String)| (name.clone(), Value::String(text.clone()));
                table.insert("labels".to_owned(), Value::Table(node.labels.iter().map(label).collect()));
            }
            Value::Table(table)
        };
        Value::Array(nodes.iter().map(table).collect())
    }
}

/// The nodes one by one. In a variable, white space stands between them.
fn said(key: &str, given: &Given) -> Result<Vec<Given>, Vec<Problem>> {
    match &given.raw {
        Raw::List(list) => Ok(list.clone()),
        Raw::Words(words) => {
            let each = words.split_whitespace();
            Ok(each.map(|word| Given::new(Raw::Words(word.to_owned()), given.place.clone())).collect())
        }
        _ => Err(unexpected(key, given, "a list of tables, written [[nodes]]")),
    }
}

/// A problem with a node that was said in one word, which it repeats.
fn spoken(place: &Place, word: &str, why: &str) -> Problem {
    Problem::new(place.clone(), format!("{word:?}: {why}"))
}

/// Why a node cannot stand beside the others.
fn twice(node: &Node, others: &[Node]) -> Option<String> {
    if others.iter().any(|other| other.origin == node.origin) {
        return Some(format!("{} is named twice", node.origin));
    }
    let same_name = others.iter().any(|other| other.name == node.name);
    same_name.then(|| format!("two nodes are called {:?}; give one of them another name", node.name))
}

/// A name, if it can be one.
pub(super) fn checked_name(name: &str) -> Result<String, String> {
    if is_name(name) { Ok(name.to_owned()) } else { Err(no_name("name", name)) }
}

fn no_name(what: &str, name: &str) -> String {
    format!("the {what} {name:?} must be 1 to 63 letters, digits, dots, dashes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::env::Platform;

    #[test]
    fn the_ollama_on_this_machine_is_where_its_own_variable_says() {
        let router = SocketAddr::from(([0, 0, 0, 0], 11_435));
        for (variables, at, slots) in [
            (&[][..], "http://127.0.0.1:11434", None),
            (&[("OLLAMA_HOST", "0.0.0.0:8080")], "http://127.0.0.1:8080", None),
            (&[("OLLAMA_HOST", "http://[::]:8080")], "http://127.0.0.1:8080", None),
            (&[("OLLAMA_HOST", "studio"), ("OLLAMA_NUM_PARALLEL", "4")], "http://studio:11434", Some(4)),
            // Where clients are told that we are.
            (&[("OLLAMA_HOST", "127.0.0.1:11435")], "http://127.0.0.1:11434", None),
            (
                &[("OLLAMA_HOST", "not a host"), ("OLLAMA_NUM_PARALLEL", "many")],
                "http://127.0.0.1:11434",
                None,
            ),
        ] {
            let node = Node::this_machine(&Env::of(Platform::Linux, variables), router);
            assert_eq!((node.origin.to_string().as_str(), node.slots), (at, slots), "{variables:?}");
        }
    }
}
