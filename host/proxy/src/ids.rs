//! Request ids: the wall clock and randomness that the pure core does not have.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use herdwick_fleet::RequestId;

/// Mints ids. Unique, not secret: nobody gains anything by guessing one.
pub(crate) struct Ids {
    seed: RandomState,
    minted: AtomicU64,
}

impl Default for Ids {
    fn default() -> Self {
        Self { seed: RandomState::new(), minted: AtomicU64::new(0) }
    }
}

impl Ids {
    pub(crate) fn mint(&self) -> RequestId {
        let count = self.minted.fetch_add(1, Ordering::Relaxed);
        // A keyed hash of a counter costs no system call, and two routers have different keys.
        let low = self.seed.hash_one((count, 0_u8));
        let high = self.seed.hash_one((count, 1_u8));
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ms = u64::try_from(since.as_millis()).unwrap_or_default();
        RequestId::new(unix_ms, u128::from(high) << 64 | u128::from(low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_given_twice() {
        let ids = Ids::default();
        let minted: std::collections::BTreeSet<_> = (0..10_000).map(|_| ids.mint()).collect();
        assert_eq!(minted.len(), 10_000);
    }
}
