//! The right to ask one backend: the run that dispatch began for a request, with the decision behind it. Giving it back,
//! however the request ends, lets the next one in.

use std::sync::Arc;

use herdwick_fleet::dispatch::{Grant, RunEnd};
use herdwick_fleet::{Backend, Candidate, Decision, Failure as Class, Residency, RowId, Trial};

use crate::attempt::Failure;
use crate::dispatcher::Dispatcher;
use crate::lesson::Lesson;
use crate::router::Router;
use crate::scene::Scene;

/// A run under way. Dropping it ends it.
pub(crate) struct Ticket {
    pub(crate) backend: Arc<Backend>,
    pub(crate) decision: Arc<Decision>,
    /// The context to ask for, as dispatch has it.
    pub(crate) context: Option<u32>,
    /// What its answer will teach, until it ends.
    pub(crate) lesson: Box<Lesson>,
    grant: Box<Grant>,
    /// The model had to be loaded for it.
    was_cold: bool,
    is_answered: bool,
    /// Tokens of the answer, once its backend told.
    tokens: Option<u64>,
    /// Its backend failed lately, and is tried by a few at a time.
    trial: Option<Trial>,
    scene: Arc<Scene>,
    dispatcher: Arc<Dispatcher>,
}

impl Ticket {
    /// Of what was granted.
    pub(crate) fn of(grant: Box<Grant>, router: &Router) -> Self {
        let (backend, decision) = (Arc::clone(&grant.backend), Arc::clone(&grant.decision));
        let ranked = decision.ranked.iter().find(|ranked| ranked.row == backend.row);
        let residency = ranked.and_then(|ranked| ranked.residency);
        let candidate = Candidate { backend: Arc::clone(&backend), holding: Arc::clone(&grant.holding) };
        Self {
            context: grant.context,
            lesson: Box::new(
                Lesson::begin(&candidate, residency, &router.scene).with_cached(grant.cached_tokens),
            ),
            was_cold: residency.is_some_and(|residency| residency < Residency::Resident),
            is_answered: false,
            tokens: None,
            trial: backend.live.breaker.begin(),
            scene: Arc::clone(&router.scene),
            dispatcher: Arc::clone(&router.dispatcher),
            backend,
            decision,
            grant,
        }
    }

    /// Why this backend, in one line: the decision's reason, unless another than its best was taken.
    pub(crate) fn why(&self, advised: Option<RowId>) -> String {
        let name = &self.backend.node.name;
        match self.decision.ranked.first() {
            Some(best) if best.row != self.backend.row && advised == Some(self.backend.row) => {
                format!("{name} as a fallback rule advised after a failure")
            }
            Some(best) if best.row != self.backend.row => {
                format!(
                    "{name} has a free slot; {} would cost less, and to wait for it does not pay",
                    best.node
                )
            }
            _ => self.decision.why(),
        }
    }

    /// The backend failed before its answer began.
    pub(crate) fn failed(&self, failure: &Failure) {
        let candidate =
            Candidate { backend: Arc::clone(&self.backend), holding: Arc::clone(&self.grant.holding) };
        self.scene.failed(&candidate, failure, self.was_cold);
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
        self.is_answered = true;
        self.dispatcher.answering(self.grant.run);
        let turn = self.backend.live.breaker.succeeded(self.was_cold, now);
        self.scene.turned(&self.backend, turn);
    }

    /// So many pieces of its answer came.
    pub(crate) fn progresses(&self, pieces: u32) {
        self.grant.progress.pieces(pieces);
    }

    /// Its backend told how long the answer is.
    pub(crate) fn counted(&mut self, tokens: Option<u64>) {
        self.tokens = tokens.or(self.tokens);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Whoever is let in next may be the next to try it.
        self.trial = None;
        let pieces = f64::from(self.grant.progress.count());
        let end = match self.is_answered {
            true => RunEnd::Answered { tokens: self.tokens.map_or(pieces, |tokens| tokens as f64) },
            false => RunEnd::Failed,
        };
        self.dispatcher.ended(self.grant.run, end);
    }
}
