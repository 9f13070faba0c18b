//! What a server streams, read line by line: whether it is a piece of the answer, the end, or an error. Of the answer
//! itself nothing is kept.

use std::time::Duration;

use herdwick_fleet::BackendKind;
use serde::Deserialize;

use crate::error::MeasureError;
use crate::timeline::Told;

/// Characters of a server's own words inside ours.
const TEXT: usize = 200;

/// What a line says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// A piece of the answer came.
    pub(crate) is_piece: bool,
    pub(crate) prompt_tokens: Option<u64>,
    pub(crate) answer_tokens: Option<u64>,
    pub(crate) told: Option<Told>,
    /// Nothing comes after it.
    pub(crate) is_end: bool,
}

/// A line of Ollama's (`api/types.go`, `GenerateResponse`).
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Line {
    response: String,
    thinking: String,
    done: bool,
    error: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    load_duration: u64,
    prompt_eval_duration: u64,
    eval_duration: u64,
}

/// An event's data of OpenAI's API (completions).
#[derive(Deserialize, Default)]
#[serde(default)]
struct Event {
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Choice {
    text: String,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

/// Reads one line, without its end.
pub(crate) fn read(kind: BackendKind, line: &[u8]) -> Result<Said, MeasureError> {
    if kind == BackendKind::Ollama { ollama(line) } else { openai(line) }
}

/// What a server says of an error, wherever it stands in its body.
pub(crate) fn words(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(json) => message(json.get("error").unwrap_or(&json)),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    cut(text.trim())
}

fn ollama(line: &[u8]) -> Result<Said, MeasureError> {
    if line.trim_ascii().is_empty() {
        return Ok(Said::default());
    }
    let line: Line = parse(line)?;
    if let Some(error) = line.error {
        return Err(MeasureError::Broke(cut(&error)));
    }
    let told = Told {
        load: Duration::from_nanos(line.load_duration),
        prompt: Duration::from_nanos(line.prompt_eval_duration),
        answer: Duration::from_nanos(line.eval_duration),
    };
    Ok(Said {
        is_piece: !line.response.is_empty() || !line.thinking.is_empty(),
        prompt_tokens: line.prompt_eval_count,
        answer_tokens: line.eval_count,
        told: line.done.then_some(told),
        is_end: line.done,
    })
}

fn openai(line: &[u8]) -> Result<Said, MeasureError> {
    // Comments, names of events and empty lines say nothing.
    let Some(data) = line.strip_prefix(b"data:").map(<[u8]>::trim_ascii) else { return Ok(Said::default()) };
    if data == b"[DONE]" {
        return Ok(Said { is_end: true, ..Said::default() });
    }
    let event: Event = parse(data)?;
    if let Some(error) = event.error {
        return Err(MeasureError::Broke(cut(&message(&error))));
    }
    let usage = event.usage;
    Ok(Said {
        is_piece: event.choices.iter().any(|choice| !choice.text.is_empty()),
        prompt_tokens: usage.as_ref().and_then(|usage| usage.prompt_tokens),
        answer_tokens: usage.and_then(|usage| usage.completion_tokens),
        ..Said::default()
    })
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, MeasureError> {
    serde_json::from_slice(line).map_err(|error| MeasureError::Garbled(error.to_string()))
}

fn message(error: &serde_json::Value) -> String {
    let text = error.get("message").unwrap_or(error);
    text.as_str().map_or_else(|| text.to_string(), str::to_owned)
}

/// A server's words may hold anything; a line of them is enough.
fn cut(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ollamas_lines_are_read() {
        let piece =
            read(BackendKind::Ollama, br#"{"model":"m","response":"sheep","done":false}"#).expect("a line");
        assert_eq!(piece, Said { is_piece: true, ..Said::default() });
        let end = br#"{"response":"","done":true,"prompt_eval_count":26,"eval_count":259,"load_duration":5,
            "prompt_eval_duration":130000000,"eval_duration":4232710000}"#;
        let end = read(BackendKind::Ollama, end).expect("a line");
        assert!(end.is_end && !end.is_piece, "{end:?}");
        assert_eq!((end.prompt_tokens, end.answer_tokens), (Some(26), Some(259)));
        assert_eq!(end.told.map(|told| told.prompt), Some(Duration::from_millis(130)));
        let error = read(BackendKind::Ollama, br#"{"error":"llama-server\u001b process has terminated"}"#);
        let told = error.expect_err("an error").to_string();
        assert_eq!(told, "its answer ended with an error: llama-server  process has terminated");
        assert!(read(BackendKind::Ollama, b"<html>").is_err());
    }

    #[test]
    fn openais_events_are_read() {
        for (line, expected) in [
            (&b""[..], Said::default()),
            (b": ping", Said::default()),
            (br#"data: {"choices":[{"text":"a"}]}"#, Said { is_piece: true, ..Said::default() }),
            (br#"data: {"choices":[{"text":"","finish_reason":"length"}],"usage":null}"#, Said::default()),
            (
                br#"data:{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9}}"#,
                Said { prompt_tokens: Some(7), answer_tokens: Some(9), ..Said::default() },
            ),
            (b"data: [DONE]", Said { is_end: true, ..Said::default() }),
        ] {
            assert_eq!(
                read(BackendKind::Vllm, line).ok(),
                Some(expected),
                "{}",
                String::from_utf8_lossy(line)
            );
        }
        let error = read(BackendKind::Vllm, br#"data: {"error":{"message":"no room","code":400}}"#);
        assert_eq!(error.expect_err("an error").to_string(), "its answer ended with an error: no room");
    }

    #[test]
    fn an_error_is_told_in_the_servers_words() {
        for (body, told) in [
            (&br#"{"error":"model 'x' not found"}"#[..], "model 'x' not found"),
            (br#"{"error":{"message":"too long","type":"x"}}"#, "too long"),
            (b"404 page not found\n", "404 page not found"),
            (b"", ""),
        ] {
            assert_eq!(words(body), told);
        }
    }
}
