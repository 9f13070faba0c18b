//! System calls per request, counted by strace, which slows everything down: only the number counts here.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;

use crate::load::{self, Slice};
use crate::scratch::Scratch;
use crate::system::System;

/// Counts the system calls that the threads which serve requests make during a slice, and returns them per request.
///
/// # Errors
/// There is no strace, or it may not look.
pub fn per_request(runtime: &Runtime, system: &System, slice: Slice, scratch: &Scratch) -> Result<f64> {
    let process = system.process.as_ref().context("the backends are not counted")?;
    let summary = scratch.path().join("strace");
    let mut command = Command::new("strace");
    // Only the thread that a program begins with, which is where requests are served: under strace everything takes longer,
    // so that what other threads do by the clock would be counted many times per request.
    command.args(["-c", "-U", "calls,name", "-o"]).arg(&summary);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    for pid in process.pids() {
        command.args(["-p", &pid.to_string()]);
    }
    let nothing = || Ok(Duration::ZERO);
    // One slice before, so that connections to backends are there.
    runtime.block_on(load::requests(&system.targets, slice, nothing))?;
    let mut strace = command.spawn().context("cannot start strace; install it, or leave out --strace")?;
    let said = BufReader::new(strace.stderr.take().context("its words are ours")?);
    // It says for each process that it looks at it now.
    let mut attached = said.lines().map_while(Result::ok).filter(|line| line.contains("attached"));
    let all = attached.by_ref().take(process.pids().len()).count();
    ensure!(all == process.pids().len(), "strace may not look at other processes here");
    // From here on everything is counted, so nothing warms up.
    let whole = Slice { warm_up: Duration::ZERO, ..slice };
    let taken = runtime.block_on(load::requests(&system.targets, whole, nothing));
    let pid = i32::try_from(strace.id()).ok().and_then(Pid::from_raw).context("a process has an id")?;
    kill_process(pid, Signal::INT).context("strace ended by itself")?;
    strace.wait().context("strace does not end")?;
    let requests = taken?.waits.len();
    ensure!(requests > 0, "nothing was answered under strace");
    let text =
        fs::read_to_string(&summary).context("strace wrote nothing; may it look at other processes here?")?;
    Ok(total(&text).with_context(|| format!("strace counted nothing: {text}"))? as f64 / requests as f64)
}

/// The number in the last line, which is the sum of the others.
fn total(summary: &str) -> Option<u64> {
    let line = summary.lines().rev().find(|line| line.trim_end().ends_with("total"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_last_line() {
        let summary = "    calls syscall\n--------- ----------------\n       12 read\n        1 total_x\n       13 total\n";
        assert_eq!(total(summary), Some(13));
        assert_eq!(total("nothing"), None);
    }
}
