//! More than one router: honest ones, which all are served, and one that only pretends.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Case, Ground, MODEL, PATIENCE, ask, or_told};

/// How long is watched that something does not happen.
const WATCHED: Duration = Duration::from_secs(5);

pub(super) const CASES: &[Case] = &[
    Case { title: "two routers share a network and its machine", run: two },
    Case { title: "another router takes the place and the name of the known one", run: rogue },
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

fn rogue(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("agent", &["10.77.0.2/24"], false)?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let home = ground.home("router")?;
    let mut router = ground.router(&a, &home, &[])?;
    let mut agent = ground.agent(&b, &ground.home("agent")?, &[])?;
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
    // The known one comes back.
    drop(rogue);
    let began = Instant::now();
    let mut router = ground.router(&a, &home, &[])?;
    let answered = ask::until_answered(&a, MODEL, began, PATIENCE);
    or_told(answered, &mut [&mut router, &mut agent])?;
    Ok(format!("not obeyed for {} s, and the known one is served again", WATCHED.as_secs()))
}
