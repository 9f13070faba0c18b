//! What is printed once the router listens: where, who can reach it, which machines, which signals, and a
//! command to try.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use herdwick_fleet::backend::Resident;
use herdwick_fleet::{Backend, Holding, Reach, Snapshot, Standing};
use herdwick_plugin_host::{Kind, PluginStatus, Source, State};
use herdwick_proxy::gate::Trust;

use crate::cli::print;
use crate::cli::terminal::{Terminal, wrap};
use crate::client;

/// Where the texts begin.
const INDENT: usize = 13;

/// Where clients come in, and whom the operator lets in besides whoever may by default.
pub(crate) struct Door {
    pub(crate) listening: SocketAddr,
    pub(crate) trust: Trust,
}

/// The banner as text.
pub(crate) fn text(door: &Door, snapshot: &Snapshot, plugins: &[PluginStatus]) -> String {
    let listening = door.listening;
    let mut out = format!("herdwick {}\n", env!("CARGO_PKG_VERSION"));
    line(&mut out, "listening", &format!("http://{listening}  ({})", door.reach()));
    let node = |backend: &Arc<Backend>| {
        vec![backend.node.name.to_string(), backend.origin.to_string(), state(backend)]
    };
    let nodes: Vec<_> = snapshot.backends().iter().map(node).collect();
    for (index, node) in print::columns(&nodes).lines().enumerate() {
        line(&mut out, if index == 0 { "nodes" } else { "" }, node);
    }
    line(&mut out, "signals", &signals(plugins));
    let router = if local(listening) == local(client::expected()) {
        String::new()
    } else {
        format!(" --router {}", local(listening))
    };
    let Some(model) = example(snapshot) else {
        next(&mut out, snapshot, &router);
        return out;
    };
    let body =
        format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Why do sheep flock?"}}]}}"#);
    // As one line, to be pasted.
    let _ = writeln!(out, "  {:<10} curl -N http://{}/api/chat -d '{body}'", "try", local(listening));
    commands(
        &mut out,
        &[
            (format!("herdwick try{router}"), "where and why"),
            (format!("herdwick status --watch{router}"), "what is going on"),
        ],
    );
    out
}

/// What somebody does whom no machine answers.
fn next(out: &mut String, snapshot: &Snapshot, router: &str) {
    let up: Vec<_> = snapshot.backends().iter().filter(|backend| backend.reach == Reach::Up).collect();
    if let Some(first) = up.first() {
        let pull = match snapshot.backends() {
            [_] => "there is no model yet".to_owned(),
            _ => format!("there is no model yet; this on {}, for one", first.node.name),
        };
        line(out, "next", &format!("{pull}:"));
        commands(out, &[("ollama pull llama3.2".to_owned(), "")]);
        return;
    }
    line(out, "next", "no machine answers yet; one that does is noticed. One of these:");
    commands(
        out,
        &[
            ("ollama serve".to_owned(), "start Ollama here"),
            ("herdwick node".to_owned(), "on another machine: it reports here"),
            ("herdwick --node http://HOST:11434".to_owned(), "or name that machine"),
            ("herdwick --demo".to_owned(), "look around, no model"),
            (format!("herdwick status{router}"), "see what is wrong"),
        ],
    );
}

/// Commands and what they are for.
fn commands(out: &mut String, commands: &[(String, &str)]) {
    let row = |(command, what): &(String, &str)| vec![command.clone(), (*what).to_owned()];
    let rows: Vec<_> = commands.iter().map(row).collect();
    print::columns(&rows).lines().for_each(|command| line(out, "", command));
}

fn signals(plugins: &[PluginStatus]) -> String {
    let live = plugins.iter().filter(|plugin| plugin.state == State::Live && plugin.kind == Kind::Signal);
    let signals = live.map(|plugin| match &plugin.source {
        Source::File(path) => format!("{} (from {})", plugin.id, path.display()),
        Source::BuiltIn(_) | Source::Named(_) => plugin.id.to_string(),
    });
    signals.collect::<Vec<_>>().join(", ")
}

/// A line, broken where a terminal ends; a pipe gets it whole.
fn line(out: &mut String, head: &str, text: &str) {
    let columns = Terminal::stdout().columns().unwrap_or(usize::MAX);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  {head:<10} {}", wrap(text, columns, INDENT));
}

impl Door {
    /// Who comes in, in words.
    fn reach(&self) -> String {
        if self.listening.ip().is_loopback() {
            return "only programs on this machine; --listen 0.0.0.0:11435 lets your networks in".to_owned();
        }
        let besides = |list: bool, name| if list { format!(" and {name}") } else { String::new() };
        let sources = besides(!self.trust.sources.is_empty(), "allowed_sources");
        let origins = besides(!self.trust.origins.is_empty(), "allowed_origins");
        format!(
            "programs on this machine, your networks{sources}; of pages in browsers only its own{origins}"
        )
    }
}

/// An address that works on this machine: nobody can connect to a wildcard.
pub(crate) fn local(listening: SocketAddr) -> SocketAddr {
    let mut local = listening;
    if listening.ip().is_unspecified() {
        local.set_ip(match listening {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    local
}

fn state(backend: &Backend) -> String {
    match &backend.reach {
        Reach::Up => {
            let models = backend.holdings.len();
            let resident = backend.holdings.values().filter(|holding| is_resident(holding)).count();
            format!("{models} {}, {resident} in memory", if models == 1 { "model" } else { "models" })
        }
        _ if backend.node.standing == Standing::Lost => "offline".to_owned(),
        Reach::Unknown => "no answer yet".to_owned(),
        Reach::Down(why) => format!("no answer: {why}"),
    }
}

fn is_resident(holding: &Holding) -> bool {
    holding.polled.as_ref().is_some_and(|polled| *polled.last() != Resident::No)
}

/// A model that somebody has, in memory if possible.
fn example(snapshot: &Snapshot) -> Option<String> {
    let up = snapshot.backends().iter().filter(|backend| backend.reach == Reach::Up);
    let holdings: Vec<_> = up.flat_map(|backend| backend.holdings.values()).collect();
    let hot = holdings.iter().find(|holding| is_resident(holding));
    hot.or(holdings.first()).map(|holding| holding.model.listed_as.clone())
}
