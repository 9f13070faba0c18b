//! What became of one request of a run.

use crate::fleets::NodeNo;
use crate::router::Refusal;
use crate::time::Time;
use crate::trace::Request;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// With a whole answer.
    Done,
    /// Its client left.
    Left,
    /// The router said that it is not served.
    Refused(Refusal),
}

/// One request's story.
#[derive(Clone, Debug)]
pub struct Record {
    /// What was asked.
    pub request: Request,
    /// How often it was handed over.
    pub attempts: u32,
    /// Where it was handed over last.
    pub last: Option<NodeNo>,
    /// When it was handed over first.
    pub sent: Option<Time>,
    /// When its first token came; of the attempt that the client saw.
    pub first: Option<Time>,
    /// How it ended.
    pub end: Option<End>,
    /// When it ended.
    pub ended: Option<Time>,
    /// How often somebody wanted to end it that had ended.
    pub ended_again: u32,
    /// Whether the router has heard that it is over.
    pub is_told: bool,
    /// Moves when it is handed over, and when the router hangs up.
    pub(super) epoch: u32,
    at_machine: bool,
}

impl Record {
    pub(super) fn new(request: Request) -> Self {
        Self {
            request,
            attempts: 0,
            last: None,
            sent: None,
            first: None,
            end: None,
            ended: None,
            ended_again: 0,
            is_told: false,
            epoch: 0,
            at_machine: false,
        }
    }

    /// Whether it is handed over and not ended there.
    pub fn is_at_machine(&self) -> bool {
        self.at_machine
    }

    /// Seconds to the first token.
    pub fn first_s(&self) -> Option<f64> {
        self.first.map(|first| (first - self.request.at).s())
    }

    /// Seconds to the end of a whole answer.
    pub fn whole_s(&self) -> Option<f64> {
        let ended = self.ended.filter(|_| self.end == Some(End::Done))?;
        Some((ended - self.request.at).s())
    }

    pub(super) fn send(&mut self, node: NodeNo, now: Time) {
        self.attempts += 1;
        self.epoch += 1;
        (self.last, self.at_machine) = (Some(node), true);
        self.sent.get_or_insert(now);
    }

    /// Notes the first token, and whether it is one.
    pub(super) fn first_token(&mut self, now: Time) -> bool {
        let is_first = self.first.is_none();
        self.first.get_or_insert(now);
        is_first
    }

    /// It is at no machine any more; at which it was.
    pub(super) fn leave(&mut self) -> Option<NodeNo> {
        std::mem::take(&mut self.at_machine).then_some(self.last).flatten()
    }

    /// Ends it, unless it has ended.
    pub(super) fn finish(&mut self, end: End, now: Time) -> bool {
        if self.end.is_some() {
            self.ended_again += 1;
            return false;
        }
        (self.end, self.ended) = (Some(end), Some(now));
        true
    }
}
