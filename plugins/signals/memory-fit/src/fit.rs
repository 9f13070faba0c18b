//! What of the model fits where: need against memory, in bytes.
//! Must not know: weights, and what a slow part costs.

use herdwick_sdk::{Row, column};

/// `model.state-level` from which on memory is taken, and from which on the model is resident.
const LOADING: f64 = 3.0;
const RESIDENT: f64 = 4.0;

/// How the model lies, or would lie, in this machine's memory.
#[derive(Clone, Copy)]
pub(crate) enum Fit {
    /// Even the lower bound of the need is above all memory of the machine.
    TooLarge { need: f64, has: f64 },
    /// Memory is taken already; `share` of the model lies outside the accelerator's.
    Present { share: f64 },
    /// There is room after an eviction worth `regret_ms`, with `share` of the model outside the accelerator's memory, and
    /// `crowded` more because others than idle models take what it needs.
    Room { regret_ms: f64, share: f64, crowded: f64 },
}

impl Fit {
    /// `None` when state or eviction is unknown, or a reading cannot be true.
    pub(crate) fn of(row: Row<'_>) -> Option<Fit> {
        let state = row.get(column::MODEL_STATE_LEVEL)?;
        let bytes = row.known(column::MODEL_BYTES)?;
        let system = row.known(column::MEM_SYSTEM_TOTAL_BYTES)?;
        let total = row.known(column::MEM_TOTAL_BYTES)?;
        // Only a machine with two memories can split a model: not a unified one, nor one without an accelerator.
        let accelerator = total.filter(|total| system.is_some_and(|system| system > *total));
        if state >= LOADING {
            let vram =
                row.known(column::MODEL_VRAM_BYTES)?.filter(|_| state >= RESIDENT && accelerator.is_some());
            return Some(Fit::Present { share: share_outside(bytes, vram) });
        }

        let kv = row.get_or(column::MODEL_KV_BYTES_PER_TOKEN, 0.0)?;
        let least_context = row.get_or(column::REQ_CONTEXT_MIN_TOKENS, 0.0)?;
        let context = row.get_or(column::REQ_CONTEXT_TOKENS, least_context)?;
        let need = bytes.map(|bytes| bytes + kv * context);
        // Only the lower bound may refuse a machine: an estimate never vetoes.
        if let (Some(bytes), Some(has)) = (bytes, system) {
            let least = bytes + kv * least_context;
            if least > has {
                return Some(Fit::TooLarge { need: least, has });
            }
        }
        let (free, evictable) = (row.known(column::MEM_FREE_BYTES)?, row.known(column::MEM_EVICTABLE_BYTES)?);
        let fits_free = need.zip(free).is_some_and(|(need, free)| need <= free);
        let share = share_outside(need, accelerator);
        // What is free and what idle models would give back is all there is: a game gives nothing back, and a model that
        // finds the memory full runs on the processor for the rest of it, or from the swap where there is one memory.
        let room = free.zip(evictable).map(|(free, evictable)| free + evictable);
        let crowded = (share_outside(need, room) - share).max(0.0);
        // Whatever fits into free memory evicts nobody, also where the regret is not known; and there is nothing to regret
        // where there is nothing to evict.
        let evicts_none = fits_free || evictable == Some(0.0);
        let regret_ms = row.known(column::MEM_EVICT_REGRET_MS)?.or(evicts_none.then_some(0.0))?;
        Some(Fit::Room { regret_ms, share, crowded })
    }
}

/// The share of `bytes` that does not lie in `accelerator` bytes; none where either is unknown.
fn share_outside(bytes: Option<f64>, accelerator: Option<f64>) -> f64 {
    match (bytes, accelerator) {
        (Some(bytes), Some(accelerator)) if bytes > accelerator => (bytes - accelerator) / bytes,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::share_outside;

    #[test]
    fn a_share_is_known_only_where_both_sizes_are() {
        assert_eq!(share_outside(Some(40.0), Some(30.0)), 0.25);
        assert_eq!(share_outside(Some(30.0), Some(40.0)), 0.0);
        assert_eq!(share_outside(Some(40.0), Some(0.0)), 1.0);
        assert_eq!(share_outside(None, Some(0.0)), 0.0);
        assert_eq!(share_outside(Some(0.0), Some(0.0)), 0.0);
    }
}
