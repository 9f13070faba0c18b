//! Those who wait: how one joins, how they are looked at, and how one gives up.

use std::time::Duration;

use crate::candidate::Lack;
use crate::model::Residency;
use crate::moment::Moment;

use super::answer::{Action, Arrival, Cause, Place, Refusal};
use super::ask::Ask;
use super::choose::{self, Choice, Found, Looked, What};
use super::loads::Wants;
use super::predict;
use super::queue::{Key, Line, Stirred, Waiting};
use super::rules::Binding;
use super::{Dispatch, World};

/// Requests that are looked at in one turn: at 10 µs each, what a stream may be held up by.
const LOOKED_AT: usize = 64;
/// So long before its deadline a request takes whatever is free.
const HURRY: Duration = Duration::from_secs(1);
/// So long a request goes on waiting when nobody can serve it any more: a lost connection, a server that is started again.
const GRACE: Duration = Duration::from_secs(5);
/// The bounds of what a client is told to wait before it comes again.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// When a request that waits is looked at for the last time.
pub(super) fn looked_last(waiting: &Waiting) -> Moment {
    let deadline = waiting.ask.deadline;
    Moment(deadline.0.saturating_sub(HURRY.as_millis() as u64)).max(waiting.since)
}

impl Dispatch {
    /// A request arrives behind others.
    pub(super) fn join(&mut self, ask: Ask, model: u32, world: World<'_>) -> Arrival {
        let request = ask.profile.id;
        let arrival = self.wait(ask, model, None, world);
        if let (Arrival::Wait(_), Some((_, key))) = (&arrival, self.places.get(&request).copied()) {
            if self.line(model).is_some_and(Line::is_stirred) {
                // The next turn looks at it, after those before it.
                self.stir(model, Stirred::Slots);
            } else {
                // Nothing changed for the others. Those behind it are no queue to it.
                let behind = self.line(model).and_then(|line| line.after(key));
                self.lift(model, behind);
                self.look_at(model, key, world);
                self.lay(model, behind);
            }
        }
        arrival
    }

    /// Puts a request in its line, if there is room.
    pub(super) fn wait(
        &mut self,
        ask: Ask,
        model: u32,
        choice: Option<&Choice>,
        world: World<'_>,
    ) -> Arrival {
        if let Some(refusal) = self.make_room(&ask, model, world) {
            return Arrival::Refuse(Box::new(refusal));
        }
        let request = ask.profile.id;
        let bytes = self.bytes_of(model, world);
        let mut waiting = Waiting {
            share: predict::share_us(&ask.profile, bytes),
            ask,
            since: world.now,
            looked: false,
            reserved: None,
            bound: None,
            lost: None,
            hurried: false,
        };
        if let (Some(choice), Binding::Early) = (choice, self.rules.tuning.binding) {
            waiting.bound = choice.decided.field().get(choice.at).map(|candidate| candidate.backend.row);
        }
        let (last, deadline) = (looked_last(&waiting), waiting.ask.deadline);
        let Some(line) = self.line_mut(model) else {
            return Arrival::Wait(Place { ahead: 0, wait: Duration::ZERO });
        };
        let key = line.push(waiting);
        let ahead = line.ahead(key);
        self.places.insert(request, (model, key));
        self.deadlines.insert((last, request));
        self.deadlines.insert((deadline, request));
        self.wake(last);
        if let Some(choice) = choice {
            self.settle(model, key, choice, world);
        }
        Arrival::Wait(Place { ahead, wait: self.predicted_wait(model, ahead, world) })
    }

    /// Why there is no room for one more, if there is none. Whoever has more waiting than anybody else makes room.
    fn make_room(&mut self, ask: &Ask, model: u32, world: World<'_>) -> Option<Refusal> {
        let bounds = self.rules.bounds;
        let of_client: usize = self.lines.iter().map(|line| line.of_client(ask.client)).sum();
        let line = self.line(model)?;
        let waiting = line.len();
        let retry_after = || {
            let (least, most) = RETRY_AFTER;
            self.predicted_wait(model, waiting, world).clamp(least, most)
        };
        if of_client >= bounds.per_client && of_client > line.of_client(ask.client) {
            return Some(Refusal::TooMany { waiting: of_client, retry_after: retry_after() });
        }
        let full = waiting >= bounds.per_model || line.bytes() + ask.bytes > bounds.bytes_per_model;
        if !full {
            let too_many = of_client >= bounds.per_client;
            return too_many.then(|| Refusal::TooMany { waiting: of_client, retry_after: retry_after() });
        }
        let retry_after = retry_after();
        let (largest, most) = line.largest().unwrap_or_default();
        let own = line.of_client(ask.client);
        if most > own + 1 && waiting >= bounds.per_model {
            let last = line.last_of(largest).and_then(|key| line.get(key));
            if let Some(request) = last.map(|last| last.ask.profile.id) {
                self.take_out(request, false);
                let refusal = Box::new(Refusal::TooMany { waiting: most, retry_after });
                self.actions.push_back(Action::Refuse { request, refusal });
                self.due = true;
                return None;
            }
        }
        if own == waiting {
            Some(Refusal::QueueFull { waiting, retry_after })
        } else {
            Some(Refusal::TooMany { waiting: own, retry_after })
        }
    }

    fn bytes_of(&self, model: u32, world: World<'_>) -> u64 {
        let name = self.models.name(model);
        let mut holders = name.into_iter().flat_map(|name| world.snapshot.holders(name));
        holders.find_map(|(_, holding)| (holding.model.bytes > 0).then_some(holding.model.bytes)).unwrap_or(0)
    }

    /// Predicted time until a request begins that has `ahead` others before it: what they need, over all slots.
    pub(super) fn predicted_wait(&self, model: u32, ahead: usize, world: World<'_>) -> Duration {
        let Some(name) = self.models.name(model) else { return Duration::ZERO };
        let (prompt, expected) = self.line(model).and_then(Line::mean_tokens).unwrap_or((0.0, 256.0));
        let tuning = &self.rules.tuning;
        let (mut first, mut per_ms) = (f64::INFINITY, 0.0);
        for (backend, holding) in world.snapshot.holders(name).filter(|(backend, _)| backend.takes_work()) {
            if !matches!(
                holding.residency(world.now),
                None | Some((Residency::Resident | Residency::Loading, _))
            ) {
                continue;
            }
            let slots = f64::from(holding.live.slots.total());
            let rates = predict::rates(backend, holding, world.now);
            let service = (prompt / rates.prefill_per_s
                + expected * tuning.slow_down(slots, 0.0) / rates.decode_per_s)
                * 1e3;
            per_ms += slots / service.max(1.0);
            let free = match self.works.get(backend.row, model) {
                Some(station) if holding.live.slots.free() == 0 => {
                    let slow_down = self.works.slow_down(backend.row, model, tuning);
                    station.first_free_ms(holding.live.slots.total(), world.now, slow_down)
                }
                _ => 0.0,
            };
            let loads = self.loads.on(backend.node.id).filter(|load| load.is_of(backend.row, model));
            first = first.min(free + loads.map_or(0.0, |load| load.rest_ms(world.now)));
        }
        let first = if first.is_finite() { first } else { 0.0 };
        let ms = if per_ms > 0.0 { first + ahead as f64 / per_ms } else { first };
        // Nobody can foresee more than a day, and a length of time must be one.
        Duration::from_secs_f64((ms / 1e3).clamp(0.0, 86_400.0))
    }

    /// Looks at those who wait where something changed.
    pub(super) fn scan(&mut self, world: World<'_>) {
        for line in self.lines.iter_mut().filter(|line| line.wake.is_some_and(|at| at <= world.now)) {
            (line.wake, line.stirred) = (None, Stirred::All);
        }
        let mut left = LOOKED_AT;
        // Interactive before batch, then by model: never by anything in which two equal runs differ.
        let mut lines: Vec<_> = self.lines.iter().enumerate().filter(|(_, line)| line.is_stirred()).collect();
        lines.sort_by_key(|(_, line)| line.next(line.resume).map(Key::class));
        let lines: Vec<_> = lines.into_iter().map(|(model, _)| model as u32).collect();
        for model in lines {
            self.scan_line(model, &mut left, world);
            if left == 0 {
                break;
            }
        }
        self.due |= self.lines.iter().any(Line::is_stirred);
        let wake = self.lines.iter().filter_map(|line| line.wake).min();
        if let Some(wake) = wake {
            self.wake(wake);
        }
    }

    /// Looks at those in one line, in order, as many as are left for this turn.
    fn scan_line(&mut self, model: u32, left: &mut usize, world: World<'_>) {
        let Some(line) = self.line_mut(model) else { return };
        if line.resume.is_none() {
            line.looks_for = std::mem::take(&mut line.stirred);
        }
        let looks_for = line.looks_for;
        // What changed since a look began is looked at when it has come to its end.
        let resume = line.resume.take();
        let mut next = line.next(resume);
        // Each sees as its queue what those before it reserve, and nobody else.
        self.lift(model, next);
        let mut is_open = self.has_open_slot(model, world);
        while let Some(key) = next {
            next = self.line(model).and_then(|line| line.after(key));
            let waiting = self.line(model).and_then(|line| line.get(key));
            if looks_for == Stirred::Slots && !is_open && waiting.is_some_and(|waiting| waiting.looked) {
                // It keeps what it reserved.
                self.lay_first(model, key, 1);
                continue;
            }
            if *left == 0 {
                self.lay(model, Some(key));
                if let Some(line) = self.line_mut(model) {
                    line.resume = Some(key);
                }
                return;
            }
            *left -= 1;
            if self.look_at(model, key, world) {
                is_open = self.has_open_slot(model, world);
            }
        }
    }

    /// Whether a slot is free somewhere that could be taken now.
    fn has_open_slot(&self, model: u32, world: World<'_>) -> bool {
        let Some(name) = self.models.name(model) else { return false };
        let eye = self.eye(world.now);
        let mut holders = world.snapshot.holders(name);
        holders.any(|(backend, holding)| {
            holding.live.slots.free() > 0 && backend.takes_work() && eye.takes_now(backend, holding, model)
        })
    }

    /// Takes the reservations of those from `from` on off, but lets them remember; with `None` nobody's.
    fn lift(&mut self, model: u32, from: Option<Key>) {
        let Some(from) = from else { return };
        let Self { lines, works, .. } = self;
        let Some(line) = lines.get(model as usize) else { return };
        for (row, service_ms) in line.range(Some(from)).filter_map(|waiting| waiting.reserved) {
            if let Some(station) = works.get_mut(row, model) {
                station.reserved_ms = (station.reserved_ms - service_ms).max(0.0);
            }
        }
    }

    /// Puts them back.
    fn lay(&mut self, model: u32, from: Option<Key>) {
        if let Some(from) = from {
            self.lay_first(model, from, usize::MAX);
        }
    }

    /// Puts back those of the first `count` from `from` on.
    fn lay_first(&mut self, model: u32, from: Key, count: usize) {
        let Self { lines, works, .. } = self;
        let Some(line) = lines.get(model as usize) else { return };
        for (row, service_ms) in line.range(Some(from)).take(count).filter_map(|waiting| waiting.reserved) {
            works.change(row, model, |station| station.reserved_ms += service_ms);
        }
    }

    /// Looks at one who waits, and whose reservation is lifted. Says whether it was sent.
    fn look_at(&mut self, model: u32, key: Key, world: World<'_>) -> bool {
        let Some(waiting) = self.line_mut(model).and_then(|line| line.get_mut(key)) else { return false };
        (waiting.reserved, waiting.looked) = (None, true);
        let Some(waiting) = self.line(model).and_then(|line| line.get(key)) else { return false };
        let Waiting { ask, bound, hurried, .. } = waiting;
        let looked = Looked { ask, model, bound: *bound, hurried: *hurried };
        match choose::look(&self.eye(world.now), world, looked) {
            Found::Choice(choice) => {
                if let Some(waiting) = self.line_mut(model).and_then(|line| line.get_mut(key)) {
                    waiting.lost = None;
                }
                return self.settle(model, key, &choice, world);
            }
            Found::Later(chance) => self.wake_line(model, chance, world.now),
            Found::Never(refusal) => self.lose(model, key, refusal, world.now),
        }
        false
    }

    /// Has those in a line looked at after this time, whatever happens until then.
    pub(super) fn wake_line(&mut self, model: u32, rest: Option<Duration>, now: Moment) {
        let Some(rest) = rest else { return };
        let at = now.plus(rest);
        if let Some(line) = self.line_mut(model) {
            line.wake_at(at);
        }
        self.wake(at);
    }

    /// Nobody can serve it any more: refused, unless that may pass.
    fn lose(&mut self, model: u32, key: Key, refusal: Box<Refusal>, now: Moment) {
        let Some(waiting) = self.line_mut(model).and_then(|line| line.get_mut(key)) else { return };
        let may_pass = matches!(&*refusal, Refusal::Lacking(field) if field.lack() == Lack::Unreachable);
        let since = *waiting.lost.get_or_insert(now);
        let request = waiting.ask.profile.id;
        let until = since.plus(GRACE);
        if may_pass && now < until {
            self.wake_line(model, Some(until.since(now)), now);
            return;
        }
        self.take_out(request, false);
        self.actions.push_back(Action::Refuse { request, refusal });
    }

    /// Does what was chosen for one who waits: sends it, or has a model loaded and reserves the slot that it waits for.
    /// Says whether it was sent.
    fn settle(&mut self, model: u32, key: Key, choice: &Choice, world: World<'_>) -> bool {
        let Some(waiting) = self.line(model).and_then(|line| line.get(key)) else { return false };
        if let What::Send { context } = choice.what {
            let (ask, waited) = (waiting.ask.clone(), world.now.since(waiting.since));
            let request = ask.profile.id;
            let Some(mut grant) = self.send(&ask, (model, world.now), choice, context) else { return false };
            grant.waited = waited;
            self.take_out(request, true);
            self.learn(&ask, model, choice, (world, waited));
            self.actions.push_back(Action::Send { request, grant: Box::new(grant) });
            return true;
        }
        let Some(candidate) = choice.decided.field().get(choice.at) else { return false };
        let cached = choice.facts.get(choice.at).map_or(0.0, |facts| facts.cached_tokens);
        let service_ms = self.eye(world.now).service_ms(candidate, model, &waiting.ask, cached);
        let wants = Wants {
            context: waiting.ask.context,
            cause: Cause::Demand,
            endpoint: waiting.ask.profile.endpoint,
        };
        let row = candidate.backend.row;
        if let Some(waiting) = self.line_mut(model).and_then(|line| line.get_mut(key)) {
            waiting.reserved = Some((row, service_ms));
            waiting.looked = true;
        }
        self.works.change(row, model, |station| station.reserved_ms += service_ms);
        if choice.what == What::Load {
            self.plan_load(candidate, model, wants, world);
        }
        false
    }

    /// Refuses whoever has waited as long as it can, and has those look once more whose time is nearly over.
    pub(super) fn expire(&mut self, world: World<'_>) {
        while let Some((at, request)) = self.deadlines.first().copied().filter(|(at, _)| *at <= world.now) {
            self.deadlines.remove(&(at, request));
            let Some((model, key)) = self.places.get(&request).copied() else { continue };
            let Some(waiting) = self.line_mut(model).and_then(|line| line.get_mut(key)) else { continue };
            if waiting.ask.deadline > world.now {
                waiting.hurried = true;
                waiting.bound = None;
                self.stir(model, Stirred::Slots);
                continue;
            }
            let waited = world.now.since(waiting.since);
            self.take_out(request, false);
            let (least, most) = RETRY_AFTER;
            let waiting = self.line(model).map_or(0, Line::len);
            let retry_after = self.predicted_wait(model, waiting, world).clamp(least, most);
            let refusal = Box::new(Refusal::TimedOut { waited, retry_after });
            self.actions.push_back(Action::Refuse { request, refusal });
            self.stir(model, Stirred::Slots);
        }
    }
}
