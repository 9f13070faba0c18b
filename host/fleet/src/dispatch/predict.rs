//! What is known or assumed of a backend's speed and memory. The one place that asks holdings and readings for them, so
//! that whoever learns better numbers changes only this file.

use crate::backend::{Backend, Holding};
use crate::column::Column;
use crate::learned::Rates;
use crate::model::Residency;
use crate::moment::Moment;
use crate::profile::Profile;

use super::rules::Tuning;

/// Bytes of a model of which nobody tells how large it is: an ordinary one of 8 billion parameters. Waiting has to be
/// foreseen somehow, and no signal sees a number that was made of this.
const ORDINARY_BYTES: u64 = 5_000_000_000;

/// The rates of a model on a backend: what was told outranks what was learned, and that what is likely.
pub(crate) fn rates(backend: &Backend, holding: &Holding, now: Moment) -> Rates {
    let mut rates = holding.rates(backend, now).unwrap_or_else(ordinary);
    let told = |column| backend.reading(column, now).filter(|rate| *rate > 0.0 && rate.is_finite());
    if !backend.readings.is_empty() {
        rates.decode_per_s = told(Column::Decode).unwrap_or(rates.decode_per_s);
        rates.prefill_per_s = told(Column::Prefill).unwrap_or(rates.prefill_per_s);
    }
    rates
}

/// An ordinary model on an ordinary machine.
fn ordinary() -> Rates {
    Rates::guess(ORDINARY_BYTES, None).unwrap_or(Rates {
        prefill_per_s: 300.0,
        decode_per_s: 30.0,
        samples: 0,
        same_drag: 0.0,
        other_drag: 0.0,
    })
}

/// The whole load of a model on a backend, in milliseconds.
pub(crate) fn load_ms(holding: &Holding, now: Moment) -> f64 {
    match holding.residency(now) {
        Some((Residency::OnDisk | Residency::Warm, load_ms)) => load_ms,
        // It was read when it was loaded.
        _ => holding.load_ms(true),
    }
}

/// Bytes that a model takes in memory.
pub(crate) fn bytes(holding: &Holding, now: Moment) -> f64 {
    let loaded = holding.resident(now).map_or(0, |loaded| loaded.bytes.max(loaded.vram_bytes));
    (if loaded > 0 { loaded } else { holding.model.bytes }) as f64
}

/// What time prompt and answer take, in milliseconds, with `cached` tokens of the prompt there already.
pub(crate) fn service_ms(
    profile: &Profile,
    cached: f64,
    rates: Rates,
    slow_down: f64,
    decode_weight: f64,
) -> f64 {
    let prefill = (profile.prompt_tokens - cached).max(0.0) / rates.prefill_per_s;
    (prefill + decode_weight * profile.expected_tokens * slow_down / rates.decode_per_s) * 1e3
}

/// How much work a request is, in microseconds on an ordinary machine: what clients share, wherever they are served.
pub(crate) fn share_us(profile: &Profile, model_bytes: u64) -> u64 {
    let rates = Rates::guess(model_bytes, None).unwrap_or_else(ordinary);
    // Never nothing: a client that sends empty requests has its turns counted too.
    (service_ms(profile, 0.0, rates, 1.0, Tuning::default().decode_weight) * 1e3).max(1.0) as u64
}

/// Free memory for models on a backend, in bytes, if its agent tells of memory at all. What the agent measured before the
/// last load or eviction there is corrected by what we know of those.
pub(crate) fn free_bytes(backend: &Backend, changed: Option<Moment>, now: Moment) -> Option<f64> {
    let free = backend.readings.get(&Column::MemFree).filter(|free| free.at(now).is_some());
    if let Some(free) = free
        && changed.is_none_or(|changed| changed < free.taken())
    {
        return Some(*free.last());
    }
    let total = backend.reading(Column::MemTotal, now)?;
    let taken = |holding: &&std::sync::Arc<Holding>| {
        matches!(holding.residency(now), Some((Residency::Resident | Residency::Loading, _)))
    };
    let taken: f64 = backend.holdings.values().filter(taken).map(|holding| bytes(holding, now)).sum();
    Some(total - taken)
}
