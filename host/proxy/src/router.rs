//! What every request needs, built once: the newest picture of the fleet, the live signals, connections, the
//! line of those that wait. Handed to the data plane by whoever assembles the program.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use herdwick_fleet::{Counters, Generation, LivePolicy, Moment, Outcomes, Ring, Snapshot};
use tokio::sync::{Semaphore, watch};

use crate::aliases::Aliases;
use crate::aside::Aside;
use crate::budget::Budget;
use crate::dispatcher::Dispatcher;
use crate::encoding::DECODERS;
use crate::gate::{Gate, Trust};
use crate::ids::Ids;
use crate::loading::Loads;
use crate::room::Room;
use crate::scene::Scene;
use crate::upstream::Pools;

/// Bounds of the data plane. Every field has a default that suits a home and an office.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one request body. Room for a few photographs in base64; Ollama itself has no limit.
    pub body_bytes: usize,
    /// Bytes of all request bodies together. A body counts until nobody holds it any more.
    pub bodies_total: usize,
    /// Time without progress after which a request body is given up.
    pub body_patience: Duration,
    /// Time a client has for its request head, counted from the connection or from the head's first bytes.
    pub head_patience: Duration,
    /// Time after which a connection without a request is closed.
    pub idle: Duration,
    /// Client connections at once; more are not accepted until one ends.
    pub connections: usize,
    /// Of these, from one address, or from one /64 of IPv6. This machine may have all.
    pub connections_per_client: usize,
    /// Requests that may wait for a slot, per model.
    pub waiting: usize,
    /// How long one may wait.
    pub wait: Duration,
    /// How long opening a connection to a backend may take. Machines are near.
    pub connect: Duration,
    /// Further backends that are tried when one fails before its answer began.
    pub retries: usize,
    /// How long running answers may go on after the router was told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 << 20,
            bodies_total: 512 << 20,
            body_patience: Duration::from_secs(30),
            head_patience: Duration::from_secs(10),
            // Go's clients close theirs after 90 s; whoever closes last runs into no closed one.
            idle: Duration::from_secs(120),
            connections: 10_000,
            connections_per_client: 128,
            waiting: 256,
            wait: Duration::from_secs(120),
            connect: Duration::from_secs(1),
            retries: 2,
            drain: Duration::from_secs(120),
        }
    }
}

/// What the data plane is made of.
pub struct Parts {
    /// Its bounds.
    pub limits: Limits,
    /// Other names for models.
    pub aliases: Aliases,
    /// Whom it lets in.
    pub trust: Trust,
    /// The newest picture of the fleet.
    pub fleet: Arc<ArcSwap<Snapshot>>,
    /// Moves whenever `fleet` does.
    pub published: watch::Receiver<Generation>,
    /// The live signals.
    pub policy: Arc<dyn LivePolicy>,
    /// Who decides when and where requests run.
    pub dispatcher: Arc<Dispatcher>,
    /// Where decisions are kept.
    pub ring: Arc<Ring>,
    /// Who answers what is not for a model.
    pub aside: Arc<dyn Aside>,
    /// Who hears how requests ended.
    pub outcomes: Arc<dyn Outcomes>,
    /// What is counted of them.
    pub counters: Arc<Counters>,
    /// Zero of the router's clock, the same for everybody.
    pub start: Instant,
}

/// The shared state of the data plane.
pub struct Router {
    pub(crate) limits: Limits,
    pub(crate) aliases: Aliases,
    pub(crate) gate: Gate,
    pub(crate) room: Arc<Room>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) loads: Loads,
    pub(crate) pools: Pools,
    pub(crate) ids: Ids,
    pub(crate) budget: Budget,
    /// The right to unpack a body.
    pub(crate) decoders: Arc<Semaphore>,
    pub(crate) scene: Arc<Scene>,
    published: watch::Receiver<Generation>,
    policy: Arc<dyn LivePolicy>,
    ring: Arc<Ring>,
    aside: Arc<dyn Aside>,
}

impl Router {
    /// A data plane of these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            limits,
            aliases,
            trust,
            fleet,
            published,
            policy,
            dispatcher,
            ring,
            aside,
            outcomes,
            counters,
            start,
        } = parts;
        Self {
            limits,
            aliases,
            gate: Gate::new(trust),
            room: Room::new(limits.bodies_total),
            dispatcher,
            loads: Loads::default(),
            pools: Pools::default(),
            ids: Ids::default(),
            budget: Budget::default(),
            decoders: Arc::new(Semaphore::new(DECODERS)),
            scene: Arc::new(Scene { outcomes, counters, fleet, start }),
            published,
            policy,
            ring,
            aside,
        }
    }

    pub(crate) fn aside(&self) -> &dyn Aside {
        &*self.aside
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.scene.snapshot()
    }

    pub(crate) fn published(&self) -> watch::Receiver<Generation> {
        self.published.clone()
    }

    pub(crate) fn policy(&self) -> &dyn LivePolicy {
        &*self.policy
    }

    pub(crate) fn now(&self) -> Moment {
        self.scene.now()
    }
}
