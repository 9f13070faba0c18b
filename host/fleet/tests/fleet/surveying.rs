//! Who can serve, with machines that come and go.

use herdwick_fleet::candidate::Lack;
use herdwick_fleet::{BackendKind, Claim, Field, Moment, Profile};

use super::lan::{BEAT, Lan, backend};
use super::profile;

fn survey(lan: &mut Lan, endpoint: &'static str) -> Field {
    let snapshot = lan.see();
    Field::survey(&Profile { endpoint, ..profile(0) }, &snapshot, &[], Moment(lan.now))
}

/// Names of those that can serve, and why the others cannot.
fn words(field: &Field) -> (Vec<&str>, Vec<String>) {
    let can = field.candidates.iter().map(|candidate| candidate.name()).collect();
    (can, field.eliminated.iter().map(|out| format!("{} {}", out.node, out.why)).collect())
}

#[test]
fn each_holder_that_cannot_serve_says_why() {
    let mut lan = Lan::default();
    for number in 1..=4 {
        lan.beat(number);
    }
    lan.fleet.drain("node-1").unwrap();
    let mut llama = lan.report(2);
    llama.servers[0].kind = BackendKind::LlamaCpp;
    lan.hear(llama);
    for _ in 0..5 {
        lan.wait(BEAT);
        lan.beat(4);
    }
    for (number, claim) in [(2, Claim::Version(String::new())), (1, Claim::Version(String::new()))] {
        lan.find(backend(number), claim);
    }
    lan.find(backend(3), Claim::Silent("no answer within 1 s".into()));
    let out = [
        "node-1 is draining (takes no new work)",
        "node-2 does not speak this API (llama.cpp)",
        "node-3 is stale: its agent is silent, and no answer within 1 s",
    ];
    let field = survey(&mut lan, "/api/chat");
    assert_eq!(words(&field), (vec!["node-4"], out.map(str::to_owned).to_vec()));
    assert_eq!(words(&survey(&mut lan, "/v1/chat/completions")).0, ["node-2", "node-4"]);
    for _ in 0..8 {
        lan.wait(BEAT);
        lan.beat(4);
    }
    assert!(words(&survey(&mut lan, "/api/chat")).1.contains(&"node-3 is offline".to_owned()));
}

#[test]
fn what_is_held_only_where_another_api_is_spoken_is_told_as_that() {
    let mut lan = Lan::default();
    let mut llama = lan.report(1);
    llama.servers[0].kind = BackendKind::Vllm;
    lan.hear(llama);
    assert_eq!(survey(&mut lan, "/api/chat").lack(), Lack::Dialect);
    lan.beat(2);
    lan.fleet.drain("node-2").unwrap();
    assert_eq!(survey(&mut lan, "/api/chat").lack(), Lack::Unreachable, "somebody else may be back soon");
}

#[test]
fn the_last_one_who_can_serve_is_never_held_back() {
    let mut lan = Lan::default();
    for _ in 0..3 {
        lan.beat(1);
        for _ in 0..4 {
            lan.beat(2);
            lan.wait(BEAT);
        }
        lan.find(backend(1), Claim::Unreachable("gone".into()));
    }
    lan.beat(1);
    lan.beat(2);
    let held = "node-1 is held back, since it came and went too often".to_owned();
    assert_eq!(words(&survey(&mut lan, "/api/chat")), (vec!["node-2"], vec![held.clone()]));
    // Whoever is merely full will have room again.
    let slot = lan.see().backends()[1].holdings[&super::name()].live.slots.try_acquire();
    let field = survey(&mut lan, "/api/chat");
    assert_eq!((words(&field).0.len(), field.lack()), (0, Lack::Busy));
    assert!(words(&field).1.contains(&held));
    drop(slot);
    lan.fleet.drain("node-2").unwrap();
    assert_eq!(words(&survey(&mut lan, "/api/chat")).0, ["node-1"]);
}
