//! The fleet changes under those who wait: machines are lost and come back, slots are told anew, everybody is vetoed.

use herdwick_fleet::dispatch::{Action, Refusal};
use herdwick_fleet::{Claim, Elimination, Moment, Observation};

use crate::stage::{Machine, Stage, sends};

fn tell(stage: &mut Stage, name: &str, claim: Claim) {
    let backend = stage.machines[name].0;
    stage.fleet.observe(Observation { backend, at: Moment(stage.now), claim });
    stage.publish();
}

#[test]
fn those_who_wait_for_a_lost_machine_go_elsewhere() {
    let mut stage = Stage::new(vec![("a", Machine::default()), ("b", Machine::default())]);
    let grants: Vec<_> = (0..2)
        .map(|_| {
            let ask = stage.ask("m");
            stage.sent(ask)
        })
        .collect();
    let ask = stage.ask("m");
    let (waits, _) = stage.waits(ask);
    let (lost, stays) = (&grants[0], &grants[1]);
    let name = lost.backend.node.name.to_string();
    tell(&mut stage, &name, Claim::Unreachable("gone".into()));
    assert!(stage.turn().is_empty(), "the other one is full");
    stage.ends(stays.run);
    let sent = sends(&stage.turn());
    assert_eq!((sent[0].0, sent[0].1.backend.row), (waits, stays.backend.row));
}

#[test]
fn a_lost_last_machine_is_waited_for_a_moment_and_then_its_loss_is_told() {
    for comes_back in [true, false] {
        let mut stage = Stage::new(vec![("a", Machine::default())]);
        let ask = stage.ask("m");
        let first = stage.sent(ask);
        let ask = stage.ask("m");
        let (waits, _) = stage.waits(ask);
        tell(&mut stage, "a", Claim::Unreachable("gone".into()));
        assert!(stage.turn().is_empty(), "it may be back at once");
        assert_eq!(stage.dispatch.wake_at(), Some(Moment(5_000)));
        stage.ends(first.run);
        if comes_back {
            stage.now = 4_000;
            stage.beat();
            assert_eq!(sends(&stage.turn())[0].0, waits);
            continue;
        }
        stage.now = 5_000;
        let actions = stage.turn();
        let [Action::Refuse { request, refusal }] = &actions[..] else { panic!("told: {actions:?}") };
        let Refusal::Lacking(field) = &**refusal else { panic!("{refusal:?}") };
        assert_eq!(*request, waits);
        assert!(matches!(field.eliminated[0].why, Elimination::Unreachable(_)));
        let ask = stage.ask("m");
        assert!(matches!(stage.refused(ask), Refusal::Lacking(_)), "whoever comes now is told at once");
    }
}

#[test]
fn fewer_slots_are_kept_as_soon_as_runs_end_and_more_are_used_at_once() {
    let mut stage = Stage::new(vec![("a", Machine { slots: 3, ..Machine::default() })]);
    let grants: Vec<_> = (0..3)
        .map(|_| {
            let ask = stage.ask("m");
            stage.sent(ask)
        })
        .collect();
    let ask = stage.ask("m");
    let (first, place) = stage.waits(ask);
    let slots = &grants[0].holding.live.slots;
    slots.resize(1);
    let later = stage.dispatch.place(first, stage.world()).expect("it waits");
    assert!(later.wait >= place.wait, "three must end before one begins");
    stage.ends(grants[0].run);
    stage.ends(grants[1].run);
    assert!(stage.turn().is_empty(), "one still runs, and one is all there may be");
    slots.resize(2);
    stage.beat();
    assert_eq!(sends(&stage.turn())[0].0, first);
}

#[test]
fn a_backend_that_says_it_is_busy_is_asked_again_when_its_rest_is_over() {
    let mut stage = Stage::new(vec![("a", Machine::default())]);
    let ask = stage.ask("m");
    let grant = stage.sent(ask);
    grant.holding.live.mark_busy(Moment(0));
    stage.ends(grant.run);
    let ask = stage.ask("m");
    let (waits, _) = stage.waits(ask);
    assert!(stage.turn().is_empty());
    assert_eq!(stage.dispatch.wake_at(), Some(Moment(250)));
    stage.now = 100;
    stage.beat();
    assert!(stage.turn().is_empty());
    assert_eq!(stage.dispatch.wake_at(), Some(Moment(250)), "a turn in between does not forget it");
    stage.now = 250;
    assert_eq!(sends(&stage.turn())[0].0, waits);
}

#[test]
fn a_model_that_is_denied_while_one_waits_for_it_is_told_as_missing() {
    let mut stage = Stage::new(vec![("a", Machine::default())]);
    let ask = stage.ask("m");
    let grant = stage.sent(ask);
    let ask = stage.ask("m");
    let (waits, _) = stage.waits(ask);
    grant.holding.live.mark_denied(Moment(stage.now));
    stage.ends(grant.run);
    let actions = stage.turn();
    let [Action::Refuse { request, .. }] = &actions[..] else { panic!("at once: {actions:?}") };
    assert_eq!(*request, waits);
}
