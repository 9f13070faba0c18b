//! What the machine is: its processor, how many of them programs may use, its system. Looked at once.

use std::time::Duration;

use herdwick_wire::machine::HostFacts;

use super::source::{Found, Next, Source};
use super::tree::Tree;
use super::{bounds, cpu};

/// Characters of a name; some firmware fills a page with spaces.
const NAME: usize = 100;

/// Asks Linux.
#[derive(Debug)]
pub(super) struct Host(pub(super) Tree);

impl Source for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn keeps(&self) -> Option<Duration> {
        None
    }

    fn look(&mut self) -> (Found, Next) {
        let mut found = Found::default();
        found.facts.host = Some(host(&self.0)).filter(|host| *host != HostFacts::default());
        (found, Next::Never)
    }
}

fn host(tree: &Tree) -> HostFacts {
    let cpus = tree.read("proc/stat").map_or(0, |stat| cpu::count(&stat));
    let given =
        bounds::cpus(tree).map_or(u32::MAX, |given| given.ceil().clamp(1.0, f64::from(u32::MAX)) as u32);
    let system = ["ostype", "osrelease"].map(|name| tree.word(format!("proc/sys/kernel/{name}")));
    HostFacts {
        age_ms: 0,
        cpu: cpu(tree).unwrap_or_default(),
        cpus: cpus.min(given),
        system: system.into_iter().flatten().map(|word| plain(&word)).collect::<Vec<_>>().join(" "),
    }
}

/// What the processor is called, or on boards that do not name it, the board.
fn cpu(tree: &Tree) -> Option<String> {
    let cpuinfo = tree.read("proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line =
            cpuinfo.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))?;
        Some(plain(line)).filter(|name| !name.is_empty())
    };
    // Boards end it with a zero byte, which is taken out.
    let board = || tree.word("proc/device-tree/model").map(|model| plain(&model));
    field("model name").or_else(board).or_else(|| field("Model")).or_else(|| field("Hardware"))
}

/// A name on one line, with single spaces.
fn plain(name: &str) -> String {
    let words = name.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::super::machines::files;
    use super::*;

    #[test]
    fn a_machine_says_what_it_is() {
        let machine = files(&[
            (
                "proc/cpuinfo",
                "processor\t: 0\nmodel name\t: AMD  EPYC 9B14   \nflags\t: fpu\n\nprocessor\t: 1\nmodel name\t: other",
            ),
            ("proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 5"),
            ("proc/sys/kernel/ostype", "Linux"),
            ("proc/sys/kernel/osrelease", "6.8.0-51-generic"),
        ]);
        let expected = HostFacts {
            age_ms: 0,
            cpu: "AMD EPYC 9B14".to_owned(),
            cpus: 2,
            system: "Linux 6.8.0-51-generic".to_owned(),
        };
        assert_eq!(host(&machine.tree), expected);
        machine.write("sys/fs/cgroup/cgroup.controllers", "cpu");
        machine.write("sys/fs/cgroup/cpu.max", "120000 100000");
        assert_eq!(host(&machine.tree).cpus, 2, "a processor and a bit need two");
        machine.write("sys/fs/cgroup/cpu.max", "50000 100000");
        assert_eq!(host(&machine.tree).cpus, 1);
    }

    #[test]
    fn a_board_is_called_what_it_calls_itself() {
        let machine = files(&[
            ("proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 108.00\nModel\t\t: other"),
            ("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0"),
        ]);
        assert_eq!(cpu(&machine.tree).as_deref(), Some("Raspberry Pi 5 Model B Rev 1.0"));
        let (found, next) = Host(files(&[]).tree.clone()).look();
        assert_eq!((found, next), (Found::default(), Next::Never), "of nothing nothing is told");
    }
}
