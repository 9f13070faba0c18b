//! `herdwick doctor` on a real network: in order it finds nothing, and what is broken it names, on either side.

use std::net::UdpSocket;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::lab::Machine;
use super::program::Home;
use super::{Case, Ground, MODEL, PATIENCE, ask, ms, or_told};

/// All of it may take so long.
const WHOLE: Duration = Duration::from_secs(3);

pub(super) const CASES: &[Case] = &[
    Case { title: "the doctor finds nothing wrong on either side", run: in_order },
    Case { title: "the doctor names what keeps machines apart", run: apart },
];

/// What the doctor says on that machine.
struct Examined {
    report: Value,
    took: Duration,
}

impl Examined {
    fn on(ground: &Ground, machine: &Machine, home: &Home, args: &[&str]) -> Result<Self> {
        let mut command = machine.command(&ground.herdwick);
        command.args(["doctor", "--json"]).args(args).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home.path());
        let began = Instant::now();
        let done = command.output().context("the doctor cannot start")?;
        let took = began.elapsed();
        let said = String::from_utf8_lossy(&done.stderr);
        let report = serde_json::from_slice(&done.stdout).with_context(|| format!("it says: {said}"))?;
        ensure!(took <= WHOLE, "it took {}", ms(took));
        Ok(Self { report, took })
    }

    /// The lines of one check, if they have this verdict and say this.
    fn says(&self, check: &str, verdict: &str, told: &str) -> Result<()> {
        let lines = self.report.get("checks").and_then(Value::as_array).context("no checks")?;
        let is_it = |line: &&Value| {
            let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
            text("check") == check && text("verdict") == verdict && line.to_string().contains(told)
        };
        ensure!(
            lines.iter().any(|line| is_it(&line)),
            "no {verdict} of {check} says {told:?}: {:#}",
            self.report
        );
        Ok(())
    }

    fn is_well(&self) -> Result<()> {
        ensure!(self.report.get("problems") == Some(&Value::from(0)), "it finds problems: {:#}", self.report);
        Ok(())
    }
}

fn in_order(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], true)?;
    let b = ground.lab.machine("agent", &["10.77.0.2/24"], true)?;
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let (router_home, agent_home) = (ground.home("router")?, ground.home("agent")?);
    let mut router = ground.router(&a, &router_home, &[])?;
    let mut agent = ground.agent(&b, &agent_home, &[])?;
    let answered = ask::until_answered(&a, MODEL, Instant::now(), PATIENCE);
    or_told(answered, &mut [&mut router, &mut agent])?;
    let here = Examined::on(ground, &a, &router_home, &[])?;
    here.is_well()?;
    here.says("multicast", "good", "eth0 (IPv4, IPv6)")?;
    here.says("port", "good", "0.0.0.0:11435 is held by the router, herdwick")?;
    let there = Examined::on(ground, &b, &agent_home, &[])?;
    there.is_well()?;
    there.says("router", "good", "answers at 10.77.0.1:11435")?;
    there.says("clock", "good", "agrees")?;
    there.says("neighbours", "good", "10.77.0.1:11435")?;
    there.says("ollama's door", "good", "`herdwick node` forwards to it")?;
    Ok(format!("it took {} and {}", ms(here.took), ms(there.took)))
}

fn apart(ground: &mut Ground) -> Result<String> {
    let a = ground.lab.machine("router", &["10.77.0.1/24"], true)?;
    let b = ground.lab.machine("agent", &["10.77.0.2/24"], true)?;
    let home = ground.home("doctor")?;
    // Another program has the port of multicast DNS to itself, for both families.
    let taken = b.inside(|| UdpSocket::bind("[::]:5353").context("nobody else has it"))?;
    Examined::on(ground, &b, &home, &[])?.says("multicast", "problem", "UDP port 5353 cannot be shared")?;
    drop(taken);
    // The router's machine is there and its router is not; then a machine that is not there at all.
    let alone = Examined::on(ground, &b, &home, &["--router", "10.77.0.1:11435"])?;
    alone.says("router", "problem", "nothing listens there")?;
    alone.says("multicast", "good", "eth0 (IPv4, IPv6)")?;
    let lost = Examined::on(ground, &b, &home, &["--router", "10.77.0.9:11435"])?;
    lost.says("router", "problem", "no router answers at 10.77.0.9:11435")?;
    lost.says("router", "problem", "ping 10.77.0.9")?;
    // A router that names a machine whose Ollama is for itself alone.
    let _ollama = ground.ollama(&b, "127.0.0.1:11434")?;
    let router_home = ground.home("router")?;
    let mut router = ground.router(&a, &router_home, &["--node", "b=http://10.77.0.2:11434"])?;
    or_told(router.line("listening", PATIENCE), &mut [])?;
    let named = Examined::on(ground, &a, &router_home, &[])?;
    named.says("node b", "problem", "listens on loopback only")?;
    Ok(format!("four causes, the last after {}", ms(named.took)))
}
