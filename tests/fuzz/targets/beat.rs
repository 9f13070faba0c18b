//! Heartbeats of both kinds of agents: whatever the bytes, reading them does not panic, what is believed keeps every
//! limit, says the same when it is written again, and does not break the fleet that takes it in.

#![no_main]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;

use herdwick_fleet::node::is_name;
use herdwick_fleet::{Door, Fleet, Moment, NodeId, Report};
use herdwick_wire::beat::{Beat, Seen, limits};
use herdwick_wire::herd::HerdBeat;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5));
/// Beats after which a fleet has seen enough, so that an input does not mean another thing for what came long before.
const GENERATION: u64 = 64;

thread_local! {
    static FLEET: RefCell<(Fleet, u64)> = RefCell::default();
}

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    if let Some(report) = beat(body) {
        believe(report);
    }
    match HerdBeat::read(body) {
        Ok(HerdBeat::Alive(alive)) => {
            believe(alive.clone().report(HERE, Moment(0), true));
            believe(alive.report(HERE, Moment(0), false));
        }
        Ok(HerdBeat::Leaves { .. }) => {}
        Err(problems) => problems.iter().for_each(|problem| is_short(problem)),
    }
});

/// What is wrong goes into the log and into terminals.
fn is_short(problem: &str) {
    assert!(problem.len() < 1_000 && !problem.contains(char::is_control), "{problem:?}");
}

fn beat(body: &[u8]) -> Option<Report> {
    let beat = Beat::read(body).inspect_err(|problem| is_short(problem)).ok()?;
    let again = serde_json::to_vec(&beat).expect("a beat is JSON");
    let seen = Seen { node: NodeId::from_key(&[1; 32]), address: HERE, at: Moment(0) };
    let read_again = Beat::read(&again).expect("what was written is read").report(seen);
    match (beat.report(seen), read_again) {
        (Ok(report), Ok(again)) => {
            assert_eq!(report, again, "it says the same when it is written again");
            Some(report)
        }
        (Err(problems), Err(again)) => {
            assert_eq!(problems, again);
            assert!(!problems.is_empty() && problems.len() <= limits::PROBLEMS + 1);
            problems.iter().for_each(|problem| is_short(problem));
            None
        }
        (one, again) => panic!("it is judged otherwise when it is written again: {one:?} {again:?}"),
    }
}

/// What is in a report the rest of the program relies on.
fn believe(report: Report) {
    assert!(is_name(&report.name), "{}", report.name);
    assert!(report.servers.len() <= limits::SERVERS);
    let mut ports = BTreeSet::new();
    for server in &report.servers {
        assert!(server.port != 0 && ports.insert(server.port));
        if let Door::Forwarded { port, bearer } = &server.door {
            assert!(*port != 0 && ports.insert(*port) && bearer.is_ascii());
        }
        assert!(server.models.as_ref().is_none_or(|models| models.len() <= limits::MODELS));
        assert!(server.resident.len() <= limits::RESIDENT);
        let models = server.models.iter().flatten();
        assert!(models.map(|model| model.bytes).all(|bytes| bytes <= limits::BYTES));
    }
    assert!(report.readings.iter().all(|(_, value, age)| value.is_finite() && *age <= limits::READING_AGE));
    FLEET.with_borrow_mut(|(fleet, beats)| {
        if *beats >= GENERATION {
            (*fleet, *beats) = Default::default();
        }
        *beats += 1;
        let node = report.node;
        fleet.report(Report { at: Moment(*beats * 1_000), ..report });
        assert!(fleet.name(node).is_some(), "there is room for it");
        fleet.snapshot();
    });
}
