//! `herdwick nodes label`: what an operator calls a machine by, for plugins. What is not named stays.

use std::collections::BTreeMap;

use herdwick_wire::nodes::{LabelNode, NodesView};
use http::Method;

use super::{Ask, add};
use crate::cli::print;
use crate::failed::Failed;

/// Options of `herdwick nodes label`.
#[derive(clap::Args)]
pub(crate) struct Label {
    /// The machine: its name, where it listens, or the beginning of its id.
    name: String,
    /// What to call it by: `room=office`.
    #[arg(value_name = "NAME=TEXT", value_parser = add::label, required_unless_present = "remove")]
    labels: Vec<(String, String)>,
    /// A label to take off. May be repeated.
    #[arg(long, value_name = "NAME")]
    remove: Vec<String>,
    #[command(flatten)]
    ask: Ask,
}

impl Label {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let node = self.ask.node(&self.name)?;
        let mut labels = node.labels.clone();
        for name in &self.remove {
            if labels.remove(name).is_none() {
                return Err(Failed::plainly(
                    format!("{} has no label {name:?}", node.name),
                    format!("`herdwick nodes show {}` shows those that it has", node.name),
                ));
            }
        }
        labels.extend(self.labels.iter().cloned());
        let told = match said(&labels) {
            None => format!("{} has no label any more\n", node.name),
            Some(said) => format!("{} is labelled {said}\n", node.name),
        };
        let nodes = self.ask.act(Method::POST, &node, "/label", Some(&LabelNode { labels }))?;
        if self.ask.json { print::json(&NodesView { nodes }) } else { print::text(&told) }
    }
}

/// Labels as they are typed; `None` if there is none.
pub(crate) fn said(labels: &BTreeMap<String, String>) -> Option<String> {
    let each: Vec<_> = labels.iter().map(|(name, text)| format!("{name}={text}")).collect();
    (!each.is_empty()).then(|| each.join(", "))
}
