//! The control port, on the same listener: `/_ctl` scripts, `/_log` and `/_stats` tell, `/_wait` waits.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use crate::condition::{Condition, PATIENCE};
use crate::http::{Head, JSON, Next, TEXT, Wire};
use crate::node::Node;
use crate::verb::Verb;

pub(crate) async fn answer(node: &Node, head: &Head, body: &[u8], wire: &mut Wire) -> io::Result<Next> {
    match (&*head.method, head.path()) {
        ("POST", "/_ctl") => script(node, body, wire).await,
        ("DELETE", "/_ctl") => {
            node.script.clear();
            reply(200, &json!({}), wire).await
        }
        ("GET", "/_log") => reply(200, &json!(node.journal.exchanges()), wire).await,
        ("DELETE", "/_log") => {
            node.journal.clear();
            reply(200, &json!({}), wire).await
        }
        ("GET", "/_stats") => reply(200, &json!(node.scheduler.stats()), wire).await,
        ("GET", "/_wait") => wait(node, head, wire).await,
        (_, "/_ctl" | "/_log" | "/_stats" | "/_wait") => {
            wire.whole(405, TEXT, b"405 method not allowed").await
        }
        _ => wire.whole(404, TEXT, b"404 page not found").await,
    }
}

async fn script(node: &Node, body: &[u8], wire: &mut Wire) -> io::Result<Next> {
    match read(body) {
        Ok((verbs, model)) => {
            let count = verbs.len();
            node.apply(verbs, model.as_deref()).await;
            reply(200, &json!({ "applied": count }), wire).await
        }
        Err(problems) => reply(400, &json!({ "error": problems.join("; ") }), wire).await,
    }
}

/// All verbs or none, with every problem.
fn read(body: &[u8]) -> Result<(Vec<Verb>, Option<String>), Vec<String>> {
    let mut order: Value = serde_json::from_slice(body).map_err(|error| vec![error.to_string()])?;
    let Some(Value::Array(listed)) = order.get_mut("verbs").map(Value::take) else {
        return Err(vec!["no list of verbs; write {\"verbs\":[{\"rst\":{\"after\":3}}]}".to_owned()]);
    };
    let model = order.get("model").and_then(Value::as_str).map(str::to_owned);
    let (mut verbs, mut problems) = (Vec::new(), Vec::new());
    for value in listed {
        match Verb::from_json(value) {
            Ok(verb) => verbs.push(verb),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok((verbs, model)) } else { Err(problems) }
}

async fn wait(node: &Node, head: &Head, wire: &mut Wire) -> io::Result<Next> {
    let number = |name: &str| head.query(name).and_then(|value| value.parse::<u64>().ok());
    let names = ["running", "waiting", "requests", "polls", "closed", "ended", "loads", "idle"];
    let asked = names.iter().find_map(|name| Condition::from_query(name, number(name)?));
    let Some(condition) = asked else {
        let text =
            format!("nothing to wait for; ask for one of {}, as in /_wait?running=1", names.join(", "));
        return reply(400, &json!({ "error": text }), wire).await;
    };
    let patience = number("timeout_ms").map_or(PATIENCE, Duration::from_millis);
    match node.reached(condition, patience).await {
        Ok(()) => reply(200, &json!(node.scheduler.stats()), wire).await,
        Err(late) => reply(408, &json!({ "error": late.to_string() }), wire).await,
    }
}

async fn reply(status: u16, value: &Value, wire: &mut Wire) -> io::Result<Next> {
    wire.whole(status, JSON, value.to_string().as_bytes()).await
}
