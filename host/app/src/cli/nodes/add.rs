//! `herdwick nodes add`: names a machine that has no agent. The router remembers it; no file of the operator's changes.

use std::collections::BTreeMap;

use herdwick_fleet::Origin;
use herdwick_fleet::node::is_name;
use herdwick_wire::nodes::{AddNode, MachineView, NodesView};
use herdwick_wire::status::NodeView;
use http::Method;

use super::test::Found;
use super::{Ask, PATH};
use crate::cli::print;
use crate::config::MOST_SLOTS;
use crate::failed::Failed;

/// Options of `herdwick nodes add`.
#[derive(clap::Args)]
pub(crate) struct Add {
    /// Where it listens, like http://192.168.1.20:11434; the port is Ollama's when left out.
    url: String,
    /// What to call it. Default: the host in its address.
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// Requests that each of its models takes at once: its OLLAMA_NUM_PARALLEL. Default: 1.
    #[arg(long, value_name = "N", value_parser = slots)]
    slots: Option<u32>,
    /// What you call it by, for plugins: `room=office`. May be repeated.
    #[arg(long = "label", value_name = "NAME=TEXT", value_parser = label)]
    labels: Vec<(String, String)>,
    #[command(flatten)]
    ask: Ask,
}

impl Add {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let origin = Origin::parse(&self.url).map_err(|error| {
            let what = format!("{:?} is no address of a machine", self.url);
            Failed::because(error, what, "write it like http://192.168.1.20:11434")
        })?;
        let wish = AddNode {
            url: origin.to_string(),
            name: self.name.clone(),
            slots: self.slots,
            labels: self.labels.iter().cloned().collect::<BTreeMap<_, _>>(),
        };
        let all: NodesView = self.ask.router.ask(Method::POST, PATH, Some(&wish))?;
        match server(&all.nodes, &origin) {
            Some((node, _)) if self.ask.json => print::json(node),
            Some((node, server)) => print::text(&told(node, server, &origin)?),
            None if self.ask.json => print::json(&all),
            // It turned out to be a server that was known by another address, and that one stays.
            None => print::text(&format!(
                "added {}: it is a server that was known by another address; `herdwick nodes list` shows it\n",
                origin.authority()
            )),
        }
    }
}

/// What the router made of an address.
fn server<'a>(nodes: &'a [MachineView], origin: &Origin) -> Option<(&'a MachineView, &'a NodeView)> {
    let origin = origin.to_string();
    let mut servers = nodes.iter().flat_map(|node| node.servers.iter().map(move |server| (node, server)));
    servers.find(|(_, server)| server.origin == origin)
}

/// That it was added, and whether it is of use.
fn told(node: &MachineView, server: &NodeView, origin: &Origin) -> anyhow::Result<String> {
    let found = Found::at(origin)?.taken_for(&server.kind);
    let how = match &found.problem {
        None => found.words(),
        Some(problem) => format!(
            "it is not of use yet: {problem}; it is asked again all the time\nnext:  {}",
            found.next()
        ),
    };
    Ok(format!("added {} at {}: {how}\n", node.name, origin.authority()))
}

fn name(text: &str) -> Result<String, String> {
    match is_name(text) {
        true => Ok(text.to_owned()),
        false => Err("a name is 1 to 63 letters, digits, dots, dashes".to_owned()),
    }
}

fn slots(text: &str) -> Result<u32, String> {
    let slots = text.parse().ok().filter(|slots| (1..=MOST_SLOTS).contains(slots));
    slots.ok_or_else(|| format!("it takes a whole number from 1 to {MOST_SLOTS}"))
}

/// A label as it is typed.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, text)) if is_name(name) => Ok((name.to_owned(), text.to_owned())),
        Some(_) => Err("a label's name is 1 to 63 letters, digits, dots, dashes".to_owned()),
        None => Err("a label is written NAME=TEXT, like room=office".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_machine_is_checked_before_anybody_is_asked() {
        assert_eq!(label("room=the office"), Ok(("room".to_owned(), "the office".to_owned())));
        assert_eq!(label("room="), Ok(("room".to_owned(), String::new())));
        assert!(label("room").is_err() && label("=x").is_err() && label("my room=x").is_err());
        assert_eq!(slots("4"), Ok(4));
        assert!(slots("0").is_err() && slots("1025").is_err() && slots("many").is_err());
        assert!(name("studio-2.local").is_ok() && name("my mac").is_err() && name("").is_err());
    }
}
