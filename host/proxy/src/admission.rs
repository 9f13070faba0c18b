//! Deciding and waiting: a request leaves here with a slot, or with the reason why it gets none.
//!
//! A request waits in the router, bound to no backend, and is decided anew whenever something changes. Per
//! model, those that wait stand in line and only the first looks for a slot, so that a freed slot wakes one
//! request per model and not all of them.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herdwick_fleet::candidate::Lack;
use herdwick_fleet::{
    Backend, Basis, Decision, Field, ModelName, Profile, Reach, Snapshot, Standing, decide,
};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::budget::Retry;
use crate::rescue::Problem;
use crate::router::Router;
use crate::ticket::Ticket;
use crate::tries::Tries;

/// Those that wait.
#[derive(Default)]
pub(crate) struct Line {
    freed: Arc<Notify>,
    models: Mutex<HashMap<ModelName, Arc<ModelLine>>>,
}

/// The line of one model.
struct ModelLine {
    /// One permit: the right to look for a slot. tokio hands it on in order of arrival.
    turn: Semaphore,
    /// Permits stand for places in the line.
    places: Semaphore,
}

/// A slot, and for a request that was tried before the right to try again.
pub(crate) struct Admitted<'a> {
    pub(crate) ticket: Ticket,
    /// Held until the backend answers, or does not.
    pub(crate) retry: Option<Retry<'a>>,
}

/// Finds a slot for the request on a backend where it did not fail yet, waiting for one if need be. A request that was
/// tried already has stood in line: it neither queues again nor keeps others waiting while it looks for a node that is
/// new to it.
pub(crate) async fn admit<'a>(
    router: &'a Router,
    profile: &Profile,
    tries: &mut Tries,
) -> Result<Admitted<'a>, Problem> {
    let began = Instant::now();
    let deadline = tries.deadline();
    let admitted = if tries.is_first() {
        stand_in_line(router, profile, tries, deadline).await
    } else {
        look(router, profile, tries, deadline).await
    };
    tries.waited(began.elapsed());
    admitted
}

async fn stand_in_line<'a>(
    router: &'a Router,
    profile: &Profile,
    tries: &Tries,
    deadline: Instant,
) -> Result<Admitted<'a>, Problem> {
    let line = router.line.of(&profile.model, router.limits.waiting);
    let Ok(_place) = line.places.try_acquire() else {
        return Err(Problem::QueueFull { name: tries.written.clone(), waiting: router.limits.waiting });
    };
    // The semaphores are never closed, so the only error is the deadline.
    let turn = timeout_at(deadline, line.turn.acquire()).await;
    let _turn = turn.map_err(|_| timed_out(router, tries))?;
    look(router, profile, tries, deadline).await
}

/// Decides, and decides again whenever something changed, until there is a slot.
async fn look<'a>(
    router: &'a Router,
    profile: &Profile,
    tries: &Tries,
    deadline: Instant,
) -> Result<Admitted<'a>, Problem> {
    let mut published = router.published();
    loop {
        let mut freed = pin!(router.line.freed.notified());
        // From here on a freed slot is noticed, also one that frees before the first await.
        freed.as_mut().enable();
        published.mark_unchanged();
        // The right to try again is not held while waiting for a slot: others could use it.
        let retry = if tries.is_first() {
            None
        } else {
            let retry = router.budget.retry(&router.scene.counters, deadline).await;
            Some(retry.ok_or_else(|| timed_out(router, tries))?)
        };
        let chance = match try_now(router, profile, tries)? {
            Found::Slot(ticket) => return Ok(Admitted { ticket, retry }),
            Found::Nothing { chance } => chance,
        };
        drop(retry);
        let again = chance.map_or(deadline, |rest| deadline.min(Instant::now() + rest));
        let change = async {
            tokio::select! {
                () = freed => {}
                // An error means that the router is going down; the slots that free until then still count.
                Ok(()) = published.changed() => {}
            }
        };
        if timeout_at(again, change).await.is_err() && again >= deadline {
            return Err(timed_out(router, tries));
        }
    }
}

/// What one look found.
enum Found {
    /// A slot.
    Slot(Ticket),
    /// Everybody who could is full or busy; when somebody who said so may be asked again, if anybody did.
    Nothing { chance: Option<Duration> },
}

fn timed_out(router: &Router, tries: &Tries) -> Problem {
    Problem::QueueTimeout { name: tries.written.clone(), seconds: router.limits.wait.as_secs() }
}

/// Decides once.
fn try_now(router: &Router, profile: &Profile, tries: &Tries) -> Result<Found, Problem> {
    let snapshot = router.snapshot();
    let now = router.now();
    let field = Field::survey(profile, &snapshot, tries.rows(), now);
    let chance = field.next_chance();
    if field.candidates.is_empty() {
        return match field.lack() {
            Lack::Busy => Ok(Found::Nothing { chance }),
            _ => Err(lacking(&field, &snapshot, profile, &tries.written)),
        };
    }
    let policy = router.policy().pin();
    let decided = decide(profile, &snapshot, field, &*policy, now);
    let decision = &decided.decision;
    router.ring().push(Arc::clone(decision));
    if decision.ranked.is_empty() {
        return refused(decision, &tries.written).map_or(Ok(Found::Nothing { chance }), Err);
    }
    // A rule's advice outranks the order of costs, as long as whom it names can serve.
    let advised = tries.advised_row();
    let advised = decided.candidates().find(|candidate| Some(candidate.backend.row) == advised);
    let best = advised.or_else(|| decided.candidates().next());
    let ticket = Ticket::take(decision, best, &router.scene, &router.line.freed);
    Ok(ticket.map_or(Found::Nothing { chance }, Found::Slot))
}

/// What to tell somebody whom the plugins left no candidate; `None` when one of the busy ones may still come.
fn refused(decision: &Decision, written: &str) -> Option<Problem> {
    let name = written.to_owned();
    if let Basis::Refused(plugin) = &decision.basis {
        return Some(Problem::PluginFailed { plugin: plugin.to_string() });
    }
    let busy = decision.eliminated.iter().any(|out| out.why.is_passing());
    let reasons = decision.eliminated.iter().map(|out| format!("{} {}", out.node, out.why));
    (!busy).then(|| Problem::Vetoed { name, reasons: reasons.collect::<Vec<_>>().join(", ") })
}

/// What to tell somebody whose model nobody can serve.
pub(crate) fn lacking(field: &Field, snapshot: &Snapshot, profile: &Profile, written: &str) -> Problem {
    let name = written.to_owned();
    let reasons: Vec<_> = field.eliminated.iter().map(|out| format!("{} {}", out.node, out.why)).collect();
    match field.lack() {
        Lack::Exhausted => Problem::NodesFailed { name, attempts: reasons.join(", ") },
        Lack::Unreachable if field.next_chance().is_some() => {
            let rest = field.next_chance().unwrap_or_default();
            Problem::AllTripped { name, nodes: reasons.join(", "), rest }
        }
        Lack::Unreachable => Problem::ModelOffline { name, nodes: reasons.join(", ") },
        Lack::Dialect => Problem::OtherApi { name, nodes: reasons.join(", ") },
        _ if snapshot.backends().iter().any(|backend| backend.reach == Reach::Up) => {
            // Somebody who never told what it has may have it; a final 404 would be a guess.
            // Of a machine that is offline nobody expects that, once it was asked.
            let is_offline = |backend: &Backend| {
                backend.node.standing == Standing::Lost && backend.reach != Reach::Unknown
            };
            let silent = snapshot.backends().iter().filter(|it| it.seen.is_none() && !is_offline(it));
            let silent: Vec<_> = silent.map(|backend| backend.node.name.to_string()).collect();
            let nearest = nearest(snapshot, &profile.model);
            if silent.is_empty() {
                Problem::ModelNotFound { name, nearest }
            } else {
                Problem::ModelUnheard { name, nearest, nodes: silent.join(", ") }
            }
        }
        _ => nobody(snapshot),
    }
}

/// What to tell somebody when no node answers: which there are, and why not.
pub(crate) fn nobody(snapshot: &Snapshot) -> Problem {
    let silent = snapshot.backends().iter().map(|backend| {
        let is_draining = backend.node.draining.is_wanted();
        let otherwise =
            if is_draining { "it takes no new work (draining)" } else { "it has told nothing yet" };
        let why = backend.unreachable().unwrap_or(otherwise);
        format!("{} ({}): {why}", backend.node.name, backend.origin)
    });
    Problem::NoNode { nodes: silent.collect::<Vec<_>>().join(", ") }
}

/// The name that somebody may have meant.
pub(crate) fn nearest(snapshot: &Snapshot, wanted: &ModelName) -> Option<ModelName> {
    // A long name is no typing mistake, and comparing it with thousands would hold up everybody else.
    const LONGEST: usize = 64;
    const COMPARED: usize = 500;
    if wanted.as_str().len() > LONGEST {
        return None;
    }
    let distance = |name: &ModelName| herdwick_fleet::nearest::distance(wanted.as_str(), name.as_str());
    let near = snapshot.models().into_iter().take(COMPARED).map(|name| (distance(name), name)).min()?;
    (near.0 <= wanted.as_str().len() / 2).then(|| near.1.clone())
}

impl Line {
    fn of(&self, model: &ModelName, places: usize) -> Arc<ModelLine> {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = models.get(model) {
            return Arc::clone(line);
        }
        // Clients can name models without end; a line that nobody stands in is not worth its memory.
        const KEPT: usize = 1_024;
        if models.len() >= KEPT {
            models.retain(|_, line| Arc::strong_count(line) > 1);
        }
        let line = Arc::new(ModelLine { turn: Semaphore::new(1), places: Semaphore::new(places) });
        models.insert(model.clone(), Arc::clone(&line));
        line
    }
}
