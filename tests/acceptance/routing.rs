//! Which node gets a request, and what the answer says of it.

use crate::support::{Client, Node, Router, post};

const HOT: &[&str] =
    &["--slots", "2", "--model", "m:1b,resident,bytes=3GB,first_token=1ms,token=1ms,tokens=3"];
const COLD: &[&str] =
    &["--slots", "2", "--model", "m:1b,load=10ms,bytes=3GB,first_token=1ms,token=1ms,tokens=3"];
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;

#[test]
fn requests_go_to_the_hot_node_until_it_is_full_and_the_reason_is_said_in_words() {
    let (hot, cold) = (Node::start("hot", HOT), Node::start("cold", COLD));
    let router = Router::start(&[cold.spec(2), hot.spec(2)], &[]).knows("m:1b");
    // Two requests that hold their slots until they are told otherwise.
    hot.script(r#"[{"silent":{}},{"silent":{}}]"#);
    let mut held: Vec<Client> = (1..=2)
        .map(|count| {
            let mut client = Client::connect(router.address);
            client.send("POST", "/api/chat", &[], ASK.as_bytes());
            hot.wait(&format!("running={count}"));
            client
        })
        .collect();
    assert_eq!(cold.asked(), 0, "nobody goes to the cold node while the hot one has a slot");

    let third = post(router.address, "/api/chat", ASK);
    assert_eq!((third.status, third.header("x-herdwick-node")), (200, "cold"));
    // It was loaded there first, and the reason is that of the moment at which it went.
    let why = third.header("x-herdwick-why");
    assert!(why.starts_with("cold (model resident)") && why.contains("ahead of hot"), "{why}");

    held.clear();
    hot.wait("idle=1");
    let fourth = crate::support::until("the hot node is taken again", || {
        let reply = post(router.address, "/api/chat", ASK);
        (reply.header("x-herdwick-node") == "hot").then_some(reply)
    });
    let why = fourth.header("x-herdwick-why");
    assert!(why.starts_with("hot (model resident)"), "{why}");
}

#[test]
fn a_hot_node_wins_by_the_load_that_it_saves() {
    let (hot, cold) = (Node::start("hot", HOT), Node::start("cold", COLD));
    let router = Router::start(&[cold.spec(2), hot.spec(2)], &[]).knows("m:1b");
    let reply = post(router.address, "/api/chat", ASK);
    assert_eq!(reply.header("x-herdwick-node"), "hot");
    // 3 GB at 1.5 GB/s are 2 s, twice since a hot copy exists.
    assert_eq!(
        reply.header("x-herdwick-why"),
        "hot (model resident) is 4.0 s ahead of cold (model on disk): model-residency 0 ms against 4.0 s"
    );
    assert_eq!((reply.header("x-herdwick-model"), reply.header("x-herdwick-attempts")), ("m:1b", "1"));
    assert_eq!(reply.header("x-request-id").len(), 36);
}

#[test]
fn a_component_with_the_opposite_sign_turns_the_choice_round() {
    let file = std::env::temp_dir().join(format!("inverted-{}.wasm", std::process::id()));
    let component = guests::inverted_reload().component().expect("the guest assembles");
    std::fs::write(&file, component).expect("a file can be written");
    // A model twice as large is slower, and the component takes for an advantage that to load it takes longer. Both are in
    // memory: a free slot there no component can turn down for a load, that is for dispatch to say.
    let hot = |bytes| format!("m:1b,resident,bytes={bytes},first_token=1ms,token=1ms,tokens=3");
    let small = Node::start("small", &["--model", &hot("3GB")]);
    let large = Node::start("large", &["--model", &hot("6GB")]);
    let nodes = [small.spec(1), large.spec(1)];
    // Of a short answer, which speed decides by less than the component does.
    let ask = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}],"options":{"num_predict":1}}"#;
    let plainly = Router::start(&nodes, &[]).knows("m:1b");
    assert_eq!(post(plainly.address, "/api/chat", ask).header("x-herdwick-node"), "small");
    drop(plainly);
    let plugin = ["--plugin", file.to_str().expect("a path of letters")];
    let router = Router::start(&nodes, &plugin).knows("m:1b");
    let reply = post(router.address, "/api/chat", ask);
    std::fs::remove_file(&file).expect("our own file");
    assert_eq!(reply.header("x-herdwick-node"), "large", "{}", reply.header("x-herdwick-why"));
}

#[test]
fn a_node_that_just_loaded_counts_as_hot_before_any_poll() {
    let nodes: Vec<_> = ["one", "two"].map(|name| Node::start(name, COLD)).into();
    let specs: Vec<_> = nodes.iter().map(|node| node.spec(2)).collect();
    let router = Router::start(&specs, &[]).knows("m:1b");
    let first = post(router.address, "/api/chat", ASK);
    for _ in 0..5 {
        let next = post(router.address, "/api/chat", ASK);
        assert_eq!(next.header("x-herdwick-node"), first.header("x-herdwick-node"));
    }
    let loads: usize = nodes.iter().filter(|node| node.asked() > 0).count();
    assert_eq!(loads, 1, "one node loaded, the other was never asked");
}

#[test]
fn what_waits_for_a_slot_is_served_in_order() {
    let node = Node::start("only", &["--slots", "1", "--model", "m:1b,resident,first_token=1ms,tokens=2"]);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    node.script(r#"[{"silent":{"ms":300}}]"#);
    let mut clients = Vec::new();
    for place in 0..4 {
        let mut client = Client::connect(router.address);
        let ask = format!(r#"{{"model":"m:1b","prompt":"{}","stream":false}}"#, "x".repeat(100 + place));
        client.send("POST", "/api/generate", &[], ask.as_bytes());
        // The first has its slot before the second comes; after that their order is their arrival.
        if place == 0 {
            node.wait("running=1");
        }
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.reply().status, 200);
    }
    let log = node.log();
    let entries = log.as_array().expect("a list").iter().filter(|entry| entry["path"] == "/api/generate");
    let lengths: Vec<_> = entries.map(|entry| entry["body_length"].as_u64().expect("a length")).collect();
    assert!(lengths.is_sorted() && lengths.len() == 4, "{lengths:?}");
    let stats = crate::support::get(node.address, "/_stats").text();
    assert!(stats.contains("\"peak_running\":1"), "never more than its slot: {stats}");
}

#[test]
fn every_spelling_of_a_name_finds_the_model_and_is_echoed_as_written() {
    let node = Node::start("only", &["--model", "Qwen3:8B,resident,first_token=1ms,token=1ms,tokens=2"]);
    let router = Router::start(&[node.spec(1)], &[]).knows("Qwen3:8B");
    for written in ["qwen3:8b", "QWEN3:8B", "library/qwen3:8b"] {
        let ask = format!(r#"{{"model":"{written}","prompt":"hi","stream":false}}"#);
        let reply = post(router.address, "/api/generate", &ask);
        assert_eq!(reply.status, 200, "{written}: {}", reply.text());
        assert!(reply.text().contains(&format!("\"model\":\"{written}\"")), "{}", reply.text());
    }
}
