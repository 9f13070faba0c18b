//! The tries of one request: where it failed and how, what the fallback rules advise, and the budgets that hold
//! whatever they say.

use std::sync::Arc;
use std::time::Duration;

use herdwick_fleet::{Decision, Failure as Class, PluginId, RowId, SignalPolicy, Situation, Step, Tried};
use tokio::time::Instant;

use crate::attempt::{Answered, Failure};
use crate::loading::LoadFailure;
use crate::rescue::Problem;
use crate::router::Limits;
use crate::ticket::Ticket;

/// What happened so far, and how long and how often more may happen.
pub(crate) struct Tries {
    /// The model as the client wrote it.
    pub(crate) written: String,
    /// How long it may yet wait, over all tries. What a backend takes to answer is no waiting.
    patience: Duration,
    /// How often it was tried.
    count: u32,
    /// Failures in words, for the client.
    told: Vec<String>,
    /// Failures as data, for the rules; of each backend the last one that was merely busy.
    tried: Vec<Tried>,
    /// Where it is not asked again.
    spent: Vec<RowId>,
    /// Whom a rule advises to ask next.
    advised: Option<RowId>,
    /// The last failure, if its backend put it into words.
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

/// What the rules advise, and who of them.
pub(crate) type Advice = (Option<PluginId>, Step);

/// Failures that are kept in words; a busy node can be asked often before it has room.
const TOLD: usize = 8;

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self::Ours(problem)
    }
}

impl Tries {
    pub(crate) fn new(limits: &Limits, written: String) -> Self {
        Self {
            written,
            patience: limits.wait,
            count: 0,
            told: Vec::new(),
            tried: Vec::new(),
            spent: Vec::new(),
            advised: None,
            answered: None,
            last_node: None,
            retries: limits.retries,
        }
    }

    /// Until when it may wait, from now on.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// It waited so long.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.patience = self.patience.saturating_sub(time);
    }

    /// Where it is not to be tried again.
    pub(crate) fn rows(&self) -> &[RowId] {
        &self.spent
    }

    /// Whether nothing failed yet.
    pub(crate) fn is_first(&self) -> bool {
        self.count == 0
    }

    /// How often it was tried.
    pub(crate) fn count(&self) -> u32 {
        self.count
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
        self.count += 1;
        if self.told.len() < TOLD {
            self.told.push(format!("{}: {failure}", ticket.backend.node.name));
        }
        self.last_node = Some(Arc::clone(&ticket.backend.node.name));
        let row = ticket.backend.row;
        let tried = Tried { row, failure: failure.class(), status: failure.status(), took };
        if tried.failure == Class::Overloaded {
            // Busy is not broken: it is asked again, and how often only time limits.
            self.tried.retain(|before| (before.row, before.failure) != (row, Class::Overloaded));
        } else {
            self.spent.push(row);
        }
        self.tried.push(tried);
        self.answered = match failure {
            Failure::Answered(answered) => Some(answered),
            _ => None,
        };
    }

    /// A load that it waited for failed.
    pub(crate) fn load_failed(&mut self, node: &Arc<str>, failed: LoadFailure) {
        if self.told.len() < TOLD {
            self.told.push(failed.told);
        }
        self.last_node = Some(Arc::clone(node));
        self.answered = failed.answered.or(self.answered.take());
    }

    /// Asks the rules what next, unless nothing more may happen.
    pub(crate) fn advice(&mut self, decision: &Decision, policy: &dyn SignalPolicy) -> Result<Advice, Ended> {
        let failures = self.tried.iter().filter(|tried| tried.failure != Class::Overloaded).count();
        if failures > self.retries {
            return Err(self.exhausted());
        }
        Ok(policy.next(&Situation { decision, tried: &self.tried }))
    }

    /// Does what the rules advise. `Ok` = decide again; the error ends the request.
    pub(crate) async fn follow(&mut self, (rule, step): Advice) -> Result<(), Ended> {
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

    /// Waits, and lets those that had no room be asked again.
    async fn wait(&mut self, wait: Duration) -> Result<(), Ended> {
        if wait >= self.patience {
            return Err(self.exhausted());
        }
        tokio::time::sleep(wait).await;
        self.waited(wait);
        let last = |row: RowId| self.tried.iter().rfind(|tried| tried.row == row).map(|tried| tried.failure);
        self.spent.retain(|row| last(*row) != Some(Class::NoRoom));
        Ok(())
    }

    /// What to tell the client when nobody is left.
    pub(crate) fn exhausted(&mut self) -> Ended {
        let all_miss_it = self.tried.iter().all(|tried| tried.failure == Class::ModelMissing);
        match self.answered.take() {
            // That there is no such model is final, so everybody must have said so.
            Some(answered) if answered.is_telling() && (all_miss_it || answered.status != 404) => {
                Ended::Theirs(answered)
            }
            _ => Ended::Ours(Problem::NodesFailed {
                name: self.written.clone(),
                attempts: self.told.join(", "),
            }),
        }
    }
}
