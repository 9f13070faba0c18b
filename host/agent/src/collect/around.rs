//! What a measurement must know of this machine before it may disturb it, on Linux.

use super::bandwidth::Surroundings;
use super::tree::Tree;
use super::{bounds, cpu, memory};

/// Linux.
#[derive(Debug)]
pub(super) struct Around {
    tree: Tree,
    last: Option<cpu::Times>,
}

impl Around {
    pub(super) fn new(tree: Tree) -> Self {
        Self { tree, last: None }
    }
}

impl Surroundings for Around {
    fn busy(&mut self) -> Option<f64> {
        let now = cpu::times(&self.tree.read("proc/stat")?)?;
        self.last.replace(now).and_then(|last| now.busy_since(last))
    }

    fn free(&mut self) -> Option<u64> {
        let memory = memory::memory(&self.tree.read("proc/meminfo")?)?;
        let left = bounds::own(&self.tree).map(|bound| bound.limit.saturating_sub(bound.used));
        Some(memory.available.min(left.unwrap_or(u64::MAX)))
    }

    fn cache(&self) -> u64 {
        let levels = (0..8).filter_map(|level| {
            let told = self.tree.word(format!("sys/devices/system/cpu/cpu0/cache/index{level}/size"))?;
            told.strip_suffix('K')?.parse::<u64>().ok()?.checked_mul(1 << 10)
        });
        levels.max().unwrap_or(0)
    }

    fn identity(&mut self) -> Option<String> {
        let boot = self.tree.word("proc/sys/kernel/random/boot_id")?;
        let memory = memory::memory(&self.tree.read("proc/meminfo")?)?.total;
        Some(format!("{boot} {memory}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::machines::files;
    use super::*;

    #[test]
    fn a_machine_is_known_by_its_start_and_its_memory() {
        let machine = files(&[
            ("proc/sys/kernel/random/boot_id", "5b2ad0c5"),
            ("proc/meminfo", "MemTotal: 4 kB\nMemAvailable: 3 kB"),
            ("proc/self/cgroup", "0::/system.slice/herdwick-node.service"),
            ("sys/fs/cgroup/cgroup.controllers", "memory"),
            ("sys/devices/system/cpu/cpu0/cache/index2/size", "1024K"),
            ("sys/devices/system/cpu/cpu0/cache/index3/size", "32768K"),
        ]);
        let mut around = Around::new(machine.tree.clone());
        assert_eq!(around.identity().as_deref(), Some("5b2ad0c5 4096"));
        assert_eq!((around.free(), around.cache()), (Some(3 << 10), 32 << 20));
        machine.write("sys/fs/cgroup/system.slice/herdwick-node.service/memory.max", "2048");
        machine.write("sys/fs/cgroup/system.slice/herdwick-node.service/memory.current", "1000");
        assert_eq!(around.free(), Some(1_048), "its service is given less");
        machine.remove("proc/meminfo");
        assert_eq!((around.identity(), around.free(), around.busy()), (None, None, None));
    }
}
