//! How much of the time work stands still for want of memory, processors or disks (Linux, PSI), and how bad that is.
//!
//! Source: the kernel's `accounting/psi.rst`.

use herdwick_wire::machine::{MemoryFacts, PressureFacts};

/// Shares of the last ten seconds, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shares {
    /// Some program stood still.
    pub(super) some: f64,
    /// All of them did. The kernel does not tell it of processors in every version.
    pub(super) full: Option<f64>,
}

/// Reads a file of `/proc/pressure`.
pub(super) fn shares(told: &str) -> Option<Shares> {
    let line = |kind: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))?;
        let word = line.split_ascii_whitespace().find_map(|word| word.strip_prefix("avg10="))?;
        let percent: f64 = word.parse().ok()?;
        (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
    };
    Some(Shares { some: line("some")?, full: line("full") })
}

/// `mem.pressure-level`: 0 none, 1 it begins, 2 it hurts, 3 the machine is lost in it.
///
/// Where the kernel tells how much work stands still, that alone counts: a machine whose memory is full of models and that
/// waits for nothing is well used and not short of memory. 1 from 5 % of the time in which some program waits, which a
/// machine with enough memory never reaches; 2 from 5 % in which all wait: then everybody who uses it feels it; 3
/// from 20 %, far before `systemd-oomd` begins to kill (60 %) and where every further load makes it worse. Reading a model
/// from disk is no such wait: only pages count that were thrown out and are needed again.
///
/// Where it does not tell (containers, Raspberry Pi OS, kernels with `psi=0`) only what is left can be looked at: 1 below
/// 5 % of the memory, 2 below 2 %, and never 3, since nobody saw anything wait.
pub(super) fn level(memory: Option<Shares>, left: Option<&MemoryFacts>) -> Option<f64> {
    if let Some(Shares { some, full }) = memory {
        let full = full.unwrap_or(0.0);
        return Some(if full >= 0.20 {
            3.0
        } else if full >= 0.05 {
            2.0
        } else if some >= 0.05 {
            1.0
        } else {
            0.0
        });
    }
    let left = left.filter(|memory| memory.total > 0)?;
    let share = left.available as f64 / left.total as f64;
    Some(if share < 0.02 {
        2.0
    } else if share < 0.05 {
        1.0
    } else {
        0.0
    })
}

/// For people.
pub(super) fn facts(
    memory: Option<Shares>,
    cpu: Option<Shares>,
    io: Option<Shares>,
) -> Option<PressureFacts> {
    (memory.is_some() || cpu.is_some() || io.is_some()).then(|| PressureFacts {
        age_ms: 0,
        memory_some: memory.map(|it| it.some),
        memory_full: memory.and_then(|it| it.full),
        cpu_some: cpu.map(|it| it.some),
        io_some: io.map(|it| it.some),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let told = "some avg10=1.39 avg60=1.24 avg300=1.05 total=11733022349\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(shares(told), Some(Shares { some: 0.0139, full: Some(0.005) }));
        let old = "some avg10=0.10 avg60=2.00 avg300=3.85 total=15\n";
        assert_eq!(shares(old), Some(Shares { some: 0.001, full: None }));
    }

    #[test]
    fn what_cannot_be_is_not_told() {
        for told in [
            "",
            "some",
            "some avg10=",
            "some avg10=nan",
            "some avg10=101.00",
            "some avg10=-1",
            "full avg10=1",
        ] {
            assert_eq!(shares(told), None, "{told:?}");
        }
        let half = shares("some avg10=1.00\nfull avg10=1e9");
        assert_eq!(half, Some(Shares { some: 0.01, full: None }));
    }

    #[test]
    fn what_stands_still_is_the_measure() {
        let full_of_models = MemoryFacts { total: 100, available: 1, ..MemoryFacts::default() };
        for (some, full, expected) in
            [(0.0, 0.0, 0.0), (0.049, 0.01, 0.0), (0.05, 0.01, 1.0), (0.6, 0.05, 2.0), (0.9, 0.2, 3.0)]
        {
            let shares = Shares { some, full: Some(full) };
            assert_eq!(level(Some(shares), Some(&full_of_models)), Some(expected), "{some} {full}");
        }
    }

    #[test]
    fn where_nobody_tells_what_waits_what_is_left_is_the_measure() {
        for (available, expected) in [(50, 0.0), (5, 0.0), (4, 1.0), (1, 2.0), (0, 2.0)] {
            let memory = MemoryFacts { total: 100, available, ..MemoryFacts::default() };
            assert_eq!(level(None, Some(&memory)), Some(expected), "{available}");
        }
        assert_eq!(level(None, None), None);
    }
}
