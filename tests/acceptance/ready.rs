//! `/healthz` and `/readyz`: what supervisors and load balancers ask, while things come, go and end.

use std::process::Command as Shell;

use crate::support::{Client, Node, Router, finished, get, nobody, until};

const MODEL: &[&str] = &["--slots", "1", "--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"];

#[test]
fn a_router_without_nodes_is_healthy_and_not_ready_and_says_what_to_do() {
    let silent = nobody();
    let router = Router::start(&[format!("mini=http://{silent}")], &[]);
    let healthy = get(router.address, "/healthz");
    assert_eq!((healthy.status, healthy.text().as_str()), (200, "ok"));
    assert_eq!(healthy.header("cache-control"), "no-store");
    let ready = get(router.address, "/readyz");
    assert_eq!((ready.status, ready.header("x-herdwick-error")), (503, "no_node"));
    assert!(ready.error().contains(&format!("mini (http://{silent}): ")), "{}", ready.error());
    assert!(ready.error().contains("check that Ollama runs there"), "{}", ready.error());
    assert_eq!(ready.header("retry-after"), "5");

    let told = finished(&["status", "--ready", "--router", &router.address.to_string()]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""));
    assert!(told.stderr.starts_with("error: no node answers\ncause: mini ("), "{}", told.stderr);
    assert!(told.stderr.contains("\nnext:  check that Ollama runs there"), "{}", told.stderr);
}

#[test]
fn readiness_follows_the_nodes() {
    let node = Node::start("studio", MODEL);
    let address = node.address.to_string();
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    let ready = get(router.address, "/readyz");
    assert_eq!((ready.status, ready.text().as_str()), (200, "ready"));
    let told = finished(&["status", "--ready", "--router", &router.address.to_string()]);
    assert_eq!((told.code, told.stdout.as_str(), told.stderr.as_str()), (Some(0), "ready\n", ""));
    node.kill();
    until("it is not ready", || (get(router.address, "/readyz").status == 503).then_some(()));
    let _node = Node::start_on("studio", &address, MODEL);
    until("it is ready again", || (get(router.address, "/readyz").status == 200).then_some(()));
}

#[test]
fn heads_are_answered_without_a_body_and_other_methods_refused() {
    let node = Node::start("studio", MODEL);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    let mut client = Client::connect(router.address);
    for path in ["/healthz", "/readyz"] {
        // The length is that of what GET would send, so that only the head may be read.
        client.send("HEAD", path, &[], b"");
        assert_eq!(client.begin().head.status, 200, "{path}");
        client.send("GET", path, &[], b"");
        assert_eq!(client.reply().status, 200, "{path}: the connection is still in step");
        client.send("POST", path, &[], b"");
        assert_eq!(client.reply().status, 405, "{path}");
    }
}

#[test]
#[cfg(unix)]
fn a_router_that_stops_is_healthy_and_not_ready_and_shows_what_still_runs() {
    let node = Node::start("studio", MODEL);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    node.script(r#"[{"ok":{"n":100000,"itl_ms":20}}]"#);
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/generate", &[], br#"{"model":"m:1b","prompt":"hi"}"#);
    let mut answer = client.begin();
    assert!(answer.piece().is_some_and(|piece| piece.is_ok()));
    let told = Shell::new("sh").args(["-c", &format!("kill {}", router.id())]).status();
    assert!(told.is_ok_and(|status| status.success()));
    let ready = until("it is not ready", || {
        let ready = get(router.address, "/readyz");
        (ready.status == 503).then_some(ready)
    });
    assert_eq!(ready.header("x-herdwick-error"), "draining");
    assert_eq!(get(router.address, "/healthz").status, 200);
    let status = finished(&["status", "--router", &router.address.to_string()]).stdout;
    assert!(status.contains("stopping: what runs may end\n\nrequests  1 running;"), "{status}");
}
