//! What changes from second to second: how busy the processor is, how much memory is free, what work stands still for.
//! A handful of small files of Linux. They are files of the kernel and yet may hang, where a container has its own ones
//! from a program (lxcfs); so even these are not read by a beat.

use std::time::Duration;

use herdwick_fleet::Column;

use super::source::{Found, Next, Source};
use super::tree::Tree;
use super::{bounds, cpu, memory, pressure};

/// As often as a beat is due; a beat then says what was so a second ago at most.
const PAUSE: Duration = Duration::from_secs(1);
/// Three looks.
const KEEPS: Duration = Duration::from_secs(3);

/// Asks Linux.
#[derive(Debug)]
pub(super) struct Load {
    tree: Tree,
    last: Option<cpu::Times>,
}

impl Load {
    pub(super) fn new(tree: Tree) -> Self {
        Self { tree, last: None }
    }
}

impl Source for Load {
    fn name(&self) -> &'static str {
        "load"
    }

    fn keeps(&self) -> Option<Duration> {
        Some(KEEPS)
    }

    fn look(&mut self) -> (Found, Next) {
        let mut found = Found::default();
        if let Some(now) = self.tree.read("proc/stat").as_deref().and_then(cpu::times) {
            // The first look has nothing to compare with.
            found.add(Column::CpuBusy, self.last.and_then(|last| now.busy_since(last)));
            self.last = Some(now);
        }
        let memory = self.tree.read("proc/meminfo").as_deref().and_then(memory::memory);
        let memory = memory.map(|memory| memory::bounded(memory, bounds::memory(&self.tree)));
        let pressure = |of: &str| pressure::shares(&self.tree.read(format!("proc/pressure/{of}"))?);
        let waits = pressure("memory");
        found.add(Column::MemPressure, pressure::level(waits, memory.as_ref()));
        found.facts.pressure = pressure::facts(waits, pressure("cpu"), pressure("io"));
        found.facts.memory = memory;
        (found, Next::After(PAUSE))
    }
}
