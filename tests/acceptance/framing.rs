//! Malformed and unusual HTTP, as raw bytes: each case has its answers, says whether the connection can be used on, and how
//! many requests may reach a node. What nobody predicted must not reach one, since a request that two readers divide
//! differently is how one client speaks in another's name.

use std::collections::HashMap;

use crate::support::{Client, Node, Router};

const MODEL: &[&str] = &[
    "--slots",
    "4",
    "--model",
    "m:1b,resident,first_token=1ms,token=1ms,tokens=3",
    "--model",
    "hidden:1b,resident,first_token=1ms,token=1ms,tokens=3",
];
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}],"stream":false}"#;
/// What a smuggler hides behind a request: a good one, for a model that nobody else here asks for.
const HIDDEN: &str = "POST /api/generate HTTP/1.1\r\nhost: localhost\r\ncontent-length: 49\r\n\r\n\
    {\"model\":\"hidden:1b\",\"prompt\":\"a\",\"stream\":false}";

/// Whether the connection can be used after the answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Open,
    Closed,
}
use Then::{Closed, Open};

/// A request for the model with these lines in its head, and this behind it.
fn chat(lines: &str, body: &str) -> String {
    format!("POST /api/chat HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n{body}")
}

/// One that is announced as it should be.
fn plain() -> String {
    chat(&format!("content-length: {}\r\n", ASK.len()), ASK)
}

/// The body in one chunk, and this behind its last one.
fn chunked(lines: &str, tail: &str) -> String {
    chat(lines, &format!("{:x}\r\n{ASK}\r\n0\r\n{tail}\r\n", ASK.len()))
}

fn tags(lines: &str) -> String {
    format!("GET /api/tags HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n")
}

struct Wire {
    node: Node,
    router: Router,
    predicted: usize,
}

impl Wire {
    fn start() -> Self {
        let node = Node::start("studio", MODEL);
        let router = Router::start(&[node.spec(4)], &[]).knows("m:1b");
        Self { node, router, predicted: 0 }
    }

    /// Sends the bytes on a connection of their own, and expects exactly these answers. Without any the connection is
    /// closed in silence. Of the requests to chat in them a node may have seen as many as are answered with 200.
    fn check(&mut self, id: &str, bytes: &[u8], answers: &[u16], then: Then) {
        let whole = String::from_utf8_lossy(bytes);
        let shown: String = whole.chars().take(200).collect();
        let mut client = Client::connect(self.router.address);
        // A router that has seen enough may close before it has all.
        client.try_raw(bytes);
        for expected in answers {
            assert!(!client.is_closed(), "{id}: closed instead of {expected} to {shown:?}");
            let answer = client.begin();
            assert_eq!(answer.head.status, *expected, "{id}: {shown:?}");
            answer.finish().unwrap_or_else(|error| panic!("{id}: {error}"));
        }
        match then {
            Closed => assert!(client.is_closed(), "{id}: it goes on after {shown:?}"),
            Open => {
                client.raw(b"GET /api/version HTTP/1.1\r\nhost: localhost\r\n\r\n");
                assert_eq!(client.reply().status, 200, "{id}: after {shown:?}");
            }
        }
        let chats = whole.matches("POST /api/chat").count();
        self.predicted += chats.min(answers.iter().filter(|status| **status == 200).count());
        let (asked, malformed) = self.seen();
        assert_eq!((asked, malformed), (self.predicted, 0), "{id}: what the node saw after {shown:?}");
    }

    /// Requests that the node was asked, and such that it could not read.
    fn seen(&self) -> (usize, usize) {
        let log = self.node.log();
        let log = log.as_array().expect("its log is a list");
        assert!(!log.iter().any(is_hidden), "what was hidden reached the node");
        let count =
            |wanted: &dyn Fn(&serde_json::Value) -> bool| log.iter().filter(|entry| wanted(entry)).count();
        (count(&|entry| entry["inference"] == true), count(&|entry| entry["outcome"] == "malformed"))
    }
}

fn is_hidden(entry: &serde_json::Value) -> bool {
    entry["model"] == "hidden:1b"
}

#[test]
fn what_is_hidden_here_would_reach_the_node_if_anybody_read_it() {
    let wire = Wire::start();
    let mut client = Client::connect(wire.router.address);
    client.raw((plain() + HIDDEN).as_bytes());
    assert_eq!([client.reply().status, client.reply().status], [200, 200]);
    assert!(wire.node.log().as_array().expect("a list").iter().any(is_hidden));
}

#[test]
fn lengths_that_two_readers_could_take_differently_are_refused() {
    let mut wire = Wire::start();
    let length = ASK.len();
    let good = format!("content-length: {length}\r\n");
    // A1: chunks win, and whatever the length would have let through is never read.
    for lines in [
        "content-length: 6\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 6\r\n",
    ] {
        wire.check("A1", (chunked(lines, "") + HIDDEN).as_bytes(), &[200], Closed);
    }
    for (id, lines) in [
        ("A2 two", format!("{good}content-length: {}\r\n", length + 1)),
        ("A2 list", format!("content-length: {length}, {}\r\n", length + 1)),
        ("A2 list of equals", format!("content-length: {length}, {length}\r\n")),
        ("A2 plus", format!("content-length: +{length}\r\n")),
        ("A2 minus", "content-length: -1\r\n".to_owned()),
        ("A2 hex", "content-length: 0x5\r\n".to_owned()),
        ("A2 space", "content-length: 5 5\r\n".to_owned()),
        ("A2 empty", "content-length:\r\n".to_owned()),
        ("A2 fraction", "content-length: 5.0\r\n".to_owned()),
        ("A2 2^64", "content-length: 18446744073709551616\r\n".to_owned()),
        ("A4 unknown", "transfer-encoding: xchunked\r\n".to_owned()),
        ("A4 identity last", "transfer-encoding: chunked, identity\r\n".to_owned()),
        ("A4 identity", "transfer-encoding: identity\r\n".to_owned()),
        ("A4 gzip alone", "transfer-encoding: gzip\r\n".to_owned()),
        ("A4 with a length", format!("{good}transfer-encoding: xchunked\r\n")),
        ("A5 vertical tab", "transfer-encoding: \x0bchunked\r\n".to_owned()),
        ("A5 NUL", "transfer-encoding: chunked\0\r\n".to_owned()),
        ("A5 space before the colon", "transfer-encoding : chunked\r\n".to_owned()),
        ("A5 folded", "transfer-encoding:\r\n chunked\r\n".to_owned()),
        ("A5 folded, of another", "x: a\r\n b\r\ncontent-length: 0\r\n".to_owned()),
    ] {
        wire.check(id, (chat(&lines, ASK) + HIDDEN).as_bytes(), &[400], Closed);
    }
    wire.check("A3", chat(&format!("{good}{good}"), ASK).as_bytes(), &[200], Open);
    wire.check(
        "A6",
        chunked("transfer-encoding: chunked\r\n", "").replace("HTTP/1.1", "HTTP/1.0").as_bytes(),
        &[400],
        Closed,
    );
}

#[test]
fn chunks_that_are_none_end_the_connection() {
    let mut wire = Wire::start();
    let lines = "transfer-encoding: chunked\r\n";
    wire.check("A7 good", chunked(lines, "").as_bytes(), &[200], Open);
    wire.check("A7 good, upper case", chunked("Transfer-Encoding: Chunked\r\n", "").as_bytes(), &[200], Open);
    let size = format!("{:x}", ASK.len());
    for (id, body) in [
        ("A7 hex sign", format!("0x{size}\r\n{ASK}\r\n0\r\n\r\n")),
        ("A7 underscore", format!("{}_0\r\n{ASK}\r\n0\r\n\r\n", &size[..1])),
        ("A7 minus", "-1\r\n\r\n0\r\n\r\n".to_owned()),
        ("A7 17 digits", format!("1000000000000000{size}\r\n{ASK}\r\n0\r\n\r\n")),
        ("A7 no size", format!("\r\n{ASK}\r\n0\r\n\r\n")),
        ("A7 bare line feed", format!("{size}\n{ASK}\n0\n\n")),
        ("A7 no line end behind the data", format!("{size}\r\n{ASK}0\r\n\r\n")),
        ("A7 shorter than said", format!("{:x}\r\n{ASK}\r\n0\r\n\r\n", ASK.len() - 1)),
        ("A8 extension of 20 KiB", format!("{size};x={}\r\n{ASK}\r\n0\r\n\r\n", "x".repeat(20 << 10))),
    ] {
        wire.check(id, (chat(lines, &body) + HIDDEN).as_bytes(), &[400], Closed);
    }
    let trailers = format!("x: {}\r\n", "x".repeat(70 << 10));
    wire.check("A8 trailers of 70 KiB", chunked(lines, &trailers).as_bytes(), &[400], Closed);
    wire.check(
        "A8 a length in the trailers",
        chunked(lines, "content-length: 3\r\nx-secret: 1\r\n").as_bytes(),
        &[200],
        Open,
    );
    let log = wire.node.log().to_string();
    assert!(!log.contains("x-secret"), "trailers end here");
}

#[test]
fn heads_that_are_none_are_refused_and_large_ones_bounded() {
    let mut wire = Wire::start();
    for (id, bytes) in [
        ("A9 carriage return", tags("x: a\rb\r\n").into_bytes()),
        ("A9 NUL", tags("x: a\0b\r\n").into_bytes()),
        ("A9 line feed", tags("x: a\nb\r\n").into_bytes()),
        ("A9 name", tags("x\u{e4}: a\r\n").into_bytes()),
        ("A9 empty name", tags(": a\r\n").into_bytes()),
        ("A9 no colon", tags("nothing\r\n").into_bytes()),
        ("A11 NUL", b"GET /api/tags\0 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("A11 space", b"GET /api/ tags HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("A16 no host", b"GET /api/tags HTTP/1.1\r\n\r\n".to_vec()),
        ("A16 two hosts", tags("host: localhost\r\n").into_bytes()),
        ("A16 list", b"GET /api/tags HTTP/1.1\r\nhost: localhost, b\r\n\r\n".to_vec()),
        ("A16 empty", b"GET /api/tags HTTP/1.1\r\nhost:\r\n\r\n".to_vec()),
        ("A16 user", b"GET /api/tags HTTP/1.1\r\nhost: u@localhost\r\n\r\n".to_vec()),
        ("version", b"GET /api/tags HTTP/3.0\r\nhost: localhost\r\n\r\n".to_vec()),
        ("HTTP/0.9", b"GET /api/tags\r\n\r\n".to_vec()),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
    ] {
        wire.check(id, &bytes, &[400], Closed);
    }
    let lines = |count: usize| (0..count).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    wire.check("A10 100 lines", tags(&lines(99)).as_bytes(), &[200], Open);
    wire.check("A10 101 lines", tags(&lines(100)).as_bytes(), &[431], Closed);
    for (id, bytes) in [("A10 one of 420 KiB", 420 << 10), ("A10 one of 70 KiB", 70 << 10)] {
        wire.check(id, tags(&format!("x: {}\r\n", "x".repeat(bytes))).as_bytes(), &[431], Closed);
    }
    let many = format!("x: {}\r\n", "x".repeat(8 << 10)).repeat(64);
    wire.check("A10 500 KiB in all", tags(&many).as_bytes(), &[431], Closed);
    wire.check("A10 60 KiB", tags(&format!("x: {}\r\n", "x".repeat(60 << 10))).as_bytes(), &[200], Open);
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(65_535));
    wire.check("A11 65 535 bytes", long.as_bytes(), &[431], Closed);
    // A19: HTTP/2 without being asked for, and what a client would send right behind it.
    wire.check("A19", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", &[], Closed);
}

#[test]
fn odd_targets_and_methods_are_answered_here() {
    let mut wire = Wire::start();
    for (id, line, status, then) in [
        // What is behind a # is nobody's: it never gets past the reading of the line.
        ("A11 fragment", "GET /api/tags#frag HTTP/1.1", 200, Open),
        ("A11 backslash", "GET /api\\tags HTTP/1.1", 404, Open),
        ("A12 elsewhere", "GET http://evil.example/api/tags HTTP/1.1", 403, Closed),
        ("A12 here", "GET http://localhost/api/tags HTTP/1.1", 200, Open),
        ("A12 tunnel", "CONNECT localhost:443 HTTP/1.1", 405, Closed),
        ("A12 tunnel elsewhere", "CONNECT evil.example:443 HTTP/1.1", 405, Closed),
        ("A12 options", "OPTIONS * HTTP/1.1", 204, Open),
        ("A12 asterisk", "GET * HTTP/1.1", 404, Open),
        ("A12 no path", "GET api/tags HTTP/1.1", 400, Closed),
        ("A21 unknown", "FOO /api/tags HTTP/1.1", 405, Open),
        ("A21 lower case", "get /api/tags HTTP/1.1", 405, Open),
        ("A21 delete", "DELETE /api/tags HTTP/1.1", 405, Open),
        ("A21 trace", "TRACE /api/tags HTTP/1.1", 405, Closed),
        ("A22 slash behind", "GET /api/tags/ HTTP/1.1", 404, Open),
        ("A22 slash before", "GET //api/tags HTTP/1.1", 404, Open),
        ("A22 dot", "GET /api/./tags HTTP/1.1", 404, Open),
        ("A22 dots", "GET /api/chat/../tags HTTP/1.1", 404, Open),
        ("A22 written dots", "GET /api/%2e%2e/tags HTTP/1.1", 404, Open),
        ("A22 written slash", "GET /api%2ftags HTTP/1.1", 404, Open),
        ("A22 written letter", "GET /api/%74ags HTTP/1.1", 404, Open),
        ("A22 parameter", "GET /api/tags;a=b HTTP/1.1", 404, Open),
        ("A22 query", "GET /api/tags?x=/../ HTTP/1.1", 200, Open),
    ] {
        wire.check(id, format!("{line}\r\nhost: localhost\r\n\r\n").as_bytes(), &[status], then);
    }
    let long = format!("{} /api/tags HTTP/1.1\r\nhost: localhost\r\n\r\n", "X".repeat(1_024));
    wire.check("A21 1 KiB", long.as_bytes(), &[405], Open);
}

#[test]
fn pipelined_requests_are_answered_in_order_and_an_upgrade_never_happens() {
    let mut wire = Wire::start();
    wire.check("A18 50 GETs", tags("").repeat(50).as_bytes(), &[200; 50], Open);
    wire.check("A18 two POSTs", plain().repeat(2).as_bytes(), &[200, 200], Open);
    wire.check(
        "A18 empty lines between",
        format!("\r\n\r\n{}\r\n{}", tags(""), tags("")).as_bytes(),
        &[200, 200],
        Open,
    );
    wire.check(
        "A18 a bad one behind",
        (plain() + "nonsense\r\n\r\n" + HIDDEN).as_bytes(),
        &[200, 400],
        Closed,
    );
    let upgrades = ["websocket\r\nsec-websocket-key: x", "h2c\r\nhttp2-settings: AAMAAABkAAQAAP__"];
    for protocol in upgrades {
        let lines =
            format!("connection: upgrade\r\nupgrade: {protocol}\r\ncontent-length: {}\r\n", ASK.len());
        wire.check("A14", (chat(&lines, ASK) + &tags("")).as_bytes(), &[200, 200], Open);
    }
    let lines = format!("connection: close\r\ncontent-length: {}\r\n", ASK.len());
    wire.check("close", (chat(&lines, ASK) + HIDDEN).as_bytes(), &[200], Closed);
    let old = plain().replace("HTTP/1.1", "HTTP/1.0");
    wire.check("HTTP/1.0", (old + HIDDEN).as_bytes(), &[200], Closed);
    // Line ends may lack their first half (RFC 9112 §2.2); we write our own anyway.
    wire.check("bare line feeds", plain().replace("\r\n", "\n").as_bytes(), &[200], Open);
    wire.check("HTTP/1.0 without a host", b"GET /api/tags HTTP/1.0\r\n\r\n", &[200], Closed);
}

#[test]
fn an_old_client_to_which_the_end_of_the_connection_is_the_end_sees_that_a_stream_broke() {
    let wire = Wire::start();
    let stream = chat("", "").replace("HTTP/1.1", "HTTP/1.0");
    let body = ASK.replace("false", "true");
    let ask = stream.replacen("\r\n\r\n", &format!("\r\ncontent-length: {}\r\n\r\n{body}", body.len()), 1);
    for (verb, last) in [
        (r#""ok""#, "\"done\":true"),
        (r#"{"rst":{"after":2}}"#, "\"error\":"),
        (r#"{"fin":{"after":2}}"#, "\"error\":"),
    ] {
        wire.node.script(&format!("[{verb}]"));
        let mut client = Client::connect(wire.router.address);
        client.raw(ask.as_bytes());
        let text = client.everything();
        assert!(text.starts_with("HTTP/1.0 200") && !text.contains("chunked"), "{verb}: {text}");
        assert!(text.trim_end().lines().last().is_some_and(|line| line.contains(last)), "{verb}: {text}");
    }
}

#[test]
fn a_body_that_is_refused_is_not_asked_for() {
    let wire = Wire::start();
    for (id, lines, status) in [
        ("A17 too large", "content-length: 99999999", 413),
        ("A17 encoded", "content-encoding: br\r\ncontent-length: 9999", 415),
        ("A17 of a page", "origin: http://evil.example\r\ncontent-length: 9999", 403),
        ("A17 no route", "content-length: 9999", 404),
    ] {
        let path = if status == 404 { "/nowhere" } else { "/api/chat" };
        let mut client = Client::connect(wire.router.address);
        client.raw(
            format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n{lines}\r\n\r\n")
                .as_bytes(),
        );
        assert_eq!(client.begin().head.status, status, "{id}: the first answer is the last");
    }
    let mut client = Client::connect(wire.router.address);
    let lines = format!("expect: 100-continue\r\ncontent-length: {}\r\n", ASK.len());
    client.raw(chat(&lines, "").as_bytes());
    assert_eq!(client.reply().status, 100, "one that is read is asked for");
    client.raw(ASK.as_bytes());
    assert_eq!(client.reply().status, 200);
    assert_eq!(wire.seen(), (1, 0));
}

#[test]
fn a_node_sees_none_of_the_lines_that_are_for_us() {
    let wire = Wire::start();
    let secret = [
        "authorization: Bearer secret",
        "cookie: secret=1",
        "proxy-authorization: Basic secret",
        "x-api-key: secret",
        "forwarded: for=6.6.6.6",
        "x-forwarded-for: 6.6.6.6",
        "x-forwarded-host: secret",
        "x-forwarded-proto: https",
        "x-real-ip: 6.6.6.6",
        "via: 1.1 secret",
        "te: trailers",
        "x-herdwick-node: secret",
        "x-request-id: secret",
        // A13: what a client names here belongs to its hop, and what we say ourselves does not.
        "connection: x-secret, content-type, x-request-id, host, content-length",
        "x-secret: 1",
    ];
    let mut client = Client::connect(wire.router.address);
    client
        .raw(chat(&format!("content-length: {}\r\n{}\r\n", ASK.len(), secret.join("\r\n")), ASK).as_bytes());
    assert_eq!(client.reply().status, 200);
    let log = wire.node.log();
    let entries = log.as_array().expect("its log is a list");
    let asked = entries.iter().find(|entry| entry["inference"] == true).expect("it was asked");
    let head = asked["head"].as_str().expect("a head").to_ascii_lowercase();
    let mut lines = head.trim_end().lines();
    assert_eq!(lines.next(), Some("post /api/chat http/1.1"));
    let fields: HashMap<&str, &str> = lines.filter_map(|line| line.split_once(": ")).collect();
    let mut names: Vec<&str> = fields.keys().copied().collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "content-type", "host", "x-request-id"], "{head}");
    assert_eq!(fields["host"], wire.node.address.to_string());
    let length: usize = fields["content-length"].parse().expect("a number");
    assert!(length >= ASK.len(), "what it framed is whole: {length}");
    assert!(!head.contains("secret") && !head.contains("6.6.6.6"), "{head}");
}

#[test]
fn nothing_that_a_client_writes_becomes_a_line_of_an_answer() {
    let wire = Wire::start();
    for (id, bytes) in [
        ("A23 in a path", tags("").replace("/api/tags", "/v1/models/x%0d%0ax-injected:%201")),
        ("A23 in a path that is unknown", tags("").replace("/api/tags", "/x%0d%0ax-injected:%201")),
        ("A23 in a name", chat("content-length: 43\r\n", r#"{"model":"m\r\nx-injected: 1","prompt":"a"}"#)),
    ] {
        let mut client = Client::connect(wire.router.address);
        client.raw(bytes.as_bytes());
        let reply = client.reply();
        assert!(matches!(reply.status, 400 | 404), "{id}: {}", reply.status);
        assert_eq!(reply.header("x-injected"), "", "{id}");
        assert!(reply.json().is_object(), "{id}: its text is quoted");
    }
}
