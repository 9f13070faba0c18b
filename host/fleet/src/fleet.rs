//! The state machine of the fleet: observations in, events and snapshots out. One task owns it; the rest of
//! the program sees snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Backend, BackendKind, Holding, Reach, Resident};
use crate::event::Event;
use crate::id::{BackendId, Generation, NodeId, RowId};
use crate::live::{BackendLive, HoldingLive};
use crate::model::{Model, ModelName};
use crate::moment::Moment;
use crate::node::{Node, Origin};
use crate::observation::{Claim, Observation, ResidentClaim};
use crate::reading::Reading;
use crate::snapshot::Snapshot;

/// How long a poll of `/api/ps` may be believed: three polls, so that one lost answer changes nothing.
pub const RESIDENT_KEEPS: Duration = Duration::from_secs(6);

/// What is known of everybody.
#[derive(Debug, Default)]
pub struct Fleet {
    members: BTreeMap<RowId, Member>,
    generation: Generation,
    topology: Generation,
}

#[derive(Debug)]
struct Member {
    backend: Arc<Backend>,
    /// Slots that the operator gave, for models that are still to come.
    slots: u32,
    /// The live side of every model that was ever listed, as long as a request holds it: a list that misses a
    /// model once must not double its slots.
    lives: BTreeMap<ModelName, Arc<HoldingLive>>,
}

impl Fleet {
    /// Adds a backend that is listed by the operator, unless it is there already. `slots` is how many requests
    /// each of its models takes at once.
    pub fn add(&mut self, name: &str, origin: Origin, slots: u32) -> BackendId {
        let id = BackendId { node: NodeId::from_origin(&origin.to_string()), port: origin.port };
        if self.members.values().any(|member| member.backend.id == id) {
            return id;
        }
        let row = RowId(self.members.keys().next_back().map_or(0, |last| last.0 + 1));
        let node = Arc::new(Node { id: id.node, name: self.free_name(name).into(), labels: BTreeMap::new() });
        let backend = Arc::new(Backend {
            id,
            row,
            node,
            origin: Arc::new(origin),
            kind: BackendKind::Ollama,
            reach: Reach::Unknown,
            version: "".into(),
            seen: None,
            listed: None,
            holdings: BTreeMap::new(),
            readings: BTreeMap::new(),
            live: Arc::new(BackendLive::default()),
        });
        self.members.insert(row, Member { backend, slots, lives: BTreeMap::new() });
        self.topology = self.topology.next();
        id
    }

    /// Says what the operator calls a node's properties. Nobody unknown can be labelled.
    pub fn label(&mut self, backend: BackendId, labels: BTreeMap<String, String>) {
        let Some(member) = self.members.values_mut().find(|member| member.backend.id == backend) else {
            return;
        };
        if member.backend.node.labels != labels {
            let backend = Arc::make_mut(&mut member.backend);
            backend.node = Arc::new(Node { labels, ..(*backend.node).clone() });
            self.topology = self.topology.next();
        }
    }

    /// Takes in what a probe found. An observation of somebody unknown changes nothing.
    pub fn observe(&mut self, observation: Observation) -> Vec<Event> {
        let Observation { backend: id, at, claim } = observation;
        let Some(member) = self.members.values_mut().find(|member| member.backend.id == id) else {
            return Vec::new();
        };
        // Snapshots share the old backend; this copies it only while one of them is alive.
        let backend = Arc::make_mut(&mut member.backend);
        let mut events = Vec::new();
        match claim {
            Claim::Unreachable(why) => {
                let why: Arc<str> = why.into();
                if !matches!(backend.reach, Reach::Down(_)) {
                    events.push(Event::Down { node: Arc::clone(&backend.node.name), why: Arc::clone(&why) });
                }
                backend.reach = Reach::Down(why);
            }
            Claim::Readings(readings, keeps) => {
                // What is not a number is not known; the reading before runs out by itself.
                let told = readings.into_iter().filter(|(_, value)| value.is_finite());
                let told = told.map(|(column, value)| (column, Reading::new(value, at, keeps)));
                backend.readings.extend(told);
            }
            Claim::Version(version) => {
                backend.version = version.into();
                reached(backend, at, &mut events);
            }
            Claim::Models(models) => {
                reached(backend, at, &mut events);
                backend.listed = Some(at);
                take_models(backend, (member.slots, &mut member.lives), models, &mut events);
            }
            Claim::Resident(resident) => {
                reached(backend, at, &mut events);
                take_resident(backend, at, &resident, &mut events);
            }
        }
        if events.iter().any(Event::is_topology) {
            self.topology = self.topology.next();
        }
        events
    }

    /// Freezes what is known now.
    pub fn snapshot(&mut self) -> Snapshot {
        self.generation = self.generation.next();
        let backends = self.members.values().map(|member| Arc::clone(&member.backend)).collect();
        Snapshot::new(self.generation, self.topology, backends)
    }

    /// Two machines with one name are two nodes; the second gets a number.
    fn free_name(&self, wanted: &str) -> String {
        let taken: BTreeSet<&str> =
            self.members.values().map(|member| member.backend.node.name.as_ref()).collect();
        if !taken.contains(wanted) {
            return wanted.to_owned();
        }
        let numbered = (2_u32..).map(|number| format!("{wanted}-{number}"));
        let mut free = numbered.skip_while(|name| taken.contains(name.as_str()));
        free.next().unwrap_or_else(|| wanted.to_owned())
    }
}

fn reached(backend: &mut Backend, at: Moment, events: &mut Vec<Event>) {
    backend.seen = Some(at);
    backend.live.mark_reached();
    if backend.reach != Reach::Up {
        backend.reach = Reach::Up;
        events
            .push(Event::Up { node: Arc::clone(&backend.node.name), version: Arc::clone(&backend.version) });
    }
}

fn take_models(
    backend: &mut Backend,
    (slots, lives): (u32, &mut BTreeMap<ModelName, Arc<HoldingLive>>),
    models: Vec<Model>,
    events: &mut Vec<Event>,
) {
    let mut before = std::mem::take(&mut backend.holdings);
    let mut added = Vec::new();
    for model in models {
        let name = model.name.clone();
        // Two spellings of one name are one model; the first one counts.
        if backend.holdings.contains_key(&name) {
            continue;
        }
        let holding = match before.remove(&name) {
            Some(holding) if *holding.model == model => holding,
            // The live side outlives a new version of the model: its requests still run.
            Some(holding) => Arc::new(Holding { model: Arc::new(model), ..(*holding).clone() }),
            None => {
                added.push(name.clone());
                let live = lives.entry(name.clone()).or_insert_with(|| Arc::new(HoldingLive::new(slots)));
                let live = Arc::clone(live);
                Arc::new(Holding { model: Arc::new(model), polled: None, live })
            }
        };
        backend.holdings.insert(name, holding);
    }
    let removed: Vec<_> = before.into_keys().collect();
    lives.retain(|name, live| backend.holdings.contains_key(name) || Arc::strong_count(live) > 1);
    if !added.is_empty() || !removed.is_empty() {
        events.push(Event::Models { node: Arc::clone(&backend.node.name), added, removed });
    }
}

fn take_resident(backend: &mut Backend, at: Moment, resident: &[ResidentClaim], events: &mut Vec<Event>) {
    let listed: BTreeMap<&ModelName, &ResidentClaim> =
        resident.iter().map(|claim| (&claim.name, claim)).collect();
    for (name, holding) in &mut backend.holdings {
        let now = match listed.get(name) {
            Some(claim) => Resident::Yes(claim.loaded.clone()),
            None => Resident::No,
        };
        let was_in = holding.polled.as_ref().is_some_and(|polled| *polled.last() != Resident::No);
        let node = || Arc::clone(&backend.node.name);
        match (was_in, &now) {
            (false, Resident::Yes(_)) => events.push(Event::Loaded { node: node(), model: name.clone() }),
            (true, Resident::No) => events.push(Event::Unloaded { node: node(), model: name.clone() }),
            _ => {}
        }
        Arc::make_mut(holding).polled = Some(Reading::new(now, at, RESIDENT_KEEPS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Loaded;

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
