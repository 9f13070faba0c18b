//! The section `[discovery]`: how the router and others find each other.

use super::choices::Switch;
use super::layers::Layers;
use super::place::Place;
use super::raw::{Given, Raw, Table};

/// What holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Discovery {
    /// It shows itself by multicast DNS, and looks for others.
    pub(crate) mdns: bool,
    /// It looks for Ollama on the machines around.
    pub(crate) probe: bool,
    /// It calls agents of Ollama Herd also where they have a router of their own.
    pub(crate) adopt_herd_nodes: bool,
}

/// What the command line says of it. Flags only switch away from the defaults.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DiscoveryFlags {
    pub(crate) no_mdns: bool,
    pub(crate) probe: bool,
    pub(crate) adopt_herd_nodes: bool,
}

pub(crate) fn read(layers: &mut Layers) -> Discovery {
    Discovery {
        mdns: layers.take("discovery.mdns", &Switch, true),
        probe: layers.take("discovery.probe", &Switch, false),
        adopt_herd_nodes: layers.take("discovery.adopt_herd_nodes", &Switch, false),
    }
}

impl DiscoveryFlags {
    /// The section as the command line has it. A demo is nobody's router: no real machine may come to it.
    pub(crate) fn said(self, demo: bool) -> Option<Given> {
        let mut table = Table::new();
        let mut say = |key: &str, value: bool, flag: &str| {
            table.insert(key.to_owned(), Given::new(Raw::Flag(value), Place::Flag(flag.to_owned())));
        };
        if self.no_mdns {
            say("mdns", false, "--no-mdns");
        }
        if self.probe {
            say("probe", true, "--probe");
        }
        if self.adopt_herd_nodes {
            say("adopt_herd_nodes", true, "--adopt-herd-nodes");
        }
        if demo {
            say("mdns", false, "--demo");
            say("probe", false, "--demo");
        }
        let place = table.values().next()?.place.clone();
        Some(Given::new(Raw::Table(table), place))
    }
}
