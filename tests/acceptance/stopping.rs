//! A router that is told to stop: no new work, time for what runs, a word to whoever is cut, an end.

use std::process::Command;
use std::time::Instant;

use crate::support::{Client, Node, Router, get, until};

const MODEL: &[&str] = &["--slots", "1", "--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"];
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;

/// A node with one slot, and a router that gives running answers so long to end.
fn fleet(drain: &str) -> (Node, Router) {
    let node = Node::start("studio", MODEL);
    let (router, _log) = Router::start_logged(&[node.spec(1)], &[], &[("HERDWICK_LIMITS__DRAIN", drain)]);
    (node, router.knows("m:1b"))
}

fn tell_to_stop(router: &Router) {
    let told = Command::new("sh").args(["-c", &format!("kill {}", router.id())]).status();
    assert!(told.is_ok_and(|status| status.success()));
}

/// Returns when the router refuses new work. What it is asked until then waits for nothing.
fn refuses(router: &Router) {
    until("the router refuses new work", || (get(router.address, "/api/tags").status == 503).then_some(()));
}

#[test]
fn running_answers_end_whole_and_new_work_is_refused_in_words() {
    let (node, router) = fleet("60s");
    node.script(r#"[{"ok":{"n":100,"itl_ms":20}}]"#);
    let mut idle = Client::connect(router.address);
    idle.send("GET", "/api/version", &[], b"");
    assert_eq!(idle.reply().status, 200);
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    let mut answer = client.begin();
    assert!(answer.piece().is_some_and(|piece| piece.is_ok()));
    tell_to_stop(&router);
    refuses(&router);
    for path in ["/api/chat", "/", "/nowhere"] {
        let asked = Instant::now();
        let mut late = Client::connect(router.address);
        late.send("POST", path, &[], ASK.as_bytes());
        let reply = late.reply();
        println!("refused after {:?}", asked.elapsed());
        assert_eq!((reply.status, reply.header("x-herdwick-error")), (503, "draining"), "{path}");
        assert_eq!((reply.header("connection"), reply.header("retry-after")), ("close", "5"), "{path}");
        assert!(late.is_closed());
    }
    assert!(idle.is_closed(), "nobody waits for a client that asks nothing");
    let whole = answer.finish().expect("the answer ends whole");
    assert!(whole.text().contains("\"done\":true"));
    assert!(client.is_closed());
    assert_eq!(router.ended(), Some(0));
    assert_eq!(node.asked(), 1);
}

#[test]
fn what_still_runs_when_the_time_is_over_is_cut_and_told() {
    let (node, router) = fleet("200ms");
    node.script(r#"[{"silent":{}}]"#);
    let mut running = Client::connect(router.address);
    running.send("POST", "/api/chat", &[], ASK.as_bytes());
    node.wait("running=1");
    let mut waiting = Client::connect(router.address);
    waiting.send("POST", "/api/chat", &[], ASK.as_bytes());
    tell_to_stop(&router);
    for client in [&mut running, &mut waiting] {
        let reply = client.reply();
        assert_eq!((reply.status, reply.header("x-herdwick-error")), (503, "draining"));
        assert_eq!(reply.header("connection"), "close");
    }
    node.wait("closed=1");
    assert_eq!(router.ended(), Some(0));
    assert_eq!(node.asked(), 1);
}

#[test]
fn a_stream_that_is_cut_ends_in_a_frame_that_says_so() {
    for (path, last) in [
        ("/api/chat", r#""code":"draining""#),
        ("/v1/chat/completions", r#""code":"draining""#),
        ("/v1/messages", "event: error"),
    ] {
        let (node, router) = fleet("200ms");
        node.script(r#"[{"ok":{"n":100000,"itl_ms":5}}]"#);
        let mut client = Client::connect(router.address);
        let body = ASK.replacen('{', r#"{"stream":true,"max_tokens":100000,"#, 1);
        client.send("POST", path, &[], body.as_bytes());
        let mut answer = client.begin();
        assert!(answer.piece().is_some_and(|piece| piece.is_ok()), "{path}");
        tell_to_stop(&router);
        let text = answer.finish().expect("the stream ends in order").text();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        let end = lines[lines.len() - 2..].concat();
        assert!(end.contains(last) && end.contains("the router stops"), "{path}: {end}");
        assert!(!text.contains("[DONE]") && !text.contains("\"done\":true"), "{path}: {end}");
        assert!(client.is_closed());
        node.wait("closed=1");
        assert_eq!(router.ended(), Some(0));
    }
}

#[test]
fn a_client_that_reads_nothing_does_not_hold_up_the_end() {
    let (node, router) = fleet("200ms");
    node.script(r#"[{"ok":{"n":100000,"itl_ms":1}}]"#);
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    node.wait("running=1");
    tell_to_stop(&router);
    assert_eq!(router.ended(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let (node, router) = fleet("1h");
    node.script(r#"[{"silent":{}}]"#);
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    node.wait("running=1");
    tell_to_stop(&router);
    refuses(&router);
    tell_to_stop(&router);
    assert_eq!(router.ended(), Some(0));
    assert!(client.is_closed());
}
