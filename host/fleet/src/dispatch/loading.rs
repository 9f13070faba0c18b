//! Which models are loaded and let go of: for those who wait, for what would have paid lately, and for operators.

use std::sync::Arc;
use std::time::Duration;

use crate::candidate::Candidate;
use crate::id::RowId;
use crate::model::Residency;
use crate::moment::Moment;

use super::answer::{Action, Cause, LoadEnd, LoadId, LoadOrder, UnloadOrder};
use super::ask::Ask;
use super::loads::{Load, LoadState, Loads, Wants};
use super::predict;
use super::queue::{Stirred, Waiting};
use super::{Dispatch, World};

/// A load that failed is not tried again before this, doubled each time up to the most.
const NOT_AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(120));
/// A load that could not begin, since what was to give way did not become idle, is not planned again before this.
const RESTS: Duration = Duration::from_secs(30);
/// So long a longer context that somebody asked for is asked for in loads that others need.
const CONTEXT_KEEPS: Duration = Duration::from_secs(600);

/// A load of which nobody knows what it needs to have evicted is in the way of something when it takes twice as long as
/// predicted and this much more.
const BLIND_PATIENCE: Duration = Duration::from_secs(5);

/// How a model was asked for lately.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habit {
    /// The largest context, and when.
    context: Option<(u32, Moment)>,
    endpoint: &'static str,
}

impl Default for Habit {
    fn default() -> Self {
        Self { context: None, endpoint: "/api/generate" }
    }
}

impl Dispatch {
    /// Plans a load; it is ordered at once if nothing has to give way first. Nothing happens if the machine has one.
    pub(super) fn plan_load(&mut self, candidate: &Candidate, model: u32, wants: Wants, world: World<'_>) {
        let Candidate { backend, holding } = candidate;
        if self.loads.on(backend.node.id).is_some() {
            return;
        }
        let wants = Wants { context: self.largest_context(model, wants.context, world.now), ..wants };
        let eye = self.eye(world.now);
        let Some(plan) = eye.plan(backend, holding, model) else { return };
        let predicted_ms = predict::load_ms(holding, world.now);
        let id = self.loads.number();
        let mut closes = plan.victims;
        if self.works.get(backend.row, model).is_some_and(|station| !station.runs.is_empty())
            || !super::eye::is_absent(backend, holding, world.now)
        {
            closes.push(model);
        }
        for closed in &closes {
            self.works.change(backend.row, *closed, |station| station.closed = Some(id));
        }
        let until = Loads::drains_until(plan.drain_ms, world.now);
        self.loads.add(Load {
            id,
            backend: Arc::clone(backend),
            holding: Arc::clone(holding),
            model,
            wants: Some(wants),
            closes,
            state: LoadState::Draining { until },
            is_blind: plan.regret_ms.is_nan(),
            predicted_ms,
        });
        self.tend_loads(world);
    }

    /// Notes how a model is asked for.
    pub(super) fn note_habit(&mut self, model: u32, ask: &Ask, now: Moment) {
        let largest = ask.context.map(|_| self.largest_context(model, ask.context, now));
        let Some(habit) = self.habits.get_mut(model as usize) else { return };
        habit.endpoint = ask.profile.endpoint;
        if let Some(largest) = largest {
            habit.context = largest.map(|largest| (largest, now));
        }
    }

    /// The route by which a model was asked for last: one that only embeds is not loaded by another.
    pub(super) fn usual_endpoint(&self, model: u32) -> &'static str {
        self.habits.get(model as usize).map_or(Habit::default().endpoint, |habit| habit.endpoint)
    }

    /// The largest context of `asked` and what others asked for lately: two who alternate then need one load and not one
    /// each time.
    fn largest_context(&self, model: u32, asked: Option<u32>, now: Moment) -> Option<u32> {
        let known = self.habits.get(model as usize).and_then(|habit| habit.context);
        let fresh = known.filter(|(_, at)| now.since(*at) < CONTEXT_KEEPS).map(|(context, _)| context);
        asked.max(fresh)
    }

    /// Orders the loads whose victims are idle, and gives those up whose victims do not become so.
    pub(super) fn tend_loads(&mut self, world: World<'_>) {
        let (mut ready, mut late, mut stuck) = (Vec::new(), Vec::new(), Vec::new());
        for load in self.loads.iter() {
            let until = match load.state {
                LoadState::Draining { until } => until,
                LoadState::Ordered { since, .. } if load.is_blind => {
                    let until = since.plus(
                        BLIND_PATIENCE + Duration::from_secs_f64(load.predicted_ms.max(0.0) * 2.0 / 1e3),
                    );
                    if until <= world.now {
                        stuck.push(load.id);
                    } else {
                        self.wake_at = Some(self.wake_at.map_or(until, |before| before.min(until)));
                    }
                    continue;
                }
                LoadState::Ordered { .. } => continue,
            };
            let works = |model: &u32| {
                self.works.get(load.row(), *model).is_some_and(|station| !station.runs.is_empty())
            };
            if !load.closes.iter().any(works) {
                ready.push(load.id);
            } else if until <= world.now {
                late.push(load.id);
            } else {
                self.wake_at = Some(self.wake_at.map_or(until, |before| before.min(until)));
            }
        }
        for id in late {
            // Not at once again: those that were to give way have been kept waiting long enough.
            if let Some(load) = self.give_up(id) {
                let rest = world.now.plus(RESTS);
                self.works.change(load.row(), load.model, |station| station.not_before = Some(rest));
            }
        }
        for id in ready {
            self.order(id, world.now);
        }
        for id in stuck {
            self.clear_way(id, world);
        }
    }

    /// A load takes long, on a machine whose memory nobody tells of: what else is resident there gets no new work until it
    /// is over, since a server that is asked for a busy model again and again never makes room for another.
    fn clear_way(&mut self, id: LoadId, world: World<'_>) {
        let Some(load) = self.loads.get_mut(id) else { return };
        load.is_blind = false;
        let (row, now) = (load.row(), world.now);
        let Some(backend) = world.snapshot.backends().iter().find(|backend| backend.row == row) else {
            return;
        };
        let others = backend.holdings.values().filter(|other| {
            other.model.name != load.holding.model.name
                && matches!(other.residency(now), Some((Residency::Resident, _)))
        });
        let others: Vec<u32> = others.filter_map(|other| self.models.number(&other.model.name)).collect();
        load.closes.extend(&others);
        for other in others {
            self.works.change(row, other, |station| station.closed = station.closed.or(Some(id)));
        }
    }

    fn order(&mut self, id: LoadId, now: Moment) {
        let Some(load) = self.loads.get_mut(id) else { return };
        let credit = load.wants.map(|_| load.holding.live.join_load(now));
        load.state = LoadState::Ordered { since: now, _credit: credit };
        let (backend, holding) = (Arc::clone(&load.backend), Arc::clone(&load.holding));
        let (model, wants, closes) = (load.model, load.wants, load.closes.clone());
        let predicted = Duration::from_secs_f64(load.predicted_ms.max(0.0) / 1e3);
        let Some(Wants { context, cause, endpoint }) = wants else {
            // It stays closed until it is gone.
            let order = UnloadOrder { load: id, backend, holding };
            self.actions.push_back(Action::Unload(Box::new(order)));
            return;
        };
        let mut evict = Vec::new();
        for closed in closes {
            self.open(backend.row, closed, id);
            self.stir(closed, Stirred::All);
            self.works.change(backend.row, closed, |station| {
                station.caches.clear();
                station.context = None;
            });
            let Some(name) = self.models.name(closed) else { continue };
            if let Some(victim) = backend.holdings.get(name) {
                victim.live.credit_eviction(now);
            }
            if closed != model {
                evict.push(name.clone());
            }
        }
        self.works.change(backend.row, model, |station| station.caches.clear());
        let order = LoadOrder { load: id, backend, holding, context, evict, cause, endpoint, predicted };
        self.actions.push_back(Action::Load(Box::new(order)));
    }

    /// A model that was to give way takes work again.
    fn open(&mut self, row: RowId, model: u32, id: LoadId) {
        if let Some(station) = self.works.get_mut(row, model).filter(|station| station.closed == Some(id)) {
            station.closed = None;
        }
    }

    /// A load is over.
    pub(super) fn close_load(&mut self, id: LoadId, end: LoadEnd, now: Moment) {
        let Some(load) = self.give_up(id) else { return };
        let (row, model) = (load.row(), load.model);
        let Some(Wants { context, .. }) = load.wants else {
            if end == LoadEnd::Done {
                load.holding.live.credit_eviction(now);
                self.works.change(row, model, |station| station.caches.clear());
            }
            return;
        };
        match end {
            LoadEnd::Done => {
                self.works.change(row, model, |station| {
                    station.loaded = Some(now);
                    station.failures = 0;
                    station.not_before = None;
                    station.context = context.map(|context| (context, now));
                });
                load.holding.live.credit_success(now);
            }
            LoadEnd::Failed => {
                self.works.change(row, model, |station| {
                    let (first, most) = NOT_AGAIN;
                    let rest = most.min(first * 2_u32.pow(station.failures.min(8)));
                    station.failures += 1;
                    station.not_before = Some(now.plus(rest));
                });
                // Perhaps it was the longer context that did not fit.
                if let Some(habit) = self.habits.get_mut(model as usize) {
                    habit.context = None;
                }
                // To those who waited for it that is a try that failed; others find the machine resting.
                if let Some(line) = self.line_mut(model) {
                    let waited = |waiting: &&mut Waiting| waiting.reserved.is_some_and(|(at, _)| at == row);
                    for waiting in line.iter_mut().filter(waited) {
                        waiting.ask.tried.push(row);
                        waiting.bound = None;
                    }
                }
            }
        }
    }

    /// Forgets a load, whatever becomes of it. What was to give way takes work again.
    fn give_up(&mut self, id: LoadId) -> Option<Load> {
        let load = self.loads.remove(id)?;
        for closed in &load.closes {
            self.open(load.row(), *closed, id);
        }
        self.stir_all(Stirred::All);
        self.due |= !self.wishes.is_empty();
        Some(load)
    }

    /// Nobody waits for this model any more: loads of it that have not been ordered yet are not needed.
    pub(super) fn abandon_loads(&mut self, model: u32) {
        if self.line(model).is_some_and(|line| !line.is_empty()) {
            return;
        }
        let needless = |load: &&Load| {
            let is_wanted = load.wants.is_none_or(|wants| wants.cause != Cause::Demand);
            load.model == model && !is_wanted && load.is_draining()
        };
        let needless: Vec<_> = self.loads.iter().filter(needless).map(|load| load.id).collect();
        for id in needless {
            self.give_up(id);
        }
    }

    /// Forgets the loads of backends that are not there any more.
    pub(super) fn forget_lost_loads(&mut self, is_there: impl Fn(RowId) -> bool) {
        let lost: Vec<_> =
            self.loads.iter().filter(|load| !is_there(load.row())).map(|load| load.id).collect();
        for id in lost {
            self.give_up(id);
        }
    }
}
