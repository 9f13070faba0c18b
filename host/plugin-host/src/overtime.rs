//! Whether a guest that ran out of time used it. On a busy machine the clock also runs while nobody lets the guest run,
//! and a good plugin must not pay for its neighbours; so at its deadline it is asked what it used since.

use std::time::Duration;

/// Share of a budget that is granted at a deadline, so that the next look can tell.
const GRACE: u64 = 2;
/// Deadlines in one call after which nobody is asked any more: the request waits all the while.
const LOOKS: u32 = 20;

/// One call's deadlines.
#[derive(Debug, Default)]
pub(crate) struct Overtime {
    budget_ms: u64,
    /// Processor time of the thread at the first deadline.
    first: Option<Duration>,
    looks: u32,
}

impl Overtime {
    /// A call with this budget begins.
    pub(crate) fn begin(&mut self, budget_ms: u64) {
        *self = Self { budget_ms, ..Self::default() };
    }

    /// A deadline is reached: the ticks that the guest has yet, or `None` when it used what it had. `spent` is the
    /// processor time of its thread; where the system does not tell, the clock decides.
    pub(crate) fn look(&mut self, spent: Option<Duration>) -> Option<u64> {
        let spent = spent?;
        let grace_ms = (self.budget_ms / GRACE).max(1);
        self.looks += 1;
        let Some(first) = self.first else {
            self.first = Some(spent);
            return Some(grace_ms);
        };
        // Half of the grace leaves room for ticks that come early.
        let used = spent.saturating_sub(first) >= Duration::from_millis(grace_ms) / 2;
        (!used && self.looks < LOOKS).then_some(grace_ms)
    }
}

/// Processor time that this thread used so far.
#[cfg(unix)]
pub(crate) fn spent() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).ok()
}

/// Not told in one call.
#[cfg(not(unix))]
pub(crate) fn spent() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Option<Duration> {
        Some(Duration::from_millis(ms))
    }

    #[test]
    fn whoever_uses_its_grace_is_at_its_end() {
        let mut call = Overtime::default();
        call.begin(5);
        assert_eq!(call.look(ms(100)), Some(2));
        assert_eq!(call.look(ms(102)), None);
        call.begin(5);
        assert_eq!(call.look(ms(200)), Some(2), "the next call begins anew");
    }

    #[test]
    fn whoever_was_not_let_run_goes_on_but_not_for_ever() {
        let mut call = Overtime::default();
        call.begin(5);
        let granted = (0..100).take_while(|_| call.look(ms(100)).is_some()).count();
        assert_eq!(granted, LOOKS as usize - 1);
    }

    #[test]
    fn without_a_clock_of_the_thread_the_first_deadline_is_the_last() {
        let mut call = Overtime::default();
        call.begin(5);
        assert_eq!(call.look(None), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_thread_that_works_uses_processor_time() {
        let before = spent().expect("the system tells");
        let mut sum = 0_u64;
        // However long it takes on this machine.
        while spent().expect("the system tells") <= before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }
}
