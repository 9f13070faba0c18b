//! More than one router: honest ones, which all are served, and one that only pretends.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Case, Ground, Home, MODEL, Machine, PATIENCE, Program, ask, or_told};

/// How long is watched that something does not happen.
const WATCHED: Duration = Duration::from_secs(5);

pub(super) const CASES: &[Case] = &[
    Case { title: "two routers share a network and its machine", run: two },
    Case { title: "another router takes place and name of the one that was named", run: rogue_named },
    Case { title: "another router takes place and name of the one that was seen", run: rogue_seen },
];

fn two(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("first", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("second", &["10.77.0.3/24"], false)?;
    let c = ground.lab.machine("agent", &["10.77.0.2/24"], false)?;
    let _ollama = ground.ollama(&c, "127.0.0.1:11434")?;
    // All machines of the lab have one host name, so these two are called the same.
    let mut first = ground.router(&a, &ground.home("first")?, &[])?;
    let mut second = ground.router(&b, &ground.home("second")?, &[])?;
    let mut agent = ground.agent(&c, &ground.home("agent")?, &[])?;
    let began = Instant::now();
    for machine in [&a, &b] {
        let answered = ask::until_answered(machine, MODEL, began, PATIENCE);
        or_told(answered, &mut [&mut first, &mut second, &mut agent])?;
    }
    let seen = first.line("another router is on this network", PATIENCE);
    or_told(seen, &mut [&mut second])?;
    Ok("both answer by the same machine, and know of each other".to_owned())
}

/// Where the router is named, nobody else is obeyed there.
fn rogue_named(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("agent", &["10.77.0.2/24"], false)?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let home = ground.home("router")?;
    let mut router = ground.router(&a, &home, &[])?;
    let mut agent = ground.agent(&b, &ground.home("agent")?, &["--router", "10.77.0.1"])?;
    let answered = ask::until_answered(&a, MODEL, Instant::now(), PATIENCE);
    or_told(answered, &mut [&mut router, &mut agent])?;
    // Killed, so that nobody says goodbye for it.
    drop(router);
    let mut rogue = ground.router(&a, &ground.home("rogue")?, &[])?;
    or_told(agent.line("it is not obeyed", PATIENCE), &mut [&mut rogue])?;
    let watched = Instant::now();
    while watched.elapsed() < WATCHED {
        let online = ask::nodes(&a)?.into_iter().find(|node| node.standing == "online");
        if let Some(node) = online {
            let told = Err(anyhow::anyhow!("the agent reports to the rogue router: {node:?}"));
            or_told(told, &mut [&mut rogue, &mut agent])?;
        }
        // Nothing announces what must not happen.
        std::thread::park_timeout(Duration::from_millis(100));
    }
    ensure!(ask::once(&a, MODEL)?.status != 200, "the rogue router was served");
    back(ground, &a, rogue, &home, &mut agent)?;
    Ok(format!("not obeyed for {} s, and the known one is served again", WATCHED.as_secs()))
}

/// Where none is named, each router of the network is one of its own; the known one's place is not taken.
fn rogue_seen(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("agent", &["10.77.0.2/24"], false)?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let home = ground.home("router")?;
    let mut router = ground.router(&a, &home, &[])?;
    let mut agent = ground.agent(&b, &ground.home("agent")?, &[])?;
    let answered = ask::until_answered(&a, MODEL, Instant::now(), PATIENCE);
    or_told(answered, &mut [&mut router, &mut agent])?;
    drop(router);
    let mut rogue = ground.router(&a, &ground.home("rogue")?, &[])?;
    or_told(agent.line("it is not obeyed", PATIENCE), &mut [&mut rogue])?;
    back(ground, &a, rogue, &home, &mut agent)?;
    Ok("told apart by its key, and the known one is served again".to_owned())
}

/// The known router comes back, as what it was.
fn back(ground: &Ground, machine: &Machine, rogue: Program, home: &Home, agent: &mut Program) -> Result<()> {
    drop(rogue);
    let mut router = ground.router(machine, home, &[])?;
    let answered = ask::until_answered(machine, MODEL, Instant::now(), PATIENCE);
    or_told(answered, &mut [&mut router, agent])?;
    Ok(())
}
