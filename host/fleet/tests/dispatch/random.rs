//! Whole days of random events, each from a seed: what must hold holds after every one of them, and the same seed makes the
//! same day.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use herdwick_fleet::dispatch::{
    Action, Arrival, Ask, Bounds, Class, Client, Grant, LoadEnd, LoadId, Part, Prompt, Refusal, Rules,
};
use herdwick_fleet::{Claim, Moment, Observation, RequestId, RowId};

use crate::stage::{Machine, Stage};

/// Numbers that look like chance and are not (SplitMix64).
struct Lots(u64);

impl Lots {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waits,
    Runs,
    Over,
}

struct Request {
    state: State,
    model: &'static str,
    number: usize,
    is_picky: bool,
}

/// What a day is made of.
#[derive(Clone, Copy)]
struct Day {
    seed: u64,
    events: usize,
    /// Machines of one speed that are always there, and one model: then no slot is twice as good as another.
    is_calm: bool,
}

const MODELS: [&str; 3] = ["m", "n", "o"];
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const BOUNDS: Bounds = Bounds { per_model: 24, bytes_per_model: 5_000, per_client: 30 };

struct Play {
    day: Day,
    lots: Lots,
    stage: Stage,
    requests: BTreeMap<RequestId, Request>,
    running: BTreeMap<RequestId, Grant>,
    loading: BTreeMap<LoadId, (RowId, &'static str, bool)>,
    log: DefaultHasher,
    number: usize,
    loads: usize,
    refusals: usize,
}

impl Play {
    fn new(day: Day) -> Self {
        let mut lots = Lots(day.seed);
        let machines = NAMES.iter().map(|name| {
            let holds = vec![("m", 3), ("n", 3), ("o", 6)];
            let resident = match lots.below(4) {
                0 => vec![],
                1 => vec![("m", 4096)],
                2 => vec![("n", 4096), ("m", 4096)],
                _ => vec![("o", 4096)],
            };
            let speed = (!day.is_calm).then(|| 5.0 + lots.below(100) as f64);
            let memory = lots.chance(70).then_some(8);
            (*name, Machine { slots: 1 + lots.below(3) as u32, holds, resident, memory, speed })
        });
        let stage = Stage::with(Rules { bounds: BOUNDS, ..Rules::default() }, machines.collect());
        Self {
            day,
            lots,
            stage,
            requests: BTreeMap::new(),
            running: BTreeMap::new(),
            loading: BTreeMap::new(),
            log: DefaultHasher::new(),
            number: 0,
            loads: 0,
            refusals: 0,
        }
    }

    fn ask(&mut self) -> Ask {
        let model = MODELS[self.lots.below(if self.day.is_calm { 1 } else { 3 }) as usize];
        let mut ask = self.stage.ask(model);
        ask.client = Client(self.lots.below(4));
        ask.class = if self.lots.chance(25) { Class::Batch } else { Class::Interactive };
        ask.bytes = self.lots.below(400);
        if !self.day.is_calm {
            ask.profile.expected_tokens = 10.0 + self.lots.below(600) as f64;
            ask.deadline = Moment(self.stage.now + 500 + self.lots.below(120_000));
            if self.lots.chance(10) {
                ask.context = Some([2048, 8192, 16384][self.lots.below(3) as usize]);
            }
            if self.lots.chance(5) {
                ask.tried = vec![self.stage.row(NAMES[self.lots.below(5) as usize])];
            }
            let hash = self.lots.below(5);
            ask.prompt = Prompt { session: Some(hash), parts: [Part { hash, tokens: 60.0 }].into() };
        }
        ask
    }

    fn arrive(&mut self) {
        let ask = self.ask();
        let id = ask.profile.id;
        let model =
            MODELS.iter().copied().find(|name| ask.profile.model.as_str() == format!("{name}:latest"));
        let request = Request {
            state: State::Waits,
            model: model.expect("one of ours"),
            number: self.number,
            is_picky: ask.context.is_some() || !ask.tried.is_empty(),
        };
        self.number += 1;
        self.requests.insert(id, request);
        match self.stage.arrive(ask) {
            Arrival::Send(grant) => self.runs(id, *grant),
            Arrival::Wait(_) => {}
            Arrival::Refuse(refusal) => self.refused(id, &refusal),
        }
    }

    fn runs(&mut self, id: RequestId, grant: Grant) {
        ("runs", id, grant.backend.row, grant.context).hash(&mut self.log);
        let request = self.requests.get_mut(&id).expect("somebody asked for it");
        assert_eq!(request.state, State::Waits, "sent once, and not when it is over");
        request.state = State::Runs;
        let slots = &grant.holding.live.slots;
        assert!(slots.busy() <= slots.total(), "{} of {} slots", slots.busy(), slots.total());
        let (row, model) = (grant.backend.row, request.model);
        let loads = self.loading.values().any(|(at, loading, _)| (*at, *loading) == (row, model));
        assert!(!loads, "nobody is sent to a model that is loading");
        let there = self.running.iter().filter(|(other, run)| {
            run.backend.row == row && self.requests[*other].model == model && grant.context.is_some()
        });
        for (_, run) in there {
            assert!(run.context.is_none() || run.context == grant.context, "one set of options at a time");
        }
        if let Some(context) = grant.context {
            // A server that nobody else uses takes the context that it is asked for.
            let machine = &mut self.stage.machines.get_mut(&*grant.backend.node.name).expect("one of ours").1;
            machine.resident.iter_mut().filter(|held| held.0 == model).for_each(|held| held.1 = context);
        }
        self.running.insert(id, grant);
    }

    fn refused(&mut self, id: RequestId, refusal: &Refusal) {
        ("refused", id).hash(&mut self.log);
        let request = self.requests.get_mut(&id).expect("somebody asked for it");
        assert_eq!(request.state, State::Waits);
        request.state = State::Over;
        self.refusals += 1;
        if let Refusal::QueueFull { retry_after, .. } | Refusal::TooMany { retry_after, .. } = refusal {
            assert!((1..=600).contains(&retry_after.as_secs()), "{retry_after:?}");
        }
    }

    fn act(&mut self) {
        for action in self.stage.turn() {
            match action {
                Action::Send { request, grant } => self.runs(request, *grant),
                Action::Refuse { request, refusal } => self.refused(request, &refusal),
                Action::Load(order) => self.loads(*order),
                Action::Unload(_) => panic!("nobody wishes for that here"),
            }
        }
    }

    fn loads(&mut self, order: herdwick_fleet::dispatch::LoadOrder) {
        ("loads", order.load, order.backend.row).hash(&mut self.log);
        self.loads += 1;
        let row = order.backend.row;
        assert!(self.loading.values().all(|(at, ..)| *at != row), "one load per machine at a time");
        let name = &*order.backend.node.name;
        let model = &order.holding.model.name;
        let gives_way = |run: &Grant| {
            let runs = &run.holding.model.name;
            run.backend.row == row && (order.evict.contains(runs) || runs == model)
        };
        assert!(!self.running.values().any(gives_way), "nothing that runs is evicted");
        let known = |text: &str| MODELS.iter().copied().find(|known| text == format!("{known}:latest"));
        let machine = &mut self.stage.machines.get_mut(name).expect("one of ours").1;
        let evicted: Vec<_> = order.evict.iter().filter_map(|name| known(name.as_str())).collect();
        let model = known(model.as_str()).expect("one of ours");
        machine.resident.retain(|(held, _)| !evicted.contains(held) && *held != model);
        let fails = !self.day.is_calm && self.lots.chance(10);
        if !fails {
            machine.resident.push((model, order.context.unwrap_or(4096)));
        }
        self.loading.insert(order.load, (row, model, fails));
    }

    fn end(&mut self) {
        let count = self.running.len() as u64;
        if count == 0 {
            return;
        }
        let at = self.lots.below(count) as usize;
        let id = *self.running.keys().nth(at).expect("one of them");
        let grant = self.running.remove(&id).expect("it runs");
        self.stage.ends(grant.run);
        self.requests.get_mut(&id).expect("it ran").state = State::Over;
    }

    fn leave(&mut self) {
        let waits = self.requests.iter().filter(|(_, request)| request.state == State::Waits);
        let waits: Vec<_> = waits.map(|(id, _)| *id).collect();
        if let Some(id) = waits.get(self.lots.below(waits.len().max(1) as u64) as usize) {
            self.stage.dispatch.left(*id);
            self.requests.get_mut(id).expect("it waits").state = State::Over;
        }
    }

    fn load_ends(&mut self) {
        if let Some((load, (_, _, fails))) = self.loading.pop_first() {
            let end = if fails { LoadEnd::Failed } else { LoadEnd::Done };
            self.stage.dispatch.load_ended(load, end, Moment(self.stage.now));
        }
    }

    fn trouble(&mut self) {
        let name = NAMES[self.lots.below(5) as usize];
        let backend = self.stage.machines[name].0;
        if self.lots.chance(50) {
            let claim = Claim::Unreachable("it is gone".into());
            self.stage.fleet.observe(Observation { backend, at: Moment(self.stage.now), claim });
            self.stage.publish();
            return;
        }
        let row = self.stage.row(name);
        let changes = self.stage.snapshot.backends().iter().find(|backend| backend.row == row);
        let total = 1 + self.lots.below(4) as u32;
        let holdings = changes.into_iter().flat_map(|backend| backend.holdings.values());
        holdings.for_each(|holding| holding.live.slots.resize(total));
    }

    fn step(&mut self) {
        self.stage.now += self.lots.below(400);
        match self.lots.below(100) {
            0..40 => self.arrive(),
            40..70 => self.end(),
            70..76 => self.leave(),
            76..86 => self.load_ends(),
            86..89 if !self.day.is_calm => self.trouble(),
            _ => self.stage.beat(),
        }
        self.act();
        self.holds();
    }

    /// What holds after every event.
    fn holds(&self) {
        let waiting: Vec<_> =
            self.requests.values().filter(|request| request.state == State::Waits).collect();
        assert_eq!(self.stage.dispatch.waiting(), waiting.len());
        assert_eq!(self.stage.dispatch.running(), self.running.len());
        for model in MODELS {
            let of_model = waiting.iter().filter(|request| request.model == model).count();
            assert!(of_model <= BOUNDS.per_model, "{of_model} wait for {model}");
        }
        if !self.day.is_calm {
            return;
        }
        for request in waiting.iter().filter(|request| !request.is_picky) {
            for backend in self.stage.snapshot.backends() {
                let name = crate::stage::name(request.model);
                let Some(holding) = backend.holdings.get(&name) else { continue };
                let now = Moment(self.stage.now);
                let is_there =
                    matches!(holding.residency(now), Some((herdwick_fleet::model::Residency::Resident, _)));
                let is_free = holding.live.slots.free() > 0;
                let loads = self.loading.values().any(|(row, ..)| *row == backend.row);
                let gives_way = loads || self.stage.dispatch.is_giving_way(backend.row, &name);
                assert!(
                    !(is_there && is_free && !gives_way),
                    "{} waits beside a free slot of {}",
                    request.number,
                    backend.node.name
                );
            }
        }
    }

    /// Lets everything come to its end.
    fn finish(mut self) -> (u64, usize, usize) {
        for _ in 0..5_000 {
            if self.running.is_empty() && self.stage.dispatch.waiting() == 0 && self.loading.is_empty() {
                break;
            }
            self.stage.now += 200;
            self.stage.beat();
            self.end();
            self.load_ends();
            self.act();
            self.holds();
        }
        assert_eq!(self.stage.dispatch.waiting(), 0, "everybody hears what becomes of it");
        assert!(self.requests.values().all(|request| request.state == State::Over));
        for backend in self.stage.snapshot.backends() {
            assert!(backend.holdings.values().all(|holding| holding.live.slots.busy() == 0));
        }
        (self.log.finish(), self.loads, self.refusals)
    }
}

fn play(day: Day) -> (u64, usize, usize) {
    let mut play = Play::new(day);
    for _ in 0..day.events {
        play.step();
    }
    play.finish()
}

#[test]
fn what_must_hold_holds_on_any_day() {
    let (mut loads, mut refusals) = (0, 0);
    for seed in 0..20 {
        let (_, more_loads, more_refusals) = play(Day { seed, events: 600, is_calm: false });
        (loads, refusals) = (loads + more_loads, refusals + more_refusals);
    }
    assert!(loads > 50 && refusals > 50, "days on which nothing happens prove nothing: {loads}, {refusals}");
}

#[test]
fn nobody_waits_beside_a_free_slot_of_equal_machines() {
    for seed in 0..20 {
        play(Day { seed, events: 600, is_calm: true });
    }
}

#[test]
fn the_same_seed_makes_the_same_day() {
    let hashes: BTreeSet<_> = (0..20).map(|seed| play(Day { seed, events: 300, is_calm: false }).0).collect();
    assert_eq!(hashes.len(), 20, "each seed another one");
    for seed in 0..20 {
        assert!(hashes.contains(&play(Day { seed, events: 300, is_calm: false }).0), "seed {seed}");
    }
}

#[test]
fn within_client_and_class_order_is_kept_whatever_happens() {
    // One machine, one slot: whoever comes first is served first.
    for seed in 0..40 {
        let mut lots = Lots(seed);
        let mut stage = Stage::new(vec![("a", Machine::default())]);
        let mut last: BTreeMap<(Client, Class), usize> = BTreeMap::new();
        let mut waits: BTreeMap<RequestId, (Client, Class, usize)> = BTreeMap::new();
        let mut run: Option<Grant> = None;
        for number in 0..400 {
            stage.now += 100;
            if lots.chance(55) {
                let mut ask = stage.ask("m");
                ask.client = Client(lots.below(3));
                ask.class = if lots.chance(30) { Class::Batch } else { Class::Interactive };
                ask.profile.expected_tokens = 1.0 + lots.below(2_000) as f64;
                let (id, who) = (ask.profile.id, (ask.client, ask.class, number));
                match stage.arrive(ask) {
                    Arrival::Send(grant) => {
                        last.insert((who.0, who.1), number);
                        run = Some(*grant);
                    }
                    _ => _ = waits.insert(id, who),
                }
            } else if lots.chance(20) {
                let gone = waits.keys().nth(lots.below(waits.len().max(1) as u64) as usize).copied();
                if let Some(gone) = gone {
                    waits.remove(&gone);
                    stage.dispatch.left(gone);
                }
            } else if let Some(ended) = run.take() {
                stage.ends(ended.run);
            }
            for action in stage.turn() {
                let (request, grant) = match action {
                    Action::Send { request, grant } => (request, grant),
                    Action::Refuse { request, .. } => {
                        waits.remove(&request);
                        continue;
                    }
                    other => panic!("{other:?}"),
                };
                let (client, class, number) = waits.remove(&request).expect("it waited");
                let before = last.insert((client, class), number);
                assert!(
                    before.is_none_or(|before| before < number),
                    "seed {seed}: {before:?} before {number}"
                );
                let interactive = waits.values().any(|other| other.1 == Class::Interactive);
                assert!(class == Class::Interactive || !interactive, "batch is last");
                run = Some(*grant);
            }
        }
    }
}
