//! One server is one backend, however many ways it is known by.

use std::collections::BTreeMap;

use herdwick_fleet::{Agent, Claim, Listing, Origin, Source};

use super::lan::{BEAT, Lan, PORT, address, backend, forwarded, id, model};
use super::name;

#[test]
fn a_server_that_somebody_named_and_an_agent_reports_is_one() {
    let mut lan = Lan::default();
    let plain = lan.list("studio", "10.0.0.1", Some(3));
    lan.find(plain, Claim::Models(vec![model("m:1b")]));
    let before = lan.only();
    let held = before.holdings[&name()].live.slots.try_acquire();
    let mut report = lan.report(1);
    report.servers[0].slots = Some(8);
    assert_eq!(
        lan.hear(report.clone()),
        [
            "studio joined: herdwick 0.1.0 reports from 10.0.0.1",
            "studio is the machine whose agent calls it node-1: they are one node",
        ]
    );
    let after = lan.only();
    assert_eq!((after.id, after.row), (backend(1), before.row), "the agent's identity, in the same row");
    assert_eq!(&*after.node.name, "studio");
    assert_eq!(
        (lan.free(), held.is_some()),
        (2, true),
        "the operator's slots, and who runs there still does"
    );
    assert_eq!(lan.hear(report), Vec::<String>::new());
    assert_eq!(lan.see().nodes().len(), 1);
}

#[test]
fn the_same_holds_when_the_agent_was_first() {
    let mut lan = Lan::default();
    lan.beat(1);
    let before = lan.only();
    let listed = lan.list("studio", "10.0.0.1", None);
    let after = lan.only();
    assert_eq!((listed, after.row, &*after.node.name), (backend(1), before.row, "studio"));
    let mut report = lan.report(1);
    report.servers[0].slots = Some(8);
    lan.hear(report);
    assert_eq!(lan.free(), 8, "nobody else said how many");
}

#[test]
fn a_machine_that_is_named_and_not_numbered_is_known_by_its_address() {
    let mut lan = Lan::default();
    let plain = lan.list("studio", "studio.local", Some(3));
    lan.find(plain, Claim::Models(vec![model("m:1b")]));
    lan.beat(1);
    assert_eq!(lan.see().backends().len(), 2, "nobody knows yet");
    // Requests run by way of the name.
    let snapshot = lan.see();
    let held = snapshot.backends()[0].holdings[&name()].live.slots.try_acquire();
    let said = lan.find(plain, Claim::Addresses(vec![address(9), address(1)]));
    assert_eq!(said, ["studio is the machine whose agent calls it node-1: they are one node"]);
    let one = lan.only();
    assert_eq!((one.id, one.row), (backend(1), snapshot.backends()[0].row));
    assert_eq!((lan.free(), held.is_some()), (2, true));
    assert!(
        lan.fleet
            .observe(herdwick_fleet::Observation {
                backend: plain,
                at: herdwick_fleet::Moment(9),
                claim: Claim::Version("late".into())
            })
            .is_empty(),
        "who asked by the name that is gone changes nothing"
    );
}

#[test]
fn the_routers_own_ollama_is_the_one_that_the_agent_beside_it_reports() {
    for from in ["127.0.0.1", "::1", "192.168.1.10"] {
        let mut lan = Lan::default();
        lan.fleet.learn_here("192.168.1.10".parse().unwrap());
        lan.list("local", "127.0.0.1", Some(1));
        let mut report = lan.report(1);
        report.address = from.parse().unwrap();
        lan.hear(report);
        assert_eq!(&*lan.only().node.name, "local", "{from}");
    }
    // What is learned late counts as well.
    let mut lan = Lan::default();
    lan.list("local", "localhost", Some(1));
    let plain = lan.only().id;
    lan.find(plain, Claim::Addresses(vec!["127.0.0.1".parse().unwrap()]));
    let mut report = lan.report(1);
    report.address = "192.168.1.10".parse().unwrap();
    lan.hear(report);
    assert_eq!(lan.see().backends().len(), 2);
    lan.fleet.learn_here("192.168.1.10".parse().unwrap());
    assert_eq!(lan.only().id, backend(1));
}

#[test]
fn a_listed_server_behind_its_agent_is_found_by_the_port_it_is_known_by() {
    let mut lan = Lan::default();
    lan.list("studio", "10.0.0.1", None);
    let mut report = lan.report(1);
    report.servers[0].door = forwarded(11_436);
    lan.hear(report);
    let one = lan.only();
    assert_eq!((one.origin.port, &*one.node.name), (11_436, "studio"));
}

#[test]
fn two_agents_in_front_of_one_server_are_told_of_and_the_first_counts() {
    let mut lan = Lan::default();
    lan.beat(1);
    let mut second = lan.report(2);
    second.address = address(1);
    assert_eq!(
        lan.hear(second.clone()),
        [
            "node-2 joined: herdwick 0.1.0 reports from 10.0.0.1",
            "node-2 reports the server at http://10.0.0.1:11434, which node-1 reported first; only node-1 counts. \
             Two agents run there, or both are behind one address: stop one of them"
        ]
    );
    assert_eq!(lan.hear(second.clone()), Vec::<String>::new(), "it is said once");
    assert_eq!(lan.only().id, backend(1));
    // The first is silent: the second counts, in the same row.
    let row = lan.only().row;
    for _ in 0..4 {
        lan.wait(BEAT);
        second.at = herdwick_fleet::Moment(lan.now);
        lan.hear(second.clone());
    }
    assert_eq!((lan.only().id, lan.only().row), (backend(2), row));
    assert_eq!(lan.beat(1).len(), 2, "it is back, and its server is another's by now");
    assert_eq!(lan.only().id, backend(2));
}

#[test]
fn what_anybody_can_write_never_takes_the_place_of_what_is_signed() {
    let mut lan = Lan::default();
    let mut herd = lan.report(3);
    herd.agent = Agent::Herd { version: "0.5".into() };
    herd.address = address(1);
    lan.hear(herd.clone());
    assert_eq!(lan.only().id, backend(3));
    lan.beat(1);
    assert_eq!(lan.only().id, backend(1), "a signature outranks it at once");
    for _ in 0..20 {
        herd.at = herdwick_fleet::Moment(lan.now);
        lan.hear(herd.clone());
        lan.wait(BEAT);
    }
    assert_eq!(lan.only().id, backend(1), "also when its agent is silent");
}

#[test]
fn what_the_operator_said_of_the_server_goes_to_the_machine() {
    let mut lan = Lan::default();
    let labels: BTreeMap<_, _> = [("place".to_owned(), "attic".to_owned())].into();
    let origin = Origin { host: "10.0.0.1".into(), port: PORT };
    let listing = Listing { name: "studio".into(), origin, slots: None, labels, source: Source::Added };
    lan.fleet.list(listing).expect("a place");
    lan.fleet.drain("studio").expect("it is there");
    lan.beat(1);
    let node = lan.only().node;
    assert_eq!((node.id, &*node.name, node.labels["place"].as_str()), (id(1), "studio", "attic"));
    assert!(node.draining.by_operator);
    assert_eq!(lan.fleet.take_unkept().len(), 2, "one is to be forgotten, the other kept");
    assert!(lan.fleet.remembered(id(1)).expect("it is").drained);
}

#[test]
fn a_listed_server_that_its_agent_does_not_see_stays_and_does_not_answer() {
    let mut lan = Lan::default();
    lan.list("studio", "10.0.0.1", None);
    lan.beat(1);
    let mut none = lan.report(1);
    none.servers.clear();
    assert_eq!(lan.hear(none), ["studio does not answer: its agent sees no server there"]);
    assert_eq!(lan.only().unreachable(), Some("its agent sees no server there"));
    assert_eq!(lan.beat(1), ["studio answers (version 0.12)"]);
}

#[test]
fn two_that_the_operator_named_are_two() {
    let mut lan = Lan::default();
    let one = lan.list("one", "a.local", None);
    lan.list("two", "10.0.0.1", None);
    assert_eq!(lan.find(one, Claim::Addresses(vec![address(1)])), Vec::<String>::new());
    assert_eq!(lan.see().backends().len(), 2);
}
