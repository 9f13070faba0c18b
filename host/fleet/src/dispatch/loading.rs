//! Which models are loaded and let go of: for those who wait, for what would have paid lately, and for operators.

use std::sync::Arc;
use std::time::Duration;

use crate::candidate::Candidate;
use crate::id::RowId;
use crate::moment::Moment;

use super::answer::{Action, LoadEnd, LoadId, LoadOrder, UnloadOrder};
use super::ask::Ask;
use super::choose::Choice;
use super::loads::{Load, LoadState, Loads, Wants};
use super::predict;
use super::{Dispatch, World};

/// A load that failed, or could not begin, is not tried again before this, doubled each time …
const NOT_AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(120));

impl Dispatch {
    /// Plans a load; it is ordered at once if nothing has to give way first. Nothing happens if the machine has one.
    pub(super) fn plan_load(&mut self, candidate: &Candidate, model: u32, wants: Wants, world: World<'_>) {
        let Candidate { backend, holding } = candidate;
        if self.loads.on(backend.node.id).is_some() {
            return;
        }
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
            predicted_ms,
        });
        self.tend_loads(world);
    }

    /// Orders the loads whose victims are idle, and gives those up whose victims do not become so.
    pub(super) fn tend_loads(&mut self, world: World<'_>) {
        let mut ready = Vec::new();
        let mut late = Vec::new();
        for load in self.loads.iter() {
            let LoadState::Draining { until } = load.state else { continue };
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
            self.close_load(id, LoadEnd::Failed, world.now);
        }
        for id in ready {
            self.order(id, world.now);
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
            self.works.change(backend.row, closed, |station| station.caches.clear());
            let Some(name) = self.models.name(closed) else { continue };
            if let Some(victim) = backend.holdings.get(name) {
                victim.live.credit_eviction(now);
            }
            if closed != model {
                evict.push(name.clone());
            }
        }
        let order = LoadOrder { load: id, backend, holding, context, evict, cause, endpoint, predicted };
        self.actions.push_back(Action::Load(Box::new(order)));
    }

    /// A model that was to give way takes work again.
    fn open(&mut self, row: RowId, model: u32, id: LoadId) {
        if let Some(station) = self.works.get_mut(row, model).filter(|station| station.closed == Some(id)) {
            station.closed = None;
        }
    }

    /// A load is over, or given up.
    pub(super) fn close_load(&mut self, id: LoadId, end: LoadEnd, now: Moment) {
        let Some(load) = self.loads.remove(id) else { return };
        for closed in &load.closes {
            self.open(load.row(), *closed, id);
        }
        self.stir_all();
        self.due |= !self.wishes.is_empty();
        let Some(Wants { context, .. }) = load.wants else {
            if end == LoadEnd::Done {
                load.holding.live.credit_eviction(now);
                self.works.change(load.row(), load.model, |station| station.caches.clear());
            }
            return;
        };
        self.works.change(load.row(), load.model, |station| match end {
            LoadEnd::Done => {
                station.loaded = Some(now);
                station.failures = 0;
                station.not_before = None;
                station.context = context.map(|context| (context, now));
            }
            LoadEnd::Failed => {
                let (first, most) = NOT_AGAIN;
                let rest = most.min(first * 2_u32.pow(station.failures.min(8)));
                station.failures += 1;
                station.not_before = Some(now.plus(rest));
            }
        });
        if end == LoadEnd::Done {
            load.holding.live.credit_success(now);
        }
    }

    /// Notes what residency saved this request, or would have.
    pub(super) fn learn(
        &mut self,
        ask: &Ask,
        model: u32,
        choice: &Choice,
        (world, waited): (World<'_>, Duration),
    ) {
        let _ = (ask, model, choice, world, waited);
    }

    /// Buys what would have paid lately.
    pub(super) fn buy(&mut self, world: World<'_>) {
        let _ = world;
    }
}
