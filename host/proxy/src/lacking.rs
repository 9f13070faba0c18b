//! What to tell somebody who gets no slot: which machines there are, and why none of them will do.

use std::time::Duration;

use herdwick_fleet::candidate::Lack;
use herdwick_fleet::dispatch::Refusal;
use herdwick_fleet::{Backend, Basis, Decision, Field, ModelName, Profile, Reach, Snapshot, Standing};

use crate::rescue::{Problem, Queue};

/// What dispatch's refusal is in words. `wait` is how long a request may wait, over all its tries.
pub(crate) fn problem(
    refusal: &Refusal,
    (snapshot, wait): (&Snapshot, Duration),
    profile: &Profile,
    written: &str,
) -> Problem {
    let name = written.to_owned();
    match refusal {
        Refusal::QueueFull { waiting, retry_after } => {
            Problem::QueueFull { name, queue: Queue { waiting: *waiting, retry_after: *retry_after } }
        }
        Refusal::TooMany { waiting, retry_after } => {
            Problem::RateLimited { queue: Queue { waiting: *waiting, retry_after: *retry_after } }
        }
        Refusal::TimedOut { retry_after, .. } => {
            Problem::QueueTimeout { name, seconds: wait.as_secs(), retry_after: *retry_after }
        }
        Refusal::Lacking(field) => lacking(field, snapshot, profile, written),
        Refusal::Decided(decision) => refused(decision, written),
    }
}

/// What to tell somebody whom the plugins left no candidate.
fn refused(decision: &Decision, written: &str) -> Problem {
    let name = written.to_owned();
    if let Basis::Refused(plugin) = &decision.basis {
        return Problem::PluginFailed { plugin: plugin.to_string() };
    }
    let reasons = decision.eliminated.iter().map(|out| format!("{} {}", out.node, out.why));
    Problem::Vetoed { name, reasons: reasons.collect::<Vec<_>>().join(", ") }
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
