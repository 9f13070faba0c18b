//! Who can serve a request now, and why each other holder of the model cannot.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Backend, BackendKind, Holding, Reach};
use crate::breaker::Caution;
use crate::hang::stalled;
use crate::id::{PluginId, RowId};
use crate::model::Residency;
use crate::moment::Moment;
use crate::profile::Profile;
use crate::snapshot::Snapshot;
use crate::standing::Standing;

/// A rest after failures that is waited for. When all who could serve rest longer, their clients are told at once when
/// to come back.
const WORTH_WAITING: Duration = Duration::from_secs(5);

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
    /// Its agent is silent, and it does not answer itself either.
    Stale(Arc<str>),
    /// Neither it nor its agent was heard for long.
    Offline,
    /// Somebody wants that it takes no new work.
    Draining,
    /// It came and went too often; others are asked first.
    Held {
        /// How long yet, from the survey.
        rest: Duration,
    },
    /// It failed lately.
    Cautious(Caution),
    /// It does not answer the agent beside it.
    Stalled {
        /// For how long.
        silence: Duration,
    },
    /// It does not speak the API that the request is written in.
    Dialect(BackendKind),
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
    /// Its copy of the model is about to give way to another model.
    Leaving,
    /// What it would have to evict is pinned there.
    NoRoom,
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
            Self::Stale(why) => write!(out, "is stale: its agent is silent, and {why}"),
            Self::Offline => out.write_str("is offline"),
            Self::Draining => out.write_str("is draining (takes no new work)"),
            Self::Held { .. } => out.write_str("is held back, since it came and went too often"),
            Self::Cautious(why) => why.fmt(out),
            Self::Stalled { silence } => {
                write!(out, "does not answer its own agent for {} s", silence.as_secs())
            }
            Self::Dialect(kind) => write!(out, "does not speak this API ({kind})"),
            Self::Full { total: 1 } => out.write_str("is full (its slot is busy)"),
            Self::Full { total } => write!(out, "is full ({total} of {total} slots busy)"),
            Self::Busy { .. } => out.write_str("says that it is busy"),
            Self::Leaving => out.write_str("is about to let go of the model for another"),
            Self::NoRoom => out.write_str("has no memory for it beside the models that are pinned there"),
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
    /// Everybody who holds it is unreachable, drains, or is vetoed.
    Unreachable,
    /// Whoever holds it and could be asked speaks another API.
    Dialect,
}

impl Field {
    /// Looks at every holder of the model that the request names; `tried` are those where it failed. Who is full is
    /// no candidate.
    pub fn survey(profile: &Profile, snapshot: &Snapshot, tried: &[RowId], now: Moment) -> Self {
        Self::survey_by(profile, snapshot, (tried, now), |_, holding| {
            let slots = &holding.live.slots;
            (slots.free() == 0).then(|| Elimination::Full { total: slots.total() })
        })
    }

    /// The same, but who is full may be waited for, so that only `out` says who else is no candidate.
    pub fn survey_by(
        profile: &Profile,
        snapshot: &Snapshot,
        (tried, now): (&[RowId], Moment),
        mut out: impl FnMut(&Arc<Backend>, &Arc<Holding>) -> Option<Elimination>,
    ) -> Self {
        let mut field = Self::default();
        let mut doubted = Vec::new();
        for (backend, holding) in snapshot.holders(&profile.model) {
            let why = if tried.contains(&backend.row) {
                Some(Elimination::Tried)
            } else {
                barred(backend, profile)
                    .or_else(|| taken(backend, holding, now))
                    .or_else(|| out(backend, holding))
            };
            let candidate = || Candidate { backend: Arc::clone(backend), holding: Arc::clone(holding) };
            match why {
                Some(why) => field.put_out(backend, why),
                None => match doubt(backend, holding, now) {
                    Some(doubt) => doubted.push((candidate(), doubt)),
                    None => field.candidates.push(candidate()),
                },
            }
        }
        field.weigh(doubted);
        field
    }

    /// Whoever failed, or came and went too often, may be well now, and the last one who can serve is never refused for
    /// what may only be bad luck. Of several who are tripped none is the last: one of them will be tried soon.
    fn weigh(&mut self, doubted: Vec<(Candidate, Elimination)>) {
        let is_last = self.candidates.is_empty() && self.lack() != Lack::Busy;
        let tripped = |why: &Elimination| matches!(why, Elimination::Cautious(Caution::Tripped(..)));
        let is_held = |why: &Elimination| matches!(why, Elimination::Held { .. });
        let any_held = doubted.iter().any(|(_, why)| is_held(why));
        let all_tripped = doubted.iter().all(|(_, why)| tripped(why));
        let has_failed = self.eliminated.iter().any(|out| out.why == Elimination::Tried);
        let is_only = doubted.len() == 1 && !has_failed;
        for (candidate, why) in doubted {
            let serves = match &why {
                // It went and came, and did not fail.
                why if is_held(why) => true,
                _ if any_held => false,
                why if tripped(why) => all_tripped && is_only,
                _ => true,
            };
            if is_last && serves {
                self.candidates.push(candidate);
            } else {
                self.put_out(&candidate.backend, why);
            }
        }
    }

    fn put_out(&mut self, backend: &Backend, why: Elimination) {
        let node = Arc::clone(&backend.node.name);
        self.eliminated.push(Eliminated { row: backend.row, node, why });
    }

    /// When somebody may be asked again, at the soonest: who said that it is busy, or rests after a failure.
    pub fn next_chance(&self) -> Option<Duration> {
        self.eliminated.iter().filter_map(|out| out.why.rest()).min()
    }

    /// Why nobody is left, in the order in which it decides what to tell the client.
    pub fn lack(&self) -> Lack {
        let any = |test: fn(&Elimination) -> bool| self.eliminated.iter().any(|e| test(&e.why));
        if any(Elimination::is_passing) {
            Lack::Busy
        } else if any(|why| matches!(why, Elimination::Tried)) {
            Lack::Exhausted
        } else if any(|why| !matches!(why, Elimination::Denied | Elimination::Dialect(_))) {
            Lack::Unreachable
        } else if any(|why| matches!(why, Elimination::Dialect(_))) {
            Lack::Dialect
        } else {
            Lack::Unknown
        }
    }
}

impl Elimination {
    /// Whether it is over so soon that whoever wants to be served waits for it.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Full { .. } | Self::Busy { .. } | Self::Leaving => true,
            Self::Cautious(Caution::Tried(_)) => true,
            Self::Cautious(Caution::Paused(rest) | Caution::Tripped(_, rest)) => *rest <= WORTH_WAITING,
            _ => false,
        }
    }

    /// After how long it may be otherwise, where time alone brings that.
    fn rest(&self) -> Option<Duration> {
        match self {
            Self::Busy { rest } => Some(*rest),
            Self::Cautious(Caution::Paused(rest) | Caution::Tripped(_, rest) | Caution::LoadsFail(rest)) => {
                Some(*rest)
            }
            _ => None,
        }
    }
}

/// Why somebody who could serve is asked only when nobody else can.
fn doubt(backend: &Backend, holding: &Holding, now: Moment) -> Option<Elimination> {
    if let Some(rest) = backend.node.held(now) {
        return Some(Elimination::Held { rest });
    }
    if let Some(silence) = stalled(backend) {
        return Some(Elimination::Stalled { silence });
    }
    let breaker = &backend.live.breaker;
    let loads = || {
        let caution = breaker.load_caution(now)?;
        let is_in = matches!(holding.residency(now), Some((Residency::Resident, _)));
        (!is_in).then_some(caution)
    };
    breaker.caution(holding.live.slots.total(), now).or_else(loads).map(Elimination::Cautious)
}

/// Why nobody is sent there for this request, whatever is free.
fn barred(backend: &Backend, profile: &Profile) -> Option<Elimination> {
    if let Some(why) = backend.unreachable() {
        return Some(match (backend.node.standing, &backend.reach) {
            (Standing::Lost, _) => Elimination::Offline,
            (Standing::Stale, Reach::Down(_)) => Elimination::Stale(why.into()),
            _ => Elimination::Unreachable(why.into()),
        });
    }
    if backend.node.draining.is_wanted() {
        return Some(Elimination::Draining);
    }
    (!backend.kind.serves(profile.endpoint)).then_some(Elimination::Dialect(backend.kind))
}

/// Why its server would not take this request now, whatever slots we count.
fn taken(backend: &Backend, holding: &Holding, now: Moment) -> Option<Elimination> {
    if holding.live.is_denied_since(backend.listed) {
        Some(Elimination::Denied)
    } else {
        holding.live.busy_until(now).map(|until| Elimination::Busy { rest: until.since(now) })
    }
}
