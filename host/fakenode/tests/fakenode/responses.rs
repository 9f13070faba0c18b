//! `/v1/responses`: whole answers, and every event of its streams.

use fakenode::{FakeNode, NodeSpec, Verb};
use serde_json::{Value, json};

use crate::client::{Client, End, node, post, quick, quick_node};
use crate::foreign::events;

const PATH: &str = "/v1/responses";

fn ask(more: &[(&str, Value)]) -> Value {
    let mut body = json!({ "model": "m", "input": "How are the sheep today?" });
    for (key, value) in more {
        body[*key] = value.clone();
    }
    body
}

fn streamed(node: &FakeNode, more: &[(&str, Value)]) -> (Vec<String>, Vec<Value>) {
    let mut body = ask(more);
    body["stream"] = json!(true);
    let reply = post(node, PATH, &body);
    assert!(reply.head.contains("Content-Type: text/event-stream\r\n"), "{}", reply.head);
    let names =
        reply.body.lines().filter_map(|line| line.strip_prefix("event: ").map(str::to_owned)).collect();
    (names, events(&reply.body))
}

#[test]
fn a_whole_answer_repeats_the_request() {
    let node = quick_node();
    let answer =
        post(&node, PATH, &ask(&[("instructions", json!("Be kind.")), ("max_output_tokens", json!(2))]))
            .json();
    assert_eq!((&answer["object"], &answer["status"]), (&json!("response"), &json!("completed")));
    assert_eq!((&answer["instructions"], &answer["max_output_tokens"]), (&json!("Be kind."), &json!(2)));
    let item = &answer["output"][0];
    assert_eq!((&item["type"], &item["role"]), (&json!("message"), &json!("assistant")));
    assert!(item["content"][0]["text"].as_str().is_some_and(|text| !text.is_empty()));
    assert_eq!((&answer["usage"]["input_tokens"], &answer["usage"]["output_tokens"]), (&json!(8), &json!(2)));
    assert_eq!(answer["usage"]["total_tokens"], 10);
}

#[test]
fn a_stream_is_numbered_and_completed() {
    let node = quick_node();
    let (names, events) = streamed(&node, &[]);
    let delta = "response.output_text.delta";
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        delta,
        delta,
        delta,
        delta,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(names, expected);
    for (number, (event, name)) in events.iter().zip(expected).enumerate() {
        assert_eq!((&event["sequence_number"], &event["type"]), (&json!(number), &json!(name)));
    }
    let last = &events[11]["response"];
    assert_eq!((&last["id"], &events[0]["response"]["id"]), (&events[1]["response"]["id"], &last["id"]));
    let text: String = events.iter().filter_map(|e| e["delta"].as_str()).collect();
    assert_eq!(last["output"][0]["content"][0]["text"], text);
    assert_eq!(post(&node, PATH, &ask(&[])).json()["output"][0]["content"][0]["text"], text);
    assert_eq!(last["usage"]["total_tokens"], 10);
}

#[test]
fn thoughts_and_calls_are_items() {
    let node = node(NodeSpec::new("test").model(quick().capabilities(["completion", "tools", "thinking"])));
    let tools = json!([{ "type": "function", "name": "count_sheep", "parameters": {
        "type": "object", "properties": { "field": { "type": "string" } }, "required": ["field"],
    } }]);
    let more = [("tools", tools), ("input", json!([{ "role": "user", "content": "Use count_sheep." }]))];
    let whole = post(&node, PATH, &ask(&more)).json();
    let types = |response: &Value| -> Vec<Value> {
        response["output"].as_array().expect("items").iter().map(|item| item["type"].clone()).collect()
    };
    assert_eq!(types(&whole), ["reasoning", "function_call"]);
    let call = &whole["output"][1];
    let arguments: Value = serde_json::from_str(call["arguments"].as_str().expect("text")).expect("JSON");
    assert!(
        arguments["field"].is_string() && call["call_id"].as_str().is_some_and(|id| id.starts_with("call_"))
    );
    let (names, events) = streamed(&node, &more);
    for name in ["response.reasoning_summary_text.delta", "response.function_call_arguments.done"] {
        assert!(names.iter().any(|own| own == name), "{names:?}");
    }
    let completed = &events.last().expect("an event")["response"];
    assert_eq!(types(completed), types(&whole));
    assert_eq!(completed["output"][1]["arguments"], call["arguments"]);
}

#[test]
fn an_empty_input_loads() {
    let node = quick_node();
    let loaded = post(&node, PATH, &ask(&[("input", json!(""))])).json();
    assert_eq!(loaded["output"][0]["content"][0]["text"], "");
    let (names, _) = streamed(&node, &[("input", json!([]))]);
    assert_eq!(names, ["response.created", "response.in_progress", "response.completed"]);
}

#[test]
fn verbs_bend_it_like_the_others() {
    let bent = |verb: Verb| {
        let node = quick_node();
        node.script([verb]);
        let mut client = Client::post(&node, PATH, &ask(&[("stream", json!(true))]));
        let (bytes, end) = (client.reply(), node);
        (bytes, end)
    };
    let whole = bent(Verb::Ok { n: None, load_ms: None, ttft_ms: None, itl_ms: None }).0.body;
    assert!(whole.contains("event: response.completed\n"));
    for verb in [Verb::Fin { after: 2, cut: false }, Verb::Errline { after: 2, msg: None }] {
        let (reply, _) = bent(verb);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body.matches("event: response.output_text.delta\n").count(), 2);
        assert!(
            !reply.body.contains("response.completed") && !reply.body.contains("\"error\":{"),
            "{}",
            reply.body
        );
    }
    assert_eq!(bent(Verb::Errline { after: 0, msg: None }).0.status, 500);
    assert_eq!(bent(Verb::Status { code: 503, body: json!("busy") }).0.json()["error"]["type"], "api_error");
    assert!(bent(Verb::Badjson { after: 1 }).0.body.ends_with("\"delta\":\n\n"));
    assert!(bent(Verb::Hugeline { mib: 1 }).0.body.len() > 1 << 20);
    assert_eq!(bent(Verb::Trickle { bps: 1_000_000 }).0.body.matches("event: ").count(), 12);
    let node = quick_node();
    node.script([Verb::Rst { after: 1 }]);
    let mut client = Client::post(&node, PATH, &ask(&[("stream", json!(true))]));
    assert_eq!(client.rest().1, End::Rst);
}
