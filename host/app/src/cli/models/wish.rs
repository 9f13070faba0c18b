//! `herdwick models load|unload|pin|unpin`: one wish, one sentence. It returns when the wish is taken down and not when it
//! is met: a machine may have another load to end first.

use herdwick_wire::residence::{PlacesView, WishModel};
use http::Method;

use super::PATH;
use crate::cli::print;
use crate::client::Ask;

/// A model, and where.
#[derive(clap::Args)]
struct What {
    /// The model, like qwen3:8b.
    model: String,
    /// The node; needed where several have the model and it is to be loaded.
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
    #[command(flatten)]
    ask: Ask,
}

/// Options of `herdwick models load`.
#[derive(clap::Args)]
pub(crate) struct Load {
    #[command(flatten)]
    what: What,
}

/// Options of `herdwick models unload`.
#[derive(clap::Args)]
pub(crate) struct Unload {
    #[command(flatten)]
    what: What,
}

/// Options of `herdwick models pin`.
#[derive(clap::Args)]
pub(crate) struct Pin {
    #[command(flatten)]
    what: What,
}

/// Options of `herdwick models unpin`.
#[derive(clap::Args)]
pub(crate) struct Unpin {
    #[command(flatten)]
    what: What,
}

impl Load {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        self.what.wish("load", |model, nodes| match nodes {
            "" => format!("{model} is nowhere to be loaded"),
            nodes => format!("{model} is in memory on {nodes}, or will be as soon as there is room"),
        })
    }
}

impl Unload {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        self.what.wish("unload", |model, nodes| match nodes {
            "" => format!("{model} is in no memory"),
            nodes => format!("{model} leaves the memory of {nodes} once its requests there have ended"),
        })
    }
}

impl Pin {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        self.what.wish("pin", |model, nodes| format!("{model} is pinned on {nodes}: it is loaded and stays"))
    }
}

impl Unpin {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        self.what.wish("unpin", |model, nodes| match nodes {
            "" => format!("{model} is pinned nowhere"),
            nodes => {
                format!("{model} is not pinned on {nodes} any more; it leaves when others are worth more")
            }
        })
    }
}

impl What {
    fn wish(&self, verb: &str, told: impl Fn(&str, &str) -> String) -> anyhow::Result<()> {
        let wanted = WishModel { model: self.model.clone(), node: self.node.clone() };
        let path = format!("{PATH}/{verb}");
        let done: PlacesView = self.ask.router.ask(Method::POST, &path, Some(&wanted))?;
        if self.ask.json {
            return print::json(&done);
        }
        let nodes: Vec<_> = done.places.iter().map(|place| place.node.as_str()).collect();
        print::text(&format!("{}\n", told(&done.model, &nodes.join(", "))))
    }
}
