//! `herdwick nodes`: which machines there are and how each fares; to name one, to let it rest, to let it go. What is
//! changed here the router remembers by itself (`state.db`); no file of the operator's is written.

mod act;
mod add;
mod drain;
pub(crate) mod find;
pub(crate) mod grid;
mod label;
mod learned;
mod list;
mod machine;
mod show;
mod test;

use clap::Subcommand;
use herdwick_wire::nodes::{MachineView, NodesView};
use http::Method;

use crate::client::Ask;

/// Where the router tells of machines.
const PATH: &str = "/admin/v1/nodes";

/// Subcommands of `herdwick nodes`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show every machine: state, models, what runs there, where it is.
    List(list::List),
    /// Show one machine with all its models.
    Show(show::Show),
    /// Name a machine that has no agent, from now on and after a restart.
    Add(add::Add),
    /// Take out a machine that was added.
    Rm(act::Rm),
    /// Give a machine no new work; what runs there may end.
    Drain(drain::Drain),
    /// Give a machine work again.
    Undrain(act::Undrain),
    /// Ask the model servers of a machine, or whoever listens at an address, what they are.
    Test(test::Test),
    /// Forget a machine that reports no more, with all that commands said of it.
    Forget(act::Forget),
    /// Call a machine otherwise.
    Rename(act::Rename),
    /// Say what you call a machine by, for plugins.
    Label(label::Label),
}

impl Command {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::List(args) => args.run(),
            Self::Show(args) => args.run(),
            Self::Add(args) => args.run(),
            Self::Rm(args) => args.run(),
            Self::Drain(args) => args.run(),
            Self::Undrain(args) => args.run(),
            Self::Test(args) => args.run(),
            Self::Forget(args) => args.run(),
            Self::Rename(args) => args.run(),
            Self::Label(args) => args.run(),
        }
    }
}

impl Ask {
    /// Every machine, as the router knows them now.
    fn nodes(&self) -> anyhow::Result<Vec<MachineView>> {
        Ok(self.router.get::<NodesView>(PATH)?.nodes)
    }

    /// The machine that somebody means.
    fn node(&self, said: &str) -> anyhow::Result<MachineView> {
        find::node(&self.nodes()?, said).cloned()
    }

    /// Has the router do something with a machine; returns all as they are then.
    fn act(
        &self,
        method: Method,
        node: &MachineView,
        what: &str,
        body: Option<&impl serde::Serialize>,
    ) -> anyhow::Result<Vec<MachineView>> {
        let path = format!("{PATH}/{}{what}", node.name);
        Ok(self.router.ask::<NodesView>(method, &path, body)?.nodes)
    }
}
