//! What an answer is made of, on the APIs that can say it: tools, thoughts, JSON, pictures, options.

use fakenode::{FakeNode, NodeSpec};
use serde_json::{Value, json};

use crate::client::{chat, node, post, quick};
use crate::foreign::events;

/// A red dot: the smallest PNG that is one.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/// A model that can do everything.
fn able() -> FakeNode {
    let can = ["completion", "tools", "thinking", "vision", "insert"];
    node(NodeSpec::new("test").model(quick().capabilities(can)))
}

fn with(mut body: Value, more: &[(&str, Value)]) -> Value {
    for (key, value) in more {
        body[*key] = value.clone();
    }
    body
}

fn whole(path: &str, more: &[(&str, Value)]) -> Value {
    let body = with(with(chat("m"), &[("stream", json!(false)), ("max_tokens", json!(99))]), more);
    let reply = post(&able(), path, &body);
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

fn tools() -> (&'static str, Value) {
    let parameters =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let tool = json!({"type": "function", "function": {"name": "get_weather", "parameters": parameters}});
    ("tools", json!([tool]))
}

fn says(text: &str) -> (&'static str, Value) {
    ("messages", json!([{ "role": "user", "content": text }]))
}

#[test]
fn a_named_tool_is_called_natively() {
    let more = [tools(), says("Ask get_weather."), ("think", json!(false))];
    let answer = whole("/api/chat", &more);
    let call = &answer["message"]["tool_calls"][0];
    assert_eq!((&call["function"]["name"], &call["function"]["index"]), (&json!("get_weather"), &json!(0)));
    assert!(call["function"]["arguments"]["city"].is_string() && call["id"].is_string());
    assert_eq!((&answer["message"]["content"], &answer["done_reason"]), (&json!(""), &json!("stop")));
    let lines = post(&able(), "/api/chat", &with(chat("m"), &more)).lines();
    assert_eq!((lines.len(), &lines[0]["message"]["tool_calls"][0]), (2, call));
    let answered =
        json!([{ "role": "user", "content": "Ask get_weather." }, { "role": "tool", "content": "rain" }]);
    let after = whole("/api/chat", &[tools(), ("messages", answered)]);
    assert_eq!(after["message"].get("tool_calls"), None, "a result ends the calling");
}

#[test]
fn a_named_tool_is_called_in_foreign_tongues() {
    let more = [tools(), says("Ask get_weather."), ("reasoning_effort", json!("none"))];
    let choice = &whole("/v1/chat/completions", &more)["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let call = &choice["message"]["tool_calls"][0];
    assert!(call["function"]["arguments"].as_str().is_some_and(|text| text.starts_with("{\"city\":")));
    let streamed = with(with(chat("m"), &more), &[("stream", json!(true))]);
    let chunks = events(&post(&able(), "/v1/chat/completions", &streamed).body);
    assert_eq!(chunks.len(), 2);
    assert_eq!(chunks[0]["choices"][0]["delta"]["tool_calls"][0]["function"], call["function"]);
    assert_eq!(chunks[1]["choices"][0]["finish_reason"], "tool_calls");

    let schema = tools().1[0]["function"]["parameters"].clone();
    let tool = ("tools", json!([{ "name": "get_weather", "input_schema": schema }]));
    let thinking = ("thinking", json!({ "type": "disabled" }));
    let more = [tool, thinking, says("Ask get_weather.")];
    let message = whole("/v1/messages", &more);
    assert_eq!(
        (&message["stop_reason"], &message["content"][0]["type"]),
        (&json!("tool_use"), &json!("tool_use"))
    );
    let streamed = with(with(chat("m"), &more), &[("stream", json!(true)), ("max_tokens", json!(9))]);
    let all = events(&post(&able(), "/v1/messages", &streamed).body);
    let types: Vec<&str> = all.iter().filter_map(|event| event["type"].as_str()).collect();
    let block = ["content_block_start", "content_block_delta", "content_block_stop"];
    assert_eq!(types, [&["message_start"][..], &block, &["message_delta", "message_stop"]].concat());
    let json: Value =
        serde_json::from_str(all[2]["delta"]["partial_json"].as_str().expect("text")).expect("JSON");
    assert_eq!(json, message["content"][0]["input"]);
}

#[test]
fn thoughts_come_first_and_where_each_api_wants_them() {
    let native = &whole("/api/chat", &[])["message"];
    let thoughts = native["thinking"].as_str().expect("thoughts, because the model can");
    assert_eq!(whole("/api/chat", &[("think", json!(false))])["message"].get("thinking"), None);
    assert_eq!(whole("/v1/chat/completions", &[])["choices"][0]["message"]["reasoning"], thoughts);
    let blocks = &whole("/v1/messages", &[])["content"];
    assert_eq!((&blocks[0]["thinking"], &blocks[1]["text"]), (&json!(thoughts), &native["content"]));
    let budget = whole("/api/chat", &[("options", json!({ "num_predict": 3 }))]);
    assert_eq!((&budget["message"]["content"], &budget["done_reason"]), (&json!(""), &json!("length")));
    let lines = post(&able(), "/api/generate", &json!({ "model": "m", "prompt": "x" })).lines();
    assert!(lines[0]["thinking"].is_string() && lines[0]["response"] == "");
    let wrong = post(&able(), "/api/chat", &with(chat("m"), &[("think", json!("hard"))]));
    assert!(wrong.status == 400 && wrong.body.contains("invalid think value: "), "{}", wrong.body);
}

#[test]
fn json_is_said_when_asked_for() {
    let parse = |text: &Value| serde_json::from_str::<Value>(text.as_str().expect("text")).expect("JSON");
    let any = whole("/api/chat", &[("format", json!("json"))]);
    assert!(parse(&any["message"]["content"]).is_object());
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let fits = whole("/api/chat", &[("format", schema.clone())]);
    assert!(parse(&fits["message"]["content"])["n"].is_i64());
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let fits = whole("/v1/chat/completions", &[("response_format", format)]);
    assert!(parse(&fits["choices"][0]["message"]["content"])["n"].is_i64());
    let wrong = post(&able(), "/api/chat", &with(chat("m"), &[("format", json!("yaml"))]));
    assert!(wrong.status == 500 && wrong.body.contains("invalid format: "), "{}", wrong.body);
}

#[test]
fn pictures_are_seen_by_models_with_eyes() {
    let url = json!([{"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PNG}")}}]);
    let seen = |parts: Value| json!([{ "role": "user", "content": parts }]);
    let source = json!({"type": "base64", "media_type": "image/png", "data": PNG});
    let native = json!([{ "role": "user", "content": "", "images": [PNG] }]);
    let native = whole("/api/chat", &[("messages", native)])["message"]["content"].clone();
    let openai = whole("/v1/chat/completions", &[("messages", seen(url.clone()))]);
    assert_eq!(openai["choices"][0]["message"]["content"], native, "the same picture, the same words");
    assert_eq!(openai["usage"]["prompt_tokens"], 769);
    let anthropic =
        whole("/v1/messages", &[("messages", seen(json!([{"type": "image", "source": source}])))]);
    assert_eq!(anthropic["content"][1]["text"], native);
    let blind = node(NodeSpec::new("test").model(quick()));
    let refused = post(&blind, "/v1/chat/completions", &with(chat("m"), &[("messages", seen(url))]));
    assert!(
        refused.status == 500 && refused.body.contains("image input is not supported"),
        "{}",
        refused.body
    );
    let far = json!([{"type": "image_url", "image_url": "https://example.com/a.png"}]);
    let far = post(&blind, "/v1/chat/completions", &with(chat("m"), &[("messages", seen(far))]));
    assert!(far.status == 400 && far.body.contains("image URLs are not currently supported"), "{}", far.body);
    let torn = json!([{ "role": "user", "content": "", "images": ["?"] }]);
    let torn = post(&blind, "/api/chat", &with(chat("m"), &[("messages", torn)]));
    assert_eq!(torn.body, r#"{"error":"illegal base64 data at input byte 0"}"#);
}

#[test]
fn options_shape_the_answer() {
    let said = |options: Value| {
        let answer = whole("/api/chat", &[("think", json!(false)), ("options", options)]);
        (answer["message"]["content"].as_str().expect("text").to_owned(), answer["done_reason"].clone())
    };
    let (text, _) = said(json!({}));
    assert_ne!(said(json!({ "seed": 7 })).0, text);
    assert_eq!(said(json!({ "seed": 7 })), said(json!({ "seed": 7 })));
    let stop = &text[2..4];
    assert_eq!(said(json!({ "stop": [stop] })), (text[..2].to_owned(), json!("stop")));
    let logprobs = [("think", json!(false)), ("logprobs", json!(true)), ("top_logprobs", json!(2))];
    let native = &whole("/api/chat", &logprobs)["logprobs"];
    assert_eq!(
        (native.as_array().map(Vec::len), native[0]["top_logprobs"].as_array().map(Vec::len)),
        (Some(4), Some(2))
    );
    let effort = [("reasoning_effort", json!("none")), ("logprobs", json!(true)), ("top_logprobs", json!(2))];
    assert_eq!(&whole("/v1/chat/completions", &effort)["choices"][0]["logprobs"]["content"], native);
    let wrong = post(&able(), "/api/chat", &with(chat("m"), &[("top_logprobs", json!(21))]));
    assert!(wrong.body.contains("top_logprobs must be between 0 and 20"), "{}", wrong.body);
}
