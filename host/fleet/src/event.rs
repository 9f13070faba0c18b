//! What changed in the fleet, as data: log, dashboard and store read the same events.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::breaker::Turn;
use crate::model::ModelName;
use crate::node::Origin;

/// What a machine is called.
type Name = Arc<str>;

/// A change that somebody may care about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A backend answers that did not before.
    Up {
        /// Its node's name.
        node: Name,
        /// The version it tells.
        version: Arc<str>,
    },
    /// A backend stopped answering.
    Down {
        /// Its node's name.
        node: Name,
        /// Why.
        why: Arc<str>,
    },
    /// The models on a backend's disk changed.
    Models {
        /// Its node's name.
        node: Name,
        /// New ones.
        added: Vec<ModelName>,
        /// Ones that went.
        removed: Vec<ModelName>,
    },
    /// A model was loaded.
    Loaded {
        /// Its node's name.
        node: Name,
        /// Which.
        model: ModelName,
    },
    /// A model left memory.
    Unloaded {
        /// Its node's name.
        node: Name,
        /// Which.
        model: ModelName,
    },
    /// A machine without an agent is in the fleet from now on.
    Added {
        /// What it is called.
        node: Name,
        /// Where it listens.
        origin: Arc<Origin>,
    },
    /// An agent reported for the first time.
    Joined {
        /// What its machine is called.
        node: Name,
        /// Which agent.
        agent: Arc<str>,
        /// Where from.
        address: IpAddr,
    },
    /// A machine that somebody named turned out to be that of an agent.
    Merged {
        /// What it is called from now on, as its operator calls it.
        node: Name,
        /// What its agent calls it.
        agent: Name,
    },
    /// A machine reports from another address.
    Moved {
        /// Its name.
        node: Name,
        /// Where it was.
        from: IpAddr,
        /// Where it is.
        to: IpAddr,
    },
    /// Two agents report the same server; the second is not believed.
    Contested {
        /// Whose report is left out.
        node: Name,
        /// Who reported it first.
        owner: Name,
        /// Where the server is.
        origin: Arc<Origin>,
    },
    /// An agent does not report a server any more.
    Gone {
        /// Its node's name.
        node: Name,
        /// Where it was.
        origin: Arc<Origin>,
    },
    /// An agent was not heard for three beats.
    Silent {
        /// Its node's name.
        node: Name,
        /// For how long.
        since: Duration,
    },
    /// An agent is heard again.
    Back {
        /// Its node's name.
        node: Name,
    },
    /// Neither an agent nor a server of its machine was heard for ten beats.
    Lost {
        /// Its node's name.
        node: Name,
    },
    /// A machine that came and went is asked only when nobody else can serve.
    Held {
        /// Its name.
        node: Name,
        /// How often it came back lately.
        flaps: u32,
        /// For how long.
        rest: Duration,
    },
    /// A machine that was held back is one like the others again.
    Released {
        /// Its name.
        node: Name,
    },
    /// No agent was heard for so long: it was the router that slept.
    Slept {
        /// How many agents get time anew.
        agents: usize,
    },
    /// A machine takes no new work any more.
    Draining {
        /// Its name.
        node: Name,
        /// Whether its agent says so, else its operator.
        by_agent: bool,
    },
    /// A machine takes new work again.
    Undrained {
        /// Its name.
        node: Name,
    },
    /// A model is to stay in a machine's memory.
    Pinned {
        /// Its name.
        node: Name,
        /// Which.
        model: ModelName,
    },
    /// A model may leave a machine's memory again.
    Unpinned {
        /// Its name.
        node: Name,
        /// Which.
        model: ModelName,
    },
    /// A machine has another name.
    Renamed {
        /// Its name before.
        from: Name,
        /// Its name now.
        node: Name,
    },
    /// What its operator says of a machine changed.
    Labelled {
        /// Its name.
        node: Name,
    },
    /// A machine is not in the fleet any more.
    Left {
        /// Its name.
        node: Name,
    },
    /// What became of requests changed how a backend is trusted.
    Turned {
        /// Its node's name.
        node: Name,
        /// How.
        turn: Turn,
    },
    /// A backend tells other durations than were observed, again and again. What was observed counts.
    Disagrees {
        /// Its node's name.
        node: Name,
        /// Of which model.
        model: ModelName,
        /// What it tells, in hundredths of what was observed.
        percent: u32,
    },
    /// Every backend failed at once for what the network did: it is the router that was cut off.
    CutOff {
        /// How many.
        backends: usize,
    },
    /// There are as many machines as are kept.
    Crowded {
        /// What the first one that is left out calls itself.
        name: Name,
        /// How many are kept.
        most: usize,
    },
}

impl Event {
    /// Whether it changes who can be asked for what, as opposed to how ready they are.
    pub fn is_topology(&self) -> bool {
        !matches!(
            self,
            Self::Loaded { .. }
                | Self::Unloaded { .. }
                | Self::Turned { .. }
                | Self::Disagrees { .. }
                | Self::CutOff { .. }
                | Self::Crowded { .. }
        )
    }

    /// Whether an operator should look at it.
    pub fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::Down { .. }
                | Self::Contested { .. }
                | Self::Silent { .. }
                | Self::Lost { .. }
                | Self::Held { .. }
                | Self::Slept { .. }
                | Self::Turned { turn: Turn::Tripped(..) | Turn::LoadsFail(..), .. }
                | Self::Disagrees { .. }
                | Self::CutOff { .. }
                | Self::Crowded { .. }
        )
    }
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { node, version } if version.is_empty() => write!(out, "{node} answers"),
            Self::Up { node, version } => write!(out, "{node} answers (version {version})"),
            Self::Down { node, why } => write!(out, "{node} does not answer: {why}"),
            Self::Models { node, added, removed } => {
                let models = |count: usize| if count == 1 { "model" } else { "models" };
                match (added.len(), removed.len()) {
                    (new, 0) => write!(out, "{node} has {new} new {}", models(new)),
                    (0, lost) => write!(out, "{node} lost {lost} {}", models(lost)),
                    (new, lost) => write!(out, "{node} has {new} new {} and lost {lost}", models(new)),
                }
            }
            Self::Loaded { node, model } => write!(out, "{node} loaded {model}"),
            Self::Unloaded { node, model } => write!(out, "{node} unloaded {model}"),
            Self::Added { node, origin } => write!(out, "{node} is added, at {origin}"),
            Self::Joined { node, agent, address } => {
                write!(out, "{node} joined: {agent} reports from {address}")
            }
            Self::Merged { node, agent } => {
                write!(out, "{node} is the machine whose agent calls it {agent}: they are one node")
            }
            Self::Moved { node, from, to } => write!(out, "{node} moved from {from} to {to}"),
            Self::Contested { node, owner, origin } => write!(
                out,
                "{node} reports the server at {origin}, which {owner} reported first; only {owner} counts. \
                 Two agents run there, or both are behind one address: stop one of them"
            ),
            Self::Gone { node, origin } => {
                write!(out, "{node} has no server at {origin} any more, says its agent")
            }
            Self::Silent { node, since } => write!(
                out,
                "the agent of {node} was not heard for {:.1} s; its servers are asked directly",
                since.as_secs_f64()
            ),
            Self::Back { node } => write!(out, "the agent of {node} is back"),
            Self::Lost { node } => {
                write!(out, "{node} is offline: neither its agent nor a server of it is heard")
            }
            Self::Held { node, flaps, rest } => write!(
                out,
                "{node} went and came back {flaps} times; for {} s it is asked only when nobody else can serve",
                rest.as_secs()
            ),
            Self::Released { node } => write!(out, "{node} is asked as before"),
            Self::Slept { agents } => write!(
                out,
                "none of {agents} agents was heard: this router slept or was cut off; nobody is given up yet"
            ),
            Self::Draining { node, by_agent: true } => {
                write!(out, "{node} takes no new work, says its agent")
            }
            Self::Draining { node, by_agent: false } => {
                write!(out, "{node} takes no new work, as its operator wants")
            }
            Self::Undrained { node } => write!(out, "{node} takes new work again"),
            Self::Pinned { node, model } => write!(out, "{model} is pinned on {node}"),
            Self::Unpinned { node, model } => write!(out, "{model} is not pinned on {node} any more"),
            Self::Renamed { from, node } => write!(out, "{from} is called {node} from now on"),
            Self::Labelled { node } => write!(out, "{node} has other labels"),
            Self::Left { node } => write!(out, "{node} is not in the fleet any more"),
            Self::Turned { node, turn: Turn::Tripped(cause, rest) } => {
                write!(out, "{node} is tripped: {cause}; it is tried again in {} s", rest.as_secs())
            }
            Self::Turned { node, turn: Turn::Answers } => {
                write!(out, "{node} answers requests again, and gets slowly more of them")
            }
            Self::Turned { node, turn: Turn::LoadsFail(row, rest) } => write!(
                out,
                "{node} failed to load models {row} times in a row while those in memory answer; none is loaded there \
                 for {} s. If it goes on, start Ollama there again (ollama#17408)",
                rest.as_secs()
            ),
            Self::Turned { node, turn: Turn::Loads } => write!(out, "{node} loads models again"),
            Self::Disagrees { node, model, percent } => write!(
                out,
                "{node} says that {model} took it {percent} % of the time that it took by this router's clock; the \
                 router's clock counts. If other programs use {node} too, they share its time; else its figures are wrong"
            ),
            Self::CutOff { backends } => write!(
                out,
                "all {backends} backends failed at once: this router was cut off; none of them is held back for it"
            ),
            Self::Crowded { name, most } => write!(
                out,
                "{most} machines are known, which is as many as are kept; {name} and others are left out"
            ),
        }
    }
}
