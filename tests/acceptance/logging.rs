//! One line of log per request: how it went and where, whatever became of it, and nothing of what was said.

use std::process::Command;

use crate::support::{Client, Log, Node, Router, nobody, post};

const MODEL: &[&str] = &["--slots", "1", "--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"];
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;

fn fleet(variables: &[(&str, &str)]) -> (Node, Router, Log) {
    let node = Node::start("studio", MODEL);
    let (router, log) = Router::start_logged(&[node.spec(1)], &[], variables);
    let router = router.knows("m:1b");
    (node, router, log)
}

/// The next line that is not about the tests' own looking.
fn next(log: &Log) -> serde_json::Value {
    loop {
        let line = log.request();
        if line["route"] != "/api/tags" {
            return line;
        }
    }
}

#[test]
fn an_answer_leaves_a_line_that_tells_where_it_ran_and_how_it_went() {
    let (_node, router, log) = fleet(&[]);
    let reply = post(router.address, "/api/chat", ASK);
    let line = next(&log);
    let fields: [(&str, serde_json::Value); 11] = [
        ("id", reply.header("x-request-id").into()),
        ("client", "127.0.0.1".into()),
        ("route", "/api/chat".into()),
        ("model", "m:1b".into()),
        ("node", "studio".into()),
        ("status", 200.into()),
        ("ending", "complete".into()),
        ("attempts", 1.into()),
        ("answer_tokens", 3.into()),
        ("bytes", reply.body.len().into()),
        ("why", reply.header("x-herdwick-why").into()),
    ];
    for (field, value) in fields {
        assert_eq!(line[field], value, "{field} in {line}");
    }
    let ms = |field: &str| line[field].as_f64().unwrap_or_else(|| panic!("{field} in {line}"));
    assert!(ms("queued_ms") <= ms("first_byte_ms") && ms("first_byte_ms") <= ms("total_ms"), "{line}");
}

#[test]
fn every_ending_has_its_word() {
    let (node, router, log) = fleet(&[]);
    let ended = |log: &Log| {
        let line = next(log);
        (line["ending"].as_str().expect("an ending").to_owned(), line["status"].clone())
    };
    // Our own errors, with and without a model.
    assert_eq!(post(router.address, "/api/chat", "{}").status, 400);
    assert_eq!(ended(&log), ("missing_model".to_owned(), 400.into()));
    assert_eq!(post(router.address, "/api/chat", r#"{"model":"other"}"#).status, 404);
    let line = next(&log);
    assert_eq!((&line["ending"], &line["model"]), (&"model_not_found".into(), &"other:latest".into()));
    // A node's own error is an answer like any other.
    node.script(r#"[{"status":{"code":500,"body":"broken"}}]"#);
    assert_eq!(post(router.address, "/api/chat", ASK).status, 500);
    assert_eq!(ended(&log), ("complete".to_owned(), 500.into()));
    // An answer that breaks off.
    node.script(r#"[{"rst":{"after":3}}]"#);
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    assert!(client.reply().text().contains("node_lost"));
    assert_eq!(ended(&log), ("cut".to_owned(), 200.into()));
    // A client that leaves before the answer, and one that leaves within it.
    node.script(r#"[{"silent":{}},{"ok":{"n":100000,"itl_ms":5}}]"#);
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    node.wait("running=1");
    drop(client);
    assert_eq!(ended(&log), ("client_gone".to_owned(), serde_json::Value::Null));
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    assert!(client.begin().piece().is_some_and(|piece| piece.is_ok()));
    drop(client);
    assert_eq!(ended(&log), ("client_gone".to_owned(), 200.into()));
    // A head alone is whole.
    let mut client = Client::connect(router.address);
    client.send("HEAD", "/", &[], b"");
    let line = next(&log);
    assert_eq!((&line["route"], &line["ending"]), (&"/".into(), &"complete".into()));
}

#[test]
fn only_failures_are_told_where_that_is_wanted() {
    let (_node, router, log) = fleet(&[("HERDWICK_TELEMETRY__LOG_REQUESTS", "failures")]);
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200);
    assert_eq!(post(router.address, "/api/chat", "{}").status, 400);
    assert_eq!(log.request()["ending"], "missing_model");
}

#[test]
fn waiting_and_further_tries_are_told() {
    let (node, router, log) = fleet(&[]);
    node.script(r#"[{"silent":{"ms":300}}]"#);
    let mut first = Client::connect(router.address);
    first.send("POST", "/api/chat", &[], ASK.as_bytes());
    node.wait("running=1");
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200);
    let waited: Vec<_> = [next(&log), next(&log)].iter().map(|line| line["queued_ms"].as_f64()).collect();
    assert!(waited[0].is_some_and(|ms| ms < 100.0) && waited[1].is_some_and(|ms| ms > 100.0), "{waited:?}");

    let dead = format!("dead=http://{}", nobody());
    let (router, log) = Router::start_logged(&[dead, node.spec(1)], &[], &[]);
    let router = router.knows("m:1b");
    node.script(r#"[{"rst":{"after":0}},{"rst":{"after":0}},{"rst":{"after":0}}]"#);
    assert_eq!(post(router.address, "/api/chat", ASK).status, 502);
    let line = next(&log);
    assert_eq!((&line["ending"], &line["node"]), (&"node_failed".into(), &"studio".into()), "{line}");
    assert_eq!(line["attempts"], 1, "{line}");
}

#[test]
#[cfg(unix)]
fn nothing_of_what_is_said_gets_into_the_log() {
    const CANARY: &str = "canary-7f3a";
    let (node, router, log) = fleet(&[("HERDWICK_LOG", "debug")]);
    let bodies = [
        format!(
            r#"{{"model":"m:1b","system":"{CANARY}","prompt":"{CANARY}","images":["{CANARY}"],
                "tools":[{{"function":{{"name":"f","arguments":"{CANARY}"}}}}],"{CANARY}":1}}"#
        ),
        format!(r#"{{"model":"m:1b","prompt":"{CANARY}"#),
        format!(r#"{{"model":"m:1b","stream":"{CANARY}"}}"#),
        format!(r#"{{"model":"{CANARY} {CANARY}"}}"#),
    ];
    let keys = [
        ("authorization", format!("Bearer {CANARY}")),
        ("x-api-key", CANARY.to_owned()),
        ("cookie", format!("key={CANARY}")),
        ("user-agent", CANARY.to_owned()),
        ("content-encoding", CANARY.to_owned()),
    ];
    for path in [
        "/api/chat",
        "/api/generate?key=canary-7f3a",
        "/v1/chat/completions",
        "/v1/messages?key=canary-7f3a",
        "/canary-7f3a/api/chat",
        "/v1/models/canary-7f3a",
        "/admin/canary-7f3a",
    ] {
        for body in &bodies {
            let mut client = Client::connect(router.address);
            let headers: Vec<_> = keys.iter().take(4).map(|(name, value)| (*name, value.as_str())).collect();
            client.send("POST", path, &headers, body.as_bytes());
            client.reply();
        }
        let mut client = Client::connect(router.address);
        client.send("POST", path, &[("content-encoding", CANARY)], b"{}");
        client.reply();
    }
    // An answer that breaks in the middle of what the model says, and a node that answers no HTTP.
    node.script(&format!(
        r#"[{{"raw":{{"text":"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{CANARY}"}}}},{{"raw":{{"text":"{CANARY}\r\n\r\n"}}}}]"#
    ));
    for _ in 0..2 {
        let mut client = Client::connect(router.address);
        client.send("POST", "/api/chat", &[], ASK.as_bytes());
        // Both may break; what matters is what is written about it.
        let _ = client.begin().finish();
    }
    let told = Command::new("sh").args(["-c", &format!("kill {}", router.id())]).status();
    assert!(told.is_ok_and(|status| status.success()));
    assert_eq!(router.ended(), Some(0));
    let lines = log.rest();
    let requests = lines.iter().filter(|line| line.contains("herdwick::request")).count();
    assert!(requests >= 37, "the last ones are written before the end: {lines:#?}");
    let told: Vec<_> = lines.iter().filter(|line| line.contains(CANARY)).collect();
    assert!(told.is_empty(), "{told:#?}");
}
