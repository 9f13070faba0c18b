//! What whatever outlives its request's story still needs of the router: the newest picture of the fleet, the time, and
//! who hears what became of it. Holds nothing else of the router alive.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use herdwick_fleet::{
    Backend, Candidate, Counters, Event, Failure as Class, Moment, Outcomes, Snapshot, Turn, breaker,
};

use crate::attempt::Failure;

/// Shared by everything under way.
pub(crate) struct Scene {
    pub(crate) outcomes: Arc<dyn Outcomes>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) fleet: Arc<ArcSwap<Snapshot>>,
    /// Zero of the router's clock.
    pub(crate) start: Instant,
}

impl Scene {
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.fleet.load_full()
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::on(self.start, Instant::now())
    }

    /// A backend failed before its answer began, which says something to everybody who would be sent there next.
    pub(crate) fn failed(&self, candidate: &Candidate, failure: &Failure, was_cold: bool) {
        let (now, Candidate { backend, holding }) = (self.now(), candidate);
        match failure.class() {
            Class::ModelMissing => holding.live.mark_denied(now),
            Class::Overloaded => holding.live.mark_busy(now),
            _ => {}
        }
        let breaker = &backend.live.breaker;
        let turn = match failure {
            Failure::Hung(_) => breaker.hung(now),
            // It did as it was told, and not as it was meant: that is between us and its version.
            Failure::OnlyLoaded => None,
            failure => breaker.failed(failure.class(), was_cold, now),
        };
        self.turned(backend, turn);
    }

    /// Tells how a backend's breaker turned, if it did. When all of them fell at once, none did.
    pub(crate) fn turned(&self, backend: &Backend, turn: Option<Turn>) {
        let Some(turn) = turn else { return };
        let node = Arc::clone(&backend.node.name);
        self.outcomes.changed(Event::Turned { node, turn });
        if let Turn::Tripped(..) = turn {
            let snapshot = self.snapshot();
            let breakers = snapshot.backends().iter().map(|backend| &backend.live.breaker);
            if let Some(backends) = breaker::suspects_itself(breakers, self.now()) {
                self.outcomes.changed(Event::CutOff { backends });
            }
        }
    }
}
