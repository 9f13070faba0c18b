//! Reads the frames of a streamed answer and says how it ended. A stream counts as complete only with the frame that
//! its dialect ends with: on `/v1` Ollama swallows errors and just ends (ollama#17118), which looks like success to
//! whoever does not check.

pub(crate) mod events;
pub(crate) mod lines;

use crate::endpoint::{Endpoint, Framing};
use crate::figures::Figures;

/// How a stream ended, or stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// No last frame came.
    Truncated,
    /// The last frame came.
    Complete,
    /// The backend said in the stream that it failed.
    Failed,
}

/// A frame that is not what the dialect says. Everything before `at` was in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFrame {
    /// Where it begins in the bytes that were read.
    pub at: usize,
}

/// What is known of one streamed answer so far.
#[derive(Debug)]
pub struct Ending {
    endpoint: Endpoint,
    end: End,
    /// OpenAI: a choice said why it ended, without which `[DONE]` is not the end.
    finished: bool,
    figures: Figures,
    /// Frames before the end, about as many as tokens.
    frames: u64,
    only_loaded: bool,
    /// `/v1/responses`: the identity that all its events share.
    response: Option<String>,
}

/// What one frame says.
#[derive(Debug, Default, PartialEq)]
struct Said {
    /// It is the last one of a good answer.
    last: bool,
    /// A choice ended with a reason.
    finished: bool,
    /// The backend failed.
    failed: bool,
    /// It only loaded the model.
    only_loaded: bool,
    figures: Figures,
    response: Option<String>,
}

/// A frame that cannot be read.
struct Unreadable;

impl Ending {
    /// For an answer that begins.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            end: End::Truncated,
            finished: false,
            figures: Figures::default(),
            frames: 0,
            only_loaded: false,
            response: None,
        }
    }

    /// Reads whole frames. What follows the end is no part of the answer and is not looked at, so the first end stays.
    ///
    /// # Errors
    /// One of them is no frame of this dialect. A figure that cannot be read, or a shape that is not known, is no
    /// reason.
    pub fn read(&mut self, frames: &[u8]) -> Result<(), BadFrame> {
        let mut at = 0;
        let (_, mut rest) = frames.split_at(0);
        while !rest.is_empty() && !self.is_over() {
            let length = match self.endpoint.framing() {
                Framing::Lines => lines::length(rest),
                Framing::Events => events::length(rest),
            };
            let (frame, after) = rest.split_at(length);
            let said = match self.endpoint.framing() {
                Framing::Lines => lines::read(frame),
                Framing::Events => events::read(self.endpoint, frame),
            };
            match said {
                Ok(Some(said)) => self.take(said),
                // A comment or an empty line says nothing and harms nobody.
                Ok(None) => {}
                Err(Unreadable) => return Err(BadFrame { at }),
            }
            at += length;
            rest = after;
        }
        Ok(())
    }

    /// How it stands; once the stream is over, how it ended.
    pub fn end(&self) -> End {
        self.end
    }

    /// Whether the end was reached, good or bad: nothing that still comes can change it.
    pub fn is_over(&self) -> bool {
        self.end != End::Truncated
    }

    /// What the backend told of its work, with what was counted where it told nothing.
    pub fn figures(&self) -> Figures {
        Figures { answer_tokens: self.figures.answer_tokens.or(Some(self.frames)), ..self.figures }
    }

    /// Frames of the answer that came before its end.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether all that came is that the model was loaded.
    pub fn only_loaded(&self) -> bool {
        self.only_loaded
    }

    /// The id of a response under way.
    pub fn response(&self) -> Option<&str> {
        self.response.as_deref()
    }

    fn take(&mut self, said: Said) {
        self.frames += u64::from(!said.last && !said.failed);
        self.finished |= said.finished;
        self.only_loaded |= said.only_loaded;
        self.figures.learn(said.figures);
        if self.response.is_none() {
            self.response = said.response;
        }
        let needs_reason = matches!(self.endpoint, Endpoint::OpenAiChat | Endpoint::Completions);
        if said.failed {
            self.end = End::Failed;
        } else if said.last && (self.finished || !needs_reason) {
            self.end = End::Complete;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(endpoint: Endpoint, frames: &str, end: End) -> Figures {
        let mut ending = Ending::new(endpoint);
        assert_eq!(ending.read(frames.as_bytes()), Ok(()), "{frames}");
        assert_eq!(ending.end(), end, "{frames}");
        ending.figures()
    }

    #[test]
    fn ollamas_answer_ends_with_done() {
        let token = r#"{"model":"m","message":{"role":"assistant","content":"\"done\":true"},"done":false}"#;
        let last = r#"{"model":"m","done":true,"done_reason":"stop","total_duration":9,"load_duration":1000000,"prompt_eval_count":7,"prompt_eval_duration":2000000,"eval_count":3,"eval_duration":5000000}"#;
        check(Endpoint::Chat, &format!("{token}\n"), End::Truncated);
        let figures = check(Endpoint::Chat, &format!("{token}\n{token}\n{last}\n"), End::Complete);
        assert_eq!((figures.prompt_tokens, figures.answer_tokens), (Some(7), Some(3)));
        assert_eq!(figures.load.map(|load| load.as_millis()), Some(1));
        check(Endpoint::Generate, "{\"response\":\"a\"}\n{\"error\":\"it died\"}\n", End::Failed);
        assert_eq!(
            check(Endpoint::Chat, &format!("{token}\n{token}\n"), End::Truncated).answer_tokens,
            Some(2)
        );
    }

    #[test]
    fn openais_answer_ends_with_a_reason_and_done() {
        let token = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
        let reason =
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
        let usage = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\n";
        let done = "data: [DONE]\n\n";
        for (frames, end) in [
            (vec![token, reason, usage, done], End::Complete),
            (vec![token, reason, done], End::Complete),
            (vec![token, reason], End::Truncated),
            (vec![token, done], End::Truncated),
            (vec![token], End::Truncated),
            (vec![token, "data: {\"error\":{\"message\":\"it died\"}}\n\n"], End::Failed),
            (
                vec![": hb\n\n", "data:{\"choices\":[{\"finish_reason\":\"length\"}]}\r\n\r\n", done],
                End::Complete,
            ),
        ] {
            check(Endpoint::OpenAiChat, &frames.concat(), end);
        }
        let figures = check(Endpoint::OpenAiChat, &[token, reason, usage, done].concat(), End::Complete);
        assert_eq!((figures.prompt_tokens, figures.answer_tokens), (Some(7), Some(3)));
    }

    #[test]
    fn anthropics_answer_ends_with_message_stop() {
        let event =
            |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n");
        let start = event("message_start", r#","message":{"usage":{"input_tokens":7,"output_tokens":0}}"#);
        let delta = event("message_delta", r#","usage":{"output_tokens":3}"#);
        let stop = event("message_stop", "");
        let figures = check(Endpoint::Messages, &format!("{start}{delta}{stop}"), End::Complete);
        assert_eq!((figures.prompt_tokens, figures.answer_tokens), (Some(7), Some(3)));
        check(Endpoint::Messages, &format!("{start}{delta}"), End::Truncated);
        check(Endpoint::Messages, &format!("{start}{}", event("error", r#","error":{}"#)), End::Failed);
    }

    #[test]
    fn a_response_ends_with_one_of_three_events() {
        let event =
            |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n");
        let created = event("response.created", r#","response":{"id":"resp_1"}"#);
        let usage = r#","response":{"id":"resp_1","usage":{"input_tokens":7,"output_tokens":3}}"#;
        for (last, end) in [
            ("response.completed", End::Complete),
            ("response.incomplete", End::Complete),
            ("response.failed", End::Failed),
            ("response.output_text.done", End::Truncated),
        ] {
            check(Endpoint::Responses, &format!("{created}{}", event(last, usage)), end);
        }
        let mut ending = Ending::new(Endpoint::Responses);
        assert_eq!(ending.read(created.as_bytes()), Ok(()));
        assert_eq!(ending.response(), Some("resp_1"));
    }

    #[test]
    fn the_first_end_stays_whatever_follows() {
        use Endpoint::{Chat, Messages, OpenAiChat, Responses, Transcriptions};
        let reason = "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n";
        let openai = format!("{reason}data: [DONE]\n\n");
        for (endpoint, complete, failed) in [
            (Chat, "{\"done\":true,\"eval_count\":3}\n", "{\"error\":\"it died\"}\n"),
            (OpenAiChat, &openai, "data: {\"error\":{}}\n\n"),
            (Messages, "data: {\"type\":\"message_stop\"}\n\n", "data: {\"type\":\"error\"}\n\n"),
            (
                Responses,
                "data: {\"type\":\"response.completed\"}\n\n",
                "data: {\"type\":\"response.failed\"}\n\n",
            ),
            (
                Transcriptions,
                "data: {\"type\":\"transcript.text.done\"}\n\ndata: [DONE]\n\n",
                "data: {\"error\":{}}\n\n",
            ),
        ] {
            let before = check(endpoint, complete, End::Complete);
            let after = check(endpoint, &format!("{complete}{failed}{complete}"), End::Complete);
            assert_eq!(before, after, "{endpoint:?}");
            check(endpoint, &format!("{failed}{complete}{failed}"), End::Failed);
            check(endpoint, &format!("{complete}no frame at all\n\n"), End::Complete);

            let mut ending = Ending::new(endpoint);
            assert!(!ending.is_over());
            for frames in [complete, failed, complete] {
                assert_eq!(ending.read(frames.as_bytes()), Ok(()), "{endpoint:?}");
                assert_eq!((ending.end(), ending.is_over()), (End::Complete, true), "{endpoint:?}");
            }
        }
    }

    #[test]
    fn only_openais_older_routes_end_with_done() {
        use Endpoint::{Completions, Messages, OpenAiChat, OpenAiEmbeddings, Responses, Transcriptions};
        let reason = "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n";
        for (endpoint, end) in [
            (OpenAiChat, End::Complete),
            (Completions, End::Complete),
            (Transcriptions, End::Complete),
            (OpenAiEmbeddings, End::Truncated),
            (Messages, End::Truncated),
            (Responses, End::Truncated),
        ] {
            check(endpoint, &format!("{reason}data: [DONE]\n\n"), end);
        }
        let stop = "data: {\"type\":\"message_stop\"}\n\n";
        check(Messages, &format!("data: [DONE]\n\n{stop}"), End::Complete);
    }

    #[test]
    fn figures_and_shapes_that_are_not_known_harm_no_frame() {
        use Endpoint::{Chat, Messages, OpenAiChat, Responses};
        let usage = |usage: &str| format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\n");
        let data = |data: &str| format!("data: {data}\n\n");
        for (endpoint, frames, end, told) in [
            (OpenAiChat, usage(r#"{"prompt_tokens":7,"input_tokens":8,"output_tokens":3}"#), End::Truncated, (Some(7), 3)),
            (OpenAiChat, usage(r#"{"prompt_tokens":-7,"input_tokens":8}"#), End::Truncated, (Some(8), 1)),
            (OpenAiChat, usage(r#"{"prompt_tokens":"7","completion_tokens":2.5}"#), End::Truncated, (None, 1)),
            (OpenAiChat, usage(r#"{"prompt_tokens":1e999,"completion_tokens":[{}]}"#), End::Truncated, (None, 1)),
            (OpenAiChat, usage(r#"{"prompt_tokens":7,"prompt_tokens":8}"#), End::Truncated, (None, 1)),
            (OpenAiChat, usage(r#"{"prompt_tokens":18446744073709551616}"#), End::Truncated, (None, 1)),
            (OpenAiChat, usage("null"), End::Truncated, (None, 1)),
            (OpenAiChat, usage("\"none\""), End::Truncated, (None, 1)),
            (OpenAiChat, usage("1,\"usage\":{\"prompt_tokens\":7}"), End::Truncated, (Some(7), 1)),
            (OpenAiChat, data(r#"{"choices":null,"error":null,"type":null}"#), End::Truncated, (None, 1)),
            (OpenAiChat, data(r#"{"message":7,"response":[],"id":{},"choices":[{"delta":7}]}"#), End::Truncated, (None, 1)),
            (
                Responses,
                data(r#"{"type":"error","code":"c","message":"it \"died\"","param":null}"#),
                End::Failed,
                (None, 0),
            ),
            (
                Responses,
                data(r#"{"type":"response.completed","response":{"id":7,"usage":{"input_tokens":7,"output_tokens":null}}}"#),
                End::Complete,
                (Some(7), 0),
            ),
            (Messages, data(r#"{"type":"message_st\u006fp","message":"bye","usage":[]}"#), End::Complete, (None, 0)),
            (Chat, "{\"done\":null,\"eval_count\":-1}\n".into(), End::Truncated, (None, 1)),
            (
                Chat,
                "{\"done\":true,\"done_reason\":7,\"prompt_eval_count\":7,\"eval_count\":\"3\",\"load_duration\":1e999,\
                 \"eval_duration\":{},\"eval_duration\":-1}\n"
                    .into(),
                End::Complete,
                (Some(7), 0),
            ),
        ] {
            let figures = check(endpoint, &frames, end);
            assert_eq!((figures.prompt_tokens, figures.answer_tokens), (told.0, Some(told.1)), "{frames}");
        }
    }

    #[test]
    fn an_empty_reason_is_none() {
        let frames = "data: {\"choices\":[{\"finish_reason\":\"\"},{}]}\n\ndata: [DONE]\n\n";
        check(Endpoint::OpenAiChat, frames, End::Truncated);
    }

    #[test]
    fn a_frame_that_is_no_json_is_found_with_its_place() {
        let good = "{\"done\":false}\n";
        for bad in [
            "{\"message\":\n",
            "hello\n",
            "{\"done\":1}\n",
            "{\"done\":false,\"done\":true}\n",
            "[1]\n",
            "{\"done\":false}}\n",
        ] {
            let read = Ending::new(Endpoint::Chat).read(format!("{good}{bad}").as_bytes());
            assert_eq!(read, Err(BadFrame { at: good.len() }), "{bad}");
        }
        for bad in [
            "data: {\"choices\":\n\n",
            "data: hello\n\n",
            "data: [1]\n\n",
            "data: {\"type\":1}\n\n",
            "data: {\"type\":\"a\",\"type\":\"b\"}\n\n",
            "data: {\"choices\":[{\"finish_reason\":1}]}\n\n",
            "data: {\"usage\":{\"prompt_tokens\":}}\n\n",
        ] {
            assert_eq!(
                Ending::new(Endpoint::Completions).read(bad.as_bytes()),
                Err(BadFrame { at: 0 }),
                "{bad}"
            );
        }
    }
}
