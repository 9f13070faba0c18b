//! What silence means. An agent that was not heard for three beats is not believed any more, and its servers are asked
//! directly; after ten, a machine of which no server answers either is offline. When nobody at all was heard, it is the
//! router that slept: then it waits anew before it judges.

use std::sync::Arc;
use std::time::Duration;

use super::machine::{LOST_AFTER, STALE_AFTER};
use super::{Fleet, machine::Machine};
use crate::backend::Reach;
use crate::event::Event;
use crate::id::NodeId;
use crate::moment::Moment;
use crate::standing::{Draining, Standing};

/// Whoever looks so much later than agreed was stopped or asleep meanwhile, and missed what was said.
const LATE: Duration = Duration::from_secs(1);
/// Nobody was heard, if each agent missed so many beats when the first one missed [`STALE_AFTER`].
const ALL_MISS: u32 = 2;

impl Fleet {
    /// When [`Fleet::expire`] is to be called, at the latest. Reports may move it.
    pub fn due(&self) -> Option<Moment> {
        self.due
    }

    /// Draws the consequences of what was not heard until `now`.
    pub fn expire(&mut self, now: Moment) -> Vec<Event> {
        let mut events = Vec::new();
        let is_late = self.due.is_some_and(|due| now.since(due) >= LATE);
        if is_late || self.is_nobody_heard(now) {
            self.excuse(now, &mut events);
        }
        let nodes: Vec<_> = self.machines.keys().copied().collect();
        for node in nodes {
            self.expire_one(node, now, &mut events);
        }
        self.due = self.machines.values().filter_map(|machine| self.next(machine)).min();
        self.finish(events)
    }

    /// A server of a machine did not answer. If its agent was silent for long, and no other answers, it is offline.
    pub(super) fn fell_silent(&mut self, node: NodeId, now: Moment, events: &mut Vec<Event>) {
        let Some(machine) = self.machines.get(&node) else { return };
        if machine.node.standing != Standing::Stale || self.answers(machine) {
            return;
        }
        match machine.beats.map(|beats| beats.missed(LOST_AFTER)).filter(|lost| *lost > now) {
            Some(lost) => self.due = Some(self.due.map_or(lost, |due| due.min(lost))),
            None => self.lose(node, events),
        }
    }

    fn expire_one(&mut self, node: NodeId, now: Moment, events: &mut Vec<Event>) {
        let Some(machine) = self.machines.get(&node) else { return };
        let Some(beats) = machine.beats else { return };
        match machine.node.standing {
            Standing::Online | Standing::Held { .. } if beats.missed(STALE_AFTER) <= now => {
                let name = Arc::clone(&machine.node.name);
                let heard = machine.node.live.beat().unwrap_or(beats.last);
                events.push(Event::Silent { node: name, since: now.since(heard) });
                self.doubt(node);
            }
            Standing::Held { until } if until <= now => {
                events.push(Event::Released { node: Arc::clone(&machine.node.name) });
                self.change(node, |node| node.standing = Standing::Online);
            }
            Standing::Stale if beats.missed(LOST_AFTER) <= now => {
                if machine.node.draining.by_agent {
                    self.leave(node, events);
                } else if !self.answers(machine) {
                    self.lose(node, events);
                }
            }
            _ => {}
        }
    }

    /// From now on what its servers answer counts.
    fn doubt(&mut self, node: NodeId) {
        self.change(node, |node| node.standing = Standing::Stale);
        for row in self.machines.get(&node).map(|machine| machine.rows.clone()).unwrap_or_default() {
            if let Some(member) = self.members.get_mut(&row) {
                // Whatever flows from now on speaks for it.
                member.flowed();
                member.take_foreign(0);
            }
        }
    }

    fn lose(&mut self, node: NodeId, events: &mut Vec<Event>) {
        self.change(node, |node| node.standing = Standing::Lost);
        events.extend(self.name(node).map(|node| Event::Lost { node }));
    }

    /// An agent that said that it leaves has left. What its operator named stays, as it was without an agent.
    fn leave(&mut self, node: NodeId, events: &mut Vec<Event>) {
        let Some(machine) = self.machines.get_mut(&node) else { return };
        let rows = machine.rows.clone();
        let is_listed =
            rows.iter().any(|row| self.members.get(row).is_some_and(|member| member.listing.is_some()));
        if is_listed {
            machine.beats = None;
            self.change(node, |node| {
                node.standing = Standing::Plain;
                node.draining = Draining { by_agent: false, ..node.draining };
            });
            return;
        }
        for row in rows {
            if let Some(member) = self.members.get_mut(&row) {
                member.failed("its agent left".into(), events);
            }
        }
        self.lose(node, events);
    }

    /// Whether a server of it answers.
    fn answers(&self, machine: &Machine) -> bool {
        let mut members = machine.rows.iter().filter_map(|row| self.members.get(row));
        members.any(|member| member.backend.reach == Reach::Up)
    }

    /// Whether somebody is to be judged now, and everybody else is silent as well.
    fn is_nobody_heard(&self, now: Moment) -> bool {
        let heard = || self.machines.values().filter(|machine| machine.is_heard());
        let misses = |count: u32| {
            move |machine: &Machine| machine.beats.is_some_and(|beats| beats.missed(count) <= now)
        };
        heard().any(misses(STALE_AFTER)) && heard().count() >= 2 && heard().all(misses(ALL_MISS))
    }

    /// Gives every agent time anew, unless it had that since it was heard.
    fn excuse(&mut self, now: Moment, events: &mut Vec<Event>) {
        let heard = self.machines.values_mut().filter(|machine| machine.is_heard());
        let mut agents = 0;
        for beats in heard.filter_map(|machine| machine.beats.as_mut()) {
            if !beats.is_excused && beats.missed(1) <= now {
                (beats.last, beats.is_excused) = (now, true);
                agents += 1;
            }
        }
        if agents > 0 {
            events.push(Event::Slept { agents });
        }
    }

    /// When something is to be done about a machine, if nothing is heard.
    fn next(&self, machine: &Machine) -> Option<Moment> {
        let beats = machine.beats?;
        match machine.node.standing {
            Standing::Online => Some(beats.missed(STALE_AFTER)),
            Standing::Held { until } => Some(until.min(beats.missed(STALE_AFTER))),
            Standing::Stale if machine.node.draining.by_agent || !self.answers(machine) => {
                Some(beats.missed(LOST_AFTER))
            }
            Standing::Stale | Standing::Lost | Standing::Plain => None,
        }
    }
}
