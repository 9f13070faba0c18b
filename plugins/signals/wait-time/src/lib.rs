//! Prefers backends where a slot is free or frees soon: the wait for work that is running here.
//! Must not know: waiting work, which the signal `queue-depth` owns; counting it twice doubles the cold loads.

use herdwick_sdk::{Column, Cost, Row, Settings, Signal, column, export_signal, phrase};

/// The signal.
#[derive(Debug)]
pub struct WaitTime {
    /// Share of `wait.bias-ms` that is added to a predicted wait.
    bias_weight: f64,
}

/// When this request could start, as far as running work is concerned.
enum Start {
    Now,
    After { ms: f64 },
}

impl Signal for WaitTime {
    const COLUMNS: &'static [Column] =
        &[column::SLOTS_FREE_COUNT, column::WAIT_FIRST_FREE_MS, column::WAIT_BIAS_MS];

    fn new(settings: &mut Settings) -> WaitTime {
        WaitTime { bias_weight: settings.number("bias_weight", 0.0, 0.0..=1.0) }
    }

    fn cost(&self, row: Row<'_>) -> Cost {
        match self.start(row) {
            None => Cost::Abstain,
            Some(Start::Now) => Cost::Ms(0.0),
            Some(Start::After { ms }) => Cost::Ms(ms),
        }
    }

    fn explain(&self, row: Row<'_>) -> String {
        match self.start(row) {
            None => "no slot known to be free, and no prediction when one frees".to_owned(),
            Some(Start::Now) => "a slot is free".to_owned(),
            Some(Start::After { ms }) => format!("a slot frees in {}", phrase::ms(ms)),
        }
    }
}

impl WaitTime {
    /// `None` without a free slot when nothing is known of the work that holds them, or a reading is absurd.
    fn start(&self, row: Row<'_>) -> Option<Start> {
        // Where the free slots are not known the prediction speaks for itself: it is 0 with a free slot.
        if row.get_or(column::SLOTS_FREE_COUNT, 0.0)? >= 1.0 {
            return Some(Start::Now);
        }
        let predicted_ms = row.get(column::WAIT_FIRST_FREE_MS)?;
        let bias_ms = self.bias_weight * row.get_or(column::WAIT_BIAS_MS, 0.0)?;
        Some(Start::After { ms: (predicted_ms + bias_ms).max(0.0) })
    }
}

export_signal!(WaitTime);

#[cfg(test)]
mod tests {
    #[test]
    fn cases_manifest_and_hostile_input() {
        herdwick_sdk::cases::check::<super::WaitTime>(env!("CARGO_MANIFEST_DIR"));
    }
}
