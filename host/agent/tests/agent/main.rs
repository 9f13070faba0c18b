//! The whole agent in front of simulated model servers and scripted routers, over real sockets.

#![cfg(test)]

mod router;
mod support;

use std::time::{Duration, Instant};

use fakenode::{Condition, FakeNode, Kind, ModelSpec, NodeSpec};
use herdwick_wire::beat::Command;
use router::ScriptedRouter;
use support::{Running, ask, folder, ollama, place};

#[test]
fn a_machine_is_reported_with_what_its_servers_hold() {
    let node = ollama(&[("qwen3:8b", true), ("gemma:2b", false)]);
    let router = ScriptedRouter::start(1);
    let _agent = Running::start(folder("reported"), &[router.name()], &[place(&node)]);
    let beat = router.beat("a server is told", 0, |beat| !beat.servers.is_empty());
    assert_eq!((beat.name.as_str(), beat.boot.len(), beat.draining), ("studio", 16, false));
    let beat = router.beat("models are told", 0, |beat| beat.servers[..].iter().any(|s| s.models.is_some()));
    let server = &beat.servers[0];
    assert_eq!((server.kind.as_str(), server.port, &server.forward), ("ollama", node.addr().port(), &None));
    assert_eq!((server.models.as_ref().map(Vec::len), server.models_hash.len()), (Some(2), 16));
    let seen = router.count();
    let beat = router.beat("one is in memory", 0, |beat| beat.servers.iter().any(|s| s.resident.len() == 1));
    assert_eq!(beat.servers[0].resident[0].name, "qwen3:8b");
    let steady = router.beat("lists are not repeated", seen, |beat| beat.servers[0].models.is_none());
    let bytes = serde_json::to_vec(&steady).expect("a beat").len();
    assert!(bytes <= 2_048, "{bytes} bytes in a steady beat");
}

#[test]
fn what_a_router_asks_for_comes_with_the_next_beat() {
    let node = ollama(&[("a", true)]);
    let router = ScriptedRouter::start(1);
    let _agent = Running::start(folder("wants"), &[router.name()], &[place(&node)]);
    router.beat("models are told", 0, |beat| beat.servers.iter().any(|s| s.models.is_some()));
    let seen = router.count();
    router.beat("none are repeated", seen, |beat| beat.servers[0].models.is_none());
    router.answers(|reply| reply.want_models = vec![node.addr().port()]);
    let seen = router.count();
    router.beat("they come again", seen, |beat| beat.servers[0].models.is_some());
    router.answers(|reply| {
        reply.want_models.clear();
        reply.commands = vec![Command::Drain];
    });
    router.beat("it drains", seen, |beat| beat.draining);
    router.answers(|reply| reply.commands = vec![Command::Undrain]);
    let seen = router.count();
    router.beat("it serves again", seen, |beat| !beat.draining);
}

#[test]
fn a_server_that_comes_later_is_noticed_and_one_that_goes_is_told() {
    let node = ollama(&[("a", true)]);
    let (address, place) = (node.addr(), place(&node));
    drop(node);
    let router = ScriptedRouter::start(1);
    let _agent = Running::start(folder("later"), &[router.name()], &[place]);
    let beat = router.beat("it is told as down", 0, |beat| beat.servers.iter().any(|s| s.down.is_some()));
    assert_eq!(beat.servers[0].down.as_deref(), Some("nothing listens there"));
    let spec = NodeSpec::new("late").model(ModelSpec::new("a").resident(true));
    let node = FakeNode::start_on(address, spec).expect("its port again");
    router.beat("it is there", 0, |beat| {
        beat.servers.iter().any(|server| server.down.is_none() && !server.resident.is_empty())
    });
    let seen = router.count();
    drop(node);
    router.beat("it is gone", seen, |beat| beat.servers.iter().any(|server| server.down.is_some()));
}

#[test]
fn servers_of_every_kind_are_told_apart() {
    for (plays, kind) in [(Kind::LlamaCpp, "llama.cpp"), (Kind::LmStudio, "lm-studio"), (Kind::Vllm, "vllm")]
    {
        let spec = NodeSpec::new("a").kind(plays).slots(3).model(ModelSpec::new("m"));
        let node = FakeNode::start(spec).expect("a node");
        let router = ScriptedRouter::start(1);
        let mut place = place(&node);
        place.kind = None;
        let _agent = Running::start(folder(kind), &[router.name()], &[place]);
        let beat = router.beat("models are told", 0, |beat| beat.servers.iter().any(|s| s.models.is_some()));
        let server = &beat.servers[0];
        assert_eq!((server.kind.as_str(), server.slots), (kind, (plays == Kind::LlamaCpp).then_some(3)));
    }
}

/// A server that listens on another address than the one by which the router reaches this machine.
#[cfg(target_os = "linux")]
fn hidden() -> FakeNode {
    let spec = NodeSpec::new("hidden").model(ModelSpec::new("a").resident(true));
    FakeNode::start_on("127.0.0.9:0".parse().expect("an address"), spec).expect("a node")
}

#[cfg(target_os = "linux")]
#[test]
fn a_hidden_server_is_reached_through_the_agent_by_its_router_alone() {
    let node = hidden();
    let (router, other) = (ScriptedRouter::start(1), ScriptedRouter::start(2));
    let routers = [router.name(), other.name()];
    let _agent = Running::start(folder("forward"), &routers, &[place(&node)]);
    let forward = |router: &ScriptedRouter| {
        let beat = router.beat("a door is told", 0, |beat| beat.servers.iter().any(|s| s.forward.is_some()));
        beat.servers[0].forward.clone().expect("a door")
    };
    let (door, others) = (forward(&router), forward(&other));
    assert!(door.bearer != others.bearer && door.port == others.port, "one door, a bearer each");
    let chat = r#"{"model":"a","messages":[{"role":"user","content":"hi"}]}"#;
    let good = ask(door.port, "POST", "/api/chat", Some(&door.bearer), chat);
    assert!(good.starts_with("HTTP/1.1 200") && good.contains(r#""done":true"#), "{good}");
    for (method, path, bearer, status) in [
        ("POST", "/api/chat", None, 401),
        ("POST", "/api/chat", Some("00"), 401),
        ("DELETE", "/api/delete", Some(door.bearer.as_str()), 404),
        ("POST", "/api/pull", Some(door.bearer.as_str()), 404),
        ("GET", "/_log", Some(door.bearer.as_str()), 404),
        ("GET", "/api/tags", Some(door.bearer.as_str()), 200),
        ("GET", "/api/tags", Some(others.bearer.as_str()), 200),
    ] {
        let answer = ask(door.port, method, path, bearer, chat);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {answer}");
    }
    let asked = node.log().iter().filter(|exchange| exchange.method == "POST").count();
    assert_eq!(asked, 1, "nothing that was refused reached the server");
}

/// More silent connections than a door takes at all, from another address of this machine; only Linux has them all.
#[cfg(target_os = "linux")]
#[test]
fn a_neighbour_who_connects_and_says_nothing_keeps_no_router_out() {
    let node = hidden();
    let router = ScriptedRouter::start(1);
    let _agent = Running::start(folder("neighbour"), &[router.name()], &[place(&node)]);
    let beat = router.beat("a door is told", 0, |beat| beat.servers.iter().any(|s| s.forward.is_some()));
    let door = beat.servers[0].forward.clone().expect("a door");
    let to = std::net::SocketAddr::from(([127, 0, 0, 1], door.port));
    let silent = || {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 66], 0)).into()).expect("an address");
        socket.connect(&to.into()).expect("somebody listens");
        socket
    };
    let _held: Vec<_> = (0..400).map(|_| silent()).collect();
    let began = Instant::now();
    let answer = ask(door.port, "GET", "/api/tags", Some(&door.bearer), "");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Who says nothing is hung up on only after half a minute.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[cfg(target_os = "linux")]
#[test]
fn whoever_leaves_takes_the_request_along_and_others_hear_of_what_runs() {
    let node = hidden();
    node.script([fakenode::Verb::Silent { ms: None }]);
    let (router, other) = (ScriptedRouter::start(1), ScriptedRouter::start(2));
    let routers = [router.name(), other.name()];
    let _agent = Running::start(folder("leaves"), &routers, &[place(&node)]);
    let beat = router.beat("a door is told", 0, |beat| beat.servers.iter().any(|s| s.forward.is_some()));
    let door = beat.servers[0].forward.clone().expect("a door");
    let chat = r#"{"model":"a","messages":[{"role":"user","content":"hi"}]}"#;
    let client = support::send(door.port, "POST", "/api/chat", Some(&door.bearer), chat);
    node.wait(Condition::Running(1)).expect("it runs");
    other.beat("it is foreign there", other.count(), |beat| beat.servers[0].foreign == 1);
    router.beat("it is its own here", router.count(), |beat| beat.servers[0].foreign == 0);
    drop(client);
    node.wait(Condition::Idle).expect("it ended");
    other.beat("it is over", other.count(), |beat| beat.servers[0].foreign == 0);
}

#[test]
fn a_router_that_restarts_has_its_machine_back_within_three_seconds() {
    let node = ollama(&[("a", true)]);
    let router = ScriptedRouter::start(1);
    let address = router.name();
    let _agent = Running::start(folder("restart"), std::slice::from_ref(&address), &[place(&node)]);
    router.beat("models are told", 0, |beat| beat.servers.iter().any(|s| s.models.is_some()));
    drop(router);
    let router = ScriptedRouter::start_on(&address, 1);
    let began = Instant::now();
    router.beat("models are told anew", 0, |beat| beat.servers.iter().any(|s| s.models.is_some()));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    router.forgets();
    let seen = router.count();
    router.beat("a new session gets lists", seen, |beat| beat.servers[0].models.is_some());
    assert_eq!(router.introductions(), 2);
}

#[test]
fn another_router_at_the_same_address_is_not_obeyed_and_the_old_one_is_found_elsewhere() {
    let node = ollama(&[("a", true)]);
    let router = ScriptedRouter::start(1);
    let address = router.name();
    let agent = Running::start(folder("moved"), std::slice::from_ref(&address), &[place(&node)]);
    router.beat("models are told", 0, |beat| beat.servers.iter().any(|s| s.models.is_some()));
    drop(router);
    let impostor = ScriptedRouter::start_on(&address, 2);
    let moved = ScriptedRouter::start_on("127.0.0.1:0", 1);
    agent.sees(moved.address, None);
    moved.beat("it is found by its key", 0, |beat| !beat.servers.is_empty());
    assert_eq!((impostor.count(), impostor.introductions()), (0, 0));
}

#[test]
fn a_router_that_takes_nothing_here_is_tried_where_else_it_is() {
    let node = ollama(&[("a", true)]);
    let router = ScriptedRouter::start(1);
    router.refuses("this address is no machine's");
    let elsewhere = ScriptedRouter::start(1);
    let agent = Running::start(folder("refused"), &[router.name()], &[place(&node)]);
    // Until it showed its key, nothing that is seen is taken for it.
    let until = Instant::now() + router::PATIENCE;
    while elsewhere.count() == 0 && Instant::now() < until {
        agent.sees(elsewhere.address, Some(elsewhere.key()));
        // sleeps because nothing announces that the agent knows the key
        std::thread::park_timeout(Duration::from_millis(50));
    }
    elsewhere.beat("it is taken in there", 0, |beat| !beat.servers.is_empty());
    assert_eq!(router.count(), 0);
}

#[test]
fn routers_that_were_met_are_found_again_without_being_named() {
    let node = ollama(&[("a", true)]);
    let router = ScriptedRouter::start(1);
    let state = folder("remembered");
    let agent = Running::start(state.clone(), &[router.name()], &[place(&node)]);
    router.beat("it is met", 0, |_| true);
    drop(agent);
    let seen = router.count();
    let _agent = Running::start(state, &[], &[place(&node)]);
    let beat = router.beat("it is met again", seen, |beat| !beat.servers.is_empty());
    assert_eq!(beat.other_routers, 0);
}

#[test]
fn two_routers_hear_of_each_other() {
    let node = ollama(&[("a", true)]);
    let (one, two) = (ScriptedRouter::start(1), ScriptedRouter::start(2));
    let agent = Running::start(folder("two"), &[], &[place(&node)]);
    agent.sees(one.address, None);
    agent.sees(two.address, None);
    for router in [&one, &two] {
        router.beat("there is another", 0, |beat| beat.other_routers == 1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_agent_that_is_told_to_end_drains_and_says_so_to_the_last() {
    let node = hidden();
    node.script([fakenode::Verb::Silent { ms: Some(700) }]);
    let router = ScriptedRouter::start(1);
    let agent = Running::start(folder("drain"), &[router.name()], &[place(&node)]);
    let beat = router.beat("a door is told", 0, |beat| beat.servers.iter().any(|s| s.forward.is_some()));
    let door = beat.servers[0].forward.clone().expect("a door");
    let chat = r#"{"model":"a","messages":[{"role":"user","content":"hi"}]}"#;
    let client = support::send(door.port, "POST", "/api/chat", Some(&door.bearer), chat);
    node.wait(Condition::Running(1)).expect("it runs");
    agent.stop();
    router.beat("it drains", 0, |beat| beat.draining);
    let answer = support::read(client);
    assert!(answer.contains(r#""done":true"#), "what was under way ended well: {answer}");
    agent.ended();
    assert!(router.last().draining && !router.last().servers.is_empty(), "it drains to the last");
}
