//! Which start of which agent speaks for a machine, and how far it has come: what makes a captured heartbeat worthless. A
//! pure state machine; time comes in as an argument.
//!
//! A session is given in answer to a beat without one, and nothing is kept for that. The first beat that carries it, soon
//! enough and for the same start of the same agent, begins it; it is never begun twice, since one that is begun was given
//! later than the one before it. From then on each beat has to be newer than the last.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use herdwick_fleet::Moment;
use herdwick_wire::seal::PublicKey;
use herdwick_wire::session::Mint;

use super::flood::client;

/// How long a session waits for its first beat.
const WAITS: Duration = Duration::from_secs(10);
/// Beats that an agent may miss before another start of it takes its place.
const MISSED: u32 = 3;
/// Beats after which a silent agent makes room for others, when there is no other room.
const FORGOTTEN: u32 = 10;
/// Agents that are known at once.
const AGENTS: usize = 4_096;
/// Agents of one address: one that wants more would keep everybody else out.
const PER_ADDRESS: usize = 256;

/// All agents that beat, or did.
pub(crate) struct Sessions {
    mint: Mint,
    agents: HashMap<PublicKey, Agent>,
}

/// One agent, by its key.
#[derive(Debug)]
pub(crate) struct Agent {
    boot: String,
    session: String,
    issued: Moment,
    seq: u64,
    at: Moment,
    interval: Duration,
    address: IpAddr,
    /// Beats that were taken in.
    beats: u64,
    /// The start that this one took the place of.
    before: Option<String>,
    /// The hash of each list that was handed on, by the port of its server.
    pub(crate) lists: BTreeMap<u16, String>,
    /// Whether it was told to drain, or found draining as its operator wants it.
    pub(crate) told_to_drain: bool,
}

/// What of a beat concerns its session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) boot: &'a str,
    pub(crate) session: &'a str,
    pub(crate) seq: u64,
    pub(crate) interval: Duration,
    /// Where it came from.
    pub(crate) address: IpAddr,
}

/// Why a beat is not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// It has to come again with this session.
    Introduced(String),
    /// It is not newer than the last.
    Old,
    /// Another start of the agent beats on, from there; this one's turn would come after so long.
    Twin { elsewhere: IpAddr, left: Duration },
    /// There is no room for another agent.
    Full,
}

impl Sessions {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self { mint: Mint::new(secret), agents: HashMap::new() }
    }

    /// Gives a session to an agent that does not know its router yet.
    pub(crate) fn introduce(&self, key: &PublicKey, boot: &str, now: Moment) -> Turned {
        Turned::Introduced(self.mint.issue(key, boot, now))
    }

    /// Lets a beat in, or says why not.
    pub(crate) fn enter(
        &mut self,
        key: &PublicKey,
        said: Said<'_>,
        now: Moment,
    ) -> Result<&mut Agent, Turned> {
        let known = self.agents.get(key);
        match known {
            Some(agent) if agent.session == said.session && agent.boot == said.boot => {
                if said.seq <= agent.seq {
                    return Err(Turned::Old);
                }
            }
            _ => self.begin(key, said, now)?,
        }
        let Some(agent) = self.agents.get_mut(key) else { return Err(Turned::Full) };
        (agent.seq, agent.at) = (said.seq, now);
        (agent.interval, agent.address) = (said.interval, said.address);
        agent.beats += 1;
        Ok(agent)
    }

    /// The agent with this key, if it speaks for its machine.
    pub(crate) fn get(&mut self, key: &PublicKey) -> Option<&mut Agent> {
        self.agents.get_mut(key)
    }

    /// Begins the session that a beat carries, if it was given to it and nobody else speaks for its machine.
    fn begin(&mut self, key: &PublicKey, said: Said<'_>, now: Moment) -> Result<(), Turned> {
        let issued = self.mint.issued(said.session, key, said.boot).filter(|at| now.since(*at) <= WAITS);
        let known = self.agents.get(key);
        let issued = issued.filter(|issued| known.is_none_or(|agent| *issued > agent.issued));
        let Some(issued) = issued else { return Err(self.introduce(key, said.boot, now)) };
        if let Some(agent) = known {
            agent.gives_way_to(said, now)?;
        } else {
            self.make_room(said.address, now)?;
        }
        let before = self.agents.remove(key).map(|agent| agent.boot).filter(|boot| boot != said.boot);
        self.agents.insert(*key, Agent::new(said, issued, before, now));
        Ok(())
    }

    fn make_room(&mut self, address: IpAddr, now: Moment) -> Result<(), Turned> {
        let ours = |agent: &Agent| client(agent.address) == client(address);
        let crowded = |agents: &HashMap<PublicKey, Agent>| {
            agents.len() >= AGENTS || agents.values().filter(|agent| ours(agent)).count() >= PER_ADDRESS
        };
        if crowded(&self.agents) {
            // Whoever is forgotten has to ask for a new session, which an old beat cannot.
            self.agents.retain(|_, agent| {
                agent.misses(now, FORGOTTEN) > Duration::ZERO || now.since(agent.at) <= WAITS
            });
        }
        if crowded(&self.agents) { Err(Turned::Full) } else { Ok(()) }
    }
}

impl Agent {
    fn new(said: Said<'_>, issued: Moment, before: Option<String>, now: Moment) -> Self {
        Self {
            boot: said.boot.to_owned(),
            session: said.session.to_owned(),
            issued,
            seq: 0,
            at: now,
            interval: said.interval,
            address: said.address,
            beats: 0,
            before,
            lists: BTreeMap::new(),
            told_to_drain: false,
        }
    }

    /// Whether this was the first beat of its session.
    pub(crate) fn is_new(&self) -> bool {
        self.beats == 1
    }

    /// An agent that starts again where it was takes its own place at once: its former self is dead, or it is, and then
    /// the one that was there before comes back, which no dead one does. From elsewhere, and to whoever comes back, the
    /// place is given only when it is free: two machines have one key, and one of them serves.
    fn gives_way_to(&self, said: Said<'_>, now: Moment) -> Result<(), Turned> {
        let left = self.misses(now, MISSED);
        let is_restart = self.address == said.address && self.before.as_deref() != Some(said.boot);
        if self.boot == said.boot || left.is_zero() || is_restart {
            return Ok(());
        }
        Err(Turned::Twin { elsewhere: self.address, left })
    }

    /// How long until it has missed so many beats.
    fn misses(&self, now: Moment, beats: u32) -> Duration {
        self.interval.saturating_mul(beats).saturating_sub(now.since(self.at))
    }
}

#[cfg(test)]
mod tests;
