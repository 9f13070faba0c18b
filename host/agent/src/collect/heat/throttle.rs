//! Whether processors slow themselves down, as they count it: Intel's per core and per package, a Raspberry Pi's firmware
//! as flags. Others do not tell.
//!
//! Sources: the kernel's `ABI/testing/sysfs-devices-system-cpu`; `vcgencmd get_throttled` of Raspberry Pi's documentation.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::collect::tree::Tree;

const FOLDER: &str = "sys/devices/system/cpu";
/// Processors that are looked at. Heat is a package's, and a machine has few; to ask hundreds would cost more than it
/// tells.
const CPUS: usize = 32;
/// How long it counts that a processor slowed itself down.
const MINUTE: Duration = Duration::from_secs(60);
/// Share of the time between two looks below which it is no slowing down: processors touch their limit for a thousandth
/// of a second whenever somebody opens a page.
const SHARE: f64 = 0.01;
/// Flags of a Raspberry Pi that hold now: capped, slowed down, too warm. The lowest is a weak power supply, whose effect is
/// the second.
const PI_NOW: u64 = 0b1110;
/// Where they stand, with Raspberry Pi's own kernel.
const PI: &str = "sys/devices/platform/soc/soc:firmware/get_throttled";

/// What one processor has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    events: u64,
    /// Milliseconds, where the kernel counts them.
    time: Option<u64>,
}

/// What was counted before.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    counts: HashMap<String, Count>,
    looked: Option<Instant>,
    slowed: Option<Instant>,
}

impl Throttle {
    /// Whether some processor slowed itself down in the last minute; `None` = nobody tells.
    pub(super) fn look(&mut self, tree: &Tree, now: Instant) -> Option<bool> {
        if let Some(flags) = tree.word(PI) {
            let flags = u64::from_str_radix(flags.trim_start_matches("0x"), 16).ok()?;
            return Some(flags & PI_NOW != 0);
        }
        let since = self.looked.replace(now).map(|before| now.saturating_duration_since(before));
        let counts = counts(tree);
        if counts.is_empty() {
            return None;
        }
        let has_slowed = since.is_some_and(|since| {
            let mut pairs = counts.iter().filter_map(|(cpu, count)| Some((self.counts.get(cpu)?, count)));
            pairs.any(|(before, count)| count.has_slowed(*before, since))
        });
        if has_slowed {
            self.slowed = Some(now);
        }
        self.counts = counts;
        Some(self.slowed.is_some_and(|at| now.saturating_duration_since(at) <= MINUTE))
    }
}

impl Count {
    /// A counter that went back began anew, and says nothing.
    fn has_slowed(self, before: Self, since: Duration) -> bool {
        match (self.time, before.time) {
            (Some(now), Some(before)) => {
                let slow = Duration::from_millis(now.saturating_sub(before));
                slow > Duration::ZERO && slow.as_secs_f64() >= SHARE * since.as_secs_f64()
            }
            _ => self.events > before.events,
        }
    }
}

fn counts(tree: &Tree) -> HashMap<String, Count> {
    let names = tree.list(FOLDER).unwrap_or_default();
    let is_cpu = |name: &&String| {
        name.strip_prefix("cpu")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut counts = HashMap::new();
    for cpu in names.iter().filter(is_cpu).take(CPUS) {
        for what in ["core", "package"] {
            let of = |name: &str| {
                tree.number::<u64>(format!("{FOLDER}/{cpu}/thermal_throttle/{what}_throttle_{name}"))
            };
            let Some(events) = of("count") else { continue };
            counts.insert(format!("{cpu} {what}"), Count { events, time: of("total_time_ms") });
        }
        // Where the first has no counters none has.
        if counts.is_empty() {
            break;
        }
    }
    counts
}
