//! The keeper: the one task that owns the fleet. Observations come in, pictures go out; nobody else writes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use herdwick_fleet::{BackendId, Fleet, Generation, Observation, Origin, Snapshot};
use tokio::sync::{mpsc, watch};

use crate::poll::{self, Polling};

/// Observations that may wait for the keeper. It takes microseconds for each, so a full channel means that it
/// is gone.
const PENDING: usize = 1_024;
/// Pictures are published at most this often, unless members or slots changed.
const PACE: Duration = Duration::from_millis(20);

/// Where the newest picture of the fleet is found.
#[derive(Clone)]
pub struct Published {
    /// The picture.
    pub fleet: Arc<ArcSwap<Snapshot>>,
    /// Moves after each new picture.
    pub generation: watch::Receiver<Generation>,
}

/// The fleet's owner before it starts.
pub struct Keeper {
    fleet: Fleet,
    members: Vec<(BackendId, Origin)>,
    out: Arc<ArcSwap<Snapshot>>,
    generation: watch::Sender<Generation>,
}

impl Default for Keeper {
    fn default() -> Self {
        Self {
            fleet: Fleet::default(),
            members: Vec::new(),
            out: Arc::default(),
            generation: watch::Sender::new(Generation::default()),
        }
    }
}

impl Keeper {
    /// Adds a backend without an agent, to be polled. `slots` is how many requests each of its models takes at
    /// once.
    pub fn add(&mut self, name: &str, origin: Origin, slots: u32, labels: BTreeMap<String, String>) {
        let id = self.fleet.add(name, origin.clone(), slots);
        self.fleet.label(id, labels);
        if !self.members.iter().any(|(known, _)| *known == id) {
            self.members.push((id, origin));
        }
    }

    /// Where its pictures will be found.
    pub fn published(&self) -> Published {
        Published { fleet: Arc::clone(&self.out), generation: self.generation.subscribe() }
    }

    /// Polls every member and keeps the picture true, for as long as the runtime lives. `start` is the zero of
    /// the router's clock.
    pub async fn run(mut self, polling: Polling, start: Instant) {
        let (tell, mut told) = mpsc::channel(PENDING);
        for (backend, origin) in std::mem::take(&mut self.members) {
            tokio::spawn(poll::run(backend, origin, polling, start, tell.clone()));
        }
        self.publish();
        let mut batch = Vec::new();
        // `tell` lives as long as this function, so the channel never closes under it.
        while told.recv_many(&mut batch, PENDING).await > 0 {
            let urgent = self.take(&mut batch);
            if !urgent {
                // More readings of the same round are about to come; one picture shows them all.
                tokio::time::sleep(PACE).await;
                while let Ok(observation) = told.try_recv() {
                    batch.push(observation);
                }
                self.take(&mut batch);
            }
            self.publish();
        }
    }

    /// Takes observations in; says whether one of them changed who can be asked for what, or how fast.
    fn take(&mut self, batch: &mut Vec<Observation>) -> bool {
        let mut urgent = false;
        for observation in batch.drain(..) {
            for event in self.fleet.observe(observation) {
                urgent = true;
                tracing::info!("{event}");
            }
        }
        urgent
    }

    fn publish(&mut self) {
        let snapshot = self.fleet.snapshot();
        let generation = snapshot.generation;
        // First the picture, then the word that there is one.
        self.out.store(Arc::new(snapshot));
        self.generation.send_replace(generation);
    }
}
