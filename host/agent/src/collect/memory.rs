//! How much memory there is and how much of it is to be had, from `/proc/meminfo`: a few lines of it, every second,
//! which is why no crate is asked, that would read all of it.
//!
//! Source: proc_meminfo(5).

use herdwick_wire::machine::MemoryFacts;

use super::bounds::Bound;

/// More than this is no memory: 1 PiB.
const MOST: u64 = 1 << 50;

/// Reads what is there. `None` if it is not what the kernel writes, or cannot be.
pub(super) fn memory(meminfo: &str) -> Option<MemoryFacts> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1 << 10)
    };
    let total = bytes("MemTotal").filter(|total| (1..=MOST).contains(total))?;
    // Containers whose files a program makes up have been seen with more available than there is.
    let available = bytes("MemAvailable")?.min(total);
    let swap_total = bytes("SwapTotal").filter(|swap| *swap <= MOST).unwrap_or(0);
    let swap_used = swap_total.saturating_sub(bytes("SwapFree").unwrap_or(swap_total));
    Some(MemoryFacts { total, available, swap_total, swap_used, ..MemoryFacts::default() })
}

/// The same where a container is given less: what it has left counts then, and what the machine has left as well.
pub(super) fn bounded(memory: MemoryFacts, bound: Option<Bound>) -> MemoryFacts {
    let Some(bound) = bound.filter(|bound| bound.limit < memory.total) else { return memory };
    let left = bound.limit.saturating_sub(bound.used);
    MemoryFacts {
        total: bound.limit,
        available: memory.available.min(left),
        installed: Some(memory.total),
        ..memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_read_wherever_they_stand() {
        let told = "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    8000 kB\n\
                    SwapTotal:       4000 kB\nSwapFree:        3000 kB\n";
        let read = memory(told).expect("all that it needs");
        assert_eq!((read.total, read.available), (16_384_000, 8_192_000));
        assert_eq!((read.swap_total, read.swap_used), (4_096_000, 1_024_000));
    }

    #[test]
    fn what_cannot_be_is_not_told() {
        for told in [
            "MemTotal: 1 kB\n",
            "MemTotal: much\nMemAvailable: 1 kB\n",
            "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
            "MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB\n",
            "MemTotal: 1000000000000000 kB\nMemAvailable: 1 kB\n",
            "MemTotal: -1 kB\nMemAvailable: 1 kB\n",
            "MemTotal:",
            "",
        ] {
            assert_eq!(memory(told), None, "{told:?}");
        }
        let odd = "MemTotal: 2 kB\nMemAvailable: 9 kB\nSwapTotal: 1 kB\nSwapFree: 5 kB\n";
        let read = memory(odd).expect("a memory");
        assert_eq!((read.available, read.swap_used), (2_048, 0));
    }

    #[test]
    fn a_container_has_what_it_is_given_and_no_more_than_there_is() {
        let machine = MemoryFacts { total: 1_000, available: 300, ..MemoryFacts::default() };
        let within = |limit, used| bounded(machine.clone(), Some(Bound { limit, used }));
        let told = |it: MemoryFacts| (it.total, it.available, it.installed);
        assert_eq!(told(bounded(machine.clone(), None)), (1_000, 300, None));
        assert_eq!(told(within(2_000, 0)), (1_000, 300, None), "more than there is");
        assert_eq!(told(within(400, 350)), (400, 50, Some(1_000)));
        assert_eq!(told(within(400, 10)), (400, 300, Some(1_000)), "others have the rest");
        assert_eq!(told(within(400, 500)), (400, 0, Some(1_000)));
    }
}
