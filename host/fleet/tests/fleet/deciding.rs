//! Who wins, and what is said about it.

use std::collections::BTreeSet;

use herdwick_fleet::candidate::Lack;
use herdwick_fleet::{Claim, Field, Moment, RowId};

use super::{Scene, Script, decided, occupy, profile};

const NO: f64 = f64::NAN;
const VETO: f64 = f64::INFINITY;

fn three() -> Scene {
    Scene::default().node("a", true, 2).node("b", false, 2).node("c", false, 2)
}

fn order(signals: Vec<(&'static str, f64, Vec<f64>)>) -> Vec<String> {
    let decision = decided(&three().snapshot(), &[], Script(signals), 0);
    decision.ranked.iter().map(|ranked| ranked.node.to_string()).collect()
}

#[test]
fn the_lowest_sum_wins_and_weights_count() {
    assert_eq!(order(vec![("x", 1.0, vec![100.0, 0.0, 50.0])]), ["b", "c", "a"]);
    let heavy = vec![("x", 1.0, vec![100.0, 0.0, 50.0]), ("y", 3.0, vec![0.0, 100.0, 100.0])];
    assert_eq!(order(heavy), ["a", "b", "c"]);
    assert_eq!(order(vec![("x", 1.0, vec![NO, 100.0, 300.0])]), ["b", "a", "c"]);
}

#[test]
fn the_reason_names_the_signal_that_decided_and_those_who_were_out() {
    let mut scene = three();
    scene.tell("c", Claim::Unreachable("no answer within 2 s".into()));
    let snapshot = scene.snapshot();
    let signals = || Script(vec![("residency", 1.0, vec![0.0, 4_000.0]), ("queue", 1.0, vec![900.0, 0.0])]);
    let decision = decided(&snapshot, &[], signals(), 0);
    assert_eq!(
        decision.why(),
        "a (model resident) is 3.1 s ahead of b (model on disk): residency 0 ms against 4.0 s; \
         c is unreachable: no answer within 2 s"
    );
    let full = occupy(&snapshot, "a", 2);
    assert_eq!(
        decided(&snapshot, &[], signals(), 0).why(),
        "b (model on disk) is the only one that can take it now; a is full (2 of 2 slots busy); \
         c is unreachable: no answer within 2 s"
    );
    drop(full);
    let text = decided(&snapshot, &[], signals(), 0).to_string();
    for line in [
        "fleet generation 1, plugin set 3",
        "  a                       900 ms       0 ms     900 ms",
        "  b                        4.0 s      4.0 s       0 ms",
        "  c                          out  is unreachable: no answer within 2 s",
    ] {
        assert!(text.lines().any(|have| have == line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn equals_go_to_whoever_has_less_in_flight_and_otherwise_by_lot() {
    let snapshot = Scene::default().node("a", true, 4).node("b", true, 4).snapshot();
    let winner = |lot| {
        let decision = decided(&snapshot, &[], Script(vec![("x", 1.0, vec![0.0, 4.0])]), lot);
        (decision.ranked[0].node.to_string(), decision.why())
    };
    let winners: BTreeSet<_> = (0..64).map(|lot| winner(lot << 2 | 1).0).collect();
    assert_eq!(winners.len(), 2, "not always the first that joined");
    let busy = occupy(&snapshot, "a", 1);
    for lot in 0..64 {
        let (name, why) = winner(lot);
        assert_eq!(name, "b");
        assert!(why.contains("has less in flight"), "{why}");
    }
    drop(busy);
}

#[test]
fn without_an_answer_the_least_busy_wins_then_the_first_by_name() {
    let snapshot = three().snapshot();
    let busy = occupy(&snapshot, "a", 1);
    let decision = decided(&snapshot, &[], Script(vec![]), 0);
    assert_eq!(&*decision.ranked[0].node, "b");
    assert!(decision.why().contains("no signal answered"), "{}", decision.why());
    drop(busy);
    assert_eq!(&*decided(&snapshot, &[], Script(vec![]), 0).ranked[0].node, "a");
}

#[test]
fn a_veto_takes_a_candidate_out_and_says_who_did_it() {
    let decision = decided(&three().snapshot(), &[], Script(vec![("fit", 1.0, vec![VETO, 1.0, 900.0])]), 0);
    assert_eq!(&*decision.ranked[0].node, "b");
    assert!(decision.why().ends_with("; a is vetoed by fit"), "{}", decision.why());
    let all = decided(&three().snapshot(), &[], Script(vec![("fit", 1.0, vec![VETO; 3])]), 0);
    assert!(all.ranked.is_empty());
    assert!(all.why().starts_with("nobody can serve m:1b"), "{}", all.why());
}

#[test]
fn why_nobody_is_left_depends_on_who_could_still_come() {
    let mut scene = Scene::default().node("a", true, 1).node("b", true, 1);
    let snapshot = scene.snapshot();
    let lack = |tried: &[RowId]| Field::survey(&profile(0), &snapshot, tried, Moment(0)).lack();
    let busy = [occupy(&snapshot, "a", 1), occupy(&snapshot, "b", 1)];
    assert_eq!(lack(&[]), Lack::Busy);
    assert_eq!(lack(&[RowId(0)]), Lack::Busy, "the other one may still free a slot");
    assert_eq!(lack(&[RowId(0), RowId(1)]), Lack::Exhausted);
    drop(busy);
    for node in ["a", "b"] {
        scene.tell(node, Claim::Unreachable("gone".into()));
    }
    assert_eq!(Field::survey(&profile(0), &scene.snapshot(), &[], Moment(0)).lack(), Lack::Unreachable);
    assert_eq!(
        Field::survey(&profile(0), &Scene::default().snapshot(), &[], Moment(0)).lack(),
        Lack::Unknown
    );
}

#[test]
fn a_refused_connection_counts_before_any_probe() {
    let snapshot = three().snapshot();
    snapshot.backends()[0].live.mark_refused();
    let field = Field::survey(&profile(0), &snapshot, &[], Moment(0));
    let names: Vec<_> = field.candidates.iter().map(|candidate| candidate.name()).collect();
    assert_eq!(names, ["b", "c"]);
    assert!(field.eliminated[0].why.to_string().contains("refused a connection just now"));
}

#[test]
fn a_shadow_counts_for_nothing_and_is_seen_to_disagree() {
    let snapshot = three().snapshot();
    let with = |shadow: Vec<f64>| {
        let signals = Script(vec![("x", 1.0, vec![0.0, 50.0, 90.0]), ("shadow-y", 1.0, shadow)]);
        decided(&snapshot, &[], signals, 0)
    };
    let ring = herdwick_fleet::Ring::default();
    for (shadow, changes) in [
        (vec![0.0, 0.0, 0.0], false),
        (vec![100.0, 0.0, 0.0], true),
        (vec![NO, NO, 0.0], false),
        // Within the tie the winner is as good as any.
        (vec![54.0, 0.0, 0.0], false),
        (vec![VETO, 0.0, 0.0], true),
    ] {
        let decision = with(shadow.clone());
        assert_eq!(&*decision.ranked[0].node, "a", "{shadow:?}");
        assert_eq!(decision.signals.len(), 1, "{shadow:?}");
        assert_eq!(decision.shadows[0].changes, changes, "{shadow:?}");
        ring.push(decision);
    }
    let count = ring.shadow(&herdwick_fleet::PluginId::new("shadow-y"), 1_000);
    assert_eq!((count.asked, count.changed), (5, 2));
    assert_eq!(ring.shadow(&herdwick_fleet::PluginId::new("shadow-y"), 1).changed, 1, "the newest one");
}

#[test]
fn the_ring_keeps_the_newest_and_finds_a_request() {
    let snapshot = three().snapshot();
    let ring = herdwick_fleet::Ring::default();
    for lot in 0..5_010 {
        ring.push(decided(&snapshot, &[], Script(vec![]), lot));
    }
    assert_eq!(ring.newest(usize::MAX).len(), 5_000);
    assert_eq!(ring.last().map(|decision| decision.id), Some(profile(5_009).id));
    assert!(ring.find(profile(5_000).id).is_some());
    assert!(ring.find(profile(9).id).is_none(), "the oldest are gone");
}
