//! HTTP/1.1 as a node reads it: bodies, connections, and heads that are none.

use fakenode::{Condition, Outcome};

use crate::client::{Client, End, chat, quick_node};

#[test]
fn a_chunked_body_is_read_and_hashed_without_its_framing() {
    let node = quick_node();
    let body = chat("m").to_string();
    let (first, second) = body.split_at(10);
    let mut client = Client::connect(&node);
    client.send(&format!(
        "POST /api/chat HTTP/1.1\r\nHost: h.local\r\nTransfer-Encoding: chunked\r\n\r\n{:x};ext\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\nTrailer: x\r\n\r\n",
        first.len(),
        second.len()
    ));
    assert_eq!(client.reply().lines().len(), 5);
    assert_eq!(node.log()[0].body_length, body.len() as u64);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let node = quick_node();
    let mut client = Client::connect(&node);
    client.send(&"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3));
    for _ in 0..3 {
        assert_eq!(client.reply().status, 200);
    }
}

#[test]
fn http_1_0_gets_no_chunks_and_a_closed_connection() {
    let node = quick_node();
    let body = chat("m").to_string();
    let mut client = Client::connect(&node);
    client.send(&format!("POST /api/chat HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let reply = client.reply();
    assert!(reply.head.contains("Connection: close") && !reply.head.contains("chunked"), "{}", reply.head);
    assert_eq!(reply.lines().len(), 5);
}

#[test]
fn expect_continue_is_continued() {
    let node = quick_node();
    let body = chat("m").to_string();
    let mut client = Client::connect(&node);
    let length = body.len();
    client.send(&format!("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"));
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(&body);
    assert_eq!(client.reply().status, 200);
}

#[test]
fn close_and_head_are_honoured() {
    let node = quick_node();
    let mut client = Client::connect(&node);
    client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let (bytes, end) = client.rest();
    let text = String::from_utf8(bytes).expect("ASCII");
    assert!(text.contains("Content-Length: 17\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    assert_eq!(end, End::Fin);
}

#[test]
fn what_cannot_be_read_is_refused_and_noted() {
    let check = |raw: &str| {
        let node = quick_node();
        let mut client = Client::connect(&node);
        client.send(raw);
        let (bytes, _) = client.rest();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.starts_with("HTTP/1.1 400 "), "{raw:?}: {text}");
        node.wait(Condition::Polls(1)).or_else(|_| node.wait(Condition::Requests(1))).expect("it is noted");
        assert_eq!(node.log()[0].outcome, Outcome::Malformed, "{raw:?}");
    };
    check("nonsense\r\n\r\n");
    check("GET / HTTP/2.0\r\nHost: h\r\n\r\n");
    check("GET / HTTP/1.1\r\n\r\n");
    check("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n");
    check("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
}
