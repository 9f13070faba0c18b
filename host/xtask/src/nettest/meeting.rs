//! Without a flag, by multicast DNS: how long from the start of both to the first answer.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Case, Ground, MODEL, PATIENCE, ask, ms, or_told, pass};

/// From the start of both to the first answer (see the issue on the fleet).
const PROMISED: Duration = Duration::from_millis(2_500);

pub(super) const CASES: &[Case] = &[
    Case { title: "both start at once, IPv4", run: |ground| meet(ground, V4, Order::AtOnce) },
    Case { title: "the router starts first, IPv4", run: |ground| meet(ground, V4, Order::RouterFirst) },
    Case { title: "the agent starts first, IPv4", run: |ground| meet(ground, V4, Order::AgentFirst) },
    Case {
        title: "both start at once, IPv6 with link-local addresses only",
        run: |ground| meet(ground, V6, Order::AtOnce),
    },
    Case { title: "an Ollama that listens on the network, IPv4", run: open },
];

/// The addresses of the router's machine and the agent's, and whether they have IPv6.
struct Net {
    router: &'static [&'static str],
    agent: &'static [&'static str],
    ipv6: bool,
}

const V4: Net = Net { router: &["10.77.0.1/24"], agent: &["10.77.0.2/24"], ipv6: false };
const V6: Net = Net { router: &[], agent: &[], ipv6: true };

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
    or_told(
        if took <= PROMISED { Ok(()) } else { Err(anyhow::anyhow!("the first answer took {}", ms(took))) },
        &mut [&mut router, &mut agent],
    )?;
    Ok(format!("first answer after {}", ms(took)))
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
    ensure!(took <= PROMISED, "the first answer took {}", ms(took));
    let origin = ask::nodes(&a)?.iter().find(|node| node.reach == "up").map(|node| node.origin.clone());
    ensure!(origin.as_deref() == Some("http://10.77.0.2:11434"), "it is asked at {origin:?}");
    Ok(format!("first answer after {}, straight from Ollama", ms(took)))
}
