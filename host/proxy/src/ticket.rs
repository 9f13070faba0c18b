//! The right to ask one backend: the slot that was taken and the decision behind it. Giving it back, however
//! the request ends, lets the next one in.

use std::sync::Arc;

use herdwick_fleet::live::HoldingLive;
use herdwick_fleet::{Backend, Candidate, Decision, Moment, Residency, SlotGuard};
use tokio::sync::Notify;

use crate::router::Router;

/// A slot and its decision. Dropping it frees the slot and wakes those that wait.
pub(crate) struct Ticket {
    pub(crate) backend: Arc<Backend>,
    pub(crate) decision: Arc<Decision>,
    live: Arc<HoldingLive>,
    /// Whether the answer began.
    answered: bool,
    slot: Option<SlotGuard>,
    freed: Arc<Notify>,
}

impl Ticket {
    /// Takes a slot of the best candidate; `None` if there is none, or somebody else took its last slot.
    pub(crate) fn take(
        decision: &Arc<Decision>,
        best: Option<&Candidate>,
        now: Moment,
        freed: &Arc<Notify>,
    ) -> Option<Self> {
        let Candidate { backend, holding } = best?;
        let live = Arc::clone(&holding.live);
        let slot = live.slots.try_acquire()?;
        let residency = decision.ranked.first().and_then(|best| best.residency);
        if matches!(residency, Some(Residency::OnDisk | Residency::Warm)) {
            live.credit_load(now);
        }
        Some(Self {
            backend: Arc::clone(backend),
            decision: Arc::clone(decision),
            live,
            answered: false,
            slot: Some(slot),
            freed: Arc::clone(freed),
        })
    }

    /// The backend's answer began: the model is resident there.
    pub(crate) fn answer_begins(&mut self, router: &Router) {
        self.answered = true;
        self.live.credit_answer(router.now());
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.answered {
            self.live.withdraw_load();
        }
        // First the slot, then the word that it is free.
        self.slot = None;
        self.freed.notify_waiters();
    }
}
