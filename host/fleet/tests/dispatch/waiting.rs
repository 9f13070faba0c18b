//! Going at once, waiting in order, and giving up.

use std::time::Duration;

use herdwick_fleet::dispatch::{Action, Arrival, Bounds, Class, Client, Refusal, Rules};
use herdwick_fleet::{Elimination, RequestId};

use crate::stage::{Machine, Stage};

/// Who was sent, in order.
fn sent(actions: &[Action]) -> Vec<RequestId> {
    let sent = actions.iter().filter_map(|action| match action {
        Action::Send { request, .. } => Some(*request),
        _ => None,
    });
    sent.collect()
}

#[test]
fn with_a_free_slot_a_request_goes_at_once_and_without_one_in_its_turn() {
    let mut stage = Stage::new(vec![("a", Machine::default())]);
    let ask = stage.ask("m");
    let first = stage.sent(ask);
    assert_eq!((&*first.backend.node.name, first.context), ("a", Some(4096)));
    let ask = stage.ask("m");
    let (second, place) = stage.waits(ask);
    assert_eq!(place.ahead, 0);
    assert!(place.wait >= Duration::from_secs(5), "256 tokens at 50 a second: {place:?}");
    let ask = stage.ask("m");
    let (third, place) = stage.waits(ask);
    assert_eq!((place.ahead, stage.dispatch.waiting()), (1, 2));
    assert!(stage.turn().is_empty(), "nothing changed");
    stage.now = 5_000;
    stage.ends(first.run);
    stage.ends(first.run);
    assert!(stage.dispatch.is_due());
    let actions = stage.turn();
    assert_eq!(sent(&actions), [second], "one slot, one request, and ending twice frees none");
    let Some(Action::Send { grant, .. }) = actions.into_iter().next() else { panic!("sent") };
    assert_eq!(grant.waited, Duration::from_secs(5));
    stage.ends(grant.run);
    assert_eq!(sent(&stage.turn()), [third]);
    assert_eq!(stage.dispatch.waiting(), 0);
}

#[test]
fn whoever_leaves_is_not_sent() {
    let mut stage = Stage::new(vec![("a", Machine::default())]);
    let ask = stage.ask("m");
    let first = stage.sent(ask);
    let ask = stage.ask("m");
    let (second, _) = stage.waits(ask);
    let ask = stage.ask("m");
    let (third, _) = stage.waits(ask);
    stage.dispatch.left(second);
    stage.ends(first.run);
    assert_eq!(sent(&stage.turn()), [third]);
}

#[test]
fn a_model_that_nobody_has_is_refused_with_every_reason() {
    let mut stage = Stage::new(vec![("a", Machine::default())]);
    let ask = stage.ask("unknown");
    let Refusal::Lacking(field) = stage.refused(ask) else { panic!("nobody has it") };
    assert!(field.eliminated.is_empty());
    let mut ask = stage.ask("m");
    ask.tried = vec![stage.row("a")];
    let Refusal::Lacking(field) = stage.refused(ask) else { panic!("it failed there") };
    assert_eq!(field.eliminated[0].why, Elimination::Tried);
}

#[test]
fn interactive_goes_before_batch_and_clients_take_turns() {
    let mut stage = Stage::new(vec![("a", Machine::default())]);
    let ask = stage.ask("m");
    let first = stage.sent(ask);
    let mut waits = |class, client| {
        let mut ask = stage.ask("m");
        (ask.class, ask.client) = (class, Client(client));
        stage.waits(ask).0
    };
    let batch = waits(Class::Batch, 1);
    let flood: Vec<_> = (0..3).map(|_| waits(Class::Interactive, 2)).collect();
    let other = waits(Class::Interactive, 3);
    let mut run = first.run;
    let mut order = Vec::new();
    for _ in 0..5 {
        stage.ends(run);
        for action in stage.turn() {
            let Action::Send { request, grant } = action else { continue };
            order.push(request);
            run = grant.run;
        }
    }
    assert_eq!(order, [flood[0], other, flood[1], flood[2], batch]);
}

#[test]
fn a_deadline_refuses_and_nothing_else_wakes() {
    let mut stage = Stage::new(vec![("a", Machine::default())]);
    let ask = stage.ask("m");
    let _first = stage.sent(ask);
    let ask = stage.ask("m");
    let (waits, _) = stage.waits(ask);
    stage.turn();
    assert_eq!(stage.dispatch.wake_at().map(|at| at.0), Some(119_000), "a last look");
    stage.now = 120_000;
    let actions = stage.turn();
    let [Action::Refuse { request, refusal }] = &actions[..] else { panic!("refused: {actions:?}") };
    assert_eq!(*request, waits);
    assert!(matches!(**refusal, Refusal::TimedOut { waited, .. } if waited == Duration::from_secs(120)));
    assert_eq!((stage.dispatch.waiting(), stage.dispatch.wake_at()), (0, None));
}

#[test]
fn past_its_bounds_a_line_refuses_and_who_has_most_makes_room() {
    let rules = Rules { bounds: Bounds { per_model: 4, ..Bounds::default() }, ..Rules::default() };
    let mut stage = Stage::with(rules, vec![("a", Machine::default())]);
    let ask = stage.ask("m");
    let _first = stage.sent(ask);
    let flood: Vec<_> = (0..4)
        .map(|_| {
            let ask = stage.ask("m");
            stage.waits(ask).0
        })
        .collect();
    let ask = stage.ask("m");
    let Refusal::QueueFull { waiting, retry_after } = stage.refused(ask) else { panic!("it is full") };
    assert_eq!(waiting, 4);
    assert!(retry_after >= Duration::from_secs(20), "four of five seconds wait: {retry_after:?}");
    let mut ask = stage.ask("m");
    ask.client = Client(9);
    assert!(matches!(stage.arrive(ask), Arrival::Wait(place) if place.ahead == 1), "after one of the flood");
    let actions = stage.turn();
    let [Action::Refuse { request, refusal }] = &actions[..] else { panic!("one made room: {actions:?}") };
    assert_eq!(*request, flood[3]);
    assert!(matches!(**refusal, Refusal::TooMany { waiting: 4, .. }));
}
