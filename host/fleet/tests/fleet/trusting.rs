//! Who is asked when backends fail: those that failed last, and the last one always.

use herdwick_fleet::candidate::Lack;
use herdwick_fleet::{Failure, Field, Moment, Snapshot};

use super::{Scene, occupy, profile};

/// Two nodes with the model in memory.
fn pair() -> Snapshot {
    Scene::default().node("one", true, 1).node("two", true, 1).snapshot()
}

fn fails(snapshot: &Snapshot, node: &str, times: usize, now: u64) {
    let backend = snapshot.backends().iter().find(|backend| &*backend.node.name == node).expect("a node");
    for _ in 0..times {
        backend.live.breaker.failed(Failure::Status, false, Moment(now));
    }
}

fn survey(snapshot: &Snapshot, tried: &[&str], now: u64) -> Field {
    let backends = snapshot.backends().iter();
    let tried = backends.filter(|backend| tried.contains(&&*backend.node.name)).map(|backend| backend.row);
    Field::survey(&profile(0), snapshot, &tried.collect::<Vec<_>>(), Moment(now))
}

/// Who can serve, and why the others cannot.
fn told(field: &Field) -> (Vec<&str>, Vec<String>) {
    let can = field.candidates.iter().map(|candidate| candidate.name()).collect();
    (can, field.eliminated.iter().map(|out| format!("{} {}", out.node, out.why)).collect())
}

#[test]
fn whoever_failed_is_passed_by_while_another_can_serve() {
    let snapshot = pair();
    fails(&snapshot, "one", 1, 0);
    let field = survey(&snapshot, &[], 100);
    assert_eq!(told(&field), (vec!["two"], vec!["one failed just now, tried again in 0.4 s".into()]));
    fails(&snapshot, "one", 2, 100);
    let field = survey(&snapshot, &[], 100);
    let tripped = "one is tripped: 3 failures in a row, tried again in 4 s";
    assert_eq!(told(&field), (vec!["two"], vec![tripped.into()]));
    let full = occupy(&snapshot, "two", 1);
    let field = survey(&snapshot, &[], 100);
    assert_eq!((field.candidates.len(), field.lack()), (0, Lack::Busy), "the good one will be free");
    drop(full);
}

#[test]
fn the_last_one_is_asked_whatever_it_did() {
    let snapshot = Scene::default().node("only", true, 2).snapshot();
    fails(&snapshot, "only", 5, 0);
    assert_eq!(told(&survey(&snapshot, &[], 0)).0, ["only"]);
    let pair = pair();
    fails(&pair, "one", 3, 0);
    assert_eq!(told(&survey(&pair, &["two"], 4_000)).0, ["one"], "its rest is over");
    fails(&pair, "two", 1, 0);
    assert_eq!(told(&survey(&pair, &[], 0)).0, ["two"], "it only failed once");
}

#[test]
fn of_several_that_are_tripped_none_is_the_last() {
    let snapshot = pair();
    fails(&snapshot, "one", 3, 0);
    fails(&snapshot, "two", 3, 1_000);
    let field = survey(&snapshot, &[], 1_000);
    assert_eq!((field.candidates.len(), field.lack()), (0, Lack::Busy), "one is tried again soon");
    assert_eq!(field.next_chance().map(|rest| rest.as_secs()), Some(3));
    // Each failed its trial and rests for eight seconds.
    fails(&snapshot, "one", 1, 4_000);
    fails(&snapshot, "two", 1, 5_000);
    let field = survey(&snapshot, &[], 5_000);
    assert_eq!((field.candidates.len(), field.lack()), (0, Lack::Unreachable), "nobody waits for that");
    assert_eq!(field.next_chance().map(|rest| rest.as_secs()), Some(7));
}
