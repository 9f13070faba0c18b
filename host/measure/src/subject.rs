//! What is measured: one model on one server, and how it is asked.

use std::sync::Arc;

use herdwick_fleet::{BackendKind, Origin};
use serde_json::{Value, json};

use crate::load::Keep;
use crate::words;

/// One model on one server.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Where the server listens.
    pub origin: Origin,
    /// What requests to it must carry, where an agent passes them on.
    pub bearer: Option<Arc<str>>,
    /// Which API it speaks.
    pub kind: BackendKind,
    /// The model, as the server spells it.
    pub model: String,
    /// The context that it is loaded with, so that no question of ours has it loaded anew; `None` leaves it to the server.
    pub context: Option<u32>,
    /// What a question says about how long the model stays.
    pub keep: Keep,
}

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// No two of one server have the same.
    pub seed: u64,
    /// About how long the prompt is, in tokens.
    pub prompt_tokens: u32,
    /// How long the answer may be, in tokens.
    pub answer_tokens: u32,
}

impl Subject {
    /// Path and body of a question, for this kind of server.
    pub(crate) fn ask(&self, question: Question) -> (&'static str, Value) {
        let prompt = words::text(question.seed, question.prompt_tokens);
        if self.kind == BackendKind::Ollama {
            // Without a template the prompt is ours to its first byte.
            let mut body = json!({ "model": self.model, "prompt": prompt, "raw": true, "stream": true });
            let options = json!({ "num_predict": question.answer_tokens });
            self.settle(&mut body, options);
            return ("/api/generate", body);
        }
        let mut body = json!({
            "model": self.model,
            "prompt": prompt,
            "max_tokens": question.answer_tokens,
            "stream": true,
            "stream_options": { "include_usage": true },
        });
        // The others would refuse what they do not know.
        if matches!(self.kind, BackendKind::LlamaCpp | BackendKind::Vllm) {
            set(&mut body, "ignore_eos", json!(true));
        }
        ("/v1/completions", body)
    }

    /// The body of a question to Ollama that only loads.
    pub(crate) fn only_load(&self) -> Value {
        let mut body = json!({ "model": self.model, "stream": false });
        self.settle(&mut body, json!({}));
        body
    }

    fn settle(&self, body: &mut Value, mut options: Value) {
        if let Some(context) = self.context {
            set(&mut options, "num_ctx", json!(context));
        }
        if options.as_object().is_some_and(|options| !options.is_empty()) {
            set(body, "options", options);
        }
        if let Some(keep) = self.keep.json() {
            set(body, "keep_alive", keep);
        }
    }
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(kind: BackendKind, keep: Keep) -> Subject {
        Subject {
            origin: Origin { host: "x".to_owned(), port: 1 },
            bearer: None,
            kind,
            model: "m".to_owned(),
            context: Some(8_192),
            keep,
        }
    }

    const QUESTION: Question = Question { seed: 1, prompt_tokens: 8, answer_tokens: 64 };

    #[test]
    fn ollama_is_asked_without_a_template_and_with_the_context_that_is_there() {
        let (path, body) = subject(BackendKind::Ollama, Keep::AsItIs).ask(QUESTION);
        assert_eq!(
            (path, &body["raw"], &body["options"]["num_ctx"]),
            ("/api/generate", &json!(true), &json!(8_192))
        );
        assert_eq!((&body["options"]["num_predict"], body.get("keep_alive")), (&json!(64), None));
        let (_, body) = subject(BackendKind::Ollama, Keep::Briefly).ask(QUESTION);
        assert_eq!(body["keep_alive"], json!("30s"));
        let body = subject(BackendKind::Ollama, Keep::Forever).only_load();
        assert_eq!((body.get("prompt"), &body["keep_alive"]), (None, &json!(-1)));
    }

    #[test]
    fn others_are_asked_in_openais_words_and_told_what_they_know() {
        for (kind, knows) in
            [(BackendKind::Vllm, true), (BackendKind::LlamaCpp, true), (BackendKind::LmStudio, false)]
        {
            let (path, body) = subject(kind, Keep::AsItIs).ask(QUESTION);
            assert_eq!((path, &body["max_tokens"]), ("/v1/completions", &json!(64)));
            assert_eq!(body.get("ignore_eos").is_some(), knows, "{kind}");
            assert!(body.get("keep_alive").is_none() && body.get("options").is_none(), "{kind}");
        }
    }
}
