//! What the operator wants of machines: to name one, to take it out, to let it rest. Wishes that cannot be met say why.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::machine::Machine;
use super::member::Slots;
use super::{Fleet, NODES};
use crate::event::Event;
use crate::id::{BackendId, NodeId};
use crate::model::ModelName;
use crate::node::{Origin, is_name};
use crate::remembered::{Listing, Source};

/// Labels of one machine.
const LABELS: usize = 64;
/// Models that are pinned on one machine. Far more than any memory holds.
const PINS: usize = 64;
/// Bytes of a label's text.
const LABEL: usize = 200;

/// Why a wish cannot be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is called so.
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// Another machine is called so.
    Taken {
        /// The name.
        name: String,
    },
    /// Nobody can be called so.
    Name {
        /// The text.
        name: String,
    },
    /// Too many labels, or too long ones.
    Labels,
    /// The configuration names it, and would bring it back.
    Configured {
        /// Its name.
        name: String,
    },
    /// Its agent reports, and would bring it back.
    Reporting {
        /// Its name.
        name: String,
    },
    /// That server is in the fleet already.
    Listed {
        /// As this machine.
        name: String,
    },
    /// There are as many machines as are kept.
    Crowded,
    /// The machine does not have the model.
    NoModel {
        /// Its name.
        name: String,
        /// The model.
        model: ModelName,
    },
    /// As many models are pinned there as can be.
    Pins {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => {
                write!(out, "no node is called {name:?}; `herdwick nodes list` shows them")
            }
            Self::Taken { name } => write!(out, "another node is called {name:?}; choose another name"),
            Self::Name { name } => {
                write!(out, "{name:?} is no name for a node; take 1 to 63 letters, digits, dots, dashes")
            }
            Self::Labels => {
                write!(out, "a node has at most {LABELS} labels of {LABEL} characters; leave some out")
            }
            Self::Configured { name } => write!(
                out,
                "{name} is named in the configuration or at the start; take it out there, or drain it: \
                 `herdwick nodes drain {name}`"
            ),
            Self::Reporting { name } => write!(
                out,
                "the agent of {name} reports, and would bring it back; stop the agent first, or drain the node: \
                 `herdwick nodes drain {name}`"
            ),
            Self::Listed { name } => write!(out, "that server is in the fleet already, as {name}"),
            Self::NoModel { name, model } => {
                write!(
                    out,
                    "{name} does not have {model}; pull it there, or `herdwick nodes show {name}` lists what it has"
                )
            }
            Self::Pins { name } => {
                write!(out, "{PINS} models are pinned on {name}, which is as many as can be; unpin some")
            }
            Self::Crowded => {
                write!(out, "{NODES} nodes are known, which is as many as are kept; forget some")
            }
        }
    }
}

impl std::error::Error for Refusal {}

impl Fleet {
    /// Adds a backend that the configuration lists, unless it is there already. `slots` is how many requests each of
    /// its models takes at once.
    pub fn add(&mut self, name: &str, origin: Origin, slots: u32) -> BackendId {
        let id = id(&origin);
        let slots = Some(slots);
        let listing = Listing {
            name: name.to_owned(),
            origin,
            slots,
            labels: BTreeMap::new(),
            source: Source::Configured,
        };
        // It is there already, or there is no room: then nobody is found under this id.
        self.list(listing).map_or(id, |(id, _)| id)
    }

    /// Adds a server that may be there although nobody says so. Nothing is told of it until it answers, unless there is
    /// nobody else.
    ///
    /// # Errors
    /// As those of [`Fleet::list`].
    pub fn assume(&mut self, listing: Listing) -> Result<(), Refusal> {
        let (id, _) = self.list(listing)?;
        if let Some(machine) = self.machines.get_mut(&id.node) {
            machine.is_assumed = true;
        }
        Ok(())
    }

    /// Adds a server that somebody names. Where its machine is known already, what is said of it goes there.
    ///
    /// # Errors
    /// It is there already, cannot be called so, or there is no room.
    pub fn list(&mut self, listing: Listing) -> Result<(BackendId, Vec<Event>), Refusal> {
        let Listing { name, origin, slots, labels, source } = listing;
        if source == Source::Added && !is_name(&name) {
            return Err(Refusal::Name { name });
        }
        check(&labels)?;
        let id = id(&origin);
        if let Some(known) = self.machines.get(&id.node) {
            return Err(Refusal::Listed { name: known.node.name.to_string() });
        }
        if self.machines.len() >= NODES {
            return Err(Refusal::Crowded);
        }
        self.machines.insert(id.node, Machine::new(id.node, &self.free_name(&name), source, &self.learned));
        self.change(id.node, |node| node.labels = labels);
        let row = self.enrol(id, origin).ok_or(Refusal::Crowded)?;
        let mut events = Vec::new();
        if let Some(member) = self.members.get_mut(&row) {
            member.listing = (source != Source::Found).then_some(Slots(slots));
            member.told_slots = slots.filter(|_| source == Source::Found);
            let backend = &member.backend;
            let (node, origin) = (Arc::clone(&backend.node.name), Arc::clone(&backend.origin));
            events.push(Event::Added { node, origin });
        }
        // It may turn out to be a machine that reports already, under that one's id.
        let row = self.unite(row, &mut events);
        let id = self.members.get(&row).map_or(id, |member| member.backend.id);
        Ok((id, self.finish(events)))
    }

    /// Takes a machine out that a command added, or that reports no more.
    ///
    /// # Errors
    /// Nobody is called so, or something would bring it back.
    pub fn remove(&mut self, name: &str) -> Result<Vec<Event>, Refusal> {
        let node = self.named(name)?;
        let Some(machine) = self.machines.get_mut(&node) else { return Ok(Vec::new()) };
        match machine.source {
            Source::Configured => return Err(Refusal::Configured { name: name.to_owned() }),
            Source::Added if machine.is_heard() => {
                // What somebody named goes; what reports by itself stays.
                machine.source = Source::Found;
                for row in machine.rows.clone() {
                    if let Some(member) = self.members.get_mut(&row) {
                        member.listing = None;
                        member.resize();
                    }
                }
                self.changed(node);
                return Ok(Vec::new());
            }
            Source::Found if machine.is_heard() => return Err(Refusal::Reporting { name: name.to_owned() }),
            Source::Added | Source::Found => {}
        }
        Ok(self.dismiss(node))
    }

    /// Forgets a machine that reports no more, with all that commands said of it.
    ///
    /// # Errors
    /// Nobody is called so, or something would bring it back.
    pub fn forget(&mut self, name: &str) -> Result<Vec<Event>, Refusal> {
        let node = self.named(name)?;
        match self.machines.get(&node) {
            Some(machine) if machine.is_heard() => Err(Refusal::Reporting { name: name.to_owned() }),
            Some(machine) if machine.source == Source::Configured => {
                Err(Refusal::Configured { name: name.to_owned() })
            }
            _ => Ok(self.dismiss(node)),
        }
    }

    /// Has a machine take no new work. What runs there may end.
    ///
    /// # Errors
    /// Nobody is called so.
    pub fn drain(&mut self, name: &str) -> Result<Vec<Event>, Refusal> {
        self.set_drained(name, true)
    }

    /// Has a machine take new work again.
    ///
    /// # Errors
    /// Nobody is called so.
    pub fn undrain(&mut self, name: &str) -> Result<Vec<Event>, Refusal> {
        self.set_drained(name, false)
    }

    fn set_drained(&mut self, name: &str, wanted: bool) -> Result<Vec<Event>, Refusal> {
        let id = self.named(name)?;
        let Some(machine) = self.machines.get(&id) else { return Ok(Vec::new()) };
        if machine.node.draining.by_operator == wanted {
            return Ok(Vec::new());
        }
        let node = Arc::clone(&machine.node.name);
        self.change(id, |node| node.draining.by_operator = wanted);
        let event =
            if wanted { Event::Draining { node, by_agent: false } } else { Event::Undrained { node } };
        Ok(self.finish(vec![event]))
    }

    /// Says what the operator calls a machine's properties, in place of what was said before.
    ///
    /// # Errors
    /// Nobody is called so, or there are too many.
    pub fn label(&mut self, name: &str, labels: BTreeMap<String, String>) -> Result<Vec<Event>, Refusal> {
        check(&labels)?;
        let id = self.named(name)?;
        let Some(machine) = self.machines.get_mut(&id) else { return Ok(Vec::new()) };
        machine.is_labelled = true;
        if machine.node.labels == labels {
            return Ok(Vec::new());
        }
        let node = Arc::clone(&machine.node.name);
        self.change(id, |node| node.labels = labels);
        Ok(self.finish(vec![Event::Labelled { node }]))
    }

    /// Wants a model in a machine's memory, whatever comes, from now on.
    ///
    /// # Errors
    /// Nobody is called so, it does not have the model, or too many are pinned there.
    pub fn pin(&mut self, name: &str, model: &ModelName) -> Result<Vec<Event>, Refusal> {
        let id = self.named(name)?;
        let Some(machine) = self.machines.get(&id) else { return Ok(Vec::new()) };
        let mut members = machine.rows.iter().filter_map(|row| self.members.get(row));
        if !members.any(|member| member.backend.holdings.contains_key(model)) {
            return Err(Refusal::NoModel { name: name.to_owned(), model: model.clone() });
        }
        if machine.node.pins.contains(model) {
            return Ok(Vec::new());
        }
        if machine.node.pins.len() >= PINS {
            return Err(Refusal::Pins { name: name.to_owned() });
        }
        let node = Arc::clone(&machine.node.name);
        self.change(id, |node| _ = node.pins.insert(model.clone()));
        Ok(self.finish(vec![Event::Pinned { node, model: model.clone() }]))
    }

    /// Lets a model go from a machine's memory when others are worth more.
    ///
    /// # Errors
    /// Nobody is called so.
    pub fn unpin(&mut self, name: &str, model: &ModelName) -> Result<Vec<Event>, Refusal> {
        let id = self.named(name)?;
        let machine = self.machines.get(&id).filter(|machine| machine.node.pins.contains(model));
        let Some(machine) = machine else { return Ok(Vec::new()) };
        let node = Arc::clone(&machine.node.name);
        self.change(id, |node| _ = node.pins.remove(model));
        Ok(self.finish(vec![Event::Unpinned { node, model: model.clone() }]))
    }

    /// Calls a machine otherwise.
    ///
    /// # Errors
    /// Nobody is called so, or somebody else is called as wanted.
    pub fn rename(&mut self, name: &str, wanted: &str) -> Result<Vec<Event>, Refusal> {
        let id = self.named(name)?;
        if !is_name(wanted) {
            return Err(Refusal::Name { name: wanted.to_owned() });
        }
        match self.named(wanted) {
            Ok(other) if other != id => return Err(Refusal::Taken { name: wanted.to_owned() }),
            _ => {}
        }
        let Some(machine) = self.machines.get_mut(&id) else { return Ok(Vec::new()) };
        machine.is_renamed = true;
        let from = Arc::clone(&machine.node.name);
        let node: Arc<str> = wanted.into();
        self.change(id, |it| it.name = Arc::clone(&node));
        Ok(self.finish(vec![Event::Renamed { from, node }]))
    }

    /// The machine that is called so.
    fn named(&self, name: &str) -> Result<NodeId, Refusal> {
        let mut machines = self.machines.values();
        let found = machines.find(|machine| *machine.node.name == *name).map(|machine| machine.node.id);
        found.ok_or_else(|| Refusal::Unknown { name: name.to_owned() })
    }

    /// Takes a machine out with all its servers.
    pub(super) fn dismiss(&mut self, node: NodeId) -> Vec<Event> {
        let rows = self.machines.get(&node).map(|machine| machine.rows.clone()).unwrap_or_default();
        for row in rows {
            self.strike(row);
        }
        let gone = self.machines.remove(&node);
        self.changed(node);
        self.is_crowded = false;
        let left = gone.map(|machine| Event::Left { node: Arc::clone(&machine.node.name) });
        self.finish(left.into_iter().collect())
    }
}

/// Who a server is that is known by nothing but where it listens.
fn id(origin: &Origin) -> BackendId {
    BackendId { node: NodeId::from_origin(&origin.to_string()), port: origin.port }
}

fn check(labels: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let fits = |(key, text): (&String, &String)| key.len() <= LABEL && text.len() <= LABEL;
    if labels.len() <= LABELS && labels.iter().all(fits) { Ok(()) } else { Err(Refusal::Labels) }
}
