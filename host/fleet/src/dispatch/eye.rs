//! What dispatch sees of a candidate: whether it could begin now, what a load there would cost, and the readings that only
//! dispatch knows. It looks and changes nothing.

use std::sync::Arc;

use crate::backend::{Backend, BackendKind, Holding};
use crate::candidate::{Candidate, Elimination};
use crate::column::{Column, Work};
use crate::learned::Rates;
use crate::model::Residency;
use crate::moment::Moment;

use super::ask::Ask;
use super::loads::Loads;
use super::models::Models;
use super::predict;
use super::rules::Rules;
use super::work::{self, Station, Sums, Works};

/// What the eviction of a pinned model would cost: more than anything else ever does, and still a number, since a signal
/// that reads an infinite one has no opinion.
pub(crate) const PINNED_MS: f64 = 1e9;
/// What the eviction of a model costs that was loaded a moment ago.
const DWELL_MS: f64 = 1e6;

/// Everything that dispatch looks at.
#[derive(Clone, Copy)]
pub(crate) struct Eye<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) models: &'a Models,
    pub(crate) works: &'a Works,
    pub(crate) loads: &'a Loads,
    /// Whether anything is pinned anywhere, so that a load may find no room.
    pub(crate) has_pins: bool,
    pub(crate) now: Moment,
}

/// What a candidate can do for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// A slot is free; this context is to be asked for.
    Ready { context: Option<u32> },
    /// It has to be waited for: its slots are taken, it is being loaded, or its machine is busy with another load.
    Later,
    /// The model has to be loaded first, or loaded anew with a longer context, and that could begin now.
    Cold,
}

/// What a load takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Models that have to give way.
    pub(crate) victims: Vec<u32>,
    /// What their eviction costs; NaN where nobody tells how much memory there is.
    pub(crate) regret_ms: f64,
    /// How long they still work.
    pub(crate) drain_ms: f64,
    /// Whether any of them has work.
    pub(crate) is_busy: bool,
}

impl Eye<'_> {
    /// Why a holder takes no work of this model now, however many slots it has.
    pub(crate) fn out(
        &self,
        backend: &Arc<Backend>,
        holding: &Arc<Holding>,
        model: u32,
    ) -> Option<Elimination> {
        let station = self.works.get(backend.row, model);
        let rests = station.and_then(|station| station.not_before).filter(|until| *until > self.now);
        let is_closed = station.is_some_and(|station| station.closed.is_some());
        // The usual case: nothing stands in the way, and nothing more has to be known.
        if rests.is_none() && !is_closed && !self.has_pins {
            return None;
        }
        let loads_here = self.loads.on(backend.node.id).is_some_and(|load| load.is_of(backend.row, model));
        if is_closed {
            // What is closed to be loaded anew is worth waiting for.
            return (!loads_here).then_some(Elimination::Leaving);
        }
        if !is_absent(backend, holding, self.now) || loads_here {
            return None;
        }
        if let Some(until) = rests {
            return Some(Elimination::Busy { rest: until.since(self.now) });
        }
        self.plan(backend, holding, model).is_none().then_some(Elimination::NoRoom)
    }

    /// Whether a free slot could be taken now: the model is there, and not about to go.
    pub(crate) fn takes_now(&self, backend: &Backend, holding: &Holding, model: u32) -> bool {
        let is_closed = self.works.get(backend.row, model).is_some_and(|station| station.closed.is_some());
        let is_loading = self.loads.on(backend.node.id).is_some_and(|load| load.is_of(backend.row, model));
        !is_closed && !is_loading && !is_absent(backend, holding, self.now)
    }

    /// What a candidate can do for this request.
    pub(crate) fn stand(&self, candidate: &Candidate, model: u32, ask: &Ask) -> Stand {
        let Candidate { backend, holding } = candidate;
        let load = self.loads.on(backend.node.id);
        if let Some(load) = load
            && load.is_of(backend.row, model)
        {
            return Stand::Later;
        }
        if is_absent(backend, holding, self.now) {
            return if load.is_some() { Stand::Later } else { Stand::Cold };
        }
        let slots = &holding.live.slots;
        let free = slots.free() > 0;
        let station = self.works.get(backend.row, model);
        if station.is_some_and(|station| station.closed.is_some()) {
            return Stand::Later;
        }
        let ready = |context| if free { Stand::Ready { context } } else { Stand::Later };
        if !backend.kind.has_options() {
            return ready(None);
        }
        match (ask.context, self.context(station, holding)) {
            (None, resident) => ready(resident),
            (Some(wanted), Some(resident)) if wanted <= resident => ready(Some(resident)),
            // Which context it has nobody tells: an idle one may be asked for any.
            (Some(wanted), None) if slots.busy() == 0 => ready(Some(wanted)),
            (Some(_), None) => Stand::Later,
            (Some(_), Some(_)) if load.is_some() => Stand::Later,
            (Some(_), Some(_)) => Stand::Cold,
        }
    }

    /// Whether a backend has no model in memory.
    pub(crate) fn is_empty(&self, backend: &Backend) -> bool {
        backend.holdings.values().all(|holding| is_absent(backend, holding, self.now))
    }

    /// The context that a model is loaded with: as told, or as we last asked for since.
    pub(crate) fn context(&self, station: Option<&Station>, holding: &Holding) -> Option<u32> {
        let told = holding.resident(self.now).and_then(|loaded| loaded.context_tokens);
        let taken = holding.polled.as_ref().map(|polled| polled.taken());
        match station.and_then(|station| station.context) {
            Some((asked, at)) if told.is_none() || taken.is_none_or(|taken| taken <= at) => Some(asked),
            _ => told,
        }
    }

    /// What loading a model takes; `None` when what would have to give way is pinned.
    pub(crate) fn plan(&self, backend: &Backend, holding: &Holding, model: u32) -> Option<Plan> {
        let own = self.works.get(backend.row, model);
        let mut plan = Plan::default();
        // One that is resident, and is loaded anew, waits for its own work.
        if let Some(own) = own.filter(|own| !own.runs.is_empty()) {
            self.drain(&mut plan, backend, own);
        }
        let changed = self.works.of(backend.row).iter().filter_map(|station| station.loaded).max();
        let evicted = backend.holdings.values().filter_map(|other| other.live.evicted()).max();
        let Some(free) = predict::free_bytes(backend, changed.max(evicted), self.now) else {
            plan.regret_ms = f64::NAN;
            return Some(plan);
        };
        if !is_absent(backend, holding, self.now) {
            return Some(plan);
        }
        let mut missing = predict::bytes(holding, self.now) - free;
        if missing <= 0.0 {
            return Some(plan);
        }
        let mut others = self.victims(backend, model);
        others.sort_by(|a, b| {
            let order = a.regret_ms.total_cmp(&b.regret_ms);
            order.then(a.used.cmp(&b.used)).then(a.model.cmp(&b.model))
        });
        for victim in others {
            if missing <= 0.0 {
                break;
            }
            if victim.regret_ms >= PINNED_MS {
                return None;
            }
            missing -= victim.bytes;
            plan.regret_ms += victim.regret_ms;
            plan.victims.push(victim.model);
            if let Some(station) = self.works.get(backend.row, victim.model).filter(|s| !s.runs.is_empty()) {
                self.drain(&mut plan, backend, station);
            }
        }
        // Where all of them are too little the server may still split the model between memories; that is its business,
        // and `memory-fit`'s to price.
        Some(plan)
    }

    fn drain(&self, plan: &mut Plan, backend: &Backend, station: &Station) {
        let slow_down = self.works.slow_down(backend.row, station.model, &self.rules.tuning);
        plan.is_busy = true;
        plan.drain_ms = plan.drain_ms.max(station.longest_rest_ms(self.now, slow_down));
    }

    /// What could give way to `model` on a backend.
    fn victims(&self, backend: &Backend, model: u32) -> Vec<Victim> {
        let others = backend.holdings.values().filter(|other| {
            let residency = other.residency(self.now).map(|(residency, _)| residency);
            residency == Some(Residency::Resident)
        });
        let each = others.filter_map(|other| {
            // One that nobody ever asked us for has no number yet, and no worth either.
            let number = self.models.number(&other.model.name)?;
            let station = self.works.get(backend.row, number);
            (number != model).then(|| Victim {
                model: number,
                bytes: predict::bytes(other, self.now),
                regret_ms: self.regret_ms(station, other),
                used: station.map_or(Moment::default(), Station::used),
            })
        });
        each.collect()
    }

    fn regret_ms(&self, station: Option<&Station>, holding: &Holding) -> f64 {
        let Some(station) = station else { return 0.0 };
        if station.pinned {
            return PINNED_MS;
        }
        let tuning = &self.rules.tuning;
        let young = station.loaded.is_some_and(|loaded| self.now.since(loaded) < tuning.dwell);
        let worth = station.worth.at(self.now, tuning.worth_keeps, 0.0);
        worth.min(predict::load_ms(holding, self.now)) + if young { DWELL_MS } else { 0.0 }
    }

    /// The readings of one candidate that only dispatch knows.
    pub(crate) fn facts(&self, candidate: &Candidate, model: u32, ask: &Ask) -> Facts {
        let Candidate { backend, holding } = candidate;
        let tuning = &self.rules.tuning;
        let (row, now) = (backend.row, self.now);
        let mut facts = Facts { context: ask.context.map_or(f64::NAN, f64::from), ..Facts::default() };
        let stations = self.works.of(row);
        if let Some(own) = stations.iter().find(|station| station.model == model) {
            let Sums { rest_ms, other_util, first_free_ms } = own.sums(stations, holding, (tuning, now));
            facts = Facts { rest_ms, other_util, first_free_ms, ..facts };
            facts.same_util = own.util(now);
            facts.waiting_ms = own.reserved_ms;
            facts.worth_ms = own.worth.at(now, tuning.worth_keeps, 0.0);
            if tuning.prompt_cache {
                facts.cached_tokens = own.caches.common(&ask.prompt, ask.profile.prompt_tokens);
            }
            facts.session_here = ask.prompt.session.is_some_and(|session| own.caches.has_session(session));
        } else {
            facts.rest_ms = work::rest_ms(stations, tuning, now);
            facts.other_util = stations.iter().map(|station| station.util(now)).sum();
        }
        let is_absent = is_absent(backend, holding, now);
        if is_absent {
            // Whatever was cached went with the model.
            facts.cached_tokens = 0.0;
        }
        if is_absent || ask.context.is_some() {
            let load = self.loads.on(backend.node.id);
            let plan = self.plan(backend, holding, model).unwrap_or_default();
            facts.regret_ms = plan.regret_ms;
            facts.drain_ms = plan.drain_ms;
            if let Some(load) = load.filter(|load| !load.is_of(row, model)) {
                facts.drain_ms += load.rest_ms(now);
            }
        }
        facts
    }

    /// Predicted service of a request on a candidate, as it would be if it began there now, in milliseconds.
    pub(crate) fn service_ms(&self, candidate: &Candidate, model: u32, ask: &Ask, cached: f64) -> f64 {
        let (same, other) = self.works.streams(candidate.backend.row, model);
        let slow_down = self.rules.tuning.slow_down(same + 1.0, other);
        predict::service_ms(
            &ask.profile,
            cached,
            self.rates(candidate),
            slow_down,
            self.rules.tuning.decode_weight,
        )
    }

    pub(crate) fn rates(&self, candidate: &Candidate) -> Rates {
        predict::rates(&candidate.backend, &candidate.holding, self.now)
    }
}

struct Victim {
    model: u32,
    bytes: f64,
    regret_ms: f64,
    used: Moment,
}

/// Whether a model is not in memory, of a server that loads a model when it is told to.
pub(crate) fn is_absent(backend: &Backend, holding: &Holding, now: Moment) -> bool {
    backend.kind.has_options()
        && matches!(holding.residency(now), Some((Residency::OnDisk | Residency::Warm, _)))
}

impl BackendKind {
    /// Whether its requests say with which options a model is loaded, and it loads one when it is told to.
    pub(crate) fn has_options(self) -> bool {
        self == Self::Ollama
    }
}

/// Readings of one candidate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) waiting_ms: f64,
    pub(crate) first_free_ms: f64,
    pub(crate) rest_ms: f64,
    pub(crate) same_util: f64,
    pub(crate) other_util: f64,
    pub(crate) drain_ms: f64,
    pub(crate) worth_ms: f64,
    pub(crate) regret_ms: f64,
    pub(crate) cached_tokens: f64,
    pub(crate) session_here: bool,
    /// The context that the request insists on; NaN when it does not.
    pub(crate) context: f64,
    /// Read it as if the model were resident: what would it have cost then?
    pub(crate) as_resident: bool,
}

/// The readings of all candidates, in their order.
pub(crate) struct Known<'a>(pub(crate) &'a [Facts]);

impl Work for Known<'_> {
    fn knows(&self, column: Column) -> bool {
        // All of them or none are read as if the model were resident.
        let as_resident = || self.0.first().is_some_and(|facts| facts.as_resident);
        matches!(
            column,
            Column::QueueWaiting
                | Column::FirstFree
                | Column::WorkRest
                | Column::SameUtil
                | Column::OtherUtil
                | Column::LoadDrain
                | Column::Worth
                | Column::EvictRegret
                | Column::CachedTokens
                | Column::SessionHere
                | Column::ContextTokens
        ) || (column == Column::ModelState && as_resident())
    }

    fn read(&self, row: usize, column: Column) -> Option<f64> {
        let facts = self.0.get(row)?;
        let known = match column {
            Column::QueueWaiting => facts.waiting_ms,
            Column::FirstFree => facts.first_free_ms,
            Column::WorkRest => facts.rest_ms,
            Column::SameUtil => facts.same_util,
            Column::OtherUtil => facts.other_util,
            Column::LoadDrain => facts.drain_ms,
            Column::Worth => facts.worth_ms,
            Column::EvictRegret => facts.regret_ms,
            Column::CachedTokens => facts.cached_tokens,
            Column::SessionHere => f64::from(u8::from(facts.session_here)),
            Column::ContextTokens if facts.context.is_finite() => facts.context,
            Column::ModelState if facts.as_resident => f64::from(Residency::Resident as u8),
            _ => return None,
        };
        Some(known)
    }
}
