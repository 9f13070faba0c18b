//! The keeper: the one task that owns the fleet. Reports, observations and wishes come in, pictures go out; nobody else
//! writes. It is also who notices silence, at the very moment at which it means something.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use herdwick_fleet::{
    Claim, Event, Fleet, Generation, Hour, Learned, Listing, Moment, NodeId, Origin, Refusal, Snapshot,
    Source,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::calls::Calls;
use crate::desk::{Command, FleetDesk, Granted, Reply, Wish};
use crate::ingest::Heard;
use crate::needs::{Memory, NoMemory};
use crate::poll::Polling;

/// Commands that are taken in before a picture is due: of a flood the picture shows as much as came in its time.
const BATCH: usize = 256;
/// Pictures are published at most this often. The first change after a quiet time is shown at once.
const PACE: Duration = Duration::from_millis(20);
/// Without anything to wait for the keeper still looks up now and then; it costs nothing.
const IDLE: Duration = Duration::from_secs(3_600);
/// Between two looks at whose each machine is: an hour of the week is 60 of them.
const MINUTE: Duration = Duration::from_secs(60);

/// Where the newest picture of the fleet is found.
#[derive(Clone)]
pub struct Published {
    /// The picture.
    pub fleet: Arc<ArcSwap<Snapshot>>,
    /// Moves after each new picture.
    pub generation: watch::Receiver<Generation>,
}

/// Tells the hour of the week and the minute within it, local time; `None` where nobody knows which zone this is.
pub type WeekClock = Box<dyn Fn() -> Option<(Hour, u8)> + Send + Sync>;

/// Knows whether an address is one of the router's own machine.
pub type IsOwn = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// The fleet's owner before it starts.
pub struct Keeper {
    fleet: Fleet,
    is_own: IsOwn,
    /// Without one nobody learns when a machine is whose.
    week: WeekClock,
    desk: FleetDesk,
    commands: mpsc::Receiver<Command>,
    memory: Arc<dyn Memory>,
    out: Arc<ArcSwap<Snapshot>>,
    generation: watch::Sender<Generation>,
}

impl Default for Keeper {
    fn default() -> Self {
        Self::new(Arc::new(NoMemory), Box::new(|_| false))
    }
}

impl Keeper {
    /// A keeper of nobody yet, who remembers by `memory`. A server on an address of which `is_own` holds is the same
    /// whichever of them names it.
    pub fn new(memory: Arc<dyn Memory>, is_own: IsOwn) -> Self {
        let (desk, commands) = FleetDesk::new();
        Self {
            fleet: Fleet::default(),
            is_own,
            week: Box::new(|| None),
            desk,
            commands,
            memory,
            out: Arc::default(),
            generation: watch::Sender::new(Generation::default()),
        }
    }

    /// Adds a backend that the configuration lists. `slots` is how many requests each of its models takes at once;
    /// `None` = nobody said, so that its agent may.
    pub fn add(&mut self, name: &str, origin: Origin, slots: Option<u32>, labels: BTreeMap<String, String>) {
        self.look_at(origin.host.parse().ok());
        let source = Source::Configured;
        let listing = Listing { name: name.to_owned(), origin, slots, labels, source };
        if let Err(refusal) = self.fleet.list(listing) {
            tracing::warn!("{name} is left out: {refusal}");
        }
    }

    /// Adds the model server that may run on this machine, which nobody named.
    pub fn assume(&mut self, name: &str, origin: Origin, slots: Option<u32>) {
        let (labels, source) = (BTreeMap::new(), Source::Configured);
        let listing = Listing { name: name.to_owned(), origin, slots, labels, source };
        if let Err(refusal) = self.fleet.assume(listing) {
            tracing::warn!("{name} is left out: {refusal}");
        }
    }

    /// Has the fleet learn, by this clock, when each machine is ours.
    pub fn keep_hours(&mut self, week: WeekClock) {
        self.week = week;
    }

    /// Where its pictures will be found.
    pub fn published(&self) -> Published {
        Published { fleet: Arc::clone(&self.out), generation: self.generation.subscribe() }
    }

    /// What is learned of the fleet.
    pub fn learned(&self) -> Arc<Learned> {
        Arc::clone(self.fleet.learned())
    }

    /// Where reports and wishes are handed in. What is handed in before it runs waits.
    pub fn desk(&self) -> FleetDesk {
        self.desk.clone()
    }

    /// Keeps the picture true for as long as the runtime lives. `start` is the zero of the router's clock.
    pub async fn run(mut self, polling: Polling, start: std::time::Instant) {
        for remembered in self.memory.load() {
            log(&self.fleet.remember(remembered));
        }
        let mut calls = Calls::new(polling, start, self.desk.clone());
        let mut batch = Vec::new();
        let mut pace = Pace::default();
        self.keep();
        calls.reconcile(&self.fleet);
        let mut minute = self.note_hours(start);
        self.publish();
        // The keeper has a desk of its own, so the line of commands never closes under it.
        loop {
            let now = Instant::now();
            let expiry = self.fleet.due().map(|due| start + Duration::from_millis(due.0));
            let expiry = expiry.map_or(now + IDLE, Instant::from_std);
            let picture = pace.due.unwrap_or(now + IDLE);
            tokio::select! {
                _ = self.commands.recv_many(&mut batch, BATCH) => {}
                () = sleep_until(expiry.min(picture).min(minute)) => {}
            }
            let mut change = self.take(&mut batch);
            let now = Instant::now();
            if self.is_silence_due(start, now) {
                // What was said in time counts, also when the keeper is late.
                let waiting = self.commands.len();
                batch.extend(std::iter::from_fn(|| self.commands.try_recv().ok()).take(waiting));
                change.extend(self.take(&mut batch));
                let events = self.fleet.expire(Moment::on(start, now.into_std()));
                change.is_urgent |= !events.is_empty();
                log(&events);
            }
            if now >= minute {
                minute = self.note_hours(start);
            }
            self.keep();
            calls.reconcile(&self.fleet);
            if pace.is_due(&change, now) {
                self.publish();
                pace = Pace { last: Some(now), due: None };
            }
            if !change.answers.is_empty() {
                // An operator who is told that it is done finds it done also after a crash a moment later.
                self.memory.safe(Box::new(|| change.answer()));
            }
        }
    }

    /// Looks at whose each machine is now; says when to look again.
    fn note_hours(&mut self, start: std::time::Instant) -> Instant {
        let now = Instant::now();
        if let Some(hour) = (self.week)() {
            self.fleet.note_hours(hour, Moment::on(start, now.into_std()));
        }
        now + MINUTE
    }

    /// Whether somebody was not heard for so long that it means something.
    fn is_silence_due(&self, start: std::time::Instant, now: Instant) -> bool {
        self.fleet.due().is_some_and(|due| Moment::on(start, now.into_std()) >= due)
    }

    /// Takes in what was handed in.
    fn take(&mut self, batch: &mut Vec<Command>) -> Change {
        let mut change = Change::default();
        for command in batch.drain(..) {
            change.is_any = true;
            let events = match command {
                Command::Observe(observation) => {
                    if let Claim::Addresses(addresses) = &observation.claim {
                        self.look_at(addresses.iter().copied());
                    }
                    self.fleet.observe(observation)
                }
                Command::Report(report, reply) => {
                    let node = report.node;
                    self.look_at([report.address]);
                    let events = self.fleet.report(*report);
                    // Whoever asked may have left.
                    let _ = reply.send(self.heard(node));
                    events
                }
                Command::Wish(wish, reply) => match self.grant(wish) {
                    Ok(events) => {
                        // An operator who is told that it is done sees that it is done.
                        change.answers.push((reply, Ok(())));
                        events
                    }
                    Err(refusal) => {
                        change.answers.push((reply, Err(refusal)));
                        Vec::new()
                    }
                },
            };
            change.is_urgent |= !events.is_empty();
            log(&events);
        }
        change
    }

    /// What an agent is answered; `None` when there is no room for its machine.
    fn heard(&self, node: NodeId) -> Option<Heard> {
        Some(Heard {
            name: self.fleet.name(node)?,
            is_drained: self.fleet.is_drained(node),
            unlisted: self.fleet.wants_models(node),
        })
    }

    fn grant(&mut self, wish: Wish) -> Result<Vec<Event>, Refusal> {
        match wish {
            Wish::List(listing) => {
                self.look_at(listing.origin.host.parse().ok());
                self.fleet.list(listing).map(|(_, events)| events)
            }
            Wish::Remove(node) => self.fleet.remove(&node),
            Wish::Forget(node) => self.fleet.forget(&node),
            Wish::Drain(node) => self.fleet.drain(&node),
            Wish::Undrain(node) => self.fleet.undrain(&node),
            Wish::Label(node, labels) => self.fleet.label(&node, labels),
            Wish::Rename { from, to } => self.fleet.rename(&from, &to),
            Wish::Pin(node, model) => self.fleet.pin(&node, &model),
            Wish::Unpin(node, model) => self.fleet.unpin(&node, &model),
        }
    }

    /// Tells the fleet which of these addresses are this machine's.
    fn look_at(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        for address in addresses {
            if (self.is_own)(address) {
                log(&self.fleet.learn_here(address));
            }
        }
    }

    /// Has remembered what changed.
    fn keep(&mut self) {
        for node in self.fleet.take_unkept() {
            match self.fleet.remembered(node) {
                Some(remembered) => self.memory.keep(&remembered),
                None => {
                    self.memory.forget(node);
                    // Of a machine that is only named by the configuration nothing is remembered but what was learned.
                    if self.fleet.name(node).is_none() {
                        self.fleet.learned().forget_node(node);
                    }
                }
            }
        }
    }

    fn publish(&mut self) {
        let snapshot = self.fleet.snapshot();
        let generation = snapshot.generation;
        // First the picture, then the word that there is one.
        self.out.store(Arc::new(snapshot));
        self.generation.send_replace(generation);
    }
}

/// What became of the commands of one batch.
#[derive(Default)]
struct Change {
    /// Something was told.
    is_any: bool,
    /// Of it, something that changes who can be asked for what, or how fast.
    is_urgent: bool,
    /// What is answered once it can be seen.
    answers: Vec<(Reply<Granted>, Granted)>,
}

impl Change {
    fn extend(&mut self, other: Self) {
        self.is_any |= other.is_any;
        self.is_urgent |= other.is_urgent;
        self.answers.extend(other.answers);
    }

    fn answer(self) {
        for (reply, answer) in self.answers {
            // Whoever asked may have left.
            let _ = reply.send(answer);
        }
    }
}

/// When the next picture is due.
#[derive(Default)]
struct Pace {
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Pace {
    /// Whether a picture is to be published now; else it remembers when.
    fn is_due(&mut self, change: &Change, now: Instant) -> bool {
        if !change.answers.is_empty() {
            return true;
        }
        let next = self.last.map_or(now, |last| last + PACE);
        let due = match (change.is_urgent, change.is_any) {
            (true, _) => Some(next),
            // More readings of the same round are about to come; one picture shows them all.
            (false, true) => Some(next.max(now + PACE)),
            (false, false) => None,
        };
        self.due = match (self.due, due) {
            (Some(before), Some(due)) => Some(before.min(due)),
            (before, due) => before.or(due),
        };
        self.due.is_some_and(|due| due <= now)
    }
}

fn log(events: &[Event]) {
    events.iter().for_each(log_event);
}

/// Puts an event into the log.
pub fn log_event(event: &Event) {
    if event.is_warning() {
        tracing::warn!("{event}");
    } else {
        tracing::info!("{event}");
    }
}

#[cfg(test)]
mod tests;
