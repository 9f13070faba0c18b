//! Who is served when, what is loaded for whom, and what those are told for whom there is no room. Rows E24, E25, E34, F1
//! to F3 of the catalogue of faults; the others of E are in `upstream`, `breaking`, `killing`, `leaving` and `beats`, of F
//! in `breaking` (F4), `crowd` (F5 to F7), `stopping` (F8), `fleet` (F9) and `endurance` (F10).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Client, Node, Reply, Router, Scratch, finished, get, post, until};

const ASK: &str = r#"{"model":"m:1b","prompt":"hi","stream":false}"#;

/// What a node did with its model.
fn stats(node: &Node, model: &str) -> Value {
    get(node.address, "/_stats").json()["models"][model].clone()
}

/// A request under way.
fn sent(router: SocketAddr, headers: &[(&str, &str)], body: &str) -> Client {
    let mut client = Client::connect(router);
    client.send("POST", "/api/generate", headers, body.as_bytes());
    client
}

fn waiting(router: &Router) -> u64 {
    get(router.address, "/admin/v1/status").json()["requests"]["waiting"].as_u64().expect("a count")
}

#[test]
fn twenty_requests_for_a_cold_model_are_one_load_which_outlives_the_first_of_them() {
    let cold = "m:1b,load=700ms,first_token=1ms,token=1ms,tokens=3";
    let node = Node::start("only", &["--slots", "4", "--model", cold]);
    let router = Router::start(&[node.spec(4)], &[]).knows("m:1b");
    let first = sent(router.address, &[], ASK);
    node.wait("requests=1");
    let mut clients: Vec<_> = (0..19).map(|_| sent(router.address, &[], ASK)).collect();
    until("they all wait", || (waiting(&router) == 20).then_some(()));
    drop(first);
    for client in &mut clients {
        let reply = client.reply();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let stats = stats(&node, "m:1b");
    assert_eq!((&stats["loads"], &stats["aborted_loads"]), (&1.into(), &0.into()), "{stats}");
    assert_eq!(node.asked(), 20, "one load, nineteen answers, and nothing for whoever left");
}

#[test]
fn a_load_goes_on_when_everybody_who_waited_for_it_has_left() {
    let node = Node::start("only", &["--model", "m:1b,load=500ms,first_token=1ms,tokens=3"]);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    let client = sent(router.address, &[], ASK);
    node.wait("requests=1");
    drop(client);
    until("it is loaded all the same", || (stats(&node, "m:1b")["loads"] == 1).then_some(()));
}

#[test]
fn two_machines_do_not_both_load_what_one_can_serve() {
    let cold = "m:1b,load=200ms,first_token=1ms,token=1ms,tokens=3,bytes=3GB";
    let nodes: Vec<_> =
        ["one", "two"].map(|name| Node::start(name, &["--slots", "2", "--model", cold])).into();
    let specs: Vec<_> = nodes.iter().map(|node| node.spec(2)).collect();
    let router = Router::start(&specs, &[]).knows("m:1b");
    let mut clients = [sent(router.address, &[], ASK), sent(router.address, &[], ASK)];
    for client in &mut clients {
        assert_eq!(client.reply().status, 200);
    }
    let loads: u64 = nodes.iter().map(|node| stats(node, "m:1b")["loads"].as_u64().unwrap_or(0)).sum();
    assert_eq!(loads, 1);
}

#[test]
fn two_clients_that_alternate_contexts_cause_no_storm_of_reloads() {
    let hot = "m:1b,resident,load=20ms,context=4096,first_token=1ms,token=1ms,tokens=3";
    let nodes: Vec<_> =
        ["one", "two"].map(|name| Node::start(name, &["--slots", "2", "--model", hot])).into();
    let specs: Vec<_> = nodes.iter().map(|node| node.spec(2)).collect();
    let router = Router::start(&specs, &[]).knows("m:1b");
    let address = router.address;
    let client = |context: u32| {
        let body =
            format!(r#"{{"model":"m:1b","prompt":"hi","stream":false,"options":{{"num_ctx":{context}}}}}"#);
        std::thread::spawn(move || {
            (0..100).map(|_| post(address, "/api/generate", &body).status).collect::<Vec<_>>()
        })
    };
    let clients = [client(4_096), client(8_192)];
    for statuses in clients.map(|client| client.join().expect("no client panics")) {
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    }
    for node in &nodes {
        let stats = stats(node, "m:1b");
        // What was in memory is let go of at most once for the longer context.
        let reloads = stats["option_switches"].as_u64().unwrap_or(0) + stats["loads"].as_u64().unwrap_or(0);
        assert!(reloads <= 2, "{stats}");
        assert_eq!(stats["thrash"].as_u64().unwrap_or(0), 0, "{stats}");
    }
}

#[test]
fn a_request_is_sent_with_the_context_that_is_there_and_its_model_stays() {
    let hot = "m:1b,resident,context=8192,first_token=1ms,token=1ms,tokens=3";
    let node = Node::start("only", &["--model", hot]);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    let length = |body: &str| {
        let reply = post(router.address, "/api/generate", body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let log = node.log();
        let last = log.as_array().and_then(|log| log.iter().rfind(|entry| entry["path"] == "/api/generate"));
        let length = last.and_then(|entry| entry["body_length"].as_u64()).expect("it was asked");
        (length as usize - body.len(), reply.header("x-herdwick-context").to_owned())
    };
    let (stays, context) = (r#""keep_alive":-1,"#.len(), r#""options":{"num_ctx":8192},"#.len());
    assert_eq!(length(ASK), (stays + context, "8192".to_owned()));
    let short = r#"{"model":"m:1b","prompt":"hi","stream":false,"options":{"num_ctx":2048}}"#;
    assert_eq!(length(short), (stays, "8192".to_owned()), "a shorter one would force a reload");
    let kept =
        r#"{"model":"m:1b","prompt":"hi","stream":false,"keep_alive":"5m","options":{"num_ctx":8192}}"#;
    assert_eq!(length(kept), (0, String::new()), "whoever says all of it is left alone");
    let loads = r#"{"model":"m:1b","stream":false}"#;
    assert_eq!(length(loads), (0, String::new()), "whoever asks nothing says what it wants");
    assert_eq!(stats(&node, "m:1b")["option_switches"], 0);
}

#[test]
fn past_its_bounds_a_line_refuses_at_once_and_serves_whom_it_took() {
    let slow = "m:1b,resident,first_token=1ms,token=20ms,tokens=4";
    let node = Node::start("only", &["--slots", "2", "--model", slow]);
    let limit = [("HERDWICK_QUEUE__MAX_REQUESTS", "6")];
    let (router, _log) = Router::start_logged(&[node.spec(2)], &[], &limit);
    let router = router.knows("m:1b");
    let address = router.address;
    let mut held = vec![sent(address, &[], ASK), sent(address, &[], ASK)];
    node.wait("running=2");
    let mut slowest = Duration::ZERO;
    let (mut good, mut refused) = (0, 0);
    // Four times what it can serve, from as many clients as it has.
    let clients: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                (0..12)
                    .map(|_| {
                        let began = Instant::now();
                        let reply = post(address, "/api/generate", ASK);
                        (reply, began.elapsed())
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    for (reply, took) in clients.into_iter().flat_map(|client| client.join().expect("no client panics")) {
        match reply.status {
            200 => good += 1,
            503 => {
                assert_eq!(reply.header("x-herdwick-error"), "queue_full");
                assert_eq!(reply.header("x-herdwick-position"), "6");
                let after: u64 = reply.header("retry-after").parse().expect("seconds");
                assert!((1..=600).contains(&after), "{after}");
                assert!(reply.error().contains(&format!("try again in {after} s")), "{}", reply.error());
                (refused, slowest) = (refused + 1, slowest.max(took));
            }
            status => panic!("{status}: {}", reply.text()),
        }
    }
    for client in &mut held {
        assert_eq!(client.reply().status, 200);
    }
    assert!(good > 0 && refused > 0, "{good} served, {refused} refused");
    assert_eq!(node.asked(), good + 2, "who is refused costs the node nothing, and all it did was of use");
    println!("{good} served, {refused} refused, the slowest refusal after {slowest:?}");
    // 20 ms are promised where the processor is ours; here others compute too.
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
}

#[test]
fn whoever_floods_does_not_keep_others_from_their_turn() {
    let node = Node::start("only", &["--model", "m:1b,resident,first_token=1ms,token=10ms,tokens=10"]);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    let flood: Vec<_> =
        (0..40).map(|_| sent(router.address, &[("authorization", "Bearer flood")], ASK)).collect();
    until("the flood waits", || (waiting(&router) == 39).then_some(()));
    let before = node.asked();
    let mut other = sent(router.address, &[("authorization", "Bearer other")], ASK);
    let reply = other.reply();
    assert_eq!(reply.status, 200);
    assert!(!reply.header("x-herdwick-position").is_empty(), "it waited");
    // It goes next but one at the latest: the one that runs, perhaps one more, and then itself.
    let meanwhile = node.asked() - before;
    assert!(meanwhile <= 3, "{meanwhile} requests began before it ended");
    drop(flood);
}

#[test]
fn a_client_with_too_much_waiting_is_told_so_when_others_need_the_room() {
    let node = Node::start("only", &["--model", "m:1b,resident,first_token=1ms,tokens=3"]);
    let limit = [("HERDWICK_QUEUE__MAX_REQUESTS", "4")];
    let (router, _log) = Router::start_logged(&[node.spec(1)], &[], &limit);
    let router = router.knows("m:1b");
    node.script(r#"[{"silent":{}}]"#);
    let held = sent(router.address, &[], ASK);
    node.wait("running=1");
    let flood = [("x-api-key", "flood")];
    let mut flooding: Vec<_> = (0..4)
        .map(|count| {
            let client = sent(router.address, &flood, ASK);
            until("it waits", || (waiting(&router) == count + 1).then_some(()));
            client
        })
        .collect();
    let mut other = sent(router.address, &[("x-api-key", "other")], ASK);
    let mut last = flooding.pop().expect("the last one");
    let refused: Reply = last.reply();
    assert_eq!((refused.status, refused.header("x-herdwick-error")), (429, "rate_limited"));
    assert!(!refused.header("retry-after").is_empty());
    drop(held);
    assert_eq!(other.reply().status, 200, "there was room for it");
    for client in &mut flooding {
        assert_eq!(client.reply().status, 200);
    }
}

#[test]
fn whoever_waits_for_nobody_goes_after_those_who_wait() {
    let node = Node::start("only", &["--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"]);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    node.script(r#"[{"silent":{"ms":400}}]"#);
    let mut held = sent(router.address, &[], ASK);
    node.wait("running=1");
    let batch = r#"{"model":"m:1b","prompt":"batch, which is longer","stream":false}"#;
    let mut late = sent(router.address, &[("x-herdwick-priority", "batch")], batch);
    until("it waits", || (waiting(&router) == 1).then_some(()));
    let mut early = sent(router.address, &[], ASK);
    for client in [&mut held, &mut early, &mut late] {
        assert_eq!(client.reply().status, 200);
    }
    let log = node.log();
    let asked = log.as_array().expect("a list").iter().filter(|entry| entry["path"] == "/api/generate");
    let lengths: Vec<_> = asked.map(|entry| entry["body_length"].as_u64().expect("a length")).collect();
    assert!(lengths.is_sorted(), "the batch goes last: {lengths:?}");
}

#[test]
fn whoever_waited_as_long_as_one_may_is_told_so_and_reaches_no_node() {
    let node = Node::start("only", &["--model", "m:1b,resident"]);
    let limit = [("HERDWICK_ROUTING__WAIT_MAX", "1s")];
    let (router, _log) = Router::start_logged(&[node.spec(1)], &[], &limit);
    let router = router.knows("m:1b");
    node.script(r#"[{"silent":{}}]"#);
    let _held = sent(router.address, &[], ASK);
    node.wait("running=1");
    let reply = sent(router.address, &[], ASK).reply();
    assert_eq!((reply.status, reply.header("x-herdwick-error")), (503, "queue_timeout"), "{}", reply.text());
    assert!(!reply.header("retry-after").is_empty());
    assert_eq!(node.asked(), 1);
}

#[test]
fn an_operator_has_models_loaded_let_go_of_and_pinned_and_pins_outlive_the_router() {
    let scratch = Scratch::new("pins");
    let models = ["--model", "m:1b,load=20ms", "--model", "other:1b,load=20ms,resident"];
    let node = Node::start("studio", &models);
    let start = || Router::start(&[node.spec(1)], &["--state-dir", scratch.text()]).knows("m:1b");
    let router = start();
    let told = |router: &Router, args: &[&str]| {
        let address = router.address.to_string();
        let args: Vec<&str> =
            ["models"].into_iter().chain(args.iter().copied()).chain(["--router", &address]).collect();
        finished(&args)
    };
    let is_in = |model: &str| stats(&node, model)["resident"] == true;
    let done = told(&router, &["load", "m:1b", "--node", "studio"]);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (Some(0), "m:1b is in memory on studio, or will be as soon as there is room\n"),
        "{}",
        done.stderr
    );
    until("it is loaded", || is_in("m:1b").then_some(()));
    assert_eq!(told(&router, &["unload", "m:1b"]).code, Some(0));
    until("it is let go of", || (!is_in("m:1b")).then_some(()));
    let refused = told(&router, &["load", "absent:1b"]);
    assert!(
        refused.code == Some(1) && refused.stderr.contains("no node has absent:1b"),
        "{}",
        refused.stderr
    );
    let pinned = told(&router, &["pin", "m:1b"]);
    assert_eq!(pinned.code, Some(0), "{}", pinned.stderr);
    until("it is loaded for the pin", || is_in("m:1b").then_some(()));
    router.kill();
    // Somebody else lets go of it while no router runs.
    post(node.address, "/api/generate", r#"{"model":"m:1b","keep_alive":0}"#);
    until("it is gone", || (!is_in("m:1b")).then_some(()));
    let router = start();
    until("the next router has it loaded again", || is_in("m:1b").then_some(()));
    let status = get(router.address, "/admin/v1/status").json();
    let shown =
        status["nodes"][0]["models"].as_array().expect("models").iter().find(|model| model["name"] == "m:1b");
    assert_eq!(shown.map(|model| &model["pinned"]), Some(&true.into()));
    assert_eq!(
        told(&router, &["unpin", "m:1b"]).stdout,
        "m:1b is not pinned on studio any more; it leaves when others are worth more\n"
    );
}
