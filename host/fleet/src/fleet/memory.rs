//! What is to be remembered of machines, and what was.

use std::collections::BTreeSet;

use super::machine::Machine;
use super::member::Slots;
use super::{Fleet, NODES, SERVERS};
use crate::event::Event;
use crate::id::{BackendId, NodeId};
use crate::remembered::{Remembered, RememberedServer, Source};
use crate::report::Agent;
use crate::standing::Standing;

impl Fleet {
    /// Takes in a machine that was known before the router started: what its operator wanted of it, and where its
    /// servers were, to be asked there. It is offline until it is heard of.
    pub fn remember(&mut self, remembered: Remembered) -> Vec<Event> {
        let mut events = Vec::new();
        let node = remembered.node;
        if !self.machines.contains_key(&node) {
            if remembered.source == Source::Configured && remembered.agent.is_none() {
                // The configuration does not name it any more.
                self.unkept.insert(node);
                return Vec::new();
            }
            if self.machines.len() >= NODES {
                return Vec::new();
            }
            // The configuration speaks for itself; what it no longer says is over.
            let source = match remembered.source {
                Source::Added => Source::Added,
                Source::Configured | Source::Found => Source::Found,
            };
            let mut machine = Machine::new(node, &self.free_name(&remembered.name), source, &self.learned);
            machine.calls_itself.clone_from(&remembered.name);
            self.machines.insert(node, machine);
            let agent = remembered.agent.as_deref().map(agent);
            let standing = if agent.is_some() { Standing::Lost } else { Standing::Plain };
            self.change(node, |node| (node.agent, node.standing) = (agent, standing));
            for server in remembered.servers.iter().take(SERVERS) {
                self.recall(node, server, source, &mut events);
            }
        }
        self.restore(&remembered);
        self.finish(events)
    }

    /// A server of a machine that is remembered.
    fn recall(&mut self, node: NodeId, server: &RememberedServer, source: Source, events: &mut Vec<Event>) {
        let id = BackendId { node, port: server.port };
        if self.rows.contains_key(&id) || self.is_contested(id, &server.origin, &mut Vec::new()) {
            return;
        }
        let Some(row) = self.enrol(id, server.origin.clone()) else { return };
        if let Some(member) = self.members.get_mut(&row) {
            member.backend().kind = server.kind;
            member.listing = (source == Source::Added).then_some(Slots(server.slots));
        }
        self.unite(row, events);
    }

    /// What commands said of a machine counts again.
    fn restore(&mut self, remembered: &Remembered) {
        let Some(machine) = self.machines.get_mut(&remembered.node) else { return };
        machine.is_renamed |= remembered.is_renamed;
        machine.is_labelled |= !remembered.labels.is_empty();
        let is_renamed = remembered.is_renamed && *machine.node.name != *remembered.name;
        let name = is_renamed.then(|| self.free_name(&remembered.name));
        self.change(remembered.node, |node| {
            if let Some(name) = name {
                node.name = name.into();
            }
            if !remembered.labels.is_empty() {
                node.labels.clone_from(&remembered.labels);
            }
            node.draining.by_operator |= remembered.drained;
            node.pins.extend(remembered.pins.iter().cloned());
        });
        // It is remembered so already.
        self.unkept.remove(&remembered.node);
    }

    /// Machines of which something else is to be remembered than when this was asked last.
    pub fn take_unkept(&mut self) -> BTreeSet<NodeId> {
        std::mem::take(&mut self.unkept)
    }

    /// What is to be remembered of a machine; `None` = nothing.
    pub fn remembered(&self, node: NodeId) -> Option<Remembered> {
        let machine = self.machines.get(&node)?;
        let drained = machine.node.draining.by_operator;
        let pins = machine.node.pins.clone();
        let is_ordered = drained || machine.is_renamed || machine.is_labelled || !pins.is_empty();
        // What the configuration says of a machine needs no other memory.
        if machine.node.agent.is_none() && machine.source == Source::Configured && !is_ordered {
            return None;
        }
        let members = machine.rows.iter().filter_map(|row| self.members.get(row));
        let servers = members.map(|member| RememberedServer {
            port: member.backend.id.port,
            kind: member.backend.kind,
            origin: (*member.backend.origin).clone(),
            slots: member.listing.and_then(|Slots(slots)| slots).filter(|_| machine.source == Source::Added),
        });
        let labels = if machine.is_labelled || machine.source == Source::Added {
            machine.node.labels.clone()
        } else {
            Default::default()
        };
        Some(Remembered {
            node,
            name: machine.node.name.to_string(),
            is_renamed: machine.is_renamed,
            source: machine.source,
            agent: machine.node.agent.as_ref().map(ToString::to_string),
            servers: servers.collect(),
            labels,
            drained,
            pins,
        })
    }
}

/// An agent as [`Remembered::agent`] names it.
fn agent(text: &str) -> Agent {
    let (program, version) = text.split_once(' ').unwrap_or((text, ""));
    let version = version.to_owned();
    match program {
        "herd-node" => Agent::Herd { version },
        _ => Agent::Herdwick { version },
    }
}
