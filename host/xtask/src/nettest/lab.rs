//! Networks of our own: machines as network namespaces, joined by a switch that has no way out. Whatever happens, they are
//! gone with the value that made them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// What the names of our namespaces begin with.
const PREFIX: &str = "herdwick-nettest";
/// The interface of each machine.
const CARD: &str = "eth0";

/// A switch and the machines on it.
pub(super) struct Lab {
    /// Tells this lab from those of other processes and cases.
    name: String,
    machines: Vec<String>,
}

/// One machine on the network.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// Its namespace.
    space: String,
    /// Its port on the switch.
    port: String,
    switch: String,
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.space.rsplit('-').next().unwrap_or(&self.space))
    }
}

/// Why no network can be made here, if so.
pub(super) fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root; sudo -E cargo xtask nettest".to_owned());
    }
    let name = format!("{PREFIX}-{}-try", std::process::id());
    match ip(&["netns", "add", &name]) {
        Ok(()) => {
            let _ = ip(&["netns", "del", &name]);
            None
        }
        Err(error) => Some(format!("it cannot make a network namespace: {error:#}")),
    }
}

/// Takes away what a run left behind that was killed: networks of ours whose maker is gone, and what still runs there.
pub(super) fn sweep() -> Result<()> {
    let told = Command::new("ip").args(["netns", "list"]).output().context("cannot start `ip`")?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    for space in
        told.lines().filter_map(|line| line.split_whitespace().next()).filter(|space| is_orphan(space))
    {
        let pids = Command::new("ip").args(["netns", "pids", space]).output().context("cannot start `ip`")?;
        for pid in String::from_utf8_lossy(&pids.stdout).split_whitespace() {
            let pid = pid.parse().ok().and_then(Pid::from_raw);
            // It may have ended by itself.
            let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
        println!("left behind by a run that was killed, and taken away: {space}");
        ip(&["netns", "del", space])?;
    }
    Ok(())
}

fn is_orphan(space: &str) -> bool {
    let maker = space.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('-')?.split('-').next());
    maker.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists())
}

impl Lab {
    /// A switch to which nothing is joined.
    pub(super) fn new(case: usize) -> Result<Self> {
        let mut lab = Self { name: format!("{PREFIX}-{}-{case}", std::process::id()), machines: Vec::new() };
        let switch = lab.space("switch")?;
        inside(&switch, &["ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"])?;
        inside(&switch, &["ip", "link", "set", "br0", "up"])?;
        Ok(lab)
    }

    /// A machine with these addresses, each with the bits of its network. Without IPv6 it has not even a link-local one.
    pub(super) fn machine(&mut self, name: &str, addresses: &[&str], ipv6: bool) -> Result<Machine> {
        let switch = format!("{}-switch", self.name);
        let space = self.space(name)?;
        let port = format!("to-{name}");
        ip(&["link", "add", CARD, "netns", &space, "type", "veth", "peer", "name", &port, "netns", &switch])?;
        inside(&switch, &["ip", "link", "set", &port, "master", "br0", "up"])?;
        let machine = Machine { space, port, switch };
        machine.ip(&["link", "set", "lo", "up"])?;
        if !ipv6 {
            machine.sh("echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")?;
        }
        // An address is used at once: whether somebody has it is known here.
        machine.sh("echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad")?;
        for address in addresses {
            machine.ip(&["address", "add", address, "dev", CARD])?;
        }
        machine.ip(&["link", "set", CARD, "up"])?;
        if addresses.iter().any(|address| address.contains('.')) {
            machine.route()?;
        }
        Ok(machine)
    }

    fn space(&mut self, name: &str) -> Result<String> {
        let space = format!("{}-{name}", self.name);
        ip(&["netns", "add", &space])?;
        self.machines.push(space.clone());
        Ok(space)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for space in &self.machines {
            if let Err(error) = ip(&["netns", "del", space]) {
                println!("left behind: {space}: {error:#}");
            }
        }
    }
}

impl Machine {
    /// The program, to be run there.
    pub(super) fn command(&self, program: &PathBuf) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space]).arg(program);
        command
    }

    /// Gives it another address in place of all it had.
    pub(super) fn move_to(&self, address: &str) -> Result<()> {
        self.ip(&["address", "flush", "dev", CARD, "scope", "global"])?;
        self.ip(&["address", "add", address, "dev", CARD])?;
        self.route()
    }

    /// Has the switch keep multicast from it, as access points do.
    pub(super) fn without_multicast(&self) -> Result<()> {
        inside(
            &self.switch,
            &["ip", "link", "set", "dev", &self.port, "type", "bridge_slave", "mcast_flood", "off"],
        )
    }

    /// Does something there, on a thread of its own.
    pub(super) fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let file =
            std::fs::File::open(format!("/run/netns/{}", self.space)).context("the machine is gone")?;
        thread::scope(|scope| {
            let done = scope.spawn(move || {
                move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network))
                    .context("cannot enter the machine's network")?;
                work()
            });
            done.join().unwrap_or_else(|_| bail!("the thread inside the machine died"))
        })
    }

    /// A way out, behind which there is nobody: some programs find their own address by asking for one.
    fn route(&self) -> Result<()> {
        self.ip(&["route", "replace", "default", "dev", CARD])
    }

    fn ip(&self, args: &[&str]) -> Result<()> {
        ip(&[&["-n", self.space.as_str()], args].concat())
    }

    fn sh(&self, line: &str) -> Result<()> {
        inside(&self.space, &["sh", "-c", line])
    }
}

fn inside(space: &str, command: &[&str]) -> Result<()> {
    ip(&[&["netns", "exec", space], command].concat())
}

fn ip(args: &[&str]) -> Result<()> {
    let done = Command::new("ip").args(args).stdin(Stdio::null()).output();
    let done = done.context("cannot start `ip`; apt-get install iproute2")?;
    ensure!(done.status.success(), "ip {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr).trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_networks_of_ours_whose_maker_is_gone_are_swept() {
        let ours = std::process::id();
        for (space, orphan) in [
            (format!("{PREFIX}-{ours}-0-router"), false),
            (format!("{PREFIX}-4194999-0-router"), true),
            ("4194999".to_owned(), false),
            (format!("{PREFIX}-x-0-router"), false),
            (PREFIX.to_owned(), false),
            ("peer4194999".to_owned(), false),
        ] {
            assert_eq!(is_orphan(&space), orphan, "{space}");
        }
    }
}
