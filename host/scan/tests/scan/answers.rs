//! The parser for what backends answer.

use herdwick_scan::{Flaw, Kind, Value, validate, walk};

#[test]
fn one_value_of_any_kind_is_valid() {
    for text in
        ["1", " true ", "null", "\"a\\n\"", "[]", "[1,[2],{\"a\":{}}]", "{\"a\":1,\"a\":2,\"A\":3}\r\n"]
    {
        assert_eq!(validate(text.as_bytes()), Ok(()), "{text}");
    }
    for text in ["", "  ", "1 1", "[1", "{\"a\"}", "tru", "\"\u{1}\"", "\u{feff}1", "1e999"] {
        assert!(validate(text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(validate(b"{\"a\":\"\xff\"}"), Err(Flaw::Utf8 { at: 6 }));
    assert_eq!(validate(b"[1] x"), Err(Flaw::Trailing { at: 4 }));
    assert!(matches!(validate("[".repeat(100_000).as_bytes()), Err(Flaw::TooDeep { at: 64 })));
}

#[test]
fn the_keys_of_an_object_are_walked_in_order() {
    let frame =
        r#" {"model":"m", "done" : true,"message":{"done":false},"d\u006fne":[ ],"n":-1.5e1,"e":null} "#;
    let mut walked = Vec::new();
    walk(frame.as_bytes(), |key, value| {
        assert_eq!(frame.as_bytes()[value.span().range()], *value.raw());
        walked.push((key.read().into_owned(), value.kind(), value.is_hollow()));
    })
    .unwrap();
    let expected = [
        ("model", Kind::Text, false),
        ("done", Kind::Bool, false),
        ("message", Kind::Object, false),
        ("done", Kind::Array, true),
        ("n", Kind::Number, false),
        ("e", Kind::Null, true),
    ];
    assert_eq!(walked, expected.map(|(key, kind, hollow)| (key.to_owned(), kind, hollow)));
}

#[test]
fn what_is_walked_is_validated() {
    for text in ["", "[]", "1", "{\"a\":1", "{\"a\":[}", "{\"a\":1}}", "{\"a\":1,}", "{\"a\":\"\\q\"}"] {
        assert!(walk(text.as_bytes(), |_, _| {}).is_err(), "{text}");
    }
    assert_eq!(walk(b"[1]", |_, _| {}), Err(Flaw::NotObject));
}

#[test]
fn values_are_read_as_what_they_are() {
    let mut values = Vec::new();
    walk(br#"{"a":true,"b":"x\ty","c":12.7,"d":{"e":1},"f":false}"#, |_, value| values.push(value)).unwrap();
    let booleans: Vec<_> = values.iter().map(Value::boolean).collect();
    assert_eq!(booleans, [Some(true), None, None, None, Some(false)]);
    let integers: Vec<_> = values.iter().map(Value::integer).collect();
    assert_eq!(integers, [None, None, Some(12), None, None]);
    assert_eq!(values[2].float(), Some(12.7));
    let text = values[1].text().unwrap();
    assert_eq!((text.read().as_ref(), text.is("x\ty"), text.len()), ("x\ty", true, 3));
    assert_eq!(text.span(), values[1].span());
    let mut inside = Vec::new();
    walk(values[3].raw(), |key, value| inside.push((key.read(), value.integer()))).unwrap();
    assert_eq!(inside, [("e".into(), Some(1))]);
}
