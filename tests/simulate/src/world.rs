//! The event loop: clients ask, machines work, a router decides. Must not know any policy, and decides nothing itself.

mod inspector;
mod record;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::faults::{Blow, Fault};
use crate::fleets::{NodeNo, NodeSpec};
use crate::node::{Happening, Health, Node};
use crate::random::Random;
use crate::router::{Action, News, Refusal, Router, Sight};
use crate::time::Time;
use crate::trace::Conversation;

use self::inspector::Inspector;
pub use self::inspector::{Breach, Promises};
pub use self::record::{End, Record};

/// Between two beats of a machine.
pub const BEAT: Time = Time(1_000_000);
/// A machine says no (500) within so long.
const REFUSES_IN: Time = Time(2_000);

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The machines.
    pub machines: Vec<NodeSpec>,
    /// What clients ask.
    pub conversations: Vec<Conversation>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Clients that lose patience: what share of them, and after how many seconds in the mean.
    pub impatient: (f64, f64),
    /// What the router promises.
    pub promises: Promises,
    /// Randomness of beats, errors and patience.
    pub seed: u64,
    /// When it is given up that everything ends.
    pub until: Time,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Run {
    /// Every request, in the order of asking.
    pub records: Vec<Record>,
    /// The machines at the end.
    pub nodes: Vec<Node>,
    /// Moments of all loads that were begun.
    pub loads: Vec<Time>,
    /// When the last thing happened.
    pub ended: Time,
    /// A digest of every event and action in their order.
    pub hash: u64,
    /// Promises that were broken.
    pub breaches: Vec<Breach>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ask { conversation: usize, turn: usize },
    Beat(NodeNo),
    Blow(usize),
    Refuse { request: usize, attempt: u32 },
    Leave(usize),
    Wake,
}

/// A run under way.
pub struct World<'a> {
    setting: &'a Setting,
    router: &'a mut dyn Router,
    now: Time,
    nodes: Vec<Node>,
    records: Vec<Record>,
    events: BinaryHeap<Reverse<(Time, u64, Event)>>,
    scheduled: u64,
    loads: Vec<Time>,
    random: Random,
    /// Until when the router's machine sleeps, and what it will find when it wakes.
    asleep: Option<(Time, Vec<News>)>,
    /// Share of requests that each machine answers with 500.
    erring: Vec<f64>,
    /// Machines whose agent is silent as well as its server.
    silent: Vec<bool>,
    /// How long the router's machine slept in all.
    slept: Time,
    open: usize,
    inspector: Inspector,
    /// What the router has not heard yet.
    news: VecDeque<(News, u32)>,
    hash: u64,
}

impl<'a> World<'a> {
    /// Runs a setting to its end.
    pub fn run(setting: &'a Setting, router: &'a mut dyn Router) -> Run {
        let nodes: Vec<Node> = setting.machines.iter().cloned().map(Node::new).collect();
        let mut world = World {
            erring: vec![0.0; nodes.len()],
            silent: vec![false; nodes.len()],
            inspector: Inspector::new(setting.promises),
            news: VecDeque::new(),
            setting,
            router,
            now: Time::default(),
            nodes,
            records: Vec::new(),
            events: BinaryHeap::new(),
            scheduled: 0,
            loads: Vec::new(),
            random: Random::new(setting.seed, "world"),
            asleep: None,
            slept: Time::default(),
            open: 0,
            hash: 0xcbf2_9ce4_8422_2325,
        };
        world.begin();
        world.live();
        world.end()
    }

    fn begin(&mut self) {
        for node in 0..self.nodes.len() {
            // Every machine is known before the first request, as in a fleet that has been running.
            self.tell_router(News::Beat(NodeNo(node)));
            let first = Time(self.random.bits() % BEAT.0);
            self.schedule(first, Event::Beat(NodeNo(node)));
        }
        // A second to settle in.
        for (conversation, talk) in self.setting.conversations.iter().enumerate() {
            self.open += 1;
            self.schedule(BEAT + talk.start, Event::Ask { conversation, turn: 0 });
        }
        for (place, fault) in self.setting.faults.iter().enumerate() {
            self.schedule(fault.at, Event::Blow(place));
        }
    }

    fn live(&mut self) {
        loop {
            while let Some((news, epoch)) = self.news.pop_front() {
                if self.is_news(&news, epoch) {
                    self.hear(news);
                }
            }
            // A router that sleeps has yet to hear how the last ones ended.
            if self.open == 0 && self.asleep.is_none() {
                break;
            }
            let machines = self.nodes.iter().enumerate().map(|(no, node)| (node.next(), no));
            let machine = machines.min().unwrap_or((Time::NEVER, 0));
            let event = self.events.peek().map_or(Time::NEVER, |Reverse((at, ..))| *at);
            let due = if self.asleep.is_some() { None } else { self.router.due() };
            let due = due.unwrap_or(Time::NEVER).max(self.now);
            let next = machine.0.min(event).min(due);
            if next > self.setting.until {
                break;
            }
            self.now = next;
            if machine.0 == next {
                self.work(NodeNo(machine.1), |_, _, _| ());
            } else if event == next {
                if let Some(Reverse((_, _, event))) = self.events.pop() {
                    self.happen(event);
                }
            } else {
                self.tell_router(News::Due);
            }
        }
    }

    fn end(mut self) -> Run {
        self.inspector.at_end(&self.records, &self.nodes, (self.router.held(), self.slept));
        Run {
            records: self.records,
            nodes: self.nodes,
            loads: self.loads,
            ended: self.now,
            hash: self.hash,
            breaches: self.inspector.breaches,
        }
    }

    fn schedule(&mut self, at: Time, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((at, self.scheduled, event)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ask { conversation, turn } => self.ask(conversation, turn),
            Event::Beat(node) => {
                self.schedule(self.now + BEAT, event);
                let is_heard = self.nodes[node.0].health != Health::Dead && !self.silent[node.0];
                if is_heard {
                    if self.asleep.is_none() {
                        self.inspector.heard(node, &self.nodes[node.0]);
                    }
                    self.tell_router(News::Beat(node));
                }
            }
            Event::Blow(place) => {
                let fault = self.setting.faults[place].clone();
                self.note(&[10, place as u64]);
                self.strike(&fault);
            }
            Event::Refuse { request, attempt } => {
                let record = &self.records[request];
                if record.is_at_machine() && record.attempts == attempt {
                    self.leave_machine(request);
                    self.tell_router(News::Failed(request));
                }
            }
            Event::Leave(request) => {
                if self.records[request].end.is_none() {
                    self.leave_machine(request);
                    self.finish(request, End::Left);
                    self.tell_router(News::Left(request));
                }
            }
            Event::Wake => {
                if let Some((_, missed)) = self.asleep.take() {
                    missed.into_iter().for_each(|news| self.tell_router(news));
                }
            }
        }
    }

    fn ask(&mut self, conversation: usize, turn: usize) {
        let talk = &self.setting.conversations[conversation];
        let Some(request) = talk.request(conversation, turn, (self.records.len(), self.now)) else { return };
        self.records.push(Record::new(request.clone()));
        let (share, mean) = self.setting.impatient;
        if self.random.chance(share) {
            let patience = Time::seconds(self.random.exponential(mean));
            self.schedule(self.now + patience, Event::Leave(request.no));
        }
        self.tell_router(News::Asked(request));
    }

    /// Puts news behind others that the router has not heard yet.
    fn tell_router(&mut self, news: News) {
        let epoch = about(&news).and_then(|no| self.records.get(no)).map_or(0, |record| record.epoch);
        self.news.push_back((news, epoch));
    }

    /// Whether it still concerns somebody: what is said of an attempt that was given up meanwhile reaches nobody.
    fn is_news(&self, news: &News, epoch: u32) -> bool {
        match news {
            News::FirstToken(no) | News::Failed(no) | News::Lost(no) => self.records[*no].epoch == epoch,
            _ => true,
        }
    }

    /// Tells the router, and does what it says.
    fn hear(&mut self, news: News) {
        if let Some((_, missed)) = &mut self.asleep {
            // Beats wait in nobody's buffer for long; the next one says the same.
            if !matches!(news, News::Beat(_)) {
                missed.push(news);
            }
            return;
        }
        self.note(&inspector::digest(&news));
        if let (News::Done(no) | News::Left(no), Some(record)) =
            (&news, about(&news).and_then(|no| self.records.get_mut(no)))
        {
            debug_assert_eq!(record.request.no, *no, "records stand in the order of asking");
            record.is_told = true;
        }
        let mut actions = Vec::new();
        let sight = Sight { now: self.now, nodes: &self.nodes };
        self.router.hear(&news, sight, &mut actions);
        for action in actions {
            self.act(&action);
        }
        if let Some(complaint) = self.router.complaint() {
            self.inspector.complain(self.now, complaint);
        }
    }

    fn act(&mut self, action: &Action) {
        self.note(&inspector::digest_action(action));
        self.inspector.before(action, self.now, &self.records, &self.nodes);
        match *action {
            Action::Send(request, node) => self.send(request, node),
            Action::HangUp(request) => {
                self.records[request].epoch += 1;
                self.leave_machine(request);
            }
            Action::Load(node, model) if self.nodes[node.0].health == Health::Dead => {
                self.tell_router(News::LoadFailed(node, model));
            }
            Action::Load(node, model) => {
                self.work(node, |node, now, happened| node.load(model, now, happened))
            }
            Action::Unload(node, model) => {
                self.work(node, |node, now, happened| node.unload(model, now, happened));
            }
            Action::Refuse(request, why) => {
                if let Some(record) = self.records.get_mut(request).filter(|record| record.end.is_none()) {
                    record.is_told = true;
                }
                // Its client left, or its last token came, in the same moment.
                if self.records.get(request).is_some_and(|record| record.end.is_none() || record.is_told) {
                    self.finish(request, End::Refused(why));
                }
            }
        }
    }

    fn send(&mut self, no: usize, node: NodeNo) {
        let Some(record) = self.records.get_mut(no) else { return };
        if record.end.is_some() {
            return;
        }
        record.send(node, self.now);
        let attempt = record.attempts;
        if self.nodes[node.0].health == Health::Dead {
            self.leave_machine(no);
            self.tell_router(News::Lost(no));
            return;
        }
        if self.random.chance(self.erring[node.0]) {
            self.schedule(self.now + REFUSES_IN, Event::Refuse { request: no, attempt });
            return;
        }
        let request = self.records[no].request.clone();
        self.work(node, |node, now, happened| node.take(&request, now, happened));
    }

    /// Whatever a request has at a machine is given back.
    fn leave_machine(&mut self, no: usize) {
        let Some(node) = self.records[no].leave() else { return };
        self.work(node, |node, now, happened| node.drop_request(no, now, happened));
    }

    /// Brings a machine to now, does something to it, and tells what came of it.
    fn work(&mut self, no: NodeNo, change: impl FnOnce(&mut Node, Time, &mut Vec<Happening>)) {
        let (now, node) = (self.now, &mut self.nodes[no.0]);
        let mut happened = Vec::new();
        let before = node.loads_begun;
        node.advance(now, &mut happened);
        change(node, now, &mut happened);
        let begun = node.loads_begun - before;
        self.loads.extend((0..begun).map(|_| now));
        self.inspector.look(no, node, now);
        for happening in happened {
            self.tell(no, happening);
        }
    }

    fn tell(&mut self, node: NodeNo, happening: Happening) {
        match happening {
            Happening::FirstToken(no) => {
                if self.records[no].first_token(self.now) {
                    self.tell_router(News::FirstToken(no));
                }
            }
            Happening::Done(no) => {
                self.records[no].leave();
                self.finish(no, End::Done);
                self.tell_router(News::Done(no));
            }
            Happening::Failed(no) => {
                self.records[no].leave();
                self.tell_router(News::Failed(no));
            }
            Happening::Loaded(model) => self.tell_router(News::Loaded(node, model)),
            Happening::LoadFailed(model) => self.tell_router(News::LoadFailed(node, model)),
        }
    }

    fn finish(&mut self, no: usize, end: End) {
        let Some(record) = self.records.get_mut(no) else { return };
        if !record.finish(end, self.now) {
            return;
        }
        let request = &record.request;
        let talk = &self.setting.conversations[request.conversation];
        let (conversation, turn) = (request.conversation, request.turn + 1);
        match talk.turns.get(turn) {
            // Whoever got no answer does not go on.
            Some(next) if end == End::Done => {
                self.schedule(self.now + next.think, Event::Ask { conversation, turn });
            }
            _ => self.open -= 1,
        }
    }

    fn strike(&mut self, fault: &Fault) {
        let no = fault.node;
        self.inspector.struck(fault, self.nodes.len());
        match fault.blow {
            Blow::Sleep(time) => {
                let until = self.now + time;
                if self.asleep.is_none() {
                    self.slept = self.slept + time;
                    self.asleep = Some((until, Vec::new()));
                    self.schedule(until, Event::Wake);
                }
            }
            Blow::Die => {
                self.work(no, |_, _, _| ());
                for model in self.nodes[no.0].loads.models() {
                    self.tell_router(News::LoadFailed(no, model));
                }
                let lost = self.nodes[no.0].die(self.now);
                for request in lost {
                    self.records[request].leave();
                    self.tell_router(News::Lost(request));
                }
            }
            Blow::Hang { agent_too } => {
                self.work(no, |node, _, _| {
                    if node.health == Health::Well {
                        node.health = Health::Hangs;
                    }
                });
                self.silent[no.0] = agent_too;
            }
            Blow::Recover => {
                let now = self.now;
                self.nodes[no.0].recover(now);
                self.silent[no.0] = false;
                self.work(no, |_, _, _| ());
            }
            Blow::Slow(factor) => self.work(no, |node, _, _| node.slow = factor),
            Blow::Errs(share) => self.erring[no.0] = share,
            Blow::LoadsFail(fail) => self.work(no, |node, _, _| node.loads.fail = fail),
            Blow::Lists(model, is_there) => self.work(no, |node, _, _| {
                node.on_disk[model.0] = is_there && node.spec.fits(model);
            }),
        }
    }

    /// Adds to the digest of what happened.
    fn note(&mut self, words: &[u64]) {
        for word in std::iter::once(&self.now.0).chain(words) {
            self.hash = (self.hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(5);
        }
    }
}

impl End {
    /// Whether the client got what it asked for.
    pub fn is_good(self) -> bool {
        self == Self::Done
    }

    /// Whether the router refused it for this reason.
    pub fn is_refusal(self, why: Refusal) -> bool {
        self == Self::Refused(why)
    }
}

/// Which request news is about.
fn about(news: &News) -> Option<usize> {
    match news {
        News::Asked(request) => Some(request.no),
        News::FirstToken(no) | News::Done(no) | News::Failed(no) | News::Lost(no) | News::Left(no) => {
            Some(*no)
        }
        News::Loaded(..) | News::LoadFailed(..) | News::Beat(_) | News::Due => None,
    }
}
