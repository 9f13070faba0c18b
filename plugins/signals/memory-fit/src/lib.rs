//! Prefers backends that need not evict a model that is worth keeping, and refuses those whose memory is too small.
//! Must not know: the load itself, which the signal `model-residency` owns, and how victims are chosen.

mod fit;

use herdwick_sdk::service::{Constants, Service};
use herdwick_sdk::{Column, Cost, Row, Settings, Signal, column, export_signal, phrase};

use fit::Fit;

/// The signal.
#[derive(Debug)]
pub struct MemoryFit {
    /// How much the worth of evicted models counts.
    regret_factor: f64,
    /// How many times slower the part of a model in main memory runs.
    cpu_slow_down: f64,
    /// Answers after which the learned rates have the slow-down in them.
    learned_after: f64,
    service: Constants,
}

/// What the model's memory costs here, in milliseconds.
struct Price {
    regret_ms: f64,
    /// Share of the model in main memory, and what it costs while the rates do not show it.
    split: Option<(f64, f64)>,
}

impl Signal for MemoryFit {
    const COLUMNS: &'static [Column] = &[
        column::MODEL_STATE_LEVEL,
        column::MODEL_BYTES,
        column::MODEL_VRAM_BYTES,
        column::MODEL_KV_BYTES_PER_TOKEN,
        column::REQ_CONTEXT_TOKENS,
        column::REQ_CONTEXT_MIN_TOKENS,
        column::MEM_TOTAL_BYTES,
        column::MEM_FREE_BYTES,
        column::MEM_SYSTEM_TOTAL_BYTES,
        column::MEM_EVICT_REGRET_MS,
        column::RATE_SAMPLES_COUNT,
        column::REQ_PROMPT_TOKENS,
        column::REQ_EXPECTED_TOKENS,
        column::PREFIX_CACHED_TOKENS,
        column::RATE_PREFILL_PER_S,
        column::RATE_DECODE_PER_S,
        column::WORK_SAME_COUNT,
        column::WORK_OTHER_COUNT,
        column::RATE_SAME_DRAG_RATIO,
        column::RATE_OTHER_DRAG_RATIO,
        column::MEM_EVICTABLE_BYTES,
    ];
    const MAY_VETO: bool = true;

    fn new(settings: &mut Settings) -> MemoryFit {
        MemoryFit {
            regret_factor: settings.number("regret_factor", 1.0, 0.0..=100.0),
            cpu_slow_down: settings.number("cpu_slow_down", 10.0, 1.0..=1000.0),
            learned_after: settings.number("learned_after", 5.0, 0.0..=1e6),
            service: Constants::new(settings),
        }
    }

    fn cost(&self, row: Row<'_>) -> Cost {
        match Fit::of(row) {
            Some(Fit::TooLarge { .. }) => Cost::Veto,
            fit => self
                .price(row, fit)
                .map(|price| price.regret_ms + price.split.map_or(0.0, |(_, ms)| ms))
                .into(),
        }
    }

    fn explain(&self, row: Row<'_>) -> String {
        let fit = match Fit::of(row) {
            None => return "what must be evicted is unknown".to_owned(),
            Some(Fit::TooLarge { need, has }) => {
                return format!(
                    "needs at least {}, the machine has {}",
                    phrase::bytes(need),
                    phrase::bytes(has)
                );
            }
            Some(fit) => fit,
        };
        let mut text = match &fit {
            Fit::Present { .. } => "in memory".to_owned(),
            Fit::Room { crowded, .. } if *crowded > 0.0 => "its memory is full".to_owned(),
            Fit::Room { regret_ms, .. } if *regret_ms > 0.0 => {
                format!("evicts models worth {}", phrase::ms(*regret_ms))
            }
            _ => "evicts nothing of worth".to_owned(),
        };
        match self.price(row, Some(fit)) {
            None => text.push_str(", partly on the CPU at an unknown speed"),
            Some(Price { split: Some((share, ms)), .. }) => {
                let percent = phrase::number((share * 100.0).ceil());
                text.push_str(&format!(", {percent} % of it on the CPU for {} more", phrase::ms(ms)));
            }
            Some(_) => {}
        }
        text
    }
}

impl MemoryFit {
    /// `None` when nothing is known, or when a split model's speed is not.
    fn price(&self, row: Row<'_>, fit: Option<Fit>) -> Option<Price> {
        let (regret_ms, outside, crowded) = match fit? {
            Fit::TooLarge { .. } => return None,
            Fit::Present { share } => (0.0, share, 0.0),
            Fit::Room { regret_ms, share, crowded } => (regret_ms * self.regret_factor, share, crowded),
        };
        // What was learned was learned with as much of the model outside as never fits, and not with what is taken now.
        let is_learned = row.get_or(column::RATE_SAMPLES_COUNT, 0.0)? >= self.learned_after;
        let share = crowded + if is_learned { 0.0 } else { outside };
        let split = if share > 0.0 && self.cpu_slow_down > 1.0 {
            let service_ms = Service::from_row(row)?.ms(self.service.learned(row)?)?;
            Some((share, share * (self.cpu_slow_down - 1.0) * service_ms))
        } else {
            None
        };
        Some(Price { regret_ms, split })
    }
}

export_signal!(MemoryFit);

#[cfg(test)]
mod tests {
    #[test]
    fn cases_manifest_and_hostile_input() {
        herdwick_sdk::cases::check::<super::MemoryFit>(env!("CARGO_MANIFEST_DIR"));
    }
}
