//! Prefers machines that are ours right now: those that nobody else is about to use, and that are cool and on mains.
//! Must not know: requests of ours that run or wait there, which other signals own.

mod shares;

use herdwick_sdk::service::{Constants, Service};
use herdwick_sdk::{Column, Cost, Row, Settings, Signal, column, export_signal, phrase};

use shares::{Prices, Shares};

/// The signal.
#[derive(Debug)]
pub struct AvailabilityTrend {
    prices: Prices,
    service: Constants,
}

impl Signal for AvailabilityTrend {
    const COLUMNS: &'static [Column] = &[
        column::NODE_AVAILABILITY_RATIO,
        column::NODE_TREND_RATIO,
        column::NODE_THERMAL_LEVEL,
        column::NODE_THROTTLED_FLAG,
        column::NODE_BATTERY_FLAG,
        column::NODE_MEETING_FLAG,
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
    ];

    fn new(settings: &mut Settings) -> AvailabilityTrend {
        AvailabilityTrend { prices: Prices::new(settings), service: Constants::new(settings) }
    }

    fn cost(&self, row: Row<'_>) -> Cost {
        self.ms(row).into()
    }

    fn explain(&self, row: Row<'_>) -> String {
        let Some(shares) = Shares::of(row, &self.prices) else {
            return "nothing known of the machine".to_owned();
        };
        let service_ms = self.service_ms(row);
        let is_throttled = row.flag(column::NODE_THROTTLED_FLAG).unwrap_or(false);
        let named = [
            (shares.availability, "in use by others at this hour"),
            (shares.trend, "getting busier"),
            (shares.heat, if is_throttled { "slows itself down" } else { "hot" }),
            (shares.battery, "on battery"),
            (shares.meeting, "in a meeting"),
        ];
        let mut text = String::new();
        for (share, reason) in named.into_iter().filter(|(share, _)| *share > 0.0) {
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(reason);
            if let Some(ms) = service_ms {
                text.push_str(&format!(" {}", phrase::ms(share * ms)));
            }
        }
        if text.is_empty() {
            text.push_str("ours");
        }
        match self.ms(row) {
            Some(ms) => text.push_str(&format!(": {}", phrase::ms(ms))),
            None => text.push_str("; speed or length unknown"),
        }
        text
    }
}

impl AvailabilityTrend {
    /// `None` when nothing is known of the machine or its speed, or a reading cannot be true.
    fn ms(&self, row: Row<'_>) -> Option<f64> {
        let share = Shares::of(row, &self.prices)?.sum();
        Some(share * self.service_ms(row)?)
    }

    fn service_ms(&self, row: Row<'_>) -> Option<f64> {
        Service::from_row(row)?.ms(self.service.learned(row)?)
    }
}

export_signal!(AvailabilityTrend);

#[cfg(test)]
mod tests {
    #[test]
    fn cases_manifest_and_hostile_input() {
        herdwick_sdk::cases::check::<super::AvailabilityTrend>(env!("CARGO_MANIFEST_DIR"));
    }
}
