//! Nodes that break: how soon they get no more requests, that no client sees it, and how they come back. Rows E1, E4, E6,
//! E9, E10 and E35 of the catalogue of faults, and what they have in common.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Agent, Client, Node, Reply, Router, finished, get, post, until};

const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;
const BROKEN: &str = r#"{"status":{"code":500,"body":"broken"}}"#;
/// Requests that a broken node may be offered.
const MOST: usize = 3;

/// Two nodes with one model, which the smaller file makes cheaper on `one`.
fn pair() -> (Node, Node) {
    let model = |bytes: &str| format!("m:1b,resident,first_token=1ms,token=1ms,tokens=3,bytes={bytes}");
    let one = Node::start("one", &["--slots", "2", "--model", &model("1GB")]);
    let two = Node::start("two", &["--slots", "2", "--model", &model("40GB")]);
    (one, two)
}

fn ask(router: &Router) -> Reply {
    post(router.address, "/api/chat", ASK)
}

/// What the router says of a node.
fn node(router: &Router, name: &str) -> Value {
    let status = get(router.address, "/admin/v1/status").json();
    let nodes = status["nodes"].as_array().expect("nodes").iter();
    nodes.clone().find(|node| node["name"] == name).expect("a node of that name").clone()
}

fn is_tripped(router: &Router, name: &str) -> Option<()> {
    (node(router, name)["breaker"] == "tripped").then_some(())
}

/// Stops a process where it stands, as a machine that sleeps is stopped.
fn stop(node: &Node) {
    let stopped = Command::new("kill").args(["-STOP", &node.id().to_string()]).status();
    assert!(stopped.expect("kill runs").success());
}

#[test]
fn a_node_that_breaks_is_offered_three_requests_and_no_client_sees_it() {
    let cut = r#"{"rst":{"after":0}}"#;
    for verb in [BROKEN, cut, r#"{"fin":{"after":0}}"#, r#"{"badjson":{"after":0}}"#] {
        let (one, two) = pair();
        let (router, log) = Router::start_logged(&[one.spec(2), two.spec(2)], &[], &[]);
        let router = router.knows("m:1b");
        // A connection that was used before could have been closed while idle, and would be tried once more for nothing.
        one.script(&format!("[{}]", [verb; 20].join(",")));
        until("one is tripped", || {
            let reply = ask(&router);
            assert_eq!((reply.status, reply.header("x-herdwick-node")), (200, "two"), "{verb}");
            is_tripped(&router, "one")
        });
        assert_eq!(one.asked(), MOST, "{verb}");
        let why = ask(&router).header("x-herdwick-why").to_owned();
        assert!(why.contains("one is tripped: 3 failures in a row, tried again in"), "{why}");
        log.line("one is tripped: 3 failures in a row; it is tried again in 4 s");
        let page = finished(&["status", "--router", &router.address.to_string()]).stdout;
        assert!(page.contains("tripped: 3 failures in a row"), "{page}");
        assert!(page.contains("requests fail on one"), "{page}");
        assert_eq!(one.asked(), MOST, "while it rests nobody goes there");
    }
}

#[test]
fn a_node_that_works_again_is_tried_once_and_then_one_like_the_others() {
    let (one, two) = pair();
    let (router, log) = Router::start_logged(&[one.spec(2), two.spec(2)], &[], &[]);
    let router = router.knows("m:1b");
    one.script(&format!("[{}]", [BROKEN; MOST].join(",")));
    until("one is tripped", || {
        assert_eq!(ask(&router).status, 200);
        is_tripped(&router, "one")
    });
    until("one answers again", || (ask(&router).header("x-herdwick-node") == "one").then_some(()));
    assert_eq!(node(&router, "one")["breaker"], "probation");
    log.line("one answers requests again");
    assert_eq!(one.asked(), MOST + 1);
}

#[test]
fn killing_the_better_node_costs_nobody_an_answer() {
    let (one, two) = pair();
    let router = Router::start(&[one.spec(2), two.spec(2)], &[]).knows("m:1b");
    assert_eq!(ask(&router).header("x-herdwick-node"), "one");
    one.kill();
    for _ in 0..20 {
        let reply = ask(&router);
        assert_eq!((reply.status, reply.header("x-herdwick-node")), (200, "two"));
    }
}

#[test]
fn the_last_node_is_never_given_up() {
    let node = Node::start("only", &["--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"]);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    for round in 0..6 {
        node.script(&format!("[{}]", [BROKEN; 4].join(",")));
        for _ in 0..4 {
            assert_eq!(ask(&router).status, 500, "its own words, {round}");
        }
        assert_eq!(ask(&router).status, 200, "{round}");
    }
    assert_eq!(node.asked(), 30, "every request reached it");
}

#[test]
fn when_all_are_broken_their_clients_are_told_at_once_when_to_come_again() {
    let (one, two) = pair();
    let router = Router::start(&[one.spec(2), two.spec(2)], &[]).knows("m:1b");
    for node in [&one, &two] {
        node.script(&format!("[{}]", [BROKEN; 40].join(",")));
    }
    let reply = until("all rest for longer than anybody should wait", || {
        let reply = ask(&router);
        (reply.status == 503).then_some(reply)
    });
    assert_eq!(reply.header("x-herdwick-error"), "no_node");
    let seconds: u64 = reply.header("retry-after").parse().expect("seconds");
    assert!((5..=9).contains(&seconds), "{seconds}");
    let error = reply.error();
    assert!(error.contains("one is tripped") && error.contains("two is tripped"), "{error}");
    let before = one.asked() + two.asked();
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(ask(&router).status, 503);
    }
    assert!(began.elapsed() < Duration::from_secs(2), "each at once");
    assert_eq!(one.asked() + two.asked(), before, "and nobody was asked");
}

#[test]
fn a_machine_that_stops_with_its_agent_keeps_no_request_and_no_stream() {
    let slow = "m:1b,resident,first_token=1ms,token=50ms,tokens=400,bytes=1GB";
    let one = Node::start("one", &["--slots", "3", "--model", slow]);
    let two =
        Node::start("two", &["--slots", "3", "--model", "m:1b,resident,first_token=1ms,tokens=3,bytes=40GB"]);
    let router = Router::start(&[two.spec(3)], &[]).knows("m:1b");
    let mut agent = Agent::new("one").serves(one.address.port(), &["m:1b"]);
    agent.beat.servers[0].slots = Some(3);
    agent.join(router.address);
    until("the better one is asked", || {
        agent.beat(router.address);
        let mut client = Client::connect(router.address);
        client.send("POST", "/api/chat", &[], ASK.as_bytes());
        (client.begin().head.header("x-herdwick-node") == "one").then_some(())
    });
    one.wait("idle=1");
    agent.beat(router.address);
    let mut streaming = Client::connect(router.address);
    streaming.send("POST", "/api/chat", &[], ASK.as_bytes());
    let mut stream = streaming.begin();
    assert_eq!(stream.head.header("x-herdwick-node"), "one");
    one.script(r#"[{"silent":{}}]"#);
    let mut waiting = Client::connect(router.address);
    waiting.send("POST", "/api/chat", &[], ASK.as_bytes());
    one.wait("running=2");
    stop(&one);
    let began = Instant::now();
    let reply = waiting.reply();
    assert_eq!((reply.status, reply.header("x-herdwick-node")), (200, "two"), "{}", reply.text());
    // Three beats of a second, a question of one second; the rest is for a busy machine.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let mut last = Vec::new();
    while let Some(piece) = stream.piece() {
        last = piece.expect("the stream ends whole");
    }
    let last = String::from_utf8_lossy(&last);
    assert!(last.contains("node_lost"), "{last}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
