//! What answers taught is there after a restart, in whichever way the router ended, and the first decision uses it.

use std::process::Command as Shell;

use serde_json::Value;

use crate::support::{Log, Node, Router, Scratch, finished, get, post, until};

/// Its size lets everybody expect a slow machine, and it is fast.
const HARE: &str = "m:1b,resident,bytes=4GB,first_token=1ms,prefill=6000,token=3ms,tokens=60";
/// Its size lets everybody expect a fast machine, and it is slow.
const TORTOISE: &str = "m:1b,resident,bytes=1GB,first_token=1ms,prefill=300,token=30ms,tokens=60";
/// Requests that are enough to know both.
const REQUESTS: usize = 8;

fn start(scratch: &Scratch, nodes: &[String]) -> (Router, Log) {
    let variables = [("HERDWICK_LOG", "info,herdwick_store=debug")];
    let (router, log) = Router::start_logged(nodes, &["--state-dir", scratch.text()], &variables);
    let router = router.knows("m:1b");
    until("both are in memory", || {
        let all = get(router.address, "/api/ps").text();
        (all.matches("\"m:1b\"").count() >= 2).then_some(())
    });
    (router, log)
}

/// Asks for an answer to a prompt that is long enough to tell how fast it is read; says where it was made.
fn ask(router: &Router, number: usize) -> String {
    let prompt = format!("{number} {}", "why do sheep flock ".repeat(40));
    let body = serde_json::json!({ "model": "m:1b", "messages": [{ "role": "user", "content": prompt }] });
    let reply = post(router.address, "/api/chat", &body.to_string());
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-herdwick-node").to_owned()
}

/// Everything that is known of the model, as it is shown; ages move on.
fn known(router: &Router) -> Value {
    let address = router.address.to_string();
    let shown = finished(&["models", "show", "m:1b", "--json", "--router", &address]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let mut view: Value = serde_json::from_str(&shown.stdout).expect("it is JSON");
    forget_ages(&mut view);
    let holders = view["holders"].as_array().expect("a list").iter();
    let speeds = holders.map(|holder| (holder["node"].clone(), holder["speed"].clone()));
    let speeds: Vec<_> = speeds.collect();
    serde_json::json!({
        "speeds": speeds,
        "answer": view["answer_tokens"],
        "bytes": view["bytes_per_token"],
        "apps": view["apps"],
    })
}

fn forget_ages(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("age_s");
            fields.values_mut().for_each(forget_ages);
        }
        Value::Array(values) => values.iter_mut().for_each(forget_ages),
        _ => {}
    }
}

#[test]
fn a_restart_keeps_all_that_answers_taught_and_decides_by_it_at_once() {
    let scratch = Scratch::new("learned");
    let (hare, tortoise) =
        (Node::start("hare", &["--model", HARE]), Node::start("tortoise", &["--model", TORTOISE]));
    let nodes = [hare.spec(1), tortoise.spec(1)];
    let (router, _log) = start(&scratch, &nodes);
    assert_eq!(ask(&router, 0), "tortoise", "its size alone speaks for it");
    let last = (1..REQUESTS).map(|number| ask(&router, number)).reduce(|_, last| last);
    assert_eq!(last.as_deref(), Some("hare"), "its answers speak against it");
    let before = known(&router);
    assert!(before["answer"]["samples"].as_u64().is_some_and(|samples| samples >= 4), "{before}");
    let told = Shell::new("sh").args(["-c", &format!("kill -TERM {}", router.id())]).status();
    assert!(told.is_ok_and(|status| status.success()));
    assert_eq!(router.ended(), Some(0));

    let (router, log) = start(&scratch, &nodes);
    assert_eq!(known(&router), before);
    assert_eq!(ask(&router, 100), "hare", "the first decision knows it");
    (101..104).for_each(|number| _ = ask(&router, number));
    // Four lines about requests, and then one about what they taught.
    (0..4).for_each(|_| _ = log.request());
    log.line("what was learned is kept");
    let before = known(&router);
    router.kill();

    let (router, _log) = start(&scratch, &nodes);
    assert_eq!(known(&router), before);
    assert_eq!(ask(&router, 200), "hare");
    let page = finished(&["nodes", "show", "hare", "--router", &router.address.to_string()]);
    assert!(
        page.stdout.contains("LEARNED") && page.stdout.contains("m:1b"),
        "{}{}",
        page.stdout,
        page.stderr
    );
}
