//! What dispatch answers: who serves a request, where one stands that waits, why one is refused, and what is to be loaded
//! and let go of. Data only; whoever drives dispatch carries it out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::backend::{Backend, Holding};
use crate::candidate::Field;
use crate::decision::Decision;
use crate::id::{RequestId, RowId};
use crate::model::ModelName;

/// A request that runs: the key for everything that is told of it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunId {
    pub(crate) row: RowId,
    pub(crate) model: u32,
    pub(crate) number: u64,
}

/// How far an answer is. One count per piece and no clock: it is told thousands of times a second.
#[derive(Debug, Default)]
pub struct Progress {
    pieces: AtomicU32,
}

impl Progress {
    /// A piece of the answer came: about one token.
    pub fn piece(&self) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
    }

    /// Several at once.
    pub fn pieces(&self, more: u32) {
        self.pieces.fetch_add(more, Ordering::Relaxed);
    }

    /// Pieces so far.
    pub fn count(&self) -> u32 {
        self.pieces.load(Ordering::Relaxed)
    }
}

/// A slot that was taken for a request. It is given back by [`ended`](super::Dispatch::ended), which whoever takes a grant
/// must call once, however the request ends.
#[derive(Clone, Debug)]
#[must_use = "the slot stays taken until the run is told to have ended"]
pub struct Grant {
    /// The key of what follows.
    pub run: RunId,
    /// Whom to ask.
    pub backend: Arc<Backend>,
    /// The model there.
    pub holding: Arc<Holding>,
    /// Why.
    pub decision: Arc<Decision>,
    /// The context to ask for (`num_ctx`): what is resident there, so that no reload is forced, or what a load is to have.
    /// `None` = leave the request as it is.
    pub context: Option<u32>,
    /// Tokens of its prompt that its backend is predicted to have in the cache already; at least 0.
    pub cached_tokens: f64,
    /// How long it waited.
    pub waited: Duration,
    /// Where to count the pieces of its answer.
    pub progress: Arc<Progress>,
}

/// Where somebody stands who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Requests for the same model that go first.
    pub ahead: usize,
    /// Predicted time until it begins.
    pub wait: Duration,
}

/// Why a request gets no slot.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// Too many requests, or too many bytes, wait for this model (503).
    QueueFull {
        /// How many wait.
        waiting: usize,
        /// When those that wait are predicted to be through.
        retry_after: Duration,
    },
    /// This client has more waiting than others leave it room for (429).
    TooMany {
        /// How many of its requests wait.
        waiting: usize,
        /// When those that wait are predicted to be through.
        retry_after: Duration,
    },
    /// It waited as long as it could (503).
    TimedOut {
        /// How long.
        waited: Duration,
        /// When those that still wait are predicted to be through.
        retry_after: Duration,
    },
    /// Nobody can serve it, and waiting does not help: why each holder cannot.
    Lacking(Field),
    /// The signals left nobody: vetoes, or a plugin without which its operator wants no answer.
    Decided(Arc<Decision>),
}

/// What became of a request that arrived.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// It may go.
    Send(Box<Grant>),
    /// It waits, and an [`Action`] will say what becomes of it.
    Wait(Place),
    /// It may not.
    Refuse(Box<Refusal>),
}

/// A load, told apart from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoadId(pub u64);

/// Why a model is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody waits for it.
    Demand,
    /// It would have paid lately.
    Worth,
    /// An operator wants it there.
    Operator,
}

/// A load to carry out, on nobody's behalf: no client that leaves ends it.
#[derive(Clone, Debug)]
pub struct LoadOrder {
    /// For telling how it ended.
    pub load: LoadId,
    /// Where.
    pub backend: Arc<Backend>,
    /// What.
    pub holding: Arc<Holding>,
    /// With which context (`num_ctx`); `None` = as the server does by itself.
    pub context: Option<u32>,
    /// Models that are to be let go of first. None of them has a request running.
    pub evict: Vec<ModelName>,
    /// Why.
    pub cause: Cause,
    /// Path of the request that wants it first: an embedding model is loaded by another route than a chat model.
    pub endpoint: &'static str,
    /// Predicted time of it.
    pub predicted: Duration,
}

/// A model to let go of.
#[derive(Clone, Debug)]
pub struct UnloadOrder {
    /// For telling how it ended.
    pub load: LoadId,
    /// Where.
    pub backend: Arc<Backend>,
    /// What.
    pub holding: Arc<Holding>,
}

/// What whoever drives dispatch has to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// A request that waited may go.
    Send {
        /// Which.
        request: RequestId,
        /// Where.
        grant: Box<Grant>,
    },
    /// A request that waited may not.
    Refuse {
        /// Which.
        request: RequestId,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// Load a model, and tell by [`load_ended`](super::Dispatch::load_ended) how it went.
    Load(Box<LoadOrder>),
    /// Let go of a model, and tell in the same way.
    Unload(Box<UnloadOrder>),
}

/// How a load, or letting go of a model, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadEnd {
    /// Well.
    Done,
    /// It failed: whoever waited for it tries elsewhere.
    Failed,
}

/// How a run ended, as far as it says what its slot holds now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RunEnd {
    /// An answer was made of about so many tokens, whole or not.
    Answered {
        /// As the backend counted, or as pieces were.
        tokens: f64,
    },
    /// It failed before an answer began.
    Failed,
}
