//! After a failed attempt the request goes to the next best backend that it has not been to.
//! Must not know: waiting for a better one, which is the rule `wait-for-load`, and other models.

mod ready;

use herdwick_sdk::fallback::{Attempt, Failure, Situation, Step};
use herdwick_sdk::{Column, Fallback, Row, Settings, column, export_fallback, phrase};

use ready::{Readiness, Unknown};

/// `model.state-level` from which on the model is loading, and from which on it is resident.
const LOADING: f64 = 3.0;
const RESIDENT: f64 = 4.0;

/// The rule.
#[derive(Debug)]
pub struct NextBestNode {
    /// Attempts after which it gives up, the first one among them.
    attempts: u32,
    unknown: Unknown,
}

impl Fallback for NextBestNode {
    const COLUMNS: &'static [Column] = &[
        column::MODEL_STATE_LEVEL,
        column::MODEL_LOAD_MS,
        column::LOAD_DRAIN_MS,
        column::MODEL_RESIDENT_CONTEXT_TOKENS,
        column::MODEL_MAX_CONTEXT_TOKENS,
        column::REQ_CONTEXT_TOKENS,
        column::SLOTS_FREE_COUNT,
        column::WAIT_FIRST_FREE_MS,
        column::RATE_DECODE_PER_S,
        column::ERR_CONSECUTIVE_COUNT,
    ];

    fn new(settings: &mut Settings) -> NextBestNode {
        NextBestNode { attempts: settings.integer("attempts", 3, 1..=100), unknown: Unknown::new(settings) }
    }

    fn next(&self, situation: Situation<'_>) -> Step {
        let Some(last) = situation.last() else {
            return Step::Pass;
        };
        if !another_may_succeed(last) {
            return Step::Pass;
        }
        if situation.tried.len() >= usize::try_from(self.attempts).unwrap_or(usize::MAX) {
            return match last.why {
                // Busy is not broken: whoever waits may still be served.
                Failure::Overloaded | Failure::NoRoom => Step::Pass,
                _ => Step::GiveUp(reason(situation.tried.len(), last)),
            };
        }
        let candidates = situation.rows.iter().filter(|row| !situation.was_tried(row.slot()));
        let suitable = candidates.filter(|row| suits(*row, last, situation));
        // The first of equals, since the router lists them in the order of its own preference.
        let best = suitable
            .min_by(|one, two| Readiness::of(*one, &self.unknown).order(&Readiness::of(*two, &self.unknown)));
        best.map_or(Step::Pass, |row| Step::Retry(row.slot()))
    }
}

/// Whether the same request may succeed on another backend.
fn another_may_succeed(last: &Attempt) -> bool {
    match last.why {
        // An answer that blames the request is the client's to read; these blame the backend or the moment.
        Failure::Status => matches!(last.status, 0 | 408 | 425 | 429 | 499 | 500..),
        // The whole fleet was too busy for too long; another backend is not a shorter queue.
        Failure::QueueTimeout => false,
        _ => true,
    }
}

/// Whether the reason of the last failure is absent on this backend, as far as that is known.
fn suits(row: Row<'_>, last: &Attempt, situation: Situation<'_>) -> bool {
    let state = row.get(column::MODEL_STATE_LEVEL);
    // One request never starts a second load of its model while the first one goes on.
    let is_loading = |attempt: &Attempt| {
        let tried = situation.rows.find(attempt.slot).and_then(|row| row.get(column::MODEL_STATE_LEVEL));
        tried.is_some_and(|state| (LOADING..RESIDENT).contains(&state))
    };
    if state.is_some_and(|state| state < LOADING) && situation.tried.iter().any(is_loading) {
        return false;
    }
    match last.why {
        Failure::Overloaded => row.get(column::SLOTS_FREE_COUNT).is_none_or(|free| free >= 1.0),
        Failure::ContextTooSmall => has_longer_context(row, situation),
        _ => true,
    }
}

/// Whether the context here is long enough for the request, and longer than wherever it was too short.
fn has_longer_context(row: Row<'_>, situation: Situation<'_>) -> bool {
    let too_short = situation.tried.iter().filter(|attempt| attempt.why == Failure::ContextTooSmall);
    let lengths: Vec<f64> =
        too_short.filter_map(|attempt| situation.rows.find(attempt.slot)).filter_map(context).collect();
    match (context(row), row.get(column::REQ_CONTEXT_TOKENS)) {
        (None, _) => false,
        (Some(_), None) if lengths.is_empty() => false,
        (Some(here), need) => {
            need.is_none_or(|need| here >= need) && lengths.iter().all(|length| here > *length)
        }
    }
}

/// The context a request gets here: what the model is resident with, else what it allows.
fn context(row: Row<'_>) -> Option<f64> {
    let is_resident = row.get(column::MODEL_STATE_LEVEL)? >= RESIDENT;
    row.get(if is_resident {
        column::MODEL_RESIDENT_CONTEXT_TOKENS
    } else {
        column::MODEL_MAX_CONTEXT_TOKENS
    })
}

/// What the client is told, apart from names, which the router adds.
fn reason(count: usize, last: &Attempt) -> String {
    let count = phrase::count(count as f64, "attempt", "attempts");
    let why = match last.why {
        Failure::Connect => "no connection",
        Failure::Timeout => "no answer in time",
        Failure::Status => return format!("{count} failed, the last with status {}", last.status),
        Failure::ModelMissing => "the model is missing there",
        Failure::ContextTooSmall => "the context is too small there",
        Failure::Refused => "the backend refuses the router",
        Failure::StreamCut => "the answer broke off",
        Failure::Overloaded | Failure::NoRoom | Failure::QueueTimeout | Failure::Other => {
            "the backend failed"
        }
    };
    format!("{count} failed, the last one: {why}")
}

export_fallback!(NextBestNode);

#[cfg(test)]
mod tests {
    #[test]
    fn cases_manifest_and_hostile_input() {
        herdwick_sdk::cases::check_fallback::<super::NextBestNode>(env!("CARGO_MANIFEST_DIR"));
    }
}
