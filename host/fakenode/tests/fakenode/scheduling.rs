//! Silence, slots, loads and evictions as a client and the control port see them.

use std::time::Duration;

use fakenode::{Condition, FakeNode, ModelSpec, NodeSpec, Outcome, Verb};
use serde_json::json;

use crate::client::{Client, chat, get, node, post, quick};

/// An answer that never begins, and so holds its slot until its client leaves.
const FOREVER: Verb = Verb::Silent { ms: None };

/// Longer than any test.
const AGES: Duration = Duration::from_secs(3600);

fn cold(name: &str) -> ModelSpec {
    ModelSpec { name: name.to_owned(), ..quick() }.resident(false)
}

fn wait(node: &FakeNode, condition: Condition) {
    if let Err(late) = node.wait(condition) {
        panic!("{late}\n{:#?}\n{:#?}", node.stats(), node.log());
    }
}

#[test]
fn nothing_is_sent_before_the_first_token_exists() {
    let node = node(NodeSpec::new("test").model(quick()));
    node.script([FOREVER]);
    let mut client = Client::post(&node, "/api/chat", &chat("m"));
    wait(&node, Condition::Running(1));
    assert!(client.is_silent());
    let noted = &node.log()[0];
    assert_eq!((noted.first_byte_ms, noted.bytes_sent, noted.status), (None, 0, None));
    assert_eq!((noted.outcome, noted.closed_ms), (Outcome::Open, None));
}

#[test]
fn a_busy_hot_model_is_waited_for_in_silence_and_in_order() {
    let node = node(NodeSpec::new("test").slots(2).model(quick()));
    node.script([FOREVER, FOREVER]);
    let first = Client::post(&node, "/api/chat", &chat("m"));
    let _second = Client::post(&node, "/api/chat", &chat("m"));
    wait(&node, Condition::Running(2));
    let mut third = Client::post(&node, "/api/chat", &chat("m"));
    wait(&node, Condition::Waiting(1));
    let mut fourth = Client::post(&node, "/v1/chat/completions", &chat("m"));
    wait(&node, Condition::Waiting(2));
    assert!(third.is_silent() && fourth.is_silent());
    drop(first);
    assert_eq!(third.reply().status, 200);
    assert_eq!(fourth.reply().status, 200);
    let stats = &node.stats().models["m:latest"];
    assert_eq!((stats.running, stats.waiting, stats.peak_running), (1, 0, 2));
}

#[test]
fn a_client_that_leaves_frees_its_slot_and_its_place() {
    let node = node(NodeSpec::new("test").model(quick()));
    node.script([FOREVER]);
    let running = Client::post(&node, "/api/chat", &chat("m"));
    wait(&node, Condition::Running(1));
    let waiting =
        Client::post(&node, "/api/generate", &json!({"model": "m", "prompt": "x", "stream": false}));
    wait(&node, Condition::Waiting(1));
    drop(waiting);
    wait(&node, Condition::Closed(1));
    assert_eq!(node.stats().models["m:latest"].waiting, 0);
    drop(running);
    wait(&node, Condition::Closed(2));
    wait(&node, Condition::Idle);
    for noted in node.log() {
        assert_eq!(noted.outcome, Outcome::ClientGone);
        assert!(noted.closed_ms.is_some());
    }
    assert_eq!(post(&node, "/api/chat", &chat("m")).status, 200);
}

#[test]
fn leaving_is_noticed_behind_pipelined_bytes_and_in_mid_stream() {
    let node = node(NodeSpec::new("test").model(quick().tokens(1000).token(AGES)));
    let mut client = Client::post(&node, "/api/chat", &chat("m"));
    client.send_post("/api/chat", &chat("m"));
    client.head();
    client.chunk().expect("the first token");
    drop(client);
    wait(&node, Condition::Closed(1));
    wait(&node, Condition::Idle);
    assert_eq!(node.log().len(), 1, "the pipelined request was never begun");
}

#[test]
fn a_cold_load_is_shared() {
    let node = node(NodeSpec::new("test").slots(4).model(cold("a").load(Duration::from_millis(50))));
    let mut clients = [(); 4].map(|()| Client::post(&node, "/api/chat", &chat("a")));
    let loads: Vec<u64> = clients
        .iter_mut()
        .map(|client| {
            client.reply().lines().last().and_then(|l| l["load_duration"].as_u64()).expect("a figure")
        })
        .collect();
    assert_eq!(node.stats().models["a:latest"].loads, 1);
    assert!(loads.iter().max() >= Some(&50_000_000), "{loads:?}");
}

#[test]
fn a_load_dies_with_its_client_and_the_next_one_begins_anew() {
    let node = node(NodeSpec::new("test").model(cold("a").load(AGES)));
    let first = Client::post(&node, "/api/chat", &chat("a"));
    wait(&node, Condition::Waiting(1));
    node.script([Verb::Ok { n: None, load_ms: Some(0), ttft_ms: None, itl_ms: None }]);
    let mut second = Client::post(&node, "/api/chat", &chat("a"));
    wait(&node, Condition::Waiting(2));
    assert_eq!(node.stats().loading.as_deref(), Some("a:latest"));
    assert!(second.is_silent());
    drop(first);
    assert_eq!(second.reply().status, 200);
    let stats = &node.stats().models["a:latest"];
    assert_eq!((stats.loads, stats.aborted_loads), (1, 1));
}

#[test]
fn past_max_loaded_the_least_recently_used_idle_model_leaves() {
    let spec = NodeSpec::new("test").max_loaded(2);
    let node = node(spec.model(cold("a")).model(cold("b")).model(cold("c")));
    for model in ["a", "b", "a", "c"] {
        assert_eq!(post(&node, "/api/chat", &chat(model)).status, 200);
        wait(&node, Condition::Idle);
    }
    let ps = get(&node, "GET", "/api/ps").json();
    let mut names: Vec<&str> =
        ps["models"].as_array().into_iter().flatten().filter_map(|m| m["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a:latest", "c:latest"]);
    assert_eq!(node.stats().models["b:latest"].evictions, 1);
}

#[test]
fn another_num_ctx_reloads_when_idle_and_waits_when_busy() {
    let node = node(NodeSpec::new("test").slots(2).model(quick()));
    let mut wide = chat("m");
    wide["options"] = json!({"num_ctx": 8192});
    assert_eq!(post(&node, "/api/chat", &wide).status, 200);
    wait(&node, Condition::Loads(1));
    assert_eq!(get(&node, "GET", "/api/ps").json()["models"][0]["context_length"], 8192);

    node.script([FOREVER]);
    let busy = Client::post(&node, "/api/chat", &wide);
    wait(&node, Condition::Running(1));
    let mut other = Client::post(&node, "/api/chat", &chat("m"));
    wait(&node, Condition::Waiting(1));
    assert!(other.is_silent());
    drop(busy);
    assert_eq!(other.reply().status, 200);
    let stats = &node.stats().models["m:latest"];
    assert_eq!((stats.option_switches, stats.thrash), (2, 1));
    assert!(node.log().last().is_some_and(|exchange| exchange.thrashed), "{:#?}", node.log());
}

#[test]
fn a_deadlocked_scheduler_starves_cold_models_and_looks_healthy() {
    let node = node(NodeSpec::new("test").model(quick()).model(cold("a")));
    node.script([Verb::SchedDeadlock {}]);
    let mut starved = Client::post(&node, "/api/chat", &chat("a"));
    wait(&node, Condition::Waiting(1));
    assert_eq!(post(&node, "/api/chat", &chat("m")).status, 200);
    assert_eq!(get(&node, "GET", "/api/ps").status, 200);
    assert!(starved.is_silent());
    node.script([Verb::Resume {}]);
    assert_eq!(starved.reply().status, 200);
}

#[test]
fn thrash_jams_the_scheduler_for_good() {
    let node = node(NodeSpec::new("test").model(quick()).model(cold("a")));
    node.script([Verb::Thrash {}, FOREVER]);
    let busy = Client::post(&node, "/api/chat", &chat("m"));
    wait(&node, Condition::Running(1));
    let mut wide = chat("m");
    wide["options"] = json!({"num_ctx": 8192});
    let mut jammed = Client::post(&node, "/api/chat", &wide);
    wait(&node, Condition::Waiting(1));
    drop(busy);
    wait(&node, Condition::Closed(1));
    let mut behind = Client::post(&node, "/api/chat", &chat("a"));
    wait(&node, Condition::Waiting(2));
    assert_eq!(post(&node, "/api/chat", &chat("m")).status, 200, "hot goes on");
    assert!(jammed.is_silent() && behind.is_silent() && node.stats().jammed);
    node.script([Verb::Resume {}]);
    assert_eq!((jammed.reply().status, behind.reply().status), (200, 200));
}

#[test]
fn dropping_the_node_cuts_every_connection() {
    let node = node(NodeSpec::new("test").model(quick()));
    node.script([FOREVER]);
    let mut client = Client::post(&node, "/api/chat", &chat("m"));
    wait(&node, Condition::Running(1));
    let address = node.addr();
    drop(node);
    let (bytes, _) = client.rest();
    assert!(bytes.is_empty());
    assert!(std::net::TcpStream::connect(address).is_err());
}
