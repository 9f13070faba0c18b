//! The last decisions, for explaining and replaying. Bounded in number and in size; whoever decides never waits
//! for whoever reads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use crate::decision::Decision;
use crate::id::{PluginId, RequestId};

/// Decisions kept at most.
const KEPT: usize = 5_000;
/// Numbers kept at most, over all decisions: 16 MiB of readings. A large fleet keeps fewer decisions.
const NUMBERS: usize = 2 << 20;

/// The last decisions.
#[derive(Debug, Default)]
pub struct Ring {
    kept: Mutex<Kept>,
    missed: AtomicU64,
}

#[derive(Debug, Default)]
struct Kept {
    decisions: VecDeque<Arc<Decision>>,
    numbers: usize,
}

/// What a signal in shadow mode would have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShadowCount {
    /// Decisions it was asked for.
    pub asked: usize,
    /// Of them, those that it would have changed.
    pub changed: usize,
}

impl Ring {
    /// Keeps a decision. Should somebody be reading at this very moment, it is counted as missed instead.
    pub fn push(&self, decision: Arc<Decision>) {
        let mut kept = match self.kept.try_lock() {
            Ok(kept) => kept,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.missed.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        kept.numbers += decision.matrix.len();
        kept.decisions.push_back(decision);
        while kept.decisions.len() > KEPT || kept.numbers > NUMBERS {
            let Some(oldest) = kept.decisions.pop_front() else { break };
            kept.numbers -= oldest.matrix.len();
        }
    }

    /// The newest decision.
    pub fn last(&self) -> Option<Arc<Decision>> {
        self.read(|decisions| decisions.back().cloned())
    }

    /// The final decision of a request.
    pub fn find(&self, id: RequestId) -> Option<Arc<Decision>> {
        self.read(|decisions| decisions.iter().rfind(|decision| decision.id == id).cloned())
    }

    /// The newest `count`, newest first.
    pub fn newest(&self, count: usize) -> Vec<Arc<Decision>> {
        self.read(|decisions| decisions.iter().rev().take(count).cloned().collect())
    }

    /// What the signal would have changed among the newest `count` decisions.
    pub fn shadow(&self, plugin: &PluginId, count: usize) -> ShadowCount {
        let newest = self.newest(count);
        let asked = newest.iter().flat_map(|decision| &decision.shadows).filter(|s| s.plugin == *plugin);
        asked.fold(ShadowCount::default(), |count, shadow| ShadowCount {
            asked: count.asked + 1,
            changed: count.changed + usize::from(shadow.changes),
        })
    }

    /// Decisions that were not kept because somebody was reading.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    fn read<T>(&self, read: impl FnOnce(&VecDeque<Arc<Decision>>) -> T) -> T {
        read(&self.kept.lock().unwrap_or_else(PoisonError::into_inner).decisions)
    }
}
