//! Compiling in a process of its own: a large guest takes seconds and hundreds of megabytes, which must not be
//! the router's, and what the compiler stumbles over must not take the router with it.
//!
//! The parent writes two numbers and the plugin to the child's standard input. The child limits itself before it
//! reads the plugin, and writes one byte and the rest to its standard output: 0, a SHA-256 and the compiled code;
//! 1 and a text; or 2 when its memory did not suffice. The child is this very program, so neither side believes less of the other than of itself;
//! the digest is for a child that died in the middle.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::compile::{CompileError, Compiler};
use crate::engine;
use crate::limits;
use crate::package::Digest;
use crate::sandbox::printable;

const COMPILED: u8 = 0;
const REFUSED: u8 = 1;
const EXHAUSTED: u8 = 2;
const DIGEST_BYTES: usize = 32;
/// Compiled code that is accepted: a Python guest's has 34 MB, and no file within our limits has ten times that.
const ARTIFACT_BYTES: u64 = 256 << 20;
/// Of the child's last words, what is kept.
const WORDS_BYTES: u64 = 4 << 10;
/// How long a child whose output ended may take to end itself.
const PARTING: Duration = Duration::from_secs(1);

/// How to start the child, and what it may take.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// A program that calls [`compile_in_child_main`]: the router itself.
    pub program: PathBuf,
    /// What makes it do so.
    pub args: Vec<OsString>,
    /// What it may take.
    pub limits: CompileLimits,
}

/// What compiling one plugin may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Seconds of processor time. Not bounded where there are no resource limits.
    pub cpu_s: u64,
    /// Bytes of address space. Not bounded where there are no resource limits.
    pub memory_bytes: u64,
    /// Time on the wall: the bound that holds everywhere.
    pub wall: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            cpu_s: limits::COMPILE_CPU_S,
            memory_bytes: limits::COMPILE_MEMORY_BYTES,
            wall: limits::COMPILE_WALL,
        }
    }
}

/// Has a child compile these bytes.
pub(crate) fn compile(isolation: &Isolation, bytes: &[u8]) -> Result<Vec<u8>, CompileError> {
    let failed = |error: io::Error| CompileError::Child(format!("it cannot be started ({error})"));
    let mut command = Command::new(&isolation.program);
    command.args(&isolation.args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Running(command.spawn().map_err(failed)?);
    let (Some(mut input), Some(output), Some(errors)) =
        (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take())
    else {
        return Err(CompileError::Child("it has no pipes".to_owned()));
    };
    let CompileLimits { cpu_s, memory_bytes, wall } = isolation.limits;
    let question = [&cpu_s.to_le_bytes()[..], &memory_bytes.to_le_bytes(), bytes].concat();
    let output = collect(output, ARTIFACT_BYTES).map_err(failed)?;
    let words = collect(errors, WORDS_BYTES).map_err(failed)?;
    // A child that dies early does not read to the end; its status says more than this error would.
    let write = move || drop(input.write_all(&question));
    std::thread::Builder::new().name("plugin-to-child".into()).spawn(write).map_err(failed)?;
    let Ok(answer) = output.recv_timeout(wall) else {
        return Err(CompileError::TooLong { seconds: wall.as_secs() });
    };
    if let Some(outcome) = read_answer(answer, &isolation.limits) {
        return outcome;
    }
    // Its last words end when it does; after that, ending it changes nothing about how it ended.
    let words = words.recv_timeout(PARTING).unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    Err(cause_of_death(child.end(), words.trim(), &isolation.limits))
}

/// The child's side: to be called by the program that [`Isolation`] names, with its standard input and output, and
/// with nothing else written to the latter.
///
/// # Errors
/// The pipes broke; the parent then knows without being told.
pub fn compile_in_child_main(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut number = || -> io::Result<u64> {
        let mut bytes = [0; 8];
        input.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    };
    let (cpu_s, memory_bytes) = (number()?, number()?);
    limit_myself(cpu_s, memory_bytes)?;
    let mut plugin = Vec::new();
    let read = input.take(limits::FILE_BYTES as u64 + 1).read_to_end(&mut plugin);
    match read.map_err(|error| error.to_string()).and_then(|_| artifact(&plugin)) {
        Ok(artifact) => {
            output.write_all(&[COMPILED])?;
            output.write_all(&Digest::of(&artifact).bytes())?;
            output.write_all(&artifact)?;
        }
        Err(problem) if is_exhaustion(&problem) => output.write_all(&[EXHAUSTED])?,
        Err(problem) => {
            output.write_all(&[REFUSED])?;
            output.write_all(problem.as_bytes())?;
        }
    }
    output.flush()
}

fn artifact(plugin: &[u8]) -> Result<Vec<u8>, String> {
    // One thread: the router goes on serving meanwhile, and each thread would take address space of its own.
    let engine = engine::engine_of_one_thread().map_err(|error| format!("{error:#}"))?;
    Compiler::new(&engine, None).artifact(plugin).map_err(|error| error.to_string())
}

#[cfg(unix)]
fn limit_myself(cpu_s: u64, memory_bytes: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, nice, setrlimit};
    /// Between the signal that names its reason and the one that cannot be caught.
    const GRACE_S: u64 = 5;
    let upto =
        |limit: u64, grace| Rlimit { current: Some(limit), maximum: Some(limit.saturating_add(grace)) };
    setrlimit(Resource::Cpu, upto(cpu_s, GRACE_S))?;
    setrlimit(Resource::Core, upto(0, 0))?;
    // Some systems know the limit and refuse to set it; then time is what bounds memory.
    let _ = setrlimit(Resource::As, upto(memory_bytes, 0));
    // Whoever serves requests goes first. Where that is not possible, it was only a courtesy.
    let _ = nice(10);
    Ok(())
}

#[cfg(not(unix))]
fn limit_myself(_: u64, _: u64) -> io::Result<()> {
    Ok(())
}

/// Reads a pipe to its end, at most `most` bytes of it, on a thread of its own: a child may be slow, and its
/// children may keep a pipe open after it died.
fn collect(pipe: impl Read + Send + 'static, most: u64) -> io::Result<Receiver<Vec<u8>>> {
    let (send, receive) = mpsc::channel();
    let read = move || {
        let mut bytes = Vec::new();
        // What came before an error is judged as what came before the end.
        let _ = pipe.take(most).read_to_end(&mut bytes);
        // Nobody waits any more when the time was up.
        let _ = send.send(bytes);
    };
    std::thread::Builder::new().name("plugin-from-child".into()).spawn(read)?;
    Ok(receive)
}

/// What the child answered; `None` if it died before it had.
fn read_answer(mut answer: Vec<u8>, allowed: &CompileLimits) -> Option<Result<Vec<u8>, CompileError>> {
    match *answer.first()? {
        COMPILED => {
            let artifact = answer.split_off(answer.len().min(1 + DIGEST_BYTES));
            (answer.get(1..)? == Digest::of(&artifact).bytes()).then_some(Ok(artifact))
        }
        REFUSED => {
            let problem = String::from_utf8_lossy(answer.get(1..)?);
            Some(Err(CompileError::Refused(printable(&problem, limits::ERROR_BYTES))))
        }
        EXHAUSTED => Some(Err(too_much(allowed))),
        _ => None,
    }
}

fn cause_of_death(status: io::Result<ExitStatus>, words: &str, allowed: &CompileLimits) -> CompileError {
    #[cfg(unix)]
    if let Ok(status) = &status
        && let Some(signal) = std::os::unix::process::ExitStatusExt::signal(status)
        && signal == rustix::process::Signal::XCPU.as_raw()
    {
        return CompileError::TooLong { seconds: allowed.cpu_s };
    }
    if is_exhaustion(words) {
        return too_much(allowed);
    }
    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    CompileError::Child(printable(&format!("{status} {words}"), limits::ERROR_BYTES))
}

/// Whether these are the words of the allocator, the system or the engine for no more memory.
fn is_exhaustion(words: &str) -> bool {
    ["memory allocation of", "annot allocate memory", "out of memory"].iter().any(|text| words.contains(text))
}

fn too_much(allowed: &CompileLimits) -> CompileError {
    CompileError::TooMuch { mebibytes: allowed.memory_bytes >> 20 }
}

/// A child that does not outlive whoever waits for it.
struct Running(Child);

impl Running {
    /// Ends it, if it did not end itself, and says how it ended.
    fn end(&mut self) -> io::Result<ExitStatus> {
        // Fails only if it has ended.
        let _ = self.0.kill();
        self.0.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nobody is left to tell, and there is nothing to do about it.
        let _ = self.end();
    }
}
