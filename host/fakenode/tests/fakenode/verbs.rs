//! Each verb, as bytes on the wire.

use std::net::TcpStream;

use fakenode::{Condition, FakeNode, ModelSpec, NodeSpec, Outcome, Verb};
use serde_json::{Value, json};

use crate::client::{Client, End, chat, get, node, post, quick, quick_node};

/// A quick node, the verb scripted, and a streaming chat sent.
fn bent(verb: Verb) -> (FakeNode, Client) {
    let node = quick_node();
    node.script([verb]);
    let client = Client::post(&node, "/api/chat", &chat("m"));
    (node, client)
}

/// A chat with more fields.
fn body_of(more: &[(&str, Value)]) -> Value {
    let mut body = chat("m");
    for (key, value) in more {
        body[*key] = value.clone();
    }
    body
}

fn unstreamed() -> Value {
    body_of(&[("stream", json!(false))])
}

#[test]
fn status_with_every_kind_of_body() {
    let check = |path: &str, body: Value, expected: &str| {
        let node = quick_node();
        node.script([Verb::Status { code: 503, body }]);
        let reply = post(&node, path, &body_of(&[("max_tokens", json!(1))]));
        assert_eq!((reply.status, reply.body.as_str()), (503, expected));
    };
    check("/api/chat", json!("busy"), r#"{"error":"busy"}"#);
    check("/api/chat", json!({"any": 1}), r#"{"any":1}"#);
    check("/api/chat", Value::Null, "");
    check(
        "/v1/chat/completions",
        json!("busy"),
        r#"{"error":{"code":null,"message":"busy","param":null,"type":"api_error"}}"#,
    );
    check(
        "/v1/messages",
        json!("busy"),
        r#"{"error":{"message":"busy","type":"overloaded_error"},"request_id":"req_c9bc072f4fa8189466c2a8f2","type":"error"}"#,
    );
}

#[test]
fn rst_before_the_headers_and_after_tokens() {
    let (node, mut client) = bent(Verb::Rst { after: 0 });
    assert_eq!(client.rest(), (Vec::new(), End::Rst));
    node.wait(Condition::Closed(1)).expect("closed");
    assert_eq!((node.log()[0].outcome, node.log()[0].verb), (Outcome::Fault, Some("rst")));

    let (_node, mut client) = bent(Verb::Rst { after: 2 });
    client.head();
    assert!(client.chunk().is_some() && client.chunk().is_some());
    assert_eq!(client.rest(), (Vec::new(), End::Rst));

    let node = quick_node();
    node.script([Verb::Rst { after: 2 }]);
    assert_eq!(Client::post(&node, "/api/chat", &unstreamed()).rest(), (Vec::new(), End::Rst));
}

#[test]
fn fin_ends_cleanly_without_the_terminal_frame() {
    let (_node, mut client) = bent(Verb::Fin { after: 3, cut: false });
    let lines = client.reply().lines();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line["done"] == false));
    client.send_post("/api/chat", &chat("m"));
    assert_eq!(client.reply().lines().len(), 5, "the connection lives on");

    let (_node, mut client) = bent(Verb::Fin { after: 99, cut: false });
    assert_eq!(client.reply().lines().len(), 4, "every token, and no final frame");

    let (_node, mut client) = bent(Verb::Fin { after: 1, cut: true });
    client.head();
    client.chunk().expect("one token");
    assert_eq!(client.rest(), (Vec::new(), End::Fin));
}

#[test]
fn errline_is_a_line_in_mid_stream_and_a_500_before_it() {
    let (_node, mut client) = bent(Verb::Errline { after: 2, msg: None });
    let lines = client.reply().lines();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[2],
        json!({"error": "an error was encountered while running the model: unexpected EOF"})
    );

    let (_node, mut client) = bent(Verb::Errline { after: 0, msg: Some("boom".to_owned()) });
    let reply = client.reply();
    assert_eq!((reply.status, reply.json()), (500, json!({"error": "boom"})));
}

#[test]
fn errline_is_swallowed_on_v1_as_in_ollama() {
    let node = quick_node();
    let body = body_of(&[("stream", json!(true)), ("max_tokens", json!(9))]);
    node.script([Verb::Errline { after: 1, msg: None }, Verb::Errline { after: 1, msg: None }]);
    let openai = post(&node, "/v1/chat/completions", &body);
    assert_eq!(openai.body.matches("data: ").count(), 2, "{}", openai.body);
    assert!(openai.body.contains(r#""content":"""#) && !openai.body.contains("[DONE]"), "{}", openai.body);
    let anthropic = post(&node, "/v1/messages", &body);
    assert!(anthropic.body.contains("content_block_delta") && !anthropic.body.contains("message_stop"));
}

#[test]
fn badjson_breaks_a_line() {
    let (_node, mut client) = bent(Verb::Badjson { after: 1 });
    let body = client.reply().body;
    let broken = body.lines().nth(1).expect("a second line");
    assert!(serde_json::from_str::<Value>(broken).is_err());
    assert_eq!(body.lines().count(), 2);
}

#[test]
fn hugeline_is_one_long_line() {
    let (_node, mut client) = bent(Verb::Hugeline { mib: 2 });
    client.head();
    assert!(client.chunk().expect("the first token").len() > 2 << 20);
}

#[test]
fn trickle_is_slow_and_complete() {
    let (node, mut client) = bent(Verb::Trickle { bps: 20_000 });
    let reply = client.reply();
    assert_eq!(reply.lines().len(), 5);
    node.wait(Condition::Idle).expect("idle");
    let noted = &node.log()[0];
    assert!(noted.bytes_sent > 500, "{noted:?}");
}

#[test]
fn wronglen_declares_more_or_less_than_it_sends() {
    let (_node, mut client) = bent(Verb::Wronglen { declared: Some(5000), actual: Some(700) });
    assert!(client.head().contains("Content-Length: 5000\r\n"));
    let (body, end) = client.rest();
    assert_eq!((body.len(), end), (700, End::Fin));

    let (_node, mut client) = bent(Verb::Wronglen { declared: Some(10), actual: None });
    assert!(client.head().contains("Content-Length: 10\r\n"));
    assert!(client.rest().0.len() > 100);
}

#[test]
fn extra_bytes_look_like_a_response() {
    let node = quick_node();
    node.script([Verb::Extra { bytes: 40 }]);
    let mut client = Client::post(&node, "/api/chat", &unstreamed());
    assert_eq!(client.reply().json()["done"], true);
    assert_eq!(client.exactly(40), b"HTTP/1.1 200 OK\r\nContent-Type: applicati");
}

#[test]
fn cl_te_sends_both_framings() {
    let (_node, mut client) = bent(Verb::ClTe {});
    let head = client.head();
    assert!(head.contains("Content-Length: ") && head.contains("Transfer-Encoding: chunked"), "{head}");
    assert!(client.chunk().expect("the body").contains("\"done\":true"));
    assert!(client.chunk().is_none());
}

#[test]
fn info_floods_with_1xx_before_the_answer() {
    let (_node, mut client) = bent(Verb::Info { n: 40 });
    for _ in 0..40 {
        assert_eq!(client.head(), "HTTP/1.1 102 Processing\r\n\r\n");
    }
    assert_eq!(client.reply().lines().len(), 5);
}

#[test]
fn redirect_and_raw_are_sent_as_told() {
    let (_node, mut client) = bent(Verb::Redirect { url: "http://evil.example/".to_owned() });
    let reply = client.reply();
    assert_eq!(reply.status, 307);
    assert!(reply.head.contains("Location: http://evil.example/\r\n"));

    let (node, mut client) = bent(Verb::Raw { text: "not even HTTP".to_owned() });
    assert_eq!(client.rest(), (b"not even HTTP".to_vec(), End::Fin));
    node.wait(Condition::Ended(1)).expect("it is over");
    assert_eq!(node.log()[0].outcome, Outcome::Fault);
}

#[test]
fn noread_leaves_the_body_in_the_kernel() {
    let (node, mut client) = bent(Verb::Noread {});
    node.wait(Condition::Requests(1)).expect("the head was read");
    assert!(client.is_silent());
    assert_eq!(node.log()[0].body_sha256, None);
    drop(client);
    node.wait(Condition::Closed(1)).expect("leaving is noticed all the same");
    assert_eq!(node.log()[0].outcome, Outcome::ClientGone);
}

#[test]
fn refuse_closes_the_listener_and_idle_connections_until_resume() {
    let node = quick_node();
    let mut idle = Client::connect(&node);
    idle.send("GET /api/version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert_eq!(idle.reply().status, 200);
    let mut control = Client::connect(&node);
    control.send_post("/_ctl", &json!({"verbs": ["refuse"]}));
    assert_eq!(control.reply().status, 200);
    assert!(TcpStream::connect(node.addr()).is_err());
    assert_eq!(idle.rest(), (Vec::new(), End::Fin));
    control.send_post("/_ctl", &json!({"verbs": ["resume"]}));
    assert_eq!(control.reply().status, 200);
    assert_eq!(post(&node, "/api/chat", &chat("m")).status, 200);
}

#[test]
fn acceptclose_counts_connections() {
    let node = quick_node();
    node.script([Verb::Acceptclose { n: 2 }]);
    for _ in 0..2 {
        assert!(Client::connect(&node).rest().0.is_empty());
    }
    assert_eq!(get(&node, "GET", "/").status, 200);
}

#[test]
fn ps_and_tags_can_lie() {
    let node = quick_node();
    let lie = json!({"models": [{"name": "ghost"}]});
    node.script([Verb::Ps { body: lie.clone(), delay_ms: 0 }, Verb::Tags { body: lie.clone(), delay_ms: 5 }]);
    assert_eq!(get(&node, "GET", "/api/ps").json(), lie);
    assert_eq!(get(&node, "GET", "/api/tags").json(), lie);
    node.script([Verb::Resume {}]);
    assert_eq!(get(&node, "GET", "/api/ps").json()["models"][0]["name"], "m:latest");
}

#[test]
fn silent_for_a_while_then_normal() {
    let (node, mut client) = bent(Verb::Silent { ms: Some(30) });
    assert_eq!(client.reply().lines().len(), 5);
    let noted = &node.log()[0];
    assert!(noted.first_byte_ms >= Some(noted.arrived_ms + 29), "{noted:?}");
}

#[test]
fn verbs_for_one_model_wait_for_it() {
    let other = ModelSpec { name: "other".to_owned(), ..quick() };
    let node = node(NodeSpec::new("test").model(quick()).model(other));
    node.script_for("other", [Verb::Rst { after: 0 }]);
    node.script([Verb::Status { code: 429, body: Value::Null }]);
    assert_eq!(post(&node, "/api/chat", &chat("m")).status, 429);
    assert_eq!(post(&node, "/api/chat", &chat("m")).status, 200);
    assert_eq!(Client::post(&node, "/api/chat", &chat("OTHER:latest")).rest().1, End::Rst);
}
