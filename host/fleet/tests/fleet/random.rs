//! Whatever is told in whatever order, the fleet stays whole.

use std::collections::{BTreeMap, BTreeSet};

use herdwick_fleet::{
    Agent, Backend, Claim, Door, Listing, Model, ModelName, Moment, Observation, Origin, Rhythm, SlotGuard,
    Snapshot, Source, Standing,
};

use super::lan::{Lan, PORT, address, forwarded, loaded, model, server};

/// Machines that there can be: so few that they meet.
const MACHINES: u64 = 5;
const STEPS: usize = 400;
const SEEDS: u64 = 60;

/// Draws numbers (xorshift, Marsaglia 2003): the same seed makes the same run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    fn is(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    fn machine(&mut self) -> u8 {
        1 + self.below(MACHINES) as u8
    }
}

/// Something happens.
fn step(lan: &mut Lan, dice: &mut Dice, held: &mut Vec<SlotGuard>) {
    match dice.below(12) {
        0..=4 => {
            let number = dice.machine();
            let mut report = lan.report(number);
            if dice.is(6) {
                // Somebody moves in with somebody else, or out.
                report.address = address(dice.machine());
            }
            if dice.is(8) {
                report.agent = Agent::Herd { version: "0".into() };
            }
            report.draining = dice.is(12);
            report.servers = (0..dice.below(3))
                .map(|at| {
                    let mut server = server();
                    server.port = PORT + at as u16;
                    server.door = if dice.is(3) { forwarded(9_000 + at as u16) } else { Door::Direct };
                    server.down = dice.is(6).then(|| "it does not answer".to_owned());
                    server.models = dice.is(2).then(|| models(dice));
                    server.resident = if dice.is(2) { vec![loaded("m:1b")] } else { Vec::new() };
                    server.slots = dice.is(2).then(|| dice.below(5) as u32);
                    server.foreign = dice.below(3) as u32;
                    server
                })
                .collect();
            lan.fleet.report(report);
        }
        5 => {
            lan.wait(dice.below(4_000));
        }
        6 => {
            let origin = Origin {
                host: if dice.is(2) {
                    address(dice.machine()).to_string()
                } else {
                    format!("h{}.local", dice.below(3))
                },
                port: PORT + dice.below(2) as u16,
            };
            let source = [Source::Configured, Source::Added, Source::Found][dice.below(3) as usize];
            let (name, slots) = (format!("named-{}", dice.below(4)), dice.is(2).then_some(2));
            // It may be there already.
            let _ = lan.fleet.list(Listing { name, origin, slots, labels: BTreeMap::new(), source });
        }
        7..=8 => {
            let callees = lan.fleet.callees();
            if let Some(callee) = callees.get(dice.below(callees.len().max(1) as u64) as usize) {
                let claim = match dice.below(6) {
                    0 => Claim::Unreachable("nothing listens there".into()),
                    1 => Claim::Silent("no answer".into()),
                    2 => Claim::Version("0.13".into()),
                    3 => Claim::Models(models(dice)),
                    4 => Claim::Resident(vec![loaded("m:1b")]),
                    _ => Claim::Addresses(vec![address(dice.machine())]),
                };
                lan.fleet.observe(Observation { backend: callee.backend, at: Moment(lan.now), claim });
            }
        }
        9 => {
            let names: Vec<_> = lan.see().nodes().iter().map(|node| node.name.to_string()).collect();
            if let Some(name) = names.get(dice.below(names.len().max(1) as u64) as usize) {
                // What is refused is refused.
                let _ = match dice.below(5) {
                    0 => lan.fleet.drain(name),
                    1 => lan.fleet.undrain(name),
                    2 => lan.fleet.remove(name),
                    3 => lan.fleet.forget(name),
                    _ => lan.fleet.rename(name, &format!("renamed-{}", dice.below(4))),
                };
            }
        }
        10 => {
            let snapshot = lan.see();
            let holdings = snapshot.backends().iter().flat_map(|backend| backend.holdings.values());
            held.extend(holdings.filter_map(|holding| holding.live.slots.try_acquire()).take(2));
            snapshot.backends().iter().for_each(|backend| backend.live.mark_flowing());
        }
        _ => {
            if dice.is(2) {
                held.clear();
            }
            lan.see().backends().iter().filter(|_| dice.is(4)).for_each(|it| it.live.mark_refused());
        }
    }
}

fn models(dice: &mut Dice) -> Vec<Model> {
    ["m:1b", "a", "b"].into_iter().filter(|_| !dice.is(3)).map(model).collect()
}

/// What is so, whatever happened.
fn check(lan: &mut Lan, rows: &mut BTreeMap<u32, ()>, seed: u64) {
    let snapshot = lan.see();
    let names: BTreeSet<_> = snapshot.nodes().iter().map(|node| &node.name).collect();
    assert_eq!(names.len(), snapshot.nodes().len(), "seed {seed}: one name, one machine");
    let ids: BTreeSet<_> = snapshot.backends().iter().map(|backend| backend.id).collect();
    assert_eq!(ids.len(), snapshot.backends().len(), "seed {seed}: one id, one backend");
    let ordered = snapshot.backends().windows(2).all(|pair| pair[0].row < pair[1].row);
    assert!(ordered, "seed {seed}: rows are in order, and nobody's twice");
    for backend in snapshot.backends() {
        rows.insert(backend.row.0, ());
        check_backend(&snapshot, backend, seed);
    }
    check_holders(&snapshot, seed);
    check_places(&snapshot, seed);
    for callee in lan.fleet.callees() {
        let asked = snapshot.backends().iter().find(|backend| backend.id == callee.backend);
        let asked = asked.unwrap_or_else(|| panic!("seed {seed}: a stranger is asked"));
        assert_eq!(asked.origin, callee.origin);
        let is_urgent = callee.rhythm == Rhythm::Urgent;
        assert_eq!(is_urgent, asked.node.standing == Standing::Stale, "seed {seed}");
    }
    for backend in snapshot.backends() {
        let is_asked = lan.fleet.callees().iter().any(|callee| callee.backend == backend.id);
        let is_told = backend.node.standing.is_heard() || backend.node.draining.by_agent;
        assert!(is_asked || is_told, "seed {seed}: nobody tells of {}", backend.node.name);
        if backend.live.is_refused() && !backend.node.draining.by_agent && !is_asked {
            // A refusal is noticed with the next report.
            assert!(backend.node.standing.is_heard(), "seed {seed}");
        }
    }
    let standing = |node: &herdwick_fleet::Node| node.standing;
    for node in snapshot.nodes() {
        let due = lan.fleet.due();
        assert!(!standing(node).is_heard() || due.is_some(), "seed {seed}: silence would go unnoticed");
    }
}

fn check_backend(snapshot: &Snapshot, backend: &Backend, seed: u64) {
    let node = snapshot.nodes().iter().find(|node| node.id == backend.id.node);
    let node = node.unwrap_or_else(|| panic!("seed {seed}: a server without a machine"));
    assert_eq!((&node.name, node.standing), (&backend.node.name, backend.node.standing), "seed {seed}");
    for holding in backend.holdings.values() {
        let slots = &holding.live.slots;
        assert!(slots.total() >= 1 && slots.free() <= slots.total(), "seed {seed}");
    }
    let is_up = backend.reach == herdwick_fleet::Reach::Up;
    assert!(!(is_up && node.standing == Standing::Lost), "seed {seed}: whoever answers is not offline");
}

/// What is found by name is what is there.
fn check_holders(snapshot: &Snapshot, seed: u64) {
    for name in ["m:1b", "a", "b"] {
        let name = ModelName::parse(name).unwrap();
        let found: Vec<_> = snapshot.holders(&name).map(|(backend, _)| backend.row).collect();
        let there = snapshot.backends().iter().filter(|backend| backend.holdings.contains_key(&name));
        assert_eq!(found, there.map(|backend| backend.row).collect::<Vec<_>>(), "seed {seed}: {name}");
    }
}

/// No two machines with agents have the same server.
fn check_places(snapshot: &Snapshot, seed: u64) {
    let told = snapshot.backends().iter().filter(|backend| backend.node.agent.is_some());
    let places: Vec<_> = told.map(|backend| (&backend.origin.host, backend.id.port)).collect();
    let unique: BTreeSet<_> = places.iter().collect();
    assert_eq!(unique.len(), places.len(), "seed {seed}: {places:?}");
}

#[test]
fn whatever_happens_the_fleet_stays_whole() {
    for seed in 1..=SEEDS {
        let (mut lan, mut dice) = (Lan::default(), Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let (mut held, mut rows) = (Vec::new(), BTreeMap::new());
        for _ in 0..STEPS {
            step(&mut lan, &mut dice, &mut held);
            check(&mut lan, &mut rows, seed);
        }
        held.clear();
        for backend in lan.see().backends() {
            let busy = backend.holdings.values().map(|holding| holding.live.slots.busy()).sum::<u32>();
            assert_eq!(busy, 0, "seed {seed}: every slot came back");
        }
    }
}

#[test]
fn the_same_is_told_and_the_same_is_known() {
    let run = |seed: u64| {
        let (mut lan, mut dice, mut held) = (Lan::default(), Dice(seed), Vec::new());
        (0..STEPS).for_each(|_| step(&mut lan, &mut dice, &mut held));
        let snapshot = lan.see();
        let told = snapshot.backends().iter().map(|it| format!("{} {} {:?}", it.id, it.node.name, it.reach));
        told.collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
}
