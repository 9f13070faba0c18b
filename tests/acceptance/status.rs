//! `herdwick status`: what is going on, for people, for programs, and for as long as somebody looks.

use std::process::Command as Shell;

use crate::support::{Client, Node, Router, Watched, finished, nobody, post, until};

const MODEL: &[&str] =
    &["--slots", "2", "--model", "m:1b,resident,bytes=3GB,first_token=1ms,token=1ms,tokens=3"];
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;

fn status(router: &Router, more: &[&str]) -> String {
    let address = router.address.to_string();
    let args: Vec<&str> = ["status", "--router", &address].into_iter().chain(more.iter().copied()).collect();
    let told = finished(&args);
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{more:?}");
    told.stdout
}

#[test]
fn it_shows_requests_nodes_and_models_and_what_to_do() {
    let node = Node::start("studio", MODEL);
    let silent = nobody();
    let router = Router::start(&[node.spec(2), format!("mini=http://{silent}")], &[]).knows("m:1b");
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200);
    assert_eq!(post(router.address, "/api/chat", "{}").status, 400);
    node.script(r#"[{"silent":{}}]"#);
    let mut running = Client::connect(router.address);
    running.send("POST", "/api/chat", &[], ASK.as_bytes());
    node.wait("running=1");
    let text = until("the silent node is known to be down", || {
        let text = status(&router, &[]);
        text.contains("  down\n").then_some(text)
    });
    for told in [
        &format!("herdwick 0.1.0 at http://{}, up ", router.address),
        "requests  1 running; 1 served, 1 failed",
        "plugins   10 live",
        &format!("studio    {}  up, version 0.12.6", node.address),
        "  m:1b  in memory  3.0 GB  ctx 4k  1/2 busy",
        &format!("mini      {silent}  down\n  nothing listens there"),
        "next      start Ollama on mini: ollama serve",
    ] {
        assert!(text.contains(told), "{told:?} is not in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "plain in a pipe: {text:?}");

    let json: serde_json::Value = serde_json::from_str(&status(&router, &["--json"])).expect("JSON");
    assert_eq!(json["requests"]["under_way"], 1, "{json}");
    assert_eq!(json["nodes"][0]["models"][0]["state"], "resident", "{json}");
    assert_eq!(
        (&json["nodes"][1]["reach"], &json["nodes"][0]["why"]),
        (&"down".into(), &"".into()),
        "{json}"
    );
}

#[test]
fn those_that_wait_are_counted_and_those_that_leave_too() {
    let node = Node::start("studio", &["--slots", "1", "--model", "m:1b,resident,tokens=2"]);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    node.script(r#"[{"silent":{}}]"#);
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let mut client = Client::connect(router.address);
            client.send("POST", "/api/chat", &[], ASK.as_bytes());
            client
        })
        .collect();
    until("two wait", || status(&router, &[]).contains("1 running, 2 waiting; 0 served").then_some(()));
    drop(clients);
    until("all have left", || {
        status(&router, &[]).contains("0 running; 0 served, 3 abandoned").then_some(())
    });
}

#[test]
#[cfg(unix)]
fn a_watcher_in_a_pipe_hears_each_change_and_ends_at_ctrl_c() {
    let node = Node::start("studio", MODEL);
    let router = Router::start(&[node.spec(2)], &[]).knows("m:1b");
    let address = router.address.to_string();
    let watched = Watched::start(&["status", "--watch", "--router", &address]);
    let json = Watched::start(&["status", "--watch", "--json", "--router", &address]);
    watched.line("studio up, 1 model");
    watched.line("requests: 0 running; 0 served");
    json.line(r#""served":0"#);
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200);
    let line = watched.line("requests: 0 running; 1 served");
    assert!(line.starts_with("20") && line.get(19..22) == Some("Z  "), "a time of day: {line}");
    json.line(r#""served":1"#);
    node.kill();
    watched.line("studio down: ");
    watched.line("next: start Ollama on studio");
    drop(router);
    watched.line("no router answers at");
    for watched in [watched, json] {
        let told = Shell::new("sh").args(["-c", &format!("kill -INT {}", watched.id())]).status();
        assert!(told.is_ok_and(|status| status.success()));
        assert_eq!(watched.ended(), Some(0));
    }
}

#[test]
fn without_a_router_it_says_so_in_three_lines() {
    let silent = nobody().to_string();
    for more in [&[][..], &["--watch"], &["--json"]] {
        let args: Vec<&str> =
            ["status", "--router", &silent].into_iter().chain(more.iter().copied()).collect();
        let told = finished(&args);
        assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""), "{more:?}");
        let lines: Vec<&str> = told.stderr.lines().collect();
        assert_eq!(lines.len(), 3, "{}", told.stderr);
        assert_eq!(lines[0], format!("error: no router answers at {silent}"));
        assert!(lines[1].starts_with("cause: Connection refused"), "{}", lines[1]);
        assert_eq!(lines[2], "next:  start one with `herdwick`, or say where it is with --router HOST:PORT");
    }
}

#[test]
fn somebody_else_at_that_address_is_no_router() {
    let node = Node::start("studio", MODEL);
    let told = finished(&["status", "--router", &node.address.to_string()]);
    assert_eq!(told.code, Some(1));
    assert!(told.stderr.contains("something else than a router answers at"), "{}", told.stderr);
}
