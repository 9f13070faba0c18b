//! The same bodies read by others: serde_json into a tree that keeps every key, and from the tree as Go's decoder
//! reads it. Slow, obvious, and written without looking at the scanner; the fuzz target includes this file too.

use std::collections::HashMap;
use std::fmt;

use herdwick_scan::{Body, Flaw, MAX_DEPTH, MAX_KEY_BYTES, MAX_KEYS, Presence, scan, validate, walk};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// What a backend acts upon, as far as the scanner tells it too.
const FIELDS: [&str; 18] = [
    "model",
    "name",
    "stream",
    "options",
    "keep_alive",
    "messages",
    "prompt",
    "input",
    "system",
    "instructions",
    "suffix",
    "template",
    "images",
    "tools",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "prompt_cache_key",
];

/// Panics unless scanner and reference agree on a body: on what stands in it, or on why it is refused.
pub(crate) fn agree(body: &[u8]) {
    let tree: Option<Tree> = serde_json::from_slice(body).ok();
    match scan(body) {
        Ok(found) => {
            let tree = tree.expect("the scanner accepts what serde_json refuses");
            let Tree::Object(members) = &tree else { panic!("the scanner accepts {tree:?}") };
            assert!(tree.depth() <= MAX_DEPTH, "{} levels", tree.depth());
            assert!(serde_json::from_slice::<serde_json::Value>(body).is_ok());
            unambiguous(members);
            same(&found, &go(members));
            spans(&found, body);
            walked(members, body);
        }
        Err(flaw) => assert!(deserved(&flaw, tree.as_ref(), body), "{flaw:?} for {tree:?}"),
    }
    // Where the rules for requests do not count, the grammar alone decides.
    match validate(body) {
        Ok(()) => assert!(serde_json::from_slice::<Tree>(body).is_ok()),
        Err(Flaw::TooDeep { .. }) => {}
        Err(flaw) => assert!(serde_json::from_slice::<Tree>(body).is_err(), "{flaw:?}"),
    }
}

/// Two keys that Go takes for one, or a field that is not spelled as everybody spells it.
fn unambiguous(members: &[(String, Tree)]) {
    let check = |members: &[(String, Tree)], fields: &[&str]| {
        // Letters beyond ASCII are in no field's name; there, only equal keys matter.
        let known_or_own =
            |key: &String| Some(fold(key)).filter(|folded| folded.is_ascii()).unwrap_or(key.clone());
        let mut folded: Vec<_> = members.iter().map(|(key, _)| known_or_own(key)).collect();
        for ((key, _), folded) in members.iter().zip(&folded) {
            assert!(!fields.contains(&folded.as_str()) || key == folded, "{key:?} was let through");
        }
        folded.sort();
        assert!(folded.windows(2).all(|pair| pair[0] != pair[1]), "{folded:?} was let through");
    };
    check(members, &FIELDS);
    for (key, value) in members {
        if let ("options", Tree::Object(options)) = (key.as_str(), value) {
            check(options, &["num_ctx", "num_predict", "seed", "num_gpu"]);
        }
    }
}

/// Go's reading: keys are compared folded, the last one counts, `null` is as if absent.
fn go(members: &[(String, Tree)]) -> HashMap<String, &Tree> {
    let known = members.iter().map(|(key, value)| (fold(key), value));
    known.filter(|(_, value)| !matches!(value, Tree::Null)).collect()
}

/// Simple folding for what can fold to ASCII. Upper case first, so that the long s meets the s.
fn fold(key: &str) -> String {
    let single =
        |mut letters: Box<dyn Iterator<Item = char>>, otherwise| match (letters.next(), letters.next()) {
            (Some(letter), None) => letter,
            _ => otherwise,
        };
    let fold = |letter: char| {
        // The Turkish i without its dot folds to nothing but itself.
        if letter == 'ı' {
            return letter;
        }
        let upper = single(Box::new(letter.to_uppercase()), letter);
        single(Box::new(upper.to_lowercase()), upper)
    };
    key.chars().map(fold).collect()
}

fn same(found: &Body<'_>, go: &HashMap<String, &Tree>) {
    let text = |key: &str| go.get(key).map(|value| value.text().expect("a text").to_owned());
    assert_eq!(found.model.map(|model| model.read().into_owned()), text("model"));
    assert_eq!(found.name.map(|name| name.read().into_owned()), text("name"));
    assert_eq!(found.session.map(|session| session.read().into_owned()), text("prompt_cache_key"));
    let stream = go.get("stream").map(|stream| match stream {
        Tree::Bool(stream) => *stream,
        other => panic!("stream {other:?}"),
    });
    assert_eq!(found.stream, stream);
    let elements = |key: &str| go.get(key).map(|value| value.elements().expect("an array"));
    assert_eq!(found.messages, elements("messages").map(<[Tree]>::len));
    assert_eq!(found.tools, elements("tools").is_some_and(|tools| !tools.is_empty()));
    let option = |key: &str| {
        let options = go.get("options").map(|options| options.members().expect("an object"));
        let value = options.into_iter().flatten().find(|(name, _)| name == key).map(|(_, value)| value);
        value.and_then(Tree::integer)
    };
    assert_eq!(found.num_ctx.map(i128::from), option("num_ctx"));
    assert_eq!(found.num_predict.map(i128::from), option("num_predict"));
    let limits = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
    let limits = limits.iter().filter_map(|key| go.get(*key)?.integer());
    assert_eq!(found.max_tokens.map(i128::from), limits.filter(|limit| *limit >= 0).min());
    for (key, presence) in [("prompt", found.prompt), ("input", found.input)] {
        let expected = match go.get(key) {
            None => Presence::Absent,
            Some(Tree::Text(text)) if text.is_empty() => Presence::Empty,
            Some(Tree::Array(elements)) if elements.is_empty() => Presence::Empty,
            Some(Tree::Object(members)) if members.is_empty() => Presence::Empty,
            Some(_) => Presence::Filled,
        };
        assert_eq!(presence, expected, "{key}");
    }
    let (mut texts, mut images) = (0, elements("images").map_or(0, <[Tree]>::len));
    for key in ["prompt", "input", "system", "instructions", "suffix", "template"] {
        go.get(key).into_iter().for_each(|value| value.content(&mut texts, &mut images));
    }
    for message in elements("messages").unwrap_or_default() {
        message.message(&mut texts, &mut images);
    }
    go.get("tools").into_iter().for_each(|tools| tools.everything(&mut texts));
    assert_eq!((found.text_bytes, found.images), (texts, images));
}

/// What is told by its place is what stands there.
fn spans(found: &Body<'_>, body: &[u8]) {
    for text in [found.model, found.name, found.session].into_iter().flatten() {
        let there: String = serde_json::from_slice(&body[text.span().range()]).unwrap();
        assert_eq!(there, text.read());
        assert_eq!(there.len(), text.len());
    }
    for value in [found.options, found.keep_alive].into_iter().flatten() {
        assert_eq!(&body[value.span().range()], value.raw());
        assert!(serde_json::from_slice::<Tree>(value.raw()).is_ok());
    }
    let _ = found.keep_alive();
}

fn walked(members: &[(String, Tree)], body: &[u8]) {
    let mut walked = Vec::new();
    walk(body, |key, value| {
        walked.push((key.read().into_owned(), serde_json::from_slice(value.raw()).unwrap()));
    })
    .unwrap();
    assert_eq!(walked, members);
}

/// Whether a body deserves its flaw. Beyond the first flaw a body may be broken in other ways too, and then there
/// is no tree.
fn deserved(flaw: &Flaw, tree: Option<&Tree>, body: &[u8]) -> bool {
    let members = tree.and_then(Tree::members).unwrap_or_default();
    let options = members.iter().filter(|(key, _)| key == "options").filter_map(|(_, value)| value.members());
    let mut objects = options.chain([members]);
    match flaw {
        Flaw::Empty | Flaw::NotJson { .. } | Flaw::Utf8 { .. } => tree.is_none(),
        Flaw::Trailing { at } => tree.is_none() && serde_json::from_slice::<Tree>(&body[..*at]).is_ok(),
        Flaw::NotObject => tree.is_none_or(|tree| tree.members().is_none()),
        Flaw::TooDeep { .. } => tree.is_none_or(|tree| tree.depth() > MAX_DEPTH),
        Flaw::TooManyKeys { .. } => tree.is_none() || objects.any(|members| members.len() > MAX_KEYS),
        // The limit counts escapes.
        Flaw::LongKey { .. } => tree.is_none() || body.len() > MAX_KEY_BYTES,
        Flaw::Duplicate { key, .. } => {
            tree.is_none()
                || objects.any(|members| members.iter().filter(|(name, _)| name == key).count() > 1)
        }
        Flaw::Twin { key, known, .. } if key == known => body.contains(&b'\\'),
        Flaw::Twin { key, known, .. } => key != known && fold(key) == fold(known),
        Flaw::Type { key, .. } => {
            let fields = objects.flatten().filter(|(name, _)| name == key);
            tree.is_none() || fields.into_iter().any(|(key, value)| value.is_unexpected_in(key))
        }
    }
}

/// JSON with every key in order, also those that stand twice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    fn depth(&self) -> usize {
        match self {
            Self::Array(elements) => 1 + elements.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(members) => 1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn elements(&self) -> Option<&[Tree]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }

    fn members(&self) -> Option<&[(String, Tree)]> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    fn integer(&self) -> Option<i128> {
        let clamp = |number: i128| number.clamp(i64::MIN.into(), i64::MAX.into());
        match self {
            Self::Integer(number) => Some(clamp(*number)),
            Self::Float(number) => Some(clamp(*number as i128)),
            _ => None,
        }
    }

    fn is_unexpected_in(&self, key: &str) -> bool {
        let fits = match key {
            _ if *self == Self::Null => true,
            "model" | "name" | "prompt_cache_key" => self.text().is_some(),
            "stream" => matches!(self, Self::Bool(_)),
            "messages" | "images" | "tools" => self.elements().is_some(),
            "options" => self.members().is_some(),
            "num_ctx" => self.integer().is_some_and(|number| number >= 0),
            _ => self.integer().is_some(),
        };
        !fits
    }

    fn message(&self, texts: &mut usize, images: &mut usize) {
        let Self::Object(members) = self else { return self.content(texts, images) };
        for (key, value) in members {
            match (key.as_str(), value) {
                ("images", Self::Array(elements)) => *images += elements.len(),
                _ => value.member(key, texts, images),
            }
        }
    }

    fn member(&self, key: &str, texts: &mut usize, images: &mut usize) {
        if key == "source" { self.part(texts, images) } else { self.content(texts, images) }
    }

    fn content(&self, texts: &mut usize, images: &mut usize) {
        match self {
            Self::Text(text) => *texts += text.len(),
            Self::Array(elements) => elements.iter().for_each(|element| element.part(texts, images)),
            Self::Object(members) => members.iter().for_each(|(key, value)| value.member(key, texts, images)),
            _ => {}
        }
    }

    fn part(&self, texts: &mut usize, images: &mut usize) {
        let Self::Object(members) = self else { return self.content(texts, images) };
        let is_type = |(key, value): &&(String, Tree)| key == "type" && value.text().is_some();
        let kinds = || members.iter().filter(is_type).filter_map(|(_, value)| value.text());
        if kinds().any(|kind| ["image_url", "image", "input_image"].contains(&kind)) {
            *images += 1;
            return;
        }
        let is_data =
            kinds().any(|kind| ["input_audio", "file", "input_file", "base64", "url"].contains(&kind));
        let mut inside = 0;
        for (key, value) in members.iter().filter(|member| !is_type(member)) {
            value.member(key, &mut inside, images);
        }
        *texts += if is_data { 0 } else { inside };
    }

    fn everything(&self, texts: &mut usize) {
        match self {
            Self::Text(text) => *texts += text.len(),
            Self::Array(elements) => elements.iter().for_each(|element| element.everything(texts)),
            Self::Object(members) => members.iter().for_each(|(key, value)| {
                *texts += key.len();
                value.everything(texts);
            }),
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element()? {
            elements.push(element);
        }
        Ok(Tree::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Object(members))
    }
}
