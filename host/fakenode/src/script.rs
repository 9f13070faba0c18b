//! The behaviour queue: request verbs wait here until an inference request takes one.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::names;
use crate::verb::Verb;

/// A route whose answer a node verb replaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Override {
    /// Null is no replacement.
    pub(crate) body: Value,
    pub(crate) delay_ms: u64,
}

/// What the node was told to do.
#[derive(Debug, Default)]
pub(crate) struct Script {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<(Option<String>, Verb)>,
    ps: Override,
    tags: Override,
}

impl Script {
    pub(crate) fn push(&self, model: Option<&str>, verb: Verb) {
        // A name that cannot be canonical matches no request, which is what its author will see.
        let model = model.map(|name| names::canonical(name).unwrap_or_else(|_| name.to_owned()));
        self.lock().queue.push_back((model, verb));
    }

    /// The first verb meant for a request to this model (canonical name).
    pub(crate) fn take(&self, model: &str) -> Option<Verb> {
        let queue = &mut self.lock().queue;
        let at = queue.iter().position(|(only, _)| only.as_deref().is_none_or(|only| only == model))?;
        queue.remove(at).map(|(_, verb)| verb)
    }

    /// Takes the next verb if it says not to read the body, which must be known before the body is read.
    pub(crate) fn take_noread(&self) -> bool {
        let queue = &mut self.lock().queue;
        let next = matches!(queue.front(), Some((None, Verb::Noread {})));
        if next {
            queue.pop_front();
        }
        next
    }

    /// Forgets the request verbs nobody has taken yet.
    pub(crate) fn clear(&self) {
        self.lock().queue.clear();
    }

    pub(crate) fn set_ps(&self, to: Override) {
        self.lock().ps = to;
    }

    pub(crate) fn set_tags(&self, to: Override) {
        self.lock().tags = to;
    }

    pub(crate) fn ps(&self) -> Override {
        self.lock().ps.clone()
    }

    pub(crate) fn tags(&self) -> Override {
        self.lock().tags.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
