//! The state machine of the scheduler: who is loaded, who waits, whose turn it is. Time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Want;
use crate::keep_alive::{self, KeepAlive};
use crate::stats::{ModelStats, Stats};

/// Requests that may wait for a load (`OLLAMA_MAX_QUEUE`). Waiting for a slot of a hot model is unbounded.
pub(super) const MAX_PENDING: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TicketId(u64);

/// A model in memory, as `/api/ps` shows it.
#[derive(Debug)]
pub(crate) struct Resident {
    pub(crate) model: Arc<str>,
    pub(crate) context: u32,
    /// `None` is forever.
    pub(crate) remaining: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Floor {
    slots: u32,
    max_loaded: u32,
    loaded: BTreeMap<Arc<str>, Runner>,
    pending: VecDeque<Ticket>,
    loading: Option<TicketId>,
    tallies: BTreeMap<Arc<str>, ModelStats>,
    next_ticket: u64,
    /// Counts grants; orders runners by last use.
    uses: u64,
    /// Counts changes others can see.
    pub(super) version: u64,
    deadlocked: bool,
    thrash_jams: bool,
    jammed: bool,
}

#[derive(Debug)]
struct Runner {
    context: u32,
    slots: Arc<Semaphore>,
    keep_alive: KeepAlive,
    /// Requests that run on it or wait for one of its slots.
    references: u64,
    last_use: u64,
    /// Since when nobody refers to it.
    idle_since: Instant,
}

#[derive(Debug)]
struct Ticket {
    id: TicketId,
    model: Arc<str>,
    thrashed: bool,
}

/// How a request enters.
pub(super) enum Entry {
    Hot(Arc<Semaphore>),
    Queued(TicketId),
}

/// What a queued request does next.
pub(super) enum Step {
    Granted {
        slots: Arc<Semaphore>,
        thrashed: bool,
    },
    /// It is this one's turn: the room is made, the load is its to perform.
    Load,
    Wait,
}

impl Floor {
    pub(super) fn new(slots: u32, max_loaded: u32, residents: Vec<(Arc<str>, u32)>, now: Instant) -> Floor {
        let mut floor = Floor {
            slots,
            max_loaded,
            loaded: BTreeMap::new(),
            pending: VecDeque::new(),
            loading: None,
            tallies: BTreeMap::new(),
            next_ticket: 0,
            uses: 0,
            version: 0,
            deadlocked: false,
            thrash_jams: false,
            jammed: false,
        };
        for (model, context) in residents.into_iter().take(max_loaded as usize) {
            let runner = floor.runner(context, None, now);
            floor.tally(&model);
            floor.loaded.insert(model, runner);
        }
        floor
    }

    /// Hot models are entered past the queue; `None` when the queue is full.
    pub(super) fn enter(&mut self, want: &Want, now: Instant) -> Option<Entry> {
        self.expire(now);
        self.tally(&want.model);
        if let Some(slots) = self.grant(want) {
            return Some(Entry::Hot(slots));
        }
        if self.pending.len() >= MAX_PENDING {
            return None;
        }
        let id = TicketId(self.next_ticket);
        self.next_ticket += 1;
        self.pending.push_back(Ticket { id, model: Arc::clone(&want.model), thrashed: false });
        self.version += 1;
        Some(Entry::Queued(id))
    }

    pub(super) fn step(&mut self, id: TicketId, want: &Want, now: Instant) -> Step {
        self.expire(now);
        if self.deadlocked || self.jammed {
            return Step::Wait;
        }
        // Whoever wants what has just been loaded shares it, wherever it stands in the queue.
        if let Some(slots) = self.grant(want) {
            return Step::Granted { slots, thrashed: self.forget(id) };
        }
        if self.loading.is_some() || self.pending.front().is_none_or(|first| first.id != id) {
            return Step::Wait;
        }
        if self.make_room(want) {
            self.loading = Some(id);
            self.version += 1;
            Step::Load
        } else {
            Step::Wait
        }
    }

    /// The load of this ticket is complete. It is granted in the same breath: with a keep-alive of zero the
    /// model would be gone at the next look.
    pub(super) fn loaded(&mut self, id: TicketId, want: &Want, now: Instant) -> Step {
        self.loading = None;
        let runner = self.runner(want.context, want.keep_alive, now);
        let slots = Arc::clone(&runner.slots);
        self.loaded.insert(Arc::clone(&want.model), runner);
        self.tally(&want.model).loads += 1;
        let slots = self.grant(want).unwrap_or(slots);
        Step::Granted { slots, thrashed: self.forget(id) }
    }

    /// The request left the queue; a load it was carrying is aborted.
    pub(super) fn leave(&mut self, id: TicketId) {
        let model =
            self.pending.iter().find(|ticket| ticket.id == id).map(|ticket| Arc::clone(&ticket.model));
        if self.loading == Some(id) {
            self.loading = None;
            if let Some(model) = model {
                self.tally(&model).aborted_loads += 1;
            }
        }
        self.forget(id);
        self.version += 1;
    }

    /// One reference less; the last one starts the keep-alive.
    pub(super) fn release(&mut self, model: &str, now: Instant) {
        if let Some(runner) = self.loaded.get_mut(model) {
            runner.references = runner.references.saturating_sub(1);
            runner.idle_since = now;
        }
        self.expire(now);
        self.version += 1;
    }

    pub(super) fn unload(&mut self, model: &str) {
        let Some(runner) = self.loaded.get_mut(model) else {
            return;
        };
        runner.keep_alive = KeepAlive::For(Duration::ZERO);
        if runner.references == 0 {
            self.remove(model);
        }
    }

    pub(super) fn set_deadlock(&mut self, on: bool) {
        self.deadlocked = on;
        self.version += 1;
    }

    /// Taking it back clears the jam.
    pub(super) fn set_thrash_jams(&mut self, on: bool) {
        self.thrash_jams = on;
        self.jammed &= on;
        self.version += 1;
    }

    pub(super) fn run(&mut self, model: &Arc<str>) {
        let tally = self.tally(model);
        tally.running += 1;
        tally.peak_running = tally.peak_running.max(tally.running);
        self.version += 1;
    }

    pub(super) fn stop(&mut self, model: &Arc<str>) {
        let tally = self.tally(model);
        tally.running = tally.running.saturating_sub(1);
        self.version += 1;
    }

    /// Longest remaining first, as `/api/ps` sorts.
    pub(super) fn residents(&mut self, now: Instant) -> Vec<Resident> {
        self.expire(now);
        let mut residents: Vec<Resident> = self
            .loaded
            .iter()
            .map(|(model, runner)| Resident {
                model: Arc::clone(model),
                context: runner.context,
                remaining: runner.remaining(now),
            })
            .collect();
        residents.sort_by_key(|resident| std::cmp::Reverse(resident.remaining.unwrap_or(Duration::MAX)));
        residents
    }

    pub(super) fn stats(&self) -> Stats {
        let models = self.tallies.iter().map(|(model, tally)| {
            let runner = self.loaded.get(model);
            let queued = self.pending.iter().filter(|ticket| ticket.model == *model).count() as u64;
            let for_slot = runner.map_or(0, |runner| runner.references.saturating_sub(tally.running));
            let figures =
                ModelStats { resident: runner.is_some(), waiting: queued + for_slot, ..tally.clone() };
            (model.to_string(), figures)
        });
        let loading = self.pending.iter().find(|ticket| Some(ticket.id) == self.loading);
        Stats {
            models: models.collect(),
            loading: loading.map(|ticket| ticket.model.to_string()),
            jammed: self.jammed,
        }
    }

    /// A reference to the model if it is loaded as wanted.
    fn grant(&mut self, want: &Want) -> Option<Arc<Semaphore>> {
        let runner = self.loaded.get_mut(&want.model).filter(|runner| runner.context == want.context)?;
        self.uses += 1;
        runner.references += 1;
        runner.last_use = self.uses;
        runner.keep_alive = want.keep_alive.unwrap_or(runner.keep_alive);
        self.version += 1;
        Some(Arc::clone(&runner.slots))
    }

    /// Unloads what stands in the way of a load; false while that is busy.
    fn make_room(&mut self, want: &Want) -> bool {
        if let Some(runner) = self.loaded.get(&want.model) {
            // Loaded with other options.
            if runner.references > 0 {
                self.note_thrash(want);
                return false;
            }
            self.remove(&want.model);
            self.tally(&want.model).option_switches += 1;
            return true;
        }
        if self.loaded.len() < self.max_loaded as usize {
            return true;
        }
        let idle = self.loaded.iter().filter(|(_, runner)| runner.references == 0);
        let Some(victim) = idle.min_by_key(|(_, runner)| runner.last_use).map(|(model, _)| Arc::clone(model))
        else {
            return false;
        };
        self.remove(&victim);
        self.tally(&victim).evictions += 1;
        true
    }

    fn note_thrash(&mut self, want: &Want) {
        if let Some(first) = self.pending.front_mut().filter(|first| !first.thrashed) {
            first.thrashed = true;
            self.tally(&want.model).thrash += 1;
            self.jammed |= self.thrash_jams;
            self.version += 1;
        }
    }

    /// Drops a ticket; says whether it had met a busy model with other options.
    fn forget(&mut self, id: TicketId) -> bool {
        let at = self.pending.iter().position(|ticket| ticket.id == id);
        at.and_then(|at| self.pending.remove(at)).is_some_and(|ticket| ticket.thrashed)
    }

    /// Unloads whoever has been idle for longer than its keep-alive.
    fn expire(&mut self, now: Instant) {
        let over = |runner: &Runner| runner.references == 0 && runner.remaining(now) == Some(Duration::ZERO);
        let expired: Vec<Arc<str>> = self
            .loaded
            .iter()
            .filter(|(_, runner)| over(runner))
            .map(|(model, _)| Arc::clone(model))
            .collect();
        for model in expired {
            self.remove(&model);
        }
    }

    fn remove(&mut self, model: &str) {
        if let Some((model, _)) = self.loaded.remove_entry(model) {
            self.tally(&model).unloads += 1;
            self.version += 1;
        }
    }

    fn runner(&self, context: u32, keep_alive: Option<KeepAlive>, now: Instant) -> Runner {
        Runner {
            context,
            slots: Arc::new(Semaphore::new(self.slots as usize)),
            keep_alive: keep_alive.unwrap_or(keep_alive::DEFAULT),
            references: 0,
            last_use: self.uses,
            idle_since: now,
        }
    }

    fn tally(&mut self, model: &Arc<str>) -> &mut ModelStats {
        self.tallies.entry(Arc::clone(model)).or_default()
    }
}

impl Runner {
    fn remaining(&self, now: Instant) -> Option<Duration> {
        let KeepAlive::For(keep) = self.keep_alive else {
            return None;
        };
        let idle = if self.references > 0 { Duration::ZERO } else { now.duration_since(self.idle_since) };
        Some(keep.saturating_sub(idle))
    }
}

#[cfg(test)]
mod tests;
