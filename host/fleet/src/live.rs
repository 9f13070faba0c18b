//! What must be true this instant and not at the next heartbeat: a backend's death and the loads we started
//! ourselves. Shared by all snapshots of the same backend; every field is one atomic word.
//!
//! Without crediting one's own dispatches at once, a burst of requests all see the same idle machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::moment::Moment;
use crate::slots::Slots;

/// A moment in an atomic word; 0 means never, so moments are stored one later than they are.
#[derive(Debug, Default)]
struct AtomicMoment(AtomicU64);

impl AtomicMoment {
    fn get(&self) -> Option<Moment> {
        self.0.load(Ordering::Acquire).checked_sub(1).map(Moment)
    }

    fn set(&self, at: Option<Moment>) {
        self.0.store(at.map_or(0, |at| at.0.saturating_add(1)), Ordering::Release);
    }
}

/// The live side of one backend.
#[derive(Debug, Default)]
pub struct BackendLive {
    refused: AtomicBool,
}

impl BackendLive {
    /// A connection failed just now. Nobody is sent here until an observation says that it answers again.
    pub fn mark_refused(&self) {
        self.refused.store(true, Ordering::Release);
    }

    /// It answered a probe.
    pub fn mark_reached(&self) {
        self.refused.store(false, Ordering::Release);
    }

    /// Whether the last thing that happened was a refused connection.
    pub fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }
}

/// The live side of one model on one backend.
#[derive(Debug)]
pub struct HoldingLive {
    /// Who may run now.
    pub slots: Arc<Slots>,
    load_began: AtomicMoment,
    answered: AtomicMoment,
}

impl HoldingLive {
    /// Nothing running, nothing loading.
    pub fn new(slots: u32) -> Self {
        Self {
            slots: Arc::new(Slots::new(slots)),
            load_began: AtomicMoment::default(),
            answered: AtomicMoment::default(),
        }
    }

    /// We sent a request to a backend where the model is not resident: it is loading from now on.
    pub fn credit_load(&self, now: Moment) {
        if self.load_began.get().is_none() {
            self.load_began.set(Some(now));
        }
    }

    /// The first byte of an answer came: the model is resident, whatever the last poll said.
    pub fn credit_answer(&self, now: Moment) {
        self.answered.set(Some(now));
        self.load_began.set(None);
    }

    /// The request that would have loaded the model ended without an answer.
    pub fn withdraw_load(&self) {
        self.load_began.set(None);
    }

    /// When a load that we started and that has not answered yet began.
    pub fn load_began(&self) -> Option<Moment> {
        self.load_began.get()
    }

    /// When the last answer began.
    pub fn answered(&self) -> Option<Moment> {
        self.answered.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_credited_once_and_ends_with_the_first_byte() {
        let live = HoldingLive::new(1);
        live.credit_load(Moment(0));
        live.credit_load(Moment(50));
        assert_eq!(live.load_began(), Some(Moment(0)), "the first request started it");
        live.credit_answer(Moment(70));
        assert_eq!((live.load_began(), live.answered()), (None, Some(Moment(70))));
    }
}
