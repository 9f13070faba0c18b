//! Programs on a machine of the lab: started without anything of whoever runs the tests, read line by line, and ended
//! with their value.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::lab::Machine;

/// Lines that are shown of a program that did not do what it should.
const LAST: usize = 25;

/// Lines that are kept.
const KEPT: usize = 1_000;
/// Who writes a line for each request.
const REQUESTS: &str = "herdwick::request";

/// A running program.
pub(super) struct Program {
    title: String,
    child: Child,
    lines: Receiver<String>,
    last: VecDeque<String>,
}

/// Where a program keeps what is its own.
pub(super) struct Home {
    path: PathBuf,
    /// What can be made again, and is the same for all.
    cache: PathBuf,
}

impl Home {
    /// An empty folder, and one for what all of them share.
    pub(super) fn new(path: PathBuf, cache: PathBuf) -> Result<Self> {
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("cannot empty {}", path.display()))?;
        }
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path, cache })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Program {
    /// Starts it on that machine.
    pub(super) fn start(machine: &Machine, program: &PathBuf, args: &[&str], home: &Home) -> Result<Self> {
        let mut command = machine.command(program);
        command.args(args);
        Self::spawn(format!("{} {} on {machine}", name(program), args.join(" ")), command, home)
    }

    fn spawn(title: String, mut command: Command, home: &Home) -> Result<Self> {
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &home.path);
        command.env("HERDWICK_CACHE_DIR", &home.cache);
        command.env("PYTHONUNBUFFERED", "1");
        let mut child = command.spawn().with_context(|| format!("cannot start {title}"))?;
        let (send, lines) = mpsc::channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|out| Box::new(out) as _),
            child.stderr.take().map(|out| Box::new(out) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let send = send.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if send.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { title, child, lines, last: VecDeque::new() })
    }

    /// Waits for a line with this in it, and returns it.
    pub(super) fn line(&mut self, mark: &str, patience: Duration) -> Result<String> {
        let until = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.keep(line.clone());
                    if line.contains(mark) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("no line with {mark:?} within {patience:?}{}", self.told())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("it ended before a line with {mark:?}{}", self.told())
                }
            }
        }
    }

    /// Whether a line with this in it came so far.
    pub(super) fn said(&mut self, mark: &str) -> bool {
        while let Ok(line) = self.lines.try_recv() {
            self.keep(line);
        }
        self.last.iter().any(|line| line.contains(mark))
    }

    /// Asks it to end and waits until it has.
    pub(super) fn stop(mut self, patience: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        let until = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().context("cannot wait")? {
                return Ok(status);
            }
            if Instant::now() >= until {
                bail!("it did not end within {patience:?}{}", self.told());
            }
            // Nothing announces it.
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// What it said last, for people.
    pub(super) fn told(&mut self) -> String {
        while let Ok(line) = self.lines.try_recv() {
            self.keep(line);
        }
        // What the case asked itself says nothing new.
        let lines = self.last.iter().rev().filter(|line| !line.contains(REQUESTS)).take(LAST);
        let mut lines: Vec<_> = lines.map(|line| format!("\n      | {line}")).collect();
        lines.reverse();
        format!("\n    {} said last:{}", self.title, lines.concat())
    }

    fn keep(&mut self, line: String) {
        if self.last.len() >= KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself.
        let _ = pid.map(|pid| kill_process(pid, signal));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn name(program: &Path) -> String {
    program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
