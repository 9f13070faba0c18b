//! What the operator wants of machines, and what cannot be.

use std::collections::BTreeMap;

use herdwick_fleet::{Claim, Event, Listing, Origin, Refusal, Source};

use super::lan::{Lan, PORT, backend, model};

fn said(granted: Result<Vec<Event>, Refusal>) -> String {
    match granted {
        Ok(events) => events.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        Err(refusal) => refusal.to_string(),
    }
}

fn listing(name: &str, host: &str) -> Listing {
    let origin = Origin { host: host.into(), port: PORT };
    Listing { name: name.into(), origin, slots: None, labels: BTreeMap::new(), source: Source::Added }
}

#[test]
fn a_machine_is_added_and_taken_out() {
    let mut lan = Lan::default();
    let added = lan.fleet.list(listing("studio", "10.0.0.5")).map(|(_, events)| events);
    assert_eq!(said(added), "studio is added, at http://10.0.0.5:11434");
    let again = lan.fleet.list(listing("other", "10.0.0.5")).map(|(_, events)| events);
    assert_eq!(said(again), "that server is in the fleet already, as studio");
    let unnamed = lan.fleet.list(listing("a b", "10.0.0.6")).map(|(_, events)| events);
    assert!(said(unnamed).contains("is no name for a node"));
    let row = lan.only().row;
    assert_eq!(said(lan.fleet.remove("studio")), "studio is not in the fleet any more");
    assert!(lan.see().backends().is_empty() && lan.see().nodes().is_empty() && lan.asked().is_empty());
    assert!(said(lan.fleet.remove("studio")).starts_with("no node is called \"studio\""));
    lan.fleet.list(listing("studio", "10.0.0.5")).expect("a place");
    assert_ne!(lan.only().row, row, "a row is never given twice");
}

#[test]
fn what_would_come_back_is_not_taken_out() {
    let mut lan = Lan::default();
    lan.list("fixed", "10.0.0.5", None);
    lan.beat(1);
    assert!(said(lan.fleet.remove("fixed")).starts_with("fixed is named in the configuration"));
    assert!(said(lan.fleet.forget("fixed")).starts_with("fixed is named in the configuration"));
    assert!(said(lan.fleet.remove("node-1")).starts_with("the agent of node-1 reports"));
    assert!(said(lan.fleet.forget("node-1")).starts_with("the agent of node-1 reports"));
    lan.wait(20_000);
    lan.find(backend(1), Claim::Unreachable("gone".into()));
    assert_eq!(said(lan.fleet.forget("node-1")), "node-1 is not in the fleet any more");
    assert_eq!(lan.beat(1).len(), 3, "it may join again like a stranger");
}

#[test]
fn a_name_that_was_added_goes_and_the_agent_stays() {
    let mut lan = Lan::default();
    lan.fleet.list(Listing { slots: Some(9), ..listing("studio", "10.0.0.1") }).expect("a place");
    lan.beat(1);
    assert_eq!(lan.free(), 9);
    assert_eq!(said(lan.fleet.remove("studio")), "");
    assert_eq!((lan.only().id, lan.free()), (backend(1), 1));
}

#[test]
fn a_server_that_is_only_assumed_is_told_of_when_it_answers_or_nobody_else_is_there() {
    let mut lan = Lan::default();
    lan.fleet.assume(listing("local", "127.0.0.1")).expect("a place");
    let here = lan.only().id;
    assert!(lan.find(here, Claim::Unreachable("refused".into())).is_empty(), "no news");
    assert_eq!(&*lan.only().node.name, "local", "there is nobody else to show");
    lan.beat(1);
    assert_eq!(lan.only().id, backend(1));
    assert_eq!(lan.see().nodes().len(), 1);
    assert_eq!(lan.asked().len(), 2, "it is looked for all the same");
    lan.find(here, Claim::Version("0.12".into()));
    assert_eq!(lan.see().backends().len(), 2);
    lan.find(here, Claim::Models(vec![model("x:1b")]));
    let names: Vec<_> = lan.see().models().into_iter().map(ToString::to_string).collect();
    assert_eq!(names, ["m:1b", "x:1b"]);
    assert_eq!(lan.find(here, Claim::Unreachable("refused".into())), ["local does not answer: refused"]);
    assert_eq!(lan.see().backends().len(), 2, "whoever was there is missed");
}

#[test]
fn an_agent_gives_its_name_to_the_server_that_was_only_assumed() {
    let mut lan = Lan::default();
    lan.fleet.assume(listing("local", "10.0.0.1")).expect("a place");
    let here = lan.only().id;
    lan.find(here, Claim::Version("0.12".into()));
    lan.beat(1);
    assert_eq!((&*lan.only().node.name, lan.only().id), ("node-1", backend(1)));
}

#[test]
fn a_drained_machine_rests_until_it_is_told_otherwise() {
    let mut lan = Lan::default();
    lan.beat(1);
    let topology = lan.see().topology;
    assert_eq!(said(lan.fleet.drain("node-1")), "node-1 takes no new work, as its operator wants");
    assert!(lan.see().topology > topology);
    assert_eq!(said(lan.fleet.drain("node-1")), "", "it does already");
    lan.now += 1_000;
    lan.beat(1);
    assert!(!lan.only().takes_work(), "what its agent says of itself changes nothing");
    assert_eq!(said(lan.fleet.undrain("node-1")), "node-1 takes new work again");
    assert!(lan.only().takes_work());
    assert!(said(lan.fleet.drain("nobody")).contains("`herdwick nodes list`"));
}

#[test]
fn names_and_labels_are_checked_and_kept() {
    let mut lan = Lan::default();
    lan.beat(1);
    lan.beat(2);
    assert_eq!(said(lan.fleet.rename("node-1", "studio")), "node-1 is called studio from now on");
    assert!(said(lan.fleet.rename("studio", "node-2")).starts_with("another node is called \"node-2\""));
    assert!(said(lan.fleet.rename("studio", "a/b")).contains("is no name"));
    let labels =
        |count: usize| (0..count).map(|n| (n.to_string(), "x".to_owned())).collect::<BTreeMap<_, _>>();
    assert_eq!(said(lan.fleet.label("studio", labels(2))), "studio has other labels");
    assert_eq!(said(lan.fleet.label("studio", labels(2))), "");
    assert!(said(lan.fleet.label("studio", labels(1_000))).contains("at most 64 labels"));
    lan.beat(1);
    let snapshot = lan.see();
    let node = snapshot.backends()[0].node.clone();
    assert_eq!((&*node.name, node.labels.len()), ("studio", 2));
}

#[test]
fn what_runs_on_a_machine_that_is_taken_out_ends_in_peace() {
    let mut lan = Lan::default();
    let (id, _) = lan.fleet.list(listing("studio", "10.0.0.5")).expect("a place");
    lan.find(id, Claim::Models(vec![model("m:1b")]));
    let held = lan.only().holdings[&super::name()].live.slots.try_acquire();
    lan.fleet.remove("studio").expect("it is there");
    drop(held);
}
