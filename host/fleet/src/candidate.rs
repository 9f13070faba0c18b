//! Who can serve a request now, and why each other holder of the model cannot.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Backend, Holding};
use crate::id::{PluginId, RowId};
use crate::moment::Moment;
use crate::profile::Profile;
use crate::snapshot::Snapshot;

/// A backend that can serve this request.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The backend.
    pub backend: Arc<Backend>,
    /// The model on it.
    pub holding: Arc<Holding>,
}

impl Candidate {
    /// The machine's name.
    pub fn name(&self) -> &str {
        &self.backend.node.name
    }
}

/// A holder of the model that cannot serve it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eliminated {
    /// Its row.
    pub row: RowId,
    /// The machine's name.
    pub node: Arc<str>,
    /// Why.
    pub why: Elimination,
}

/// Why a holder is no candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elimination {
    /// It does not answer.
    Unreachable(Arc<str>),
    /// All slots for this model are taken.
    Full {
        /// Slots in all.
        total: u32,
    },
    /// It says that it has too much to do, and is left alone for a while.
    Busy {
        /// How long yet, from the survey.
        rest: Duration,
    },
    /// It listed the model, and said since that it does not have it.
    Denied,
    /// This request was tried there already and failed.
    Tried,
    /// A signal that may do so refused it.
    Vetoed(PluginId),
}

impl fmt::Display for Elimination {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(out, "is unreachable: {why}"),
            Self::Full { total: 1 } => out.write_str("is full (its slot is busy)"),
            Self::Full { total } => write!(out, "is full ({total} of {total} slots busy)"),
            Self::Busy { .. } => out.write_str("says that it is busy"),
            Self::Denied => out.write_str("says that it does not have the model"),
            Self::Tried => out.write_str("failed for this request already"),
            Self::Vetoed(plugin) => write!(out, "is vetoed by {plugin}"),
        }
    }
}

/// All holders of the wanted model, sorted into those that can and those that cannot.
#[derive(Clone, Debug, Default)]
pub struct Field {
    /// Who can serve.
    pub candidates: Vec<Candidate>,
    /// Who cannot, and why.
    pub eliminated: Vec<Eliminated>,
}

/// Why a field has no candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// No backend holds the model, or whoever listed it says now that it does not.
    Unknown,
    /// Somebody who holds it is merely full: waiting helps.
    Busy,
    /// Everybody who holds it failed for this request.
    Exhausted,
    /// Everybody who holds it is unreachable (or vetoed).
    Unreachable,
}

impl Field {
    /// Looks at every holder of the model that the request names; `tried` are those where it failed.
    pub fn survey(profile: &Profile, snapshot: &Snapshot, tried: &[RowId], now: Moment) -> Self {
        let mut field = Self::default();
        for (backend, holding) in snapshot.holders(&profile.model) {
            let slots = &holding.live.slots;
            let why = if tried.contains(&backend.row) {
                Some(Elimination::Tried)
            } else if let Some(why) = backend.unreachable() {
                Some(Elimination::Unreachable(why.into()))
            } else if holding.live.is_denied_since(backend.listed) {
                Some(Elimination::Denied)
            } else if let Some(until) = holding.live.busy_until(now) {
                Some(Elimination::Busy { rest: until.since(now) })
            } else if slots.free() == 0 {
                Some(Elimination::Full { total: slots.total() })
            } else {
                None
            };
            match why {
                None => field
                    .candidates
                    .push(Candidate { backend: Arc::clone(backend), holding: Arc::clone(holding) }),
                Some(why) => field.eliminated.push(Eliminated {
                    row: backend.row,
                    node: Arc::clone(&backend.node.name),
                    why,
                }),
            }
        }
        field
    }

    /// When somebody who said that it is busy may be asked again, at the soonest.
    pub fn next_chance(&self) -> Option<Duration> {
        let rests = self.eliminated.iter().filter_map(|out| match out.why {
            Elimination::Busy { rest } => Some(rest),
            _ => None,
        });
        rests.min()
    }

    /// Why nobody is left, in the order in which it decides what to tell the client.
    pub fn lack(&self) -> Lack {
        let any = |test: fn(&Elimination) -> bool| self.eliminated.iter().any(|e| test(&e.why));
        if any(|why| matches!(why, Elimination::Full { .. } | Elimination::Busy { .. })) {
            Lack::Busy
        } else if any(|why| matches!(why, Elimination::Tried)) {
            Lack::Exhausted
        } else if any(|why| !matches!(why, Elimination::Denied)) {
            Lack::Unreachable
        } else {
            Lack::Unknown
        }
    }
}
