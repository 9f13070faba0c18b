//! What outlives the router, and how it comes back.

use std::collections::BTreeMap;

use herdwick_fleet::{BackendKind, Claim, Listing, Origin, Remembered, RememberedServer, Source, Standing};

use super::lan::{Lan, PORT, address, backend, id, model};

/// Everything that is kept of a fleet.
fn kept(lan: &mut Lan) -> Vec<Remembered> {
    let nodes = lan.fleet.take_unkept();
    nodes.into_iter().filter_map(|node| lan.fleet.remembered(node)).collect()
}

/// The router starts again, with this configuration.
fn again(remembered: Vec<Remembered>, configured: &[(&str, &str)]) -> Lan {
    let mut lan = Lan::default();
    for (name, host) in configured {
        lan.list(name, host, Some(1));
    }
    for remembered in remembered {
        lan.fleet.remember(remembered);
    }
    lan
}

#[test]
fn a_machine_comes_back_as_it_was_offline_until_it_is_heard() {
    let mut lan = Lan::default();
    lan.beat(1);
    lan.fleet.rename("node-1", "studio").unwrap();
    lan.fleet.drain("studio").unwrap();
    lan.fleet.label("studio", BTreeMap::from([("place".into(), "attic".into())])).unwrap();
    let remembered = kept(&mut lan);
    let [one] = remembered.as_slice() else { panic!("one machine") };
    assert_eq!((one.node, one.agent.as_deref()), (id(1), Some("herdwick 0.1.0")));
    let mut lan = again(remembered, &[]);
    assert!(kept(&mut lan).is_empty(), "nothing of it is new");
    let back = lan.only();
    assert_eq!((back.id, &*back.node.name, back.node.standing), (backend(1), "studio", Standing::Lost));
    assert!(back.node.draining.by_operator && back.node.labels.contains_key("place"));
    assert_eq!(lan.asked(), ["http://10.0.0.1:11434 Seldom"], "it may run without its agent");
    assert_eq!(lan.beat(1)[0], "the agent of studio is back");
    assert_eq!(lan.only().node.standing, Standing::Online);
}

#[test]
fn a_server_that_answers_is_used_before_its_agent_is_heard() {
    let mut lan = Lan::default();
    lan.beat(1);
    let remembered = kept(&mut lan);
    let mut lan = again(remembered, &[]);
    lan.find(backend(1), Claim::Models(vec![model("m:1b")]));
    let back = lan.only();
    assert_eq!(back.node.standing, Standing::Stale);
    assert!(back.holdings[&super::name()].live.slots.try_acquire().is_some());
}

#[test]
fn what_the_configuration_names_is_the_same_machine_again() {
    let mut lan = Lan::default();
    lan.list("studio", "10.0.0.1", Some(1));
    assert!(kept(&mut lan).is_empty(), "the configuration says it all");
    lan.beat(1);
    let remembered = kept(&mut lan);
    let mut lan = again(remembered, &[("studio", "10.0.0.1")]);
    assert_eq!((lan.only().id, &*lan.only().node.name), (backend(1), "studio"));
    assert_eq!(lan.asked(), ["http://10.0.0.1:11434 Steady"], "somebody counts on it");
    assert_eq!(lan.beat(1)[0], "the agent of studio is back");
}

#[test]
fn what_commands_said_of_a_configured_machine_is_kept_as_long_as_it_is_configured() {
    let mut lan = Lan::default();
    lan.list("studio", "10.0.0.1", Some(1));
    lan.fleet.drain("studio").unwrap();
    let remembered = kept(&mut lan);
    assert_eq!(remembered.len(), 1);
    let mut same = again(remembered.clone(), &[("studio", "10.0.0.1")]);
    assert!(same.only().node.draining.by_operator);
    let mut gone = again(remembered, &[]);
    assert!(gone.see().nodes().is_empty());
    let unkept: Vec<_> = gone.fleet.take_unkept().into_iter().collect();
    assert_eq!(unkept.len(), 1, "and is to be forgotten");
    assert_eq!(gone.fleet.remembered(unkept[0]), None);
}

#[test]
fn what_is_pinned_stays_so_until_the_pin_is_taken_off() {
    let mut lan = Lan::default();
    lan.list("studio", "10.0.0.1", Some(1));
    let name = model("m:1b").name;
    let refused = lan.fleet.pin("studio", &name).expect_err("it has no such model");
    assert!(refused.to_string().starts_with("studio does not have m:1b"), "{refused}");
    let id = lan.only().id;
    lan.find(id, Claim::Models(vec![model("m:1b")]));
    let told = lan.fleet.pin("studio", &name).expect("it has it");
    assert_eq!(told.iter().map(ToString::to_string).collect::<Vec<_>>(), ["m:1b is pinned on studio"]);
    assert!(lan.fleet.pin("studio", &name).expect("it is").is_empty());
    assert!(lan.only().node.pins.contains(&name));
    let mut lan = again(kept(&mut lan), &[("studio", "10.0.0.1")]);
    assert!(lan.only().node.pins.contains(&name), "also before it is heard of");
    assert_eq!(lan.fleet.unpin("studio", &name).map(|events| events.len()), Ok(1));
    assert!(lan.only().node.pins.is_empty());
    assert_eq!(lan.fleet.unpin("studio", &name).map(|events| events.len()), Ok(0));
}

#[test]
fn an_added_machine_is_added_again_with_its_slots() {
    let mut lan = Lan::default();
    let origin = Origin { host: "10.0.0.5".into(), port: PORT };
    let (labels, source) = (BTreeMap::from([("a".into(), "b".into())]), Source::Added);
    lan.fleet.list(Listing { name: "studio".into(), origin, slots: Some(5), labels, source }).unwrap();
    let remembered = kept(&mut lan);
    assert_eq!(remembered[0].servers[0].slots, Some(5));
    let mut lan = again(remembered, &[]);
    let back = lan.only();
    assert_eq!((back.node.standing, back.node.labels["a"].as_str()), (Standing::Plain, "b"));
    lan.find(back.id, Claim::Models(vec![model("m:1b")]));
    assert_eq!(lan.free(), 5);
}

#[test]
fn two_that_were_remembered_at_one_place_are_asked_once() {
    let remembered = |number: u8| Remembered {
        node: id(number),
        name: format!("node-{number}"),
        is_renamed: false,
        source: Source::Found,
        agent: Some("herdwick 0.1.0".into()),
        servers: vec![RememberedServer {
            port: PORT,
            kind: BackendKind::Ollama,
            origin: Origin { host: address(1).to_string(), port: PORT },
            slots: None,
        }],
        labels: BTreeMap::new(),
        drained: false,
        pins: Default::default(),
    };
    let mut lan = again(vec![remembered(1), remembered(2)], &[]);
    assert_eq!((lan.see().nodes().len(), lan.see().backends().len()), (2, 1));
    assert_eq!(lan.fleet.remembered(id(2)).map(|it| it.servers.len()), Some(0));
}
