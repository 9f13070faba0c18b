//! The `/v1` routes and embeddings.

use serde_json::{Value, json};

use crate::client::{Client, chat, get, post, quick_node};

pub(crate) fn events(body: &str) -> Vec<Value> {
    let lines = body.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter(|line| *line != "[DONE]").map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn openai_chat_streams_events_and_is_done() {
    let node = quick_node();
    let mut body = chat("M");
    body["stream"] = json!(true);
    let mut client = Client::post(&node, "/v1/chat/completions", &body);
    assert!(client.head().contains("Content-Type: text/event-stream\r\n"));
    let chunks: Vec<String> = std::iter::from_fn(|| client.chunk()).collect();
    assert_eq!(chunks.len(), 6, "four tokens, the finish, the end");
    assert!(chunks.iter().all(|chunk| chunk.starts_with("data: ") && chunk.ends_with("\n\n")));
    assert_eq!(chunks[5], "data: [DONE]\n\n");
    let events = events(&chunks.concat());
    assert_eq!((&events[0]["object"], &events[0]["model"]), (&json!("chat.completion.chunk"), &json!("M")));
    assert_eq!(events[0]["choices"][0]["finish_reason"], Value::Null);
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(events[1]["choices"][0]["delta"].get("role"), None, "only the first chunk has a role");
    assert_eq!(events[4]["choices"][0]["delta"], json!({}));
    assert!(events.iter().all(|e| (&e["id"], &e["created"]) == (&events[0]["id"], &events[0]["created"])));
    assert_eq!(events[4]["choices"][0]["finish_reason"], "stop");
    assert!(events[4].get("usage").is_none());

    body["stream_options"] = json!({"include_usage": true});
    body["max_tokens"] = json!(2);
    let reply = post(&node, "/v1/chat/completions", &body);
    let with_usage = crate::foreign::events(&reply.body);
    assert_eq!(with_usage.len(), 4);
    assert_eq!(with_usage[2]["choices"][0]["finish_reason"], "length");
    assert_eq!(with_usage[3]["choices"], json!([]));
    assert_eq!(
        with_usage[3]["usage"],
        json!({"prompt_tokens": 6, "completion_tokens": 2, "total_tokens": 8})
    );
}

#[test]
fn openai_answers_whole_by_default() {
    let node = quick_node();
    let answer = post(&node, "/v1/chat/completions", &chat("m")).json();
    assert_eq!(
        (&answer["object"], &answer["choices"][0]["finish_reason"]),
        (&json!("chat.completion"), &json!("stop"))
    );
    assert!(answer["choices"][0]["message"]["content"].is_string());
    assert_eq!(answer["usage"]["completion_tokens"], 4);

    let completion = post(&node, "/v1/completions", &json!({"model": "m", "prompt": "Hi"})).json();
    assert_eq!(completion["object"], "text_completion");
    assert!(completion["choices"][0]["text"].is_string());
    let streamed = post(&node, "/v1/completions", &json!({"model": "m", "prompt": "Hi", "stream": true}));
    assert!(streamed.body.ends_with("data: [DONE]\n\n"));
}

#[test]
fn anthropic_streams_named_events() {
    let node = quick_node();
    let mut body = chat("m");
    body["max_tokens"] = json!(3);
    let whole = post(&node, "/v1/messages", &body).json();
    assert_eq!((&whole["type"], &whole["stop_reason"]), (&json!("message"), &json!("max_tokens")));
    assert_eq!(whole["content"][0]["type"], "text");
    body["stream"] = json!(true);
    let reply = post(&node, "/v1/messages", &body);
    let names: Vec<&str> = reply.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let delta = "content_block_delta";
    let expected = [
        "message_start",
        "content_block_start",
        delta,
        delta,
        delta,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(names, expected);
    let types: Vec<Value> = events(&reply.body).iter().map(|event| event["type"].clone()).collect();
    assert_eq!(types, expected);
    let text: String = events(&reply.body).iter().filter_map(|e| e["delta"]["text"].as_str()).collect();
    assert_eq!(whole["content"][0]["text"], text);
}

#[test]
fn models_are_listed_for_openai_clients() {
    let node = quick_node();
    let list = get(&node, "GET", "/v1/models").json();
    assert_eq!((&list["object"], &list["data"][0]["id"]), (&json!("list"), &json!("m:latest")));
    assert_eq!(get(&node, "GET", "/v1/models/m%3Alatest").json(), list["data"][0]);
    assert_eq!(get(&node, "GET", "/v1/models/M").json()["id"], "M", "as the client spelt it");
    assert_eq!(get(&node, "GET", "/v1/models/x").status, 404);
    assert_eq!(get(&node, "GET", "/v1/models/hf.co%2Fa%2Fb").body, "404 page not found");
}

#[test]
fn embeddings_in_three_shapes() {
    let node = quick_node();
    let native = post(&node, "/api/embed", &json!({"model": "m", "input": ["a", "b"]})).json();
    assert_eq!(native["embeddings"].as_array().map(Vec::len), Some(2));
    assert_ne!(native["embeddings"][0], native["embeddings"][1]);
    assert!((length(&native["embeddings"][0]) - 1.0).abs() < 1e-6);
    let old = post(&node, "/api/embeddings", &json!({"model": "m", "prompt": "a"})).json();
    assert!(length(&old["embedding"]) > 1.5, "the old route does not normalise");
    let openai = post(&node, "/v1/embeddings", &json!({"model": "m", "input": "a"})).json();
    assert_eq!(openai["data"][0]["embedding"], native["embeddings"][0]);
    assert_eq!(openai["usage"], json!({"prompt_tokens": 1, "total_tokens": 1}));
    let nothing = post(&node, "/api/embed", &json!({"model": "m"})).json();
    assert_eq!(nothing["embeddings"], json!([]));
    let empty = post(&node, "/v1/embeddings", &json!({"model": "m", "input": ""})).json();
    assert_eq!(empty["data"].as_array().map(Vec::len), Some(1));
}

fn length(vector: &Value) -> f64 {
    let numbers = vector.as_array().expect("numbers").iter().filter_map(Value::as_f64);
    numbers.map(|number| number * number).sum::<f64>().sqrt()
}

#[test]
fn embeddings_are_shortened_and_coded() {
    let node = quick_node();
    let short = json!({"model": "m", "input": "a", "dimensions": 3});
    let embedding = &post(&node, "/api/embed", &short).json()["embeddings"][0];
    assert_eq!(embedding.as_array().map(Vec::len), Some(3));
    assert!((length(embedding) - 1.0).abs() < 1e-6);
    let coded = json!({"model": "m", "input": "a", "dimensions": 3, "encoding_format": "BASE64"});
    let coded = post(&node, "/v1/embeddings", &coded).json();
    let text = coded["data"][0]["embedding"].as_str().expect("base64");
    assert_eq!((text.len(), text.ends_with('=')), (16, false), "three floats are twelve bytes");
    let wrong = post(&node, "/v1/embeddings", &json!({"model": "m", "input": "a", "encoding_format": "hex"}));
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("Invalid value for 'encoding_format' = hex."), "{}", wrong.body);
    let numbers = post(&node, "/v1/embeddings", &json!({"model": "m", "input": [1, 2]}));
    assert!(numbers.body.contains("invalid input type"), "{}", numbers.body);
}

#[test]
fn an_embedding_crash_is_a_400_on_embed_only() {
    let node = quick_node();
    let crash = || fakenode::Verb::Errline { after: 0, msg: None };
    node.script([crash(), crash()]);
    let embed = post(&node, "/api/embed", &json!({"model": "m", "input": "a"}));
    assert_eq!(embed.status, 400);
    assert!(embed.body.contains("do embedding request: "), "{}", embed.body);
    assert_eq!(post(&node, "/api/embeddings", &json!({"model": "m", "prompt": "a"})).status, 500);
}
