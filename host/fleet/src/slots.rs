//! How many requests a model on a backend takes at once, and how many it has: acquired by compare-and-swap,
//! so that the fast path needs no queue, no lock and no other thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most slots that are counted, and the most requests of others: an agent may tell 4,096 at most.
const MOST: u32 = (1 << WIDTH) - 1;
/// Bits of the number of slots, and of that of others' requests. What runs here has the rest, 24 bits: more than a
/// router has connections.
const WIDTH: u32 = 20;
/// Where the requests of others begin.
const FOREIGN: u32 = 24;
/// Where the number of slots begins.
const TOTAL: u32 = FOREIGN + WIDTH;

/// Slots of one (backend, model). All its numbers share one word, so that no reader sees half a change.
#[derive(Debug)]
pub struct Slots {
    packed: AtomicU64,
}

/// The numbers in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    /// Slots in all, at least 1.
    total: u32,
    /// Slots that requests of others take, as far as is told.
    foreign: u32,
    /// Requests of this router that hold one.
    busy: u32,
}

impl Slots {
    /// `total` free slots. At least one: a backend that takes nothing is not a candidate at all.
    pub fn new(total: u32) -> Self {
        Self { packed: AtomicU64::new(Count { total: total.clamp(1, MOST), foreign: 0, busy: 0 }.pack()) }
    }

    /// Takes a slot if one is free; it is given back when the guard is dropped.
    pub fn try_acquire(self: &Arc<Self>) -> Option<SlotGuard> {
        let taken = self.packed.fetch_update(Ordering::AcqRel, Ordering::Acquire, |packed| {
            let count = Count::unpack(packed);
            (count.free() > 0).then(|| Count { busy: count.busy + 1, ..count }.pack())
        });
        taken.is_ok().then(|| SlotGuard { slots: Arc::clone(self) })
    }

    /// Changes the number of slots. Requests that run keep theirs; fewer slots take effect as they end.
    pub fn resize(&self, total: u32) {
        self.change(|count| Count { total: total.clamp(1, MOST), ..count });
    }

    /// Says how many requests of others run there. They take slots that are free, and nobody's who has one.
    pub fn set_foreign(&self, foreign: u32) {
        self.change(|count| Count { foreign: foreign.min(MOST), ..count });
    }

    fn change(&self, change: impl Fn(Count) -> Count) {
        let before = self.count();
        // The usual case: nothing to say, and no word to fight over.
        if change(before) == before {
            return;
        }
        let changed = self.packed.fetch_update(Ordering::AcqRel, Ordering::Acquire, |packed| {
            Some(change(Count::unpack(packed)).pack())
        });
        debug_assert!(changed.is_ok(), "an update that always answers always succeeds");
    }

    /// Slots in all.
    pub fn total(&self) -> u32 {
        self.count().total
    }

    /// Requests of this router that hold one now.
    pub fn busy(&self) -> u32 {
        self.count().busy
    }

    /// Requests of others, as told last.
    pub fn foreign(&self) -> u32 {
        self.count().foreign
    }

    /// Slots that are free now.
    pub fn free(&self) -> u32 {
        self.count().free()
    }

    fn count(&self) -> Count {
        Count::unpack(self.packed.load(Ordering::Acquire))
    }
}

impl Count {
    /// What is told of others is an estimate, of connections and not of requests: a client that keeps one open and asks
    /// nothing would shut a machine out for as long as it does. So they never take the last slot.
    fn free(self) -> u32 {
        self.total.saturating_sub(self.foreign).max(1).saturating_sub(self.busy)
    }

    const fn pack(self) -> u64 {
        (self.total as u64) << TOTAL | (self.foreign as u64) << FOREIGN | self.busy as u64
    }

    const fn unpack(packed: u64) -> Self {
        Self {
            total: (packed >> TOTAL) as u32,
            foreign: (packed >> FOREIGN) as u32 & MOST,
            busy: packed as u32 & ((1 << FOREIGN) - 1),
        }
    }
}

/// The right to have one request running; dropping it frees the slot.
#[derive(Debug)]
pub struct SlotGuard {
    slots: Arc<Slots>,
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        // Busy is at least 1 while this guard lives, so its bits cannot borrow from the others.
        self.slots.packed.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_given_out_once_and_comes_back() {
        let slots = Arc::new(Slots::new(2));
        let first = slots.try_acquire();
        let second = slots.try_acquire();
        assert!(first.is_some() && second.is_some());
        assert!(slots.try_acquire().is_none(), "two slots, two guards");
        drop(first);
        assert_eq!((slots.total(), slots.busy(), slots.free()), (2, 1, 1));
        assert!(slots.try_acquire().is_some());
    }

    #[test]
    fn fewer_slots_take_effect_as_requests_end() {
        let slots = Arc::new(Slots::new(3));
        let held: Vec<_> = (0..3).filter_map(|_| slots.try_acquire()).collect();
        slots.resize(1);
        assert_eq!((slots.busy(), slots.free()), (3, 0));
        drop(held);
        assert_eq!((slots.busy(), slots.free()), (0, 1));
    }

    #[test]
    fn requests_of_others_take_free_slots_and_nobodys_own() {
        let slots = Arc::new(Slots::new(3));
        let ours = slots.try_acquire();
        slots.set_foreign(1);
        assert_eq!((slots.busy(), slots.foreign(), slots.free()), (1, 1, 1));
        slots.set_foreign(7);
        assert_eq!((slots.busy(), slots.free()), (1, 0), "more than there is room for");
        assert!(slots.try_acquire().is_none());
        drop(ours);
        assert_eq!((slots.busy(), slots.foreign(), slots.total()), (0, 7, 3), "each number keeps its bits");
        slots.set_foreign(0);
        assert_eq!(slots.free(), 3);
    }

    #[test]
    fn others_never_take_the_last_slot() {
        let slots = Arc::new(Slots::new(1));
        slots.set_foreign(5);
        assert_eq!(slots.free(), 1, "an idle connection of somebody shuts nobody out");
        let ours = slots.try_acquire();
        assert!(ours.is_some() && slots.try_acquire().is_none());
        assert_eq!((slots.busy(), slots.free()), (1, 0));
    }

    #[test]
    fn numbers_that_are_too_large_stay_in_their_bits() {
        let slots = Arc::new(Slots::new(u32::MAX));
        slots.set_foreign(u32::MAX);
        assert_eq!((slots.total(), slots.foreign(), slots.busy()), (MOST, MOST, 0));
        slots.resize(0);
        assert_eq!((slots.total(), slots.foreign(), slots.busy()), (1, MOST, 0));
    }

    #[test]
    fn threads_that_race_never_share_a_slot() {
        let slots = Arc::new(Slots::new(3));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let guard = slots.try_acquire();
                        assert!(slots.busy() <= 3);
                        drop(guard);
                    }
                });
            }
            // What is told of others meanwhile changes nothing of ours.
            scope.spawn(|| (0..2_000).for_each(|round| slots.set_foreign(round % 3)));
        });
        assert_eq!((slots.busy(), slots.total(), slots.foreign()), (0, 3, 1));
    }
}
