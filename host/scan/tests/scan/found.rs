//! What is found in bodies as clients of all dialects send them.

use std::time::Duration;

use herdwick_scan::{Body, KeepAlive, Presence, scan};

fn check<T: PartialEq + std::fmt::Debug>(body: &str, read: impl Fn(&Body<'_>) -> T, expected: T) {
    match scan(body.as_bytes()) {
        Ok(found) => assert_eq!(read(&found), expected, "{body}"),
        Err(flaw) => panic!("{body}: {flaw}"),
    }
}

#[test]
fn the_model_is_found_wherever_and_however_it_is_written() {
    let check = |body: &str, model: Option<&str>| {
        check(body, |found| found.model.map(|model| model.read().into_owned()), model.map(str::to_owned));
    };
    check(r#"{"model":"qwen3:8b"}"#, Some("qwen3:8b"));
    check(r#" { "messages" : [ { "model" : "inner" } ] , "model" : "Qwen3:8B" } "#, Some("Qwen3:8B"));
    check(r#"{"options":{"model":"inner"},"model":"\u0061\n\ud83d\ude00é"}"#, Some("a\n😀é"));
    check(r#"{"model":""}"#, Some(""));
    check(r#"{"model":null}"#, None);
    check("{}", None);
    check("\t{\r\n}", None);
}

#[test]
fn places_are_those_of_the_body() {
    let body = r#"{ "model": "a\u0062", "options": {"num_ctx": 1}, "keep_alive" : 5 }"#;
    let found = scan(body.as_bytes()).unwrap();
    assert_eq!(&body[found.model.unwrap().span().range()], r#""a\u0062""#);
    assert_eq!(&body[found.options.unwrap().span().range()], r#"{"num_ctx": 1}"#);
    assert_eq!(&body[found.keep_alive.unwrap().span().range()], "5");
    let value = found.keep_alive.unwrap();
    assert_eq!((value.integer(), value.text().is_none(), value.raw()), (Some(5), true, b"5".as_slice()));
}

#[test]
fn names_and_sessions_are_texts() {
    let read = |found: &Body<'_>| {
        [found.name, found.session].map(|text| text.map(|text| text.read().into_owned()).unwrap_or_default())
    };
    check(r#"{"name":"a","prompt_cache_key":"b"}"#, read, ["a".to_owned(), "b".to_owned()]);
    check(r#"{"name":null,"prompt_cache_key":null}"#, read, Default::default());
}

#[test]
fn stream_is_true_false_or_left_to_the_dialect() {
    check(r#"{"stream":true}"#, |found| found.stream, Some(true));
    check(r#"{"stream": false }"#, |found| found.stream, Some(false));
    check(r#"{"stream":null}"#, |found| found.stream, None);
    check("{}", |found| found.stream, None);
}

#[test]
fn keep_alive_is_read_as_ollama_does() {
    let seconds = |seconds| KeepAlive::For(Duration::from_secs(seconds));
    check("{}", |found| found.keep_alive(), KeepAlive::Unset);
    check(r#"{"keep_alive":null}"#, |found| found.keep_alive(), KeepAlive::Unset);
    check(r#"{"keep_alive":0}"#, |found| found.keep_alive(), seconds(0));
    check(r#"{"keep_alive":"1\u006d"}"#, |found| found.keep_alive(), seconds(60));
    check(r#"{"keep_alive":-1}"#, |found| found.keep_alive(), KeepAlive::Forever);
    check(r#"{"keep_alive":"-1"}"#, |found| found.keep_alive(), KeepAlive::Unreadable);
    check(r#"{"keep_alive":{}}"#, |found| found.keep_alive(), KeepAlive::Unreadable);
}

#[test]
fn options_tell_context_and_length() {
    let read = |found: &Body<'_>| (found.num_ctx, found.num_predict);
    check(r#"{"options":{"num_ctx":4096,"num_predict":-1,"stop":["x"]}}"#, read, (Some(4096), Some(-1)));
    check(r#"{"options":{"num_ctx":4.0965e3,"num_predict":1e30}}"#, read, (Some(4096), Some(i64::MAX)));
    check(r#"{"options":{"num_ctx":null}}"#, read, (None, None));
    check(r#"{"options":null}"#, read, (None, None));
    check(r#"{"options":{},"num_ctx":5}"#, read, (None, None));
}

#[test]
fn the_smallest_limit_of_any_dialect_counts() {
    check(r#"{"max_tokens":7}"#, |found| found.max_tokens, Some(7));
    check(r#"{"max_completion_tokens":8,"max_output_tokens":9}"#, |found| found.max_tokens, Some(8));
    check(r#"{"max_tokens":0,"max_output_tokens":9}"#, |found| found.max_tokens, Some(0));
    check(r#"{"max_tokens":-1}"#, |found| found.max_tokens, None);
    check(r#"{"max_tokens":null}"#, |found| found.max_tokens, None);
}

#[test]
fn messages_and_their_text_are_counted() {
    let read = |found: &Body<'_>| (found.messages, found.text_bytes, found.images);
    check("{}", read, (None, 0, 0));
    check(r#"{"messages":null}"#, read, (None, 0, 0));
    check(r#"{"messages":[]}"#, read, (Some(0), 0, 0));
    check(r#"{"messages":[{"content":"12345"},{"content":"67"}]}"#, read, (Some(2), 7, 0));
    check(r#"{"messages":["12",{}]}"#, read, (Some(2), 2, 0));
    // Escapes count as what they mean.
    check(r#"{"prompt":"a\n\u00e9\ud83d\ude00é"}"#, read, (None, 1 + 1 + 2 + 4 + 2, 0));
    check(r#"{"system":"12","prompt":"345","suffix":"6","template":"78"}"#, read, (None, 8, 0));
    check(r#"{"input":["12","345"],"instructions":"6"}"#, read, (None, 6, 0));
    check(r#"{"model":"no","user":"no","metadata":{"a":"no"},"prompt":[1,2]}"#, read, (None, 0, 0));
    // Names and descriptions of tools stand before the model as they are.
    let tool = r#"{"messages":[],"tools":[{"type":"image","p":{"q":["r"],"t":true}}]}"#;
    check(tool, read, (Some(0), "typeimagepqrt".len(), 0));
}

#[test]
fn images_and_other_data_are_no_text() {
    let check = |body: &str, text: usize, images: usize| {
        check(body, |found| (found.text_bytes, found.images), (text, images));
    };
    check(r#"{"prompt":"12","images":["aGVsbG8=","aGVsbG8="]}"#, 2, 2);
    check(r#"{"images":null}"#, 0, 0);
    check(r#"{"images":[]}"#, 0, 0);
    let message = |inside: &str, text, images| {
        check(&format!(r#"{{"messages":[{{"content":{inside}}}]}}"#), text, images);
    };
    message(r#""12","images":["aGVsbG8="]"#, 2, 1);
    message(r#""12","images":null"#, 2, 0);
    message(r#"[{"type":"text","text":"12"},{"type":"image_url","image_url":{"url":"data:x"}}]"#, 2, 1);
    message(r#"[{"image_url":"data:x","type":"input_image"},"12"]"#, 2, 1);
    message(r#"[{"source":{"type":"base64","data":"aGVsbG8="},"type":"image"}]"#, 0, 1);
    message(r#"[{"type":"document","title":"12","source":{"data":"aGVsbG8=","type":"base64"}}]"#, 2, 0);
    message(r#"[{"type":"document","source":{"type":"text","data":"12"}}]"#, 2, 0);
    message(r#"[{"type":"input_audio","input_audio":{"data":"aGVsbG8="}},{"type":"file"}]"#, 0, 0);
    message(r#"[{"type":"tool_result","content":[{"type":"image","source":{}}]}]"#, 0, 1);
    // A tool's arguments are what the model wrote, whatever they are called.
    message(r#""","tool_calls":[{"function":{"arguments":{"images":["12"],"type":"image"}}}]"#, 7, 0);
    check(r#"{"input":[{"role":"u","content":[{"type":"input_image","image_url":"data:x"}]}]}"#, 1, 1);
}

#[test]
fn a_request_that_asks_nothing_is_told_apart() {
    let check = |body: &str, expected: bool| check(body, |found| found.asks_nothing(), expected);
    for body in [
        "{}",
        r#"{"model":"a","prompt":""}"#,
        r#"{"prompt":null,"messages":[]}"#,
        r#"{"messages":null,"input":[ ]}"#,
    ] {
        check(body, true);
    }
    for body in [r#"{"prompt":" "}"#, r#"{"messages":[{}]}"#, r#"{"input":[""]}"#, r#"{"input":[[1]]}"#] {
        check(body, false);
    }
    check_presence(r#"{"prompt":null}"#, Presence::Absent);
    check_presence(r#"{"prompt":""}"#, Presence::Empty);
    check_presence(r#"{"prompt":[]}"#, Presence::Empty);
    check_presence(r#"{"prompt":"\u0020"}"#, Presence::Filled);
}

fn check_presence(body: &str, expected: Presence) {
    check(body, |found| found.prompt, expected);
}

#[test]
fn what_the_model_must_be_able_to_do_is_seen() {
    let read = |found: &Body<'_>| (found.tools, found.think, found.format);
    check(r#"{"tools":[{}],"think":true,"format":"json"}"#, read, (true, true, true));
    check(r#"{"tools":[],"think":false,"format":""}"#, read, (false, false, false));
    check(r#"{"tools":null,"think":null,"format":null}"#, read, (false, false, false));
    check(r#"{"think":"high","response_format":{"type":"json_object"}}"#, read, (false, true, true));
}

#[test]
fn nothing_that_is_printed_shows_a_prompt() {
    let found = scan(br#"{"model":"m-secret","prompt":"p-secret","keep_alive":"k-secret"}"#).unwrap();
    assert!(!format!("{found:?}").contains("secret"), "{found:?}");
}
