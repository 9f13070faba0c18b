//! What is refused, why and where.

use std::time::{Duration, Instant};

use herdwick_scan::{Flaw, MAX_DEPTH, MAX_KEY_BYTES, MAX_KEYS, scan};

#[track_caller]
fn check(body: impl AsRef<[u8]>, expected: &str) {
    let body = body.as_ref();
    let told = scan(body).expect_err(&String::from_utf8_lossy(body)).to_string();
    assert_eq!(told, expected, "{}", String::from_utf8_lossy(body));
}

#[test]
fn what_is_no_object_is_refused() {
    check("", "it is empty");
    check(" \r\n\t", "it is empty");
    check("[]", "it must be an object");
    check("null", "it must be an object");
    check("\"x\"", "it must be an object");
    check("7 7", "it must be an object");
    check("hello", "expected a value at byte 0");
    check("\u{feff}{}", "expected no byte order mark at byte 0");
    check([0xff, 0xfe, b'{', 0], "expected a value at byte 0");
    check("{", "it ends too early at byte 1");
    check("{\"model\":\"a\"", "it ends too early at byte 12");
    check("{\"model\":\"a", "it ends too early at byte 11");
    check("{\"model\":\"\\", "expected a valid escape at byte 10");
    check("{\"model\":\"\\n\\", "expected a valid escape at byte 12");
}

#[test]
fn the_whole_grammar_is_held_wherever_a_value_stands() {
    for (value, offset, expected) in [
        ("", 0, "expected a value"),
        ("tru", 0, "expected a value"),
        ("True", 0, "expected a value"),
        ("truer", 4, "expected a comma or }"),
        ("NaN", 0, "expected a value"),
        ("-Infinity", 1, "expected a digit"),
        ("+1", 0, "expected a value"),
        ("01", 0, "a number must not begin with 0"),
        ("1.", 2, "expected a digit"),
        (".1", 0, "expected a value"),
        ("1e+", 3, "expected a digit"),
        ("0x1", 1, "expected a comma or }"),
        ("1e400", 0, "expected a number that a 64-bit float can hold"),
        ("[1e400]", 1, "expected a number that a 64-bit float can hold"),
        ("'a'", 0, "expected a value"),
        ("[1,]", 3, "expected a value"),
        ("[,1]", 1, "expected a value"),
        ("[1 2]", 3, "expected a comma or ]"),
        ("[1}", 2, "expected a comma or ]"),
        ("{\"b\":1]", 6, "expected a comma or }"),
        ("{\"b\":1,}", 7, "expected a key in double quotes"),
        ("{\"b\" 1}", 5, "expected a colon"),
        ("{1:1}", 1, "expected a key in double quotes"),
        ("{b:1}", 1, "expected a key in double quotes"),
        ("/*x*/1", 0, "expected a value"),
        ("\u{a0}1", 0, "expected a value"),
        ("\"\\x\"", 1, "expected a valid escape"),
        ("\"\\u12\"", 1, "expected a valid escape"),
        ("\"\\ud800\"", 1, "expected a valid escape"),
        ("\"\\ud800\\u0041\"", 1, "expected a valid escape"),
        ("\"\\udc00\"", 1, "expected a valid escape"),
        ("\"a\nb\"", 2, "a text must not hold a control character, but does"),
        ("\"a\0b\"", 2, "a text must not hold a control character, but does"),
        ("\"é\tb\"", 3, "a text must not hold a control character, but does"),
    ] {
        for (before, after) in [
            ("{\"a\":", "}"),
            ("{\"messages\":[{\"a\":", "}]}"),
            ("{\"tools\":[{\"a\":", "}]}"),
            ("{\"options\":{\"a\":", "}}"),
            ("{\"a\":[[{\"b\":", "}]]}"),
        ] {
            check(
                format!("{before}{value}{after}"),
                &format!("{expected} at byte {}", before.len() + offset),
            );
        }
    }
}

#[test]
fn bytes_that_are_no_characters_are_refused_wherever_they_stand() {
    check(b"{\"a\":\"\xff\"}", "it is not UTF-8 at byte 6");
    check(b"{\"a\":[{\"b\":\"\xc3\xa9\xc3\"}]}", "it is not UTF-8 at byte 14");
    check(b"{\"prompt\":\"\xed\xa0\x80\"}", "it is not UTF-8 at byte 11");
    check(b"{\"prompt\":\"\xc0\xaf\"}", "it is not UTF-8 at byte 11");
    check(b"{\"\xf5\":1}", "it is not UTF-8 at byte 2");
    // Found before the flaw in between, since everything behind the first such character is looked at.
    check(b"{\"a\":\"\xc3\xa9\",,\"\xff\"}", "it is not UTF-8 at byte 12");
}

#[test]
fn what_two_readers_understand_differently_is_ambiguous() {
    let check = |body: &str, expected: &str| {
        let flaw = scan(body.as_bytes()).expect_err(body);
        assert!(flaw.is_ambiguous(), "{body}: {flaw}");
        assert_eq!(flaw.to_string(), expected, "{body}");
    };
    check(r#"{"model":"a"} {"model":"b"}"#, "something follows the object at byte 14");
    check(r#"{"model":"a"}x"#, "something follows the object at byte 13");
    check("{}\0", "something follows the object at byte 2");
    check(r#"{"model":"a","model":"b"}"#, r#"the key "model" stands twice, again at byte 13"#);
    check(r#"{"x":1,"x":1}"#, r#"the key "x" stands twice, again at byte 7"#);
    check(r#"{"x":1,"\u0078":1}"#, r#"the key "x" stands twice, again at byte 7"#);
    check(r#"{"Foo":1,"foo":1}"#, r#"the key "foo" reads as "Foo" to some at byte 9"#);
    check(r#"{"MODEL":"a"}"#, r#"the key "MODEL" reads as "model" to some at byte 1"#);
    check(r#"{"mod\u0065l":"a"}"#, r#"the key "model" is written with escapes at byte 1"#);
    check("{\"ſtream\":false}", r#"the key "ſtream" reads as "stream" to some at byte 1"#);
    check(r#"{"\u017ftream":false}"#, r#"the key "ſtream" reads as "stream" to some at byte 1"#);
    check(
        "{\"\u{212a}eep_alive\":0}",
        "the key \"\u{212a}eep_alive\" reads as \"keep_alive\" to some at byte 1",
    );
    check(r#"{"Temperature":0}"#, r#"the key "Temperature" reads as "temperature" to some at byte 1"#);
    check(r#"{"options":{"seed":1,"seed":2}}"#, r#"the key "seed" stands twice, again at byte 21"#);
    check(r#"{"options":{"Num_Ctx":1}}"#, r#"the key "Num_Ctx" reads as "num_ctx" to some at byte 12"#);
    check(r#"{"options":{"num_\u0063tx":1}}"#, r#"the key "num_ctx" is written with escapes at byte 12"#);
}

#[test]
fn keys_that_nobody_confuses_are_let_through() {
    for body in [
        r#"{"Foo":1,"bar":2,"b\u0061z":3,"é":4,"É":5}"#,
        r#"{"messages":[{"role":"a","role":"b"}],"metadata":{"Model":1,"Model":2}}"#,
        r#"{"options":{"Model":1},"model":"a"}"#,
    ] {
        assert!(scan(body.as_bytes()).is_ok(), "{body}");
    }
}

#[test]
fn fields_of_another_type_are_refused_by_name() {
    for (body, expected) in [
        (r#"{"model":1}"#, r#""model" must be a text at byte 9"#),
        (r#"{"model":["a"]}"#, r#""model" must be a text at byte 9"#),
        (r#"{"name":{}}"#, r#""name" must be a text at byte 8"#),
        (r#"{"prompt_cache_key":1}"#, r#""prompt_cache_key" must be a text at byte 20"#),
        (r#"{"stream":"true"}"#, r#""stream" must be true or false at byte 10"#),
        (r#"{"stream":1}"#, r#""stream" must be true or false at byte 10"#),
        (r#"{"options":[]}"#, r#""options" must be an object at byte 11"#),
        (r#"{"options": {"num_ctx": "1"}}"#, r#""num_ctx" must be a number at byte 24"#),
        (r#"{"options":{"num_ctx": -1}}"#, r#""num_ctx" must be a number that is not negative at byte 23"#),
        (r#"{"options":{"num_predict":[]}}"#, r#""num_predict" must be a number at byte 26"#),
        (r#"{"max_tokens":"1"}"#, r#""max_tokens" must be a number at byte 14"#),
        (r#"{"max_output_tokens":true}"#, r#""max_output_tokens" must be a number at byte 21"#),
        (r#"{"messages":"a"}"#, r#""messages" must be an array at byte 12"#),
        (r#"{"images":{}}"#, r#""images" must be an array at byte 10"#),
        (r#"{"tools":{}}"#, r#""tools" must be an array at byte 9"#),
        (r#"{"model":nul}"#, "expected a value at byte 9"),
        (r#"{"model":tru}"#, "expected a value at byte 9"),
    ] {
        check(body, expected);
        assert!(!scan(body.as_bytes()).unwrap_err().is_ambiguous());
    }
}

#[test]
fn depth_has_a_limit_that_costs_no_stack() {
    let nested = |open: &str, close: &str, levels: usize| open.repeat(levels) + "1" + &close.repeat(levels);
    for key in ["a", "prompt", "tools", "think"] {
        let body = |levels: usize| format!("{{\"{key}\":{}}}", nested("[", "]", levels - 1));
        assert!(scan(body(MAX_DEPTH).as_bytes()).is_ok(), "{key}");
        let at = body(1).find(':').unwrap() + MAX_DEPTH;
        assert_eq!(scan(body(MAX_DEPTH + 1).as_bytes()), Err(Flaw::TooDeep { at }), "{key}");
        let body = |levels: usize| format!("{{\"{key}\":[{}]}}", nested("{\"a\":", "}", levels - 2));
        assert!(scan(body(MAX_DEPTH).as_bytes()).is_ok(), "{key}");
        assert!(scan(body(MAX_DEPTH + 1).as_bytes()).is_err(), "{key}");
    }
    for open in ["[", "{\"a\":", "{\"messages\":[", "[{\"a\":"] {
        let flaw = scan(format!("{{\"messages\":{}", open.repeat(100_000)).as_bytes()).unwrap_err();
        assert!(matches!(flaw, Flaw::TooDeep { .. } | Flaw::Type { .. }), "{open} {flaw}");
        let flaw = scan(open.repeat(100_000).as_bytes()).unwrap_err();
        assert!(matches!(flaw, Flaw::TooDeep { .. } | Flaw::Type { .. }), "{open} {flaw}");
    }
}

#[test]
fn keys_are_bounded_in_number_and_length() {
    let body = |keys: usize| {
        let keys: Vec<_> = (0..keys).map(|key| format!("\"k{key}\":0")).collect();
        format!("{{{}}}", keys.join(","))
    };
    assert!(scan(body(MAX_KEYS).as_bytes()).is_ok());
    assert!(matches!(scan(body(MAX_KEYS + 1).as_bytes()), Err(Flaw::TooManyKeys { .. })));
    let options = format!("{{\"options\":{}}}", body(MAX_KEYS + 1));
    assert!(matches!(scan(options.as_bytes()), Err(Flaw::TooManyKeys { .. })));
    let body = |length: usize| format!("{{\"{}\":0}}", "k".repeat(length));
    assert!(scan(body(MAX_KEY_BYTES).as_bytes()).is_ok());
    assert_eq!(scan(body(MAX_KEY_BYTES + 1).as_bytes()), Err(Flaw::LongKey { at: 1 }));
}

#[test]
fn a_million_keys_cost_no_more_than_their_bytes() {
    let keys: Vec<_> = (0..1_000_000).map(|key| format!("\"{key}\":0")).collect();
    let keys = format!("{{{}}}", keys.join(","));
    for body in [keys.clone(), format!("{{\"metadata\":{keys}}}"), format!("{{\"messages\":[{keys}]}}")] {
        let began = Instant::now();
        let _ = scan(body.as_bytes());
        // 50 ms per MiB would be 600; built without optimisation it takes less still.
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    }
}

#[test]
fn nothing_that_is_told_shows_a_prompt() {
    for body in [
        r#"{"prompt":"secret","prompt":"secret"}"#,
        r#"{"prompt":"secret\x"}"#,
        r#"{"model":{"a":"secret"}}"#,
    ] {
        let flaw = scan(body.as_bytes()).unwrap_err();
        assert!(!format!("{flaw} {flaw:?}").contains("secret"), "{flaw:?}");
    }
}
