//! Prefers backends with little work waiting: the time until the work placed there before this request starts.
//! Must not know: running work, which the signal `wait-time` owns; counting it twice doubles the cold loads.

use herdwick_sdk::{Column, Cost, Row, Settings, Signal, column, export_signal, phrase};

/// The signal. It has nothing to set: how much it counts is the operator's weight.
#[derive(Debug)]
pub struct QueueDepth;

impl Signal for QueueDepth {
    const COLUMNS: &'static [Column] = &[column::QUEUE_WAITING_MS, column::SLOTS_TOTAL_COUNT];

    fn new(_settings: &mut Settings) -> QueueDepth {
        QueueDepth
    }

    fn cost(&self, row: Row<'_>) -> Cost {
        queue(row).map(|(waiting_ms, slots)| waiting_ms / slots).into()
    }

    fn explain(&self, row: Row<'_>) -> String {
        match queue(row) {
            None => "waiting work unknown".to_owned(),
            Some((0.0, _)) => "nothing waiting".to_owned(),
            Some((waiting_ms, slots)) => {
                format!(
                    "{} of work waiting for {}",
                    phrase::ms(waiting_ms),
                    phrase::count(slots, "slot", "slots")
                )
            }
        }
    }
}

/// Waiting work and the slots that share it. A backend said to have no slot tells us nothing about a wait.
fn queue(row: Row<'_>) -> Option<(f64, f64)> {
    let waiting_ms = row.get(column::QUEUE_WAITING_MS)?;
    let slots = row.get(column::SLOTS_TOTAL_COUNT).filter(|slots| *slots >= 1.0)?;
    Some((waiting_ms, slots))
}

export_signal!(QueueDepth);

#[cfg(test)]
mod tests {
    #[test]
    fn cases_manifest_and_hostile_input() {
        herdwick_sdk::cases::check::<super::QueueDepth>(env!("CARGO_MANIFEST_DIR"));
    }
}
