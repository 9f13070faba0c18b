//! Loads: one per machine, on nobody's behalf, with what gives way treated fairly.

use herdwick_fleet::dispatch::{
    Action, Cause, Grant, LoadEnd, LoadOrder, Refusal, Rules, Tuning, Unfulfilled, Wish,
};
use herdwick_fleet::{Elimination, Moment};

use crate::stage::{Machine, Stage, name, sends};

fn loads(actions: &[Action]) -> Vec<&LoadOrder> {
    let loads = actions.iter().filter_map(|action| match action {
        Action::Load(order) => Some(&**order),
        _ => None,
    });
    loads.collect()
}

/// A machine with two models on disk and room for one.
fn small(resident: &'static str) -> Machine {
    Machine {
        holds: vec![("m", 3), ("n", 3)],
        resident: vec![(resident, 4096)],
        memory: Some(5),
        ..Machine::default()
    }
}

#[test]
fn twenty_who_want_a_cold_model_share_one_load_and_the_first_may_leave() {
    let cold = Machine { slots: 4, resident: vec![], ..Machine::default() };
    let mut stage = Stage::new(vec![("a", cold)]);
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let ask = stage.ask("m");
        waiting.push(stage.waits(ask).0);
    }
    let actions = stage.turn();
    let [order] = loads(&actions)[..] else { panic!("one load: {actions:?}") };
    assert_eq!((order.cause, order.endpoint), (Cause::Demand, "/api/chat"));
    let load = order.load;
    stage.dispatch.left(waiting.remove(0));
    stage.now = 1_000;
    stage.beat();
    assert!(stage.turn().is_empty(), "it goes on, and a poll that does not see it changes nothing");
    stage.now = 2_000;
    stage.loaded(load);
    let actions = stage.turn();
    let sent: Vec<_> = sends(&actions).iter().map(|(request, _)| *request).collect();
    assert_eq!(sent, waiting[..4], "as many as there are slots, in order");
}

#[test]
fn an_idle_machine_that_has_the_model_is_taken_before_a_load() {
    let cold = Machine { resident: vec![], ..Machine::default() };
    let mut stage = Stage::new(vec![("cold", cold), ("hot", Machine::default())]);
    let ask = stage.ask("m");
    assert_eq!(&*stage.sent(ask).backend.node.name, "hot");
    let ask = stage.ask("m");
    let (_, place) = stage.waits(ask);
    assert_eq!(place.ahead, 0);
    // The load takes 2 s, twice since a copy can serve; the slot frees in 5.1 s.
    let actions = stage.turn();
    assert_eq!(loads(&actions).len(), 1, "waiting would take longer: {actions:?}");
}

#[test]
fn what_gives_way_drains_first_and_takes_no_new_work() {
    let mut stage = Stage::new(vec![("a", small("n"))]);
    let ask = stage.ask("n");
    let busy = stage.sent(ask);
    let ask = stage.ask("m");
    let (wants, _) = stage.waits(ask);
    assert!(stage.turn().is_empty(), "its victim works");
    stage.ends(busy.run);
    let ask = stage.ask("n");
    let (late, _) = stage.waits(ask);
    let actions = stage.turn();
    let [order] = loads(&actions)[..] else { panic!("now: {actions:?}") };
    assert_eq!((order.evict.as_slice(), sends(&actions).len()), (&[name("n")][..], 0));
    stage.loaded(order.load);
    let actions = stage.turn();
    assert_eq!(sends(&actions).iter().map(|(request, _)| *request).collect::<Vec<_>>(), [wants]);
    assert_eq!(stage.dispatch.place(late, stage.world()).map(|place| place.ahead), Some(0));
}

#[test]
fn a_victim_that_never_becomes_idle_takes_work_again() {
    let mut stage = Stage::new(vec![("a", Machine { slots: 2, ..small("n") })]);
    let ask = stage.ask("n");
    let _busy = stage.sent(ask);
    let ask = stage.ask("m");
    stage.waits(ask);
    let ask = stage.ask("n");
    let (hot, _) = stage.waits(ask);
    stage.turn();
    let until = stage.dispatch.wake_at().expect("the plan has an end");
    assert_eq!(until, Moment(30_000));
    stage.now = until.0;
    stage.beat();
    let actions = stage.turn();
    assert_eq!(sends(&actions).iter().map(|(request, _)| *request).collect::<Vec<_>>(), [hot]);
}

#[test]
fn a_plan_that_nobody_needs_any_more_is_dropped() {
    let mut stage = Stage::new(vec![("a", small("n"))]);
    let ask = stage.ask("n");
    let busy = stage.sent(ask);
    let ask = stage.ask("m");
    let (wants, _) = stage.waits(ask);
    stage.turn();
    stage.dispatch.left(wants);
    stage.ends(busy.run);
    assert!(stage.turn().is_empty(), "nothing is evicted for nobody");
    let ask = stage.ask("n");
    assert_eq!(stage.sent(ask).context, Some(4096));
}

#[test]
fn a_load_that_fails_sends_those_who_waited_elsewhere_and_rests() {
    let cold = || Machine { resident: vec![], ..Machine::default() };
    let mut stage = Stage::new(vec![("a", cold()), ("b", Machine { speed: Some(5.0), ..cold() })]);
    let ask = stage.ask("m");
    let (first, _) = stage.waits(ask);
    let actions = stage.turn();
    let order = loads(&actions)[0];
    assert_eq!(&*order.backend.node.name, "a");
    stage.dispatch.load_ended(order.load, LoadEnd::Failed, Moment(stage.now));
    let actions = stage.turn();
    let order = loads(&actions)[0];
    assert_eq!(&*order.backend.node.name, "b", "where it did not fail");
    stage.dispatch.load_ended(order.load, LoadEnd::Failed, Moment(stage.now));
    let actions = stage.turn();
    let [Action::Refuse { request, refusal }] = &actions[..] else {
        panic!("it failed everywhere: {actions:?}")
    };
    let Refusal::Lacking(field) = &**refusal else { panic!("{refusal:?}") };
    assert_eq!((*request, &field.eliminated[0].why), (first, &Elimination::Tried));
    let ask = stage.ask("m");
    let (_, _) = stage.waits(ask);
    assert!(stage.turn().is_empty(), "both rest");
    stage.now = 5_000;
    stage.beat();
    assert_eq!(loads(&stage.turn()).len(), 1, "and are asked again");
}

#[test]
fn a_pinned_model_never_gives_way() {
    let mut stage = Stage::new(vec![("a", small("n"))]);
    let row = stage.row("a");
    stage.wish(Wish::Pin, (row, "n")).expect("it is there");
    let ask = stage.ask("m");
    let Refusal::Lacking(field) = stage.refused(ask) else { panic!("nowhere to put it") };
    assert_eq!(field.eliminated[0].why, Elimination::NoRoom);
    assert_eq!(stage.wish(Wish::Pin, (row, "m")), Err(Unfulfilled::NoRoom));
    assert_eq!(stage.wish(Wish::Pin, (row, "x")), Err(Unfulfilled::NoModel));
    stage.wish(Wish::Unpin, (row, "n")).expect("it is pinned");
    let ask = stage.ask("m");
    stage.waits(ask);
    assert_eq!(loads(&stage.turn()).len(), 1);
}

#[test]
fn an_operator_loads_and_lets_go_of_models_without_cutting_anybody_off() {
    let mut stage = Stage::new(vec![("a", small("n"))]);
    let row = stage.row("a");
    let ask = stage.ask("n");
    let busy = stage.sent(ask);
    stage.wish(Wish::Unload, (row, "n")).expect("it is there");
    assert!(stage.turn().is_empty(), "it works yet");
    stage.ends(busy.run);
    let actions = stage.turn();
    let [Action::Unload(order)] = &actions[..] else { panic!("now: {actions:?}") };
    stage.dispatch.load_ended(order.load, LoadEnd::Done, Moment(stage.now));
    stage.wish(Wish::Load { context: Some(8192) }, (row, "m")).expect("there is room");
    let actions = stage.turn();
    let [order] = loads(&actions)[..] else { panic!("{actions:?}") };
    assert_eq!((order.cause, order.context, order.evict.len()), (Cause::Operator, Some(8192), 0));
}

#[test]
fn a_copy_is_bought_when_its_absence_has_cost_more_than_the_load() {
    // The fast machine lacks the model; each request there would have saved about 2.3 s of a 2 s load, and the price of
    // loading while a copy can serve is twice that.
    let run = |background_copies: bool| {
        let tuning = Tuning { background_copies, ..Tuning::default() };
        let fast = Machine { resident: vec![], speed: Some(100.0), memory: Some(64), ..Machine::default() };
        let machines = vec![("fast", fast), ("slow", Machine::default())];
        let mut stage = Stage::with(Rules { tuning, ..Rules::default() }, machines);
        let mut orders = Vec::new();
        for round in 0..4 {
            stage.now = 10_000 * round;
            stage.beat();
            let ask = stage.ask("m");
            let grant = stage.sent(ask);
            orders.extend(loads(&stage.turn()).into_iter().cloned());
            stage.ends(grant.run);
            if !orders.is_empty() {
                break;
            }
        }
        orders
    };
    let orders = run(true);
    let [order] = &orders[..] else { panic!("one: {orders:?}") };
    assert_eq!((&*order.backend.node.name, order.cause), ("fast", Cause::Worth));
    assert!(run(false).is_empty());
}

#[test]
fn no_copy_is_bought_over_a_model_that_is_worth_more() {
    let fast = Machine { speed: Some(100.0), ..small("n") };
    let slow = Machine { holds: vec![("m", 3), ("n", 3)], ..Machine::default() };
    let mut stage = Stage::new(vec![("fast", fast), ("slow", slow)]);
    for round in 0..6 {
        stage.now = 10_000 * round;
        stage.beat();
        let ask = stage.ask("n");
        let n = stage.sent(ask);
        assert_eq!(&*n.backend.node.name, "fast");
        let ask = stage.ask("m");
        let m = stage.sent(ask);
        assert_eq!(&*m.backend.node.name, "slow");
        assert!(loads(&stage.turn()).is_empty(), "round {round}: both models earn the same there");
        stage.ends(n.run);
        stage.ends(m.run);
    }
}

#[test]
fn two_who_alternate_contexts_cost_one_load_and_nobody_waits_for_ever() {
    let mut stage = Stage::new(vec![("a", Machine { slots: 2, ..Machine::default() })]);
    let (mut switches, mut served) = (0, 0);
    let mut running: Vec<Grant> = Vec::new();
    for round in 0..40_u64 {
        stage.now += 500;
        let mut ask = stage.ask("m");
        ask.context = Some(if round % 2 == 0 { 4096 } else { 8192 });
        let mut actions = match stage.arrive(ask) {
            herdwick_fleet::dispatch::Arrival::Send(grant) => {
                running.push(*grant);
                Vec::new()
            }
            _ => stage.turn(),
        };
        if let Some(grant) = (round % 2 == 0).then(|| running.pop()).flatten() {
            stage.ends(grant.run);
            served += 1;
        }
        actions.extend(stage.turn());
        for action in actions {
            match action {
                Action::Load(order) => {
                    assert!(running.is_empty(), "never while requests run");
                    assert_eq!(order.context, Some(8192));
                    switches += 1;
                    stage.now += 2_000;
                    stage.loaded(order.load);
                }
                Action::Send { grant, .. } => running.push(*grant),
                other => panic!("{other:?}"),
            }
        }
        let contexts: Vec<_> = running.iter().map(|grant| grant.context).collect();
        assert!(contexts.windows(2).all(|pair| pair[0] == pair[1]), "one set of options: {contexts:?}");
    }
    while let Some(grant) = running.pop() {
        stage.ends(grant.run);
        served += 1;
        for action in stage.turn() {
            if let Action::Send { grant, .. } = action {
                running.push(*grant);
            }
        }
    }
    assert_eq!((switches, served), (1, 40));
}

#[test]
fn a_load_that_is_stuck_behind_unknown_models_gets_its_way() {
    let machine =
        Machine { holds: vec![("m", 3), ("n", 3)], resident: vec![("n", 4096)], ..Machine::default() };
    let mut stage = Stage::new(vec![("a", machine)]);
    let ask = stage.ask("n");
    let busy = stage.sent(ask);
    let ask = stage.ask("m");
    let (wants, _) = stage.waits(ask);
    let load = loads(&stage.turn())[0].load;
    stage.ends(busy.run);
    let ask = stage.ask("n");
    let busy = stage.sent(ask);
    assert_eq!(stage.dispatch.wake_at(), Some(Moment(9_000)), "twice 2 s, and 5 s");
    stage.now = 9_000;
    stage.beat();
    stage.turn();
    stage.ends(busy.run);
    let ask = stage.ask("n");
    let (hot, _) = stage.waits(ask);
    assert!(stage.turn().is_empty(), "its server may have to make room for the other first");
    stage.loaded(load);
    let mut sent: Vec<_> = sends(&stage.turn()).into_iter().map(|(request, _)| request).collect();
    sent.sort();
    assert_eq!(sent, [wants, hot]);
}

#[test]
fn a_model_is_loaded_by_the_route_by_which_it_is_asked_for() {
    let cold = Machine { resident: vec![], ..Machine::default() };
    let mut stage = Stage::new(vec![("a", cold)]);
    let mut ask = stage.ask("m");
    ask.profile.endpoint = "/api/embed";
    let (request, _) = stage.waits(ask);
    let order = loads(&stage.turn())[0].clone();
    assert_eq!(order.endpoint, "/api/embed");
    stage.dispatch.left(request);
    stage.dispatch.load_ended(order.load, LoadEnd::Failed, Moment(0));
    let row = stage.row("a");
    stage.wish(Wish::Load { context: None }, (row, "m")).expect("there is room");
    assert_eq!(loads(&stage.turn())[0].endpoint, "/api/embed", "an operator's wish as well");
}
