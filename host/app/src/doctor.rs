//! `herdwick doctor`: looks at everything that keeps a router and its machines apart, and says of each thing how it
//! is, why, and what to type. Changes nothing.
//!
//! Each check is two things: `look`, which asks the system and is bounded in time, and `judge`, a function of what was
//! seen. All looks run at once, so that the whole takes no longer than the longest.

mod ask;
mod cards;
mod configuration;
mod files;
mod firewall;
mod here;
mod holder;
pub(crate) mod line;
mod multicast;
mod neighbours;
mod nodes;
mod ollama;
mod pinned;
mod port;
mod router;
mod shell;
pub(crate) mod show;
mod state;

use std::path::Path;

use herdwick_fleet::Origin;
use tokio::task::JoinSet;

use crate::config::{Env, Flags, Node};
use here::Here;
use line::Line;
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

/// What was seen.
struct Seen {
    port: port::Seen,
    cards: cards::Seen,
    routers: Vec<router::Seen>,
    ollama: ollama::Seen,
    shell: Option<(String, Result<ask::Answer, String>)>,
    network: Option<Network>,
    nodes: Vec<nodes::Seen>,
    /// Machines that were not asked.
    left_out: usize,
}

/// What was seen on the network.
struct Network {
    multicast: multicast::Seen,
    neighbours: neighbours::Seen,
}

/// Looks at everything and judges it.
pub(crate) async fn examine(asked: &Asked) -> Examined {
    let here = Here::look(asked);
    let seen = look(asked, &here).await;
    let roles = roles(asked, &here, &seen);
    Examined { lines: judge(asked, &here, &seen, &roles), roles }
}

/// Everything at once; only the machines wait for the router, which names them, and routers that are only seen for
/// being seen.
async fn look(asked: &Asked, here: &Here) -> Seen {
    let installed = ollama_is_installed(&asked.env);
    let (port, cards, mut routers, ollama, shell, (network, others), (nodes, left_out)) = tokio::join!(
        port::look(here.listen),
        cards::look(),
        ask_routers(here.routers.clone()),
        ollama::look(here.ollama.clone(), here.own(), installed),
        look_at_shell(asked, here),
        look_at_network(asked, here),
        look_at_nodes(asked, here),
    );
    routers.extend(others);
    // What is said of the Ollama here need not be said twice.
    let nodes = nodes.into_iter().filter(|node| node.known.origin != ollama.origin).collect();
    Seen { port, cards, routers, ollama, shell, network, nodes, left_out }
}

async fn ask_routers(routers: Vec<(Origin, router::Known)>) -> Vec<router::Seen> {
    let mut asked = JoinSet::new();
    for (order, (origin, known)) in routers.into_iter().enumerate() {
        asked.spawn(async move { (order, router::look(origin, known).await) });
    }
    let mut seen = asked.join_all().await;
    seen.sort_by_key(|(order, _)| *order);
    seen.into_iter().map(|(_, seen)| seen).collect()
}

async fn look_at_shell(asked: &Asked, here: &Here) -> Option<(String, Result<ask::Answer, String>)> {
    let (said, target) = here.shell.clone()?;
    let answer = match target {
        Ok(origin) if asked.local && !here.has(&origin) => return None,
        Ok(origin) => ask::get(&origin, "/").await.map_err(|silence| silence.to_string()),
        Err(why) => Err(why),
    };
    Some((said, answer))
}

/// The network, unless it is to be left alone, and the routers that say that they are there and nobody asks yet.
async fn look_at_network(asked: &Asked, here: &Here) -> (Option<Network>, Vec<router::Seen>) {
    let is_off = here.config.as_ref().is_ok_and(|config| !config.discovery.mdns);
    if asked.local || is_off {
        return (None, Vec::new());
    }
    let (multicast, neighbours) =
        tokio::join!(multicast::look(), neighbours::look(|origin| here.has(origin)));
    let is_asked =
        |router: &Origin| here.is_router(router) || here.routers.iter().any(|(known, _)| known == router);
    let routers = neighbours.routers.iter().map(|router| router.origin.clone());
    let others = routers.filter(|router| !is_asked(router)).take(neighbours::MOST);
    let others = ask_routers(others.map(|router| (router, router::Known::Seen)).collect()).await;
    (Some(Network { multicast, neighbours }), others)
}

async fn look_at_nodes(asked: &Asked, here: &Here) -> (Vec<nodes::Seen>, usize) {
    let known = match nodes::of_router(&here.origin).await {
        Some(known) => known,
        None => configured(here),
    };
    let (known, others): (Vec<_>, Vec<_>) =
        known.into_iter().partition(|known| !asked.local || here.has(&known.origin));
    (nodes::look(known).await, others.len())
}

/// The machines as the configuration names them, for lack of a router that knows them.
fn configured(here: &Here) -> Vec<nodes::Known> {
    let nodes = here.config.as_ref().map_or(&[][..], |config| config.nodes.as_slice());
    let known =
        |node: &Node| nodes::Known { name: node.name.clone(), origin: node.origin.clone(), router: None };
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
    let is_node = here.is_node() || is_elsewhere;
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
    lines.extend(of_routers(asked, here, seen, is_node_only));
    lines.extend(ollama::judge(&seen.ollama, need(here, seen, roles)));
    lines.extend(cards::judge(&seen.cards));
    lines.extend(seen.nodes.iter().map(nodes::judge));
    if seen.left_out > 0 {
        lines.push(Line::skipped("nodes", format!("{} on other machines, as --local asks", seen.left_out)));
    }
    lines.extend(of_network(asked, here, seen));
    lines.extend(firewall::judge(&firewall::look(Path::new("/"), here.listen.port()), &swallowed(seen)));
    let wanted = here.config.as_ref().map(|config| config.limits.connections);
    if !is_node_only {
        let wanted = wanted.unwrap_or(herdwick_proxy::Limits::default().connections);
        lines.push(files::judge(&files::look(wanted)));
    }
    let router =
        seen.routers.iter().find(|router| router.is_there()).map_or(&here.origin, |router| &router.origin);
    let router = router.authority();
    lines.extend(seen.shell.as_ref().map(|(said, answer)| shell::ollama_host(said, answer, &router)));
    lines.extend(shell::proxy(&asked.env, &ours(seen)));
    lines
}

fn of_routers(asked: &Asked, here: &Here, seen: &Seen, is_node_only: bool) -> Vec<Line> {
    let is_told = |router: &&router::Seen| {
        // Who else holds the port is told already; and not every machine with an agent has a router.
        !router.known.is_here() || router.is_there() || (seen.port.refused.is_none() && !here.is_node_only())
    };
    let told = || seen.routers.iter().filter(is_told);
    let mut lines: Vec<_> = told().map(router::judge).collect();
    lines.extend(told().find_map(router::clock));
    if is_node_only
        && told().any(router::Seen::is_there)
        && asked.router.as_ref().is_none_or(|it| !here.has(it))
    {
        let why = "a router tells only its own machine how it sees the others: run `herdwick doctor` there";
        lines.push(Line::skipped("way back", why));
    }
    lines
}

fn of_network(asked: &Asked, here: &Here, seen: &Seen) -> Vec<Line> {
    let Some(Network { multicast, neighbours }) = &seen.network else {
        let why = if asked.local {
            "nothing is sent to the network, as --local asks"
        } else {
            "machines are not looked for by it (discovery.mdns = false)"
        };
        return vec![Line::skipped("multicast", why)];
    };
    let searches = here.is_node_only() && seen.routers.iter().all(|router| router.known.is_here());
    [multicast::judge(multicast)].into_iter().chain(neighbours::judge(neighbours, searches)).collect()
}

/// What this machine needs its Ollama for.
fn need(here: &Here, seen: &Seen, roles: &[&'static str]) -> Need {
    let uses = |known: &nodes::Known| known.origin == seen.ollama.origin;
    match (configured(here).iter().any(uses), seen.nodes.is_empty() && seen.left_out == 0) {
        _ if roles.contains(&NODE) => Need::Agent,
        (true, true) => Need::OnlyNode,
        (true, false) => Need::OneOfSeveral,
        (false, _) => Need::None,
    }
}

/// Checks whose packets a firewall may have swallowed.
fn swallowed(seen: &Seen) -> Vec<&'static str> {
    let multicast = seen.network.as_ref().map(|network| &network.multicast);
    [
        (multicast.is_some_and(|seen| !seen.ways.is_empty() && !seen.works()), "multicast"),
        (seen.routers.iter().any(router::Seen::may_be_a_firewall), "router"),
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
    for router in &seen.routers {
        if !hosts.contains(&router.origin.host) {
            hosts.push(router.origin.host.clone());
        }
    }
    hosts
}
