//! Ollama's scheduler: hot models are entered at once, everything else waits in one queue whose head loads.
//!
//! Every request drives its own way through [`floor::Floor`], a plain state machine; dropping a request at
//! any point gives back what it held. As in Ollama, a load belongs to the request that began it and dies
//! with it.

mod floor;
mod guards;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::condition::Pulse;
use crate::keep_alive::KeepAlive;
use crate::spec::NodeSpec;
use crate::stats::Stats;
pub(crate) use floor::Resident;
use floor::{Entry, Floor, Step};
pub(crate) use guards::{Lease, Slot};
use guards::{Running, Waiting};

/// What a request needs of a model.
#[derive(Clone, Debug)]
pub(crate) struct Want {
    /// Canonical name.
    pub(crate) model: Arc<str>,
    /// Tokens of context; another figure than the loaded one means a reload.
    pub(crate) context: u32,
    /// `None` leaves what an earlier request said.
    pub(crate) keep_alive: Option<KeepAlive>,
    /// How long a load would take.
    pub(crate) load: Duration,
}

/// More than [`floor::MAX_PENDING`] requests wait for a load.
#[derive(Debug)]
pub(crate) struct QueueFull;

#[derive(Debug)]
pub(crate) struct Scheduler {
    floor: Mutex<Floor>,
    pulse: Pulse,
}

impl Scheduler {
    /// Resident models are in memory from the start, as far as `max_loaded` allows.
    pub(crate) fn new(spec: &NodeSpec, residents: Vec<(Arc<str>, u32)>, pulse: Pulse) -> Scheduler {
        let floor = Floor::new(spec.slots.max(1), spec.max_loaded.max(1), residents, Instant::now());
        Scheduler { floor: Mutex::new(floor), pulse }
    }

    /// Waits until the model is loaded as wanted and one of its slots is free.
    pub(crate) async fn slot(self: &Arc<Self>, want: &Want) -> Result<Slot, QueueFull> {
        let lease = self.lease(want).await?;
        let permit = lease.slots().acquire_owned().await.map_err(|_| QueueFull)?;
        let running = Running::new(Arc::clone(self), Arc::clone(&want.model));
        Ok(Slot::new(running, permit, lease))
    }

    /// Waits until the model is loaded as wanted, and keeps it so.
    pub(crate) async fn lease(self: &Arc<Self>, want: &Want) -> Result<Lease, QueueFull> {
        let begun = Instant::now();
        let mut beats = self.pulse.listen();
        let entry = self.change(|floor| floor.enter(want, Instant::now())).ok_or(QueueFull)?;
        let ticket = match entry {
            Entry::Hot(slots) => return Ok(self.granted(want, slots, begun, false)),
            Entry::Queued(ticket) => ticket,
        };
        // From here on, being dropped means leaving the queue and aborting a load.
        let mut waiting = Waiting::new(Arc::clone(self), ticket);
        loop {
            let mut step = self.change(|floor| floor.step(ticket, want, Instant::now()));
            if matches!(step, Step::Load) {
                sleep(want.load).await;
                step = self.change(|floor| floor.loaded(ticket, want, Instant::now()));
            }
            if let Step::Granted { slots, thrashed } = step {
                waiting.disarm();
                return Ok(self.granted(want, slots, begun, thrashed));
            }
            beats.next().await;
        }
    }

    /// The client asked for the model to leave memory: now, or when its requests are done.
    pub(crate) fn unload(&self, model: &str) {
        self.change(|floor| floor.unload(model));
    }

    pub(crate) fn residents(&self) -> Vec<Resident> {
        self.lock().residents(Instant::now())
    }

    pub(crate) fn stats(&self) -> Stats {
        self.lock().stats()
    }

    /// Verb `sched_deadlock`.
    pub(crate) fn deadlock(&self, on: bool) {
        self.change(|floor| floor.set_deadlock(on));
    }

    /// Verb `thrash`; switching it off clears the jam.
    pub(crate) fn thrash(&self, on: bool) {
        self.change(|floor| floor.set_thrash_jams(on));
    }

    fn granted(
        self: &Arc<Self>,
        want: &Want,
        slots: Arc<Semaphore>,
        begun: Instant,
        thrashed: bool,
    ) -> Lease {
        Lease::new(Arc::clone(self), Arc::clone(&want.model), slots, begun.elapsed(), thrashed)
    }

    /// Changes the floor and tells everybody, when something changed that others can see.
    fn change<T>(&self, change: impl FnOnce(&mut Floor) -> T) -> T {
        let mut floor = self.lock();
        let before = floor.version;
        let result = change(&mut floor);
        let changed = floor.version != before;
        drop(floor);
        if changed {
            self.pulse.beat();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Floor> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
