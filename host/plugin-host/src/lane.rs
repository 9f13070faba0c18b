//! Instances that are ready: a lane is one instance of each plugin of one set. A request takes a lane and puts
//! it back; nothing is instantiated on its path.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use herdwick_fleet::Generation;

use crate::fault::Fault;
use crate::limits;
use crate::member::{Guest, Member};
use crate::topology::Ground;

/// One instance of each plugin, in the set's order; `None` where one died.
pub(crate) struct Lane {
    pub(crate) guests: Vec<Option<Guest>>,
    /// Reused for each plugin's rows.
    pub(crate) rows: Vec<f64>,
    /// Of the fleet that its guests know.
    topology: Generation,
}

/// The lanes of one set.
pub(crate) struct Lanes {
    free: Mutex<Vec<Lane>>,
    /// Whether some lane may need mending.
    broken: AtomicBool,
}

impl Lanes {
    /// Builds all lanes.
    pub(crate) fn build(ground: &Ground, members: &[Member]) -> Result<Self, (usize, Fault)> {
        let topology = ground.topology.load().generation;
        let lane = || {
            let guests = members
                .iter()
                .enumerate()
                .map(|(index, member)| member.guest(ground).map(Some).map_err(|fault| (index, fault)));
            Ok(Lane { guests: guests.collect::<Result<_, _>>()?, rows: Vec::new(), topology })
        };
        let lanes = (0..limits::LANES).map(|_| lane()).collect::<Result<_, _>>()?;
        Ok(Self { free: Mutex::new(lanes), broken: AtomicBool::new(false) })
    }

    /// A lane, unless all are out.
    pub(crate) fn take(&self) -> Option<Lane> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Puts it back: on top, so that it is warm when it is taken next; one that needs mending below the others,
    /// so that they are taken first.
    pub(crate) fn put(&self, lane: Lane) {
        let broken = lane.is_broken();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if broken {
            free.insert(0, lane);
            self.broken.store(true, Ordering::Release);
        } else {
            free.push(lane);
        }
    }

    /// Replaces what died, one lane at a time, so that the others stay in service. Off the request path, and
    /// without touching its lock when there is nothing to do.
    pub(crate) fn mend(&self, ground: &Ground, members: &[Member]) {
        if !self.broken.swap(false, Ordering::AcqRel) {
            return;
        }
        for _ in 0..limits::LANES {
            let Some(mut lane) = self.take_broken() else { return };
            for (guest, member) in lane.guests.iter_mut().zip(members) {
                // One that is out for misbehaviour is not asked; it comes back with the next set.
                if guest.is_none() && !member.stats.is_out() {
                    match member.guest(ground) {
                        Ok(new) => *guest = Some(new),
                        Err(fault) => member.stats.strike(&fault, Instant::now()),
                    }
                }
            }
            self.put(lane);
        }
    }

    /// Tells every guest that wants to know who is in the fleet now, one lane at a time. Off the request path.
    pub(crate) fn tell(&self, ground: &Ground, members: &[Member]) {
        let topology = ground.topology.load_full();
        for _ in 0..limits::LANES {
            let Some(mut lane) = self.take_behind(topology.generation) else { return };
            for (slot, member) in lane.guests.iter_mut().zip(members) {
                let Some(guest) = slot else { continue };
                if let Err(fault) = member.tell(guest, &topology) {
                    member.stats.strike(&fault, Instant::now());
                    *slot = None;
                }
            }
            lane.topology = topology.generation;
            self.put(lane);
        }
    }

    fn take_behind(&self, topology: Generation) -> Option<Lane> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = free.iter().position(|lane| lane.topology != topology)?;
        Some(free.remove(behind))
    }

    fn take_broken(&self) -> Option<Lane> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let broken = free.iter().position(Lane::is_broken)?;
        Some(free.remove(broken))
    }
}

impl Lane {
    fn is_broken(&self) -> bool {
        self.guests.iter().any(Option::is_none)
    }
}
