//! What happens after an attempt failed: the question to the fallback rules and their answers, as plain data.
//! The rules advise; whoever asks keeps the budgets.

use std::time::Duration;

use crate::decision::Decision;
use crate::id::RowId;

/// How an attempt failed, before its answer began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection.
    Connect,
    /// The connection ended or broke before an answer began.
    Cut,
    /// It said that it has too much to do.
    Overloaded,
    /// It says that it does not have the model.
    ModelMissing,
    /// It could not fit the model into memory.
    NoRoom,
    /// The prompt is longer than the context it has there.
    ContextTooSmall,
    /// It refuses the router, whatever is asked.
    Refused,
    /// It failed with some other status.
    Status,
}

/// One attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tried {
    /// Where.
    pub row: RowId,
    /// How.
    pub failure: Failure,
    /// The status, 0 when no response came.
    pub status: u16,
    /// How long it took to fail.
    pub took: Duration,
}

/// What a rule is asked.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The decision behind the last attempt: readings of all candidates, best first in its ranking.
    pub decision: &'a Decision,
    /// The attempts so far, the last one last.
    pub tried: &'a [Tried],
}

/// What a rule advises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask this candidate next.
    Retry(RowId),
    /// Answer with another model.
    Substitute(String),
    /// Decide again after this long.
    Wait(Duration),
    /// Tell the client, with this reason.
    GiveUp(String),
    /// No advice: the next rule, or in the end the next best candidate.
    Pass,
}
