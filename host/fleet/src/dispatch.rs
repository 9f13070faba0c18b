//! Dispatch: who is served when and where, which models are loaded, and who is told to come again later. It binds late: a
//! request is sent when a slot is free for it, and until then it waits here, bound to no backend, and is looked at anew
//! whenever something changes.
//!
//! It does no I/O, reads no clock and draws no lots. Whoever drives it tells what happened, with the time, the picture of
//! the fleet and the signals, and carries out the [`Action`]s that it answers with. The data plane and the simulator drive
//! the very same code:
//!
//! 1. [`arrive`](Dispatch::arrive) answers at once; nobody who waits is looked at, and no line is touched while nobody
//!    waits for the same model.
//! 2. [`ended`](Dispatch::ended), [`left`](Dispatch::left), [`load_ended`](Dispatch::load_ended) take down what happened.
//! 3. When [`is_due`](Dispatch::is_due), and at [`wake_at`](Dispatch::wake_at), and when there is a new picture of the
//!    fleet, [`turn`](Dispatch::turn) looks at those who wait, at most 64 of them.
//! 4. [`next_action`](Dispatch::next_action) until there is none.

mod answer;
mod ask;
mod cache;
mod choose;
mod eye;
mod fair;
mod ledger;
mod loading;
mod loads;
mod models;
mod predict;
mod queue;
mod rules;
mod scan;
mod wish;
mod work;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use answer::{
    Action, Arrival, Cause, Grant, LoadEnd, LoadId, LoadOrder, Place, Progress, Refusal, RunEnd, RunId,
    UnloadOrder,
};
pub use ask::{Ask, Class, Client, Part, Prompt};
pub use rules::{Binding, Bounds, Rules, Tuning};
pub use wish::{Unfulfilled, Wish};

use crate::id::{Generation, RequestId};
use crate::moment::Moment;
use crate::policy::SignalPolicy;
use crate::snapshot::Snapshot;

use choose::{Found, Looked, What};
use eye::Eye;
use loading::Habit;
use loads::Loads;
use models::Models;
use queue::{Key, Line, Stirred, Waiting};
use work::Works;

/// New readings alone have all who wait looked at this seldom.
const LOOKED_AT_ALL_EVERY: Duration = Duration::from_secs(1);

/// Parts of prompts that mirrors of prompt caches may hold together: 16 MiB.
const PARTS_MOST: usize = 1 << 20;
/// They are counted once in so many endings. In between they grow by 4 MiB at most.
const MIRRORS_COUNTED_EVERY: u32 = 1_024;

/// When and in which world something happens.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The time.
    pub now: Moment,
    /// The newest picture of the fleet.
    pub snapshot: &'a Snapshot,
    /// The live signals.
    pub policy: &'a dyn SignalPolicy,
}

/// Who runs, who waits, and what is loaded.
#[derive(Debug, Default)]
pub struct Dispatch {
    rules: Rules,
    models: Models,
    works: Works,
    loads: Loads,
    /// By the number of the model.
    lines: Vec<Line>,
    /// Where each request that waits stands.
    places: HashMap<RequestId, (u32, Key)>,
    /// When each request that waits is looked at for the last time, and when it is refused.
    deadlines: BTreeSet<(Moment, RequestId)>,
    /// How models were asked for lately, by the number of the model.
    habits: Vec<Habit>,
    /// Models of which a copy may be worth buying.
    shopping: BTreeSet<u32>,
    /// Models that are pinned somewhere.
    pins: usize,
    /// What operators want that waits for its machine.
    wishes: Vec<wish::Wished>,
    actions: VecDeque<Action>,
    /// The picture that was looked at last.
    seen: Option<(Generation, Generation)>,
    /// When new readings last had all who wait looked at.
    looked_at_all: Moment,
    ended_since: u32,
    due: bool,
    wake_at: Option<Moment>,
}

impl Dispatch {
    /// Nobody waits, nothing runs.
    pub fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// A request wants a slot. It is answered at once; one that has to wait hears more by an [`Action`].
    pub fn arrive(&mut self, ask: Ask, world: World<'_>) -> Arrival {
        self.look_around(world);
        let Some(model) = self.models.number(&ask.profile.model) else {
            return self.refuse_unknown(&ask, world);
        };
        self.note_habit(model, &ask, world.now);
        if self.line(model).is_some_and(|line| !line.is_empty()) {
            return self.join(ask, model, world);
        }
        let looked = Looked { ask: &ask, model, bound: None, hurried: false };
        let found = choose::look(&self.eye(world.now), world, looked);
        match found {
            Found::Never(refusal) => Arrival::Refuse(refusal),
            Found::Later(chance) => {
                let arrival = self.wait(ask, model, None, world);
                self.wake_line(model, chance, world.now);
                arrival
            }
            Found::Choice(choice) => {
                if let What::Send { context } = choice.what
                    && let Some(grant) = self.send(&ask, (model, world.now), &choice, context)
                {
                    self.learn(&ask, model, &choice, (world, Duration::ZERO));
                    return Arrival::Send(Box::new(grant));
                }
                self.wait(ask, model, Some(&choice), world)
            }
        }
    }

    /// A run's answer began well: the model is there, and what follows is decoding.
    pub fn answering(&mut self, run: RunId, now: Moment) {
        let Some(station) = self.works.get_mut(run.row, run.model) else { return };
        if let Some(run) = station.runs.iter_mut().find(|known| known.number == run.number) {
            run.answering = true;
            run.credit = None;
            run.holding.live.credit_success(now);
        }
    }

    /// A run ended, however it did: its slot is free. Telling it twice does nothing.
    pub fn ended(&mut self, run: RunId, end: RunEnd, now: Moment) {
        let Some(station) = self.works.get_mut(run.row, run.model) else { return };
        let Some(ended) = station.end(run.number, now) else { return };
        if let Some(cache) = ended.cache {
            let held = match end {
                RunEnd::Answered { tokens } => Some((ended.prompt, ended.prompt_tokens, tokens)),
                RunEnd::Failed => None,
            };
            station.caches.give_back(cache, held, now);
        }
        // The slot, before anybody looks for one.
        drop(ended.slot);
        if station.closed.is_some() {
            self.due = true;
        }
        self.stir(run.model, Stirred::Slots);
        self.bound_mirrors();
    }

    /// Whoever sent a request that waits has gone.
    pub fn left(&mut self, request: RequestId) {
        if let Some((model, _)) = self.take_out(request, false) {
            self.stir(model, Stirred::Slots);
            self.abandon_loads(model);
        }
    }

    /// A load, or letting go of a model, ended.
    pub fn load_ended(&mut self, load: LoadId, end: LoadEnd, now: Moment) {
        self.close_load(load, end, now);
    }

    /// Looks at those who wait, and at the loads that are due. Returns when to be called again if nothing happens until
    /// then; it may be at once, when there is more to do than one turn does.
    pub fn turn(&mut self, world: World<'_>) -> Option<Moment> {
        self.due = false;
        self.wake_at = None;
        self.look_around(world);
        self.expire(world);
        self.tend_loads(world);
        self.fulfil(world);
        self.scan(world);
        self.buy(world);
        if let Some((deadline, _)) = self.deadlines.first().copied() {
            self.wake(deadline);
        }
        if self.due {
            self.wake(world.now);
        }
        self.wake_at
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether a turn has something to do now.
    pub fn is_due(&self) -> bool {
        self.due
    }

    /// When a turn has something to do by itself.
    pub fn wake_at(&self) -> Option<Moment> {
        self.wake_at
    }

    /// How many wait, for all models.
    pub fn waiting(&self) -> usize {
        self.places.len()
    }

    /// How many requests run.
    pub fn running(&self) -> usize {
        self.works.iter().map(|(_, station)| station.runs.len()).sum()
    }

    /// Where a request stands that waits.
    pub fn place(&self, request: RequestId, world: World<'_>) -> Option<Place> {
        let (model, key) = *self.places.get(&request)?;
        let ahead = self.line(model)?.ahead(key);
        Some(Place { ahead, wait: self.predicted_wait(model, ahead, world) })
    }

    fn eye(&self, now: Moment) -> Eye<'_> {
        let Self { rules, models, works, loads, pins, .. } = self;
        Eye { rules, models, works, loads, has_pins: *pins > 0, now }
    }

    fn line(&self, model: u32) -> Option<&Line> {
        self.lines.get(model as usize)
    }

    fn line_mut(&mut self, model: u32) -> Option<&mut Line> {
        self.lines.get_mut(model as usize)
    }

    /// Something changed for those who wait for a model.
    fn stir(&mut self, model: u32, stirred: Stirred) {
        if let Some(line) = self.line_mut(model).filter(|line| !line.is_empty()) {
            line.stirred = line.stirred.max(stirred);
            self.due = true;
        }
    }

    /// Something changed for all who wait.
    fn stir_all(&mut self, stirred: Stirred) {
        for line in self.lines.iter_mut().filter(|line| !line.is_empty()) {
            line.stirred = line.stirred.max(stirred);
            self.due = true;
        }
    }

    fn wake(&mut self, at: Moment) {
        self.wake_at = Some(self.wake_at.map_or(at, |before| before.min(at)));
    }

    /// Takes notice of a new picture of the fleet.
    fn look_around(&mut self, world: World<'_>) {
        let World { snapshot, .. } = world;
        let newest = (snapshot.generation, snapshot.topology);
        if self.seen == Some(newest) {
            return;
        }
        let moved = self.seen.is_none_or(|(_, topology)| topology != snapshot.topology);
        self.seen = Some(newest);
        if moved {
            for name in snapshot.models() {
                self.models.intern(name);
            }
            self.lines.resize_with(self.models.len(), Line::default);
            self.habits.resize(self.models.len(), Habit::default());
            let rows: BTreeSet<_> = snapshot.backends().iter().map(|backend| backend.row).collect();
            self.works.keep(|row| rows.contains(&row));
            self.forget_lost_loads(|row| rows.contains(&row));
        }
        // Readings move with every heartbeat, and what they change is seldom worth a look at everybody.
        let is_time = world.now.since(self.looked_at_all) >= LOOKED_AT_ALL_EVERY;
        if moved || is_time {
            self.looked_at_all = world.now;
        }
        self.stir_all(if moved || is_time { Stirred::All } else { Stirred::Slots });
    }

    /// Forgets what caches are predicted to hold, the older half of it, when it has become too much.
    fn bound_mirrors(&mut self) {
        self.ended_since += 1;
        if self.ended_since < MIRRORS_COUNTED_EVERY {
            return;
        }
        self.ended_since = 0;
        let held = self.works.iter().flat_map(|(_, station)| station.caches.held());
        let mut held: Vec<_> = held.filter(|(_, parts)| *parts > 0).collect();
        if held.iter().map(|(_, parts)| parts).sum::<usize>() <= PARTS_MOST {
            return;
        }
        held.sort_unstable();
        if let Some((middle, _)) = held.get(held.len() / 2) {
            self.works.iter_mut().for_each(|station| station.caches.forget(*middle));
        }
    }

    /// What to say of a model that nobody ever held.
    fn refuse_unknown(&self, ask: &Ask, world: World<'_>) -> Arrival {
        let field =
            crate::Field::survey_by(&ask.profile, world.snapshot, (&ask.tried, world.now), |_, _| None);
        Arrival::Refuse(Box::new(Refusal::Lacking(field)))
    }
}

impl Dispatch {
    /// Takes a request out of its line.
    fn take_out(&mut self, request: RequestId, served: bool) -> Option<(u32, Waiting)> {
        let (model, key) = self.places.remove(&request)?;
        let waiting = self.line_mut(model)?.remove(key, served)?;
        self.deadlines.remove(&(scan::looked_last(&waiting), request));
        self.deadlines.remove(&(waiting.ask.deadline, request));
        self.release(model, waiting.reserved);
        if self.line(model).is_some_and(Line::is_empty) {
            // Sums of floating numbers do not come back to nothing by themselves.
            for station in self.works.iter_mut().filter(|station| station.model == model) {
                station.reserved_ms = 0.0;
            }
        }
        Some((model, waiting))
    }

    /// Gives a reservation back.
    fn release(&mut self, model: u32, reserved: Option<(crate::RowId, f64)>) {
        if let Some((row, service_ms)) = reserved
            && let Some(station) = self.works.get_mut(row, model)
        {
            station.reserved_ms = (station.reserved_ms - service_ms).max(0.0);
        }
    }

    /// Takes a slot and notes what runs there; `None` when somebody else took the last one.
    fn send(
        &mut self,
        ask: &Ask,
        (model, now): (u32, Moment),
        choice: &choose::Choice,
        context: Option<u32>,
    ) -> Option<Grant> {
        let candidate = choice.decided.field().get(choice.at)?;
        let rates = self.eye(now).rates(candidate);
        let backend = Arc::clone(&candidate.backend);
        let holding = Arc::clone(&candidate.holding);
        let slot = holding.live.slots.try_acquire()?;
        // Where nobody loads a model beforehand the request itself does.
        let residency = holding.residency(now);
        let carries = matches!(residency, Some((state, _)) if state < crate::model::Residency::Resident);
        let load_ms = residency.map_or(0.0, |(_, rest_ms)| rest_ms);
        let credit = carries.then(|| holding.live.join_load(now));
        let progress = Arc::<Progress>::default();
        let profile = &ask.profile;
        let (run, cached_tokens) = self.works.change(backend.row, model, |station| {
            let number = station.next_number();
            let (cache, cached) =
                station.caches.take(&ask.prompt, profile.prompt_tokens, holding.live.slots.total());
            if let Some(context) = context {
                station.context = Some((context, now));
            }
            let prefill_ms = (profile.prompt_tokens - cached).max(0.0) / rates.prefill_per_s * 1e3;
            station.begin(work::Run {
                number,
                slot,
                holding: Arc::clone(&holding),
                progress: Arc::clone(&progress),
                began: now,
                answering: false,
                before_ms: load_ms + prefill_ms,
                expected_tokens: profile.expected_tokens,
                decode_per_s: rates.decode_per_s,
                cache,
                prompt: ask.prompt.clone(),
                prompt_tokens: profile.prompt_tokens,
                credit,
            });
            (number, cached)
        });
        let run = RunId { row: backend.row, model, number: run };
        let decision = Arc::clone(&choice.decided.decision);
        let waited = Duration::ZERO;
        Some(Grant { run, backend, holding, decision, context, cached_tokens, waited, progress })
    }
}
