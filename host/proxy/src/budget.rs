//! How many retries may run at once, over all requests: a share of the requests under way, so that a fleet that fails
//! is not asked twice as much because it fails. A retry over the budget waits; it does not fail.
//!
//! Source: Envoy's retry budgets (20 %, at least 3).

use std::sync::atomic::{AtomicUsize, Ordering};

use herdwick_fleet::Counters;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Retries that may always run.
const FLOOR: usize = 3;
/// One retry for so many requests under way.
const SHARE: usize = 5;

/// The budget of one router.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    retrying: AtomicUsize,
    freed: Notify,
}

/// A retry under way. Dropping it ends it.
pub(crate) struct Retry<'a>(&'a Budget);

impl Budget {
    /// Waits until a retry may run; `None` if that is not before the deadline.
    pub(crate) async fn retry(&self, counters: &Counters, deadline: Instant) -> Option<Retry<'_>> {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // From here on a retry that ends is noticed, also one that ends before the await.
            freed.as_mut().enable();
            if let Some(retry) = self.try_retry(counters) {
                return Some(retry);
            }
            timeout_at(deadline, freed).await.ok()?;
        }
    }

    fn try_retry(&self, counters: &Counters) -> Option<Retry<'_>> {
        let active = usize::try_from(counters.read().under_way).unwrap_or(usize::MAX);
        let most = FLOOR.max(active / SHARE);
        let more = |running: usize| (running < most).then_some(running + 1);
        self.retrying.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more).ok().map(|_| Retry(self))
    }
}

impl Drop for Retry<'_> {
    fn drop(&mut self) {
        self.0.retrying.fetch_sub(1, Ordering::AcqRel);
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_fifth_of_what_runs_and_at_least_three() {
        let (budget, counters) = (Budget::default(), Counters::default());
        let few: Vec<_> = std::iter::from_fn(|| budget.try_retry(&counters)).collect();
        assert_eq!(few.len(), 3);
        drop(few);
        (0..50).for_each(|_| counters.began());
        let many: Vec<_> = std::iter::from_fn(|| budget.try_retry(&counters)).collect();
        assert_eq!(many.len(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_over_the_budget_waits_for_another_to_end() {
        let (budget, counters) = (Budget::default(), Counters::default());
        let mut running: Vec<_> = std::iter::from_fn(|| budget.try_retry(&counters)).collect();
        let soon = Instant::now() + std::time::Duration::from_secs(1);
        assert!(budget.retry(&counters, soon).await.is_none(), "nothing ended in time");
        let waiting = budget.retry(&counters, soon + std::time::Duration::from_secs(9));
        let ending = async { drop(running.pop()) };
        let (retry, ()) = tokio::join!(waiting, ending);
        assert!(retry.is_some());
    }
}
