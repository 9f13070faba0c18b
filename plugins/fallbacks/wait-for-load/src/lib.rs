//! While backends are busy or load the model the request waits, and is placed again afterwards.
//! Must not know: other backends to try, which is the rule `next-best-node`, and how long the request waited already.

use herdwick_sdk::fallback::{Attempt, Failure, Situation, Step};
use herdwick_sdk::{Column, Fallback, Row, Settings, column, export_fallback};

/// `model.state-level` from which on the model is loading, and from which on it is resident.
const LOADING: f64 = 3.0;
const RESIDENT: f64 = 4.0;

/// No wait, whatever the settings, is longer than this, so that milliseconds fit the contract.
const LONGEST_MS: f64 = 600_000.0;

/// The rule; all times in milliseconds.
#[derive(Debug)]
pub struct WaitForLoad {
    shortest: f64,
    longest: f64,
    /// The wait where nothing is known.
    unknown: f64,
}

impl Fallback for WaitForLoad {
    const COLUMNS: &'static [Column] = &[
        column::MODEL_STATE_LEVEL,
        column::MODEL_LOAD_MS,
        column::LOAD_DRAIN_MS,
        column::SLOTS_FREE_COUNT,
        column::WAIT_FIRST_FREE_MS,
    ];

    fn new(settings: &mut Settings) -> WaitForLoad {
        let shortest = settings.duration_ms("shortest", "100ms", 1.0..=LONGEST_MS);
        let longest = settings.duration_ms("longest", "10s", 1.0..=LONGEST_MS);
        if shortest > longest {
            settings.problem("`shortest` is longer than `longest`".to_owned());
        }
        WaitForLoad { shortest, longest, unknown: settings.duration_ms("unknown", "2s", 1.0..=LONGEST_MS) }
    }

    fn next(&self, situation: Situation<'_>) -> Step {
        let last = situation.last();
        if last.is_some_and(is_final) {
            return Step::Pass;
        }
        let rows = || situation.rows.iter();
        let busy = last.map_or(Busy::No, Busy::of);
        if busy == Busy::No && !rows().any(is_loading) {
            return Step::Pass;
        }
        let loads = rows().filter(|row| is_loading(*row)).map(|row| row.get(column::MODEL_LOAD_MS));
        let frees = rows().filter(|row| !is_loading(*row)).map(|row| busy.ends_in_ms(row));
        // A load ends for sure and a busy backend too: the soonest of those that are known counts.
        let soonest = loads.chain(frees).flatten().min_by(f64::total_cmp);
        let wait_ms = soonest.unwrap_or(self.unknown).max(self.shortest).min(self.longest);
        Step::WaitMs(wait_ms.ceil() as u32)
    }
}

/// What kept the last backend from taking the request, though it is in order.
#[derive(Clone, Copy, PartialEq)]
enum Busy {
    No,
    /// All slots or its queue are full.
    Slots,
    /// Models that are in use fill the memory.
    Memory,
}

impl Busy {
    fn of(last: &Attempt) -> Busy {
        match last.why {
            Failure::Overloaded => Busy::Slots,
            Failure::NoRoom => Busy::Memory,
            _ => Busy::No,
        }
    }

    /// When it ends on this backend, if that is known.
    fn ends_in_ms(self, row: Row<'_>) -> Option<f64> {
        match self {
            Busy::No => None,
            Busy::Slots if row.get(column::SLOTS_FREE_COUNT).is_some_and(|free| free >= 1.0) => Some(0.0),
            Busy::Slots => row.get(column::WAIT_FIRST_FREE_MS),
            Busy::Memory => row.get(column::LOAD_DRAIN_MS),
        }
    }
}

/// Whether no wait can mend the last failure.
fn is_final(last: &Attempt) -> bool {
    match last.why {
        Failure::Status => !matches!(last.status, 0 | 408 | 425 | 429 | 499 | 500..),
        Failure::ContextTooSmall | Failure::QueueTimeout => true,
        _ => false,
    }
}

fn is_loading(row: Row<'_>) -> bool {
    row.get(column::MODEL_STATE_LEVEL).is_some_and(|state| (LOADING..RESIDENT).contains(&state))
}

export_fallback!(WaitForLoad);

#[cfg(test)]
mod tests {
    #[test]
    fn cases_manifest_and_hostile_input() {
        herdwick_sdk::cases::check_fallback::<super::WaitForLoad>(env!("CARGO_MANIFEST_DIR"));
    }
}
