//! What a machine's agent says: it joins, its servers come, change and go, and its numbers are taken in.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::machine::{Beats, Machine};
use super::member::Doubt;
use super::{Fleet, NODES, RESIDENT_KEEPS, SERVERS};
use crate::event::Event;
use crate::id::{BackendId, NodeId, RowId};
use crate::moment::Moment;
use crate::node::Origin;
use crate::reading::Reading;
use crate::remembered::Source;
use crate::report::{Agent, Door, Report, ServerReport};
use crate::standing::{Draining, Standing};

/// Readings of a heartbeat are believed until so many are missed, however old they were: their agent knows how long each
/// holds, and tells none that does not.
const KEEPS: u32 = super::STALE_AFTER;

impl Fleet {
    /// Takes in a heartbeat. Its sender was checked; what it says is believed of its own machine only.
    pub fn report(&mut self, report: Report) -> Vec<Event> {
        let mut events = Vec::new();
        let node = report.node;
        let is_new = !self.machines.contains_key(&node);
        if is_new && !self.join(&report, &mut events) {
            return self.finish(events);
        }
        let joined = self.beat(&report, &mut events);
        let Report { address, at, interval, servers, readings, .. } = report;
        let keeps = interval * KEEPS + super::SLACK;
        let mut told = Vec::new();
        for server in servers.into_iter().take(SERVERS) {
            let Some(row) = self.claim(node, address, &server, &mut events) else { continue };
            told.push(row);
            if let Some(member) = self.members.get_mut(&row) {
                let doubt = member.doubt;
                member.take(server, at, RESIDENT_KEEPS.max(keeps), &mut events);
                if member.doubt != doubt {
                    self.calling = self.calling.next();
                }
            }
        }
        self.miss(node, &told, &mut events);
        let readings = readings.into_iter().filter(|(_, value, _)| value.is_finite());
        let readings: Vec<_> = readings
            .map(|(column, value, age)| (column, Reading::until(value, earlier(at, age), at.plus(keeps))))
            .collect();
        for row in told {
            if let Some(member) = self.members.get_mut(&row) {
                member.backend().readings.extend(readings.iter().copied());
            }
        }
        // Told first and known last: its servers may have shown that it has a name already.
        if let Some((agent, node)) = joined.zip(self.name(node)) {
            events.insert(0, Event::Joined { node, agent, address });
        }
        self.finish(events)
    }

    /// Servers of a machine whose lists of models its agent has not told yet.
    pub fn wants_models(&self, node: NodeId) -> Vec<u16> {
        let rows = self.machines.get(&node).map(|machine| machine.rows.as_slice()).unwrap_or_default();
        let members = rows.iter().filter_map(|row| self.members.get(row));
        members.filter(|member| !member.has_told_models).map(|member| member.backend.id.port).collect()
    }

    /// Makes room for a machine that reports for the first time.
    fn join(&mut self, report: &Report, events: &mut Vec<Event>) -> bool {
        let name = name(&report.name);
        if self.machines.len() >= NODES && !self.make_room(events) {
            if !std::mem::replace(&mut self.is_crowded, true) {
                events.push(Event::Crowded { name: name.into(), most: NODES });
            }
            return false;
        }
        let mut machine = Machine::new(report.node, &self.free_name(name), Source::Found, &self.learned);
        name.clone_into(&mut machine.calls_itself);
        self.machines.insert(report.node, machine);
        self.changed(report.node);
        true
    }

    /// Forgets the machine that was silent longest, of those that are offline and of which nobody said anything. Whoever
    /// makes up machines by the thousand must not keep out those that are there.
    fn make_room(&mut self, events: &mut Vec<Event>) -> bool {
        let is_forgettable = |machine: &&Machine| {
            machine.node.standing == Standing::Lost
                && machine.source == Source::Found
                && !(machine.is_renamed || machine.is_labelled || machine.node.draining.by_operator)
        };
        let forgettable = self.machines.values().filter(is_forgettable);
        let oldest = forgettable.min_by_key(|machine| machine.beats.map(|beats| beats.last));
        let Some(oldest) = oldest.map(|machine| machine.node.id) else { return false };
        events.extend(self.dismiss(oldest));
        true
    }

    /// Takes in what a heartbeat says of its machine as a whole. The agent, if it is the first that speaks for it.
    fn beat(&mut self, report: &Report, events: &mut Vec<Event>) -> Option<Arc<str>> {
        let free = self.new_name(report);
        let machine = self.machines.get_mut(&report.node)?;
        let known = Arc::clone(&machine.node);
        let before = machine.beats.replace(Beats::new(report.address, report.at, report.interval));
        machine.node.live.mark_beat(report.at);
        if let Some(beats) = machine.beats {
            let missed = beats.missed(super::STALE_AFTER);
            self.due = Some(self.due.map_or(missed, |due| due.min(missed)));
        }
        let was_out = match known.standing {
            Standing::Lost => before.is_some(),
            Standing::Stale => machine.rows.iter().any(|row| {
                self.members.get(row).is_some_and(|member| member.backend.unreachable().is_some())
            }),
            Standing::Plain | Standing::Online | Standing::Held { .. } => false,
        };
        let hold = was_out.then(|| machine.flaps.returned(report.at)).flatten();
        let standing = match (hold, known.standing) {
            (Some((_, rest)), _) => Standing::Held { until: report.at.plus(rest) },
            (None, Standing::Held { until }) if until > report.at => Standing::Held { until },
            (None, _) => Standing::Online,
        };
        let draining = Draining { by_agent: report.draining, ..known.draining };
        let name = free.as_deref().unwrap_or(&known.name);
        let is_same = *known.name == *name
            && known.standing == standing
            && known.draining == draining
            && known.agent.as_ref() == Some(&report.agent);
        if !is_same {
            let (name, agent) = (name.into(), report.agent.clone());
            self.change(report.node, |node| {
                (node.name, node.agent) = (name, Some(agent));
                (node.standing, node.draining) = (standing, draining);
            });
        }
        self.tell(report, &Before { node: &known, beats: before, hold }, events);
        known.agent.is_none().then(|| report.agent.to_string().into())
    }

    /// Puts into events what a heartbeat changed of its machine as a whole.
    fn tell(&mut self, report: &Report, before: &Before<'_>, events: &mut Vec<Event>) {
        let Some(machine) = self.machines.get_mut(&report.node) else { return };
        let (known, node) = (before.node, Arc::clone(&machine.node.name));
        if known.agent.is_some() && !known.standing.is_heard() {
            events.push(Event::Back { node: Arc::clone(&node) });
        }
        if known.name != node {
            events.push(Event::Renamed { from: Arc::clone(&known.name), node: Arc::clone(&node) });
        }
        if let Some(from) = before.beats.map(|beats| beats.address).filter(|from| *from != report.address) {
            events.push(Event::Moved { node: Arc::clone(&node), from, to: report.address });
            machine.contested.clear();
        }
        if let Some((flaps, rest)) = before.hold {
            events.push(Event::Held { node: Arc::clone(&node), flaps, rest });
        }
        match (known.draining.by_agent, report.draining) {
            (false, true) => events.push(Event::Draining { node, by_agent: true }),
            (true, false) => events.push(Event::Undrained { node }),
            _ => {}
        }
    }

    /// What a machine is to be called from now on, if it calls itself otherwise than before and nobody else named it.
    fn new_name(&mut self, report: &Report) -> Option<String> {
        let name = name(&report.name);
        let machine = self.machines.get_mut(&report.node)?;
        if machine.calls_itself == name {
            return None;
        }
        name.clone_into(&mut machine.calls_itself);
        (!machine.is_renamed && !machine.is_listed()).then(|| self.free_name(name))
    }

    /// The member that a reported server is; `None` when it counts as another machine's.
    fn claim(
        &mut self,
        node: NodeId,
        address: IpAddr,
        server: &ServerReport,
        events: &mut Vec<Event>,
    ) -> Option<RowId> {
        let id = BackendId { node, port: server.port };
        let here = self.place(address);
        // What listens on this machine for this machine alone the router reaches without anybody's help, and on
        // loopback alone, whichever of the machine's addresses its agent reports from. But one that reports from
        // where we would ask has looked for it there, and knows better.
        let is_needless = here.is_loopback() && address.to_canonical() != here;
        let (host, port, bearer) = match &server.door {
            Door::Forwarded { .. } if is_needless => (here, server.port, None),
            Door::Forwarded { port, bearer } => (address, *port, Some(bearer)),
            Door::Direct => (address, server.port, None),
        };
        let known = self.rows.get(&id).copied();
        if let Some(member) = known.and_then(|row| self.members.get_mut(&row)) {
            let origin = &member.backend.origin;
            let is_there = origin.port == port && origin.host.parse() == Ok(host);
            if is_there && member.backend.bearer.as_ref() == bearer {
                return known;
            }
        }
        let origin = Origin { host: host.to_string(), port };
        if self.is_contested(id, &origin, events) {
            if let Some(row) = known {
                self.strike(row);
            }
            return None;
        }
        let row = known.or_else(|| self.enrol(id, origin.clone()))?;
        if let Some(member) = self.members.get_mut(&row) {
            member.doubt = Doubt::Open;
            let backend = member.backend();
            backend.origin = Arc::new(origin);
            backend.bearer = bearer.cloned();
        }
        self.changed(node);
        self.unite(row, events);
        self.rows.get(&id).copied()
    }

    /// Takes out servers that its agent reports no more. One that somebody named stays, and does not answer.
    fn miss(&mut self, node: NodeId, told: &[RowId], events: &mut Vec<Event>) {
        let Some(machine) = self.machines.get(&node) else { return };
        let mut gone = machine.rows.iter().copied().filter(|row| !told.contains(row)).peekable();
        // Nearly always: nobody.
        if gone.peek().is_none() {
            return;
        }
        for row in gone.collect::<Vec<_>>() {
            let Some(member) = self.members.get_mut(&row) else { continue };
            if member.listing.is_some() {
                member.failed("its agent sees no server there".into(), events);
                continue;
            }
            let (node, origin) = (Arc::clone(&member.backend.node.name), Arc::clone(&member.backend.origin));
            self.strike(row);
            events.push(Event::Gone { node, origin });
        }
    }
}

/// What was known before a heartbeat.
struct Before<'a> {
    node: &'a crate::node::Node,
    beats: Option<Beats>,
    hold: Option<(u32, Duration)>,
}

impl std::fmt::Display for Agent {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Herdwick { version } => write!(out, "herdwick {version}"),
            Self::Herd { version } => write!(out, "herd-node {version}"),
        }
    }
}

/// A machine that says nothing of its name has one all the same.
fn name(told: &str) -> &str {
    if told.is_empty() { "node" } else { told }
}

fn earlier(at: Moment, age: Duration) -> Moment {
    Moment(at.0.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)))
}
