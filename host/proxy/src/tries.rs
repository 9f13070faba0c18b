//! The tries of one request: where it failed and how, what the fallback rules advise, and the budgets that hold
//! whatever they say.

use std::sync::Arc;
use std::time::Duration;

use herdwick_fleet::{Decision, Failure as Class, RowId, SignalPolicy, Situation, Step, Tried};
use tokio::time::Instant;

use crate::attempt::{Answered, Failure};
use crate::rescue::Problem;
use crate::router::Limits;
use crate::ticket::Ticket;

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
    /// Where nobody asks again: those that failed, less those that were merely busy and were waited for.
    spent: Vec<RowId>,
    /// Whom a rule advises to ask next.
    advised: Option<RowId>,
    /// The last error that a backend put into words.
    answered: Option<Answered>,
    /// Who failed last.
    last_node: Option<Arc<str>>,
    retries: usize,
}

/// Why a request ends without an answer.
pub(crate) enum Ended {
    /// With our words.
    Ours(Problem),
    /// With those of the backend that failed last, which know more.
    Theirs(Answered),
}

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self::Ours(problem)
    }
}

/// Failures that are kept in words; a busy node can be asked often before it has room.
const TOLD: usize = 8;

impl Tries {
    pub(crate) fn new(limits: &Limits, written: String) -> Self {
        Self {
            written,
            deadline: Instant::now() + limits.wait,
            told: Vec::new(),
            tried: Vec::new(),
            spent: Vec::new(),
            advised: None,
            answered: None,
            last_node: None,
            retries: limits.retries,
        }
    }

    /// Where it is not to be tried again.
    pub(crate) fn rows(&self) -> &[RowId] {
        &self.spent
    }

    /// Whether nothing failed yet.
    pub(crate) fn is_first(&self) -> bool {
        self.tried.is_empty()
    }

    /// How often it was tried.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.tried.len()).unwrap_or(u32::MAX)
    }

    /// Whom a rule advises to ask next.
    pub(crate) fn advised_row(&self) -> Option<RowId> {
        self.advised
    }

    /// Who failed last.
    pub(crate) fn last_node(&self) -> Option<&str> {
        self.last_node.as_deref()
    }

    /// Takes down a failure.
    pub(crate) fn failed(&mut self, ticket: &Ticket, failure: Failure, took: Duration) {
        if self.told.len() < TOLD {
            self.told.push(format!("{}: {failure}", ticket.backend.node.name));
        }
        self.last_node = Some(Arc::clone(&ticket.backend.node.name));
        let (row, status) = (ticket.backend.row, failure.status());
        self.tried.push(Tried { row, failure: failure.class(), status, took });
        self.spent.push(row);
        if let Failure::Answered(answered) = failure {
            self.answered = Some(answered);
        }
    }

    /// Asks the rules what next. `Ok` = decide again; the error ends the request.
    pub(crate) async fn advised(
        &mut self,
        decision: &Decision,
        policy: &dyn SignalPolicy,
    ) -> Result<(), Ended> {
        // Busy is not broken, and costs nobody any work: how often it is asked again only time limits.
        let failures = self.tried.iter().filter(|tried| tried.failure != Class::Overloaded).count();
        if failures > self.retries {
            return Err(self.exhausted());
        }
        let (rule, step) = policy.next(&Situation { decision, tried: &self.tried });
        self.advised = None;
        match step {
            Step::Retry(row) => self.advised = Some(row),
            Step::Wait(wait) => self.wait(wait).await?,
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

    /// Waits, and lets those that were busy be asked again.
    async fn wait(&mut self, wait: Duration) -> Result<(), Ended> {
        let until = Instant::now() + wait;
        if until >= self.deadline {
            return Err(self.exhausted());
        }
        tokio::time::sleep_until(until).await;
        let last = |row: RowId| self.tried.iter().rfind(|tried| tried.row == row).map(|tried| tried.failure);
        self.spent.retain(|row| !matches!(last(*row), Some(Class::Overloaded | Class::NoRoom)));
        Ok(())
    }

    /// What to tell the client when nobody is left.
    pub(crate) fn exhausted(&mut self) -> Ended {
        match self.answered.take() {
            Some(answered) if answered.is_telling() => Ended::Theirs(answered),
            _ => Ended::Ours(Problem::NodesFailed {
                name: self.written.clone(),
                attempts: self.told.join(", "),
            }),
        }
    }
}
