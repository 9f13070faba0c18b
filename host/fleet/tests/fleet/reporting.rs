//! What agents say becomes what the fleet knows.

use std::time::Duration;

use herdwick_fleet::{BackendKind, Claim, Column, Moment, Reach, ServerReport, Standing};

use super::lan::{BEAT, Lan, PORT, address, backend, forwarded, id, loaded, model, server};
use super::name;

#[test]
fn a_machine_joins_with_its_servers_and_beats_on_in_silence() {
    let mut lan = Lan::default();
    let said = lan.beat(1);
    assert_eq!(
        said,
        [
            "node-1 joined: herdwick 0.1.0 reports from 10.0.0.1",
            "node-1 answers (version 0.12)",
            "node-1 has 1 new model"
        ]
    );
    let joined = lan.only();
    assert_eq!((joined.id, joined.origin.to_string().as_str()), (backend(1), "http://10.0.0.1:11434"));
    assert_eq!((joined.node.standing, joined.kind), (Standing::Online, BackendKind::Ollama));
    assert_eq!(joined.reach, Reach::Up);
    assert_eq!(lan.wait(BEAT), Vec::<String>::new());
    assert_eq!(lan.beat(1), Vec::<String>::new(), "nothing is new");
    assert_eq!(lan.only().node.live.beat(), Some(Moment(BEAT)));
}

#[test]
fn a_list_that_is_not_sent_again_is_the_one_that_was_sent() {
    let mut lan = Lan::default();
    assert_eq!(lan.fleet.wants_models(id(1)), Vec::<u16>::new());
    let mut silent = lan.report(1);
    silent.servers[0].models = None;
    lan.hear(silent.clone());
    assert_eq!(lan.fleet.wants_models(id(1)), [PORT], "it never told");
    lan.beat(1);
    assert_eq!(lan.fleet.wants_models(id(1)), Vec::<u16>::new());
    // A request found out that the model is not there, whatever was listed.
    lan.only().holdings[&name()].live.mark_denied(Moment(10));
    lan.now = BEAT;
    silent.at = Moment(BEAT);
    assert_eq!(lan.hear(silent), Vec::<String>::new());
    let kept = lan.only();
    assert!(kept.holdings.contains_key(&name()));
    assert!(!kept.holdings[&name()].live.is_denied_since(kept.listed), "it was listed anew by that");
}

#[test]
fn slots_follow_what_is_told_and_keep_who_runs() {
    let mut lan = Lan::default();
    lan.beat(1);
    assert_eq!(lan.free(), 1, "Ollama's default");
    let held = lan.only().holdings[&name()].live.slots.try_acquire();
    let mut report = lan.report(1);
    report.servers[0].slots = Some(4);
    lan.hear(report.clone());
    assert_eq!(lan.free(), 3);
    report.servers[0].slots = Some(1);
    lan.hear(report);
    assert_eq!((lan.free(), held.is_some()), (0, true));
}

#[test]
fn a_server_that_batches_takes_several_also_where_it_does_not_say_so() {
    let mut lan = Lan::default();
    lan.beat(1);
    assert_eq!(lan.free(), 1);
    for (kind, slots) in [(BackendKind::Vllm, 8), (BackendKind::LmStudio, 4), (BackendKind::Mlx, 1)] {
        let mut report = lan.report(1);
        report.servers[0].kind = kind;
        lan.hear(report.clone());
        assert_eq!(lan.free(), slots, "{kind:?}");
        report.servers[0].slots = Some(2);
        lan.hear(report);
        assert_eq!(lan.free(), 2, "it says so");
    }
}

#[test]
fn requests_of_others_take_slots_of_what_is_in_memory() {
    let mut lan = Lan::default();
    let mut report = lan.report(1);
    report.servers[0] = ServerReport {
        slots: Some(4),
        models: Some(vec![model("m:1b"), model("other")]),
        resident: vec![loaded("m:1b")],
        foreign: 3,
        ..server()
    };
    lan.hear(report.clone());
    let told = lan.only();
    let free = |name: &str| told.holdings[&model(name).name].live.slots.free();
    assert_eq!((free("m:1b"), free("other"), told.foreign), (1, 4, 3));
    report.servers[0].foreign = 0;
    lan.hear(report.clone());
    assert_eq!(lan.only().holdings[&name()].live.slots.free(), 4);
    // Nobody believes them once the agent is silent.
    report.servers[0].foreign = 4;
    lan.hear(report);
    lan.wait(4 * BEAT);
    assert_eq!(lan.only().holdings[&name()].live.slots.free(), 4);
}

#[test]
fn readings_are_as_old_as_they_are_told_and_hold_until_the_third_beat_is_missed() {
    let mut lan = Lan { now: 10_000, ..Lan::default() };
    let mut report = lan.report(1);
    report.readings =
        vec![(Column::MemFree, 7.0, Duration::from_secs(8)), (Column::CpuBusy, f64::NAN, Duration::ZERO)];
    lan.hear(report);
    let told = lan.only();
    assert_eq!(told.readings[&Column::MemFree].taken(), Moment(2_000));
    assert_eq!(told.reading(Column::MemFree, Moment(13_250)), Some(7.0));
    assert_eq!(told.reading(Column::MemFree, Moment(13_251)), None);
    assert!(!told.readings.contains_key(&Column::CpuBusy), "what is no number is not known");
}

#[test]
fn what_a_server_says_of_its_memory_is_as_old_as_its_agent_tells() {
    let mut lan = Lan { now: 10_000, ..Lan::default() };
    let mut report = lan.report(1);
    report.servers[0].age = Duration::from_millis(800);
    lan.hear(report);
    // A good answer that is newer than what the agent saw proves more.
    let told = lan.only();
    let holding = &told.holdings[&name()];
    assert_eq!((told.seen, holding.polled.as_ref().map(|it| it.taken())), (Some(Moment(9_200)), told.seen));
}

#[test]
fn servers_come_change_and_go() {
    let mut lan = Lan::default();
    let mut report = lan.report(1);
    report.servers.push(ServerReport { kind: BackendKind::LlamaCpp, port: 8080, ..server() });
    lan.hear(report.clone());
    assert_eq!(lan.see().backends().len(), 2);
    report.servers[1].down = Some("it does not answer".into());
    assert_eq!(lan.hear(report.clone()), ["node-1 does not answer: it does not answer"]);
    report.servers.remove(1);
    assert_eq!(
        lan.hear(report.clone()),
        ["node-1 has no server at http://10.0.0.1:8080 any more, says its agent"]
    );
    report.servers.clear();
    lan.hear(report);
    let snapshot = lan.see();
    assert!(snapshot.backends().is_empty());
    assert_eq!(snapshot.nodes().len(), 1, "a machine without a server is a node all the same");
}

#[test]
fn a_server_behind_its_agent_is_reached_by_its_agents_port_with_its_bearer() {
    let mut lan = Lan::default();
    let mut report = lan.report(1);
    report.servers[0].door = forwarded(11_436);
    lan.hear(report.clone());
    let behind = lan.only();
    assert_eq!((behind.id.port, behind.origin.port), (PORT, 11_436));
    assert_eq!(behind.bearer.as_deref(), Some("a-bearer-of-this-start"));
    report.servers[0].door = herdwick_fleet::Door::Forwarded { port: 11_436, bearer: "another start".into() };
    lan.hear(report.clone());
    assert_eq!(lan.only().bearer.as_deref(), Some("another start"));
    // On the router's own machine as well, if the agent looked where the router would ask: the server listens elsewhere.
    report.address = [127, 0, 0, 1].into();
    lan.hear(report);
    let behind = lan.only();
    assert_eq!(behind.origin.to_string(), "http://127.0.0.1:11436");
    assert!(behind.bearer.is_some());
}

#[test]
fn a_server_for_its_machine_alone_is_reached_on_loopback_whichever_address_its_agent_reports_from() {
    let mut lan = Lan::default();
    lan.fleet.learn_here(address(1));
    for from in [address(1), std::net::Ipv6Addr::LOCALHOST.into()] {
        let mut report = lan.report(1);
        report.address = from;
        report.servers[0].door = forwarded(11_436);
        lan.hear(report.clone());
        let here = lan.only();
        assert_eq!(
            (here.origin.to_string().as_str(), here.bearer),
            ("http://127.0.0.1:11434", None),
            "{from}"
        );
        let row = here.row;
        lan.hear(report);
        assert_eq!(lan.only().row, row);
    }
    // One that listens on all of them is reached where its agent is.
    lan.beat(1);
    assert_eq!(lan.only().origin.to_string(), "http://10.0.0.1:11434");
}

#[test]
fn machines_that_somebody_made_up_keep_out_nobody_who_is_there() {
    let mut lan = Lan::default();
    let made_up = |lan: &Lan, number: usize| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let mut report = lan.report(1);
        report.node = herdwick_fleet::NodeId::from_key(&key);
        report.name = format!("made-up-{number}");
        report.servers = Vec::new();
        report
    };
    let mut known = 0;
    let late = loop {
        let report = made_up(&lan, known);
        if lan.hear(report.clone()).iter().any(|said| said.contains("left out")) {
            break report;
        }
        known += 1;
    };
    assert!(known >= 1_000, "all of them are heard: {known}");
    lan.fleet.drain("made-up-0").expect("the first of them");
    lan.wait(30 * BEAT);
    let said = lan.hear(late);
    assert!(said.iter().any(|said| said.contains("joined")), "{said:?}");
    let snapshot = lan.see();
    assert_eq!(snapshot.nodes().len(), known);
    assert!(
        snapshot.nodes().iter().any(|node| &*node.name == "made-up-0"),
        "an operator's word keeps a machine"
    );
}

#[test]
fn a_machine_that_moves_keeps_its_row_and_its_requests() {
    let mut lan = Lan::default();
    lan.beat(1);
    let before = lan.only();
    let held = before.holdings[&name()].live.slots.try_acquire();
    let mut report = lan.report(1);
    report.address = address(77);
    assert_eq!(lan.hear(report), ["node-1 moved from 10.0.0.1 to 10.0.0.77"]);
    let after = lan.only();
    assert_eq!((after.row, after.origin.to_string().as_str()), (before.row, "http://10.0.0.77:11434"));
    assert_eq!((lan.free(), held.is_some()), (0, true));
}

#[test]
fn a_server_that_only_its_agent_reaches_is_down_until_the_router_reaches_it() {
    let mut lan = Lan::default();
    lan.beat(1);
    assert_eq!(lan.asked(), ["http://10.0.0.1:11434 Steady"], "the router tries it itself");
    lan.find(backend(1), Claim::Version("0.12".into()));
    assert!(lan.asked().is_empty(), "and does not ask again");
    // A firewall comes between them: a request is refused.
    lan.only().live.mark_refused();
    lan.now += BEAT;
    lan.beat(1);
    assert_eq!(
        lan.only().unreachable(),
        Some("it refused a connection just now"),
        "its agent knows nothing of it"
    );
    assert_eq!(lan.asked().len(), 1);
    lan.now += 10;
    let why = "its agent reaches it, and this router does not: nothing listens there";
    assert_eq!(
        lan.find(backend(1), Claim::Unreachable("nothing listens there".into())),
        [format!("node-1 does not answer: {why}")]
    );
    lan.now += BEAT;
    assert_eq!(lan.beat(1), Vec::<String>::new());
    assert_eq!(lan.only().unreachable(), Some(why));
    assert_eq!(lan.find(backend(1), Claim::Version("0.12".into())), ["node-1 answers (version 0.12)"]);
    assert!(lan.asked().is_empty());
}

#[test]
fn names_follow_the_machine_until_an_operator_gives_one() {
    let mut lan = Lan::default();
    lan.beat(1);
    let mut second = lan.report(2);
    second.name = "node-1".into();
    lan.hear(second.clone());
    assert_eq!(
        lan.fleet.name(id(2)).as_deref(),
        Some("node-1-2"),
        "two machines with one name are two nodes"
    );
    second.name = "mini".into();
    assert_eq!(lan.hear(second.clone()), ["node-1-2 is called mini from now on"]);
    lan.fleet.rename("mini", "studio").expect("a free name");
    second.name = "other".into();
    assert_eq!(lan.hear(second), Vec::<String>::new());
    assert_eq!(lan.fleet.name(id(2)).as_deref(), Some("studio"));
}

#[test]
fn no_report_fills_the_memory() {
    let mut lan = Lan::default();
    let mut report = lan.report(1);
    report.servers = (1..200).map(|port| ServerReport { port, ..server() }).collect();
    lan.hear(report);
    assert_eq!(lan.see().backends().len(), herdwick_fleet::fleet::SERVERS);
    let mut fleet = herdwick_fleet::Fleet::default();
    let mut said = Vec::new();
    for number in 0..herdwick_fleet::fleet::NODES as u32 + 10 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        let mut report = lan.report(1);
        (report.node, report.name) = (herdwick_fleet::NodeId::from_key(&key), format!("n{number}"));
        (report.address, report.servers) = (number.to_be_bytes().into(), Vec::new());
        said.extend(
            fleet.report(report).iter().map(ToString::to_string).filter(|said| !said.contains("joined")),
        );
    }
    assert_eq!(fleet.snapshot().nodes().len(), herdwick_fleet::fleet::NODES);
    assert_eq!(
        said,
        ["4096 machines are known, which is as many as are kept; n4096 and others are left out"],
        "it is said once"
    );
}
