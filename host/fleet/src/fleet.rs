//! The state machine of the fleet: observations and reports in, events and snapshots out. One task owns it; the rest
//! of the program sees snapshots.
//!
//! What is told of machines comes in by two ways: [`Fleet::report`], from their agents, and [`Fleet::observe`], from
//! whoever asks their servers. [`Fleet::expire`] is what silence means, [`Fleet::callees`] whom to ask therefore; the
//! operator's wishes are in `operate`.

mod call;
mod expire;
mod hours;
mod machine;
mod member;
mod memory;
mod merge;
mod observe;
mod operate;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use self::machine::Machine;
use self::member::Member;
use crate::event::Event;
use crate::id::{BackendId, Generation, NodeId, RowId};
use crate::learned::{Hour, Learned};
use crate::moment::Moment;
use crate::node::{Node, Origin};
use crate::snapshot::{Index, Snapshot};

pub use self::call::{Callee, Rhythm};
pub use self::machine::{LOST_AFTER, SLACK, STALE_AFTER};
pub use self::operate::Refusal;

/// How long a look into a server's memory may be believed: three polls, so that one lost answer changes nothing.
pub const RESIDENT_KEEPS: Duration = Duration::from_secs(6);
/// Machines that are known at most. Whoever has more wants more than one router.
pub const NODES: usize = 4_096;
/// Model servers of one machine; what it reports beyond is not looked at.
pub const SERVERS: usize = 32;

/// What is known of everybody.
#[derive(Debug, Default)]
pub struct Fleet {
    machines: BTreeMap<NodeId, Machine>,
    members: BTreeMap<RowId, Member>,
    rows: BTreeMap<BackendId, RowId>,
    /// Rows that were given; none is given twice.
    given: u32,
    /// Addresses of the router's own machine.
    here: BTreeSet<IpAddr>,
    generation: Generation,
    topology: Generation,
    /// Moves when others are to be asked than before.
    calling: Generation,
    /// What is found by name in snapshots, until members, models or machines change.
    index: Option<Arc<Index>>,
    /// When [`Fleet::expire`] has something to do at the soonest.
    due: Option<Moment>,
    /// Machines of which something else is to be remembered than before.
    unkept: BTreeSet<NodeId>,
    /// Who was left out of the last picture.
    was_hidden: Option<NodeId>,
    /// It was said that there is no room for another machine.
    is_crowded: bool,
    /// The hour of the week, as whoever has a clock said last.
    hour: Option<Hour>,
    /// What was learned of it, shared with whoever keeps and shows that.
    learned: Arc<Learned>,
}

impl Fleet {
    /// A fleet of nobody yet, of which this was learned before.
    pub fn new(learned: Arc<Learned>) -> Self {
        Self { learned, ..Self::default() }
    }

    /// What was learned of it.
    pub fn learned(&self) -> &Arc<Learned> {
        &self.learned
    }

    /// Freezes what is known now.
    pub fn snapshot(&mut self) -> Snapshot {
        self.generation = self.generation.next();
        let hidden = self.hidden();
        if std::mem::replace(&mut self.was_hidden, hidden) != hidden {
            self.index = None;
        }
        let members = self.members.values().filter(|member| Some(member.backend.id.node) != hidden);
        let backends: Vec<_> = members.map(|member| Arc::clone(&member.backend)).collect();
        let machines = self.machines.values().filter(|machine| Some(machine.node.id) != hidden);
        let nodes = || machines.map(|machine| Arc::clone(&machine.node)).collect();
        let index = self.index.get_or_insert_with(|| Arc::new(Index::new(&backends, nodes())));
        Snapshot::new((self.generation, self.topology), backends, Arc::clone(index)).within(self.hour)
    }

    /// A machine that is only assumed and never answered is nothing to tell of where there are others.
    fn hidden(&self) -> Option<NodeId> {
        let assumed = self.machines.values().find(|machine| machine.is_assumed && !machine.is_heard())?;
        let members = assumed.rows.iter().filter_map(|row| self.members.get(row));
        let has_answered = members.clone().any(|member| member.backend.seen.is_some());
        (!has_answered && self.members.len() > members.count()).then_some(assumed.node.id)
    }

    /// Says that this is an address of the router's own machine: a server there is the same whichever of them names it.
    pub fn learn_here(&mut self, address: IpAddr) -> Vec<Event> {
        let mut events = Vec::new();
        if address.is_loopback() || !self.here.insert(address.to_canonical()) {
            return events;
        }
        for row in self.members.keys().copied().collect::<Vec<_>>() {
            self.unite(row, &mut events);
        }
        self.finish(events)
    }

    /// What a machine is called.
    pub fn name(&self, node: NodeId) -> Option<Arc<str>> {
        self.machines.get(&node).map(|machine| Arc::clone(&machine.node.name))
    }

    /// Whether its operator wants a machine to take no new work.
    pub fn is_drained(&self, node: NodeId) -> bool {
        self.machines.get(&node).is_some_and(|machine| machine.node.draining.by_operator)
    }

    /// Puts a server among the members.
    fn enrol(&mut self, id: BackendId, origin: Origin) -> Option<RowId> {
        let machine = self.machines.get_mut(&id.node)?;
        let row = RowId(self.given);
        self.given += 1;
        machine.rows.push(row);
        let mut member = Member::new(id, row, Arc::clone(&machine.node), origin);
        member.learned = Arc::clone(&self.learned);
        self.members.insert(row, member);
        self.rows.insert(id, row);
        self.changed(id.node);
        Some(row)
    }

    /// Takes a server out. Its machine stays.
    fn strike(&mut self, row: RowId) -> Option<Member> {
        let member = self.members.remove(&row)?;
        let id = member.backend.id;
        self.rows.remove(&id);
        if let Some(machine) = self.machines.get_mut(&id.node) {
            machine.rows.retain(|have| *have != row);
        }
        self.changed(id.node);
        Some(member)
    }

    /// Changes what snapshots see of a machine.
    fn change(&mut self, node: NodeId, change: impl FnOnce(&mut Node)) {
        let Some(machine) = self.machines.get_mut(&node) else { return };
        change(Arc::make_mut(&mut machine.node));
        for row in &machine.rows {
            if let Some(member) = self.members.get_mut(row) {
                member.backend().node = Arc::clone(&machine.node);
            }
        }
        self.changed(node);
    }

    /// Who is in the fleet, or what is to be remembered of it, changed.
    fn changed(&mut self, node: NodeId) {
        self.index = None;
        self.calling = self.calling.next();
        self.unkept.insert(node);
    }

    /// Moves the generations that `events` move.
    fn finish(&mut self, events: Vec<Event>) -> Vec<Event> {
        if events.iter().any(Event::is_topology) {
            self.topology = self.topology.next();
        }
        if events.iter().any(|event| matches!(event, Event::Models { .. })) {
            self.index = None;
        }
        events
    }

    /// Two machines with one name are two nodes; the second gets a number.
    fn free_name(&self, wanted: &str) -> String {
        let names = || self.machines.values().map(|machine| machine.node.name.as_ref());
        if !names().any(|name| name == wanted) {
            return wanted.to_owned();
        }
        let taken: BTreeSet<&str> = names().collect();
        let numbered = (2_u32..).map(|number| format!("{wanted}-{number}"));
        let mut free = numbered.skip_while(|name| taken.contains(name.as_str()));
        free.next().unwrap_or_else(|| wanted.to_owned())
    }

    /// An address as it is compared: one of this machine's own is as good as another.
    fn place(&self, address: IpAddr) -> IpAddr {
        let address = address.to_canonical();
        if address.is_loopback() || self.here.contains(&address) {
            return Ipv4Addr::LOCALHOST.into();
        }
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Loaded;
    use crate::{Claim, Model, ModelName, Observation, ResidentClaim};

    fn model(name: &str) -> Model {
        Model {
            name: ModelName::parse(name).expect("a valid name"),
            listed_as: name.into(),
            digest: "d".into(),
            bytes: 1,
            modified_at: String::new(),
            format: String::new(),
            family: String::new(),
            parameter_size: String::new(),
            quantization: String::new(),
        }
    }

    fn fleet() -> (Fleet, BackendId) {
        let mut fleet = Fleet::default();
        let origin = Origin { host: "studio".into(), port: 11434 };
        let id = fleet.add("studio", origin, 2);
        (fleet, id)
    }

    fn tell(fleet: &mut Fleet, backend: BackendId, claim: Claim) -> Vec<String> {
        let events = fleet.observe(Observation { backend, at: Moment(1), claim });
        events.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_backend_comes_lists_loads_and_goes() {
        let (mut fleet, id) = fleet();
        assert_eq!(tell(&mut fleet, id, Claim::Version("0.12".into())), ["studio answers (version 0.12)"]);
        assert_eq!(
            tell(&mut fleet, id, Claim::Models(vec![model("a"), model("b")])),
            ["studio has 2 new models"]
        );
        let resident = ResidentClaim { name: model("a").name, loaded: Loaded::default() };
        assert_eq!(tell(&mut fleet, id, Claim::Resident(vec![resident])), ["studio loaded a:latest"]);
        assert_eq!(tell(&mut fleet, id, Claim::Resident(vec![])), ["studio unloaded a:latest"]);
        assert_eq!(
            tell(&mut fleet, id, Claim::Unreachable("refused".into())),
            ["studio does not answer: refused"]
        );
        assert!(tell(&mut fleet, id, Claim::Unreachable("refused".into())).is_empty(), "said once");
    }

    #[test]
    fn slots_in_use_survive_a_new_list_of_models() {
        let (mut fleet, id) = fleet();
        tell(&mut fleet, id, Claim::Models(vec![model("a")]));
        let name = model("a").name;
        let held = fleet.snapshot().holders(&name).next().and_then(|(_, h)| h.live.slots.try_acquire());
        assert!(held.is_some());
        tell(&mut fleet, id, Claim::Models(vec![Model { digest: "new".into(), ..model("a") }]));
        let snapshot = fleet.snapshot();
        let (_, holding) = snapshot.holders(&name).next().expect("still held");
        assert_eq!((holding.model.digest.as_str(), holding.live.slots.busy()), ("new", 1));
    }

    #[test]
    fn a_list_that_misses_a_model_once_does_not_double_its_slots() {
        let (mut fleet, id) = fleet();
        tell(&mut fleet, id, Claim::Models(vec![model("a"), model("A")]));
        let name = model("a").name;
        let live = fleet.snapshot().holders(&name).next().map(|(_, holding)| Arc::clone(&holding.live));
        let live = live.expect("a holder");
        let held = live.slots.try_acquire();
        assert!(held.is_some());
        tell(&mut fleet, id, Claim::Models(vec![]));
        tell(&mut fleet, id, Claim::Models(vec![model("a")]));
        let snapshot = fleet.snapshot();
        let (_, holding) = snapshot.holders(&name).next().expect("it is back");
        assert_eq!(holding.live.slots.busy(), 1);
    }

    #[test]
    fn topology_moves_apart_from_readings() {
        let (mut fleet, id) = fleet();
        tell(&mut fleet, id, Claim::Models(vec![model("a")]));
        let before = fleet.snapshot();
        tell(&mut fleet, id, Claim::Resident(vec![]));
        let after = fleet.snapshot();
        assert!(after.generation > before.generation);
        assert_eq!(after.topology, before.topology);
    }

    #[test]
    fn two_machines_with_one_name_are_two_nodes_and_one_origin_is_one() {
        let (mut fleet, first) = fleet();
        let second = fleet.add("studio", Origin { host: "10.0.0.2".into(), port: 11434 }, 1);
        let again = fleet.add("other", Origin { host: "studio".into(), port: 11434 }, 1);
        assert_ne!(first, second);
        assert_eq!(first, again);
        let snapshot = fleet.snapshot();
        let names: Vec<_> = snapshot.backends().iter().map(|b| b.node.name.as_ref()).collect();
        assert_eq!(names, ["studio", "studio-2"]);
    }

    #[test]
    fn an_observation_of_a_stranger_changes_nothing() {
        let (mut fleet, _) = fleet();
        let stranger = BackendId { node: NodeId::from_origin("http://x:1"), port: 1 };
        assert!(tell(&mut fleet, stranger, Claim::Version("1".into())).is_empty());
        assert_eq!(fleet.snapshot().backends().len(), 1);
    }
}
