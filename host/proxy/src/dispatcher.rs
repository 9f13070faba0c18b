//! Drives the core's dispatch on the data thread: requests arrive at it, wait in it and leave it, and what it wants loaded is
//! handed on. It decides nothing; `fleet/dispatch.rs` does.
//!
//! Each request that waits has a channel of its own, so that a slot wakes whoever gets it and nobody else. A task beside
//! the requests gives the core its turns: when something happened that those who wait should know, and when the core says
//! so. While nobody waits, nothing wakes it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use herdwick_fleet::dispatch::{
    Action, Arrival, Ask, Bounds, Client, Dispatch, Grant, LoadEnd, LoadId, LoadOrder, Place, Refusal, Rules,
    RunEnd, RunId, Unfulfilled, UnloadOrder, Wish, World,
};
use herdwick_fleet::{LivePolicy, ModelName, Moment, RequestId, RowId, Snapshot};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep_until;

use crate::loading;
use crate::pins::Pins;
use crate::router::{Limits, Router};

/// While requests come, the core looks at least so often what would be worth a load.
const TURN_EVERY: Duration = Duration::from_secs(1);

/// Without anything to do the task looks so often whether models are pinned.
const PINS_EVERY: Duration = Duration::from_secs(5);

/// The core, and those who wait for its word.
pub struct Dispatcher {
    state: Mutex<State>,
    /// There is something to do for the task beside the requests.
    work: Notify,
    fleet: Arc<ArcSwap<Snapshot>>,
    policy: Arc<dyn LivePolicy>,
    /// Zero of the router's clock.
    start: Instant,
    /// Makes numbers of clients that say nothing of them.
    hasher: RandomState,
}

#[derive(Default)]
struct State {
    core: Dispatch,
    waiting: HashMap<RequestId, oneshot::Sender<Fate>>,
    orders: Vec<Order>,
    /// When the task wakes by itself.
    armed: Option<Moment>,
    turned: Moment,
    /// Models that are pinned, as the fleet said last.
    pins: Pins,
}

/// What becomes of a request that waited.
pub(crate) enum Fate {
    Go(Box<Grant>),
    Refused(Box<Refusal>),
}

/// A model to be loaded or let go of.
pub(crate) enum Order {
    Load(Box<LoadOrder>),
    Unload(Box<UnloadOrder>),
}

/// What a request that arrived is answered.
pub(crate) enum Arrived {
    Go(Box<Grant>),
    Waits(InLine, Place),
    Refused(Box<Refusal>),
}

/// A request's place in line. Dropping it takes the request out.
pub(crate) struct InLine {
    dispatcher: Arc<Dispatcher>,
    request: RequestId,
    word: oneshot::Receiver<Fate>,
}

impl Dispatcher {
    /// Of a fleet and its signals; `start` is the zero of the router's clock.
    pub fn new(
        limits: &Limits,
        fleet: Arc<ArcSwap<Snapshot>>,
        policy: Arc<dyn LivePolicy>,
        start: Instant,
    ) -> Self {
        let bounds = Bounds { per_model: limits.waiting, per_client: limits.waiting, ..Bounds::default() };
        let state = State { core: Dispatch::new(Rules { bounds, ..Rules::default() }), ..State::default() };
        let (state, work, hasher) = (Mutex::new(state), Notify::new(), RandomState::new());
        Self { state, work, fleet, policy, start, hasher }
    }

    /// Who shares fairly with whom: whoever shows the same key, else whoever asks from the same address or /64.
    pub(crate) fn client(&self, key: Option<&[u8]>, address: IpAddr) -> Client {
        Client(match (key, address.to_canonical()) {
            (Some(key), _) => self.hasher.hash_one(key),
            (None, IpAddr::V4(address)) => self.hasher.hash_one(address.octets()),
            (None, IpAddr::V6(address)) => self.hasher.hash_one(address.octets().first_chunk::<8>()),
        })
    }

    /// A number for a conversation's name.
    pub(crate) fn session(&self, name: &[u8]) -> u64 {
        self.hasher.hash_one(name)
    }

    /// A request wants a slot.
    pub(crate) fn arrive(self: &Arc<Self>, ask: Ask) -> Arrived {
        let (snapshot, policy) = (self.fleet.load(), self.policy.pin());
        let world = World { now: self.now(), snapshot: &snapshot, policy: &*policy };
        let request = ask.profile.id;
        let mut state = self.lock();
        let arrived = match state.core.arrive(ask, world) {
            Arrival::Send(grant) => Arrived::Go(grant),
            Arrival::Refuse(refusal) => Arrived::Refused(refusal),
            Arrival::Wait(place) => {
                let (tell, word) = oneshot::channel();
                state.waiting.insert(request, tell);
                Arrived::Waits(InLine { dispatcher: Arc::clone(self), request, word }, place)
            }
        };
        let is_time = world.now.since(state.turned) >= TURN_EVERY;
        self.settle(&mut state, world.now, is_time);
        arrived
    }

    /// A run's answer began well.
    pub(crate) fn answering(&self, run: RunId) {
        let now = self.now();
        self.lock().core.answering(run, now);
    }

    /// A run ended.
    pub(crate) fn ended(&self, run: RunId, end: RunEnd) {
        let now = self.now();
        let mut state = self.lock();
        state.core.ended(run, end, now);
        self.settle(&mut state, now, false);
    }

    /// A load, or letting go of a model, ended.
    pub(crate) fn load_ended(&self, load: LoadId, end: LoadEnd) {
        let now = self.now();
        let mut state = self.lock();
        state.core.load_ended(load, end, now);
        self.settle(&mut state, now, true);
    }

    /// Takes an operator's wish down.
    ///
    /// # Errors
    /// Why nothing of it can be done.
    pub fn wish(&self, wish: Wish, row: RowId, model: &ModelName) -> Result<(), Unfulfilled> {
        let (snapshot, policy) = (self.fleet.load(), self.policy.pin());
        let world = World { now: self.now(), snapshot: &snapshot, policy: &*policy };
        let mut state = self.lock();
        let taken = state.core.wish(wish, (row, model), world);
        self.settle(&mut state, world.now, true);
        taken
    }

    /// Passes on what the core says, and wakes the task if there is something for it. Nobody is woken for nothing: on an
    /// idle fleet requests come and go without it.
    fn settle(&self, state: &mut State, now: Moment, is_time: bool) {
        state.pass_on(now);
        let is_sooner = state.core.wake_at().is_some_and(|at| state.armed.is_none_or(|armed| at < armed));
        if is_time || state.core.is_due() || is_sooner || !state.orders.is_empty() {
            self.work.notify_one();
        }
    }

    fn now(&self) -> Moment {
        Moment::on(self.start, Instant::now())
    }

    /// Held for microseconds, and across no await.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the core one turn, and tells it of pins. Returns when the next is due, whether anybody waits or anything is
    /// pinned, and what is to be loaded or let go of.
    fn turn(&self) -> (Option<Moment>, bool, Vec<Order>) {
        let (snapshot, policy) = (self.fleet.load(), self.policy.pin());
        let world = World { now: self.now(), snapshot: &snapshot, policy: &*policy };
        let mut state = self.lock();
        let State { core, pins, .. } = &mut *state;
        pins.tell(core, world);
        state.armed = state.core.turn(world);
        state.turned = world.now;
        state.pass_on(world.now);
        if state.core.is_due() {
            state.armed = Some(world.now);
        }
        let watches = state.core.waiting() > 0 || !state.pins.is_empty();
        (state.armed, watches, std::mem::take(&mut state.orders))
    }
}

/// Gives the core its turns, for as long as the router lives.
pub(crate) async fn run(router: Arc<Router>) {
    let dispatcher = Arc::clone(&router.dispatcher);
    let mut published = router.published();
    loop {
        published.mark_unchanged();
        let (next, watches, orders) = dispatcher.turn();
        for order in orders {
            tokio::spawn(loading::carry_out(Arc::clone(&router), order));
        }
        let at = next.map(|next| dispatcher.start + Duration::from_millis(next.0));
        if at.is_some_and(|at| at <= Instant::now()) {
            // There is more to do than one turn does, and others run on this thread.
            tokio::task::yield_now().await;
            continue;
        }
        tokio::select! {
            () = dispatcher.work.notified() => {}
            () = async { sleep_until(at.unwrap_or_else(Instant::now).into()).await }, if at.is_some() => {}
            // Whoever waits waits for something that may be in the next picture of the fleet; so do pinned models.
            Ok(()) = published.changed(), if watches => {}
            () = tokio::time::sleep(PINS_EVERY) => {}
        }
    }
}

impl State {
    fn pass_on(&mut self, now: Moment) {
        while let Some(action) = self.core.next_action() {
            match action {
                Action::Send { request, grant } => {
                    let unsent = match self.waiting.remove(&request) {
                        Some(tell) => tell.send(Fate::Go(grant)).err(),
                        None => Some(Fate::Go(grant)),
                    };
                    // Its client left at this very moment.
                    if let Some(Fate::Go(grant)) = unsent {
                        self.core.ended(grant.run, RunEnd::Failed, now);
                    }
                }
                Action::Refuse { request, refusal } => {
                    if let Some(tell) = self.waiting.remove(&request) {
                        // Whoever has left needs no word.
                        let _ = tell.send(Fate::Refused(refusal));
                    }
                }
                Action::Load(order) => self.orders.push(Order::Load(order)),
                Action::Unload(order) => self.orders.push(Order::Unload(order)),
            }
        }
    }
}

impl InLine {
    /// Waits for the core's word, which comes at the request's deadline at the latest. `None` only when the router ends.
    pub(crate) async fn word(&mut self) -> Option<Fate> {
        (&mut self.word).await.ok()
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        let Self { dispatcher, request, word } = self;
        let now = dispatcher.now();
        let mut state = dispatcher.lock();
        if state.waiting.remove(request).is_some() {
            state.core.left(*request);
        } else if let Ok(Fate::Go(grant)) = word.try_recv() {
            state.core.ended(grant.run, RunEnd::Failed, now);
        }
        dispatcher.settle(&mut state, now, false);
    }
}
