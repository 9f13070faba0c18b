//! What outlives the router of a machine: who it is, what its operator wants of it, and where its servers were last.
//! Knows nothing of how it is kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::backend::BackendKind;
use crate::id::NodeId;
use crate::model::ModelName;
use crate::node::Origin;

/// A machine as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Who it is.
    pub node: NodeId,
    /// What it is called.
    pub name: String,
    /// Whether a command gave the name; else the machine or the configuration says what it is called.
    pub is_renamed: bool,
    /// How it came to be known.
    pub source: Source,
    /// Which agent spoke for it last, like `herdwick 0.1.0`; `None` where none ever did.
    pub agent: Option<String>,
    /// Its model servers.
    pub servers: Vec<RememberedServer>,
    /// What its operator says of it, for plugins.
    pub labels: BTreeMap<String, String>,
    /// Whether it takes no new work, as its operator wants.
    pub drained: bool,
    /// Models that its operator wants in its memory, whatever comes.
    pub pins: BTreeSet<ModelName>,
}

/// A model server as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedServer {
    /// Where it listens on its machine; what it is known by.
    pub port: u16,
    /// Which API it speaks.
    pub kind: BackendKind,
    /// Where a router reached it.
    pub origin: Origin,
    /// Requests that each of its models takes at once, as a command said.
    pub slots: Option<u32>,
}

/// How a machine came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The configuration names it.
    Configured,
    /// A command added it.
    Added,
    /// It was found on the network, or reported by itself.
    Found,
}

/// A model server that somebody names, without an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What to call its machine. Taken names get a number.
    pub name: String,
    /// Where it listens.
    pub origin: Origin,
    /// Requests that each of its models takes at once; `None` = nobody said, so that an agent may.
    pub slots: Option<u32>,
    /// What its operator says of it, for plugins.
    pub labels: BTreeMap<String, String>,
    /// Who names it.
    pub source: Source,
}
