//! What the operator wants, checked: from flags, environment and files to one value that the rest of the program
//! can rely on. Prints nothing and starts nothing, so that it can be called again while the program runs.
//!
//! Reading order: `sources` collects what was said, as `raw` values with their [`place`]s; [`Config::load`] asks
//! `layers` for every key by its `kind`; `show` tells people what came of it.

mod address;
mod aliases;
mod choices;
mod discovery;
pub(crate) mod env;
mod file;
pub(crate) mod init;
mod kind;
mod layers;
mod lists;
mod measures;
mod nearest;
mod node;
mod nodes;
pub(crate) mod overrides;
pub(crate) mod paths;
mod place;
mod planned;
mod plugins;
mod raw;
pub(crate) mod show;
mod sources;
#[cfg(test)]
mod tests;
mod units;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use herdwick_plugin_host::config::PluginsConfig;
use herdwick_proxy::Limits;
use herdwick_proxy::gate::{self, PageOrigin, Prefix, Trust};

pub(crate) use discovery::{Discovery, DiscoveryFlags};
pub(crate) use env::Env;
pub(crate) use node::NodeConfig;
pub(crate) use nodes::{MOST_SLOTS, Node};
pub(crate) use paths::{Named, Paths};
pub(crate) use place::Problems;
pub(crate) use sources::{Flags, NodeFlags};

use crate::requests::Logged;
use address::Address;
use choices::Choice;
use layers::{Layers, Row};
use lists::Texts;
use measures::{Count, Lasting, Size};
use nodes::Nodes;
use sources::Sources;

/// Where clients reach the router: on every address, where its gate tells who may come in.
pub(crate) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 11_435);

/// Nobody waits longer than a day for a slot; 0 means not at all.
const WAIT_MAX: Lasting = Lasting { least: Duration::ZERO, most: Duration::from_secs(86_400) };
/// Each further try may hold a prompt's whole work; more than this only spreads what fails everywhere.
const RETRY_ATTEMPTS: Count = Count { least: 0, most: 16 };
/// A waiting request holds its body in memory.
const MAX_REQUESTS: Count = Count { least: 0, most: 100_000 };
/// Under a KiB no prompt fits; over 4 GiB no model reads it.
const BODY: Size = Size { least: 1 << 10, most: 4 << 30 };
/// All bodies together; a router that holds none can answer nobody.
const BODIES: Size = Size { least: 1 << 10, most: 1 << 40 };
/// Time without progress of a body. Over ten minutes it would hold memory for nobody.
const BODY_TIMEOUT: Lasting = Lasting { least: Duration::from_secs(1), most: Duration::from_secs(600) };
/// An idle connection costs little; over a day nobody comes back to it.
const IDLE_TIMEOUT: Lasting = Lasting { least: Duration::from_secs(1), most: Duration::from_secs(86_400) };
/// Under a second slow phones are cut off; over ten minutes idle strangers hold connections.
const HEADER_TIMEOUT: Lasting = Lasting { least: Duration::from_secs(1), most: Duration::from_secs(600) };
/// 0 cuts at once; no service manager waits longer than an hour.
const DRAIN: Lasting = Lasting { least: Duration::ZERO, most: Duration::from_secs(3_600) };
/// No system that we know lets a process open more.
const CONNECTIONS: Count = Count { least: 1, most: 1_000_000 };

/// Names, without a port: who asks on another port asks another program.
const HOSTS: Texts<String> = Texts {
    one: "a name like \"ai.example.com\"",
    read: |text| match gate::is_host_name(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no host's name; write it like ai.example.com, without a port")),
    },
};
const ORIGINS: Texts<PageOrigin> = Texts {
    one: "an origin like \"https://chat.example.com\"",
    read: |text| text.parse().map_err(|error: gate::PageOriginError| error.to_string()),
};
const SOURCES: Texts<Prefix> = Texts {
    one: "a range of addresses like \"203.0.113.0/24\"",
    read: |text| text.parse().map_err(|error: gate::PrefixError| error.to_string()),
};

/// Which requests leave a line in the log.
const LOG_REQUESTS: Choice<Logged> =
    Choice { names: &[("all", Logged::All), ("failures", Logged::Failures), ("off", Logged::Off)] };

/// The configuration as it holds.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    /// The machines without an agent; the Ollama on this machine when nobody says anything.
    pub(crate) nodes: Vec<Node>,
    /// Whom it lets in besides whoever comes in by default.
    pub(crate) trust: Trust,
    /// How it and others find each other.
    pub(crate) discovery: Discovery,
    /// Bounds of the data plane.
    pub(crate) limits: Limits,
    /// Other names for models, and what they mean.
    pub(crate) aliases: Vec<(String, String)>,
    pub(crate) plugins: PluginsConfig,
    /// What the agent of this machine is told.
    pub(crate) node: NodeConfig,
    /// Which requests leave a line in the log.
    pub(crate) log_requests: Logged,
    /// Where files lie.
    pub(crate) paths: Paths,
    /// What is no error but probably not meant.
    pub(crate) warnings: Vec<String>,
    /// All of it, for people.
    rows: Vec<Row>,
}

impl Config {
    /// Reads and checks everything, or tells all problems of all sources.
    pub(crate) fn load(flags: &Flags, env: &Env) -> Result<Self, Problems> {
        let paths = Paths::find(env, &flags.named);
        let sources = Sources::ask(flags, env, &paths);
        Self::of(sources, paths, env)
    }

    /// The files that it came from or would come from, for whoever watches them.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        [self.paths.config_file(), self.paths.overrides_file()].into_iter().flatten().collect()
    }

    fn of(sources: Sources, paths: Paths, env: &Env) -> Result<Self, Problems> {
        let mut layers = Layers::new(sources.tables);
        let listen = layers.take("listen", &Address, LISTEN);
        let trust = Trust {
            hosts: layers.take("allowed_hosts", &HOSTS, Vec::new()),
            origins: layers.take("allowed_origins", &ORIGINS, Vec::new()),
            sources: layers.take("allowed_sources", &SOURCES, Vec::new()),
        };
        let nodes = layers.take("nodes", &Nodes, vec![Node::this_machine(env, listen)]);
        let discovery = discovery::read(&mut layers);
        let limits = limits(&mut layers);
        let aliases = layers.take("models.aliases", &aliases::Names, Vec::new());
        let log_requests = layers.take("telemetry.log_requests", &LOG_REQUESTS, Logged::All);
        let plugins = plugins::read(&mut layers);
        let node = node::read(&mut layers);
        let mut warnings = layers.strangers();
        warnings.extend(sources.strange.iter().map(|name| layers.variable(name, name)));
        let mut problems = sources.problems;
        problems.append(&mut layers.problems);
        Problems::none_in(problems)?;
        Ok(Self {
            listen,
            trust,
            nodes,
            discovery,
            limits,
            aliases,
            plugins,
            node,
            log_requests,
            paths,
            warnings,
            rows: layers.rows,
        })
    }
}

fn limits(layers: &mut Layers) -> Limits {
    let default = Limits::default();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Limits {
        wait: layers.take("routing.wait_max", &WAIT_MAX, default.wait),
        retries: layers.take("routing.retry_attempts", &RETRY_ATTEMPTS, count(default.retries)) as usize,
        waiting: layers.take("queue.max_requests", &MAX_REQUESTS, count(default.waiting)) as usize,
        body_bytes: usize::try_from(layers.take("limits.body", &BODY, default.body_bytes as u64))
            .unwrap_or(usize::MAX),
        bodies_total: usize::try_from(layers.take(
            "limits.bodies_total",
            &BODIES,
            default.bodies_total as u64,
        ))
        .unwrap_or(usize::MAX),
        body_patience: layers.take("limits.body_timeout", &BODY_TIMEOUT, default.body_patience),
        head_patience: layers.take("limits.header_timeout", &HEADER_TIMEOUT, default.head_patience),
        connections: layers.take("limits.connections", &CONNECTIONS, count(default.connections)) as usize,
        connections_per_client: layers.take(
            "limits.connections_per_client",
            &CONNECTIONS,
            count(default.connections_per_client),
        ) as usize,
        idle: layers.take("limits.idle_timeout", &IDLE_TIMEOUT, default.idle),
        drain: layers.take("limits.drain", &DRAIN, default.drain),
        ..default
    }
}
