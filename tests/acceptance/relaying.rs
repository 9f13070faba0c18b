//! What a client gets is what the node said: every byte, as soon as it is said.

use crate::support::{Client, Node, Router, get, post};

const MODEL: &[&str] = &["--slots", "2", "--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=20"];
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;

fn fleet() -> (Node, Router) {
    let node = Node::start("studio", MODEL);
    let router = Router::start(&[node.spec(2)], &[]).knows("m:1b");
    (node, router)
}

#[test]
fn a_stream_arrives_token_by_token_while_it_is_made() {
    let (node, router) = fleet();
    let mut client = Client::connect(router.address);
    // A pause in the middle: the node makes its next token only after a second.
    node.script(r#"[{"ok":{"n":3,"itl_ms":400}}]"#);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    let mut answer = client.begin();
    assert_eq!(answer.head.header("content-type"), "application/x-ndjson");
    let first = answer.piece().expect("a first token").expect("whole");
    assert!(first.ends_with(b"\n") && first.starts_with(b"{\"model\":\"m:1b\""));
    // The node is still at work: what we hold was not held back.
    node.wait("running=1");
    let rest = answer.finish().expect("a whole answer").text();
    let last = rest.trim_end().lines().last().unwrap_or_default();
    assert!(last.contains("\"done\":true") && last.contains("\"eval_count\":3"), "{last}");
}

#[test]
fn bytes_pass_unchanged_in_both_directions() {
    let (node, router) = fleet();
    // A client that says for how long and with which context leaves nothing for the router to say. Odd spacing, escapes, an unknown key, letters beyond ASCII: nothing may be parsed and written anew.
    let ask = "{ \"messages\" :[{\"role\":\"user\",\"content\":\"caf\\u00e9 \u{1f411}\"}],\n\t\"zzz\": 1.0, \"model\":\"m:1b\" , \"keep_alive\" : \"5m\" , \"options\":{ \"num_ctx\" : 4096} }";
    let said = "{\"odd\" :  1.00}\n\n\u{1f411}{\"done\":true}\r\n";
    let raw = format!("HTTP/1.1 200 OK\r\ncontent-type: x/y\r\ncontent-length: {}\r\n\r\n{said}", said.len());
    node.script(&format!("[{{\"raw\":{{\"text\":{}}}}}]", serde_json::Value::from(raw)));
    let reply = post(router.address, "/api/chat", ask);
    assert_eq!((reply.text().as_str(), reply.header("content-type")), (said, "x/y"));

    let log = node.log();
    let entries = log.as_array().expect("a list");
    let direct = post(node.address, "/api/chat", ask);
    assert_eq!(direct.status, 200);
    let log_after = node.log();
    let digest = |log: &serde_json::Value| {
        let last = log.as_array().and_then(|all| all.iter().rfind(|entry| entry["path"] == "/api/chat"));
        last.map(|entry| entry["body_sha256"].clone())
    };
    assert!(!entries.is_empty() && digest(&log).is_some());
    assert_eq!(digest(&log), digest(&log_after), "the node got the very bytes that the client sent");
}

#[test]
fn an_answer_without_stream_has_its_length_and_leaves_the_connection_open() {
    let (_node, router) = fleet();
    let mut client = Client::connect(router.address);
    for _ in 0..3 {
        let ask = br#"{"model":"m:1b","prompt":"hi","stream":false}"#;
        client.send("POST", "/api/generate", &[], ask);
        let reply = client.reply();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-length"), reply.body.len().to_string());
        let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("one JSON object");
        assert_eq!((&body["done"], &body["eval_count"]), (&true.into(), &20.into()));
    }
}

#[test]
fn connections_to_a_node_are_used_again() {
    let (node, router) = fleet();
    for _ in 0..5 {
        assert_eq!(post(router.address, "/api/chat", ASK).status, 200);
    }
    let log = node.log();
    let chats = log.as_array().expect("a list").iter().filter(|entry| entry["path"] == "/api/chat");
    let connections: std::collections::BTreeSet<_> =
        chats.map(|entry| entry["connection"].to_string()).collect();
    assert_eq!(connections.len(), 1, "{connections:?}");
}

#[test]
fn a_node_sees_our_request_and_nothing_of_the_clients_credentials() {
    let (node, router) = fleet();
    let mut client = Client::connect(router.address);
    let headers = [("authorization", "Bearer secret"), ("cookie", "secret"), ("x-forwarded-for", "10.9.8.7")];
    client.send("POST", "/api/chat", &headers, ASK.as_bytes());
    let reply = client.reply();
    let log = node.log();
    let entry = log.as_array().and_then(|all| all.iter().rfind(|entry| entry["path"] == "/api/chat"));
    let head =
        entry.and_then(|entry| entry["head"].as_str()).expect("its head was kept").to_ascii_lowercase();
    assert!(!head.contains("secret") && !head.contains("10.9.8.7"), "{head}");
    assert!(head.contains(&format!("host: {}", node.address)), "{head}");
    assert!(head.contains(&format!("x-request-id: {}", reply.header("x-request-id"))), "{head}");
}

#[test]
fn tags_version_and_root_look_like_ollamas() {
    let (node, router) = fleet();
    for path in ["/api/tags", "/api/version", "/"] {
        let (ours, theirs) = (get(router.address, path), get(node.address, path));
        assert_eq!(ours.status, theirs.status, "{path}");
        match path {
            "/" => assert_eq!(ours.text(), theirs.text()),
            // The order of keys means nothing.
            _ => assert_eq!(ours.json(), theirs.json(), "{path}"),
        }
        let kind = |reply: &crate::support::Reply| reply.header("content-type").to_owned();
        assert_eq!(kind(&ours), kind(&theirs), "{path}");
    }
}

#[test]
fn a_stream_that_breaks_off_never_looks_whole() {
    let (node, router) = fleet();
    for verb in [r#"{"rst":{"after":3}}"#, r#"{"fin":{"after":3,"cut":true}}"#] {
        node.script(&format!("[{verb}]"));
        let mut client = Client::connect(router.address);
        client.send("POST", "/api/chat", &[], ASK.as_bytes());
        let reply = client.reply();
        assert_eq!(reply.status, 200);
        let (text, last) = (reply.text(), reply.text().lines().last().map(str::to_owned));
        let last: serde_json::Value = serde_json::from_str(&last.expect("a line")).expect("JSON");
        assert_eq!(text.lines().count(), 4, "three tokens and the error: {text}");
        assert_eq!(last["code"], "node_lost", "{verb}: {last}");
        assert!(last["error"].as_str().is_some_and(|text| text.contains("studio")), "{last}");
        assert_eq!(post(router.address, "/api/chat", ASK).status, 200, "the router goes on");
    }
}
