//! Without a flag, by multicast DNS: how long from the start of both to the first answer.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Case, Ground, MODEL, PATIENCE, ask, or_told, pass, promised};

/// From the start of both to the first answer (see the issue on the fleet).
const PROMISED: Duration = Duration::from_millis(2_500);

pub(super) const CASES: &[Case] = &[
    Case { title: "both start at once, IPv4", run: |ground| meet(ground, V4, Order::AtOnce) },
    Case { title: "the router starts first, IPv4", run: |ground| meet(ground, V4, Order::RouterFirst) },
    Case { title: "the agent starts first, IPv4", run: |ground| meet(ground, V4, Order::AgentFirst) },
    Case { title: "both on one machine without a network", run: alone },
    Case { title: "both start at once, IPv6 alone", run: |ground| meet(ground, V6, Order::AtOnce) },
    Case { title: "a network of link-local addresses alone is found and refused in words", run: link_local },
    Case { title: "an Ollama that listens on the network, IPv4", run: open },
];

/// The addresses of the router's machine and the agent's, and whether they have IPv6.
struct Net {
    router: &'static [&'static str],
    agent: &'static [&'static str],
    ipv6: bool,
}

const V4: Net = Net { router: &["10.77.0.1/24"], agent: &["10.77.0.2/24"], ipv6: false };
const V6: Net = Net { router: &["fd77::1/64"], agent: &["fd77::2/64"], ipv6: true };

/// Who is there before the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    AtOnce,
    RouterFirst,
    AgentFirst,
}

fn meet(ground: &mut Ground, net: Net, order: Order) -> Result<String> {
    let a = ground.lab.machine("router", net.router, net.ipv6)?;
    let b = ground.lab.machine("agent", net.agent, net.ipv6)?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let (router_home, agent_home) = (ground.home("router")?, ground.home("agent")?);
    // Long after its first announcements, when only an answer to a question tells of it.
    let later = || pass(Duration::from_secs(4));
    let (mut router, mut agent, began);
    if order == Order::AgentFirst {
        agent = ground.agent(&b, &agent_home, &[])?;
        later();
        began = Instant::now();
        router = ground.router(&a, &router_home, &[])?;
    } else {
        let start = Instant::now();
        router = ground.router(&a, &router_home, &[])?;
        if order == Order::RouterFirst {
            later();
        }
        began = if order == Order::RouterFirst { Instant::now() } else { start };
        agent = ground.agent(&b, &agent_home, &[])?;
    }
    let answered = ask::until_answered(&a, MODEL, began, PATIENCE);
    let (took, answer) = or_told(answered, &mut [&mut router, &mut agent])?;
    ensure!(!answer.node.is_empty(), "the router does not say who answered");
    promised("the first answer", took, PROMISED)
}

/// A link-local address means another machine on each network, so that no node can be kept by it. Both see each other
/// there, with the zone, and the agent's log says what to do.
fn link_local(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &[], true)?;
    let b = ground.lab.machine("agent", &[], true)?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let mut router = ground.router(&a, &ground.home("router")?, &[])?;
    let mut agent = ground.agent(&b, &ground.home("agent")?, &[])?;
    let told = agent.line("it means another machine on each network", PATIENCE);
    let line = or_told(told, &mut [&mut router])?;
    ensure!(
        line.contains("[fe80::") && line.contains('%'),
        "it was not found by its link-local address: {line}"
    );
    Ok("the agent's log says why and what to do".to_owned())
}

/// Its own Ollama is a node of the router anyway; with the agent it is one machine that reports.
fn alone(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("alone", &[], false)?;
    let _ollama = ground.ollama(&a, "127.0.0.1:11434")?;
    let began = Instant::now();
    let mut router = ground.router(&a, &ground.home("router")?, &[])?;
    let mut agent = ground.agent(&a, &ground.home("agent")?, &[])?;
    let met = agent.line("reporting to the router at", PATIENCE);
    or_told(met, &mut [&mut router])?;
    let took = began.elapsed();
    let answered = ask::until_answered(&a, MODEL, Instant::now(), PATIENCE);
    or_told(answered, &mut [&mut router, &mut agent])?;
    let nodes = ask::nodes(&a)?;
    ensure!(nodes.len() == 1, "one server is {nodes:?}");
    promised("finding each other", took, PROMISED)
}

fn open(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", V4.router, false)?;
    let b = ground.lab.machine("agent", V4.agent, false)?;
    let _ollama = ground.ollama(&b, "0.0.0.0:11434")?;
    let began = Instant::now();
    let mut router = ground.router(&a, &ground.home("router")?, &[])?;
    let mut agent = ground.agent(&b, &ground.home("agent")?, &[])?;
    let answered = ask::until_answered(&a, MODEL, began, PATIENCE);
    let (took, _) = or_told(answered, &mut [&mut router, &mut agent])?;
    let told = promised("the first answer, straight from Ollama,", took, PROMISED)?;
    let origin = ask::nodes(&a)?.iter().find(|node| node.reach == "up").map(|node| node.origin.clone());
    ensure!(origin.as_deref() == Some("http://10.77.0.2:11434"), "it is asked at {origin:?}");
    Ok(told)
}
