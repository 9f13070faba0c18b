//! How many requests a model on a backend takes at once, and how many it has: acquired by compare-and-swap,
//! so that the fast path needs no queue, no lock and no other thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Slots of one (backend, model). Total and busy share one word, so that no reader sees half a change.
#[derive(Debug)]
pub struct Slots {
    /// `total << 32 | busy`.
    packed: AtomicU64,
}

impl Slots {
    /// `total` free slots. At least one: a backend that takes nothing is not a candidate at all.
    pub fn new(total: u32) -> Self {
        Self { packed: AtomicU64::new(pack(total.max(1), 0)) }
    }

    /// Takes a slot if one is free; it is given back when the guard is dropped.
    pub fn try_acquire(self: &Arc<Self>) -> Option<SlotGuard> {
        let taken = self.packed.fetch_update(Ordering::AcqRel, Ordering::Acquire, |packed| {
            let (total, busy) = unpack(packed);
            (busy < total).then(|| pack(total, busy + 1))
        });
        taken.is_ok().then(|| SlotGuard { slots: Arc::clone(self) })
    }

    /// Changes the number of slots. Requests that run keep theirs; fewer slots take effect as they end.
    pub fn resize(&self, total: u32) {
        let resized = self.packed.fetch_update(Ordering::AcqRel, Ordering::Acquire, |packed| {
            Some(pack(total.max(1), unpack(packed).1))
        });
        debug_assert!(resized.is_ok(), "an update that always answers always succeeds");
    }

    /// Slots in all.
    pub fn total(&self) -> u32 {
        unpack(self.packed.load(Ordering::Acquire)).0
    }

    /// Requests that hold one now.
    pub fn busy(&self) -> u32 {
        unpack(self.packed.load(Ordering::Acquire)).1
    }

    /// Slots that are free now.
    pub fn free(&self) -> u32 {
        let (total, busy) = unpack(self.packed.load(Ordering::Acquire));
        total.saturating_sub(busy)
    }
}

/// The right to have one request running; dropping it frees the slot.
#[derive(Debug)]
pub struct SlotGuard {
    slots: Arc<Slots>,
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        // Busy is at least 1 while this guard lives, so the low half cannot borrow from the total.
        self.slots.packed.fetch_sub(1, Ordering::AcqRel);
    }
}

const fn pack(total: u32, busy: u32) -> u64 {
    (total as u64) << 32 | busy as u64
}

const fn unpack(packed: u64) -> (u32, u32) {
    ((packed >> 32) as u32, packed as u32)
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
        });
        assert_eq!(slots.busy(), 0);
    }
}
