//! What is printed once the agent has looked around: who it is, which model servers it found, whom it reports to, what
//! to do next.

use std::fmt::Write as _;

use herdwick_agent::{Overview, RouterView, ServerView};

use crate::cli::print;
use crate::cli::terminal::{Terminal, wrap};

/// Where the texts begin.
const INDENT: usize = 13;
/// Digits of a key that tell machines apart by eye.
const KEY: usize = 12;

/// The banner as text.
pub(super) fn text(overview: &Overview) -> String {
    let mut out = format!("herdwick node {}\n", env!("CARGO_PKG_VERSION"));
    let key: String = overview.key.chars().take(KEY).collect();
    line(&mut out, "machine", &format!("{}  (key {key}…)", overview.name));
    if overview.servers.is_empty() {
        let looked = "none yet; Ollama, llama.cpp, vLLM, LM Studio and MLX are looked for in their usual places, and \
                      one that starts is noticed";
        line(&mut out, "servers", looked);
    }
    table(&mut out, "servers", overview.servers.iter().map(server).collect());
    if overview.routers.is_empty() {
        line(&mut out, "routers", "none yet; looking for one on the network");
    }
    table(&mut out, "routers", overview.routers.iter().map(router).collect());
    let next: Vec<_> =
        next(overview).into_iter().map(|(command, what)| vec![command, what.to_owned()]).collect();
    table(&mut out, "next", next);
    out
}

fn server(server: &ServerView) -> Vec<String> {
    let name = format!("{} {}", server.kind.name(), server.version);
    let state = match &server.down {
        Some(why) => format!("no answer: {why}"),
        None => {
            let models = if server.models == 1 { "model" } else { "models" };
            format!("{} {models}, {} in memory", server.models, server.resident)
        }
    };
    vec![name.trim_end().to_owned(), server.origin.to_string(), state]
}

fn router(router: &RouterView) -> Vec<String> {
    match router {
        RouterView::Reporting(address) => vec![address.clone(), "has this machine".to_owned()],
        RouterView::Refused(addresses, why) => {
            vec![addresses.join(", "), format!("does not take this machine in: {why}")]
        }
        RouterView::Looking(addresses, why) if why.is_empty() => {
            vec![addresses.join(", "), "no answer yet".to_owned()]
        }
        RouterView::Looking(addresses, why) => {
            vec![addresses.join(", "), format!("not there: {why}; looking on")]
        }
    }
}

/// Commands and what they are for.
fn next(overview: &Overview) -> Vec<(String, &'static str)> {
    let mut next = Vec::new();
    if !overview.servers.iter().any(|server| server.down.is_none()) {
        next.push(("ollama serve".to_owned(), "start Ollama here"));
    } else if overview.servers.iter().all(|server| server.models == 0) {
        next.push(("ollama pull llama3.2".to_owned(), "there is no model yet"));
    }
    let reports = overview.routers.iter().find_map(|router| match router {
        RouterView::Reporting(address) => Some(address),
        RouterView::Refused(..) | RouterView::Looking(..) => None,
    });
    match (reports, overview.routers.is_empty()) {
        (Some(address), _) => {
            next.push((format!("herdwick status --router {address}"), "on the router: see the fleet"))
        }
        (None, false) => next.push(("herdwick".to_owned(), "start the router on its machine")),
        (None, true) => {
            next.push(("herdwick".to_owned(), "start a router on another machine"));
            next.push(("herdwick node --router HOST".to_owned(), "name one"));
        }
    }
    next
}

/// Rows under one head.
fn table(out: &mut String, head: &str, rows: Vec<Vec<String>>) {
    for (index, row) in print::columns(&rows).lines().enumerate() {
        line(out, if index == 0 { head } else { "" }, row);
    }
}

/// A line, broken where a terminal ends; a pipe gets it whole.
fn line(out: &mut String, head: &str, text: &str) {
    let columns = Terminal::stdout().columns().unwrap_or(usize::MAX);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  {head:<10} {}", wrap(text, columns, INDENT));
}

#[cfg(test)]
mod tests {
    use herdwick_fleet::{BackendKind, Origin};

    use super::*;

    fn overview(servers: Vec<ServerView>, routers: Vec<RouterView>) -> Overview {
        Overview { name: "studio".to_owned(), key: "0123456789abcdef".repeat(4), servers, routers }
    }

    #[test]
    fn a_machine_that_works_says_what_it_has_and_who_has_it() {
        let server = ServerView {
            origin: Origin { host: "127.0.0.1".to_owned(), port: 11_434 },
            kind: BackendKind::Ollama,
            version: "0.12.6".to_owned(),
            models: 2,
            resident: 1,
            down: None,
        };
        let router = RouterView::Reporting("10.0.0.1:11435".to_owned());
        let text = text(&overview(vec![server], vec![router]));
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "  machine    studio  (key 0123456789ab…)",
                "  servers    ollama 0.12.6  http://127.0.0.1:11434  2 models, 1 in memory",
                "  routers    10.0.0.1:11435  has this machine",
                "  next       herdwick status --router 10.0.0.1:11435  on the router: see the fleet",
            ]
        );
    }

    #[test]
    fn a_machine_without_anything_says_what_to_do() {
        let text = text(&overview(Vec::new(), Vec::new()));
        for part in
            ["servers    none yet", "routers    none yet", "ollama serve", "herdwick node --router HOST"]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let lost = RouterView::Looking(vec!["attic:11435".to_owned()], "nothing listens there".to_owned());
        let text = super::text(&overview(Vec::new(), vec![lost]));
        assert!(text.contains("attic:11435  not there: nothing listens there; looking on"), "{text}");
    }
}
