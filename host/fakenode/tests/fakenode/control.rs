//! The control port: log, stats, wait and their errors.

use fakenode::{Condition, Verb};
use serde_json::json;

use crate::client::{Client, chat, get, post, quick_node};

#[test]
fn the_log_shows_requests_in_flight_and_after() {
    let node = quick_node();
    node.script([Verb::Silent { ms: None }]);
    let client = Client::post(&node, "/api/chat", &chat("M"));
    node.wait(Condition::Running(1)).expect("it runs");
    let log = get(&node, "GET", "/_log").json();
    let entry = &log[0];
    assert_eq!(log.as_array().map(Vec::len), Some(1), "the control port does not log itself");
    assert_eq!(
        (&entry["method"], &entry["path"], &entry["model"]),
        (&json!("POST"), &json!("/api/chat"), &json!("M"))
    );
    assert_eq!((&entry["outcome"], &entry["closed_ms"]), (&json!("open"), &json!(null)));
    assert_eq!(entry["body_length"], chat("M").to_string().len());
    assert_eq!(entry["body_sha256"].as_str().map(str::len), Some(64));
    assert!(
        entry["head"]
            .as_str()
            .is_some_and(|h| h.starts_with("POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\n"))
    );
    drop(client);
    node.wait(Condition::Closed(1)).expect("it is closed");
    let entry = &get(&node, "GET", "/_log").json()[0];
    assert_eq!(entry["outcome"], "client_gone");
    assert!(entry["closed_ms"].is_u64());

    assert_eq!(get(&node, "DELETE", "/_log").status, 200);
    assert_eq!(get(&node, "GET", "/_log").json(), json!([]));
    assert_eq!(post(&node, "/api/chat", &chat("m")).status, 200);
    assert_eq!(node.log()[0].id, 1, "ids go on");
}

#[test]
fn keep_alive_exchanges_share_a_connection() {
    let node = quick_node();
    let mut client = Client::connect(&node);
    for _ in 0..3 {
        client.send_post("/api/chat", &chat("m"));
        assert_eq!(client.reply().status, 200);
    }
    let connections: Vec<u64> = node.log().iter().map(|exchange| exchange.connection).collect();
    assert_eq!(connections, [0, 0, 0]);
    drop(client);
    node.wait(Condition::Closed(3)).expect("one socket, three exchanges");
}

#[test]
fn wait_answers_when_true_and_gives_up_when_not() {
    let node = quick_node();
    let mut waiter = Client::connect(&node);
    waiter.send("GET /_wait?requests=1 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(post(&node, "/api/chat", &chat("m")).status, 200);
    assert_eq!(waiter.reply().status, 200);
    let late = get(&node, "GET", "/_wait?running=1&timeout_ms=1");
    assert_eq!(late.status, 408);
    assert!(late.body.contains("Running(1)"), "{}", late.body);
    assert_eq!(get(&node, "GET", "/_wait").status, 400);
    assert!(node.wait_for(Condition::Loads(1), std::time::Duration::from_millis(1)).is_err());
}

#[test]
fn polls_are_counted_apart() {
    let node = quick_node();
    get(&node, "GET", "/api/ps");
    get(&node, "GET", "/api/tags");
    node.wait(Condition::Polls(2)).expect("two polls");
    assert!(node.log().iter().all(|exchange| !exchange.inference));
}

#[test]
fn a_wrong_order_is_refused_whole_with_every_problem() {
    let node = quick_node();
    let reply =
        post(&node, "/_ctl", &json!({"verbs": [{"status": {"code": 500}}, "dance", {"rst": {"befor": 1}}]}));
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("dance") && reply.body.contains("befor"), "{}", reply.body);
    assert_eq!(post(&node, "/api/chat", &chat("m")).status, 200, "none of it was applied");
    assert_eq!(post(&node, "/_ctl", &json!({})).status, 400);
    assert_eq!(
        post(&node, "/_ctl", &json!({"verbs": [{"status": {"code": 500}}], "model": "m"})).status,
        200
    );
    assert_eq!(get(&node, "DELETE", "/_ctl").status, 200);
    assert_eq!(post(&node, "/api/chat", &chat("m")).status, 200, "the queue was emptied");
}

#[test]
fn stats_count_per_model() {
    let node = quick_node();
    assert_eq!(post(&node, "/api/chat", &chat("M")).status, 200);
    node.wait(Condition::Idle).expect("idle");
    let stats = get(&node, "GET", "/_stats").json();
    let model = &stats["models"]["m:latest"];
    assert_eq!(
        (&model["peak_running"], &model["loads"], &model["resident"]),
        (&json!(1), &json!(0), &json!(true))
    );
}
