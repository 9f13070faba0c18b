//! A program under test: its processes, what the system says of them, and its end.

use std::fs;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

/// A running program. Dropping it ends it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// It and the children that it had when it was ready.
    pids: Vec<u32>,
    end: Signal,
}

impl Process {
    /// Watches over a child that ends with this signal, at once and with its own children.
    pub fn new(child: Child, end: Signal) -> Self {
        let pids = vec![child.id()];
        Self { child, pids, end }
    }

    /// It is ready: from now on its children count as well. Says whether it has any.
    ///
    /// # Errors
    /// The system does not tell them.
    pub fn with_children(&mut self) -> Result<bool> {
        let id = self.child.id();
        let children = read(&format!("/proc/{id}/task/{id}/children"))?;
        self.pids.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        Ok(self.pids.len() > 1)
    }

    /// The process that was started.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// It and its children.
    pub fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// Whether it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Time on a processor so far, by the scheduler's own clock, over all threads.
    ///
    /// # Errors
    /// It ended.
    pub fn cpu_time(&self) -> Result<Duration> {
        let mut ns = 0;
        for pid in &self.pids {
            for thread in fs::read_dir(format!("/proc/{pid}/task")).context("the process ended")? {
                let path = thread.context("the process ended")?.path().join("schedstat");
                // A thread may end between the listing and the reading.
                let Ok(text) = fs::read_to_string(path) else { continue };
                let first = text.split_whitespace().next().unwrap_or_default();
                ns += first.parse::<u64>().context("schedstat does not begin with a number")?;
            }
        }
        Ok(Duration::from_nanos(ns))
    }

    /// Memory that it holds, in bytes (`VmRSS`); pages that its processes share count once for each.
    ///
    /// # Errors
    /// It ended.
    pub fn resident_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for pid in &self.pids {
            let status = read(&format!("/proc/{pid}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let number = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
            bytes += number.parse::<u64>().context("VmRSS is no number")? << 10;
        }
        Ok(bytes)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, self.end);
        }
        let _ = self.child.wait();
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}; did the process end?"))
}
