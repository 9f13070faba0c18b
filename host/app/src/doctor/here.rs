//! What is known of this machine before anybody is asked: configuration, folders, addresses, and what ran here before.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use herdwick_fleet::Origin;

use super::router::Known;
use super::{Asked, pinned, shell, state};
use crate::banner;
use crate::config::{Config, LISTEN, Node, Paths, Problems};

/// Routers that are asked: of more, those met last.
const ROUTERS: usize = 4;

pub(super) struct Here {
    pub(super) config: Result<Config, Problems>,
    pub(super) state: state::Seen,
    /// Where a router on this machine listens.
    pub(super) listen: SocketAddr,
    /// The same, as its clients ask it.
    pub(super) origin: Origin,
    /// Addresses that others may reach.
    own: Vec<IpAddr>,
    /// Where the Ollama on this machine is.
    pub(super) ollama: Origin,
    /// Where `OLLAMA_HOST` points.
    pub(super) shell: Option<(String, Result<Origin, String>)>,
    /// Routers to ask.
    pub(super) routers: Vec<(Origin, Known)>,
}

impl Here {
    pub(super) fn look(asked: &Asked) -> Self {
        let config = Config::load(&asked.flags, &asked.env);
        let paths = Paths::find(&asked.env, &asked.flags.named);
        let listen = config.as_ref().map_or(LISTEN, |config| config.listen);
        let local = banner::local(listen);
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        let others = interfaces.iter().filter(|it| !it.is_loopback() && !it.is_link_local());
        let mut here = Self {
            state: state::look(paths.state_dir()),
            origin: Origin { host: local.ip().to_string(), port: local.port() },
            shell: shell::target(&asked.env),
            ollama: Node::this_machine(&asked.env, listen).origin,
            own: others.map(if_addrs::Interface::ip).collect(),
            routers: Vec::new(),
            config,
            listen,
        };
        if !here.has(&here.ollama) {
            // `OLLAMA_HOST` means another machine's; that of this one is where it always is.
            here.ollama = Origin { host: Ipv4Addr::LOCALHOST.to_string(), port: Origin::DEFAULT_PORT };
        }
        here.routers = here.routers_to_ask(asked);
        here
    }

    /// Addresses that others may reach.
    pub(super) fn own(&self) -> Vec<IpAddr> {
        self.own.clone()
    }

    /// Whether it is on this machine.
    pub(super) fn has(&self, origin: &Origin) -> bool {
        is_here(origin, &self.own)
    }

    /// Whether it is the router of this machine.
    pub(super) fn is_router(&self, router: &Origin) -> bool {
        router.port == self.listen.port() && self.has(router)
    }

    /// Whether an agent was here, or is to be.
    pub(super) fn is_node(&self) -> bool {
        self.state.was_node || self.config.as_ref().is_ok_and(|config| !config.node.routers.is_empty())
    }

    /// Whether nothing but an agent was here, as far as is known.
    pub(super) fn is_node_only(&self) -> bool {
        self.is_node() && !self.state.was_router
    }

    /// The one that somebody named; else that of this machine, and those that its agent knows.
    fn routers_to_ask(&self, asked: &Asked) -> Vec<(Origin, Known)> {
        if let Some(named) = &asked.router {
            return vec![(named.clone(), Known::Named)];
        }
        let known = if self.state.was_router { Known::HereBefore } else { Known::Here };
        let here = (self.origin.clone(), known);
        let met = if self.is_node() { self.met() } else { Vec::new() };
        let met =
            met.into_iter().filter(|router| !self.is_router(router) && (!asked.local || self.has(router)));
        [here].into_iter().chain(met.take(ROUTERS).map(|router| (router, Known::Met))).collect()
    }

    /// Routers of the agent here: those that it is told of, else those that it remembers.
    fn met(&self) -> Vec<Origin> {
        let told = self.config.as_ref().map_or(&[][..], |config| config.node.routers.as_slice());
        let told: Vec<_> = told.iter().filter_map(|router| Origin::parse(&router.to_string()).ok()).collect();
        if told.is_empty() { pinned::look(self.state.folder.as_deref(), ROUTERS) } else { told }
    }
}

/// Whether the host is this machine.
fn is_here(origin: &Origin, own: &[IpAddr]) -> bool {
    match origin.host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address.is_unspecified() || own.contains(&address),
        Err(_) => origin.host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_from_others() {
        let own = ["10.0.0.5".parse().unwrap()];
        for (host, is) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("localhost", true),
            ("0.0.0.0", true),
            ("10.0.0.5", true),
            ("10.0.0.6", false),
            ("studio", false),
        ] {
            assert_eq!(is_here(&Origin { host: host.to_owned(), port: 1 }, &own), is, "{host}");
        }
    }
}
