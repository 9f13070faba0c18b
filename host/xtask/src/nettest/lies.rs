//! Answers of strangers, sent as bytes from a machine on the same network: whoever believed them would call itself, a cloud's
//! metadata, or nobody.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Case, Ground, MODEL, PATIENCE, ask, or_told};

/// How long is watched that nobody calls.
const WATCHED: Duration = Duration::from_secs(3);
/// Routers that are made up: several times as many as are kept.
const CROWD: usize = 300;
/// From the router's start to the agent's first report.
const FOUND: Duration = Duration::from_secs(10);
/// Where something listens on the agent's machine that is no router.
const TRAP: u16 = 9_999;
/// Where multicast DNS is spoken (RFC 6762, 3).
const GROUP: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5_353);

pub(super) const CASES: &[Case] = &[
    Case { title: "answers that lie have nobody called", run: lies },
    Case { title: "the known router is found among hundreds that are made up", run: crowd },
    Case { title: "a router for its own machine only is shown to nobody else", run: private },
];

fn lies(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("agent", &["10.77.0.2/24"], false)?;
    let c = ground.lab.machine("liar", &["10.77.0.66/24"], false)?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let trap = b.inside(|| {
        let trap = TcpListener::bind((Ipv4Addr::UNSPECIFIED, TRAP)).context("no trap")?;
        trap.set_nonblocking(true)?;
        Ok(trap)
    })?;
    let mut agent = ground.agent(&b, &ground.home("agent")?, &[])?;
    or_told(agent.line("looking for one on the network", PATIENCE), &mut [])?;
    let lies: [(Ipv4Addr, u16); 5] = [
        (Ipv4Addr::LOCALHOST, TRAP),
        (Ipv4Addr::new(127, 9, 9, 9), TRAP),
        (Ipv4Addr::new(169, 254, 169, 254), 80),
        (Ipv4Addr::new(10, 77, 0, 66), 0),
        (Ipv4Addr::new(8, 8, 8, 8), 53),
    ];
    c.inside(|| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        for (number, (address, port)) in lies.iter().enumerate() {
            socket.send_to(&answer(number, *address, *port), GROUP).context("multicast cannot be sent")?;
        }
        Ok(())
    })?;
    or_told(agent.line("is left alone", PATIENCE), &mut [])?;
    let watched = Instant::now();
    while watched.elapsed() < WATCHED {
        let called = match trap.accept() {
            Ok((_, from)) => Err(anyhow::anyhow!("the agent called a liar's address, from {from}")),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error).context("the trap is broken"),
        };
        or_told(called, &mut [&mut agent])?;
        // Nothing announces what must not happen.
        std::thread::park_timeout(Duration::from_millis(50));
    }
    ensure!(!agent.said("no router at"), "a liar was looked for{}", agent.told());
    // An honest one is found beside them.
    let mut router = ground.router(&a, &ground.home("router")?, &[])?;
    let answered = ask::until_answered(&a, MODEL, Instant::now(), PATIENCE);
    or_told(answered, &mut [&mut router, &mut agent])?;
    Ok(format!("{} of them, none called, and an honest router is found beside them", lies.len()))
}

/// Each of them could be true, so that all places are taken; whose key the agent knows finds one anyway.
fn crowd(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("agent", &["10.77.0.2/24"], false)?;
    let c = ground.lab.machine("liar", &["10.77.0.66/24"], false)?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let (router_home, agent_home) = (ground.home("router")?, ground.home("agent")?);
    let mut router = ground.router(&a, &router_home, &[])?;
    let mut agent = ground.agent(&b, &agent_home, &[])?;
    or_told(agent.line("reporting to the router at", PATIENCE), &mut [&mut router])?;
    agent.stop(PATIENCE)?;
    drop(router);
    // An agent that starts anew, knows the key, and hears the crowd before the router, which is elsewhere now.
    let mut agent = ground.agent(&b, &agent_home, &[])?;
    or_told(agent.line("no router at", PATIENCE), &mut [])?;
    c.inside(|| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        for number in 0..CROWD {
            let address = Ipv4Addr::new(10, 77, 0, u8::try_from(100 + number % 100)?);
            socket.send_to(&answer(number, address, 11_435), GROUP).context("multicast cannot be sent")?;
            // Slower than what is taken for a flood.
            std::thread::park_timeout(Duration::from_millis(2));
        }
        Ok(())
    })?;
    or_told(agent.line("more than 64 say", PATIENCE), &mut [])?;
    a.move_to("10.77.0.60/24")?;
    let began = Instant::now();
    let mut router = ground.router(&a, &router_home, &[])?;
    let found = agent.line("reporting to the router at 10.77.0.60:11435", PATIENCE);
    or_told(found, &mut [&mut router])?;
    super::promised("finding it at a new address", began.elapsed(), FOUND)
}

fn private(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], false)?;
    let b = ground.lab.machine("agent", &["10.77.0.2/24"], false)?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let mut router = ground.router(&a, &ground.home("router")?, &["--listen", "127.0.0.1:11435"])?;
    or_told(router.line("listening", PATIENCE), &mut [])?;
    let mut agent = ground.agent(&b, &ground.home("agent")?, &[])?;
    or_told(agent.line("looking for one on the network", PATIENCE), &mut [])?;
    super::pass(WATCHED);
    ensure!(!agent.said("router at"), "it was seen{}", agent.told());
    Ok(format!("not seen for {} s", WATCHED.as_secs()))
}

/// What a router of ours would answer, at this address (RFC 1035, 4; RFC 6763).
fn answer(number: usize, address: Ipv4Addr, port: u16) -> Vec<u8> {
    let name = |labels: &[&str]| -> Vec<u8> {
        let mut bytes: Vec<u8> = labels.iter().flat_map(|label| text(label.as_bytes())).collect();
        bytes.push(0);
        bytes
    };
    let liar = format!("liar-{number}");
    let service = name(&["_herdwick", "_tcp", "local"]);
    let instance = name(&[&liar, "_herdwick", "_tcp", "local"]);
    let host = name(&[&liar, "local"]);
    let texts =
        ["v=1".to_owned(), "role=router".to_owned(), format!("key={number:016x}"), format!("name={liar}")];
    let texts: Vec<u8> = texts.iter().flat_map(|one| text(one.as_bytes())).collect();
    let location = [&[0; 4], port.to_be_bytes().as_slice(), &host].concat();
    let records = [
        (&service, 12_u16, instance.clone()),
        (&instance, 33, location),
        (&instance, 16, texts),
        (&host, 1, address.octets().to_vec()),
    ];
    let mut packet = vec![0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    for (name, kind, data) in records {
        packet.extend(name);
        packet.extend(kind.to_be_bytes());
        // Of the internet, for ten minutes.
        packet.extend([0, 1, 0, 0, 2, 0x58]);
        packet.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
        packet.extend(data);
    }
    packet
}

/// Bytes with their length before them.
fn text(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap_or(0)], bytes].concat()
}
