//! `herdwick models`: which models the fleet has, where each is, and how fast it is there.

mod list;
mod show;

use clap::Subcommand;
use herdwick_wire::learned::{FleetModelView, ModelsView};

use crate::client::Ask;

/// Where the router tells of models.
const PATH: &str = "/admin/v1/models";

/// Subcommands of `herdwick models`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show every model: where it is, how ready, how fast.
    List(list::List),
    /// Show one model with all that was learned of it.
    Show(show::Show),
}

impl Command {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::List(args) => args.run(),
            Self::Show(args) => args.run(),
        }
    }
}

/// Every model, as the router knows them now.
fn all(ask: &Ask) -> anyhow::Result<Vec<FleetModelView>> {
    Ok(ask.router.get::<ModelsView>(PATH)?.models)
}
