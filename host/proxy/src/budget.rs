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
    waiting: AtomicUsize,
    freed: Notify,
}

/// A retry under way. Dropping it ends it.
pub(crate) struct Retry<'a>(&'a Budget);

/// Somebody who waits. Nobody who comes later passes.
struct Waiting<'a>(&'a Budget);

impl Budget {
    /// Waits until a retry may run, in order of arrival; `None` if that is not before the deadline.
    pub(crate) async fn retry(&self, counters: &Counters, deadline: Instant) -> Option<Retry<'_>> {
        if self.waiting.load(Ordering::Acquire) == 0
            && let Some(retry) = self.try_retry(counters)
        {
            return Some(retry);
        }
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(self);
        // A retry that ended before it could see us told nobody, which matters once there are several data threads.
        if before == 0
            && let Some(retry) = self.try_retry(counters)
        {
            return Some(retry);
        }
        loop {
            // Whoever was told and leaves without taking it tells the next one: tokio's `Notified` does when dropped.
            timeout_at(deadline, self.freed.notified()).await.ok()?;
            if let Some(retry) = self.try_retry(counters) {
                return Some(retry);
            }
        }
    }

    fn try_retry(&self, counters: &Counters) -> Option<Retry<'_>> {
        let active = usize::try_from(counters.read().under_way).unwrap_or(usize::MAX);
        let most = FLOOR.max(active / SHARE);
        let more = |running: usize| (running < most).then_some(running + 1);
        self.retrying.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more).ok().map(|_| Retry(self))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Retry<'_> {
    fn drop(&mut self) {
        self.0.retrying.fetch_sub(1, Ordering::AcqRel);
        // Without anybody who waits the word would be kept, and the next to wait would look once for nothing.
        if self.0.waiting.load(Ordering::Acquire) > 0 {
            self.0.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        let soon = Instant::now() + Duration::from_secs(1);
        assert!(budget.retry(&counters, soon).await.is_none(), "nothing ended in time");
        let waiting = budget.retry(&counters, soon + Duration::from_secs(9));
        let ending = async { drop(running.pop()) };
        let (retry, ()) = tokio::join!(waiting, ending);
        assert!(retry.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_ends_a_retry_and_wants_the_next_one_stands_behind_those_who_wait() {
        let (budget, counters) = (Budget::default(), Counters::default());
        let mut running: Vec<_> = std::iter::from_fn(|| budget.try_retry(&counters)).collect();
        let deadline = Instant::now() + Duration::from_secs(9);
        let order = std::cell::RefCell::new(Vec::new());
        let waits = async {
            let retry = budget.retry(&counters, deadline).await;
            order.borrow_mut().push("waited");
            drop(retry);
        };
        let again = async {
            running.pop();
            let retry = budget.retry(&counters, deadline).await;
            order.borrow_mut().push("came back");
            drop(retry);
        };
        tokio::join!(waits, again);
        assert_eq!(*order.borrow(), ["waited", "came back"]);
    }
}
