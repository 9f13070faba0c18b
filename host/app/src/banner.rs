//! What is printed once the router listens: where, who can reach it, which machines, which signals, and a
//! command to try.

use std::fmt::Write as _;
use std::net::SocketAddr;

use herdwick_fleet::backend::Resident;
use herdwick_fleet::{Backend, Holding, Reach, Snapshot};
use herdwick_plugin_host::{Kind, PluginStatus, Source, State};
use herdwick_proxy::gate::Trust;

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
    let width = snapshot.backends().iter().map(|backend| backend.node.name.len()).max().unwrap_or(0);
    for (index, backend) in snapshot.backends().iter().enumerate() {
        let text = format!("{:<width$}  {}  {}", backend.node.name, backend.origin, state(backend));
        line(&mut out, if index == 0 { "nodes" } else { "" }, &text);
    }
    let live = plugins.iter().filter(|plugin| plugin.state == State::Live && plugin.kind == Kind::Signal);
    let signals = live.map(|plugin| match &plugin.source {
        Source::File(path) => format!("{} (from {})", plugin.id, path.display()),
        Source::BuiltIn(_) | Source::Named(_) => plugin.id.to_string(),
    });
    line(&mut out, "signals", &signals.collect::<Vec<_>>().join(", "));
    let Some(model) = example(snapshot) else {
        let next = "no node with a model answers yet; start Ollama there, or name nodes with --node http://HOST:11434";
        line(&mut out, "next", next);
        return out;
    };
    let body =
        format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Why do sheep flock?"}}]}}"#);
    line(&mut out, "try", &format!("curl -N http://{}/api/chat -d '{body}'", local(listening)));
    out
}

fn line(out: &mut String, head: &str, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  {head:<10} {text}");
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
        Reach::Unknown => "has not answered yet".to_owned(),
        Reach::Down(why) => format!("does not answer: {why}"),
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
