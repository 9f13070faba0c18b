//! `/api/chat`, `/api/generate` and the describing routes, in Ollama's exact shapes.

use std::time::Duration;

use fakenode::{ModelSpec, NodeSpec, Verb};
use serde_json::{Value, json};

use crate::client::{Client, chat, get, node, post, quick, quick_node};

#[test]
fn a_chat_streams_one_line_per_chunk_and_ends_with_figures() {
    let node = quick_node();
    let mut client = Client::post(&node, "/api/chat", &chat("M"));
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nDate: "), "{head}");
    assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
    let chunks: Vec<String> = std::iter::from_fn(|| client.chunk()).collect();
    assert_eq!(chunks.len(), 5, "four tokens and the final frame, each a chunk of its own");
    assert!(chunks.iter().all(|chunk| chunk.ends_with('\n') && chunk.matches('\n').count() == 1));
    let frames: Vec<Value> = chunks.iter().map(|c| serde_json::from_str(c).expect("JSON")).collect();
    for frame in &frames[..4] {
        assert_eq!((&frame["model"], &frame["done"]), (&json!("M"), &json!(false)), "the client's spelling");
        assert_eq!(frame["message"]["role"], "assistant");
        assert!(frame.get("done_reason").is_none());
    }
    assert!(chunks[1].contains(r#""content":" "#), "later tokens carry their space: {}", chunks[1]);
    assert!(is_rfc3339_with_nanoseconds(frames[0]["created_at"].as_str().expect("a time")));
    assert_eq!(frames[4]["message"]["content"], "");
    assert_eq!((&frames[4]["done"], &frames[4]["done_reason"]), (&json!(true), &json!("stop")));
}

#[test]
fn the_figures_are_nanoseconds_of_what_was_simulated() {
    let ms = Duration::from_millis;
    let model = ModelSpec::new("m").load(ms(30)).first_token(ms(20)).token(ms(5)).tokens(5);
    let node = node(NodeSpec::new("test").model(model));
    let lines = post(&node, "/api/chat", &chat("m")).lines();
    let last = lines.last().expect("a final frame");
    let figure = |name: &str| last[name].as_u64().unwrap_or_else(|| panic!("{name} in {last}"));
    assert!(figure("load_duration") >= 30_000_000, "{last}");
    assert!(figure("prompt_eval_duration") >= 20_000_000, "{last}");
    assert!(figure("eval_duration") >= 20_000_000, "four gaps of 5 ms: {last}");
    let parts = figure("load_duration") + figure("prompt_eval_duration") + figure("eval_duration");
    assert!(figure("total_duration") >= parts, "{last}");
    assert_eq!(figure("eval_count"), 5);
    assert_eq!(figure("prompt_eval_count"), "How are the sheep today?".len() as u64 / 4);
    let noted = &node.log()[0];
    assert!(noted.first_byte_ms.expect("it was answered") - noted.arrived_ms >= 49, "{noted:?}");
}

#[test]
fn num_predict_cuts_with_length_and_never_prolongs() {
    let node = quick_node();
    let ask = |limit: i64| {
        let body = json!({"model": "m", "prompt": "Hi", "stream": false, "options": {"num_predict": limit}});
        let answer = post(&node, "/api/generate", &body).json();
        (answer["eval_count"].as_u64(), answer["done_reason"].clone())
    };
    assert_eq!(ask(2), (Some(2), json!("length")));
    assert_eq!(ask(4), (Some(4), json!("stop")));
    assert_eq!(ask(9), (Some(4), json!("stop")));
    assert_eq!(ask(-1), (Some(4), json!("stop")));
}

#[test]
fn what_is_not_streamed_is_the_stream_in_one_piece() {
    let node = quick_node();
    let streamed = post(&node, "/api/generate", &json!({"model": "m", "prompt": "Hi"})).lines();
    let text: String = streamed.iter().filter_map(|frame| frame["response"].as_str()).collect();
    let whole = post(&node, "/api/generate", &json!({"model": "m", "prompt": "Hi", "stream": false}));
    assert!(whole.head.contains("Content-Type: application/json; charset=utf-8\r\n"), "{}", whole.head);
    assert_eq!(whole.json()["response"], text);
    assert_eq!(whole.json()["done"], true);
    assert!(whole.json()["context"].is_array());
}

#[test]
fn the_same_seed_says_the_same_on_every_node() {
    let text = |seed: u64| {
        let node = node(NodeSpec::new("any").seed(seed).model(quick().tokens(30)));
        post(
            &node,
            "/api/generate",
            &json!({"model": "m", "prompt": "Hi", "stream": false}),
        )
        .json()["response"]
            .clone()
    };
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn an_empty_question_loads_and_keep_alive_zero_unloads() {
    let node = node(NodeSpec::new("test").model(quick().resident(false)));
    let resident = || get(&node, "GET", "/api/ps").json()["models"].as_array().map(Vec::len);
    let check = |path: &str, body: Value, reason: &str| {
        let answer = post(&node, path, &body).json();
        assert_eq!((&answer["done"], &answer["done_reason"]), (&json!(true), &json!(reason)), "{answer}");
        assert!(answer.get("total_duration").is_none(), "{answer}");
    };
    assert_eq!(resident(), Some(0));
    check("/api/chat", json!({"model": "m", "messages": []}), "load");
    assert_eq!(resident(), Some(1));
    check("/api/generate", json!({"model": "m", "keep_alive": 0}), "unload");
    assert_eq!(resident(), Some(0));
    check("/api/generate", json!({"model": "m", "keep_alive": -1}), "load");
    let ps = get(&node, "GET", "/api/ps").json();
    assert!(ps["models"][0]["expires_at"].as_str().is_some_and(|time| time.starts_with("23")), "{ps}");
    check("/api/chat", json!({"model": "m", "messages": [], "keep_alive": "0"}), "unload");
    assert_eq!(node.stats().models["m:latest"].loads, 2);
}

#[test]
fn keep_alive_zero_on_a_question_unloads_after_it() {
    let node = quick_node();
    let mut body = chat("m");
    body["keep_alive"] = json!(0);
    assert_eq!(post(&node, "/api/chat", &body).status, 200);
    node.wait(fakenode::Condition::Idle).expect("idle");
    assert!(!node.stats().models["m:latest"].resident);
}

#[test]
fn tags_ps_show_and_version_have_their_fields() {
    let model = quick().bytes(123).family("qwen3").parameter_size("8B").quantization("Q8_0").context(8192);
    let node = node(NodeSpec::new("test").version("0.13.0").model(model).model(ModelSpec::new("cold:7b")));
    let alive = get(&node, "GET", "/");
    assert_eq!((alive.status, alive.body.as_str()), (200, "Ollama is running"));
    assert!(alive.head.contains("text/plain"), "{}", alive.head);
    assert_eq!(get(&node, "GET", "/api/version").json(), json!({"version": "0.13.0"}));

    let tags = get(&node, "GET", "/api/tags").json();
    assert_eq!(
        (&tags["models"][0]["name"], &tags["models"][1]["model"]),
        (&json!("m:latest"), &json!("cold:7b"))
    );
    let details = json!({
        "parent_model": "", "format": "gguf", "family": "qwen3", "families": ["qwen3"],
        "parameter_size": "8B", "quantization_level": "Q8_0",
    });
    assert_eq!((&tags["models"][0]["details"], &tags["models"][0]["size"]), (&details, &json!(123)));
    let digest_of_the_name = "7d68855b94ba284c865d5ca5422d298527157c6f526a800f38c8a0d25dcb73ee";
    assert_eq!(tags["models"][0]["digest"], digest_of_the_name);
    assert!(tags["models"][0]["modified_at"].is_string());

    let ps = get(&node, "GET", "/api/ps").json();
    assert_eq!(ps["models"].as_array().map(Vec::len), Some(1), "only the resident one");
    assert_eq!(
        (&ps["models"][0]["size_vram"], &ps["models"][0]["context_length"]),
        (&json!(123), &json!(8192))
    );
    assert_eq!(ps["models"][0]["digest"], tags["models"][0]["digest"]);

    for key in ["model", "name"] {
        let show = post(&node, "/api/show", &json!({key: "M"})).json();
        assert_eq!(show["capabilities"], json!(["completion", "tools"]));
        assert_eq!(show["model_info"]["qwen3.context_length"], 8192);
    }
}

#[test]
fn a_verb_can_give_one_answer_other_figures() {
    let node = quick_node();
    node.script([Verb::Ok { n: Some(7), load_ms: None, ttft_ms: Some(15), itl_ms: Some(1) }]);
    let first = post(&node, "/api/chat", &chat("m")).lines();
    assert_eq!(first.last().expect("the end")["eval_count"], 7);
    assert!(first.last().expect("the end")["prompt_eval_duration"].as_u64() >= Some(15_000_000));
    assert_eq!(post(&node, "/api/chat", &chat("m")).lines().len(), 5, "the next one is normal again");
}

fn is_rfc3339_with_nanoseconds(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000000000Z"
}
