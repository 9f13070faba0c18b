//! What somebody found who asked a server itself.

use std::sync::Arc;

use super::member::Doubt;
use super::{Fleet, RESIDENT_KEEPS};
use crate::backend::CUT_OFF;
use crate::event::Event;
use crate::id::{NodeId, RowId};
use crate::moment::Moment;
use crate::observation::{Claim, Observation};
use crate::reading::Reading;
use crate::standing::Standing;

/// Addresses that one name may stand for; more are not looked at.
const ADDRESSES: usize = 16;

impl Fleet {
    /// Takes in what a probe found. An observation of somebody unknown changes nothing.
    pub fn observe(&mut self, observation: Observation) -> Vec<Event> {
        let Observation { backend: id, at, claim } = observation;
        let Some(machine) = self.machines.get(&id.node) else { return Vec::new() };
        let (is_heard, is_assumed) = (machine.is_heard(), machine.is_assumed);
        // Whoever was asked before its agent was heard again may have slept then.
        let is_late = is_heard && machine.beats.is_some_and(|beats| at < beats.last);
        let Some(row) = self.rows.get(&id).copied() else { return Vec::new() };
        let Some(member) = self.members.get_mut(&row) else { return Vec::new() };
        let mut events = Vec::new();
        match claim {
            Claim::Unreachable(_) | Claim::Silent(_) if is_late => {}
            // Bytes that flow outrank an answer that does not come: a busy machine may be slow to answer.
            Claim::Silent(_) if member.flowed() => {}
            Claim::Unreachable(why) | Claim::Silent(why) => {
                let why: Arc<str> = if is_heard && member.doubt != Doubt::None {
                    member.doubt = Doubt::Justified;
                    format!("{CUT_OFF}: {why}").into()
                } else {
                    why.into()
                };
                member.flowed();
                member.failed(why, &mut events);
                if is_assumed && member.backend.seen.is_none() {
                    // That nobody is there who was never there is no news.
                    events.clear();
                }
                self.fell_silent(id.node, at, &mut events);
            }
            Claim::Readings(readings, keeps) => {
                // What is not a number is not known; the reading before runs out by itself.
                let told = readings.into_iter().filter(|(_, value)| value.is_finite());
                let told = told.map(|(column, value)| (column, Reading::new(value, at, keeps)));
                member.backend().readings.extend(told);
            }
            Claim::Slots(slots) => {
                if !is_heard && member.told_slots != Some(slots) {
                    member.told_slots = Some(slots);
                    member.resize();
                }
            }
            Claim::Addresses(mut addresses) => {
                addresses.truncate(ADDRESSES);
                if member.addresses != addresses {
                    member.addresses = addresses;
                    self.unite(row, &mut events);
                }
            }
            Claim::Version(version) => {
                if *member.backend.version != *version {
                    member.backend().version = version.into();
                }
                self.answered(id.node, row, at, &mut events);
            }
            Claim::Models(models) => {
                self.answered(id.node, row, at, &mut events);
                if let Some(member) = self.members.get_mut(&row) {
                    member.backend().listed = Some(at);
                    member.take_models(models, &mut events);
                }
            }
            Claim::Resident(resident) => {
                self.answered(id.node, row, at, &mut events);
                if let Some(member) = self.members.get_mut(&row) {
                    member.take_resident(&resident, (at, RESIDENT_KEEPS), &mut events);
                    if !is_heard {
                        // Only an agent sees what others have running there.
                        member.take_foreign(0);
                    }
                }
            }
        }
        self.finish(events)
    }

    /// A server answered the router itself.
    fn answered(&mut self, node: NodeId, row: RowId, at: Moment, events: &mut Vec<Event>) {
        let Some(member) = self.members.get_mut(&row) else { return };
        member.backend.live.mark_reached();
        member.flowed();
        if std::mem::replace(&mut member.doubt, Doubt::None) != Doubt::None {
            self.calling = self.calling.next();
        }
        member.reached(at, events);
        let is_lost = self.machines.get(&node).is_some_and(|machine| machine.node.standing == Standing::Lost);
        if is_lost {
            self.change(node, |node| node.standing = Standing::Stale);
        }
    }
}
