//! Prefers backends where the model needs no load: the time until it is in memory, and twice that for a second copy.
//! Must not know: what is evicted for the load, which the signal `memory-fit` owns, and queues.

use herdwick_sdk::{Column, Cost, Row, Settings, Signal, column, export_signal, phrase};

/// `model.state-level` from which on the model is loading, and from which on it is resident.
const LOADING: f64 = 3.0;
const RESIDENT: f64 = 4.0;

/// The signal.
#[derive(Debug)]
pub struct ModelResidency {
    /// How many times dearer a load is while another copy can serve the request.
    second_copy_factor: f64,
}

/// What has to happen here before the first prompt token.
enum Readiness {
    Resident,
    Loading { rest_ms: f64 },
    Cold { load_ms: f64, drain_ms: f64, second_copy: bool },
}

impl Signal for ModelResidency {
    const COLUMNS: &'static [Column] = &[
        column::MODEL_STATE_LEVEL,
        column::MODEL_LOAD_MS,
        column::LOAD_DRAIN_MS,
        column::MODEL_COPY_ELSEWHERE_FLAG,
    ];

    fn new(settings: &mut Settings) -> ModelResidency {
        ModelResidency { second_copy_factor: settings.number("second_copy_factor", 2.0, 1.0..=10.0) }
    }

    fn cost(&self, row: Row<'_>) -> Cost {
        match readiness(row) {
            None => Cost::Abstain,
            Some(Readiness::Resident) => Cost::Ms(0.0),
            Some(Readiness::Loading { rest_ms }) => Cost::Ms(rest_ms),
            Some(Readiness::Cold { load_ms, drain_ms, second_copy }) => {
                let factor = if second_copy { self.second_copy_factor } else { 1.0 };
                Cost::Ms((load_ms + drain_ms) * factor)
            }
        }
    }

    fn explain(&self, row: Row<'_>) -> String {
        match readiness(row) {
            None => "state or load time unknown".to_owned(),
            Some(Readiness::Resident) => "resident".to_owned(),
            Some(Readiness::Loading { rest_ms }) => format!("loading, {} left", phrase::ms(rest_ms)),
            Some(Readiness::Cold { load_ms, drain_ms, second_copy }) => {
                let mut text = format!("{} to load", phrase::ms(load_ms));
                if drain_ms > 0.0 {
                    text.push_str(&format!(" after {}", phrase::ms(drain_ms)));
                }
                if second_copy {
                    let factor = phrase::number(self.second_copy_factor);
                    text.push_str(&format!(", times {factor}: another copy can serve"));
                }
                text
            }
        }
    }
}

/// `None` when the state, or a load time it needs, is unknown or absurd.
fn readiness(row: Row<'_>) -> Option<Readiness> {
    let state = row.get(column::MODEL_STATE_LEVEL)?;
    if state >= RESIDENT {
        return Some(Readiness::Resident);
    }
    let load_ms = row.get(column::MODEL_LOAD_MS)?;
    if state >= LOADING {
        return Some(Readiness::Loading { rest_ms: load_ms });
    }
    Some(Readiness::Cold {
        load_ms,
        // Not knowing of a busy victim or of another load means that there is none to wait for.
        drain_ms: row.get_or(column::LOAD_DRAIN_MS, 0.0)?,
        second_copy: row.get_or(column::MODEL_COPY_ELSEWHERE_FLAG, 0.0)? >= 0.5,
    })
}

export_signal!(ModelResidency);

#[cfg(test)]
mod tests {
    #[test]
    fn cases_manifest_and_hostile_input() {
        herdwick_sdk::cases::check::<super::ModelResidency>(env!("CARGO_MANIFEST_DIR"));
    }
}
