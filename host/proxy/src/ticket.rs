//! The right to ask one backend: the slot that was taken and the decision behind it. Giving it back, however
//! the request ends, lets the next one in.

use std::sync::Arc;
use std::time::Instant;

use herdwick_fleet::live::{HoldingLive, LoadCredit};
use herdwick_fleet::{Backend, Candidate, Decision, Failure, Moment, Residency, SlotGuard};
use tokio::sync::Notify;

use crate::lesson::Lesson;

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
    freed: Arc<Notify>,
}

impl Ticket {
    /// Takes a slot of the best candidate; `None` if there is none, or somebody else took its last slot. `start` is the zero
    /// of the router's clock.
    pub(crate) fn take(
        decision: &Arc<Decision>,
        best: Option<&Candidate>,
        (start, now): (Instant, Moment),
        freed: &Arc<Notify>,
    ) -> Option<Self> {
        let best = best?;
        let Candidate { backend, holding } = best;
        let live = Arc::clone(&holding.live);
        let slot = live.slots.try_acquire()?;
        let ranked = decision.ranked.iter().find(|ranked| ranked.row == backend.row);
        let residency = ranked.and_then(|ranked| ranked.residency);
        let loads = matches!(residency, Some(Residency::OnDisk | Residency::Warm | Residency::Loading));
        let load = loads.then(|| live.join_load(now));
        Some(Self {
            backend: Arc::clone(backend),
            decision: Arc::clone(decision),
            live,
            load,
            lesson: Box::new(Lesson::begin(best, residency, start, now)),
            slot: Some(slot),
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

    /// The backend failed in a way that says something to everybody who would be sent there next.
    pub(crate) fn heard(&self, failure: Failure, now: Moment) {
        match failure {
            Failure::ModelMissing => self.live.mark_denied(now),
            Failure::Overloaded => self.live.mark_busy(now),
            _ => {}
        }
    }

    /// A good answer began: the model is resident there. An error proves nothing, and a node that fails fast
    /// must not look like one that is ready.
    pub(crate) fn succeeded(&mut self, now: Moment) {
        self.live.credit_success(now);
        self.load = None;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // First the slot, then the word that it is free.
        self.slot = None;
        self.freed.notify_waiters();
    }
}
