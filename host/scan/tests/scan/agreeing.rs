//! Bodies that nobody thought of, valid and almost valid: the scanner never panics, and agrees with the reference
//! on each.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;

use crate::reference::agree;

/// Keys that matter, keys that look like them, and keys of anybody's.
const KEYS: [&str; 40] = [
    "model",
    "name",
    "stream",
    "options",
    "keep_alive",
    "messages",
    "prompt",
    "input",
    "system",
    "images",
    "tools",
    "think",
    "format",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "num_ctx",
    "num_predict",
    "seed",
    "prompt_cache_key",
    "content",
    "role",
    "type",
    "source",
    "image_url",
    "data",
    "MODEL",
    "Model",
    "mod\\u0065l",
    "\\u004dodel",
    "ſtream",
    "\\u017fystem",
    "\u{212a}eep_alive",
    "Num_Ctx",
    "num_\\u0063tx",
    "x",
    "X",
    "ı",
    "é",
    "É",
];
const PIECES: [&str; 22] = [
    "a",
    " ",
    "image",
    "image_url",
    "base64",
    "5m",
    "-1",
    "é",
    "山",
    "😀",
    "\\n",
    "\\\"",
    "\\\\",
    "\\/",
    "\\u0041",
    "\\u00e9",
    "\\u0000",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\\x",
    "\n",
    "a text that is longer than a few words, or 64 bytes",
];
const NUMBERS: [&str; 16] = [
    "0",
    "-0",
    "7",
    "-1",
    "4096",
    "4096.5",
    "1e3",
    "-1.5E+2",
    "1e-400",
    "1e400",
    "1e30",
    "18446744073709551616",
    "9223372036854775808",
    "01",
    "1.",
    "-",
];
const SPACES: [&str; 5] = ["", "", " ", "\r\n\t ", "\u{a0}"];

/// What stands between quotes, mostly valid.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![30 => select(&PIECES[..18]), 1 => select(&PIECES[18..])];
    prop_oneof![3 => vec(piece, 0..4).prop_map(|pieces| pieces.concat()), 1 => select(&PIECES[..6]).prop_map(str::to_owned)]
}

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![200 => select(&SPACES[..4]), 1 => select(&SPACES[4..])]
}

fn scalar() -> impl Strategy<Value = String> {
    let number = prop_oneof![60 => select(&NUMBERS[..9]), 1 => select(&NUMBERS[9..])];
    prop_oneof![
        4 => text().prop_map(|text| format!("\"{text}\"")),
        2 => number.prop_map(str::to_owned),
        2 => select(vec!["true", "false", "null", "[]", "{}"]).prop_map(str::to_owned),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![40 => select(&KEYS[..26]), 1 => select(&KEYS[26..])].prop_map(str::to_owned)
}

fn object(member: impl Strategy<Value = (String, String)>) -> impl Strategy<Value = String> {
    let member = (member, space(), space());
    let member = member
        .prop_map(|((key, value), before, after)| format!("{before}\"{key}\"{after}:{after}{value}{before}"));
    vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn array(element: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (vec(element, 0..4), space())
        .prop_map(|(elements, space)| format!("[{space}{}]", elements.join(&format!(",{space}"))))
}

fn value() -> BoxedStrategy<String> {
    let nested = |inner: BoxedStrategy<String>| prop_oneof![array(inner.clone()), object((key(), inner))];
    scalar().prop_recursive(4, 40, 4, nested).boxed()
}

/// A key at the top with a value that mostly fits.
fn member() -> impl Strategy<Value = (String, String)> {
    key().prop_flat_map(|key| {
        let fitting = match key.as_str() {
            "model" | "name" | "prompt_cache_key" => text().prop_map(|text| format!("\"{text}\"")).boxed(),
            "stream" => select(vec!["true", "false", "null"]).prop_map(str::to_owned).boxed(),
            "options" => object((key_of_options(), scalar())).boxed(),
            "messages" | "images" | "tools" => array(value()).boxed(),
            "max_tokens" | "max_completion_tokens" | "max_output_tokens" => {
                select(&NUMBERS[..9]).prop_map(str::to_owned).boxed()
            }
            _ => value(),
        };
        (Just(key), prop_oneof![15 => fitting, 1 => value()])
    })
}

fn key_of_options() -> impl Strategy<Value = String> {
    prop_oneof![9 => select(vec!["num_gpu", "seed", "stop"]), 1 => select(&KEYS[..])].prop_map(str::to_owned)
}

fn body() -> impl Strategy<Value = String> {
    let tail = prop_oneof![60 => Just(""), 1 => Just(" {}"), 1 => Just("x")];
    (space(), object(member()), space(), tail)
        .prop_map(|(before, body, after, tail)| [before, &body, after, tail].concat())
}

/// One change at a place, which is taken modulo the length.
fn change() -> impl Strategy<Value = (usize, Change)> {
    let byte = prop_oneof![select(b"\"\\{}[]:,0-.eEnult \n".to_vec()), any::<u8>()];
    let change = prop_oneof![
        byte.clone().prop_map(Change::Put),
        byte.prop_map(Change::Insert),
        Just(Change::Remove),
        Just(Change::Cut),
        (1..20_usize).prop_map(Change::Repeat),
    ];
    (any::<usize>(), change)
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Put(u8),
    Insert(u8),
    Remove,
    Cut,
    Repeat(usize),
}

fn changed(body: &str, changes: &[(usize, Change)]) -> Vec<u8> {
    let mut bytes = body.as_bytes().to_vec();
    for (place, change) in changes {
        let place = place % bytes.len().max(1);
        match change {
            _ if bytes.is_empty() => {}
            Change::Put(byte) => bytes[place] = *byte,
            Change::Insert(byte) => bytes.insert(place, *byte),
            Change::Remove => {
                bytes.remove(place);
            }
            Change::Cut => bytes.truncate(place),
            Change::Repeat(length) => {
                let end = (place + length).min(bytes.len());
                let piece = bytes[place..end].to_vec();
                bytes.splice(place..place, piece);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        // What is found becomes a test of its own, in words.
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn bodies_are_read_as_the_reference_reads_them(body in body()) {
        agree(body.as_bytes());
    }

    #[test]
    fn changed_bodies_are_read_or_refused_as_by_the_reference(body in body(), changes in vec(change(), 1..4)) {
        agree(&changed(&body, &changes));
    }

    #[test]
    fn any_bytes_are_read_or_refused_as_by_the_reference(bytes in vec(any::<u8>(), 0..40)) {
        agree(&bytes);
    }
}

#[test]
fn the_bodies_made_here_are_worth_reading() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let bodies: Vec<_> = (0..500).map(|_| body().new_tree(&mut runner).unwrap().current()).collect();
    let accepted = bodies.iter().filter(|body| herdwick_scan::scan(body.as_bytes()).is_ok()).count();
    assert!((150..450).contains(&accepted), "{accepted} of 500 are accepted");
}
