//! Bad input and broken nodes: a clear error with cause and next step, nothing hangs, the router goes on.

use crate::support::{Client, Node, Router, get, nobody, post};

const MODEL: &[&str] = &["--slots", "2", "--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"];
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;

#[test]
fn bad_requests_are_told_what_is_wrong_and_what_to_do() {
    let node = Node::start("studio", MODEL);
    let router = Router::start(&[node.spec(2)], &["--body-limit", "1"]).knows("m:1b");
    let large = format!(r#"{{"model":"m:1b","prompt":"{}"}}"#, "x".repeat(2 << 20));
    for (method, path, body, status, code, told) in [
        ("POST", "/api/chat", "", 400, "invalid_json", "missing request body"),
        ("POST", "/api/chat", "hello", 400, "invalid_json", "mend it and send it again"),
        ("POST", "/api/chat", "[1]", 400, "invalid_json", "an object like {\"model\""),
        ("POST", "/api/generate", r#"{"prompt":"hi"}"#, 400, "missing_model", "GET /api/tags lists"),
        ("POST", "/api/chat", r#"{"model":"a b"}"#, 400, "invalid_model_name", "' ' is not allowed"),
        ("POST", "/api/chat", r#"{"model":"m:1b","Model":"x"}"#, 400, "ambiguous_json", "keep one of them"),
        ("POST", "/api/chat", r#"{"model":"m:2b"}"#, 404, "model_not_found", "did you mean 'm:1b'?"),
        ("POST", "/api/chat", r#"{"model":"other"}"#, 404, "model_not_found", "ollama pull other"),
        ("POST", "/api/generate", &large, 413, "body_too_large", "larger than 1 MiB"),
        ("POST", "/api/cat", "{}", 404, "not_found", "did you mean /api/chat?"),
        ("GET", "/api/chat", "", 405, "method_not_allowed", "use POST"),
        ("POST", "/api/tags", "{}", 405, "method_not_allowed", "use GET, HEAD"),
    ] {
        let mut client = Client::connect(router.address);
        client.send(method, path, &[], if status == 413 { b"" } else { body.as_bytes() });
        let reply = if status == 413 { announce_only(&router, path, body) } else { client.reply() };
        assert_eq!(
            (reply.status, reply.header("x-herdwick-error")),
            (status, code),
            "{path} {}",
            reply.text()
        );
        assert!(reply.error().contains(told), "{path}: {}", reply.error());
        assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
        assert_eq!(reply.header("x-request-id").len(), 36);
    }
    assert_eq!(node.asked(), 0, "none of them reached the node");
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200);
}

/// Announces a body and sends only its beginning, as a client does that is stopped early.
fn announce_only(router: &Router, path: &str, body: &str) -> crate::support::Reply {
    let mut client = Client::connect(router.address);
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    client.raw(head.as_bytes());
    let reply = client.reply();
    assert_eq!(reply.header("connection"), "close");
    assert!(client.is_closed(), "what may follow cannot be trusted");
    reply
}

#[test]
fn a_body_of_unannounced_size_is_bounded_too() {
    let node = Node::start("studio", MODEL);
    let router = Router::start(&[node.spec(2)], &["--body-limit", "1"]).knows("m:1b");
    let mut client = Client::connect(router.address);
    client.raw(b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    // Seventeen times 64 KiB is just over the limit of 1 MiB.
    for _ in 0..17 {
        client.raw(chunk.as_bytes());
    }
    let reply = client.reply();
    assert_eq!((reply.status, reply.header("x-herdwick-error")), (413, "body_too_large"));
}

#[test]
fn a_compressed_body_is_refused_by_name() {
    let node = Node::start("studio", MODEL);
    let router = Router::start(&[node.spec(2)], &[]).knows("m:1b");
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[("content-encoding", "gzip")], b"\x1f\x8b");
    let reply = client.reply();
    assert_eq!(reply.status, 415);
    assert!(reply.error().contains("\"gzip\" is not supported"), "{}", reply.error());
}

#[test]
fn with_no_node_at_all_the_error_says_which_one_is_silent() {
    let silent = nobody();
    let router = Router::start(&[format!("studio=http://{silent}")], &[]);
    for reply in [post(router.address, "/api/chat", ASK), get(router.address, "/api/version")] {
        assert_eq!((reply.status, reply.header("x-herdwick-error")), (503, "no_node"));
        assert!(reply.error().contains(&format!("studio (http://{silent})")), "{}", reply.error());
        assert_eq!(reply.header("retry-after"), "5");
    }
    let tags = get(router.address, "/api/tags");
    assert_eq!((tags.status, tags.text().as_str()), (200, r#"{"models":[]}"#));
}

#[test]
fn a_node_that_dies_is_left_out_and_the_next_one_answers() {
    let (one, two) = (Node::start("one", MODEL), Node::start("two", MODEL));
    let router = Router::start(&[one.spec(2), two.spec(2)], &[]).knows("m:1b");
    one.kill();
    let mut attempts = Vec::new();
    // The router may not have noticed yet; whoever runs into the dead node is sent on.
    for _ in 0..8 {
        let reply = post(router.address, "/api/chat", ASK);
        assert_eq!((reply.status, reply.header("x-herdwick-node")), (200, "two"), "{}", reply.text());
        attempts.push(reply.header("x-herdwick-attempts").to_owned());
    }
    let second_tries = attempts.iter().filter(|attempts| *attempts == "2").count();
    assert!(second_tries <= 1, "at most one request runs into it: {attempts:?}");
}

#[test]
fn when_the_only_node_dies_the_error_names_it_and_its_cause() {
    let node = Node::start("studio", MODEL);
    let router = Router::start(&[node.spec(2)], &[]).knows("m:1b");
    node.kill();
    let reply = post(router.address, "/api/chat", ASK);
    let code = reply.header("x-herdwick-error");
    assert!(matches!((reply.status, code), (502, "node_failed") | (503, "no_node")), "{}", reply.text());
    assert!(reply.error().contains("studio"), "{}", reply.error());
}

#[test]
fn a_node_that_cuts_the_connection_before_its_answer_is_not_the_end() {
    let (one, two) = (Node::start("one", MODEL), Node::start("two", MODEL));
    let router = Router::start(&[one.spec(2), two.spec(2)], &[]).knows("m:1b");
    for node in [&one, &two] {
        node.script(r#"[{"rst":{"after":0}}]"#);
    }
    // Each node breaks once: wherever the request goes first, and where it goes next.
    let reply = post(router.address, "/api/chat", ASK);
    assert_eq!((reply.status, reply.header("x-herdwick-error")), (502, "node_failed"), "{}", reply.text());
    assert!(reply.error().contains("one: ") && reply.error().contains("two: "), "{}", reply.error());
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200, "both are asked again");
}

#[test]
fn a_nodes_own_error_reaches_the_client_as_it_is() {
    let node = Node::start("studio", MODEL);
    let router = Router::start(&[node.spec(2)], &[]).knows("m:1b");
    node.script(r#"[{"status":{"code":500,"body":"llama runner process has terminated"}}]"#);
    let reply = post(router.address, "/api/chat", ASK);
    assert_eq!((reply.status, reply.error().as_str()), (500, "llama runner process has terminated"));
    assert_eq!(reply.header("x-herdwick-node"), "studio");
}
