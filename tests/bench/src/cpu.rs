//! Processors: which ones we may use, who stays on which. Whoever starts a program on a processor stays there
//! meanwhile, because a child inherits the place of the thread that started it.

use std::process::{Child, Command};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// One processor, by the system's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu(usize);

/// Who works where.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// What is measured.
    pub system: Cpu,
    /// The clients.
    pub load: Cpu,
    /// The model servers: beside the clients where there are only two processors.
    pub mock: Cpu,
}

impl Places {
    /// Takes the first processors that this process may use.
    ///
    /// # Errors
    /// There are fewer than two.
    pub fn find() -> Result<Self> {
        let allowed = sched_getaffinity(None).context("the system does not tell its processors")?;
        let mut free = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).map(Cpu);
        let (Some(system), Some(load)) = (free.next(), free.next()) else {
            bail!("only one processor may be used here; what is measured and its clients need one each");
        };
        Ok(Self { system, load, mock: free.next().unwrap_or(load) })
    }

    /// How many different ones these are.
    pub fn count(&self) -> usize {
        if self.load == self.mock { 2 } else { 3 }
    }
}

/// Keeps this thread, and whatever it starts from now on, on one processor.
///
/// # Errors
/// The system refuses.
pub fn stay_on(cpu: Cpu) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu.0);
    sched_setaffinity(None, &only).with_context(|| format!("cannot stay on processor {}", cpu.0))
}

/// Starts a program that stays on this processor; on any when none is named.
///
/// # Errors
/// The program cannot be started, or the system refuses the place.
pub fn spawn_on(cpu: Option<Cpu>, command: &mut Command) -> Result<Child> {
    let ours = sched_getaffinity(None).context("the system does not tell our processors")?;
    if let Some(cpu) = cpu {
        stay_on(cpu)?;
    }
    let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()));
    sched_setaffinity(None, &ours).context("cannot go back to our processors")?;
    child
}

/// Lets this process, and what it starts, open as many files as the system allows at all. Returns how many.
///
/// # Errors
/// The system refuses.
pub fn open_many_files() -> Result<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")?;
    Ok(limit.current.unwrap_or(1 << 20))
}
