//! Clients that leave, and a router that is told to.

use std::process::Command;

use crate::support::{Client, Node, Router, post};

const MODEL: &[&str] = &["--slots", "1", "--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"];
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;

fn fleet() -> (Node, Router) {
    let node = Node::start("studio", MODEL);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    (node, router)
}

#[test]
fn a_client_that_leaves_in_the_silence_before_the_answer_stops_the_work() {
    let (node, router) = fleet();
    node.script(r#"[{"silent":{}}]"#);
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    node.wait("running=1");
    drop(client);
    node.wait("closed=1");
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200, "its slot is free again");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_stream_stops_the_work() {
    let (node, router) = fleet();
    node.script(r#"[{"ok":{"n":100000,"itl_ms":5}}]"#);
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    let mut answer = client.begin();
    assert!(answer.piece().is_some_and(|piece| piece.is_ok()));
    drop(client);
    node.wait("closed=1");
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200, "its slot is free again");
}

#[test]
fn a_client_that_leaves_while_it_waits_never_reaches_a_node() {
    let (node, router) = fleet();
    node.script(r#"[{"silent":{"ms":500}}]"#);
    let mut running = Client::connect(router.address);
    running.send("POST", "/api/chat", &[], ASK.as_bytes());
    node.wait("running=1");
    let mut waiting = Client::connect(router.address);
    waiting.send("POST", "/api/chat", &[], ASK.as_bytes());
    drop(waiting);
    assert_eq!(running.reply().status, 200);
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200);
    assert_eq!(node.asked(), 2, "the one that left was never sent on");
}

#[test]
#[cfg(unix)]
fn a_router_that_is_told_to_stop_lets_running_answers_end() {
    let (node, router) = fleet();
    node.script(r#"[{"ok":{"n":40,"itl_ms":20}}]"#);
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    let mut answer = client.begin();
    assert!(answer.piece().is_some_and(|piece| piece.is_ok()));
    let told = Command::new("sh").args(["-c", &format!("kill {}", router.id())]).status();
    assert!(told.is_ok_and(|status| status.success()));
    let whole = answer.finish().expect("the answer ends whole");
    assert!(whole.text().contains("\"done\":true"));
    assert_eq!(router.ended(), Some(0));
}
