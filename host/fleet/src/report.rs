//! What an agent says of its machine, after validation: one heartbeat, as the fleet takes it in.
//!
//! Ages instead of times, since clocks differ; the address is that of the connection, never one that was written.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::BackendKind;
use crate::column::Column;
use crate::id::NodeId;
use crate::model::Model;
use crate::moment::Moment;
use crate::observation::ResidentClaim;

/// One heartbeat.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The machine: made of its agent's key.
    pub node: NodeId,
    /// What it calls itself. Two machines may say the same; the fleet tells them apart.
    pub name: String,
    /// Which agent speaks.
    pub agent: Agent,
    /// Where it reported from.
    pub address: IpAddr,
    /// When it was received.
    pub at: Moment,
    /// When the next one is due, from `at`.
    pub interval: Duration,
    /// It takes no new work and is about to leave.
    pub draining: bool,
    /// Its model servers.
    pub servers: Vec<ServerReport>,
    /// Numbers about the machine, with their ages.
    pub readings: Vec<(Column, f64, Duration)>,
    /// Other routers that it reports to.
    pub other_routers: u32,
}

/// Which program speaks for a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agent {
    /// Ours, of this version. Its heartbeats are signed.
    Herdwick {
        /// As it says.
        version: String,
    },
    /// `herd-node` of Ollama Herd, of this version. Anybody can write what it writes.
    Herd {
        /// As it says.
        version: String,
    },
}

/// One model server on the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerReport {
    /// Which API it speaks.
    pub kind: BackendKind,
    /// Where it listens on its machine; what it is known by.
    pub port: u16,
    /// How a router reaches it.
    pub door: Door,
    /// Why it does not answer its agent, when it does not.
    pub down: Option<String>,
    /// Its software's version, empty when unknown.
    pub version: String,
    /// Requests that each of its models takes at once, when the machine tells.
    pub slots: Option<u32>,
    /// Models that it keeps in memory at most, when the machine tells.
    pub max_loaded: Option<u32>,
    /// How long it keeps an unused model in memory, when the machine tells.
    pub keep_alive: Option<Duration>,
    /// How old what it says of models is.
    pub age: Duration,
    /// Every model it has on disk; `None` = as said before.
    pub models: Option<Vec<Model>>,
    /// Every model it has in memory.
    pub resident: Vec<ResidentClaim>,
    /// Requests that run there and are not this router's, as far as the agent sees.
    pub foreign: u32,
}

/// How a router reaches a model server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// It listens on its machine's address.
    Direct,
    /// It listens for its own machine only; the agent passes on what comes to this port with this bearer.
    Forwarded {
        /// Where the agent listens.
        port: u16,
        /// What each request must carry.
        bearer: Arc<str>,
    },
}
