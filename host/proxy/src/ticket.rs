//! The right to ask one backend: the slot that was taken and the decision behind it. Giving it back, however
//! the request ends, lets the next one in.

use std::sync::Arc;

use herdwick_fleet::live::{HoldingLive, LoadCredit};
use herdwick_fleet::{Backend, Candidate, Decision, Failure as Class, Residency, SlotGuard, Trial};
use tokio::sync::Notify;

use crate::attempt::Failure;
use crate::lesson::Lesson;
use crate::scene::Scene;

/// A slot and its decision. Dropping it frees the slot and wakes those that wait.
pub(crate) struct Ticket {
    pub(crate) backend: Arc<Backend>,
    pub(crate) decision: Arc<Decision>,
    live: Arc<HoldingLive>,
    /// This request's part in a load, until an answer proves the model resident.
    load: Option<LoadCredit>,
    /// What its answer will teach, until it ends.
    pub(crate) lesson: Box<Lesson>,
    slot: Option<SlotGuard>,
    /// Its backend failed lately, and is tried by a few at a time.
    trial: Option<Trial>,
    scene: Arc<Scene>,
    freed: Arc<Notify>,
}

impl Ticket {
    /// Takes a slot of the best candidate; `None` if there is none, or somebody else took its last slot.
    pub(crate) fn take(
        decision: &Arc<Decision>,
        best: Option<&Candidate>,
        scene: &Arc<Scene>,
        freed: &Arc<Notify>,
    ) -> Option<Self> {
        let best = best?;
        let Candidate { backend, holding } = best;
        let live = Arc::clone(&holding.live);
        let slot = live.slots.try_acquire()?;
        let ranked = decision.ranked.iter().find(|ranked| ranked.row == backend.row);
        let residency = ranked.and_then(|ranked| ranked.residency);
        let loads = matches!(residency, Some(Residency::OnDisk | Residency::Warm | Residency::Loading));
        let load = loads.then(|| live.join_load(scene.now()));
        Some(Self {
            backend: Arc::clone(backend),
            decision: Arc::clone(decision),
            live,
            load,
            lesson: Box::new(Lesson::begin(best, residency, scene)),
            slot: Some(slot),
            trial: backend.live.breaker.begin(),
            scene: Arc::clone(scene),
            freed: Arc::clone(freed),
        })
    }

    /// Why this backend, in one line: the decision's reason, unless a fallback rule advised another than its best.
    pub(crate) fn why(&self) -> String {
        match self.decision.ranked.first() {
            Some(best) if best.row != self.backend.row => {
                format!("{} as a fallback rule advised after a failure", self.backend.node.name)
            }
            _ => self.decision.why(),
        }
    }

    /// The backend failed before its answer began, which says something to everybody who would be sent there next.
    pub(crate) fn failed(&self, failure: &Failure) {
        let now = self.scene.now();
        match failure.class() {
            Class::ModelMissing => self.live.mark_denied(now),
            Class::Overloaded => self.live.mark_busy(now),
            _ => {}
        }
        let breaker = &self.backend.live.breaker;
        let turn = match failure {
            Failure::Hung(_) => breaker.hung(now),
            // It did as it was told, and not as it was meant: that is between us and its version.
            Failure::OnlyLoaded => None,
            failure => breaker.failed(failure.class(), self.load.is_some(), now),
        };
        self.scene.turned(&self.backend, turn);
    }

    /// Its answer broke off after it had begun.
    pub(crate) fn broke(self, failure: Class) {
        let turn = self.backend.live.breaker.failed(failure, false, self.scene.now());
        self.scene.turned(&self.backend, turn);
    }

    /// A good answer began: the model is resident there. An error proves nothing, and a node that fails fast
    /// must not look like one that is ready.
    pub(crate) fn succeeded(&mut self) {
        let now = self.scene.now();
        self.live.credit_success(now);
        let turn = self.backend.live.breaker.succeeded(self.load.take().is_some(), now);
        self.scene.turned(&self.backend, turn);
        if self.trial.is_some() {
            // More may try it now than before.
            self.freed.notify_waiters();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // First the slot, then the word that it is free.
        self.slot = None;
        self.trial = None;
        self.freed.notify_waiters();
    }
}
