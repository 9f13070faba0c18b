//! `herdwick serve`: what can be said on the command line. What is not said comes from the configuration.

use std::path::PathBuf;

use super::config;
use super::places::Places;
use crate::assemble::{Settings, Sources};
use crate::config::{Config, DiscoveryFlags, Env, Flags};

/// Options of `herdwick serve`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address that clients reach; port 0 takes a free one. Default: 0.0.0.0:11435, which is every address of this
    /// machine.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,

    /// A machine: `[NAME=]http://HOST[:PORT][,slots=N]`, where slots is its OLLAMA_NUM_PARALLEL. May be repeated, and
    /// then the configured ones are left out. Default: the Ollama on this machine.
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,

    /// A plugin to run beside the built-in ones, or in place of the one whose name it has. May be repeated.
    #[arg(long = "plugin", value_name = "FILE")]
    plugins: Vec<PathBuf>,

    /// Neither show this router on the network nor look for others there.
    #[arg(long)]
    no_mdns: bool,

    /// Look for machines with Ollama and without an agent: port 11434 on this machine's private networks.
    #[arg(long)]
    probe: bool,

    /// Call agents of Ollama Herd even if a router of theirs is on the network. Default: only if there is none.
    #[arg(long)]
    adopt_herd_nodes: bool,

    /// Largest request body in MiB. Default: 32.
    #[arg(long, value_name = "MIB", value_parser = mebibytes)]
    body_limit: Option<u32>,

    /// Three simulated machines, to see everything without a model.
    #[arg(long, conflicts_with = "nodes")]
    demo: bool,

    #[command(flatten)]
    places: Places,
}

impl Args {
    /// Checks everything and tells all problems at once.
    pub(crate) fn settings(self, env: &Env) -> anyhow::Result<Settings> {
        let flags = Flags {
            listen: self.listen,
            nodes: self.nodes,
            demo: self.demo,
            discovery: DiscoveryFlags {
                no_mdns: self.no_mdns,
                probe: self.probe,
                adopt_herd_nodes: self.adopt_herd_nodes,
            },
            body_limit: self.body_limit,
            named: self.places.named(),
            ..Flags::default()
        };
        let config = Config::load(&flags, env).map_err(config::refused)?;
        let sources = Sources { flags, env: env.clone(), plugins: self.plugins };
        Ok(Settings { config, sources, demo: self.demo })
    }
}

/// A number of MiB that a request body may have.
fn mebibytes(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=4096).contains(number));
    number.ok_or_else(|| "it takes a whole number from 1 to 4096".to_owned())
}
