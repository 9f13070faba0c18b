//! The router under test: the real fleet and the real dispatch, driven as the data plane drives them. What stands here is
//! what a driver does: it tells dispatch what happened and carries out what it says.
//!
//! Of machines it sees what an agent would tell, and of answers what comes over a connection; never a true length, rate or
//! cache.

mod beat;
mod lesson;
mod prompt;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use herdwick_fleet::breaker::suspects_itself;
use herdwick_fleet::dispatch::{
    Action as Order, Arrival, Ask, Client, Dispatch, Grant, LoadEnd, LoadId, Refusal as Why, Rules, RunEnd,
    World as Sky,
};
use herdwick_fleet::hang::Watch;
use herdwick_fleet::{
    Backend, Candidate, Claim, Column, Failure, Fleet, Holding, ModelName, Moment, NodeId, Observation,
    Profile, RequestId, Residency, RowId, SignalPolicy, Snapshot, Trial,
};

use self::lesson::{Busy, Lesson};
use self::prompt::Prompts;
use crate::fleets::{MODELS, ModelId, NodeNo};
use crate::node::{Health, Node};
use crate::router::{Action, News, Refusal, Router, Sight};
use crate::time::Time;
use crate::trace::Request;

/// Tries of a request, the first included.
pub const TRIES: usize = 3;
/// An answer that has begun, of a machine that is silent: it is given up after so long.
const SILENT_FOR: Duration = Duration::from_secs(20);
/// Servers whose agents are silent are asked so often.
const ASKS_EVERY: Duration = Duration::from_secs(1);
/// Turns of dispatch at one time; more means that it never comes to rest.
const TURNS: usize = 10_000;

/// How the router is set up.
#[derive(Clone)]
pub struct Setup {
    /// The signals.
    pub policy: Arc<dyn SignalPolicy>,
    /// The rules of dispatch.
    pub rules: Rules,
    /// How long a request can wait.
    pub patience: Duration,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Setup").field("rules", &self.rules).field("patience", &self.patience).finish()
    }
}

/// A request that is not over.
#[derive(Debug)]
struct Open {
    request: Request,
    id: RequestId,
    tried: Vec<RowId>,
    deadline: Moment,
    run: Option<Running>,
}

/// A request that was sent.
#[derive(Debug)]
struct Running {
    grant: Grant,
    node: NodeNo,
    first: Option<Moment>,
    lesson: Option<Lesson>,
    /// It counts as one that tries its backend, if anything is held against that.
    _trial: Option<Trial>,
    /// Whether its model had to be loaded.
    was_cold: bool,
    watch: Watch,
    /// Since when its backend cannot be reached, as far as anybody knows.
    cut_off: Option<Moment>,
}

/// What went wrong with an attempt.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// It failed.
    Failed(Failure),
    /// It was given up.
    Hangs,
}

/// A load that was ordered.
#[derive(Debug)]
struct Ordered {
    candidate: Candidate,
    node: NodeNo,
    model: ModelId,
    since: Moment,
    is_cached: bool,
}

/// The router.
#[derive(Debug)]
pub struct Herdwick {
    setup: Setup,
    fleet: Fleet,
    snapshot: Snapshot,
    dispatch: Dispatch,
    names: [ModelName; MODELS.len()],
    nodes: BTreeMap<NodeId, NodeNo>,
    open: BTreeMap<usize, Open>,
    ids: HashMap<RequestId, usize>,
    /// Loads that were ordered, with who was told.
    loads: BTreeMap<LoadId, Ordered>,
    busy: Busy,
    prompts: Prompts,
    asked: Moment,
    /// How many loads were ordered because somebody waited, and how many because they would have paid.
    pub ordered: (u64, u64),
}

impl Herdwick {
    /// Nothing is known yet.
    ///
    /// # Panics
    /// A model's name is none, which a test would show.
    pub fn new(setup: Setup) -> Self {
        #[expect(clippy::expect_used, reason = "names that stand in this crate")]
        let names = MODELS.map(|model| ModelName::parse(model.name).expect("a model's name"));
        let mut fleet = Fleet::default();
        Self {
            snapshot: fleet.snapshot(),
            fleet,
            dispatch: Dispatch::new(setup.rules),
            setup,
            names,
            nodes: BTreeMap::new(),
            open: BTreeMap::new(),
            ids: HashMap::new(),
            loads: BTreeMap::new(),
            busy: Busy::default(),
            prompts: Prompts::default(),
            asked: Moment::default(),
            ordered: (0, 0),
        }
    }

    fn take(&mut self, request: &Request, now: Moment, actions: &mut Vec<Action>) {
        let no = request.no;
        // As good as random, and the same in each run.
        let lot = u128::from((no as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let id = RequestId::new(now.0, lot);
        let open = Open {
            request: request.clone(),
            id,
            tried: Vec::new(),
            deadline: now.plus(self.setup.patience),
            run: None,
        };
        self.ids.insert(id, no);
        self.open.insert(no, open);
        self.arrive(no, now, actions);
    }

    /// A request asks dispatch for a slot, for the first time or again.
    fn arrive(&mut self, no: usize, now: Moment, actions: &mut Vec<Action>) {
        let Some(open) = self.open.get(&no) else { return };
        let request = &open.request;
        let profile = Profile {
            id: open.id,
            endpoint: "/api/chat",
            model: self.names[request.model.0].clone(),
            prompt_tokens: request.prompt,
            expected_tokens: self.expected(request),
            context_min_tokens: f64::NAN,
            context_tokens: f64::NAN,
            streaming: true,
            attempts: open.tried.len() as u32,
        };
        let mut ask = Ask::new(profile, open.deadline);
        ask.client = Client(request.client as u64);
        ask.bytes = (request.prompt * Profile::BYTES_PER_TOKEN) as u64;
        ask.tried.clone_from(&open.tried);
        ask.prompt = self.prompts.of(request);
        let policy = Arc::clone(&self.setup.policy);
        let sky = Sky { now, snapshot: &self.snapshot, policy: policy.as_ref() };
        match self.dispatch.arrive(ask, sky) {
            Arrival::Send(grant) => self.send(no, *grant, now, actions),
            Arrival::Wait(_) => {}
            Arrival::Refuse(why) => self.refuse(no, &why, actions),
        }
    }

    /// How long the answer is expected to get, as was learned.
    fn expected(&self, request: &Request) -> f64 {
        let holder = self.snapshot.holders(&self.names[request.model.0]).next();
        let learned = |holding: &Holding| holding.live.of_model.answer_tokens(&lesson::name(request));
        holder.map_or(Profile::PRIOR_ANSWER_TOKENS, |(_, holding)| learned(holding))
    }

    fn send(&mut self, no: usize, grant: Grant, now: Moment, actions: &mut Vec<Action>) {
        let Some(node) = self.nodes.get(&grant.backend.id.node).copied() else { return };
        let Some(open) = self.open.get_mut(&no) else { return };
        let candidate =
            Candidate { backend: Arc::clone(&grant.backend), holding: Arc::clone(&grant.holding) };
        let cached = cached_tokens(&grant);
        self.busy.count(node, open.request.model, 1.0, now);
        let lesson = Some(Lesson::begin(&candidate, (node, cached), &mut self.busy, now));
        let trial = grant.backend.live.breaker.begin();
        let was_cold = !matches!(grant.holding.residency(now), Some((Residency::Resident, _)));
        let watch = Watch::default();
        open.run =
            Some(Running { grant, node, first: None, lesson, _trial: trial, was_cold, watch, cut_off: None });
        actions.push(Action::Send(no, node));
    }

    fn refuse(&mut self, no: usize, why: &Why, actions: &mut Vec<Action>) {
        let Some(open) = self.close(no) else { return };
        let why = match why {
            Why::QueueFull { .. } | Why::TooMany { .. } => Refusal::Full,
            Why::TimedOut { .. } => Refusal::Late,
            Why::Lacking(_) | Why::Decided(_) if open.tried.is_empty() => Refusal::Nobody,
            Why::Lacking(_) | Why::Decided(_) => Refusal::Failed,
        };
        actions.push(Action::Refuse(no, why));
    }

    fn close(&mut self, no: usize) -> Option<Open> {
        let open = self.open.remove(&no)?;
        self.ids.remove(&open.id);
        Some(open)
    }

    fn ended(&mut self, running: &Running, model: ModelId, end: RunEnd, now: Moment) {
        self.busy.count(running.node, model, -1.0, now);
        self.dispatch.ended(running.grant.run, end, now);
    }

    /// An attempt came to nothing: it is tried elsewhere, unless the client has seen some of it or all tries are used up.
    fn fail(&mut self, no: usize, (how, now): (Trouble, Moment), actions: &mut Vec<Action>) {
        let Some(open) = self.open.get_mut(&no) else { return };
        let Some(running) = open.run.take() else { return };
        open.tried.push(running.grant.backend.row);
        let breaker = &running.grant.backend.live.breaker;
        match how {
            Trouble::Failed(failure) => breaker.failed(failure, running.was_cold, now),
            Trouble::Hangs => breaker.hung(now),
        };
        let model = open.request.model;
        let may_try = running.first.is_none() && open.tried.len() < TRIES;
        let end = match running.first {
            Some(_) => RunEnd::Answered { tokens: f64::from(running.grant.progress.count()) },
            None => RunEnd::Failed,
        };
        self.ended(&running, model, end, now);
        if may_try {
            self.arrive(no, now, actions);
        } else if self.close(no).is_some() {
            actions.push(Action::Refuse(no, Refusal::Failed));
        }
    }

    fn first_token(&mut self, no: usize, now: Moment) {
        let Some(running) = self.open.get_mut(&no).and_then(|open| open.run.as_mut()) else { return };
        running.first = Some(now);
        running.grant.holding.live.credit_success(now);
        running.grant.backend.live.breaker.succeeded(running.was_cold, now);
        self.dispatch.answering(running.grant.run, now);
    }

    fn done(&mut self, no: usize, now: Moment) {
        let Some(open) = self.close(no) else { return };
        let Some(mut running) = open.run else { return };
        let candidate = Candidate {
            backend: Arc::clone(&running.grant.backend),
            holding: Arc::clone(&running.grant.holding),
        };
        if let (Some(lesson), Some(first)) = (running.lesson.take(), running.first) {
            lesson.end(&open.request, (&candidate, first), &mut self.busy, now);
        }
        self.ended(&running, open.request.model, RunEnd::Answered { tokens: open.request.answer }, now);
    }

    fn left(&mut self, no: usize, now: Moment) {
        let Some(open) = self.close(no) else { return };
        match open.run {
            None => self.dispatch.left(open.id),
            Some(running) => {
                let end = match running.first {
                    Some(_) => RunEnd::Answered { tokens: f64::from(running.grant.progress.count()) },
                    None => RunEnd::Failed,
                };
                self.ended(&running, open.request.model, end, now);
            }
        }
    }

    fn load_ended(&mut self, (node, model): (NodeNo, ModelId), end: LoadEnd, now: Moment) {
        let ordered = self.loads.iter().find(|(_, ordered)| (ordered.node, ordered.model) == (node, model));
        let Some(id) = ordered.map(|(id, _)| *id) else { return };
        let Some(ordered) = self.loads.remove(&id) else { return };
        if end == LoadEnd::Done {
            lesson::load(&ordered.candidate, ordered.is_cached, now.since(ordered.since), now);
        }
        self.dispatch.load_ended(id, end, now);
    }

    /// Counts the pieces of answers that have come.
    fn count_pieces(&self, sight: Sight<'_>) {
        for open in self.open.values() {
            let Some(running) = open.run.as_ref().filter(|running| running.first.is_some()) else { continue };
            let made = sight.nodes[running.node.0].made(open.request.no, sight.now) as u32;
            let progress = &running.grant.progress;
            progress.pieces(made.saturating_sub(progress.count()));
        }
    }

    fn beat(&mut self, no: NodeNo, node: &Node, now: Moment) {
        let report = beat::report(no, node, now);
        self.nodes.insert(report.node, no);
        self.fleet.report(report);
        self.publish(now);
    }

    fn publish(&mut self, now: Moment) {
        if self.fleet.due().is_some_and(|due| due <= now) {
            self.fleet.expire(now);
        }
        self.snapshot = self.fleet.snapshot();
        let breakers = self.snapshot.backends().iter().map(|backend| &backend.live.breaker);
        suspects_itself(breakers, now);
    }

    /// Asks servers whose agents are silent, as the poller does.
    fn ask_servers(&mut self, sight: Sight<'_>, now: Moment) {
        if now.since(self.asked) < ASKS_EVERY {
            return;
        }
        self.asked = now;
        let callees = self.fleet.callees();
        for callee in &callees {
            let Some(node) = self.nodes.get(&callee.backend.node) else { continue };
            let claims = match sight.nodes[node.0].health {
                Health::Well => beat::claims(&sight.nodes[node.0]),
                Health::Hangs => vec![Claim::Silent("no answer in 1 s".to_owned())],
                Health::Dead => vec![Claim::Unreachable("connection refused".to_owned())],
            };
            for claim in claims {
                self.fleet.observe(Observation { backend: callee.backend, at: now, claim });
            }
        }
        if !callees.is_empty() {
            self.publish(now);
        }
    }

    /// Gives up what cannot be reached any more: attempts without an answer at once, others after a while, and loads.
    fn cut_off(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let backends: BTreeMap<RowId, Arc<Backend>> =
            self.snapshot.backends().iter().map(|backend| (backend.row, Arc::clone(backend))).collect();
        let is_reached =
            |row: &RowId| backends.get(row).is_some_and(|backend| backend.unreachable().is_none());
        let mut given_up = Vec::new();
        for (no, open) in &mut self.open {
            let Some(running) = &mut open.run else { continue };
            let row = running.grant.backend.row;
            if running.first.is_none() {
                let gone = match backends.get(&row) {
                    Some(backend) => {
                        running.watch.look(backend, &self.names[open.request.model.0], now).is_some()
                    }
                    None => true,
                };
                if gone {
                    given_up.push(*no);
                }
            } else if is_reached(&row) {
                running.cut_off = None;
            } else if now.since(*running.cut_off.get_or_insert(now)) >= SILENT_FOR {
                given_up.push(*no);
            }
        }
        for no in given_up {
            actions.push(Action::HangUp(no));
            self.fail(no, (Trouble::Hangs, now), actions);
        }
        let lost: Vec<LoadId> = self
            .loads
            .iter()
            .filter(|(_, ordered)| !is_reached(&ordered.candidate.backend.row))
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            self.loads.remove(&id);
            self.dispatch.load_ended(id, LoadEnd::Failed, now);
        }
    }

    /// Carries out what dispatch says, and lets it look at those who wait if it must or `wanted` says so, until it has
    /// nothing more to do.
    fn turn(&mut self, mut wanted: bool, now: Moment, actions: &mut Vec<Action>) {
        let policy = Arc::clone(&self.setup.policy);
        for _ in 0..TURNS {
            let mut is_quiet = true;
            while let Some(order) = self.dispatch.next_action() {
                is_quiet = false;
                self.carry_out(order, now, actions);
            }
            if is_quiet && !(wanted || self.dispatch.is_due()) {
                return;
            }
            if wanted || self.dispatch.is_due() {
                wanted = false;
                let sky = Sky { now, snapshot: &self.snapshot, policy: policy.as_ref() };
                self.dispatch.turn(sky);
            }
        }
        unreachable!("dispatch does not come to rest at {now:?}");
    }

    fn carry_out(&mut self, order: Order, now: Moment, actions: &mut Vec<Action>) {
        match order {
            Order::Send { request, grant } => match self.ids.get(&request).copied() {
                Some(no) => self.send(no, *grant, now, actions),
                None => self.dispatch.ended(grant.run, RunEnd::Failed, now),
            },
            Order::Refuse { request, refusal } => {
                if let Some(no) = self.ids.get(&request).copied() {
                    self.refuse(no, &refusal, actions);
                }
            }
            Order::Load(order) => {
                let Some((node, model)) = self.place(&order.backend, &order.holding.model.name) else {
                    return;
                };
                match order.cause {
                    herdwick_fleet::dispatch::Cause::Worth => self.ordered.1 += 1,
                    _ => self.ordered.0 += 1,
                }
                for name in &order.evict {
                    let victim = self.names.iter().position(|known| known == name).map(ModelId);
                    actions.extend(victim.map(|victim| Action::Unload(node, victim)));
                }
                actions.push(Action::Load(node, model));
                let is_cached =
                    order.holding.residency(now).is_some_and(|(state, _)| state == Residency::Warm);
                let candidate = Candidate { backend: order.backend, holding: order.holding };
                self.loads.insert(order.load, Ordered { candidate, node, model, since: now, is_cached });
            }
            Order::Unload(order) => {
                if let Some((node, model)) = self.place(&order.backend, &order.holding.model.name) {
                    actions.push(Action::Unload(node, model));
                }
                self.dispatch.load_ended(order.load, LoadEnd::Done, now);
            }
        }
    }

    fn place(&self, backend: &Backend, name: &ModelName) -> Option<(NodeNo, ModelId)> {
        let node = self.nodes.get(&backend.id.node).copied()?;
        Some((node, ModelId(self.names.iter().position(|known| known == name)?)))
    }
}

impl Router for Herdwick {
    fn hear(&mut self, news: &News, sight: Sight<'_>, actions: &mut Vec<Action>) {
        let now = sight.now.moment();
        self.count_pieces(sight);
        match news {
            News::Asked(request) => self.take(request, now, actions),
            News::FirstToken(no) => self.first_token(*no, now),
            News::Done(no) => self.done(*no, now),
            News::Failed(no) => self.fail(*no, (Trouble::Failed(Failure::Status), now), actions),
            News::Lost(no) => {
                if let Some(running) = self.open.get(no).and_then(|open| open.run.as_ref()) {
                    running.grant.backend.live.mark_refused();
                }
                self.fail(*no, (Trouble::Failed(Failure::Connect), now), actions);
            }
            News::Left(no) => self.left(*no, now),
            News::Loaded(node, model) => self.load_ended((*node, *model), LoadEnd::Done, now),
            News::LoadFailed(node, model) => self.load_ended((*node, *model), LoadEnd::Failed, now),
            News::Beat(no) => self.beat(*no, &sight.nodes[no.0], now),
            News::Due => self.publish(now),
        }
        self.ask_servers(sight, now);
        if matches!(news, News::Beat(_) | News::Due) {
            self.cut_off(now, actions);
        }
        let is_time = self.dispatch.wake_at().is_some_and(|at| at <= now);
        let is_news_of_fleet = matches!(news, News::Beat(_) | News::Due);
        self.turn(is_time || is_news_of_fleet, now, actions);
    }

    fn due(&self) -> Option<Time> {
        let due = [self.dispatch.wake_at(), self.fleet.due()];
        due.into_iter().flatten().min().map(Time::of)
    }

    fn complaint(&self) -> Option<String> {
        let running = self.open.values().filter(|open| open.run.is_some()).count();
        let waiting = self.open.len() - running;
        let most = self.setup.rules.bounds.per_model.saturating_mul(MODELS.len());
        if self.dispatch.running() != running {
            return Some(format!("dispatch says that {} run, and {running} do", self.dispatch.running()));
        }
        if self.dispatch.waiting() != waiting {
            return Some(format!("dispatch says that {} wait, and {waiting} do", self.dispatch.waiting()));
        }
        (waiting > most).then(|| format!("{waiting} wait, and {most} may"))
    }

    fn held(&self) -> usize {
        let inside = self.dispatch.waiting() + self.dispatch.running();
        self.open.len() + self.ids.len() + inside
    }
}

/// Prompt tokens that the cache there was taken to hold, as the decision saw it.
fn cached_tokens(grant: &Grant) -> f64 {
    let matrix = &grant.decision.matrix;
    let place = matrix.columns().iter().position(|column| *column == Column::CachedTokens);
    let row = matrix.iter().find(|(row, _)| *row == f64::from(grant.backend.row.0));
    place.zip(row).map_or(0.0, |(place, (_, values))| values[place].max(0.0))
}
