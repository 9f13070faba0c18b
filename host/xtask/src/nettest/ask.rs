//! Requests as a program on a machine of the lab would send them: one connection each, plain HTTP.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::lab::Machine;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// From one try to the next.
const AGAIN: Duration = Duration::from_millis(10);
/// The router on its own machine.
pub(super) const ROUTER: &str = "127.0.0.1:11435";

/// What a router answered.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The node that answered, as the router says.
    pub(super) node: String,
    pub(super) body: String,
}

/// Asks the router on that machine for a chat with this model until it is answered, at most so long; says how long that
/// took from `began`, and by whom.
pub(super) fn until_answered(
    machine: &Machine,
    model: &str,
    began: Instant,
    patience: Duration,
) -> Result<(Duration, Answer)> {
    machine.inside(|| {
        let mut last = String::from("nothing");
        loop {
            match chat(model) {
                Ok(answer) if answer.status == 200 => return Ok((began.elapsed(), answer)),
                Ok(answer) => last = format!("{} {}", answer.status, answer.body),
                Err(error) => last = format!("{error:#} (before that {last})"),
            }
            if began.elapsed() > patience {
                last.truncate(400);
                bail!("no answer within {patience:?}; the last was: {last}");
            }
            thread::park_timeout(AGAIN);
        }
    })
}

/// Asks the router on that machine once.
pub(super) fn once(machine: &Machine, model: &str) -> Result<Answer> {
    machine.inside(|| chat(model))
}

/// The router's picture of everything, as `herdwick status --json` has it.
fn status(machine: &Machine) -> Result<Value> {
    machine.inside(|| {
        let answer = ask("GET", "/admin/v1/status", "")?;
        ensure!(answer.status == 200, "status: {} {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).context("the router's status is no JSON")
    })
}

fn chat(model: &str) -> Result<Answer> {
    let body =
        format!(r#"{{"model":"{model}","stream":false,"messages":[{{"role":"user","content":"hello"}}]}}"#);
    ask("POST", "/api/chat", &body)
}

fn ask(method: &str, path: &str, body: &str) -> Result<Answer> {
    let router: SocketAddr = ROUTER.parse().context("the router's address")?;
    let mut stream = TcpStream::connect_timeout(&router, PATIENCE).context("no router yet")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {ROUTER}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context("the answer broke off")?;
    let (head, body) = text.split_once("\r\n\r\n").context("no head")?;
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).context("no status")?;
    let field = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    Ok(Answer { status, node: field("x-herdwick-node"), body: body.to_owned() })
}

/// A model server as the router's status has it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) standing: String,
    pub(super) reach: String,
    pub(super) origin: String,
}

/// The model servers of the router on that machine.
pub(super) fn nodes(machine: &Machine) -> Result<Vec<Node>> {
    let status = status(machine)?;
    let nodes = status.get("nodes").and_then(Value::as_array).context("no nodes in the status")?;
    let node = |node: &Value| {
        let text = |key: &str| node.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Node { standing: text("standing"), reach: text("reach"), origin: text("origin") }
    };
    Ok(nodes.iter().map(node).collect())
}
