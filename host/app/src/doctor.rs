//! `herdwick doctor`: looks at everything that keeps a router and its machines apart, and says of each thing how it
//! is, why, and what to type. Changes nothing.
//!
//! Each check is two things: `look`, which asks the system and is bounded in time, and `judge`, a function of what was
//! seen. All looks run at once, so that the whole takes no longer than the longest.

mod ask;
mod configuration;
mod files;
mod firewall;
mod holder;
pub(crate) mod line;
mod multicast;
mod nodes;
mod ollama;
mod port;
mod router;
mod shell;
pub(crate) mod show;
mod state;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use herdwick_fleet::Origin;

use crate::banner;
use crate::config::{Config, Env, Flags, LISTEN, Node, Paths, Problems};
use line::Line;
use nodes::Known;
use ollama::Need;

/// What this machine is, as people call it.
const ROUTER: &str = "router";
const NODE: &str = "node";

/// What to look at.
pub(crate) struct Asked {
    pub(crate) flags: Flags,
    pub(crate) env: Env,
    /// A router that somebody named.
    pub(crate) router: Option<Origin>,
    /// Nothing is sent to other machines.
    pub(crate) local: bool,
}

/// What came of it.
pub(crate) struct Examined {
    /// What this machine is; empty when nothing is set up yet.
    pub(crate) roles: Vec<&'static str>,
    pub(crate) lines: Vec<Line>,
}

/// What is known before anybody is asked.
struct Here {
    config: Result<Config, Problems>,
    state: state::Seen,
    /// Where a router on this machine listens.
    listen: SocketAddr,
    /// The same, as its clients ask it.
    origin: Origin,
    /// Addresses that others may reach.
    own: Vec<IpAddr>,
    /// Where the Ollama on this machine is.
    ollama: Origin,
    /// Where `OLLAMA_HOST` points.
    shell: Option<(String, Result<Origin, String>)>,
}

/// What was seen.
struct Seen {
    port: port::Seen,
    router: router::Seen,
    ollama: ollama::Seen,
    shell: Option<(String, Result<ask::Answer, String>)>,
    multicast: Option<multicast::Seen>,
    nodes: Vec<nodes::Seen>,
    /// Machines that were not asked.
    left_out: usize,
}

/// Looks at everything and judges it.
pub(crate) async fn examine(asked: &Asked) -> Examined {
    let here = Here::look(asked);
    let seen = look(asked, &here).await;
    let roles = roles(asked, &here, &seen);
    Examined { lines: judge(asked, &here, &seen, &roles), roles }
}

impl Here {
    fn look(asked: &Asked) -> Self {
        let config = Config::load(&asked.flags, &asked.env);
        let paths = Paths::find(&asked.env, &asked.flags.named);
        let listen = config.as_ref().map_or(LISTEN, |config| config.listen);
        let local = banner::local(listen);
        let own: Vec<IpAddr> = if_addrs::get_if_addrs()
            .unwrap_or_default()
            .iter()
            .filter(|interface| !interface.is_loopback() && !interface.is_link_local())
            .map(if_addrs::Interface::ip)
            .collect();
        let told = Node::this_machine(&asked.env, listen).origin;
        let ollama = if is_here(&told, &own) {
            told
        } else {
            // `OLLAMA_HOST` means another machine's; that of this one is where it always is.
            Origin { host: IpAddr::from([127, 0, 0, 1]).to_string(), port: Origin::DEFAULT_PORT }
        };
        Self {
            state: state::look(paths.state_dir()),
            origin: Origin { host: local.ip().to_string(), port: local.port() },
            shell: shell::target(&asked.env),
            config,
            listen,
            own,
            ollama,
        }
    }

    /// Whether a named router is the one of this machine.
    fn is_router(&self, router: &Origin) -> bool {
        router.port == self.listen.port() && is_here(router, &self.own)
    }
}

/// Whether the host is this machine.
fn is_here(origin: &Origin, own: &[IpAddr]) -> bool {
    match origin.host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address.is_unspecified() || own.contains(&address),
        Err(_) => origin.host.eq_ignore_ascii_case("localhost"),
    }
}

/// Everything at once; only the machines wait for the router, which names them.
async fn look(asked: &Asked, here: &Here) -> Seen {
    let named = asked.router.clone();
    let expected = here.state.was_router;
    let router =
        router::look(named.clone().unwrap_or_else(|| here.origin.clone()), named.is_some(), expected);
    let multicast = async { if asked.local { None } else { Some(multicast::look().await) } };
    let shell = async {
        let (said, target) = here.shell.clone()?;
        let answer = match target {
            Ok(origin) if asked.local && !is_here(&origin, &here.own) => return None,
            Ok(origin) => ask::get(&origin, "/").await.map_err(|silence| silence.to_string()),
            Err(why) => Err(why),
        };
        Some((said, answer))
    };
    let fleet = async {
        let known = match nodes::of_router(&here.origin).await {
            Some(known) => known,
            None => configured(here),
        };
        let (known, others): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|known| !asked.local || is_here(&known.origin, &here.own));
        (nodes::look(known).await, others.len())
    };
    let installed = ollama_is_installed(&asked.env);
    let (port, router, ollama, shell, multicast, (nodes, left_out)) = tokio::join!(
        port::look(here.listen),
        router,
        ollama::look(here.ollama.clone(), here.own.clone(), installed),
        shell,
        multicast,
        fleet,
    );
    // What is said of the Ollama here need not be said twice.
    let nodes = nodes.into_iter().filter(|node| node.known.origin != ollama.origin).collect();
    Seen { port, router, ollama, shell, multicast, nodes, left_out }
}

/// The machines as the configuration names them, for lack of a router that knows them.
fn configured(here: &Here) -> Vec<Known> {
    let nodes = here.config.as_ref().map_or(&[][..], |config| config.nodes.as_slice());
    let known = |node: &Node| Known {
        name: node.name.clone(),
        origin: node.origin.clone(),
        router: None,
        is_locked: false,
    };
    nodes.iter().map(known).collect()
}

fn ollama_is_installed(env: &Env) -> bool {
    let program = if cfg!(windows) { "ollama.exe" } else { "ollama" };
    env.get("PATH")
        .is_some_and(|path| std::env::split_paths(path).any(|folder| folder.join(program).is_file()))
}

/// What this machine is, from what runs here and ran here before.
fn roles(asked: &Asked, here: &Here, seen: &Seen) -> Vec<&'static str> {
    let is_elsewhere = asked.router.as_ref().is_some_and(|router| !here.is_router(router));
    let is_router = seen.port.is_ours() || here.state.was_router;
    let is_node = here.state.was_node || is_elsewhere;
    [(is_router, ROUTER), (is_node, NODE)].into_iter().filter(|(is, _)| *is).map(|(_, role)| role).collect()
}

fn judge(asked: &Asked, here: &Here, seen: &Seen, roles: &[&'static str]) -> Vec<Line> {
    let is_node_only = roles == [NODE];
    let files = here.config.as_ref().map(|config| {
        (config.files().into_iter().filter(|file| file.is_file()).collect(), config.warnings.clone())
    });
    let mut lines = vec![
        configuration::judge(&files.map_err(Clone::clone)),
        state::judge(&here.state),
        port::judge(&seen.port, !is_node_only),
    ];
    // Who else holds the port is told already.
    if asked.router.is_some() || seen.port.is_ours() || seen.port.refused.is_none() {
        lines.push(router::judge(&seen.router));
        lines.extend(router::clock(&seen.router));
    }
    lines.extend(ollama::judge(&seen.ollama, need(here, seen, roles)));
    lines.extend(seen.nodes.iter().map(nodes::judge));
    if seen.left_out > 0 {
        lines.push(Line::skipped("nodes", format!("{} on other machines, as --local asks", seen.left_out)));
    }
    if is_node_only && seen.router.is_there() {
        let why = "a router tells only its own machine how it sees the others: run `herdwick doctor` there";
        lines.push(Line::skipped("way back", why));
    }
    lines.push(match &seen.multicast {
        Some(seen) => multicast::judge(seen),
        None => Line::skipped("multicast", "nothing is sent to the network, as --local asks"),
    });
    lines.extend(firewall::judge(&firewall::look(Path::new("/"), here.listen.port()), &swallowed(seen)));
    let wanted = here
        .config
        .as_ref()
        .map_or(herdwick_proxy::Limits::default().connections, |config| config.limits.connections);
    if !is_node_only {
        lines.push(files::judge(&files::look(wanted)));
    }
    let router = if seen.router.is_there() { &seen.router.origin } else { &here.origin };
    let router = router.authority();
    lines.extend(seen.shell.as_ref().map(|(said, answer)| shell::ollama_host(said, answer, &router)));
    lines.extend(shell::proxy(&asked.env, &ours(seen)));
    lines
}

/// What this machine needs its Ollama for.
fn need(here: &Here, seen: &Seen, roles: &[&'static str]) -> Need {
    let uses = |known: &Known| known.origin == seen.ollama.origin;
    match (configured(here).iter().any(uses), seen.nodes.is_empty() && seen.left_out == 0) {
        _ if roles.contains(&NODE) => Need::Agent,
        (true, true) => Need::OnlyNode,
        (true, false) => Need::OneOfSeveral,
        (false, _) => Need::None,
    }
}

/// Checks whose packets a firewall may have swallowed.
fn swallowed(seen: &Seen) -> Vec<&'static str> {
    let multicast = seen.multicast.as_ref().is_some_and(|seen| !seen.ways.is_empty() && !seen.works());
    [
        (multicast, "multicast"),
        (seen.router.may_be_a_firewall(), "router"),
        (seen.nodes.iter().any(nodes::Seen::may_be_a_firewall), "nodes"),
    ]
    .into_iter()
    .filter(|(is, _)| *is)
    .map(|(_, check)| check)
    .collect()
}

/// Hosts that programs on this machine reach without a proxy, or should.
fn ours(seen: &Seen) -> Vec<String> {
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let router = &seen.router.origin.host;
    if !hosts.contains(router) {
        hosts.push(router.clone());
    }
    hosts
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
