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

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::super::machines::{files, recorded};
    use super::*;

    /// Two looks; each asks at most for so many files.
    fn looked(text: &str, most: usize) -> Found {
        let machine = recorded(text);
        let mut load = Load::new(machine.tree.clone());
        load.look();
        machine.tree.asked.store(0, Ordering::Relaxed);
        let (found, next) = load.look();
        let asked = machine.tree.asked.load(Ordering::Relaxed);
        assert!(asked <= most, "{asked} files");
        assert_eq!(next, Next::After(PAUSE));
        found
    }

    fn level(found: &Found) -> Option<f64> {
        found.readings.iter().find(|(column, _)| *column == Column::MemPressure).map(|(_, level)| *level)
    }

    #[test]
    fn recorded_machines_say_what_they_have() {
        let laptop = looked(include_str!("fixtures/laptop.txt"), 16);
        let memory = laptop.facts.memory.as_ref().expect("a memory");
        assert_eq!((memory.total, memory.installed), (16_253_412 << 10, None));
        assert_eq!(memory.swap_used, (8_388_604 - 8_200_100) << 10);
        let pressure = laptop.facts.pressure.as_ref().expect("it tells");
        assert_eq!((pressure.memory_some, pressure.io_some, level(&laptop)), (Some(0.001), None, Some(0.0)));

        let container = looked(include_str!("fixtures/container.txt"), 16);
        let memory = container.facts.memory.as_ref().expect("a memory");
        assert_eq!((memory.total, memory.installed), (4 << 30, Some(65_837_224 << 10)));
        assert_eq!(memory.available, (4_u64 << 30) - 2_147_483_648 + 536_870_912);
        assert_eq!((container.facts.pressure.is_none(), level(&container)), (true, Some(0.0)));

        let vm = looked(include_str!("fixtures/vm.txt"), 16);
        let memory = vm.facts.memory.as_ref().expect("a memory");
        assert_eq!((memory.total, memory.installed), (24_684_092 << 10, None), "no limit is none");

        let pi = looked(include_str!("fixtures/raspberry-pi.txt"), 16);
        assert_eq!((pi.facts.pressure.is_none(), level(&pi)), (true, Some(0.0)), "what is left is looked at");
        assert_eq!(looked("", 16), Found::default(), "of nothing nothing is told");
    }

    #[test]
    fn the_processor_is_as_busy_as_between_two_looks() {
        let machine = files(&[("proc/stat", "cpu  100 0 50 800 50 0 0 0 0 0")]);
        let mut load = Load::new(machine.tree.clone());
        let mut busy = || {
            let (found, _) = load.look();
            found.readings.iter().find(|(column, _)| *column == Column::CpuBusy).map(|(_, busy)| *busy)
        };
        assert_eq!(busy(), None);
        machine.write("proc/stat", "cpu  150 0 50 840 60 0 0 0 0 0");
        assert_eq!(busy(), Some(0.5));
        machine.remove("proc/stat");
        assert_eq!(busy(), None);
    }
}
