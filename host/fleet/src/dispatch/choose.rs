//! What is best for one request now: go, have a model loaded, or wait, and where. One look; nothing is changed by it.

use std::time::Duration;

use crate::candidate::{Candidate, Field, Lack};
use crate::column::Sight;
use crate::decision::{Basis, Decided, decide_by};
use crate::id::RowId;

use super::World;
use super::answer::Refusal;
use super::ask::Ask;
use super::eye::{Eye, Facts, Known, Stand, is_absent};
use super::predict;

/// A request that is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Looked<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) model: u32,
    /// Bound to this backend.
    pub(crate) bound: Option<RowId>,
    /// It takes whatever is free.
    pub(crate) hurried: bool,
}

/// What a look found.
pub(crate) enum Found {
    /// Somebody could serve it, now or later.
    Choice(Box<Choice>),
    /// Nobody can now; somebody may at the next change, or after this time.
    Later(Option<Duration>),
    /// Nobody can, and waiting does not help.
    Never(Box<Refusal>),
}

/// The best that can be done.
pub(crate) struct Choice {
    pub(crate) decided: Decided,
    pub(crate) facts: Vec<Facts>,
    pub(crate) what: What,
    /// The candidate, by its place in the field.
    pub(crate) at: usize,
    /// Its cost.
    pub(crate) ms: f64,
}

/// What to do with the best candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Send it now, asking for this context.
    Send { context: Option<u32> },
    /// Have the model loaded there, and wait for it.
    Load,
    /// Wait for it.
    Wait,
}

/// A candidate that was ranked.
#[derive(Clone, Copy)]
struct Rung {
    at: usize,
    ms: f64,
    stand: Stand,
}

/// Looks for the best.
pub(crate) fn look(eye: &Eye<'_>, world: World<'_>, looked: Looked<'_>) -> Found {
    let Looked { ask, model, bound, .. } = looked;
    let World { now, snapshot, policy } = world;
    let profile = &ask.profile;
    let mut field = Field::survey_by(profile, snapshot, (&ask.tried, now), |backend, holding| {
        eye.out(backend, holding, model)
    });
    if let Some(row) = bound
        && field.candidates.iter().any(|candidate| candidate.backend.row == row)
    {
        field.candidates.retain(|candidate| candidate.backend.row == row);
    }
    let chance = field.next_chance();
    if field.candidates.is_empty() {
        return match field.lack() {
            Lack::Busy => Found::Later(chance),
            _ => Found::Never(Box::new(Refusal::Lacking(field))),
        };
    }
    // Nobody reads what no signal asks for.
    let wanted = !policy.columns().is_empty();
    let facts: Vec<Facts> = if wanted {
        field.candidates.iter().map(|candidate| eye.facts(candidate, model, ask)).collect()
    } else {
        Vec::new()
    };
    let decided = decide_by(field, policy, Sight { profile, snapshot, now, work: &Known(&facts) });
    if decided.decision.ranked.is_empty() {
        let passes = decided.decision.eliminated.iter().any(|out| out.why.is_passing());
        return match decided.decision.basis {
            Basis::Refused(_) => Found::Never(Box::new(Refusal::Decided(decided.decision))),
            _ if passes => Found::Later(chance),
            _ => Found::Never(Box::new(Refusal::Decided(decided.decision))),
        };
    }
    let (at, ms, what) = choose(eye, looked, &decided, &facts);
    Found::Choice(Box::new(Choice { decided, facts, what, at, ms }))
}

/// Which of those ranked, and what to do with it.
fn choose(eye: &Eye<'_>, looked: Looked<'_>, decided: &Decided, facts: &[Facts]) -> (usize, f64, What) {
    let Looked { ask, model, hurried, .. } = looked;
    let (mut ready, mut cold, mut later) = (None, None, None);
    for ranked in &decided.decision.ranked {
        let Some(candidate) = decided.field().get(ranked.at) else { continue };
        let stand = eye.stand(candidate, model, ask);
        let option = Rung { at: ranked.at, ms: ranked.ms, stand };
        let first = match stand {
            Stand::Ready { context } => {
                // A rule's advice outranks the order of costs, as long as whom it names can serve.
                if ask.advised == Some(candidate.backend.row) {
                    return (option.at, option.ms, What::Send { context });
                }
                &mut ready
            }
            Stand::Cold => &mut cold,
            Stand::Later => &mut later,
        };
        first.get_or_insert(option);
        // Whoever comes after a free slot costs more than it, and nobody waits for that.
        if ready.is_some() && ask.advised.is_none() {
            break;
        }
    }
    // Having a model loaded is waiting too.
    let elsewhere = match (later, cold) {
        (Some(later), Some(cold)) => Some(if cold.ms < later.ms { cold } else { later }),
        (later, cold) => later.or(cold),
    };
    let stays = |free: Rung| {
        let pays = |there: Rung| {
            !hurried && there.ms < free.ms && waiting_pays(eye, looked, (decided, facts), (free, there))
        };
        !elsewhere.is_some_and(pays)
    };
    match (ready.filter(|free| stays(*free)), elsewhere) {
        (Some(free), _) => {
            let context = if let Stand::Ready { context } = free.stand { context } else { None };
            (free.at, free.ms, What::Send { context })
        }
        (None, Some(Rung { at, ms, stand: Stand::Cold })) => (at, ms, What::Load),
        (None, Some(Rung { at, ms, .. })) => (at, ms, What::Wait),
        // There is one of those ranked, and each stands in one of three ways.
        (None, None) => (0, f64::INFINITY, What::Wait),
    }
}

/// Whether waiting beside a free slot is worth it: only for a machine that is much faster, and by much. A router that
/// predicts should discount what it predicts.
fn waiting_pays(
    eye: &Eye<'_>,
    looked: Looked<'_>,
    (decided, facts): (&Decided, &[Facts]),
    (free, there): (Rung, Rung),
) -> bool {
    let tuning = &eye.rules.tuning;
    let service = |at: usize| {
        let candidate: Option<&Candidate> = decided.field().get(at);
        let cached = facts.get(at).map_or(0.0, |facts| facts.cached_tokens);
        candidate.map_or(f64::NAN, |candidate| eye.service_ms(candidate, looked.model, looked.ask, cached))
    };
    let known = facts.get(there.at);
    let ready_ms = decided.field().get(there.at).map_or(0.0, |candidate| {
        let Candidate { backend, holding } = candidate;
        let own = eye.loads.on(backend.node.id).filter(|load| load.is_of(backend.row, looked.model));
        match own {
            Some(load) => load.rest_ms(eye.now),
            None if there.stand == Stand::Cold || is_absent(backend, holding, eye.now) => {
                predict::load_ms(holding, eye.now) + known.map_or(0.0, |known| known.drain_ms)
            }
            None => 0.0,
        }
    });
    let wait = ready_ms + known.map_or(0.0, |known| known.first_free_ms + known.waiting_ms);
    let wait = if wait.is_finite() { wait.max(0.0) } else { 0.0 };
    service(free.at) >= tuning.wait_ratio * service(there.at)
        && there.ms + tuning.wait_margin * wait < free.ms
}
