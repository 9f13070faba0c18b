//! The real Ollama Herd, as it is published: its agent joins a router of ours where there is none of its own, and a fleet of
//! its own is left alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Case, Ground, Home, MODEL, PATIENCE, Program, ask, ms, or_told};

/// The version that was looked at.
const PACKAGE: &str = "ollama-herd==0.11.4";
/// Python starts slowly, and Herd's agent waits five seconds between its beats.
const SLOW: Duration = Duration::from_secs(60);
/// How long is watched that nothing is taken over: twice as long as we wait before we call Herd's agents.
const WATCHED: Duration = Duration::from_secs(12);

pub(super) const CASES: &[Case] = &[
    Case { title: "the real herd-node joins, serves and drains", run: joins },
    Case { title: "a fleet of the real herd is left alone", run: left_alone },
];

/// Its two programs.
pub(super) struct Herd {
    router: PathBuf,
    agent: PathBuf,
}

impl Herd {
    /// Installs it if it is not there.
    pub(super) fn installed(tools: &Path) -> Result<Self> {
        let folder = tools.join("herd");
        let bin = folder.join("bin");
        let herd = Self { router: bin.join("herd"), agent: bin.join("herd-node") };
        if herd.agent.exists() {
            return Ok(herd);
        }
        println!("installing {PACKAGE} into {}", folder.display());
        quietly(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        quietly(Command::new(bin.join("pip")).args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            PACKAGE,
        ]))?;
        Ok(herd)
    }
}

fn quietly(command: &mut Command) -> Result<()> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr).trim());
    Ok(())
}

/// Herd reports its use to its author unless it is told not to; here nothing could leave anyway.
fn start(ground: &Ground, machine: &super::Machine, program: &PathBuf, args: &[&str]) -> Result<Program> {
    let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let home: Home = ground.home(&format!("{name}-{machine}"))?;
    Program::start(machine, program, args, &home)
}

fn joins(ground: &mut Ground) -> Result<String> {
    let herd = ground.herd()?;
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("herd", &["10.77.0.2/24"], false)?;
    let _ollama = ground.ollama(&b, "0.0.0.0:11434")?;
    let mut router = ground.router(&a, &ground.home("router")?, &[])?;
    let called = router.line("agents of Ollama Herd that look for a router find this one", PATIENCE);
    or_told(called, &mut [])?;
    let began = Instant::now();
    let mut agent = start(ground, &b, &herd.agent, &["--node-id", "pasture"])?;
    let joined = router.line("pasture joined", SLOW);
    or_told(joined, &mut [&mut agent])?;
    let took = began.elapsed();
    let answered = ask::until_answered(&a, MODEL, Instant::now(), PATIENCE);
    let (_, answer) = or_told(answered, &mut [&mut router, &mut agent])?;
    ensure!(answer.node == "pasture", "{} answered", answer.node);
    agent.stop(SLOW)?;
    let drained = router.line("pasture takes no new work, says its agent", PATIENCE);
    or_told(drained, &mut [])?;
    let refused = ask::once(&a, MODEL)?;
    ensure!(refused.status != 200, "it was asked although it drained");
    Ok(format!("joined {} after its start, answered a request, drained", ms(took)))
}

fn left_alone(ground: &mut Ground) -> Result<String> {
    let herd = ground.herd()?;
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("herd", &["10.77.0.2/24"], false)?;
    let c = ground.lab.machine("node", &["10.77.0.3/24"], false)?;
    let _ollama = ground.ollama(&c, "0.0.0.0:11434")?;
    // Ours is there first and already calls Herd's agents; then theirs comes.
    let mut router = ground.router(&a, &ground.home("router")?, &[])?;
    or_told(router.line("agents of Ollama Herd that look for a router find this one", PATIENCE), &mut [])?;
    let mut theirs = start(ground, &b, &herd.router, &[])?;
    or_told(router.line("its agents are left alone", SLOW), &mut [&mut theirs])?;
    let mut agent = start(ground, &c, &herd.agent, &["--node-id", "pasture"])?;
    let found = theirs.line("pasture", SLOW);
    or_told(found, &mut [&mut router, &mut agent])?;
    // One of ours that starts now never calls them.
    drop(router);
    let mut router = ground.router(&a, &ground.home("router")?, &[])?;
    let watched = Instant::now();
    while watched.elapsed() < WATCHED {
        ensure!(!router.said("find this one"), "Herd's agents were called{}", router.told());
        ensure!(!router.said("pasture"), "Herd's agent came to us{}", router.told());
        // Nothing announces what must not happen.
        std::thread::park_timeout(Duration::from_millis(100));
    }
    // Whoever wants them says so.
    drop(router);
    let adopt = ["--adopt-herd-nodes"];
    let mut router = ground.router(&a, &ground.home("router")?, &adopt)?;
    or_told(router.line("find this one", PATIENCE), &mut [])?;
    Ok(format!("withdrawn when theirs came, and not shown for {} s beside it", WATCHED.as_secs()))
}
