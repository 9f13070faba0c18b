//! One server is one member, however many ways it is known by: the operator names it, its agent reports it, the router
//! has it on its own machine. The agent's identity wins; what the operator said of it stays.

use std::net::IpAddr;
use std::sync::Arc;

use super::Fleet;
use super::machine::Machine;
use super::member::Member;
use crate::event::Event;
use crate::id::{BackendId, RowId};
use crate::live::HoldingLive;
use crate::node::Origin;
use crate::report::Agent;

/// Whose word counts where two machines name one server; more is better. Of two equals the first one stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Say {
    /// Nobody speaks for it.
    Plain,
    /// Anybody can write what its agent wrote, and it is silent.
    UnsignedBefore,
    /// Anybody can write what its agent writes.
    Unsigned,
    /// Its agent signed, and is silent.
    SignedBefore,
    /// Its agent signs.
    Signed,
}

/// Where a server is, by any of these addresses and ports.
struct Whereabouts {
    addresses: Vec<IpAddr>,
    ports: [u16; 2],
}

impl Fleet {
    /// Whether this server counts as that of another machine, whose agent reported it first. That is said once.
    pub(super) fn is_contested(&mut self, id: BackendId, origin: &Origin, events: &mut Vec<Event>) -> bool {
        let there = Whereabouts { addresses: self.addresses(origin, &[]), ports: [origin.port, id.port] };
        let Some(own) = self.machines.get(&id.node).map(say) else { return false };
        let others = self.others(id, &there);
        let owner = others.iter().filter_map(|row| {
            let machine = self.machines.get(&self.members.get(row)?.backend.id.node)?;
            (say(machine) != Say::Plain && say(machine) >= own).then(|| Arc::clone(&machine.node.name))
        });
        let owner = owner.take(1).next();
        let Some(machine) = self.machines.get_mut(&id.node) else { return false };
        let Some(owner) = owner else {
            machine.contested.remove(&id.port);
            return false;
        };
        if machine.contested.insert(id.port) {
            let node = Arc::clone(&machine.node.name);
            events.push(Event::Contested { node, owner, origin: Arc::new(origin.clone()) });
        }
        true
    }

    /// Makes one member of all that are the server in this row, as far as one of them has more say than the others.
    /// Says in which row it is.
    pub(super) fn unite(&mut self, row: RowId, events: &mut Vec<Event>) -> RowId {
        let mut row = row;
        while let Some((winner, loser)) = self.pair(row) {
            row = self.absorb(winner, loser, events);
        }
        row
    }

    /// Two rows of one server, of which the first has more say; one of them is `row`.
    fn pair(&self, row: RowId) -> Option<(RowId, RowId)> {
        let member = self.members.get(&row)?;
        let id = member.backend.id;
        let own = say(self.machines.get(&id.node)?);
        let there = self.whereabouts(member);
        self.others(id, &there).into_iter().find_map(|other| {
            let member = self.members.get(&other)?;
            match say(self.machines.get(&member.backend.id.node)?).cmp(&own) {
                std::cmp::Ordering::Less => Some((row, other)),
                std::cmp::Ordering::Greater => Some((other, row)),
                // Two that the operator named are two, as he said.
                std::cmp::Ordering::Equal => None,
            }
        })
    }

    /// Rows of other machines' servers that are there.
    fn others(&self, id: BackendId, there: &Whereabouts) -> Vec<RowId> {
        let is_other = |member: &Member| {
            // Ports are compared first: they are at hand, addresses are written.
            let backend = &member.backend;
            let meets = |port: u16| there.ports.contains(&port);
            backend.id.node != id.node
                && (meets(backend.origin.port) || meets(backend.id.port))
                && self
                    .addresses(&backend.origin, &member.addresses)
                    .iter()
                    .any(|address| there.addresses.contains(address))
        };
        self.members.iter().filter(|(_, member)| is_other(member)).map(|(row, _)| *row).collect()
    }

    fn whereabouts(&self, member: &Member) -> Whereabouts {
        let backend = &member.backend;
        Whereabouts {
            addresses: self.addresses(&backend.origin, &member.addresses),
            ports: [backend.origin.port, backend.id.port],
        }
    }

    /// The addresses of an origin: the one that it is, or those that its name stands for.
    fn addresses(&self, origin: &Origin, found: &[IpAddr]) -> Vec<IpAddr> {
        match origin.host.parse::<IpAddr>() {
            Ok(address) => vec![self.place(address)],
            Err(_) => found.iter().map(|address| self.place(*address)).collect(),
        }
    }

    /// Makes one member of two; says which row it has. That is the older one, so that whoever remembers it finds it.
    fn absorb(&mut self, winner: RowId, loser: RowId, events: &mut Vec<Event>) -> RowId {
        let row = winner.min(loser);
        let (Some(lost), Some(mut kept)) = (self.strike(loser), self.strike(winner)) else { return row };
        let id = kept.backend.id;
        let node = lost.backend.id.node;
        kept.listing = kept.listing.or(lost.listing);
        if kept.addresses.is_empty() {
            kept.addresses.clone_from(&lost.addresses);
        }
        kept.inherit(&lost, row == loser);
        let used = kept.lives.iter().map(|(name, live)| (name, &live.speed));
        self.learned.moved(lost.backend.id, id, used, kept.backend.seen.unwrap_or_default());
        kept.backend().row = row;
        kept.resize();
        if let Some(machine) = self.machines.get_mut(&id.node) {
            machine.rows.push(row);
        }
        self.rows.insert(id, row);
        self.members.insert(row, kept);
        self.hand_over(node, id, events);
        self.changed(id.node);
        row
    }

    /// What the operator said of a machine that nobody speaks for goes to the one that it turned out to be.
    fn hand_over(&mut self, from: crate::id::NodeId, to: BackendId, events: &mut Vec<Event>) {
        let is_over = self
            .machines
            .get(&from)
            .is_some_and(|machine| machine.rows.is_empty() && say(machine) == Say::Plain);
        let Some(lost) = is_over.then(|| self.machines.remove(&from)).flatten() else { return };
        self.changed(from);
        let Some(machine) = self.machines.get_mut(&to.node) else { return };
        // What somebody named keeps its name; what was only assumed has none.
        let is_ours = lost.is_listed() && !lost.is_assumed;
        let is_named = is_ours && !machine.is_renamed && !machine.is_listed();
        let agent = Arc::clone(&machine.node.name);
        let calls_itself: Arc<str> = machine.calls_itself.as_str().into();
        if is_ours && !machine.is_listed() {
            machine.source = lost.source;
        }
        machine.is_renamed |= lost.is_renamed && is_named;
        machine.is_labelled |= lost.is_labelled;
        self.change(to.node, |node| {
            if is_named {
                node.name = Arc::clone(&lost.node.name);
            }
            if !lost.node.labels.is_empty() {
                node.labels.clone_from(&lost.node.labels);
            }
            node.draining.by_operator |= lost.node.draining.by_operator;
        });
        let node = if is_named { Arc::clone(&lost.node.name) } else { agent };
        events.push(Event::Merged { node, agent: calls_itself });
    }
}

impl Member {
    /// Takes over what another member knew that is the same server. `is_elder` says that it was there first: then its
    /// live side is the one that others hold.
    fn inherit(&mut self, other: &Member, is_elder: bool) {
        for (name, live) in &other.lives {
            let own = self.lives.entry(name.clone()).or_insert_with(|| Arc::clone(live));
            // Requests may run by either count; the one with more of them is closer to the truth.
            if is_taken(live, own, is_elder) {
                *own = Arc::clone(live);
            }
        }
        let lives = std::mem::take(&mut self.lives);
        let backend = self.backend();
        if is_elder {
            backend.live = Arc::clone(&other.backend.live);
        }
        if backend.holdings.is_empty() {
            backend.holdings.clone_from(&other.backend.holdings);
            backend.listed = other.backend.listed;
            backend.reach = other.backend.reach.clone();
            backend.seen = other.backend.seen;
            backend.version = Arc::clone(&other.backend.version);
        }
        for (name, holding) in &mut backend.holdings {
            if let Some(live) = lives.get(name) {
                Arc::make_mut(holding).live = Arc::clone(live);
            }
        }
        self.lives = lives;
        self.pieces = self.backend.live.pieces();
    }
}

/// Whether another's live side is to be used in place of one's own.
fn is_taken(other: &HoldingLive, own: &HoldingLive, is_elder: bool) -> bool {
    let (other, own) = (other.slots.busy(), own.slots.busy());
    other > own || (other == own && is_elder)
}

fn say(machine: &Machine) -> Say {
    match (&machine.node.agent, machine.is_heard()) {
        (None, _) => Say::Plain,
        (Some(Agent::Herd { .. }), false) => Say::UnsignedBefore,
        (Some(Agent::Herd { .. }), true) => Say::Unsigned,
        (Some(Agent::Herdwick { .. }), false) => Say::SignedBefore,
        (Some(Agent::Herdwick { .. }), true) => Say::Signed,
    }
}
