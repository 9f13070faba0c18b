//! How many requests for a model are under way, wait and ended how since the router started: a handful of atomic
//! words that the data plane moves and anybody reads.
//!
//! The words move one by one, so a reader may see a request that began and is not yet counted elsewhere.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sink::{Ending, Outcome};

/// The words themselves.
#[derive(Debug, Default)]
pub struct Counters {
    under_way: AtomicU64,
    waiting: AtomicU64,
    served: AtomicU64,
    failed: AtomicU64,
    left: AtomicU64,
    answer_tokens: AtomicU64,
}

/// The words as they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that began and did not end.
    pub under_way: u64,
    /// Of them, those that wait for a slot.
    pub waiting: u64,
    /// Whole answers that were no error.
    pub served: u64,
    /// Errors, ours and backends', and answers that broke off.
    pub failed: u64,
    /// Clients that left before they had their answer.
    pub left: u64,
    /// Tokens of answers, as far as backends told.
    pub answer_tokens: u64,
}

/// A request that waits, for as long as this lives.
#[derive(Debug)]
pub struct Waiting<'a>(&'a Counters);

impl Counters {
    /// A request began.
    pub fn began(&self) {
        self.under_way.fetch_add(1, Relaxed);
    }

    /// A request begins to wait.
    pub fn waits(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Relaxed);
        Waiting(self)
    }

    /// A request that [`Counters::began`] ended.
    pub fn ended(&self, outcome: &Outcome) {
        self.under_way.fetch_sub(1, Relaxed);
        let ended = match outcome.ending {
            _ if outcome.is_good() => &self.served,
            Ending::ClientGone => &self.left,
            _ => &self.failed,
        };
        ended.fetch_add(1, Relaxed);
        self.answer_tokens.fetch_add(outcome.answer_tokens.unwrap_or(0), Relaxed);
    }

    /// All of them now.
    pub fn read(&self) -> Counts {
        Counts {
            under_way: self.under_way.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            served: self.served.load(Relaxed),
            failed: self.failed.load(Relaxed),
            left: self.left.load(Relaxed),
            answer_tokens: self.answer_tokens.load(Relaxed),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}
