//! Servers are told apart and read over real sockets.

#![cfg(test)]

use std::net::TcpListener;
use std::time::Duration;

use fakenode::{FakeNode, Kind, ModelSpec, NodeSpec};
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

#[test]
fn each_kind_is_told_by_what_it_answers_and_read_in_its_own_way() {
    for (plays, kind, version, slots, on_disk_and_in_memory) in [
        (Kind::LlamaCpp, BackendKind::LlamaCpp, "", Some(2), (1, 1)),
        (Kind::Vllm, BackendKind::Vllm, "0.12.6", None, (1, 1)),
        (Kind::LmStudio, BackendKind::LmStudio, "", None, (1, 0)),
        (Kind::Mlx, BackendKind::Mlx, "", None, (1, 1)),
    ] {
        let spec = NodeSpec::new("a").kind(plays).slots(2).model(ModelSpec::new("qwen3"));
        let node = FakeNode::start(spec).expect("a node");
        let probe = probe(node.addr().port());
        let found = run(probe.identify()).expect("a server");
        assert_eq!(found, Found { kind, version: version.to_owned() });
        let facts = run(probe.look(kind, Depth::All)).expect("facts");
        assert_eq!((facts.slots, counts(&facts)), (slots, on_disk_and_in_memory), "{plays:?}");
        let loads: u64 = node.stats().models.values().map(|model| model.loads + model.aborted_loads).sum();
        assert_eq!(loads, 0, "{plays:?} was made to load");
    }
}

#[test]
fn a_server_that_is_asked_in_a_foreign_tongue_says_so() {
    let node = FakeNode::start(NodeSpec::new("a").kind(Kind::Vllm)).expect("a node");
    let error = run(probe(node.addr().port()).look(BackendKind::Ollama, Depth::All)).expect_err("no Ollama");
    assert_eq!(error.to_string(), "/api/version answers 404 Not Found");
}
