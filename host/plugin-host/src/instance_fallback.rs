//! A fallback rule that can be asked what to do after a failed attempt. It answers advice in plain types;
//! whoever asks keeps the budgets of attempts and time.

use std::time::Duration;

use herdwick_fleet::RowId;

use crate::bindings::fallback::FallbackPlugin;
use crate::bindings::fallback::exports::herdwick::plugin::fallback as wit;
use crate::fault::Fault;
use crate::instance::Instance;
use crate::limits;
use crate::sandbox::printable;

/// One instance of a fallback rule.
pub struct FallbackInstance(pub(crate) Instance<FallbackPlugin>);

/// What a rule is told. Slots are the row identities of the matrix that the signals saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The words that the rule wants, in its order.
    pub words: Vec<String>,
    /// What was tried, oldest first.
    pub tried: Vec<Attempt>,
    /// Who cannot serve, and why.
    pub eliminated: Vec<Elimination>,
    /// The readings of those that can, row by row: slot, then the columns that the rule wants.
    pub rows: Vec<f64>,
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Where.
    pub slot: u32,
    /// How it failed.
    pub why: Failure,
    /// The status that came, if one did.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection.
    Connect,
    /// No answer in time.
    Timeout,
    /// A status that is an error.
    Status,
    /// It says that it has too much to do.
    Overloaded,
    /// It does not have the model.
    ModelMissing,
    /// The model does not fit its memory.
    NoRoom,
    /// The prompt does not fit the model's context.
    ContextTooSmall,
    /// It refused the request itself.
    Refused,
    /// The request waited too long for its turn.
    QueueTimeout,
    /// The answer broke off.
    StreamCut,
    /// None of these.
    Other,
}

/// A candidate that cannot serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elimination {
    /// Which.
    pub slot: u32,
    /// A short phrase.
    pub why: String,
}

/// What a rule advises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Try this slot.
    Retry(u32),
    /// Serve another model under this name.
    Substitute(String),
    /// Decide again after so many milliseconds.
    WaitMs(u32),
    /// Tell the client so.
    GiveUp(String),
    /// Ask the next rule.
    Pass,
}

impl FallbackInstance {
    /// Asks once.
    ///
    /// # Errors
    /// It misbehaved. After a fault that [kills](Fault::kills) the instance is of no more use.
    pub fn next(&mut self, asked: &Asked) -> Result<Step, Fault> {
        let tried = asked.tried.iter().map(Attempt::lower).collect::<Vec<_>>();
        let eliminated = asked.eliminated.iter().map(Elimination::lower).collect::<Vec<_>>();
        let answer = self.0.call(limits::NEXT, |plugin, store| {
            let rule = plugin.herdwick_plugin_fallback();
            rule.call_next(store, &asked.words, &tried, &eliminated, &asked.rows)
        })?;
        let text = |text: String| printable(&text, limits::ERROR_BYTES);
        match answer {
            Ok(wit::Step::Retry(slot)) => Ok(Step::Retry(slot)),
            // A model's name goes into a comparison, so it is taken as it is; it is bounded by the answer's size.
            Ok(wit::Step::Substitute(model)) => Ok(Step::Substitute(model)),
            Ok(wit::Step::WaitMs(ms)) => Ok(Step::WaitMs(ms)),
            Ok(wit::Step::GiveUp(why)) => Ok(Step::GiveUp(text(why))),
            Ok(wit::Step::Pass) => Ok(Step::Pass),
            Err(why) => Err(Fault::Refused(text(why))),
        }
    }
}

impl Asked {
    /// What the core knows of the situation, in this contract's terms.
    pub(crate) fn new(situation: &herdwick_fleet::Situation<'_>, words: Vec<String>, rows: Vec<f64>) -> Self {
        use herdwick_fleet::Failure as Core;
        let failure = |failure| match failure {
            Core::Connect => Failure::Connect,
            Core::Cut => Failure::StreamCut,
            Core::Overloaded => Failure::Overloaded,
            Core::ModelMissing => Failure::ModelMissing,
            Core::NoRoom => Failure::NoRoom,
            Core::ContextTooSmall => Failure::ContextTooSmall,
            Core::Refused => Failure::Refused,
            Core::Status => Failure::Status,
        };
        let tried = situation.tried.iter().map(|tried| Attempt {
            slot: tried.row.0,
            why: failure(tried.failure),
            status: (tried.status != 0).then_some(tried.status),
            took_ms: tried.took.as_secs_f64() * 1e3,
        });
        let eliminated = situation.decision.eliminated.iter();
        let eliminated = eliminated.map(|out| Elimination { slot: out.row.0, why: out.why.to_string() });
        Self { words, tried: tried.collect(), eliminated: eliminated.collect(), rows }
    }
}

impl From<Step> for herdwick_fleet::Step {
    fn from(step: Step) -> Self {
        match step {
            Step::Retry(slot) => Self::Retry(RowId(slot)),
            Step::Substitute(model) => Self::Substitute(model),
            Step::WaitMs(ms) => Self::Wait(Duration::from_millis(u64::from(ms))),
            Step::GiveUp(why) => Self::GiveUp(why),
            Step::Pass => Self::Pass,
        }
    }
}

impl Attempt {
    fn lower(&self) -> wit::Attempt {
        wit::Attempt {
            slot: self.slot,
            why: self.why.lower(),
            status: self.status.unwrap_or(0),
            took_ms: self.took_ms,
        }
    }
}

impl Failure {
    fn lower(self) -> wit::Failure {
        match self {
            Self::Connect => wit::Failure::Connect,
            Self::Timeout => wit::Failure::Timeout,
            Self::Status => wit::Failure::Status,
            Self::Overloaded => wit::Failure::Overloaded,
            Self::ModelMissing => wit::Failure::ModelMissing,
            Self::NoRoom => wit::Failure::NoRoom,
            Self::ContextTooSmall => wit::Failure::ContextTooSmall,
            Self::Refused => wit::Failure::Refused,
            Self::QueueTimeout => wit::Failure::QueueTimeout,
            Self::StreamCut => wit::Failure::StreamCut,
            Self::Other => wit::Failure::Other,
        }
    }
}

impl Elimination {
    fn lower(&self) -> wit::Elimination {
        wit::Elimination { slot: self.slot, why: self.why.clone() }
    }
}
