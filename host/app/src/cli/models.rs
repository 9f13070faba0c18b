//! `herdwick models`: which models the fleet has, where each is and how fast it is there, and which of them are in memory.

mod list;
mod show;
mod wish;

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
    /// Have a model loaded, without a request for it.
    Load(wish::Load),
    /// Let go of a model once its requests have ended; a pin is taken off.
    Unload(wish::Unload),
    /// Keep a model in memory whatever comes, also after a restart.
    Pin(wish::Pin),
    /// Let a model go when others are worth more.
    Unpin(wish::Unpin),
}

impl Command {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::List(args) => args.run(),
            Self::Show(args) => args.run(),
            Self::Load(args) => args.run(),
            Self::Unload(args) => args.run(),
            Self::Pin(args) => args.run(),
            Self::Unpin(args) => args.run(),
        }
    }
}

/// Every model, as the router knows them now.
fn all(ask: &Ask) -> anyhow::Result<Vec<FleetModelView>> {
    Ok(ask.router.get::<ModelsView>(PATH)?.models)
}
