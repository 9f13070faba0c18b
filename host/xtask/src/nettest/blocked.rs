//! Where the network carries no multicast: a name, the memory and the look around do it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Case, Ground, MODEL, PATIENCE, ask, or_told, promised};

/// From the start of both to the first answer, when the router is named (see the issue on the fleet).
const NAMED: Duration = Duration::from_secs(1);
/// The same, when it was met before.
const MET: Duration = Duration::from_millis(2_500);
/// A whole /24 is looked through in four seconds; then what was found is asked what it is and holds.
const AROUND: Duration = Duration::from_secs(6);

pub(super) const CASES: &[Case] = &[
    Case { title: "multicast is blocked and the router named", run: named },
    Case { title: "multicast is blocked and the router was met before", run: remembered },
    Case { title: "multicast is blocked and the router looks around", run: around },
];

fn named(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("agent", &["10.77.0.2/24"], false)?;
    a.without_multicast()?;
    b.without_multicast()?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let (router_home, agent_home) = (ground.home("router")?, ground.home("agent")?);
    // The first start makes a key and compiles plugins; what is promised is promised for both being started.
    let mut router = ground.router(&a, &router_home, &[])?;
    or_told(router.line("listening", PATIENCE), &mut [])?;
    let began = Instant::now();
    let mut agent = ground.agent(&b, &agent_home, &["--router", "10.77.0.1"])?;
    let answered = ask::until_answered(&a, MODEL, began, PATIENCE);
    let (took, _) = or_told(answered, &mut [&mut router, &mut agent])?;
    promised("the first answer", took, NAMED)
}

fn remembered(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("agent", &["10.77.0.2/24"], false)?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let (router_home, agent_home) = (ground.home("router")?, ground.home("agent")?);
    let mut router = ground.router(&a, &router_home, &[])?;
    let mut agent = ground.agent(&b, &agent_home, &[])?;
    let met = agent.line("reporting to the router at", PATIENCE);
    or_told(met, &mut [&mut router])?;
    a.without_multicast()?;
    b.without_multicast()?;
    agent.stop(PATIENCE)?;
    router.stop(PATIENCE)?;
    let began = Instant::now();
    let mut router = ground.router(&a, &router_home, &[])?;
    let mut agent = ground.agent(&b, &agent_home, &[])?;
    let answered = ask::until_answered(&a, MODEL, began, PATIENCE);
    let (took, _) = or_told(answered, &mut [&mut router, &mut agent])?;
    promised("the first answer, after both started anew,", took, MET)
}

fn around(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("plain", &["10.77.0.200/24"], false)?;
    let c = ground.lab.machine("other", &["10.77.0.99/24"], false)?;
    for machine in [&a, &b, &c] {
        machine.without_multicast()?;
    }
    let _ollama = ground.ollama(&b, "0.0.0.0:11434")?;
    // Something on the same port that is no Ollama.
    let home = ground.home("other")?;
    let other = ["fakenode", "--kind", "vllm", "--listen", "0.0.0.0:11434"];
    let _other = super::Program::start(&c, &ground.herdwick, &other, &home)?;
    let began = Instant::now();
    let mut router = ground.router(&a, &ground.home("router")?, &["--probe"])?;
    let answered = ask::until_answered(&a, MODEL, began, PATIENCE);
    let (took, _) = or_told(answered, &mut [&mut router])?;
    let told = promised("the first answer of an Ollama without an agent", took, AROUND)?;
    let found: Vec<_> = ask::nodes(&a)?.into_iter().filter(|node| node.reach == "up").collect();
    let [one] = found.as_slice() else { anyhow::bail!("found were {found:?}") };
    ensure!(one.origin == "http://10.77.0.200:11434", "found was {one:?}");
    Ok(told)
}
