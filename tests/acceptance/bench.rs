//! `herdwick bench`: what it measures changes where requests go, at once and after a restart; what is ended half way
//! leaves nothing behind, whoever ends it and however.

use std::process::Command as Shell;

use serde_json::Value;

use crate::support::{Client, Finished, Node, Router, Scratch, Watched, finished, get, post, until};

/// Its size lets everybody expect a slow machine, and it is fast.
const HARE: &str = "m:1b,resident,bytes=4GB,first_token=1ms,prefill=6000,token=4ms,tokens=128";
/// Its size lets everybody expect a fast machine, and it is slow.
const TORTOISE: &str = "m:1b,resident,bytes=1GB,first_token=1ms,prefill=300,token=40ms,tokens=128";
/// Takes long enough to be ended half way.
const LONG: &str = "m:1b,first_token=1ms,token=100ms,tokens=128,load=200ms";
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}],"stream":false}"#;

const BRIEF: &str = r#"{"model":"m:1b","messages":[],"stream":false,"options":{"num_predict":1}}"#;

/// What a command says that goes well.
fn told(router: &Router, args: &[&str]) -> String {
    let address = router.address.to_string();
    let args: Vec<&str> = args.iter().copied().chain(["--router", &address]).collect();
    let Finished { code, stdout, stderr } = finished(&args);
    assert_eq!(code, Some(0), "{args:?}: {stdout}{stderr}");
    stdout
}

fn json(router: &Router, args: &[&str]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&told(router, &args)).expect("it is JSON")
}

/// The three lines of a command that fails.
fn refused(router: &Router, args: &[&str]) -> String {
    let address = router.address.to_string();
    let args: Vec<&str> = args.iter().copied().chain(["--router", &address]).collect();
    let Finished { code, stdout, stderr } = finished(&args);
    assert_eq!(code, Some(1), "{args:?}: {stdout}{stderr}");
    stderr
}

/// A bench of one model on one machine that goes on until it is ended.
fn begun(router: &Router, node: &str, more: &[&str]) -> Watched {
    let address = router.address.to_string();
    let args = ["bench", "--router", &address, "--node", node, "--model", "m:1b"];
    Watched::start(&args.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
}

fn signal(name: &str, process: u32) {
    let told = Shell::new("sh").args(["-c", &format!("kill -{name} {process}")]).status();
    assert!(told.is_ok_and(|status| status.success()));
}

/// What is known of the model on a machine.
fn holder(router: &Router, node: &str) -> Value {
    let all = json(router, &["models", "list"]);
    let models = all["models"].as_array().expect("a list");
    let mut holders = models.iter().flat_map(|model| model["holders"].as_array().expect("a list"));
    holders.find(|holder| holder["node"] == node).expect("it is there").clone()
}

/// Whether the model is in the node's own memory.
fn is_resident(node: &Node) -> bool {
    get(node.address, "/_stats").json()["models"]["m:1b"]["resident"] == true
}

/// Nothing is left of a bench: no slot, no figure, no run, and in memory is what was.
fn assert_nothing_left(router: &Router, node: &Node, was_resident: bool) {
    let now = until("everything is as it was", || {
        let now = holder(router, "n");
        let is_tidy = now["model"]["busy"] == 0 && is_resident(node) == was_resident;
        is_tidy.then_some(now)
    });
    node.wait("idle=1");
    for figure in
        ["decode_per_s", "prefill_per_s", "load_disk_bytes_per_s", "load_cache_bytes_per_s", "same_drag"]
    {
        assert_eq!(now["speed"][figure], Value::Null, "{figure}: {now}");
    }
    assert_eq!(json(router, &["bench", "--list"])["runs"], Value::Array(Vec::new()));
    assert_eq!(post(router.address, "/api/chat", BRIEF).status, 200, "clients get its slot");
}

#[test]
fn what_a_bench_measures_decides_where_requests_go_and_survives_any_end() {
    let scratch = Scratch::new("bench-kept");
    let hare = Node::start("hare", &["--slots", "2", "--model", HARE]);
    let tortoise = Node::start("tortoise", &["--model", TORTOISE]);
    let nodes = [hare.spec(2), tortoise.spec(1)];
    let start = || Router::start(&nodes, &["--state-dir", scratch.text()]).knows("m:1b");
    let router = start();
    until("both are in memory", || {
        ["hare", "tortoise"]
            .iter()
            .all(|node| holder(&router, node)["model"]["state"] == "resident")
            .then_some(())
    });
    let views = json(&router, &["bench", "--quick", "--node", "hare"]);
    let view = &views[0];
    assert_eq!((&view["state"], &view["problem"]), (&"done".into(), &Value::Null), "{view}");
    let route = &view["routes"][0];
    assert_eq!(
        (&route["before"]["node"], &route["after"]["node"]),
        (&"tortoise".into(), &"hare".into()),
        "{view}"
    );
    let measured = |quantity: &str, streams: u64| {
        let figures = view["figures"].as_array().expect("a list");
        let is_it = |it: &&Value| it["quantity"] == quantity && it["streams"] == streams;
        let figure = figures.iter().find(is_it).unwrap_or_else(|| panic!("{quantity} is missing: {view}"));
        figure["measured"].as_f64().expect("a number")
    };
    // A busy machine that runs the tests makes everything slower, and nothing faster.
    assert!((2_500.0..8_000.0).contains(&measured("prefill", 0)), "{view}");
    assert!((120.0..280.0).contains(&measured("decode", 1)), "{view}");
    assert!((100.0..280.0).contains(&measured("decode", 2)), "{view}");
    let known = holder(&router, "hare")["speed"].clone();
    let of = |figure: &str| known[figure]["value"].as_f64().expect("it was learned");
    assert!((of("decode_per_s") / measured("decode", 1) - 1.0).abs() < 1e-3, "{known}");
    assert!((of("prefill_per_s") / measured("prefill", 0) - 1.0).abs() < 1e-3, "{known}");
    assert_eq!(json(&router, &["try", "m:1b", "hi"])["node"], "hare");
    let page = told(&router, &["nodes", "show", "hare"]);
    assert!(page.contains("LEARNED") && page.contains("m:1b"), "{page}");
    let before = json(&router, &["bench", "--list"]);
    assert_eq!(before["runs"].as_array().map(Vec::len), Some(1), "{before}");

    // What answers teach meanwhile is of no concern here: it is compared with what was there last.
    let figures = |router: &Router| {
        let speed = holder(router, "hare")["speed"].clone();
        ["decode_per_s", "prefill_per_s", "same_drag"].map(|it| {
            let figure = &speed[it];
            (figure["value"].as_f64(), figure["samples"].as_u64())
        })
    };
    let last = figures(&router);
    signal("TERM", router.id());
    assert_eq!(router.ended(), Some(0));
    let router = start();
    assert_eq!(figures(&router), last);
    assert_eq!(json(&router, &["try", "m:1b", "hi"])["node"], "hare", "the first decision knows it");
    assert_eq!(json(&router, &["bench", "--list"])["runs"][0]["run"], before["runs"][0]["run"]);
    // What is told done is done after a kill a moment later.
    json(&router, &["bench", "--quick", "--node", "hare"]);
    let last = figures(&router);
    router.kill();
    let router = start();
    assert_eq!(figures(&router), last);

    let forgot = told(&router, &["learned", "reset", "--node", "hare", "--model", "m:1b"]);
    assert_eq!(forgot, "forgot 1 speed of m:1b on hare\n");
    router.kill();
    let router = start();
    assert_eq!(figures(&router)[0], (None, None), "forgotten for good");
    let all = refused(&router, &["learned", "reset"]);
    assert!(all.contains("nobody is there to be asked") && all.contains("next:  say it with --yes"), "{all}");
    told(&router, &["learned", "reset", "--yes"]);
}

#[test]
fn a_model_that_was_not_in_memory_is_loaded_measured_and_let_go_of() {
    let node = Node::start(
        "n",
        &["--model", "m:1b,bytes=2GB,first_token=1ms,prefill=6000,token=2ms,tokens=128,load=300ms"],
    );
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    let page = told(&router, &["bench", "--node", "n", "--model", "m:1b"]);
    for told in [
        "m:1b on n, measured in",
        "loads from file cache",
        "reads prompts",
        "writes alone",
        "a typical request",
    ] {
        assert!(page.contains(told), "{told:?} is not in\n{page}");
    }
    let stats = get(node.address, "/_stats").json();
    let model = &stats["models"]["m:1b"];
    assert_eq!((&model["loads"], &model["resident"]), (&2.into(), &false.into()), "{model}");
    let known = holder(&router, "n");
    let rate = known["speed"]["load_cache_bytes_per_s"]["value"].as_f64().expect("it was learned");
    assert!((2e9..7e9).contains(&rate), "2 GB in 300 ms: {rate}");
    // None of it counts as somebody's request.
    assert_eq!(json(&router, &["status"])["requests"]["served"], 0);
}

#[test]
fn a_bench_that_is_killed_leaves_nothing_behind() {
    let node = Node::start("n", &["--model", LONG]);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    let command = begun(&router, "n", &[]);
    node.wait("running=1");
    // By then nobody else gets a slot.
    assert_eq!(holder(&router, "n")["model"]["busy"], 1);
    signal("KILL", command.id());
    command.ended();
    assert_nothing_left(&router, &node, false);
}

#[test]
fn a_bench_that_is_interrupted_puts_back_what_was_in_memory() {
    let node = Node::start("n", &["--model", "m:1b,resident,first_token=1ms,token=5ms,tokens=8,load=1s"]);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    until("it is in memory", || (holder(&router, "n")["model"]["state"] == "resident").then_some(()));
    let command = begun(&router, "n", &[]);
    until("the bench let go of it", || (!is_resident(&node)).then_some(()));
    signal("INT", command.id());
    assert_eq!(command.ended(), Some(1));
    assert_nothing_left(&router, &node, true);
}

#[test]
fn a_router_that_ends_takes_its_bench_with_it() {
    for name in ["TERM", "KILL"] {
        let scratch = Scratch::new(&format!("bench-{name}"));
        let node = Node::start("n", &["--model", LONG]);
        let start = || Router::start(&[node.spec(1)], &["--state-dir", scratch.text()]).knows("m:1b");
        let router = start();
        let command = begun(&router, "n", &[]);
        node.wait("running=1");
        signal(name, router.id());
        router.ended();
        assert_eq!(command.ended(), Some(1), "{name}");
        // Whom nobody can tell any more the server lets go of by itself, half a minute after the last question.
        let router = start();
        assert_nothing_left(&router, &node, name == "KILL");
    }
}

#[test]
fn a_busy_machine_is_not_disturbed_and_clients_come_first() {
    let node = Node::start("n", &["--model", "m:1b,resident,first_token=1ms,token=50ms,tokens=64"]);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    until("it is in memory", || (holder(&router, "n")["model"]["state"] == "resident").then_some(()));
    node.script(r#"[{"silent":{}}]"#);
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    node.wait("running=1");
    let why = refused(&router, &["bench", "--node", "n"]);
    assert!(
        why.contains("error: n would be disturbed\ncause: a request of clients runs there\n")
            && why.contains("next:  try again later, or measure all the same with --force"),
        "{why}"
    );
    drop(client);
    node.wait("idle=1");
    until("its slot is free", || (holder(&router, "n")["model"]["busy"] == 0).then_some(()));
    // Nobody is there when it begins, and then somebody comes.
    let bench = begun(&router, "n", &["--quick"]);
    node.wait("running=1");
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200, "it waits for the bench to give way");
    assert_eq!(bench.ended(), Some(1));
    let unknown = refused(&router, &["bench", "--node", "nobody"]);
    assert!(unknown.contains("error: no machine \"nobody\" has a model"), "{unknown}");
}
