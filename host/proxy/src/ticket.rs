//! The right to ask one backend: the slot that was taken and the decision behind it. Giving it back, however
//! the request ends, lets the next one in.

use std::sync::Arc;

use herdwick_fleet::decision::Decision;
use herdwick_fleet::live::HoldingLive;
use herdwick_fleet::{Backend, Residency, SlotGuard};
use tokio::sync::Notify;

use crate::router::Router;

/// A slot and its decision. Dropping it frees the slot and wakes those that wait.
pub(crate) struct Ticket {
    pub(crate) backend: Arc<Backend>,
    pub(crate) decision: Box<Decision>,
    live: Arc<HoldingLive>,
    /// Whether the answer began.
    answered: bool,
    slot: Option<SlotGuard>,
    freed: Arc<Notify>,
}

impl Ticket {
    /// Takes a slot of the decision's best candidate; `None` if somebody else took the last one meanwhile.
    pub(crate) fn take(decision: Decision, router: &Router, freed: &Arc<Notify>) -> Option<Self> {
        let best = decision.ranked.first()?;
        let live = Arc::clone(&best.candidate.holding.live);
        let slot = live.slots.try_acquire()?;
        if matches!(best.residency, Some(Residency::OnDisk | Residency::Warm)) {
            live.credit_load(router.now());
        }
        Some(Self {
            backend: Arc::clone(&best.candidate.backend),
            decision: Box::new(decision),
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
