//! `herdwick node`: the agent of this machine, from what was said to the end of its last beat.

mod banner;
mod finder;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use herdwick_agent::{Agent, AgentError, Ends, IdentityError, Place};
use tokio::runtime::Builder;
use tokio::sync::watch;

use super::places::Places;
use super::{config, print};
use crate::config::{Config, DiscoveryFlags, Env, Flags, NodeConfig, NodeFlags};
use crate::failed::Failed;
use crate::{logs, machine, shutdown};
use finder::Network;

/// How long the banner waits for a server and a router. What comes later is told by the log.
const GREETING: Duration = Duration::from_secs(1);

/// Options of `herdwick node`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A router to report to: `HOST[:PORT]`. May be repeated. Default: those it reported to before, and those on the
    /// network.
    #[arg(long = "router", value_name = "HOST[:PORT]")]
    routers: Vec<String>,

    /// What this machine is called in the fleet. Default: its host name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// A model server on this machine: `[KIND=]http://ADDRESS:PORT`, where KIND is ollama, llama.cpp, vllm, lm-studio, mlx
    /// or openai. May be repeated, and then no other is looked for. Default: whatever is in the usual places.
    #[arg(long = "backend", value_name = "SERVER")]
    backends: Vec<String>,

    /// Where requests come in for a server that listens on loopback only; the next free port, if it is taken. Default:
    /// 11436.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Neither show this machine on the network nor look for routers there.
    #[arg(long)]
    no_mdns: bool,

    #[command(flatten)]
    places: Places,
}

impl Args {
    /// Runs until a signal ends it.
    pub(crate) fn run(self, env: &Env) -> anyhow::Result<()> {
        let node =
            NodeFlags { name: self.name, routers: self.routers, backends: self.backends, port: self.port };
        let discovery = DiscoveryFlags { no_mdns: self.no_mdns, ..DiscoveryFlags::default() };
        let flags = Flags { node, discovery, named: self.places.named(), ..Flags::default() };
        let config = Config::load(&flags, env).map_err(config::refused)?;
        let settings = settings(&config, env)?;
        let _logs = logs::start()?;
        config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let agent = Arc::new(Agent::new(settings).map_err(refused)?);
        let runtime =
            Builder::new_current_thread().enable_all().build().context("the runtime cannot start")?;
        let ended = runtime.block_on(run(agent, config.discovery.mdns));
        // A name that the system still looks up must not hold up the end.
        runtime.shutdown_background();
        ended
    }
}

async fn run(agent: Arc<Agent>, mdns: bool) -> anyhow::Result<()> {
    let network = if mdns { Network::start() } else { Network::silent() };
    let ends = shutdown::Ends { stop: watch::Sender::new(false), cut: watch::Sender::new(false) };
    let heard = Ends { stop: ends.stop.subscribe(), cut: ends.cut.subscribe() };
    let (greeted, shown) = (Arc::clone(&agent), network.clone());
    tokio::spawn(async move {
        greeted.settled(GREETING).await;
        let _card = shown.show(&greeted);
        // Without a standard output there is nobody to greet.
        let _ = print::text(&banner::text(&greeted.overview()));
        // The network is told for as long as the process runs.
        std::future::pending::<()>().await;
    });
    tokio::select! {
        () = agent.run(network.finder(&agent), heard) => Ok(()),
        signals = shutdown::on_signals(&ends) => {
            signals.context("signals cannot be heard")?;
            // The second one ends at once.
            Ok(())
        }
    }
}

/// What the agent is told, once it is known to make sense on this machine.
fn settings(config: &Config, env: &Env) -> anyhow::Result<herdwick_agent::Settings> {
    let state_dir = config.paths.state_dir().ok_or_else(|| {
        Failed::plainly(
            "no home folder is known here, and a machine needs a place for its key",
            "name one: --state-dir DIR",
        )
    })?;
    let own: Vec<IpAddr> =
        if_addrs::get_if_addrs().unwrap_or_default().iter().map(if_addrs::Interface::ip).collect();
    Ok(herdwick_agent::Settings {
        name: config.node.name.clone().unwrap_or_else(machine::name),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state_dir,
        routers: config.node.routers.iter().map(ToString::to_string).collect(),
        places: places(&config.node, env, &own)?,
        door_port: config.node.port,
        meetings: config.node.meeting,
    })
}

/// The servers that were named, or the usual places.
fn places(node: &NodeConfig, env: &Env, own: &[IpAddr]) -> anyhow::Result<Vec<Place>> {
    if node.backends.is_empty() {
        let ollama = env.get("OLLAMA_HOST").and_then(|host| host.to_str());
        return Ok(Place::usual(ollama, own));
    }
    let named = node.backends.iter().map(|backend| {
        let host: Option<IpAddr> = backend.origin.host.parse().ok();
        if host.is_some_and(|host| host.is_loopback() || own.contains(&host)) {
            return Ok(Place { origin: backend.origin.clone(), kind: backend.kind });
        }
        let what = format!("{} is not on this machine", backend.origin);
        let next = "start an agent there as well, or have the router ask it without one: herdwick --node";
        Err(Failed::plainly(what, format!("{next} {}", backend.origin)))
    });
    named.collect()
}

fn refused(error: AgentError) -> anyhow::Error {
    let next = match &error {
        AgentError::Identity(IdentityError::Broken { .. }) => {
            "bring the file back from a copy; or remove it, and the machine is another one to its routers"
        }
        AgentError::Identity(IdentityError::Access { .. }) | AgentError::State(_) => {
            "make the folder and what is in it writable for this user, or choose another: --state-dir DIR"
        }
        AgentError::Random(_) => "start it again once the system has started",
    };
    let what = error.to_string();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    match cause {
        Some(cause) => Failed::because(anyhow::anyhow!(cause), what, next),
        None => Failed::plainly(what, next),
    }
}
