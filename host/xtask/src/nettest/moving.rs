//! A router, or a machine, that gets another address is found there.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Case, Ground, MODEL, PATIENCE, ask, or_told, promised};

/// The router notices its new address within two seconds; the agent goes there when it hears of it.
const FOUND: Duration = Duration::from_secs(10);

pub(super) const CASES: &[Case] = &[
    Case { title: "the router moves to another address", run: router_moves },
    Case { title: "the agent's machine moves to another address", run: agent_moves },
    Case { title: "the router starts anew at another address", run: router_restarts_elsewhere },
];

fn router_moves(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("agent", &["10.77.0.2/24"], false)?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let mut router = ground.router(&a, &ground.home("router")?, &[])?;
    let mut agent = ground.agent(&b, &ground.home("agent")?, &[])?;
    or_told(agent.line("reporting to the router at 10.77.0.1:11435", PATIENCE), &mut [&mut router])?;
    a.move_to("10.77.0.50/24")?;
    let began = Instant::now();
    or_told(agent.line("reporting to the router at 10.77.0.50:11435", PATIENCE), &mut [&mut router])?;
    let took = began.elapsed();
    ask::until_answered(&a, MODEL, Instant::now(), PATIENCE)?;
    promised("finding it again", took, FOUND)
}

fn router_restarts_elsewhere(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("agent", &["10.77.0.2/24"], false)?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let home = ground.home("router")?;
    let mut router = ground.router(&a, &home, &[])?;
    let mut agent = ground.agent(&b, &ground.home("agent")?, &[])?;
    or_told(agent.line("reporting to the router at 10.77.0.1:11435", PATIENCE), &mut [&mut router])?;
    router.stop(PATIENCE)?;
    a.move_to("10.77.0.60/24")?;
    let began = Instant::now();
    let mut router = ground.router(&a, &home, &[])?;
    or_told(agent.line("reporting to the router at 10.77.0.60:11435", PATIENCE), &mut [&mut router])?;
    let took = began.elapsed();
    ask::until_answered(&a, MODEL, Instant::now(), PATIENCE)?;
    promised("finding it again, from its start,", took, FOUND)
}

fn agent_moves(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("agent", &["10.77.0.2/24"], false)?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let mut router = ground.router(&a, &ground.home("router")?, &[])?;
    let mut agent = ground.agent(&b, &ground.home("agent")?, &[])?;
    let answered = ask::until_answered(&a, MODEL, Instant::now(), PATIENCE);
    or_told(answered, &mut [&mut router, &mut agent])?;
    b.move_to("10.77.0.70/24")?;
    let began = Instant::now();
    let moved = loop {
        let moved =
            ask::nodes(&a)?.iter().any(|node| node.origin.contains("10.77.0.70") && node.reach == "up");
        if moved || began.elapsed() > PATIENCE {
            break moved;
        }
        // Nothing announces it to us.
        std::thread::park_timeout(Duration::from_millis(20));
    };
    let told = if moved {
        Ok(())
    } else {
        Err(anyhow::anyhow!("it is not asked at its new address: {:?}", ask::nodes(&a)?))
    };
    or_told(told, &mut [&mut router, &mut agent])?;
    let took = began.elapsed();
    let answered = ask::until_answered(&a, MODEL, Instant::now(), PATIENCE);
    or_told(answered, &mut [&mut router, &mut agent])?;
    promised("asking it at its new address", took, FOUND)
}
