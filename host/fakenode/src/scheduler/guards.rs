//! What a request holds while it is on the floor; dropping gives it back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Scheduler;
use super::floor::TicketId;

/// A loaded model that stays loaded while this lives.
#[derive(Debug)]
pub(crate) struct Lease {
    scheduler: Arc<Scheduler>,
    model: Arc<str>,
    slots: Arc<Semaphore>,
    load: Duration,
    thrashed: bool,
}

impl Lease {
    pub(super) fn new(
        scheduler: Arc<Scheduler>,
        model: Arc<str>,
        slots: Arc<Semaphore>,
        load: Duration,
        thrashed: bool,
    ) -> Lease {
        Lease { scheduler, model, slots, load, thrashed }
    }

    pub(super) fn slots(&self) -> Arc<Semaphore> {
        Arc::clone(&self.slots)
    }

    /// From asking to having the model loaded, waiting for others included; Ollama's `load_duration`.
    pub(crate) fn load(&self) -> Duration {
        self.load
    }

    /// Whether the options met the busy model with others.
    pub(crate) fn thrashed(&self) -> bool {
        self.thrashed
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.scheduler.change(|floor| floor.release(&self.model, Instant::now()));
    }
}

/// The right to run on a loaded model. Fields drop in this order: first it stops counting as running.
#[derive(Debug)]
pub(crate) struct Slot {
    _running: Running,
    lease: Lease,
    // Last, so that whoever takes the slot next finds the figures right.
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    pub(super) fn new(running: Running, permit: OwnedSemaphorePermit, lease: Lease) -> Slot {
        Slot { _running: running, lease, _permit: permit }
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }
}

/// Counts as running.
#[derive(Debug)]
pub(super) struct Running {
    scheduler: Arc<Scheduler>,
    model: Arc<str>,
}

impl Running {
    pub(super) fn new(scheduler: Arc<Scheduler>, model: Arc<str>) -> Running {
        scheduler.change(|floor| floor.run(&model));
        Running { scheduler, model }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.scheduler.change(|floor| floor.stop(&self.model));
    }
}

/// A place in the queue of those that need a load.
pub(super) struct Waiting {
    scheduler: Arc<Scheduler>,
    ticket: Option<TicketId>,
}

impl Waiting {
    pub(super) fn new(scheduler: Arc<Scheduler>, ticket: TicketId) -> Waiting {
        Waiting { scheduler, ticket: Some(ticket) }
    }

    /// The wait is over; the floor has forgotten the ticket already.
    pub(super) fn disarm(&mut self) {
        self.ticket = None;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.scheduler.change(|floor| floor.leave(ticket));
        }
    }
}
