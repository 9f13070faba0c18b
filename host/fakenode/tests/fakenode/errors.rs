//! Ollama's error table, as far as a node without weights can have it.

use fakenode::{ModelSpec, NodeSpec};
use serde_json::Value;

use crate::client::{Client, get, node, quick};

#[test]
fn the_errors_are_ollamas() {
    let embedder = ModelSpec { name: "embedder".to_owned(), ..quick() }.capabilities(["embedding"]);
    let node = node(NodeSpec::new("test").model(quick()).model(embedder));
    let check = |path: &str, body: &str, status: u16, text: &str| {
        let mut client = Client::connect(&node);
        client.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let reply = client.reply();
        assert_eq!(reply.status, status, "{path} {body}: {}", reply.body);
        let json = reply.json();
        let message = match &json["error"] {
            Value::String(message) => message,
            nested => nested["message"].as_str().expect("a message"),
        };
        assert!(message.contains(text), "{path} {body}: {message}");
    };
    let chat = "/api/chat";
    check(chat, "", 400, "missing request body");
    check(chat, "{", 400, "EOF");
    check(chat, r#"{"model":1}"#, 400, "cannot unmarshal number into Go struct field .model of type string");
    check(chat, r#"{"model":"m","stream":"true"}"#, 400, "cannot unmarshal string");
    check(chat, r#"{"messages":[]}"#, 400, "model is required");
    check(chat, r#"{"model":"a b"}"#, 400, "invalid model name");
    check(chat, r#"{"model":"x","messages":[]}"#, 404, "model 'x' not found");
    check(chat, r#"{"model":"m","keep_alive":"300"}"#, 400, "missing unit in duration");
    check(
        chat,
        r#"{"model":"m","think":true,"messages":[{"content":"x"}]}"#,
        400,
        "\"m\" does not support thinking",
    );
    check(
        chat,
        r#"{"model":"embedder","messages":[{"content":"x"}]}"#,
        400,
        "\"embedder\" does not support chat",
    );
    check("/api/generate", r#"{"prompt":"x"}"#, 404, "model '' not found");
    check("/api/generate", r#"{"model":"embedder","prompt":"x"}"#, 400, "does not support generate");
    check(
        "/api/generate",
        r#"{"model":"m","prompt":"x","suffix":"y"}"#,
        400,
        "library/m:latest does not support insert",
    );
    check("/api/generate", r#"{"model":"m","raw":true,"system":"x"}"#, 400, "raw mode does not support");
    check("/api/show", "", 400, "missing request body");
    check("/api/show", r#"{"model":"x"}"#, 404, "model 'x' not found");
    check("/api/embed", r#"{"model":"x","input":"y"}"#, 404, "model \"x\" not found, try pulling it first");
    check("/api/embed", r#"{"input":"y"}"#, 404, "model '' not found");
    check("/api/embeddings", r#"{"prompt":"y"}"#, 400, "model is required");
    check("/v1/chat/completions", "", 400, "EOF");
    check("/v1/chat/completions", r#"{"model":"m"}"#, 400, "[] is too short - 'messages'");
    check(
        "/v1/chat/completions",
        r#"{"model":"x","messages":[{"content":"x"}]}"#,
        404,
        "model 'x' not found",
    );
    check("/v1/chat/completions", r#"{"messages":[{"content":"x"}]}"#, 400, "model is required");
    check("/v1/completions", r#"{"prompt":"x"}"#, 404, "model '' not found");
    check("/v1/responses", r#"{"input":"x"}"#, 400, "model is required");
    check("/v1/responses", r#"{"model":"m","input":1}"#, 400, "input must be a string or array");
    check("/v1/responses", r#"{"model":"m","input":[{}]}"#, 400, "input item missing required 'type' field");
    check("/v1/responses", r#"{"model":"m","input":[{"type":"x"}]}"#, 400, "unknown input item type: \"x\"");
    check("/v1/responses", r#"{"model":"embedder","input":"x"}"#, 400, "\"embedder\" does not support chat");
    check("/v1/messages", r#"{"max_tokens":1}"#, 400, "model is required");
    check("/v1/messages", r#"{"model":"m"}"#, 400, "max_tokens is required and must be positive");
    check("/v1/messages", r#"{"model":"m","max_tokens":1}"#, 400, "messages is required");
}

#[test]
fn unknown_paths_methods_slashes_and_foreign_hosts() {
    let node = node(NodeSpec::new("test").model(quick()));
    let missing = get(&node, "GET", "/metrics");
    assert_eq!((missing.status, missing.body.as_str()), (404, "404 page not found"));
    let method = get(&node, "GET", "/api/chat");
    assert_eq!((method.status, method.body.as_str()), (405, "405 method not allowed"));
    assert!(method.head.contains("Allow: POST\r\n"), "{}", method.head);
    assert_eq!(get(&node, "GET", "/api/tags/").status, 301);
    assert_eq!(get(&node, "POST", "/api/chat/").status, 307);
    let head = |fields: &str| {
        let mut client = Client::connect(&node);
        client.send(&format!("GET /api/tags HTTP/1.1\r\n{fields}\r\n"));
        client.reply()
    };
    for fields in ["Host: evil.example\r\n", "Host: 127.0.0.1\r\nOrigin: https://evil.example\r\n"] {
        let refused = head(fields);
        assert_eq!((refused.status, refused.body.as_str()), (403, ""), "{fields}");
    }
    assert_eq!(head("Host: 127.0.0.1\r\nOrigin: http://localhost:3000\r\n").status, 200);
}
