//! Every route that Ollama serves to clients: answered by a node, from all nodes, by us, or refused, each as Ollama's
//! own clients expect it.

use serde_json::{Value, json};

use crate::support::{Client, Node, Reply, Router, get, nobody, post, until};

const MODELS: &[&str] = &[
    "--slots",
    "2",
    "--model",
    "m:1b,resident,first_token=1ms,token=1ms,tokens=3",
    "--model",
    "hf.co/a/b:Q4,first_token=1ms,token=1ms,tokens=3",
    "--model",
    "e:1b,resident,capabilities=embedding",
    "--model",
    "w:1b,resident,capabilities=completion+audio",
];

fn fleet(options: &[&str]) -> (Node, Router) {
    let node = Node::start("studio", MODELS);
    let router = Router::start(&[node.spec(2)], options).knows("m:1b");
    (node, router)
}

/// Without what differs from answer to answer.
fn same(mut answer: Value) -> Value {
    for key in
        ["created_at", "total_duration", "load_duration", "prompt_eval_duration", "eval_duration", "id"]
    {
        if let Some(fields) = answer.as_object_mut() {
            fields.remove(key);
        }
    }
    answer
}

#[test]
fn what_one_node_answers_is_what_that_node_would_have_said() {
    let (node, router) = fleet(&[]);
    let chat = json!([{ "role": "user", "content": "hi" }]);
    for (path, body) in [
        ("/api/chat", json!({ "model": "m:1b", "messages": chat, "stream": false })),
        ("/api/generate", json!({ "model": "m:1b", "prompt": "hi", "stream": false })),
        ("/api/generate", json!({ "model": "m:1b" })),
        ("/api/embed", json!({ "model": "e:1b", "input": ["a", "b"] })),
        ("/api/embeddings", json!({ "model": "e:1b", "prompt": "a" })),
        ("/api/show", json!({ "model": "m:1b" })),
        ("/api/show", json!({ "name": "m:1b" })),
        ("/v1/chat/completions", json!({ "model": "m:1b", "messages": chat })),
        ("/v1/completions", json!({ "model": "m:1b", "prompt": "hi" })),
        ("/v1/embeddings", json!({ "model": "e:1b", "input": "a" })),
        ("/v1/responses", json!({ "model": "m:1b", "input": "hi" })),
        ("/v1/messages", json!({ "model": "m:1b", "messages": chat, "max_tokens": 9 })),
    ] {
        let body = body.to_string();
        let (ours, theirs) = (post(router.address, path, &body), post(node.address, path, &body));
        assert_eq!((ours.status, theirs.status), (200, 200), "{path}: {} {}", ours.text(), theirs.text());
        assert_eq!(ours.header("x-herdwick-node"), "studio", "{path}");
        assert_eq!(ours.header("content-type"), theirs.header("content-type"), "{path}");
        match path {
            // Ids, times and items of an answer are new each time.
            "/v1/chat/completions" | "/v1/completions" | "/v1/responses" => {
                assert_eq!(ours.json()["object"], theirs.json()["object"], "{path}");
            }
            _ => assert_eq!(same(ours.json()), same(theirs.json()), "{path}"),
        }
    }
}

#[test]
fn a_recording_is_passed_on_as_the_form_it_is() {
    let (node, router) = fleet(&[]);
    let part = |name: &str, content: &str| {
        format!("--XY\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    };
    let file = "--XY\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\0\0\r\n";
    let body = format!("{file}{}--XY--\r\n", part("model", "w:1b"));
    let ask = |body: &str| {
        let mut client = Client::connect(router.address);
        let kind = [("content-type", "multipart/form-data; boundary=XY")];
        client.send("POST", "/v1/audio/transcriptions", &kind, body.as_bytes());
        client.reply()
    };
    let reply = ask(&body);
    assert_eq!((reply.status, reply.header("x-herdwick-node")), (200, "studio"), "{}", reply.text());
    assert!(reply.json()["text"].is_string(), "{}", reply.text());
    let asked = node.asked();
    for (body, status, code) in [
        (format!("{file}--XY--\r\n"), 400, "missing_model"),
        (body.replace("--XY--", "--XZ--"), 400, "invalid_form"),
        (format!("{}{}--XY--\r\n", part("model", "w:1b"), part("model", "other")), 400, "invalid_form"),
        (format!("{}--XY--\r\n", part("model", "other")), 404, "model_not_found"),
    ] {
        let reply = ask(&body);
        assert_eq!((reply.status, reply.header("x-herdwick-error")), (status, code), "{}", reply.text());
        assert!(reply.json()["error"]["message"].is_string(), "in OpenAI's shape: {}", reply.text());
    }
    assert_eq!(node.asked(), asked, "none of them reached the node");
}

#[test]
fn lists_are_those_of_all_nodes() {
    let one = Node::start("one", &["--model", "a:1b,resident", "--model", "b:1b"]);
    let two = Node::start("two", &["--model", "b:1b,resident", "--model", "hf.co/a/b:Q4"]);
    let router = Router::start(&[one.spec(1), two.spec(1)], &[]).knows("a:1b").knows("hf.co/a/b:Q4");
    let names = |reply: &Reply, list: &str, key: &str| -> Vec<String> {
        let list = reply.json()[list].as_array().expect("a list").clone();
        list.iter().map(|entry| entry[key].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names(&get(router.address, "/api/tags"), "models", "name"), ["a:1b", "b:1b", "hf.co/a/b:Q4"]);
    assert_eq!(names(&get(router.address, "/v1/models"), "data", "id"), ["a:1b", "b:1b", "hf.co/a/b:Q4"]);
    let ps = until("both are seen in memory", || {
        let ps = get(router.address, "/api/ps");
        (ps.json()["models"].as_array().map(Vec::len) == Some(2)).then_some(ps)
    });
    let [first, second] = [&ps.json()["models"][0], &ps.json()["models"][1]];
    assert_eq!((&first["name"], &first["herdwick_node"]), (&json!("a:1b"), &json!("one")));
    assert_eq!((&second["name"], &second["herdwick_node"]), (&json!("b:1b"), &json!("two")));
    let theirs = &get(one.address, "/api/ps").json()["models"][0];
    for key in ["model", "size", "digest", "details", "size_vram", "context_length"] {
        assert_eq!(first[key], theirs[key], "{key}");
    }
    assert!(first["expires_at"].as_str().is_some_and(|time| time.len() > 18), "{first}");
    let openai = get(one.address, "/v1/models").json()["data"][0].clone();
    assert_eq!(get(router.address, "/v1/models/a:1b").json(), openai);
    for written in ["hf.co/a/b:Q4", "hf.co%2Fa%2Fb:Q4", "HF.co/a/b:q4"] {
        let reply = get(router.address, &format!("/v1/models/{written}"));
        assert_eq!((reply.status, reply.json()["id"].clone()), (200, json!("hf.co/a/b:Q4")), "{written}");
    }
    two.kill();
    let partial = until("the dead node is missed", || {
        let tags = get(router.address, "/api/tags");
        (tags.header("x-herdwick-partial") == "two").then_some(tags)
    });
    assert_eq!(names(&partial, "models", "name"), ["a:1b", "b:1b"]);
}

#[test]
fn an_unknown_model_is_told_in_every_dialect_with_the_nearest_name() {
    let (_node, router) = fleet(&[]);
    let body = r#"{"model":"m:2b","messages":[{"role":"user","content":"hi"}],"max_tokens":1}"#;
    for (path, text, kind) in [
        ("/api/chat", "/error", None),
        ("/v1/chat/completions", "/error/message", Some("not_found_error")),
        ("/v1/messages", "/error/message", Some("not_found_error")),
    ] {
        let reply = post(router.address, path, body);
        assert_eq!((reply.status, reply.header("x-herdwick-error")), (404, "model_not_found"), "{path}");
        assert_eq!(reply.header("x-should-retry"), "false");
        let told =
            reply.json().pointer(text).and_then(|text| text.as_str().map(str::to_owned)).expect("a text");
        assert!(
            told.starts_with("model 'm:2b' not found") && told.contains("did you mean 'm:1b'?"),
            "{told}"
        );
        assert_eq!(reply.json()["error"]["type"].as_str(), kind, "{path}");
    }
    let reply = get(router.address, "/v1/models/m:2b");
    assert_eq!((reply.status, reply.json()["error"]["type"].clone()), (404, json!("not_found_error")));
}

#[test]
fn what_changes_a_machine_or_leaves_the_house_reaches_no_node() {
    let (node, router) = fleet(&[]);
    let before = node.log().as_array().map(|log| log.iter().filter(|entry| entry["method"] != "GET").count());
    for (method, path, body, status, code) in [
        ("DELETE", "/api/delete", r#"{"model":"m:1b"}"#, 403, "route_refused"),
        ("POST", "/api/create", "{}", 403, "route_refused"),
        ("POST", "/api/copy", "{}", 403, "route_refused"),
        ("POST", "/api/pull", "{}", 403, "route_refused"),
        ("POST", "/api/push", "{}", 403, "route_refused"),
        ("POST", "/api/blobs/sha256:00", "", 403, "route_refused"),
        ("POST", "/api/me", "", 403, "route_refused"),
        ("POST", "/api/signout", "", 403, "route_refused"),
        ("DELETE", "/api/user/keys/x", "", 403, "route_refused"),
        ("POST", "/api/experimental/web_fetch", "{}", 403, "route_refused"),
        ("GET", "/debug/pprof", "", 404, "not_found"),
        ("POST", "/api/chat/", "{}", 404, "not_found"),
        ("POST", "//api/chat", "{}", 404, "not_found"),
        ("POST", "/api/%2e%2e/chat", "{}", 404, "not_found"),
        ("POST", "/api/chat;a=b", "{}", 404, "not_found"),
        ("PUT", "/api/chat", "{}", 405, "method_not_allowed"),
        ("FOO", "/api/tags", "", 405, "method_not_allowed"),
        ("POST", "/api/chat", r#"{"model":"gpt-oss:120b-cloud"}"#, 403, "cloud_refused"),
        ("POST", "/v1/chat/completions", r#"{"model":"X:CLOUD"}"#, 403, "cloud_refused"),
        ("POST", "/v1/messages", r#"{"model":" y:cloud "}"#, 403, "cloud_refused"),
    ] {
        let mut client = Client::connect(router.address);
        client.send(method, path, &[], body.as_bytes());
        let reply = client.reply();
        assert_eq!((reply.status, reply.header("x-herdwick-error")), (status, code), "{method} {path}");
    }
    let after = node.log().as_array().map(|log| log.iter().filter(|entry| entry["method"] != "GET").count());
    assert_eq!(after, before);
}

#[test]
fn another_name_for_a_model_works_everywhere_and_says_what_it_means() {
    let home = format!("{}/aliases", env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&home).expect("a folder");
    let file = format!("{home}/herdwick.toml");
    std::fs::write(&file, "[models]\naliases = { \"gpt-4o\" = \"m:1b\", \"gone\" = \"nobody-has-it\" }\n")
        .expect("a file");
    let (node, router) = fleet(&["--config", &file]);
    let body = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}"#;
    let reply = post(router.address, "/v1/chat/completions", body);
    assert_eq!((reply.status, reply.header("x-herdwick-model")), (200, "m:1b"), "{}", reply.text());
    let log = node.log();
    let last = log.as_array().and_then(|log| log.iter().rfind(|entry| entry["inference"] == true)).cloned();
    assert_eq!(last.expect("it was asked")["model"], "m:1b", "Ollama is told the name that it knows");
    let listed = get(router.address, "/api/tags").text();
    assert!(listed.contains("\"gpt-4o\"") && !listed.contains("gone"), "{listed}");
    assert_eq!(get(router.address, "/v1/models/gpt-4o").json()["id"], "gpt-4o");
    assert_eq!(post(router.address, "/api/show", r#"{"model":"gpt-4o"}"#).status, 200);
    let gone = post(router.address, "/api/chat", r#"{"model":"gone","messages":[]}"#);
    assert_eq!(gone.status, 404, "{}", gone.text());
}

#[test]
fn a_model_that_only_a_silent_node_has_is_no_404() {
    let node = Node::start("studio", MODELS);
    let router = Router::start(&[node.spec(2), format!("attic=http://{}", nobody())], &[]).knows("m:1b");
    let reply = post(router.address, "/api/chat", r#"{"model":"elsewhere","messages":[]}"#);
    assert_eq!((reply.status, reply.header("x-herdwick-error")), (503, "no_node"), "{}", reply.text());
    assert!(reply.error().contains("attic"), "{}", reply.error());
}

#[test]
fn a_packed_body_is_unpacked_where_ollama_takes_it_and_refused_elsewhere() {
    let (node, router) = fleet(&[]);
    let body = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;
    // One raw block in a frame of one segment (RFC 8878 §3.1.1): magic, descriptor, size, block head, content.
    let length = u8::try_from(body.len()).expect("a short body");
    let block = (u32::from(length) << 3) | 1;
    let mut packed = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, length];
    packed.extend_from_slice(&block.to_le_bytes()[..3]);
    packed.extend_from_slice(body.as_bytes());
    let ask = |path: &str, encoding: &str, body: &[u8]| {
        let mut client = Client::connect(router.address);
        client.send("POST", path, &[("content-encoding", encoding)], body);
        client.reply()
    };
    assert_eq!(ask("/v1/chat/completions", "zstd", &packed).status, 200);
    let log = node.log();
    let last =
        log.as_array().and_then(|log| log.iter().rfind(|entry| entry["inference"] == true)).expect("asked");
    assert_eq!(last["body_length"], body.len(), "the node gets it plain");
    assert!(!last["head"].as_str().expect("a head").to_ascii_lowercase().contains("content-encoding"));
    for (path, encoding, body, status, code) in [
        ("/v1/chat/completions", "zstd", body.as_bytes(), 400, "invalid_encoding"),
        ("/api/chat", "zstd", &packed, 415, "unsupported_encoding"),
        ("/v1/chat/completions", "gzip", body.as_bytes(), 415, "unsupported_encoding"),
        ("/v1/chat/completions", "br, zstd", &packed, 415, "unsupported_encoding"),
    ] {
        let reply = ask(path, encoding, body);
        assert_eq!((reply.status, reply.header("x-herdwick-error")), (status, code), "{path} {encoding}");
    }
    assert_eq!(node.asked(), 1);
}
