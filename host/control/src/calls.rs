//! Who is asked by the router itself, as tasks: one for each server that no agent tells of, for as long as that is so.

use std::collections::HashMap;
use std::time::Instant;

use herdwick_fleet::{BackendId, Callee, Fleet, Generation};
use tokio::task::AbortHandle;

use crate::desk::FleetDesk;
use crate::poll::{self, Polling};

/// The tasks that ask.
pub(crate) struct Calls {
    polling: Polling,
    start: Instant,
    desk: FleetDesk,
    /// For which question whom to ask they are the answer.
    generation: Option<Generation>,
    tasks: HashMap<BackendId, Call>,
}

/// A task and whom it asks.
struct Call {
    callee: Callee,
    task: AbortHandle,
}

impl Calls {
    pub(crate) fn new(polling: Polling, start: Instant, desk: FleetDesk) -> Self {
        Self { polling, start, desk, generation: None, tasks: HashMap::new() }
    }

    /// Starts and stops tasks until exactly those are asked that `fleet` wants to be asked.
    pub(crate) fn reconcile(&mut self, fleet: &Fleet) {
        if self.generation.replace(fleet.calling()) == Some(fleet.calling()) {
            return;
        }
        let mut before = std::mem::take(&mut self.tasks);
        for callee in fleet.callees() {
            let call = match before.remove(&callee.backend) {
                Some(call) if call.callee == callee => call,
                // It moved, or is to be asked otherwise.
                Some(call) => {
                    call.task.abort();
                    self.start(callee)
                }
                None => self.start(callee),
            };
            self.tasks.insert(call.callee.backend, call);
        }
        before.into_values().for_each(|call| call.task.abort());
    }

    fn start(&self, callee: Callee) -> Call {
        let run = poll::run(callee.clone(), self.polling, self.start, self.desk.clone());
        Call { callee, task: tokio::spawn(run).abort_handle() }
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.tasks.values().for_each(|call| call.task.abort());
    }
}
