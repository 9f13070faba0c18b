//! What macOS and Windows say, as `sysinfo` asks them, of what the machine is, and of what a measurement must know.

use std::time::Duration;

use herdwick_wire::machine::HostFacts;
use sysinfo::System;

use super::bandwidth::Surroundings;
use super::source::{Found, Next, Source};

/// What the machine is. Looked at once.
#[derive(Debug)]
pub(super) struct Host;

impl Source for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn keeps(&self) -> Option<Duration> {
        None
    }

    fn look(&mut self) -> (Found, Next) {
        let mut found = Found::default();
        found.facts.host = System::new().ok().map(|mut system| {
            system.refresh_cpu_usage();
            let words = [System::name(), System::os_version()];
            HostFacts {
                age_ms: 0,
                cpu: system.cpus().first().map(|cpu| plain(cpu.brand())).unwrap_or_default(),
                cpus: u32::try_from(system.cpus().len()).unwrap_or(0),
                system: words.into_iter().flatten().map(|word| plain(&word)).collect::<Vec<_>>().join(" "),
            }
        });
        (found, Next::Never)
    }
}

/// The system, once it lets itself be asked.
#[derive(Debug, Default)]
struct Asked {
    system: Option<System>,
    /// The first look has nothing to compare with.
    has_looked: bool,
}

impl Asked {
    fn system(&mut self) -> Option<&mut System> {
        if self.system.is_none() {
            self.system = System::new().ok();
        }
        self.system.as_mut()
    }

    fn busy(&mut self) -> Option<f64> {
        let system = self.system()?;
        system.refresh_cpu_usage();
        let busy = f64::from(system.global_cpu_usage()) / 100.0;
        (std::mem::replace(&mut self.has_looked, true) && busy.is_finite()).then(|| busy.clamp(0.0, 1.0))
    }

    /// Bytes: all, and those that are to be had.
    fn memory(&mut self) -> Option<(u64, u64)> {
        let system = self.system()?;
        system.refresh_memory();
        let total = system.total_memory();
        (total > 0).then(|| (total, system.available_memory().min(total)))
    }
}

/// What a measurement must know.
#[derive(Debug, Default)]
pub(super) struct Around(Asked);

impl Surroundings for Around {
    fn busy(&mut self) -> Option<f64> {
        self.0.busy()
    }

    fn free(&mut self) -> Option<u64> {
        self.0.memory().map(|(_, available)| available)
    }

    fn cache(&self) -> u64 {
        // Nobody tells; no desktop has more.
        32 << 20
    }

    fn identity(&mut self) -> Option<String> {
        let (memory, _) = self.0.memory()?;
        Some(format!("{} {memory}", System::boot_time().ok()?))
    }
}

/// A name on one line, with single spaces.
fn plain(name: &str) -> String {
    let words = name.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}
