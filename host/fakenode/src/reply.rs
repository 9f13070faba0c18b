//! What the model says, in pieces: thoughts, words, calls of tools. Knows no API.
//!
//! The same question gets the same reply from nodes with the same seed.

use serde_json::{Value, json};

use crate::prose::{self, Dice};
use crate::question::{Form, Question, Tool};
use crate::schema;
use crate::sha256;

/// One token, or one call of a tool, which the parser of a real node holds back until it is complete.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Thought(String),
    Text(String),
    Call(Call),
}

/// The model wants one of the client's functions to be called.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// Ollama's `call_` and eight letters.
    pub(crate) id: String,
    /// Its place among the calls of this reply.
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

/// All pieces, and whether the client's limit ended them.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) cut: bool,
}

/// What shapes a reply besides its question.
#[derive(Debug)]
pub(crate) struct Mind<'a> {
    /// The node's seed.
    pub(crate) seed: u64,
    /// Canonical name of the model.
    pub(crate) model: &'a str,
    /// Length of prose, tokens.
    pub(crate) length: u32,
    pub(crate) can_think: bool,
    /// Bytes of the first token, if it is a huge one.
    pub(crate) huge_token: Option<usize>,
}

/// Tokens of every train of thought.
const THOUGHTS: usize = 8;
/// Bytes of one token of JSON.
const JSON_TOKEN: usize = 6;

pub(crate) fn compose(mind: &Mind<'_>, question: &Question) -> Reply {
    let digest = digest(mind, question);
    let seed = digest.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default();
    let mut pieces = Vec::new();
    if mind.can_think && question.think != Some(false) {
        pieces.extend(prose::tokens(!seed).take(THOUGHTS).map(Piece::Thought));
    }
    let calls = calls(&question.tools, &question.ask, &digest);
    if calls.is_empty() {
        pieces.extend(words(mind, question, seed).into_iter().map(Piece::Text));
    } else {
        pieces.extend(calls.into_iter().map(Piece::Call));
    }
    let limit = question.limit.map_or(usize::MAX, |limit| limit as usize);
    let cut = pieces.len() > limit;
    pieces.truncate(limit);
    if let (Some(bytes), Some(Piece::Text(first) | Piece::Thought(first))) =
        (mind.huge_token, pieces.first_mut())
    {
        *first = "baa ".repeat(bytes / 4);
    }
    Reply { pieces, cut }
}

/// The text of all thoughts.
pub(crate) fn thoughts(pieces: &[Piece]) -> String {
    pieces
        .iter()
        .filter_map(|piece| if let Piece::Thought(text) = piece { Some(text.as_str()) } else { None })
        .collect()
}

/// The text of all words.
pub(crate) fn text(pieces: &[Piece]) -> String {
    pieces
        .iter()
        .filter_map(|piece| if let Piece::Text(text) = piece { Some(text.as_str()) } else { None })
        .collect()
}

/// The calls in their order.
pub(crate) fn called(pieces: &[Piece]) -> Vec<&Call> {
    pieces.iter().filter_map(|piece| if let Piece::Call(call) = piece { Some(call) } else { None }).collect()
}

/// Log probabilities in the one shape all APIs use, `top` alternatives with each; a call has none.
pub(crate) fn logprobs(pieces: &[Piece], top: u32) -> Vec<Value> {
    let of = |token: &str, rank: u32| {
        let logprob = -0.125 * f64::from(1 + token.len() as u32 % 8 + 8 * rank);
        json!({ "token": token, "logprob": logprob, "bytes": token.as_bytes() })
    };
    let spoken = pieces.iter().filter_map(|piece| match piece {
        Piece::Thought(text) | Piece::Text(text) => Some(text),
        Piece::Call(_) => None,
    });
    let with_top = |token: &String| {
        let mut entry = of(token, 0);
        let others = (0..top).map(|rank| of(&format!("{token}{}", "a".repeat(rank as usize)), rank));
        if let Some(fields) = entry.as_object_mut().filter(|_| top > 0) {
            fields.insert("top_logprobs".to_owned(), others.collect());
        }
        entry
    };
    spoken.map(with_top).collect()
}

/// Everything a reply depends on.
fn digest(mind: &Mind<'_>, question: &Question) -> String {
    let mut input = format!("{} {} {}", mind.seed, mind.model, question.prompt).into_bytes();
    if let Some(seed) = question.seed {
        input.extend(format!(" seed {seed}").bytes());
    }
    question.media.iter().for_each(|media| input.extend_from_slice(media));
    sha256::hex(&input)
}

/// One call for each tool whose name the user said.
fn calls(tools: &[Tool], ask: &str, digest: &str) -> Vec<Call> {
    let named = tools.iter().filter(|tool| !tool.name.is_empty() && ask.contains(&tool.name));
    named
        .enumerate()
        .map(|(index, tool)| {
            let own = sha256::hex(format!("{digest} {index} {}", tool.name).as_bytes());
            let letters = own.get(..8).unwrap_or_default();
            let seed = u64::from_str_radix(letters, 16).unwrap_or_default();
            let arguments = match &tool.parameters {
                Value::Object(schema) if !schema.is_empty() => {
                    schema::sample(&tool.parameters, &mut Dice(seed))
                }
                _ => json!({}),
            };
            Call { id: format!("call_{letters}"), index, name: tool.name.clone(), arguments }
        })
        .collect()
}

fn words(mind: &Mind<'_>, question: &Question, seed: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let tokens = match &question.form {
        Form::Prose | Form::Invalid(_) => prose::tokens(seed).take(mind.length as usize).collect(),
        Form::Json => split(&json!({ "answer": dice.name() }).to_string()),
        Form::Schema(schema) => split(&schema::sample(schema, &mut dice).to_string()),
    };
    until(&question.stop, tokens)
}

fn split(json: &str) -> Vec<String> {
    let characters: Vec<char> = json.chars().collect();
    characters.chunks(JSON_TOKEN).map(|token| token.iter().collect()).collect()
}

/// The tokens before the first stop sequence; the token it begins in keeps what comes before it.
fn until(stops: &[String], tokens: Vec<String>) -> Vec<String> {
    let text = tokens.concat();
    let ends = stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop.as_str()));
    let Some(mut left) = ends.min() else {
        return tokens;
    };
    let mut kept = Vec::new();
    for mut token in tokens {
        if left == 0 {
            break;
        }
        let length = token.len();
        token.truncate(left);
        left = left.saturating_sub(length);
        kept.push(token);
    }
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Mind, Piece, called, compose, logprobs, text, thoughts, until};
    use crate::question::{Form, Question, Tool};

    fn mind() -> Mind<'static> {
        Mind { seed: 0, model: "m", length: 10, can_think: true, huge_token: None }
    }

    fn question() -> Question {
        Question { prompt: "How?".to_owned(), think: Some(false), ..Question::default() }
    }

    #[test]
    fn prose_thoughts_and_the_limit() {
        let plain = compose(&mind(), &question());
        assert_eq!((plain.pieces.len(), plain.cut), (10, false));
        let thinking = compose(&mind(), &Question { think: None, limit: Some(9), ..question() });
        assert_eq!((thinking.pieces.len(), thinking.cut), (9, true));
        assert!(text(&plain.pieces).starts_with(&text(&thinking.pieces)));
        assert_ne!(thoughts(&thinking.pieces), "");
        let seeded = compose(&mind(), &Question { seed: Some(1), ..question() });
        let seeing = compose(&mind(), &Question { media: vec![b"png".to_vec()], ..question() });
        assert!(seeded.pieces != plain.pieces && seeing.pieces != plain.pieces);
    }

    #[test]
    fn named_tools_are_called_with_arguments_that_fit() {
        let tool = |name: &str| Tool {
            name: name.to_owned(),
            parameters: json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
        };
        let tools = vec![tool("get_weather"), tool("get_time"), tool("unused")];
        let ask = "Use get_time and get_weather.".to_owned();
        let reply = compose(&mind(), &Question { tools: tools.clone(), ask, ..question() });
        let calls = called(&reply.pieces);
        let names: Vec<(usize, &str)> = calls.iter().map(|call| (call.index, call.name.as_str())).collect();
        assert_eq!(names, [(0, "get_weather"), (1, "get_time")]);
        assert!(calls.iter().all(|call| call.arguments["city"].is_string() && call.id.len() == 13));
        assert_ne!(calls[0].id, calls[1].id);
        let unasked = compose(&mind(), &Question { tools, ..question() });
        assert!(called(&unasked.pieces).is_empty());
    }

    #[test]
    fn json_is_json_and_stops_stop() {
        let reply = compose(&mind(), &Question { form: Form::Json, ..question() });
        assert!(
            serde_json::from_str::<serde_json::Value>(&text(&reply.pieces))
                .is_ok_and(|json| json.is_object())
        );
        let tokens = || ["one", " two", " three"].map(str::to_owned).to_vec();
        assert_eq!(until(&["wo t".to_owned()], tokens()), ["one", " t"]);
        assert_eq!(until(&["one".to_owned(), "never".to_owned()], tokens()), Vec::<String>::new());
        assert_eq!(until(&["never".to_owned(), String::new()], tokens()).len(), 3);
    }

    #[test]
    fn log_probabilities_name_every_token() {
        let pieces = [Piece::Text("baa".to_owned())];
        assert_eq!(logprobs(&pieces, 0), [json!({"token": "baa", "logprob": -0.5, "bytes": [98, 97, 97]})]);
        let top = &logprobs(&pieces, 3)[0]["top_logprobs"];
        assert_eq!((top.as_array().map(Vec::len), &top[0]["token"]), (Some(3), &json!("baa")));
    }
}
