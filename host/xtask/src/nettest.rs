//! `cargo xtask nettest`: routers, agents and the real Ollama Herd on networks of their own, with the binary as it is built.
//! Every case is told with what it measured. Nothing leaves the networks, and none is left behind.

mod ask;
mod blocked;
mod doctor;
mod herd;
mod lab;
mod lies;
mod meeting;
mod moving;
mod program;
mod several;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::workspace::Workspace;
use herd::Herd;
use lab::{Lab, Machine};
use program::{Home, Program};

/// Below the target folder: what programs write, each case anew, and Ollama Herd.
const FOLDER: &str = "nettest";
/// A program that did not say in this time what it should does not say it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Compiling all plugins, by an unoptimised program on a busy machine.
const WARM: Duration = Duration::from_secs(120);
/// The model that every simulated Ollama has in memory.
const MODEL: &str = "llama3.2:3b";
const MODEL_SPEC: &str = "llama3.2:3b,resident,load=0s,first_token=0s,token=1ms,tokens=4";

/// One case: what holds, and what shows it. It returns what it measured.
struct Case {
    title: &'static str,
    run: fn(&mut Ground) -> Result<String>,
}

const CASES: &[&[Case]] =
    &[meeting::CASES, blocked::CASES, moving::CASES, several::CASES, lies::CASES, herd::CASES, doctor::CASES];

/// Runs all cases, or those whose titles have one of the names in them.
pub fn run(workspace: &Workspace, names: &[String]) -> Result<()> {
    if let Some(why) = lab::missing() {
        bail!("no networks of one's own can be made here: {why}");
    }
    lab::sweep()?;
    let cases = CASES.iter().copied().flatten();
    let chosen: Vec<_> = cases
        .filter(|case| names.is_empty() || names.iter().any(|name| case.title.contains(name.as_str())))
        .collect();
    ensure!(!chosen.is_empty(), "no case has {names:?} in its title");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.root.join("target"), PathBuf::from);
    let program = build(workspace, &target)?;
    warm(&program, &target.join(FOLDER))?;
    let mut failed = 0;
    for (number, case) in chosen.iter().enumerate() {
        let began = Instant::now();
        let tools = target.join(FOLDER);
        let run =
            |number| Ground::new(number, &program, &tools).and_then(|mut ground| (case.run)(&mut ground));
        let mut done = run(number);
        if let Err(error) = &done
            && let Some(late) = error.downcast_ref::<Late>()
        {
            println!("again   {}: {late}; the machine may have been busy", case.title);
            done = run(chosen.len() + number);
        }
        match done {
            Ok(measured) => {
                println!("ok      {}: {measured} ({:.1} s in all)", case.title, began.elapsed().as_secs_f64())
            }
            Err(error) => {
                failed += 1;
                println!("FAILED  {}: {error:#}", case.title);
            }
        }
    }
    ensure!(failed == 0, "{failed} of {} cases failed", chosen.len());
    Ok(())
}

fn build(workspace: &Workspace, target: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--package", "herdwick"])
        .current_dir(&workspace.root)
        .status()
        .context("cannot start cargo")?;
    ensure!(built.success(), "herdwick does not build");
    Ok(target.join("debug").join("herdwick"))
}

/// Starts a router once, so that plugins are compiled: no promise is about the very first start of all.
fn warm(program: &Path, tools: &Path) -> Result<()> {
    let mut ground = Ground::new(0, program, tools)?;
    let machine = ground.lab.machine("alone", &[], false)?;
    let mut router = ground.router(&machine, &ground.home("alone")?, &[])?;
    router.line("listening", WARM)?;
    router.stop(PATIENCE)?;
    Ok(())
}

/// What took longer than was promised.
#[derive(Debug)]
struct Late {
    what: &'static str,
    took: Duration,
    promised: Duration,
}

impl fmt::Display for Late {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, took, promised } = self;
        write!(out, "{what} took {}, promised are {}", ms(*took), ms(*promised))
    }
}

impl std::error::Error for Late {}

/// Holds a promise against what it took, and tells it.
fn promised(what: &'static str, took: Duration, promised: Duration) -> Result<String> {
    if took > promised {
        return Err(Late { what, took, promised }.into());
    }
    Ok(format!("{what} took {}", ms(took)))
}

/// What one case stands on: a network, the program, folders.
struct Ground {
    lab: Lab,
    herdwick: PathBuf,
    /// Where Ollama Herd is installed, once for all cases, and what all share.
    tools: PathBuf,
    work: PathBuf,
}

impl Ground {
    fn new(number: usize, herdwick: &Path, tools: &Path) -> Result<Self> {
        let work = tools.join("work").join(number.to_string());
        let lab = Lab::new(number)?;
        Ok(Self { lab, herdwick: herdwick.to_owned(), tools: tools.to_owned(), work })
    }

    /// The folder of that name, empty.
    fn home(&self, name: &str) -> Result<Home> {
        Home::new(self.work.join(name), self.tools.join("cache"))
    }

    /// A router without a flag but these.
    fn router(&self, machine: &Machine, home: &Home, args: &[&str]) -> Result<Program> {
        Program::start(machine, &self.herdwick, args, home)
    }

    /// An agent without a flag but these.
    fn agent(&self, machine: &Machine, home: &Home, args: &[&str]) -> Result<Program> {
        Program::start(machine, &self.herdwick, &[&["node"], args].concat(), home)
    }

    /// An Ollama that listens there.
    fn ollama(&self, machine: &Machine, listen: &str) -> Result<Program> {
        let home = self.home(&format!("ollama-{machine}"))?;
        let args = ["fakenode", "--listen", listen, "--model", MODEL_SPEC];
        let mut ollama = Program::start(machine, &self.herdwick, &args, &home)?;
        ollama.line("http://", PATIENCE)?;
        Ok(ollama)
    }

    /// Ollama Herd as it is published.
    fn herd(&self) -> Result<Herd> {
        Herd::installed(&self.tools)
    }
}

/// Adds what the programs said last to an error.
fn or_told<T>(result: Result<T>, programs: &mut [&mut Program]) -> Result<T> {
    result.map_err(|error| {
        let told: Vec<_> = programs.iter_mut().map(|program| program.told()).collect();
        error.context(told.concat())
    })
}

/// Lets time pass, where the case is about the time that passed.
fn pass(time: Duration) {
    let began = Instant::now();
    while let Some(rest) = time.checked_sub(began.elapsed()) {
        std::thread::park_timeout(rest);
    }
}

fn ms(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}
