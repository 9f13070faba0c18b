//! `herdwick serve`: what can be said on the command line, checked all at once.

use std::net::SocketAddr;
use std::path::PathBuf;

use herdwick_fleet::Origin;

use crate::assemble::{NodeSettings, Settings};
use crate::failed::Failed;

/// Where clients reach the router, until its rules for browsers and strangers exist: this machine only.
const LISTEN: &str = "127.0.0.1:11435";
/// Ollama's own default for requests at once per model (`OLLAMA_NUM_PARALLEL`).
const SLOTS: u32 = 1;
/// More slots than this are a typing mistake.
const MOST_SLOTS: u32 = 1_024;

/// Options of `herdwick serve`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address that clients reach; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = LISTEN)]
    listen: String,

    /// A machine: [NAME=]http://HOST[:PORT][,slots=N]; may be given many times. Without any, the Ollama on this
    /// machine. `slots` is its OLLAMA_NUM_PARALLEL.
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,

    /// A signal to run beside the built-in ones, or in place of the one whose name it has; may be given many
    /// times.
    #[arg(long = "plugin", value_name = "FILE")]
    plugins: Vec<PathBuf>,

    /// Largest request body in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    body_limit: u32,

    /// Three simulated machines, to see everything without a model.
    #[arg(long, conflicts_with = "nodes")]
    demo: bool,
}

impl Args {
    /// Checks everything and tells all problems at once.
    pub(crate) fn settings(self) -> anyhow::Result<Settings> {
        let mut problems = Vec::new();
        let listen = self.listen.parse::<SocketAddr>().map_err(|_| {
            problems.push(format!(
                "--listen {:?} is no address; write it like {LISTEN} or 0.0.0.0:11435",
                self.listen
            ));
        });
        let mut nodes = Vec::new();
        for text in &self.nodes {
            match node(text) {
                Ok(node) => nodes.push(node),
                Err(why) => problems.push(format!("--node {text:?}: {why}")),
            }
        }
        if nodes.is_empty() && problems.is_empty() && !self.demo {
            nodes.push(NodeSettings::this_machine());
        }
        match listen {
            Ok(listen) if problems.is_empty() => Ok(Settings {
                listen,
                nodes,
                plugins: self.plugins,
                demo: self.demo,
                body_bytes: (self.body_limit as usize) << 20,
            }),
            _ => Err(Failed::plainly(
                problems.join("\n       "),
                "write each node like http://10.0.0.5:11434 or studio=http://10.0.0.5:11434,slots=4",
            )),
        }
    }
}

/// Reads `[NAME=]http://HOST[:PORT][,slots=N]`.
fn node(text: &str) -> Result<NodeSettings, String> {
    let mut parts = text.split(',');
    let place = parts.next().unwrap_or_default();
    let (name, url) = match place.split_once('=') {
        Some((name, url)) => (Some(name.trim()), url),
        None => (None, place),
    };
    let origin = Origin::parse(url).map_err(|error| error.to_string())?;
    let mut slots = SLOTS;
    for option in parts {
        match option.split_once('=') {
            Some(("slots", number)) => {
                slots = number
                    .parse()
                    .ok()
                    .filter(|slots| (1..=MOST_SLOTS).contains(slots))
                    .ok_or_else(|| format!("slots={number} is not a number from 1 to {MOST_SLOTS}"))?;
            }
            _ => return Err(format!("{option:?} is no option of a node; only slots=N is")),
        }
    }
    let name = match name {
        None => origin.host.clone(),
        Some(name) if is_name(name) => name.to_owned(),
        Some(name) => {
            return Err(format!("the name {name:?} must be 1 to 63 letters, digits, dots, dashes"));
        }
    };
    Ok(NodeSettings { name, origin, slots })
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=63).contains(&name.len()) && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, String, u32), String> {
        node(text).map(|node| (node.name, node.origin.to_string(), node.slots))
    }

    #[test]
    fn nodes_are_read_with_and_without_name_and_slots() {
        let node = |name: &str, url: &str, slots| Ok((name.to_owned(), url.to_owned(), slots));
        assert_eq!(read("http://10.0.0.5"), node("10.0.0.5", "http://10.0.0.5:11434", 1));
        assert_eq!(read("studio=10.0.0.5:80,slots=4"), node("studio", "http://10.0.0.5:80", 4));
    }

    #[test]
    fn a_bad_node_says_what_is_wrong() {
        for (text, why) in [
            ("https://studio", "only http"),
            ("", "names no host"),
            ("studio,slots=0", "slots=0 is not a number from 1"),
            ("studio,cores=4", "only slots=N is"),
            ("my mac=studio", "must be 1 to 63"),
        ] {
            let told = read(text).expect_err(text);
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
