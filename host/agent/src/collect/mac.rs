//! What macOS says of its own state: how hot it is, how short of memory, what its graphics may take. Levels of Apple's
//! become ours here; both have four.

use herdwick_fleet::Column;

use super::source::Found;

/// The level of `node.thermal-level` for a state of `NSProcessInfo.thermalState`: nominal, fair, serious, critical.
fn heat(state: isize) -> Option<f64> {
    (0..=3).contains(&state).then_some(state as f64)
}

/// The level of `mem.pressure-level` for `kern.memorystatus_vm_pressure_level`: 1 normal, 2 warning, 4 critical.
/// Source: `sys/event.h` of XNU, `NOTE_MEMORYSTATUS_PRESSURE_*`.
fn pressure(level: &str) -> Option<f64> {
    match level.trim() {
        "1" => Some(0.0),
        "2" => Some(2.0),
        "4" => Some(3.0),
        _ => None,
    }
}

/// What follows for plugins.
fn found(thermal_state: isize, pressure_level: Option<&str>) -> Found {
    let mut found = Found::default();
    found.add(Column::Thermal, heat(thermal_state));
    found.add(Column::MemPressure, pressure_level.and_then(pressure));
    found
}

#[cfg(target_os = "macos")]
mod asked {
    //! Asks the system. Safe calls alone, none of which waits for a program.

    use std::time::Duration;

    use objc2_foundation::NSProcessInfo;
    use sysctl::{Ctl, Sysctl as _};

    use super::super::source::{Next, Source};
    use super::{Found, found};

    /// Heat and memory change within seconds.
    const PAUSE: Duration = Duration::from_secs(2);
    /// Three looks and some.
    const KEEPS: Duration = Duration::from_secs(8);

    /// Asks macOS.
    #[derive(Debug)]
    pub(in super::super) struct Mac;

    impl Source for Mac {
        fn name(&self) -> &'static str {
            "macos"
        }

        fn keeps(&self) -> Option<Duration> {
            Some(KEEPS)
        }

        fn look(&mut self) -> (Found, Next) {
            let state = NSProcessInfo::processInfo().thermalState();
            let pressure = told("kern.memorystatus_vm_pressure_level");
            (found(state.0, pressure.as_deref()), Next::After(PAUSE))
        }
    }

    /// What the system has under a name.
    pub(in super::super) fn told(name: &str) -> Option<String> {
        Ctl::new(name).ok()?.value_string().ok()
    }
}

#[cfg(target_os = "macos")]
pub(super) use asked::{Mac, told};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_apple_become_ours() {
        let serious = found(2, Some("2\n"));
        assert_eq!(serious.readings, [(Column::Thermal, 2.0), (Column::MemPressure, 2.0)]);
        let well = found(0, Some("1"));
        assert_eq!(well.readings, [(Column::Thermal, 0.0), (Column::MemPressure, 0.0)]);
        assert_eq!(found(3, Some("4")).readings, [(Column::Thermal, 3.0), (Column::MemPressure, 3.0)]);
    }

    #[test]
    fn what_apple_may_say_one_day_is_unknown() {
        for (state, level) in [(-1, None), (4, Some("3")), (isize::MAX, Some("")), (9, Some("high"))] {
            assert_eq!(found(state, level).readings, [], "{state} {level:?}");
        }
    }
}
