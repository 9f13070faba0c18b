//! How busy the processor was between two looks at `/proc/stat`.
//!
//! Source: proc_stat(5).

/// Ticks since the machine started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    idle: u64,
    total: u64,
}

impl Times {
    /// The share of time that was not idle, 0 to 1. `None` when no time passed, or the counters began anew.
    pub(super) fn busy_since(self, earlier: Self) -> Option<f64> {
        let total = self.total.checked_sub(earlier.total).filter(|total| *total > 0)?;
        // Waiting for disks may run backwards by a tick.
        let idle = self.idle.saturating_sub(earlier.idle).min(total);
        Some(1.0 - idle as f64 / total as f64)
    }
}

/// Reads the line of all processors together. Guests are counted as users already.
pub(super) fn times(stat: &str) -> Option<Times> {
    let ticks = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().take(8);
    let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>().ok()?;
    // user, nice, system, idle, waiting for disks…
    let idle = ticks.get(3)?.checked_add(*ticks.get(4).unwrap_or(&0))?;
    let total = ticks.iter().try_fold(0_u64, |sum, ticks| sum.checked_add(*ticks))?;
    Some(Times { idle, total })
}

/// Processors that run.
pub(super) fn count(stat: &str) -> u32 {
    let is_one = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    u32::try_from(stat.lines().filter(is_one).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_what_was_not_idle_between_two_looks() {
        let early = times("cpu  100 0 50 800 50 0 0 0 10 0\ncpu0 1 1 1 1\n").expect("a line");
        let late = times("cpu  150 0 50 840 60 0 0 0 10 0\n").expect("a line");
        assert_eq!(late.busy_since(early), Some(0.5));
        assert_eq!((late.busy_since(late), early.busy_since(late)), (None, None));
    }

    #[test]
    fn what_is_no_line_of_the_kernel_tells_nothing() {
        for stat in ["", "cpu0 1 2 3 4", "cpu  a b c d", "cpu  1 2", "cpu  18446744073709551615 1 1 1"] {
            assert_eq!(times(stat), None, "{stat:?}");
        }
    }
}
