//! `herdwick models`: which models are in memory is the router's business, and here an operator has a say in it.

mod wish;

use clap::Subcommand;

/// Subcommands of `herdwick models`.
#[derive(Subcommand)]
pub(crate) enum Command {
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
            Self::Load(args) => args.run(),
            Self::Unload(args) => args.run(),
            Self::Pin(args) => args.run(),
            Self::Unpin(args) => args.run(),
        }
    }
}
