//! Servers are told apart and read over real sockets.

#![cfg(test)]

use std::net::TcpListener;
use std::time::Duration;

use fakenode::{FakeNode, ModelSpec, NodeSpec};
use herdwick_fleet::{BackendKind, Claim, Origin};
use herdwick_probe::{Depth, Facts, Found, Probe, ProbeError};

fn probe(port: u16) -> Probe {
    Probe::new(Origin { host: "127.0.0.1".to_owned(), port }, Duration::from_secs(5))
}

fn run<T>(asking: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(asking)
}

/// Models on disk and in memory.
fn counts(facts: &Facts) -> (usize, usize) {
    let count = |claim: &Claim| match claim {
        Claim::Models(models) => (models.len(), 0),
        Claim::Resident(claims) => (0, claims.len()),
        _ => (0, 0),
    };
    facts.claims.iter().map(count).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

#[test]
fn an_ollama_is_found_and_read() {
    let spec = NodeSpec::new("a").model(ModelSpec::new("m").resident(true)).model(ModelSpec::new("n"));
    let node = FakeNode::start(spec).expect("a node");
    let probe = probe(node.addr().port());
    let found = run(probe.identify()).expect("an Ollama");
    assert_eq!(found, Found { kind: BackendKind::Ollama, version: "0.12.6".to_owned() });
    assert_eq!(counts(&run(probe.look(found.kind, Depth::All)).expect("facts")), (2, 1));
    assert_eq!(counts(&run(probe.look(found.kind, Depth::Memory)).expect("facts")), (0, 1));
}

#[test]
fn nobody_is_told_from_somebody_who_is_slow() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("its address").port();
    let slow = Probe::new(Origin { host: "127.0.0.1".to_owned(), port }, Duration::from_millis(50));
    let error = run(slow.identify()).expect_err("it accepts and says nothing");
    assert!(error.is_slow() && !error.is_nobody(), "{error}");
    drop(free);
    let error = run(probe(port).identify()).expect_err("nothing is there");
    assert!(error.is_nobody() && matches!(error, ProbeError::Connect(_)), "{error}");
}
