//! What changes from second to second on macOS and Windows: how busy the processor is, how much memory is free. There
//! no file tells it; `sysinfo` asks the system.

use herdwick_fleet::Column;
use herdwick_wire::machine::MemoryFacts;

use super::source::Found;

/// Bytes, as the system says them.
#[derive(Clone, Copy, Debug)]
struct Told {
    total: u64,
    available: u64,
    swap_total: u64,
    swap_used: u64,
}

/// What is believed of it; `percent` is of all processors together.
fn found(told: Told, percent: Option<f32>) -> Found {
    let mut found = Found::default();
    let busy = percent.map(|percent| f64::from(percent) / 100.0);
    found.add(Column::CpuBusy, busy.filter(|busy| (0.0..=1.0).contains(busy)));
    let is_true = told.total > 0 && told.available <= told.total && told.swap_used <= told.swap_total;
    found.facts.memory = is_true.then(|| MemoryFacts {
        total: told.total,
        available: told.available,
        swap_total: told.swap_total,
        swap_used: told.swap_used,
        ..MemoryFacts::default()
    });
    found
}

#[cfg(any(target_os = "macos", target_os = "windows"))]
mod asked {
    //! Asks the system.

    use std::time::Duration;

    use sysinfo::System;

    use super::super::source::{Found, Next, Source};
    use super::{Told, found};

    /// As often as a beat is due.
    const PAUSE: Duration = Duration::from_secs(1);
    /// Three looks.
    const KEEPS: Duration = Duration::from_secs(3);

    /// Asks again and again.
    #[derive(Debug, Default)]
    pub(in super::super) struct Load {
        /// Busy is a difference, so it is kept; the first look has nothing to compare with.
        system: Option<System>,
    }

    impl Source for Load {
        fn name(&self) -> &'static str {
            "load"
        }

        fn keeps(&self) -> Option<Duration> {
            Some(KEEPS)
        }

        fn look(&mut self) -> (Found, Next) {
            let is_first = self.system.is_none();
            if is_first {
                self.system = System::new().ok();
            }
            let Some(system) = &mut self.system else { return (Found::default(), Next::After(PAUSE)) };
            system.refresh_cpu_usage();
            system.refresh_memory();
            // On macOS what is called available has pages in it that programs use.
            let unused = system.total_memory().saturating_sub(system.used_memory());
            let told = Told {
                total: system.total_memory(),
                available: if cfg!(target_os = "macos") { unused } else { system.available_memory() },
                swap_total: system.total_swap(),
                swap_used: system.used_swap(),
            };
            let busy = (!is_first).then(|| system.global_cpu_usage());
            (found(told, busy), Next::After(PAUSE))
        }
    }
}

#[cfg(any(target_os = "macos", target_os = "windows"))]
pub(super) use asked::Load;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_is_told() {
        let told = Told { total: 16, available: 4, swap_total: 2, swap_used: 1 };
        let good = found(told, Some(50.0));
        assert_eq!(good.readings, [(Column::CpuBusy, 0.5)]);
        assert_eq!(good.facts.memory.map(|memory| (memory.total, memory.available)), Some((16, 4)));
        for told in [Told { total: 0, ..told }, Told { available: 17, ..told }, Told { swap_used: 3, ..told }]
        {
            assert!(found(told, None).facts.memory.is_none(), "{told:?}");
        }
        for percent in [-1.0, 100.5, f32::NAN, f32::INFINITY] {
            assert_eq!(found(told, Some(percent)).readings, []);
        }
    }
}
