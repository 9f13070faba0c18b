//! What it means when an agent is not heard, and what it does not.

use herdwick_fleet::{Claim, Moment, Reach, Standing};

use super::lan::{BEAT, Lan, backend, id};

/// Two machines that beat for a while.
fn two() -> Lan {
    let mut lan = Lan::default();
    for _ in 0..3 {
        lan.beat(1);
        lan.beat(2);
        lan.find(backend(1), Claim::Version("0.12".into()));
        lan.find(backend(2), Claim::Version("0.12".into()));
        lan.wait(BEAT);
    }
    lan
}

fn standing(lan: &mut Lan, number: u8) -> Standing {
    let snapshot = lan.see();
    snapshot.nodes().iter().find(|node| node.id == id(number)).expect("a machine").standing
}

/// The second beats on for so long, the first does not.
fn only_second(lan: &mut Lan, beats: u64) -> Vec<String> {
    let mut said = Vec::new();
    for _ in 0..beats {
        said.extend(lan.beat(2));
        said.extend(lan.wait(BEAT));
    }
    said
}

#[test]
fn after_three_beats_its_servers_are_asked_and_one_that_answers_is_kept() {
    let mut lan = two();
    // The last beat was a second ago.
    assert_eq!(only_second(&mut lan, 2), Vec::<String>::new(), "a beat travels a little");
    let said = only_second(&mut lan, 1);
    assert_eq!(said, ["the agent of node-1 was not heard for 3.2 s; its servers are asked directly"]);
    assert_eq!(lan.asked(), ["http://10.0.0.1:11434 Urgent"]);
    lan.find(backend(1), Claim::Version("0.12".into()));
    assert_eq!(only_second(&mut lan, 20), Vec::<String>::new());
    assert_eq!(standing(&mut lan, 1), Standing::Stale);
    assert!(lan.see().backends()[0].takes_work(), "it answers");
    assert_eq!(lan.beat(1), ["the agent of node-1 is back"]);
    assert_eq!((standing(&mut lan, 1), lan.asked()), (Standing::Online, vec![]));
}

#[test]
fn one_that_does_not_answer_gets_no_work_and_is_offline_after_ten_beats() {
    let mut lan = two();
    only_second(&mut lan, 3);
    assert_eq!(
        lan.find(backend(1), Claim::Silent("no answer within 1 s".into())),
        ["node-1 does not answer: no answer within 1 s"]
    );
    assert!(!lan.see().backends()[0].takes_work());
    assert_eq!(only_second(&mut lan, 6), Vec::<String>::new());
    assert_eq!(
        only_second(&mut lan, 1),
        ["node-1 is offline: neither its agent nor a server of it is heard"]
    );
    assert_eq!(
        (standing(&mut lan, 1), lan.asked()),
        (Standing::Lost, vec!["http://10.0.0.1:11434 Seldom".into()])
    );
    // Its server is started again without its agent.
    lan.find(backend(1), Claim::Version("0.12".into()));
    assert_eq!(standing(&mut lan, 1), Standing::Stale);
    assert_eq!(
        lan.find(backend(1), Claim::Unreachable("nothing listens there".into())),
        [
            "node-1 does not answer: nothing listens there",
            "node-1 is offline: neither its agent nor a server of it is heard"
        ]
    );
    assert_eq!(lan.beat(1), ["the agent of node-1 is back", "node-1 answers (version 0.12)"]);
}

#[test]
fn bytes_that_flow_outrank_answers_that_do_not_come() {
    let mut lan = two();
    let live = lan.see().backends()[0].live.clone();
    only_second(&mut lan, 3);
    live.mark_flowing();
    assert_eq!(lan.find(backend(1), Claim::Silent("no answer within 1 s".into())), Vec::<String>::new());
    assert!(lan.see().backends()[0].takes_work());
    assert!(
        !lan.find(backend(1), Claim::Silent("no answer within 2 s".into())).is_empty(),
        "nothing came since"
    );
    // A refusal is an answer.
    lan.find(backend(1), Claim::Version("0.12".into()));
    live.mark_flowing();
    assert!(!lan.find(backend(1), Claim::Unreachable("nothing listens there".into())).is_empty());
}

#[test]
fn when_nobody_is_heard_the_router_waits_anew_and_once() {
    let mut lan = two();
    let said = lan.wait(3 * BEAT);
    assert_eq!(
        said,
        ["none of 2 agents was heard: this router slept or was cut off; nobody is given up yet"]
    );
    assert_eq!((standing(&mut lan, 1), standing(&mut lan, 2)), (Standing::Online, Standing::Online));
    let said = lan.wait(4 * BEAT);
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!((standing(&mut lan, 1), standing(&mut lan, 2)), (Standing::Stale, Standing::Stale));
}

#[test]
fn a_keeper_that_was_stopped_judges_nobody_by_that() {
    let mut lan = Lan::default();
    lan.beat(1);
    // Nobody looked for a minute.
    lan.now = 60_000;
    let said = lan.fleet.expire(Moment(lan.now));
    assert!(said[0].to_string().contains("this router slept"), "{said:?}");
    assert_eq!(standing(&mut lan, 1), Standing::Online);
    lan.wait(BEAT);
    assert_eq!(lan.beat(1), Vec::<String>::new());
    // On time nobody is excused.
    assert_eq!(lan.wait(4 * BEAT).len(), 1);
}

#[test]
fn somebody_who_was_asked_before_it_was_heard_again_is_not_down_by_that() {
    let mut lan = two();
    only_second(&mut lan, 3);
    let asked = lan.now;
    lan.wait(500);
    lan.beat(1);
    let late = herdwick_fleet::Observation {
        backend: backend(1),
        at: Moment(asked),
        claim: Claim::Silent("no answer within 1 s".into()),
    };
    assert!(lan.fleet.observe(late).is_empty());
    assert_eq!(lan.see().backends()[0].reach, Reach::Up);
}

#[test]
fn one_that_comes_and_goes_is_held_back_for_a_while() {
    let mut lan = two();
    for round in 1..=3 {
        only_second(&mut lan, 4);
        lan.find(backend(1), Claim::Unreachable("nothing listens there".into()));
        let said = lan.beat(1);
        let held = "node-1 went and came back 3 times; for 30 s it is asked only when nobody else can serve";
        assert_eq!(said.iter().any(|said| said == held), round == 3, "{said:?}");
    }
    assert!(matches!(standing(&mut lan, 1), Standing::Held { .. }));
    let mut said = Vec::new();
    for _ in 0..31 {
        said.extend(lan.beat(1));
        said.extend(lan.beat(2));
        said.extend(lan.wait(BEAT));
    }
    assert_eq!(said, ["node-1 is asked as before"]);
    assert_eq!(standing(&mut lan, 1), Standing::Online);
}

#[test]
fn an_agent_that_is_started_anew_while_its_server_answers_does_not_flap() {
    let mut lan = two();
    for _ in 0..6 {
        only_second(&mut lan, 4);
        lan.find(backend(1), Claim::Version("0.12".into()));
        assert_eq!(lan.beat(1), ["the agent of node-1 is back"]);
    }
}

#[test]
fn an_agent_that_said_that_it_leaves_has_left() {
    let mut lan = two();
    let mut last = lan.report(1);
    last.draining = true;
    assert_eq!(lan.hear(last), ["node-1 takes no new work, says its agent"]);
    assert!(!lan.see().backends()[0].takes_work());
    let said = only_second(&mut lan, 11);
    assert_eq!(
        said[1..],
        [
            "node-1 does not answer: its agent left",
            "node-1 is offline: neither its agent nor a server of it is heard"
        ]
    );
    assert!(lan.asked().is_empty(), "its server may run on, and is not ours");
    let said = lan.beat(1);
    assert_eq!(said[..2], ["the agent of node-1 is back", "node-1 takes new work again"]);
}
