//! Clients that leave, wherever they wait: nobody works on for them.

use std::time::Instant;

use crate::support::{Client, Log, Node, Router, get, post};

const MODEL: &[&str] = &["--slots", "1", "--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"];
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;

/// What a client waits for when it leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Where {
    InSilence,
    InAStream,
    BeforeAWholeAnswer,
    InTheQueue,
}

/// How it leaves.
#[derive(Clone, Copy, Debug)]
enum How {
    /// It closes its side.
    Fin,
    /// Its system resets the connection, as when the program is killed with bytes unread.
    Rst,
}

/// What it sent besides its request: whatever the router did not read must not hide that the client left.
const PENDING: [(&str, &str); 3] = [
    ("nothing", ""),
    ("a line end", "\r\n"),
    ("a second request", "GET /api/tags HTTP/1.1\r\nhost: localhost\r\n\r\n"),
];

#[test]
fn a_client_that_leaves_stops_the_work_wherever_it_waits_and_however_it_goes() {
    let node = Node::start("studio", MODEL);
    let (router, log) = Router::start_logged(&[node.spec(1)], &[], &[]);
    let router = router.knows("m:1b");
    let mut closed = 0;
    let mut delays = Vec::new();
    for place in [Where::InSilence, Where::InAStream, Where::BeforeAWholeAnswer, Where::InTheQueue] {
        for how in [How::Fin, How::Rst] {
            // Elsewhere the system does not tell: host/README.md, "What is deliberately absent".
            let pending = if cfg!(target_os = "linux") { &PENDING[..] } else { &PENDING[..1] };
            for (what, bytes) in pending {
                let case = format!("{place:?}, {how:?}, {what} pending");
                // In the queue it waits behind somebody who has the only slot.
                let before = (place == Where::InTheQueue).then(|| wait_in(Where::InSilence, &node, &router));
                let mut client = wait_in(place, &node, &router);
                client.raw(bytes.as_bytes());
                // Whoever is answered on a later connection came after the bytes above.
                assert_eq!(get(router.address, "/api/version").status, 200);
                let left = Instant::now();
                match how {
                    How::Fin => client.close_its_side(),
                    How::Rst => client.reset(),
                }
                if before.is_none() {
                    closed += 1;
                    node.wait(&format!("closed={closed}"));
                    delays.push((left.elapsed(), case.clone()));
                }
                let line = gone(&log);
                assert_eq!(line["ending"], "client_gone", "{case}: {line}");
                assert_eq!(line["node"].is_null(), place == Where::InTheQueue, "{case}: {line}");
                if before.is_some() {
                    drop(before);
                    closed += 1;
                    node.wait(&format!("closed={closed}"));
                    assert_eq!(gone(&log)["ending"], "client_gone", "{case}");
                }
            }
        }
    }
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200, "the slot is free again");
    assert_eq!(node.asked(), closed + 1, "those that left in the queue were never sent on");
    delays.sort();
    // Printed and not held against a clock: the machine is shared.
    println!(
        "the node's socket closed after: median {:?}, at most {:?}",
        delays[delays.len() / 2],
        delays.last()
    );
}

/// A client that waits there for its answer.
fn wait_in(place: Where, node: &Node, router: &Router) -> Client {
    let mut client = Client::connect(router.address);
    let stream = place != Where::BeforeAWholeAnswer;
    let ask = ASK.replacen('{', &format!("{{\"stream\":{stream},"), 1);
    match place {
        Where::InSilence => node.script(r#"[{"silent":{}}]"#),
        Where::InAStream | Where::BeforeAWholeAnswer => node.script(r#"[{"ok":{"n":100000,"itl_ms":5}}]"#),
        Where::InTheQueue => {}
    }
    client.send("POST", "/api/chat", &[], ask.as_bytes());
    match place {
        Where::InAStream => assert!(client.begin().piece().is_some_and(|piece| piece.is_ok())),
        Where::InSilence | Where::BeforeAWholeAnswer => node.wait("running=1"),
        Where::InTheQueue => {}
    }
    client
}

/// The next line of log that is about a request for a model.
fn gone(log: &Log) -> serde_json::Value {
    loop {
        let line = log.request();
        if line["route"] == "/api/chat" {
            return line;
        }
    }
}
