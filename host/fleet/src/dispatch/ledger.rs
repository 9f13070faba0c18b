//! What residency is worth, and the copies that are bought for it.
//!
//! One number per model and backend: what residency there saved in the last two minutes, or would have saved. It is the
//! price of evicting a model, and when it exceeds what a load would cost, the load is bought, with nobody waiting: whoever
//! has paid the rent of skis as often as they cost should have bought them (ski rental). So idle memory is used before it
//! is needed, whatever the queues are.

use std::sync::Arc;
use std::time::Duration;

use crate::candidate::Candidate;
use crate::column::{Matrix, Sight};
use crate::cost;
use crate::id::RowId;
use crate::policy::Words;

use super::answer::Cause;
use super::ask::Ask;
use super::choose::Choice;
use super::eye::{Facts, Known, Plan, is_absent};
use super::loads::Wants;
use super::predict;
use super::{Dispatch, World};

impl Dispatch {
    /// Notes what residency saved a request that is sent, or would have.
    pub(super) fn learn(
        &mut self,
        ask: &Ask,
        model: u32,
        choice: &Choice,
        (world, waited): (World<'_>, Duration),
    ) {
        let field = choice.decided.field();
        let Some(chosen) = field.get(choice.at) else { return };
        let others = choice.decided.decision.ranked.iter().filter(|ranked| ranked.at != choice.at);
        let second = others.map(|ranked| ranked.ms).min_by(f64::total_cmp);
        // With no other place at all, it saved a load.
        let second = second.unwrap_or_else(|| choice.ms + predict::load_ms(&chosen.holding, world.now));
        self.credit(chosen.backend.row, model, second - choice.ms, world);
        if choice.facts.is_empty() {
            return;
        }
        let paid = waited.as_secs_f64() * 1e3 + choice.ms;
        let eye = self.eye(world.now);
        let (mut absent, mut facts) = (Vec::new(), Vec::new());
        for (candidate, known) in field.iter().zip(&choice.facts) {
            let Candidate { backend, holding } = candidate;
            // Most are slower anyway, and need no closer look.
            if is_absent(backend, holding, world.now) && eye.service_ms(candidate, model, ask, 0.0) < paid {
                absent.push(candidate.clone());
                facts.push(Facts { as_resident: true, regret_ms: 0.0, drain_ms: 0.0, ..*known });
            }
        }
        if absent.is_empty() {
            return;
        }
        let costs = costs_if_resident(ask, &absent, &facts, world);
        for (candidate, ms) in absent.iter().zip(costs) {
            let worth = self.credit(candidate.backend.row, model, paid - ms, world);
            if worth > predict::load_ms(&candidate.holding, world.now) {
                self.shopping.insert(model);
                self.due = true;
            }
        }
    }

    /// Adds to what residency is worth; says how much it is now.
    fn credit(&mut self, row: RowId, model: u32, saved_ms: f64, world: World<'_>) -> f64 {
        let keeps = self.rules.tuning.worth_keeps;
        self.works.change(row, model, |station| {
            if saved_ms > 0.0 && saved_ms.is_finite() {
                station.worth.add(saved_ms, world.now, keeps);
            }
            station.worth.at(world.now, keeps, 0.0)
        })
    }

    /// Buys, of each model that has been missed, the one copy that would have paid most beyond its price.
    pub(super) fn buy(&mut self, world: World<'_>) {
        for model in std::mem::take(&mut self.shopping) {
            // Of one model one at a time: the first copy may be all that was missing.
            let is_loading = self.loads.iter().any(|load| load.model == model);
            if is_loading || !self.rules.tuning.background_copies {
                continue;
            }
            if let Some(best) = self.best_buy(model, world) {
                let endpoint = self.usual_endpoint(model);
                let wants = Wants { context: None, cause: Cause::Worth, endpoint };
                self.plan_load(&best, model, wants, world);
            }
        }
    }

    fn best_buy(&self, model: u32, world: World<'_>) -> Option<Candidate> {
        let name = self.models.name(model)?;
        let eye = self.eye(world.now);
        let tuning = &self.rules.tuning;
        let mut best: Option<(f64, Candidate)> = None;
        for (backend, holding) in world.snapshot.holders(name) {
            let Some(station) = self.works.get(backend.row, model) else { continue };
            let is_free = backend.takes_work()
                && self.loads.on(backend.node.id).is_none()
                && is_absent(backend, holding, world.now)
                && eye.out(backend, holding, model).is_none();
            let Some(plan) = eye.plan(backend, holding, model).filter(|plan| is_free && !plan.is_busy) else {
                continue;
            };
            let Some(price) = self.price(backend.row, &plan, world) else { continue };
            // Where nobody tells how much memory there is, only one that has nothing in it surely has room.
            if plan.regret_ms.is_nan() && !eye.is_empty(backend) {
                continue;
            }
            let worth = station.worth.at(world.now, tuning.worth_keeps, 0.0);
            let gain = worth - predict::load_ms(holding, world.now) - price;
            if gain > 0.0 && best.as_ref().is_none_or(|(most, _)| gain > *most) {
                let candidate = Candidate { backend: Arc::clone(backend), holding: Arc::clone(holding) };
                best = Some((gain, candidate));
            }
        }
        best.map(|(_, candidate)| candidate)
    }

    /// What the victims are worth; `None` when one of them is not for sale: it is pinned, or was loaded a moment ago.
    fn price(&self, row: RowId, plan: &Plan, world: World<'_>) -> Option<f64> {
        let tuning = &self.rules.tuning;
        let mut price = 0.0;
        for victim in &plan.victims {
            let Some(station) = self.works.get(row, *victim) else { continue };
            let is_young = station.loaded.is_some_and(|loaded| world.now.since(loaded) < tuning.dwell);
            if is_young || station.pinned {
                return None;
            }
            price += station.worth.at(world.now, tuning.worth_keeps, 0.0);
        }
        Some(price)
    }
}

/// What each of `absent` would have cost had the model been there.
fn costs_if_resident(ask: &Ask, absent: &[Candidate], facts: &[Facts], world: World<'_>) -> Vec<f64> {
    let World { now, snapshot, policy } = world;
    let profile = &ask.profile;
    let sight = Sight { profile, snapshot, now, work: &Known(facts) };
    let matrix = Matrix::look(policy.columns(), absent, sight);
    let words = Words { model: profile.model.as_str(), endpoint: profile.endpoint };
    let sheet = policy.score(&matrix, &words);
    let mut costs = vec![f64::INFINITY; absent.len()];
    if sheet.overruled.is_none() && !sheet.answers.is_empty() {
        for total in cost::fold(&sheet.answers, absent.len()).totals {
            if let Some(cost) = costs.get_mut(total.row) {
                *cost = total.ms;
            }
        }
    }
    costs
}
