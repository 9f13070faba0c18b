//! How a request ended, as data, and the trait of whoever wants to hear it: log, traces and learning read the same
//! record. Numbers and names; never a prompt, a key or a query.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::event::Event;
use crate::id::RequestId;
use crate::model::ModelName;

/// Hears of every request once, when its answer ended in whichever way.
pub trait Outcomes: Send + Sync {
    /// Takes the record. Called on the data thread, so it neither waits nor wakes another thread; what it cannot
    /// take at once it drops and counts.
    fn record(&self, outcome: Outcome);

    /// A backend turned out to be worth less or more trust than before. As seldom as that is, the same holds.
    fn changed(&self, event: Event);
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The whole answer was handed to the client, whatever its status.
    Complete,
    /// The client left before it had the whole answer.
    ClientGone,
    /// The answer broke off after it had begun.
    Cut,
    /// We answered with an error of our own: its stable code.
    Refused(&'static str),
}

/// One request from its head to the end of its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Whose.
    pub id: RequestId,
    /// Who asked.
    pub client: IpAddr,
    /// The route, as the table of routes names it; never what the client wrote.
    pub route: &'static str,
    /// What was asked for; `None` when the request names no model or was refused before.
    pub model: Option<ModelName>,
    /// Who answered, or was asked last.
    pub node: Option<Arc<str>>,
    /// Why that one, in one line; empty when nobody was asked.
    pub why: String,
    /// The status that the client was sent; `None` when it left before.
    pub status: Option<u16>,
    /// How it ended.
    pub ending: Ending,
    /// How often a backend was asked.
    pub attempts: u32,
    /// How long it waited for slots, over all tries.
    pub queued: Duration,
    /// From the request's head to the first byte of the answer's body.
    pub first_byte: Option<Duration>,
    /// From the request's head to its end.
    pub total: Duration,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// Length of the prompt in tokens, as the backend counted.
    pub prompt_tokens: Option<u64>,
    /// Length of the answer in tokens, as the backend counted.
    pub answer_tokens: Option<u64>,
}

impl Ending {
    /// A stable word for logs and programs; for our own errors their code.
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client_gone",
            Self::Cut => "cut",
            Self::Refused(code) => code,
        }
    }
}

impl Outcome {
    /// Whether the client got a whole answer that is no error.
    pub fn is_good(&self) -> bool {
        self.ending == Ending::Complete && self.status.is_some_and(|status| status < 400)
    }
}
