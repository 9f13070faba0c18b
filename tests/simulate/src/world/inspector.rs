//! Watches a run and says which promises were broken. Must not know how the router works: it sees what machines are
//! given and what clients get.

use crate::faults::{Blow, Fault};
use crate::fleets::{ModelId, NodeNo};
use crate::node::{Health, Node};
use crate::router::{Action, News};
use crate::time::Time;
use crate::world::Record;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq)]
pub struct Breach {
    /// When.
    pub at: Time,
    /// Which, and how.
    pub what: String,
}

/// Past so many, further ones say nothing new.
const BREACHES: usize = 8;

/// What a router promises beyond what every router must do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Promises {
    /// It hands nothing over before its machine can take it. Whoever binds early does not promise that.
    pub binds_late: bool,
    /// It hands a request over at most so often; `None` = as often as it likes.
    pub attempts: Option<u32>,
    /// Whoever waits has an answer, or is told that there is none, within so long.
    pub answers_within: Option<Time>,
}

/// What is watched.
#[derive(Debug)]
pub(super) struct Inspector {
    /// What was found.
    pub breaches: Vec<Breach>,
    promises: Promises,
    /// Machines of which the router cannot know how they are: they died or hung, and have not told since that all is well.
    unsure: Vec<NodeNo>,
    /// Models that machines let go of by themselves, by machine.
    surprises: Vec<u64>,
}

impl Inspector {
    pub(super) fn new(promises: Promises) -> Self {
        Self { breaches: Vec::new(), promises, unsure: Vec::new(), surprises: Vec::new() }
    }

    /// The router's own books do not agree.
    pub(super) fn complain(&mut self, now: Time, complaint: String) {
        self.say(now, complaint);
    }

    /// Something goes wrong with a machine, or is put right.
    pub(super) fn struck(&mut self, fault: &Fault, nodes: usize) {
        // Whoever slept does not know what became of anybody.
        if matches!(fault.blow, Blow::Sleep(_)) {
            self.unsure.extend((0..nodes).map(NodeNo));
        }
        if matches!(fault.blow, Blow::Die | Blow::Hang { .. } | Blow::Recover) {
            self.unsure.push(fault.node);
        }
    }

    /// A machine is about to tell how it is.
    pub(super) fn heard(&mut self, no: NodeNo, node: &Node) {
        let is_known =
            node.health == Health::Well && node.everybody().is_empty() && node.loads.models().is_empty();
        if is_known {
            self.unsure.retain(|unsure| *unsure != no);
        }
    }

    fn say(&mut self, at: Time, what: String) {
        if self.breaches.len() < BREACHES {
            self.breaches.push(Breach { at, what });
        }
    }

    /// An action, before it is done.
    pub(super) fn before(&mut self, action: &Action, now: Time, records: &[Record], nodes: &[Node]) {
        match *action {
            Action::Send(no, node) => {
                let Some(record) = records.get(no) else {
                    return self.say(now, format!("request {no} was handed over and never asked"));
                };
                if record.is_at_machine() {
                    self.say(now, format!("request {no} was handed over while a machine had it"));
                }
                if let Some(end) = record.end.filter(|_| record.is_told) {
                    self.say(now, format!("request {no} was handed over after its end ({end:?})"));
                }
                if record.first.is_some() {
                    self.say(now, format!("request {no} was handed over again after its first token"));
                }
                if self.promises.attempts.is_some_and(|most| record.attempts >= most) {
                    self.say(now, format!("request {no} was handed over {} times", record.attempts + 1));
                }
                let Some(machine) = nodes.get(node.0) else {
                    return self.say(now, format!("request {no} was handed to machine {}", node.0));
                };
                let is_sure = machine.health == Health::Well && !self.unsure.contains(&node);
                if self.promises.binds_late && is_sure {
                    self.fits(now, no, (machine, record.request.model));
                }
            }
            Action::Refuse(no, why) => {
                let told = records.get(no).filter(|record| record.is_told);
                if let Some(end) = told.and_then(|record| record.end) {
                    self.say(now, format!("request {no} was refused ({why:?}) after its end ({end:?})"));
                }
                if records.get(no).is_some_and(Record::is_at_machine) {
                    self.say(now, format!("request {no} was refused ({why:?}) while a machine had it"));
                }
            }
            Action::Load(node, model) => {
                let Some(machine) = nodes.get(node.0) else { return };
                let is_sure = machine.health == Health::Well && !self.unsure.contains(&node);
                let others = machine.loads.models();
                if self.promises.binds_late && is_sure && !others.is_empty() {
                    let (name, model) = (&machine.spec.name, model.spec().name);
                    self.say(now, format!("{model} was to be loaded on {name}, which is loading {others:?}"));
                }
            }
            Action::HangUp(_) | Action::Unload(..) => {}
        }
    }

    /// Nothing is handed over before its machine can take it.
    fn fits(&mut self, now: Time, no: usize, (machine, model): (&Node, ModelId)) {
        let name = &machine.spec.name;
        let Some(runner) = machine.runner(model).filter(|runner| runner.is_ready) else {
            return self
                .say(now, format!("request {no} was handed to {name}, where its model is not in memory"));
        };
        if runner.free() <= runner.queue.len() {
            self.say(now, format!("request {no} was handed to {name}, whose slots are taken"));
        }
    }

    /// A machine, after something happened on it.
    pub(super) fn look(&mut self, no: NodeNo, node: &Node, now: Time) {
        if self.surprises.len() <= no.0 {
            self.surprises.resize(no.0 + 1, 0);
        }
        if std::mem::replace(&mut self.surprises[no.0], node.surprises) != node.surprises {
            self.unsure.push(no);
        }
        for model in ModelId::all() {
            let running = node.running(model);
            if running > node.spec.slots {
                self.say(now, format!("{} runs {running} of {}", node.spec.name, model.spec().name));
            }
        }
    }

    /// Everything, once nothing happens any more.
    pub(super) fn at_end(&mut self, records: &[Record], nodes: &[Node], (held, slept): (usize, Time)) {
        let last = records.iter().filter_map(|record| record.ended).max().unwrap_or_default();
        for record in records {
            let no = record.request.no;
            if record.end.is_none() {
                self.say(last, format!("request {no}, asked at {:.3} s, never ended", record.request.at.s()));
            }
            let answered = record.sent.into_iter().chain(record.ended).min();
            if let (Some(answered), Some(within)) = (answered, self.promises.answers_within)
                && answered - record.request.at > within + slept
            {
                let waited = (answered - record.request.at).s();
                self.say(last, format!("request {no} heard nothing for {waited:.3} s"));
            }
            if record.ended_again > 0 {
                self.say(last, format!("request {no} ended {} times", record.ended_again + 1));
            }
        }
        if held > 0 && records.iter().all(|record| record.end.is_some()) {
            self.say(last, format!("the router still holds {held} of what is over"));
        }
        for node in nodes.iter().filter(|node| node.health == Health::Well) {
            let left = node.everybody();
            if !left.is_empty() && records.iter().all(|record| record.end.is_some()) {
                self.say(last, format!("{} still runs {left:?}", node.spec.name));
            }
        }
    }
}

/// What news says, as numbers.
pub(super) fn digest(news: &News) -> [u64; 3] {
    let [kind, a, b] = match news {
        News::Asked(request) => [1, request.no, request.conversation],
        News::FirstToken(no) => [2, *no, 0],
        News::Done(no) => [3, *no, 0],
        News::Failed(no) => [4, *no, 0],
        News::Lost(no) => [5, *no, 0],
        News::Left(no) => [6, *no, 0],
        News::Loaded(node, model) => [7, node.0, model.0],
        News::LoadFailed(node, model) => [8, node.0, model.0],
        News::Beat(node) => [9, node.0, 0],
        News::Due => [11, 0, 0],
    };
    [kind as u64, a as u64, b as u64]
}

/// What an action says, as numbers.
pub(super) fn digest_action(action: &Action) -> [u64; 3] {
    let [kind, a, b] = match action {
        Action::Send(no, node) => [20, *no, node.0],
        Action::HangUp(no) => [21, *no, 0],
        Action::Load(node, model) => [22, node.0, model.0],
        Action::Unload(node, model) => [23, node.0, model.0],
        Action::Refuse(no, why) => [24, *no, *why as usize],
    };
    [kind as u64, a as u64, b as u64]
}
