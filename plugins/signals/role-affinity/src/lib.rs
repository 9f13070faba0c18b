//! Prefers backends that serve this request quickly, its prompt cache included, and that other requests need least.
//! Must not know: waiting, loads, and sizes of models; what a request takes from others follows from rates and use.

mod fleet;

use herdwick_sdk::service::{Constants, Service};
use herdwick_sdk::{Column, Cost, Row, Settings, Signal, column, export_signal, phrase};

use fleet::{Loss, Prices};

/// The signal: one weight for each of its terms, so that each can be switched off.
#[derive(Debug)]
pub struct RoleAffinity {
    service_weight: f64,
    prompt_cache: bool,
    running_weight: f64,
    usual_weight: f64,
    slot_price_weight: f64,
    service: Constants,
    prices: Prices,
}

/// The terms in milliseconds, weights included.
struct Terms {
    service: f64,
    running: f64,
    usual: f64,
    slot: f64,
}

impl Signal for RoleAffinity {
    const COLUMNS: &'static [Column] = &[
        column::REQ_PROMPT_TOKENS,
        column::REQ_EXPECTED_TOKENS,
        column::PREFIX_CACHED_TOKENS,
        column::RATE_PREFILL_PER_S,
        column::RATE_DECODE_PER_S,
        column::WORK_SAME_COUNT,
        column::WORK_OTHER_COUNT,
        column::WORK_REST_MS,
        column::WORK_SAME_UTIL_RATIO,
        column::WORK_OTHER_UTIL_RATIO,
        column::SLOTS_TOTAL_COUNT,
        column::SLOTS_FREE_COUNT,
        column::WAIT_FIRST_FREE_MS,
        column::MODEL_STATE_LEVEL,
        column::MODEL_LOAD_MS,
        column::LOAD_DRAIN_MS,
        column::MODEL_COPY_ELSEWHERE_FLAG,
        column::RATE_BEST_OTHER_DECODE_PER_S,
        column::RATE_SAME_DRAG_RATIO,
        column::RATE_OTHER_DRAG_RATIO,
        column::RATE_SAMPLES_COUNT,
    ];

    fn new(settings: &mut Settings) -> RoleAffinity {
        RoleAffinity {
            service_weight: settings.number("service_weight", 1.0, 0.0..=10.0),
            prompt_cache: settings.flag("prompt_cache", true),
            running_weight: settings.number("running_weight", 1.0, 0.0..=10.0),
            usual_weight: settings.number("usual_weight", 1.0, 0.0..=10.0),
            slot_price_weight: settings.number("slot_price_weight", 1.0, 0.0..=10.0),
            service: Constants::new(settings),
            prices: Prices::new(settings),
        }
    }

    fn cost(&self, row: Row<'_>) -> Cost {
        self.terms(row).map(|terms| terms.service + terms.running + terms.usual + terms.slot).into()
    }

    fn explain(&self, row: Row<'_>) -> String {
        let Some(terms) = self.terms(row) else {
            return "speed or length unknown".to_owned();
        };
        let mut text = format!("{} for the request", phrase::ms(terms.service));
        if let (Some(prefill), Some(decode), Some(samples)) = (
            row.get(column::RATE_PREFILL_PER_S),
            row.get(column::RATE_DECODE_PER_S),
            row.get(column::RATE_SAMPLES_COUNT),
        ) {
            let (prefill, decode) = (phrase::number(prefill.round()), phrase::number(decode.round()));
            let how = if samples >= 1.0 {
                format!("learned from {}", phrase::count(samples, "answer", "answers"))
            } else {
                "guessed".to_owned()
            };
            text.push_str(&format!(" (reads {prefill} and writes {decode} tokens/s, {how})"));
        }
        let losses = [
            (terms.running, "from streams here"),
            (terms.usual, "from the usual streams"),
            (terms.slot, "for the slot"),
        ];
        for (ms, what) in losses {
            // Less than half a millisecond would be shown as none.
            if ms >= 0.5 {
                text.push_str(&format!(", {} {what}", phrase::ms(ms)));
            }
        }
        text
    }
}

impl RoleAffinity {
    /// `None` when a length or a rate is unknown, or a reading cannot be true.
    fn terms(&self, row: Row<'_>) -> Option<Terms> {
        let mut service = Service::from_row(row)?;
        if !self.prompt_cache {
            service.cached_tokens = 0.0;
        }
        let constants = self.service.learned(row)?;
        let own_ms = service.ms(constants)?;
        let loss = Loss::of(row, service, constants, &self.prices)?;
        Some(Terms {
            service: self.service_weight * own_ms,
            running: self.running_weight * loss.running_ms,
            usual: self.usual_weight * loss.usual_ms,
            slot: self.slot_price_weight * loss.slot_ms,
        })
    }
}

export_signal!(RoleAffinity);

#[cfg(test)]
mod tests {
    #[test]
    fn cases_manifest_and_hostile_input() {
        herdwick_sdk::cases::check::<super::RoleAffinity>(env!("CARGO_MANIFEST_DIR"));
    }
}
