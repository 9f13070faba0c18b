//! What the router sees of prompts: hashes of their parts, as the data plane makes them of messages.

use std::collections::HashMap;

use herdwick_fleet::dispatch::{Part, Prompt};

use crate::trace::Request;

/// Of every conversation, where its parts end.
#[derive(Debug, Default)]
pub(super) struct Prompts {
    /// Tokens up to the end of each part, by conversation.
    parts: HashMap<usize, Vec<f64>>,
}

impl Prompts {
    /// The prompt of a request, as hashes: its application's head, then what was asked and answered in turn.
    pub(super) fn of(&mut self, request: &Request) -> Prompt {
        let ends = self.parts.entry(request.conversation).or_insert_with(|| vec![request.head]);
        // A request that is tried again has its parts already.
        if ends.last().is_some_and(|last| *last < request.prompt) {
            if request.said > ends.last().copied().unwrap_or(0.0) {
                ends.push(request.said);
            }
            ends.push(request.prompt);
        }
        let app = request.app as u64 + 1;
        let talk = request.conversation as u64 + 1;
        let hash = |at: usize| {
            if at == 0 { app << 32 } else { (talk << 32 | at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) }
        };
        let parts = ends.iter().enumerate().map(|(at, tokens)| Part { hash: hash(at), tokens: *tokens });
        Prompt { session: Some(talk), parts: parts.collect() }
    }
}
