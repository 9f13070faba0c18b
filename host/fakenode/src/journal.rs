//! The journal of exchanges behind `GET /_log`: who asked what, when, and how it ended, also while it runs.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::time::Instant;

use crate::condition::Pulse;
use crate::http::Head;
use crate::sha256;

/// Exchanges kept; the oldest are dropped first. A demo may run for weeks, a test makes fewer.
const MAX_KEPT: usize = 20_000;

/// One request and what became of it. Times are milliseconds since the node started.
#[derive(Clone, Debug, Serialize)]
pub struct Exchange {
    /// Counts requests of this node from 0.
    pub id: u64,
    /// Counts accepted connections of this node from 0.
    pub connection: u64,
    /// The request head as it came, invalid UTF-8 replaced.
    pub head: String,
    /// Empty when the head could not be read.
    pub method: String,
    /// The path without its query; empty when the head could not be read.
    pub path: String,
    /// Whether it is one of the requests that take a verb and are counted by `/_wait`.
    pub inference: bool,
    /// The model as the client spelt it, once the body was understood.
    pub model: Option<String>,
    /// The verb it took.
    pub verb: Option<&'static str>,
    /// SHA-256 of the body, hex; null until it was read completely.
    pub body_sha256: Option<String>,
    /// Bytes of the body, without framing; 0 until it was read completely.
    pub body_length: u64,
    /// When its head was complete.
    pub arrived_ms: u64,
    /// Status of the answer; null while there is none.
    pub status: Option<u16>,
    /// Bytes sent for it, heads and framing included.
    pub bytes_sent: u64,
    /// When the first of them was sent.
    pub first_byte_ms: Option<u64>,
    /// When the socket that carried it was closed, by whichever side; null while it is open.
    pub closed_ms: Option<u64>,
    /// Whether its options met a busy model that ran with others.
    pub thrashed: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// A verb broke the answer: its completion is a [`Outcome::Fault`].
    #[serde(skip)]
    faulty: bool,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not yet.
    Open,
    /// Answered; errors the protocol provides for are answers.
    Complete,
    /// Ended as a verb demanded.
    Fault,
    /// The client left before the end.
    ClientGone,
    /// It could not be read.
    Malformed,
    /// The node stopped.
    Cut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExchangeId(pub(crate) u64);

/// What `/_wait` counts; since the last clearing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) polls: u64,
    pub(crate) closed: u64,
    pub(crate) ended: u64,
}

#[derive(Debug)]
pub(crate) struct Journal {
    started: Instant,
    pulse: Pulse,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Contiguous ids, so that a position is a subtraction.
    kept: VecDeque<Exchange>,
    next: u64,
    counts: Counts,
}

impl Journal {
    pub(crate) fn new(pulse: Pulse) -> Journal {
        Journal { started: Instant::now(), pulse, state: Mutex::default() }
    }

    /// A readable head has arrived.
    pub(crate) fn open(&self, connection: u64, head: &Head, inference: bool) -> ExchangeId {
        let mut exchange = self.blank(connection, &head.raw);
        exchange.method.clone_from(&head.method);
        exchange.path = head.path().to_owned();
        exchange.inference = inference;
        self.push(exchange)
    }

    /// Something arrived that is no request.
    pub(crate) fn malformed(&self, connection: u64, raw: &[u8]) -> ExchangeId {
        let mut exchange = self.blank(connection, raw);
        exchange.outcome = Outcome::Malformed;
        self.push(exchange)
    }

    pub(crate) fn body(&self, id: ExchangeId, body: &[u8]) {
        let digest = sha256::hex(body);
        self.update(id, |exchange| {
            exchange.body_sha256 = Some(digest);
            exchange.body_length = body.len() as u64;
        });
    }

    pub(crate) fn model(&self, id: ExchangeId, model: &str) {
        self.update(id, |exchange| exchange.model = Some(model.to_owned()));
    }

    pub(crate) fn verb(&self, id: ExchangeId, verb: &'static str) {
        self.update(id, |exchange| exchange.verb = Some(verb));
    }

    pub(crate) fn thrashed(&self, id: ExchangeId) {
        self.update(id, |exchange| exchange.thrashed = true);
    }

    pub(crate) fn status(&self, id: ExchangeId, status: u16) {
        self.update(id, |exchange| exchange.status = Some(status));
    }

    pub(crate) fn sent(&self, id: ExchangeId, bytes: usize) {
        let now = self.now();
        self.update(id, |exchange| {
            exchange.bytes_sent += bytes as u64;
            exchange.first_byte_ms.get_or_insert(now);
        });
    }

    /// What is about to be sent is broken on purpose.
    pub(crate) fn fault(&self, id: ExchangeId) {
        self.update(id, |exchange| exchange.faulty = true);
    }

    pub(crate) fn end(&self, id: ExchangeId, outcome: Outcome) {
        let mut ended = false;
        self.update(id, |exchange| {
            ended = exchange.inference;
            let broken = exchange.faulty && outcome == Outcome::Complete;
            exchange.outcome = if broken { Outcome::Fault } else { outcome };
        });
        self.lock().counts.ended += u64::from(ended);
        self.pulse.beat();
    }

    /// The socket is closed: so are all exchanges it carried.
    pub(crate) fn socket_closed(&self, connection: u64) {
        let now = self.now();
        let mut state = self.lock();
        let (mut closed, mut ended) = (0, 0);
        for exchange in state.kept.iter_mut().filter(|e| e.connection == connection && e.closed_ms.is_none())
        {
            exchange.closed_ms = Some(now);
            closed += u64::from(exchange.inference);
            if exchange.outcome == Outcome::Open {
                exchange.outcome = Outcome::Cut;
                ended += u64::from(exchange.inference);
            }
        }
        state.counts.closed += closed;
        state.counts.ended += ended;
        drop(state);
        self.pulse.beat();
    }

    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.lock().kept.iter().cloned().collect()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Forgets everything, what is running included.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.kept.clear();
        state.counts = Counts::default();
    }

    fn blank(&self, connection: u64, raw: &[u8]) -> Exchange {
        Exchange {
            id: 0,
            connection,
            head: String::from_utf8_lossy(raw).into_owned(),
            method: String::new(),
            path: String::new(),
            inference: false,
            model: None,
            verb: None,
            body_sha256: None,
            body_length: 0,
            arrived_ms: self.now(),
            status: None,
            bytes_sent: 0,
            first_byte_ms: None,
            closed_ms: None,
            thrashed: false,
            outcome: Outcome::Open,
            faulty: false,
        }
    }

    fn push(&self, mut exchange: Exchange) -> ExchangeId {
        let mut state = self.lock();
        let id = state.next;
        exchange.id = id;
        state.next += 1;
        if exchange.inference {
            state.counts.requests += 1;
        } else {
            state.counts.polls += 1;
        }
        if state.kept.len() == MAX_KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back(exchange);
        drop(state);
        self.pulse.beat();
        ExchangeId(id)
    }

    /// Exchanges that were cleared meanwhile are nobody's business any more.
    fn update(&self, id: ExchangeId, change: impl FnOnce(&mut Exchange)) {
        let mut state = self.lock();
        let Some(first) = state.kept.front().map(|exchange| exchange.id) else {
            return;
        };
        let at = id.0.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(exchange) = at.and_then(|at| state.kept.get_mut(at)) {
            change(exchange);
        }
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
