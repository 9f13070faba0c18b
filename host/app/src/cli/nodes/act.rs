//! `herdwick nodes rm|undrain|forget|rename`: one wish, one sentence.

use herdwick_wire::nodes::{MachineView, NodesView, RenameNode};
use http::Method;

use super::Ask;
use crate::cli::print;

/// No body.
const NONE: Option<&()> = None;

/// Options of `herdwick nodes rm`.
#[derive(clap::Args)]
pub(crate) struct Rm {
    /// The machine: its name, where it listens, or the beginning of its id.
    name: String,
    #[command(flatten)]
    ask: Ask,
}

/// Options of `herdwick nodes undrain`.
#[derive(clap::Args)]
pub(crate) struct Undrain {
    /// The machine: its name, where it listens, or the beginning of its id.
    name: String,
    #[command(flatten)]
    ask: Ask,
}

/// Options of `herdwick nodes forget`.
#[derive(clap::Args)]
pub(crate) struct Forget {
    /// The machine: its name, where it listens, or the beginning of its id.
    name: String,
    #[command(flatten)]
    ask: Ask,
}

/// Options of `herdwick nodes rename`.
#[derive(clap::Args)]
pub(crate) struct Rename {
    /// The machine: its name, where it listens, or the beginning of its id.
    name: String,
    /// What to call it from now on.
    to: String,
    #[command(flatten)]
    ask: Ask,
}

impl Rm {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let node = self.ask.node(&self.name)?;
        let left = self.ask.act(Method::DELETE, &node, "", NONE)?;
        let name = &node.name;
        let told = match now(&left, &node) {
            None => format!("removed {name}; what runs there may end"),
            Some(_) => format!(
                "{name} is no longer added, but its agent reports, so it stays; stop the agent to be rid of it"
            ),
        };
        tell(&self.ask, left, &told)
    }
}

impl Undrain {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let node = self.ask.node(&self.name)?;
        let all = self.ask.act(Method::POST, &node, "/undrain", NONE)?;
        let told = match now(&all, &node) {
            Some(now) if !now.draining.is_empty() => {
                format!("{} still gets no new work: its agent wants it so", node.name)
            }
            _ => format!("{} gets work again", node.name),
        };
        tell(&self.ask, all, &told)
    }
}

impl Forget {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let node = self.ask.node(&self.name)?;
        let left = self.ask.act(Method::POST, &node, "/forget", NONE)?;
        tell(&self.ask, left, &format!("forgot {}; if it reports again, it is new", node.name))
    }
}

impl Rename {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let node = self.ask.node(&self.name)?;
        let wish = RenameNode { name: self.to.clone() };
        let all = self.ask.act(Method::POST, &node, "/rename", Some(&wish))?;
        tell(&self.ask, all, &format!("{} is called {} from now on", node.name, self.to))
    }
}

/// The same machine afterwards, if it is still there.
fn now<'a>(nodes: &'a [MachineView], node: &MachineView) -> Option<&'a MachineView> {
    nodes.iter().find(|now| now.id == node.id)
}

/// The sentence for people; every machine as it is now for programs.
fn tell(ask: &Ask, nodes: Vec<MachineView>, told: &str) -> anyhow::Result<()> {
    if ask.json { print::json(&NodesView { nodes }) } else { print::text(&format!("{told}\n")) }
}
