//! What a router is to the simulated world: it hears news and says what is to be done. Must not know any policy.

use crate::fleets::{ModelId, NodeNo};
use crate::node::Node;
use crate::time::Time;
use crate::trace::Request;

/// What a router hears, as it would over its connections.
#[derive(Clone, Debug)]
pub enum News {
    /// A client asks.
    Asked(Request),
    /// The first token of an answer came.
    FirstToken(usize),
    /// An answer ended well.
    Done(usize),
    /// A machine said that it cannot (500).
    Failed(usize),
    /// A connection was cut off, or refused.
    Lost(usize),
    /// The client of a request left.
    Left(usize),
    /// A load that the router wanted is done.
    Loaded(NodeNo, ModelId),
    /// A load that the router wanted did not work.
    LoadFailed(NodeNo, ModelId),
    /// A machine's agent beats. What it says is what can be seen there.
    Beat(NodeNo),
    /// The time that the router named has come.
    Due,
}

/// What a router does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Hands a request over.
    Send(usize, NodeNo),
    /// Hangs up on a request that was handed over, to send it elsewhere or to end it.
    HangUp(usize),
    /// Has a model loaded with nobody waiting for it.
    Load(NodeNo, ModelId),
    /// Has a model leave memory.
    Unload(NodeNo, ModelId),
    /// Tells the client that its request is not served, and ends it.
    Refuse(usize, Refusal),
}

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Too much waits already.
    Full,
    /// It waited too long.
    Late,
    /// It was tried, and whoever was asked failed.
    Failed,
    /// Nobody can serve it.
    Nobody,
}

/// The world as it is. Only those that are meant to know everything may look into `nodes` beyond what a beat tells.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// Now.
    pub now: Time,
    /// Every machine.
    pub nodes: &'a [Node],
}

/// A router.
pub trait Router {
    /// Takes in news, and puts what is to be done behind `actions`.
    fn hear(&mut self, news: &News, sight: Sight<'_>, actions: &mut Vec<Action>);

    /// When it wants to be woken at the latest.
    fn due(&self) -> Option<Time> {
        None
    }

    /// What does not agree in its own books, if it keeps some.
    fn complaint(&self) -> Option<String> {
        None
    }

    /// What it holds of requests, in numbers of any kind; 0 once nothing is under way.
    fn held(&self) -> usize {
        0
    }
}
