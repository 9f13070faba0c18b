//! What a slot keeps of the prompt and answer that it had last (llama.cpp's prompt cache): the next prompt that begins
//! with the same tokens need not read these again.

use crate::trace::{App, Request};

/// What is left in a slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cached {
    app: App,
    conversation: usize,
    head: f64,
    /// Prompt and answer, in tokens.
    tokens: f64,
}

impl Cached {
    /// What is left after a request whose answer came to `answered` tokens.
    pub fn after(request: &Request, answered: f64) -> Self {
        Self {
            app: request.app,
            conversation: request.conversation,
            head: request.head,
            tokens: request.prompt + answered,
        }
    }

    /// Tokens with which this request's prompt begins as well. The last one is always read anew.
    pub fn shared_with(&self, request: &Request) -> f64 {
        let shared = if self.conversation == request.conversation {
            request.said.min(self.tokens)
        } else if self.app == request.app {
            request.head.min(self.head)
        } else {
            0.0
        };
        shared.min(request.prompt - 1.0).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleets::ModelId;
    use crate::time::Time;

    #[test]
    fn a_conversation_shares_what_was_said_and_an_application_its_head() {
        let request = |conversation, app, said| Request {
            no: 0,
            conversation,
            turn: 0,
            client: 0,
            app,
            model: ModelId(1),
            prompt: 1_000.0,
            head: 200.0,
            said,
            answer: 10.0,
            at: Time::default(),
        };
        let cached = Cached::after(&request(1, App::Chat, 0.0), 50.0);
        for (asked, shared) in [
            (request(1, App::Chat, 900.0), 900.0),
            (request(2, App::Chat, 900.0), 200.0),
            (request(2, App::Summarise, 0.0), 0.0),
            (request(1, App::Chat, 5_000.0), 999.0),
        ] {
            assert_eq!(cached.shared_with(&asked), shared);
        }
    }
}
