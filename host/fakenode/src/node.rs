//! One simulated machine: its parts, and the doors through which tests script it and wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use crate::catalog::Catalog;
use crate::condition::{Condition, NotReached, Pulse};
use crate::gate::{Gatekeeper, Wish};
use crate::journal::Journal;
use crate::kind::Kind;
use crate::scheduler::Scheduler;
use crate::script::{Override, Script};
use crate::spec::NodeSpec;
use crate::verb::Verb;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) slots: u32,
    pub(crate) version: String,
    pub(crate) seed: u64,
    pub(crate) catalog: Catalog,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) script: Script,
    pub(crate) gate: Gatekeeper,
    pulse: Pulse,
    connections: AtomicU64,
}

impl Node {
    pub(crate) fn new(mut spec: NodeSpec) -> Arc<Node> {
        if spec.kind.holds_all() {
            spec.models.iter_mut().for_each(|model| model.resident = true);
            spec.max_loaded = spec.max_loaded.max(u32::try_from(spec.models.len()).unwrap_or(u32::MAX));
        }
        let pulse = Pulse::new();
        let catalog = Catalog::new(&spec.models);
        Arc::new(Node {
            scheduler: Arc::new(Scheduler::new(&spec, catalog.residents(), pulse.clone())),
            journal: Arc::new(Journal::new(pulse.clone())),
            catalog,
            kind: spec.kind,
            slots: spec.slots,
            version: spec.version,
            seed: spec.seed,
            script: Script::default(),
            gate: Gatekeeper::new(),
            pulse,
            connections: AtomicU64::new(0),
        })
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// Queues request verbs, obeys node verbs; returns when they are in force.
    pub(crate) async fn apply(&self, verbs: Vec<Verb>, model: Option<&str>) {
        for verb in verbs {
            match verb {
                Verb::Refuse { ms } => self.gate.ask(Wish::Refuse(ms.map(Duration::from_millis))).await,
                Verb::Acceptclose { n } => self.gate.close_next(n),
                Verb::Ps { body, delay_ms } => self.script.set_ps(Override { body, delay_ms }),
                Verb::Tags { body, delay_ms } => self.script.set_tags(Override { body, delay_ms }),
                Verb::SchedDeadlock {} => self.scheduler.deadlock(true),
                Verb::Thrash {} => self.scheduler.thrash(true),
                Verb::Resume {} => self.resume().await,
                for_a_request => self.script.push(model, for_a_request),
            }
        }
    }

    async fn resume(&self) {
        self.script.set_ps(Override::default());
        self.script.set_tags(Override::default());
        self.scheduler.deadlock(false);
        self.scheduler.thrash(false);
        self.gate.close_next(0);
        self.gate.ask(Wish::Accept).await;
    }

    /// Waits until the condition holds.
    pub(crate) async fn reached(&self, condition: Condition, patience: Duration) -> Result<(), NotReached> {
        let mut beats = self.pulse.listen();
        let holds = async {
            while !self.holds(condition) {
                beats.next().await;
            }
        };
        timeout(patience, holds).await.map_err(|_| NotReached { condition, waited: patience })
    }

    fn holds(&self, condition: Condition) -> bool {
        let counts = self.journal.counts();
        let stats = self.scheduler.stats();
        let (running, waiting) = (stats.total(|m| m.running), stats.total(|m| m.waiting));
        match condition {
            Condition::Running(n) => running >= n,
            Condition::Waiting(n) => waiting >= n,
            Condition::Requests(n) => counts.requests >= n,
            Condition::Polls(n) => counts.polls >= n,
            Condition::Closed(n) => counts.closed >= n,
            Condition::Ended(n) => counts.ended >= n,
            Condition::Loads(n) => stats.total(|m| m.loads) >= n,
            Condition::Idle => running == 0 && waiting == 0,
        }
    }
}
