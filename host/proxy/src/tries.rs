//! The tries of one request: where it failed and how, what the fallback rules advise, and the budgets that hold
//! whatever they say.

use std::time::Duration;

use herdwick_fleet::{Decision, RowId, SignalPolicy, Situation, Step, Tried};
use tokio::time::Instant;

use crate::rescue::Problem;
use crate::router::Limits;
use crate::ticket::Ticket;
use crate::upstream::Failure;

/// What happened so far, and until when and how often more may happen.
pub(crate) struct Tries {
    /// The model as the client wrote it.
    pub(crate) written: String,
    /// Until when a slot may be waited for, over all tries.
    pub(crate) deadline: Instant,
    /// Failures in words, for the client.
    told: Vec<String>,
    /// Failures as data, for the rules.
    tried: Vec<Tried>,
    /// Whom a rule advises to ask next.
    advised: Option<RowId>,
    retries: usize,
}

impl Tries {
    pub(crate) fn new(limits: &Limits, written: String) -> Self {
        Self {
            written,
            deadline: Instant::now() + limits.wait,
            told: Vec::new(),
            tried: Vec::new(),
            advised: None,
            retries: limits.retries,
        }
    }

    /// Where it failed already.
    pub(crate) fn rows(&self) -> Vec<RowId> {
        self.tried.iter().map(|tried| tried.row).collect()
    }

    /// Whether nothing failed yet.
    pub(crate) fn is_first(&self) -> bool {
        self.tried.is_empty()
    }

    /// Whom a rule advises to ask next.
    pub(crate) fn advised_row(&self) -> Option<RowId> {
        self.advised
    }

    /// Takes down a failure.
    pub(crate) fn failed(&mut self, ticket: &Ticket, failure: &Failure, took: Duration) {
        self.told.push(format!("{}: {failure}", ticket.backend.node.name));
        self.tried.push(Tried { row: ticket.backend.row, failure: failure.class(), status: 0, took });
    }

    /// Asks the rules what next. `Ok` = decide again; the error ends the request.
    pub(crate) async fn advised(
        &mut self,
        decision: &Decision,
        policy: &dyn SignalPolicy,
    ) -> Result<(), Problem> {
        if self.tried.len() > self.retries {
            return Err(self.exhausted());
        }
        let (rule, step) = policy.next(&Situation { decision, tried: &self.tried });
        self.advised = None;
        match step {
            Step::Retry(row) => self.advised = Some(row),
            Step::Wait(wait) => tokio::time::sleep_until(self.deadline.min(Instant::now() + wait)).await,
            Step::GiveUp(reason) => {
                let rule = rule.map_or(String::new(), |rule| format!("{rule}: "));
                self.told.push(format!("{rule}{reason}"));
                return Err(self.exhausted());
            }
            // Answering with another model needs the operator's word, which there is no way to give yet.
            Step::Substitute(_) | Step::Pass => {}
        }
        Ok(())
    }

    /// What to tell the client when nobody is left.
    pub(crate) fn exhausted(&self) -> Problem {
        Problem::NodesFailed { name: self.written.clone(), attempts: self.told.join(", ") }
    }
}
