//! Which of two backends could begin the request sooner, in milliseconds, and which streams faster where that is equal.
//! Must not know: what was tried, and why it failed.

use std::cmp::Ordering;

use herdwick_sdk::{Column, Row, Settings, column};

use crate::{LOADING, RESIDENT};

/// What stands for readings that are not known, so that what is known to be ready comes first.
#[derive(Debug)]
pub(crate) struct Unknown {
    wait_ms: f64,
    failure_ms: f64,
}

impl Unknown {
    pub(crate) fn new(settings: &mut Settings) -> Unknown {
        Unknown {
            wait_ms: settings.duration_ms("unknown_wait", "10s", 0.0..=600_000.0),
            failure_ms: settings.duration_ms("failure_penalty", "5s", 0.0..=600_000.0),
        }
    }
}

/// How good a backend is for another attempt.
pub(crate) struct Readiness {
    begins_in_ms: f64,
    decode_per_s: f64,
}

impl Readiness {
    pub(crate) fn of(row: Row<'_>, unknown: &Unknown) -> Readiness {
        let reading = |column: Column| row.get(column).unwrap_or(unknown.wait_ms);
        let has_slot = row.get(column::SLOTS_FREE_COUNT).is_some_and(|free| free >= 1.0);
        let wait_ms = if has_slot { 0.0 } else { reading(column::WAIT_FIRST_FREE_MS) };
        let load_ms = match row.get(column::MODEL_STATE_LEVEL) {
            Some(state) if state >= RESIDENT => 0.0,
            Some(state) if state >= LOADING => reading(column::MODEL_LOAD_MS),
            _ => reading(column::MODEL_LOAD_MS) + row.get(column::LOAD_DRAIN_MS).unwrap_or(0.0),
        };
        let failures = row.get(column::ERR_CONSECUTIVE_COUNT).unwrap_or(0.0);
        Readiness {
            begins_in_ms: wait_ms + load_ms + failures * unknown.failure_ms,
            decode_per_s: row.get(column::RATE_DECODE_PER_S).unwrap_or(0.0),
        }
    }

    /// Less is better; of two that begin at the same time the one that streams faster.
    pub(crate) fn order(&self, other: &Readiness) -> Ordering {
        let begins = self.begins_in_ms.total_cmp(&other.begins_in_ms);
        begins.then(other.decode_per_s.total_cmp(&self.decode_per_s))
    }
}
