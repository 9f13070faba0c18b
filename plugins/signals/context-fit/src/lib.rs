//! Prefers backends whose resident context is long enough, and refuses those whose model allows none that long.
//! Must not know: the load of an absent model, which the signal `model-residency` owns.

use herdwick_sdk::{Column, Cost, Row, Settings, Signal, column, export_signal, phrase};

/// `model.state-level` from which on the context's length has been decided, since the model is loading or resident.
const LOADING: f64 = 3.0;

/// The signal.
#[derive(Debug)]
pub struct ContextFit {
    /// How many times the predicted load a reload costs.
    reload_factor: f64,
}

/// How the request's context and the model's go together here; lengths in tokens.
enum Fit {
    /// Even the lower bound of the need is above what the model allows.
    TooLong { least: f64, max: f64 },
    /// The model is not loaded, so it will be loaded with what is needed.
    Absent,
    /// The context that is there is long enough.
    Enough { resident: f64 },
    /// A longer one is needed: the model must be loaded again, after what runs here.
    Reload { needed: f64, resident: f64, load_ms: f64, drain_ms: f64 },
}

impl Signal for ContextFit {
    const COLUMNS: &'static [Column] = &[
        column::MODEL_STATE_LEVEL,
        column::MODEL_LOAD_MS,
        column::MODEL_RESIDENT_CONTEXT_TOKENS,
        column::MODEL_MAX_CONTEXT_TOKENS,
        column::REQ_CONTEXT_TOKENS,
        column::REQ_CONTEXT_MIN_TOKENS,
        column::LOAD_DRAIN_MS,
    ];
    const MAY_VETO: bool = true;

    fn new(settings: &mut Settings) -> ContextFit {
        ContextFit { reload_factor: settings.number("reload_factor", 1.0, 0.0..=10.0) }
    }

    fn cost(&self, row: Row<'_>) -> Cost {
        match fit(row) {
            None => Cost::Abstain,
            Some(Fit::TooLong { .. }) => Cost::Veto,
            Some(Fit::Absent | Fit::Enough { .. }) => Cost::Ms(0.0),
            Some(Fit::Reload { load_ms, drain_ms, .. }) => {
                Cost::Ms((load_ms + drain_ms) * self.reload_factor)
            }
        }
    }

    fn explain(&self, row: Row<'_>) -> String {
        match fit(row) {
            None => "context lengths unknown".to_owned(),
            Some(Fit::TooLong { least, max }) => {
                format!("needs at least {}, the model allows {}", tokens(least), phrase::number(max))
            }
            Some(Fit::Absent) => "not loaded yet".to_owned(),
            Some(Fit::Enough { resident }) => format!("{} of context are enough", tokens(resident)),
            Some(Fit::Reload { needed, resident, load_ms, drain_ms }) => {
                let mut text = format!(
                    "needs {}, has {}: {} to load again",
                    tokens(needed),
                    phrase::number(resident),
                    phrase::ms(load_ms)
                );
                if drain_ms > 0.0 {
                    text.push_str(&format!(" after {}", phrase::ms(drain_ms)));
                }
                text
            }
        }
    }
}

/// `None` when a length that matters is unknown, or a reading cannot be true.
fn fit(row: Row<'_>) -> Option<Fit> {
    // Not knowing the need is no reason to refuse; nor is a maximum that nobody knows.
    let least = row.get_or(column::REQ_CONTEXT_MIN_TOKENS, 0.0)?;
    let max = row.get_or(column::MODEL_MAX_CONTEXT_TOKENS, 1e9)?;
    if least > max {
        return Some(Fit::TooLong { least, max });
    }
    if row.get(column::MODEL_STATE_LEVEL)? < LOADING {
        return Some(Fit::Absent);
    }
    let resident = row.get(column::MODEL_RESIDENT_CONTEXT_TOKENS)?;
    // The estimate may be above the maximum, but no reload gives more than that.
    let needed = row.get(column::REQ_CONTEXT_TOKENS)?.max(least).min(max);
    if needed <= resident {
        return Some(Fit::Enough { resident });
    }
    Some(Fit::Reload {
        needed,
        resident,
        // No model loads in no time: 0 is the rest of a load that is over, and says nothing of the next one.
        load_ms: row.get(column::MODEL_LOAD_MS).filter(|ms| *ms > 0.0)?,
        drain_ms: row.get_or(column::LOAD_DRAIN_MS, 0.0)?,
    })
}

fn tokens(count: f64) -> String {
    phrase::count(count, "token", "tokens")
}

export_signal!(ContextFit);

#[cfg(test)]
mod tests {
    #[test]
    fn cases_manifest_and_hostile_input() {
        herdwick_sdk::cases::check::<super::ContextFit>(env!("CARGO_MANIFEST_DIR"));
    }
}
