//! Backends that fail: what is tried again reaches the client as if nothing had happened, what cannot be is told in
//! the client's own dialect, and no answer that was cut looks whole.

use serde_json::Value;

use crate::support::{Client, Node, Reply, Router, post, until};

const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}],"max_tokens":50}"#;
const WHOLE: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}],"stream":false}"#;

/// Two nodes with one model, which the smaller file makes cheaper on `one`, as long as that answers.
struct Fleet {
    one: Node,
    two: Node,
    router: Router,
}

impl Fleet {
    fn start() -> Self {
        let model = |bytes: &str| format!("m:1b,resident,first_token=1ms,token=1ms,tokens=6,bytes={bytes}");
        let (small, large) = (model("1GB"), model("40GB"));
        let one = Node::start("one", &["--slots", "2", "--model", &small]);
        let two = Node::start("two", &["--slots", "2", "--model", &large]);
        let router = Router::start(&[one.spec(2), two.spec(2)], &[]).knows("m:1b");
        let fleet = Self { one, two, router };
        assert_eq!(fleet.ask("/api/chat", ASK).header("x-herdwick-node"), "one", "it is the cheaper one");
        fleet
    }

    fn ask(&self, path: &str, body: &str) -> Reply {
        post(self.router.address, path, body)
    }
}

#[test]
fn what_fails_before_its_answer_is_had_from_another_node() {
    let fleet = Fleet::start();
    for (id, path, body, verb) in [
        // Twice, since the first time it could be a connection that was closed while it was idle.
        ("E2", "/api/chat", ASK, r#"{"rst":{"after":0}},{"rst":{"after":0}}"#),
        ("E2", "/api/chat", ASK, r#"{"fin":{"after":0}}"#),
        ("E2", "/v1/messages", ASK, r#"{"rst":{"after":0}},{"rst":{"after":0}}"#),
        ("E3", "/api/chat", ASK, r#"{"errline":{"after":0}}"#),
        ("E3", "/v1/chat/completions", ASK, r#"{"errline":{"after":0}}"#),
        (
            "E8",
            "/api/chat",
            ASK,
            r#"{"status":{"code":503,"body":"server busy, please try again.  maximum pending requests exceeded"}}"#,
        ),
        (
            "E11",
            "/api/generate",
            r#"{"model":"m:1b","prompt":"hi"}"#,
            r#"{"status":{"code":500,"body":"model runner has unexpectedly stopped"}}"#,
        ),
        (
            "E12",
            "/api/embed",
            r#"{"model":"m:1b","input":"hi"}"#,
            r#"{"status":{"code":400,"body":"do embedding request: Post \"http://127.0.0.1:1/embedding\": EOF"}}"#,
        ),
        ("E13", "/api/chat", ASK, r#"{"status":{"code":403,"body":null}}"#),
        ("E14", "/api/chat", ASK, r#"{"status":{"code":499,"body":"request canceled"}}"#),
        ("E15", "/api/chat", ASK, r#"{"redirect":{"url":"http://127.0.0.1:1/"}}"#),
        ("E16", "/api/chat", WHOLE, r#"{"wronglen":{}}"#),
        ("E19", "/api/chat", ASK, r#"{"badjson":{"after":0}}"#),
        (
            "E20",
            "/api/chat",
            WHOLE,
            r#"{"raw":{"text":"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 53\r\n\r\n{\"model\":\"m:1b\",\"done\":true,\"done_reason\":\"load\"}    "}}"#,
        ),
        (
            "no route",
            "/v1/completions",
            r#"{"model":"m:1b","prompt":"hi"}"#,
            r#"{"raw":{"text":"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\n404 page not found"}}"#,
        ),
        ("no room", "/api/chat", ASK, r#"{"status":{"code":500,"body":"unable to load full model on GPU"}}"#),
        (
            "not JSON",
            "/v1/chat/completions",
            ASK,
            r#"{"raw":{"text":"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 6\r\n\r\n{\"a\":["}}"#,
        ),
        ("not HTTP", "/api/chat", ASK, r#"{"raw":{"text":"SSH-2.0-OpenSSH_9.6\r\n"}}"#),
    ] {
        fleet.one.script(&format!("[{verb}]"));
        let reply = fleet.ask(path, body);
        let told = (reply.status, reply.header("x-herdwick-node"), reply.header("x-herdwick-attempts"));
        assert_eq!(told, (200, "two", "2"), "{id} {path} {verb}: {}", reply.text());
        // One failure is forgiven after half a second.
        until(&format!("one is asked again after {id} {verb}"), || {
            (fleet.ask("/api/chat", ASK).header("x-herdwick-node") == "one").then_some(())
        });
    }
}

#[test]
fn an_idle_connection_that_was_closed_meanwhile_is_nobodys_failure() {
    let fleet = Fleet::start();
    // E7: the connection of the request before is used again, and ends just when the next one is sent over it.
    fleet.one.script(r#"[{"rst":{"after":0}}]"#);
    let reply = fleet.ask("/api/chat", ASK);
    let told = (reply.status, reply.header("x-herdwick-node"), reply.header("x-herdwick-attempts"));
    assert_eq!(told, (200, "one", "1"));
}

#[test]
fn what_is_the_clients_to_read_is_passed_on_and_tried_nowhere_else() {
    let fleet = Fleet::start();
    let before = fleet.two.asked();
    for (id, path, status, text) in [
        ("E12", "/api/chat", 400, "m:1b does not support tools"),
        ("E12", "/api/embed", 400, "the input length exceeds the context length"),
        ("template", "/api/generate", 500, "template: :1: unexpected end"),
        (
            "format",
            "/api/chat",
            500,
            "invalid format: \"x\"; expected \"json\" or a valid JSON Schema object",
        ),
    ] {
        let body = serde_json::json!({ "status": { "code": status, "body": text } });
        fleet.one.script(&format!("[{body}]"));
        let reply =
            fleet.ask(path, r#"{"model":"m:1b","prompt":"hi","messages":[{"role":"user","content":"x"}]}"#);
        assert_eq!((reply.status, reply.error().as_str()), (status, text), "{id}");
        assert_eq!(reply.header("x-herdwick-attempts"), "1", "{id}");
        assert_eq!(reply.header("x-should-retry"), "false", "{id}");
    }
    assert_eq!(fleet.two.asked(), before, "nobody else was asked");
}

#[test]
fn when_nobody_is_left_the_last_nodes_own_words_reach_the_client() {
    for (path, shape) in [
        ("/api/chat", "/error"),
        ("/v1/chat/completions", "/error/message"),
        ("/v1/messages", "/error/message"),
    ] {
        let fleet = Fleet::start();
        for node in [&fleet.one, &fleet.two] {
            node.script(r#"[{"status":{"code":500,"body":"the runner is gone"}}]"#);
        }
        let reply = fleet.ask(path, ASK);
        assert_eq!(
            (reply.status, reply.header("x-herdwick-attempts")),
            (500, "2"),
            "{path}: {}",
            reply.text()
        );
        assert_eq!(reply.json().pointer(shape), Some(&Value::from("the runner is gone")), "{path}");
        assert_eq!(reply.header("x-herdwick-error"), "upstream_error");
    }
    // What says nothing, or too much, is told in our words.
    for verb in [
        r#"{"status":{"code":403,"body":null}}"#,
        r#"{"status":{"code":401,"body":{"error":"unauthorized","signin_url":"https://elsewhere/secret"}}}"#,
        r#"{"redirect":{"url":"http://127.0.0.1:1/"}}"#,
        r#"{"fin":{"after":0}}"#,
    ] {
        let fleet = Fleet::start();
        for node in [&fleet.one, &fleet.two] {
            node.script(&format!("[{verb}]"));
        }
        let reply = fleet.ask("/api/chat", ASK);
        assert_eq!((reply.status, reply.header("x-herdwick-error")), (502, "node_failed"), "{verb}");
        let error = reply.error();
        assert!(error.contains("one: ") && error.contains("two: "), "{error}");
        assert!(!error.contains("signin") && reply.header("location").is_empty(), "{error}");
    }
}

#[test]
fn somebody_who_is_merely_busy_is_asked_again_until_there_is_room() {
    let fleet = Fleet::start();
    let busy = r#"{"status":{"code":503,"body":"server busy, please try again.  maximum pending requests exceeded"}}"#;
    fleet.one.script(&format!("[{busy},{busy}]"));
    fleet.two.script(&format!("[{busy},{busy},{busy}]"));
    let reply = fleet.ask("/api/chat", ASK);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let attempts: u32 = reply.header("x-herdwick-attempts").parse().expect("a number");
    assert!((3..=6).contains(&attempts), "busy is no failure that counts: {attempts}");
}

#[test]
fn a_model_that_a_node_listed_and_does_not_have_is_asked_for_elsewhere() {
    let fleet = Fleet::start();
    let missing = r#"[{"status":{"code":404,"body":"model 'm:1b' not found"}}]"#;
    fleet.one.script(missing);
    assert_eq!(fleet.ask("/api/chat", ASK).header("x-herdwick-node"), "two");
    let next = fleet.ask("/api/chat", ASK);
    assert_eq!(
        (next.header("x-herdwick-node"), next.header("x-herdwick-attempts")),
        ("two", "1"),
        "it is remembered"
    );
    fleet.two.script(missing);
    let reply = fleet.ask("/api/chat", ASK);
    assert_eq!((reply.status, reply.error().as_str()), (404, "model 'm:1b' not found"));
}

/// The routes that stream, with what a client's last event must say when the answer broke.
const STREAMS: [(&str, &str); 6] = [
    ("/api/chat", "/error"),
    ("/api/generate", "/error"),
    ("/v1/chat/completions", "/error/message"),
    ("/v1/completions", "/error/message"),
    ("/v1/responses", "/response/error/message"),
    ("/v1/messages", "/error/message"),
];

/// A body that streams on every route.
fn streaming(path: &str) -> String {
    let mut body = serde_json::json!({ "model": "m:1b", "stream": true, "max_tokens": 50 });
    match path {
        "/api/generate" | "/v1/completions" => body["prompt"] = "hi".into(),
        "/v1/responses" => body["input"] = "hi".into(),
        _ => body["messages"] = serde_json::json!([{ "role": "user", "content": "hi" }]),
    }
    body.to_string()
}

/// The JSON documents of a stream, in either framing, and whether `[DONE]` ended it.
fn documents(text: &str) -> (Vec<Value>, bool) {
    let data = |line: &str| line.strip_prefix("data: ").unwrap_or(line).to_owned();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("event:")).map(data);
    let (ends, documents): (Vec<_>, Vec<_>) = lines.partition(|line| line == "[DONE]");
    let documents = documents.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    (documents, !ends.is_empty())
}

/// A node that is the only one, and therefore asked whatever it does.
fn alone() -> (Node, Router) {
    let node =
        Node::start("one", &["--slots", "2", "--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=6"]);
    let router = Router::start(&[node.spec(2)], &[]).knows("m:1b");
    (node, router)
}

#[test]
fn a_stream_that_is_cut_ends_in_the_error_frame_of_its_dialect() {
    let (one, router) = alone();
    for (path, error) in STREAMS {
        let body = streaming(path);
        let whole = post(router.address, path, &body);
        assert_eq!(whole.status, 200, "{path}: {}", whole.text());
        for (verb, code) in [
            (r#"{"rst":{"after":3}}"#, "broke in the middle"),
            (r#"{"fin":{"after":3,"cut":true}}"#, "broke in the middle"),
            (r#"{"fin":{"after":3}}"#, "before it was complete"),
            (r#"{"badjson":{"after":3}}"#, "no answer"),
        ] {
            one.script(&format!("[{verb}]"));
            let reply = post(router.address, path, &body);
            assert_eq!((reply.status, reply.header("x-herdwick-node")), (200, "one"), "{path} {verb}");
            let (documents, done) = documents(&reply.text());
            let last = documents.last().expect("a last frame");
            let told = last
                .pointer(error)
                .and_then(Value::as_str)
                .unwrap_or_else(|| panic!("{path} {verb}: {last}"));
            assert!(told.contains(code) && told.contains("one"), "{path} {verb}: {told}");
            assert!(!done, "{path} {verb}: a cut answer must not look whole");
            let tokens = documents.iter().filter(|document| is_token(document)).count();
            assert_eq!(tokens, 3, "{path} {verb}: {}", reply.text());
        }
    }
}

/// Whether an event carries text of the answer.
fn is_token(document: &Value) -> bool {
    let texts = [
        "/message/content",
        "/response",
        "/choices/0/delta/content",
        "/choices/0/text",
        "/delta",
        "/delta/text",
    ];
    texts
        .iter()
        .any(|text| document.pointer(text).and_then(Value::as_str).is_some_and(|text| !text.is_empty()))
}

#[test]
fn what_a_node_says_of_its_own_failure_is_passed_on_as_it_is() {
    let (one, router) = alone();
    one.script(r#"[{"errline":{"after":3,"msg":"the runner died"}}]"#);
    let reply = post(router.address, "/api/chat", ASK);
    let (documents, _) = documents(&reply.text());
    assert_eq!(documents.len(), 4, "three tokens and its error, and no second one: {}", reply.text());
    assert_eq!(documents[3]["error"], "the runner died");
    // On /v1 Ollama swallows it, and only the missing end tells.
    one.script(r#"[{"errline":{"after":3}}]"#);
    let reply = post(router.address, "/v1/chat/completions", &streaming("/v1/chat/completions"));
    assert!(
        reply.text().contains("stream_truncated") && !reply.text().contains("[DONE]"),
        "{}",
        reply.text()
    );
}

#[test]
fn however_a_stream_is_cut_into_packets_it_arrives_whole_and_in_whole_frames() {
    let fleet = Fleet::start();
    for (path, _) in STREAMS {
        fleet.one.script(r#"[{"trickle":{"bps":1000000}},{"trickle":{"bps":900}}]"#);
        let fast = fleet.ask(path, &streaming(path));
        let mut client = Client::connect(fleet.router.address);
        client.send("POST", path, &[], streaming(path).replace("50", "2").as_bytes());
        let mut answer = client.begin();
        assert_eq!((fast.status, answer.head.status), (200, 200), "{path}");
        let mut frames = 0;
        while let Some(piece) = answer.piece() {
            let piece = piece.expect("it does not break off");
            assert!(piece.ends_with(b"\n"), "{path}: {}", String::from_utf8_lossy(&piece));
            frames += 1;
        }
        assert!(frames >= 2, "{path}: the slow one came in its {frames} frames");
    }
}

#[test]
fn a_line_without_end_is_given_up_and_had_from_another_node() {
    let fleet = Fleet::start();
    fleet.one.script(r#"[{"hugeline":{"mib":16}}]"#);
    let reply = fleet.ask("/api/chat", ASK);
    // Nothing of it reached the client yet, so that another node may still answer.
    assert_eq!((reply.status, reply.header("x-herdwick-node")), (200, "two"));
}

#[test]
fn bytes_behind_an_answer_reach_nobody() {
    let fleet = Fleet::start();
    fleet.one.script(r#"[{"extra":{"bytes":300}}]"#);
    let first = fleet.ask("/api/chat", WHOLE);
    assert_eq!(first.status, 200);
    for _ in 0..4 {
        let next = fleet.ask("/api/chat", WHOLE);
        assert_eq!((next.status, next.json()["done"].clone()), (200, true.into()), "{}", next.text());
    }
}

#[test]
fn odd_answers_that_are_whole_are_answers() {
    let fleet = Fleet::start();
    let not_done =
        r#"{\"model\":\"m:1b\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}"#;
    let length = not_done.replace('\\', "").len();
    for (id, verb, warning) in [
        ("E17 informational", r#"{"info":{"n":20}}"#.to_owned(), ""),
        (
            "E22",
            format!(
                r#"{{"raw":{{"text":"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{not_done}"}}}}"#
            ),
            "incomplete",
        ),
    ] {
        fleet.one.script(&format!("[{verb}]"));
        let reply = fleet.ask("/api/chat", WHOLE);
        assert_eq!((reply.status, reply.header("x-herdwick-node")), (200, "one"), "{id}: {}", reply.text());
        assert_eq!(reply.header("x-herdwick-warning"), warning, "{id}");
    }
}

#[test]
fn a_node_that_does_not_say_what_is_in_its_memory_is_asked_all_the_same() {
    let fleet = Fleet::start();
    // E27: the hint is half a minute late, everything else works.
    fleet.one.script(r#"[{"ps":{"delay_ms":30000}}]"#);
    let before = polls(&fleet.one);
    until("it was polled three times more", || (polls(&fleet.one) >= before + 3).then_some(()));
    let reply = fleet.ask("/api/chat", ASK);
    assert_eq!((reply.status, reply.header("x-herdwick-node")), (200, "one"), "{}", reply.text());
}

/// How often a node was asked for its version, which it is when it does not answer what comes first.
fn polls(node: &Node) -> usize {
    let log = node.log();
    log.as_array().expect("a list").iter().filter(|entry| entry["path"] == "/api/version").count()
}

#[test]
fn a_node_that_closes_every_connection_is_passed_by() {
    let fleet = Fleet::start();
    // E6: it accepts and hangs up, also over the connections that are open.
    fleet.one.script(r#"[{"rst":{"after":0}},{"acceptclose":{"n":50}}]"#);
    let reply = fleet.ask("/api/chat", ASK);
    assert_eq!((reply.status, reply.header("x-herdwick-node")), (200, "two"), "{}", reply.text());
}

#[test]
fn an_answer_framed_in_two_ways_is_one_answer_and_its_connection_is_not_used_again() {
    let fleet = Fleet::start();
    // E17: of a length and chunks the chunks count (RFC 9112 §6.3), and nobody trusts what follows.
    fleet.one.script(r#"[{"cl_te":{}}]"#);
    let first = fleet.ask("/api/chat", WHOLE);
    assert_eq!(first.status, 200, "{}", first.text());
    for _ in 0..3 {
        assert_eq!(fleet.ask("/api/chat", WHOLE).json()["done"], true);
    }
}

#[test]
fn a_node_that_fails_fast_costs_nobody_an_answer() {
    let fleet = Fleet::start();
    // E9: whoever fails in a millisecond must not look like whoever is free.
    fleet.one.script(&format!("[{}]", [r#"{"status":{"code":500,"body":"broken"}}"#; 5].join(",")));
    for _ in 0..5 {
        assert_eq!(fleet.ask("/api/chat", ASK).status, 200, "the other one answers");
    }
}
