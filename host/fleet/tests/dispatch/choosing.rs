//! Where a request goes: waiting beside a free slot, prompt caches, reservations, and binding early for comparison.

use herdwick_fleet::RowId;
use herdwick_fleet::dispatch::{Action, Arrival, Ask, Binding, Grant, Part, Prompt, Rules, RunEnd, Tuning};
use herdwick_fleet::{Column, Moment};

use crate::stage::{Machine, Stage, sends};

fn fast(speed: f64) -> Machine {
    Machine { speed: Some(speed), ..Machine::default() }
}

#[test]
fn it_waits_beside_a_free_slot_only_for_a_machine_that_is_much_faster() {
    // The fast machine is done in 2.6 s. Served in 2.8 s by 50 tokens a second; in 14 s by 10; in 4.7 s by 30.
    for (slow, waits) in [(10.0, true), (30.0, false)] {
        let mut stage = Stage::new(vec![("fast", fast(100.0)), ("slow", fast(slow))]);
        let ask = stage.ask("m");
        assert_eq!(&*stage.sent(ask).backend.node.name, "fast");
        let ask = stage.ask("m");
        let arrival = stage.arrive(ask);
        assert_eq!(matches!(arrival, Arrival::Wait(_)), waits, "{slow} tokens a second: {arrival:?}");
    }
}

#[test]
fn what_waits_for_a_machine_is_queue_to_those_who_come_later() {
    let mut stage = Stage::new(vec![("fast", fast(100.0)), ("slow", fast(10.0))]);
    let ask = stage.ask("m");
    let first = stage.sent(ask);
    let mut waiting = Vec::new();
    // Each that waits for the fast machine makes it dearer by its service, until the slow one is as good.
    let chosen = loop {
        let ask = stage.ask("m");
        let id = ask.profile.id;
        match stage.arrive(ask) {
            Arrival::Wait(place) => {
                assert_eq!(place.ahead, waiting.len());
                waiting.push(id);
            }
            Arrival::Send(grant) => break (id, *grant),
            Arrival::Refuse(refusal) => panic!("{refusal:?}"),
        }
        // One behind others is looked at at once too, and may be sent by that.
        if let Some((id, grant)) = sends(&stage.turn()).into_iter().next() {
            waiting.retain(|other| *other != id);
            break (id, grant);
        }
        assert!(waiting.len() < 20, "a queue must drive somebody to the slow machine");
    };
    assert_eq!(&*chosen.1.backend.node.name, "slow");
    assert!(waiting.len() > 2, "not before that pays: {}", waiting.len());
    stage.ends(first.run);
    let next = sends(&stage.turn());
    assert_eq!((next[0].0, &*next[0].1.backend.node.name), (waiting[0], "fast"), "and order is kept");
}

#[test]
fn near_its_deadline_a_request_takes_what_is_free() {
    let mut stage = Stage::new(vec![("fast", fast(100.0)), ("slow", fast(10.0))]);
    let ask = stage.ask("m");
    let _first = stage.sent(ask);
    let mut ask = stage.ask("m");
    ask.deadline = Moment(2_000);
    let (waits, _) = stage.waits(ask);
    assert!(stage.turn().is_empty());
    stage.now = stage.dispatch.wake_at().expect("it is looked at again").0;
    assert_eq!(stage.now, 1_000);
    let sent = sends(&stage.turn());
    assert_eq!((sent[0].0, &*sent[0].1.backend.node.name), (waits, "slow"));
}

/// A conversation of so many turns, of which `last` is the newest.
fn turn(stage: &mut Stage, conversation: u64, turns: u64) -> Ask {
    let parts =
        (0..turns).map(|at| Part { hash: conversation * 1_000 + at, tokens: (at as f64 + 1.0) * 1_000.0 });
    let mut ask = stage.ask("m");
    ask.prompt = Prompt { session: Some(conversation), parts: parts.collect() };
    ask.profile.prompt_tokens = turns as f64 * 1_000.0;
    ask
}

fn cached(grant: &Grant, row: RowId) -> f64 {
    let columns = grant.decision.matrix.columns();
    let at =
        columns.iter().position(|column| *column == Column::CachedTokens).expect("the policy asks for it");
    let of = grant.decision.matrix.iter().find(|(id, _)| *id == f64::from(row.0));
    of.expect("a candidate").1[at]
}

#[test]
fn the_next_turn_goes_where_its_prompt_is() {
    let mut stage = Stage::new(vec![("a", Machine::default()), ("b", Machine::default())]);
    let ask = turn(&mut stage, 1, 2);
    let first = stage.sent(ask);
    let home = first.backend.row;
    stage.dispatch.ended(first.run, RunEnd::Answered { tokens: 300.0 }, Moment(stage.now));
    for turns in [4, 6, 8] {
        let ask = turn(&mut stage, 1, turns);
        let again = stage.sent(ask);
        assert_eq!(again.backend.row, home);
        let held = (turns as f64 - 2.0) * 1_000.0 + 300.0;
        assert_eq!(cached(&again, home), held, "all that was sent, and what was answered");
        stage.dispatch.ended(again.run, RunEnd::Answered { tokens: 300.0 }, Moment(stage.now));
    }
    let tuning = Tuning { prompt_cache: false, ..Tuning::default() };
    let mut without = Stage::with(Rules { tuning, ..Rules::default() }, vec![("a", Machine::default())]);
    for _ in 0..2 {
        let ask = turn(&mut without, 1, 2);
        let grant = without.sent(ask);
        assert_eq!(cached(&grant, grant.backend.row), 0.0);
        without.ends(grant.run);
    }
}

#[test]
fn bound_early_a_request_waits_where_it_was_put() {
    let tuning = Tuning { binding: Binding::Early, ..Tuning::default() };
    let machines = vec![("a", fast(50.0)), ("b", fast(49.0))];
    let mut stage = Stage::with(Rules { tuning, ..Rules::default() }, machines);
    let grants: Vec<_> = (0..2)
        .map(|_| {
            let ask = stage.ask("m");
            stage.sent(ask)
        })
        .collect();
    let ask = stage.ask("m");
    let (bound, _) = stage.waits(ask);
    let [a, b] = &grants[..] else { panic!("two") };
    assert_eq!((&*a.backend.node.name, &*b.backend.node.name), ("a", "b"));
    stage.ends(b.run);
    assert!(sends(&stage.turn()).is_empty(), "b is free, and it was put to a");
    stage.ends(a.run);
    assert_eq!(sends(&stage.turn())[0].0, bound);
}

#[test]
fn advice_outranks_costs_where_it_can_be_followed() {
    let mut stage = Stage::new(vec![("fast", fast(100.0)), ("slow", fast(10.0))]);
    let mut ask = stage.ask("m");
    ask.advised = Some(stage.row("slow"));
    assert_eq!(&*stage.sent(ask).backend.node.name, "slow");
    let mut ask = stage.ask("m");
    ask.advised = Some(stage.row("slow"));
    assert_eq!(&*stage.sent(ask).backend.node.name, "fast", "the advised one is full");
}

#[test]
fn what_runs_is_read_as_wait_and_what_waits_as_queue() {
    let mut stage = Stage::new(vec![("a", Machine::default())]);
    let ask = stage.ask("m");
    let first = stage.sent(ask);
    let ask = stage.ask("m");
    stage.waits(ask);
    stage.now = 10_000;
    stage.dispatch.answering(first.run, Moment(stage.now));
    first.progress.pieces(400);
    let ask = stage.ask("m");
    let (third, place) = stage.waits(ask);
    // 400 of 256 tokens came, so 400 more are foreseen, at 50 a second; one goes first.
    let seconds = place.wait.as_secs_f64();
    assert!((8.0 + 5.3..8.0 + 5.4).contains(&seconds), "{seconds}");
    assert_eq!(stage.dispatch.place(third, stage.world()), Some(place));
    assert!(matches!(stage.turn()[..], []), "nobody is sent");
    let _: Vec<Action> = stage.turn();
}
